"""Attacks on a governed registry, performed with plain git: who is refused, with which reason, and what stands after."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from attacked import PEOPLE, change_policy, entry_of, key_of, make_governed, policy, record, sign_tag, signers
from git_http import GitServer
from lab import Lab, Repo, tag_body
from ledgers import Forger
from linked import served, slope

import registry
from registry.api.doctor import doctor
from registry.api.evidencing import evidence_of
from registry.api.governing import current_policy
from registry.api.holding import which
from registry.api.project import open_project
from registry.api.questions import Registry
from registry.approval import APPROVAL, Said, format_message
from registry.errors import NotFound, Refused
from registry.findings import Finding

Http = Callable[..., GitServer]


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_governed(lab)


def held(repo: Repo | str, stage: str = "prod") -> str | None:
    """What a stage holds, by every way to ask for it, which must agree."""
    project = repo if isinstance(repo, str) else str(repo.path)
    found = registry.resolve("m", stage=stage, project=project).version
    assert which("m", stage, project).version.label == found
    assert Registry(project).show()["m"]["stage"][stage] == found
    return found


def refusal(repo: Repo | str, stage: str | None = "prod", **asked: str) -> Refused:
    """Why nothing is given; `which` and `show` say the same of a stage."""
    project = repo if isinstance(repo, str) else str(repo.path)
    with pytest.raises(Refused) as caught:
        registry.resolve("m", stage=stage, project=project, **asked)
    error = caught.value
    assert error.what, error
    assert error.where, error
    assert error.fix, error
    if stage is not None:
        with pytest.raises(Refused) as again:
            which("m", stage, project)
        assert again.value.reason == error.reason
        asked_all = Registry(project)
        assert asked_all.show()["m"]["stage"].get(stage) is None
        assert any(stage in each for each in asked_all.warnings)
    return error


def rejected(repo: Repo, ref: str) -> Finding:
    """The finding of `doctor` about a tag that is not accepted."""
    return next(each for each in doctor(repo.path) if each.id == "event-rejected" and each.ref == ref)


def test_the_honest_registry_answers(reg: Repo) -> None:
    assert held(reg) == held(reg, "live") == "v1.0.0"
    assert held(reg, "staging") == "v2.0.0"
    assert [each for each in doctor(reg.path) if each.id == "event-rejected"] == []


def test_an_unsigned_promotion_stops_nobody_and_is_told(reg: Repo) -> None:
    reg.tag("m#prod#5", "m@v2.0.0^{commit}", "promote\n\nVersion: v2.0.0")
    assert held(reg) == "v1.0.0"
    assert "signature-needed" in rejected(reg, "m#prod#5").message
    assert which("m", "prod", reg.path, as_gto=True).version.label == "v2.0.0"
    assert reg.registry("which", "m", "prod", "--as-gto").stdout.strip() == "v2.0.0"
    shown = reg.registry("show", "--json")
    assert shown.json["m"]["stage"]["prod"] == "v1.0.0"
    assert "m#prod#5" in shown.stderr
    assert reg.registry("show", "--json", "--as-gto").json["m"]["stage"]["prod"] == "v2.0.0"


@pytest.mark.parametrize(
    ("who", "email", "why"),
    [
        ("dana", "", "role-needed"),
        ("mallory", "", "signature-needed"),
        ("mallory", PEOPLE["bo"], "signature-needed"),
        ("dana", PEOPLE["bo"], "signature-needed"),
        ("bo", PEOPLE["eve"], "signature-needed"),
    ],
    ids=["wrong role", "unknown key", "unknown key, Bo's name", "Dana's key, Bo's name", "Bo's key, Eve's name"],
)
def test_a_promotion_signed_by_another_than_who_may(reg: Repo, who: str, email: str, why: str) -> None:
    sign_tag(reg, "m#prod#5", who, "m@v2.0.0^{commit}", "Version: v2.0.0", email=email)
    assert held(reg) == "v1.0.0"
    assert why in rejected(reg, "m#prod#5").message


def test_who_may_is_believed(reg: Repo) -> None:
    sign_tag(reg, "m#prod#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    assert held(reg) == "v2.0.0"


def test_an_expired_key_cannot_date_itself_back(reg: Repo) -> None:
    line = f'{PEOPLE["bo"]} valid-before="20250701Z" {key_of("bo").public}'
    reg.commit({"allowed_signers": signers(line, without="bo")})
    sign_tag(reg, "m#prod#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    assert "role-needed" in refusal(reg).what, "without a ledger old events of that key count no more either"
    assert held(reg, "live") == "v1.0.0", "what a recorder vouched for stays"


def test_a_compromised_key_loses_what_it_signed_since(reg: Repo) -> None:
    lost = f'compromised: {{"{key_of("bo").fingerprint}": "2025-01-01T00:00:00Z"}}\n'
    change_policy(reg, policy(2, lost))
    assert "signature-needed" in refusal(reg).what
    assert refusal(reg, "live").reason == "event-rejected"


def test_a_key_that_left_does_not_undo_what_was_recorded(reg: Repo) -> None:
    reg.commit({"allowed_signers": signers(without="bo")})
    assert refusal(reg).reason == "event-rejected"
    assert held(reg, "live") == "v1.0.0"


def test_a_version_tag_that_was_moved_by_somebody_else(reg: Repo) -> None:
    reg.git("tag", "--delete", "m@v1.0.0")
    sign_tag(reg, "m@v1.0.0", "mallory", "m@v2.0.0^{commit}")
    assert refusal(reg, stage=None, version="v1.0.0").reason == "event-rejected"
    assert refusal(reg).reason == "event-rejected"
    assert refusal(reg, "live").reason == "ledger-tag-moved"


def test_a_version_tag_that_its_owner_moved_is_noticed_by_who_saw_it(lab: Lab, http: Http, reg: Repo) -> None:
    url = published(lab, http, reg)
    assert held(url) == "v1.0.0"
    reg.git("tag", "--delete", "m@v1.0.0")
    sign_tag(reg, "m@v1.0.0", "dana", "m@v2.0.0^{commit}")
    push(lab, reg)
    assert refusal(url, stage=None, version="v1.0.0").reason == "moved"


def test_a_deleted_promotion_without_a_ledger_gives_the_stage_back(reg: Repo) -> None:
    sign_tag(reg, "m#prod#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    reg.git("tag", "--delete", "m#prod#5")
    assert held(reg) == "v1.0.0", "not defended: that is what the ledger is for"


def test_a_deleted_promotion_that_was_recorded(reg: Repo) -> None:
    reg.git("tag", "--delete", "m#live#4")
    assert refusal(reg, "live").reason == "ledger-tag-missing"


def test_a_promotion_deleted_and_made_again(reg: Repo) -> None:
    reg.git("tag", "--delete", "m#live#4")
    sign_tag(reg, "m#live#4", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    assert refusal(reg, "live").reason == "ledger-tag-moved"


def test_an_old_assignment_under_a_new_number(reg: Repo) -> None:
    sign_tag(reg, "m#prod#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    reg.git("update-ref", "refs/tags/m#prod#6", reg.rev("refs/tags/m#prod#3"))
    assert held(reg) == "v2.0.0"
    assert any(each.id == "tag-name" and each.ref == "m#prod#6" for each in doctor(reg.path))


def test_an_old_assignment_that_was_taken_away_and_is_pushed_again(reg: Repo) -> None:
    old = reg.rev("refs/tags/m#live#4")
    sign_tag(reg, "m#live#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    record(reg, entry_of(reg, "m#live#5", version="v2.0.0", principal=PEOPLE["bo"]))
    reg.git("tag", "--delete", "m#live#4")
    assert held(reg, "live") == "v2.0.0"
    reg.git("update-ref", "refs/tags/m#live#4", old)
    assert held(reg, "live") == "v2.0.0"


def test_a_name_inside_the_object_is_another_than_the_ref(reg: Repo) -> None:
    reg.raw_tag("other@v0.0.1", tag_body("m#prod#7", reg.rev("m@v2.0.0^{commit}")))
    assert held(reg) == "v1.0.0"


@pytest.mark.parametrize("when", [-400, 200], ids=["backdated", "future-dated"])
def test_a_date_that_was_made_up_changes_no_order(lab: Lab, reg: Repo, when: int) -> None:
    sign_tag(reg, "m#prod#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    sign_tag(reg, "m#prod#6", "bo", "m@v1.0.0^{commit}", "Version: v1.0.0", time=lab.now + when)
    assert held(reg) == "v1.0.0", "the numbers say the order"
    far = 4_000_000_000
    sign_tag(reg, "m#prod#7", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0", time=far)
    assert held(reg) == "v1.0.0", "a date beyond this machine's clock is none"


def test_a_stage_that_was_skipped_and_one_that_an_unsigned_tag_pretends(reg: Repo) -> None:
    reg.commit({"README.md": "more\n"})
    sign_tag(reg, "m@v3.0.0", "dana")
    reg.tag("m#staging#8", "HEAD", "pretend\n\nVersion: v3.0.0")
    sign_tag(reg, "m#prod#9", "bo", "HEAD", "Version: v3.0.0")
    assert held(reg) == "v1.0.0"
    assert "stage-skipped" in rejected(reg, "m#prod#9").message


def test_a_registration_by_who_may_not(reg: Repo) -> None:
    reg.tag("m@v3.0.0", "HEAD")
    assert registry.resolve("m", project=str(reg.path)).version == "v2.0.0"
    assert refusal(reg, stage=None, version="v3.0.0").reason == "event-rejected"
    reg.tag("m@v2.0.0!", "m@v2.0.0^{commit}")
    assert registry.resolve("m", project=str(reg.path)).version == "v2.0.0", "nor may they cancel one"


def test_a_stage_that_the_policy_does_not_have(reg: Repo) -> None:
    sign_tag(reg, "m#canary#5", "bo", "HEAD", "Version: v2.0.0")
    assert "stage-unknown" in refusal(reg, "canary").what


def test_a_revoked_version_is_refused_however_it_is_asked_for(reg: Repo) -> None:
    sign_tag(reg, "m#prod#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    commit = reg.rev("m@v2.0.0^{commit}")
    reg.tag("m@v2.0.0!", commit, "mine\n\nRevoked: because I say so")
    assert held(reg) == "v2.0.0", "only who may revokes"
    reg.git("tag", "--delete", "m@v2.0.0!")
    sign_tag(reg, "m@v2.0.0!", "eve", commit, "Revoked: trained on leaked data")
    for asked in ({"stage": "prod"}, {"version": "v2.0.0"}, {"rev": commit}, {"rev": "m@v2.0.0"}):
        error = refusal(reg, **{"stage": None, **asked})
        assert (error.reason, "leaked data" in error.what) == ("revoked", True)
    assert registry.resolve("m", project=str(reg.path)).version == "v1.0.0"
    sign_tag(reg, "m#prod#6", "eve", "m@v1.0.0^{commit}", "Version: v1.0.0", "Rollback-of: v2.0.0")
    assert held(reg) == "v1.0.0", "a rollback puts the stage right"


def test_a_revocation_in_the_ledger_alone(reg: Repo) -> None:
    entry = entry_of(reg, "m@v1.0.0")._replace(kind="revoke", tag=None, tag_oid=None, commit=None, reason="it leaks")
    record(reg, entry)
    for asked in ({"stage": "prod"}, {"stage": "live"}, {"version": "v1.0.0"}):
        error = refusal(reg, **{"stage": None, **asked})
        assert (error.reason, "it leaks" in error.what) == ("revoked", True)


def test_a_tag_without_an_entry_and_an_entry_by_nobody(reg: Repo) -> None:
    sign_tag(reg, "m#live#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    assert held(reg, "live") == "v1.0.0"
    assert "ledger-entry-missing" in rejected(reg, "m#live#5").message
    sign_tag(reg, "m#live#6", "dana", "m@v2.0.0^{commit}", "Version: v2.0.0")
    record(reg, entry_of(reg, "m#live#6", version="v2.0.0", principal=PEOPLE["bo"]), who="mallory")
    error = refusal(reg, "live")
    assert error.reason == "event-rejected", "nobody vouches for that entry, and Dana may not"
    assert "role-needed" in error.what
    assert "role-needed" in rejected(reg, "m#live#6").message


def test_a_recorded_version_that_was_taken_out_gives_way_to_a_recorded_one_only(reg: Repo) -> None:
    sign_tag(reg, "m#live#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    sign_tag(reg, "m#live#6", "bo", "m@v1.0.0^{commit}", "Version: v1.0.0")
    record(reg, entry_of(reg, "m#live#6", version="v1.0.0", principal=PEOPLE["bo"]))
    sign_tag(reg, "m#live!#7", "bo", "m@v1.0.0^{commit}", "Version: v1.0.0")
    record(reg, entry_of(reg, "m#live!#7", version="v1.0.0", principal=PEOPLE["bo"]))
    with pytest.raises(NotFound, match="nothing of 'm' is in stage 'live'"):
        held(reg, "live")


def test_an_entry_that_its_own_signer_recorded_is_judged_now(reg: Repo) -> None:
    sign_tag(reg, "m#live#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    record(reg, entry_of(reg, "m#live#5", version="v2.0.0", principal=PEOPLE["bo"]), who="bo")
    assert held(reg, "live") == "v2.0.0"
    change_policy(reg, policy(2).replace("live: {assign: [release]", "live: {assign: [owners]"))
    assert refusal(reg, "live").reason == "event-rejected"


def test_a_registry_whose_stage_asks_for_a_ledger_that_is_not_there(reg: Repo) -> None:
    reg.git("update-ref", "-d", "refs/heads/ledger")
    assert refusal(reg, "live").reason == "ledger-missing"
    assert held(reg) == "v1.0.0"


def test_a_ledger_that_is_too_old_to_be_believed(reg: Repo) -> None:
    change_policy(reg, policy(2, "ledger: {max_age: 30d}\n"))
    assert held(reg, "live") == "v1.0.0"
    Forger(reg).replay(None, [[entry_of(reg, "m#live#4", version="v1.0.0", actor="a <b>")]], time=1_760_000_000)
    assert refusal(reg, "live").reason == "ledger-stale"
    with pytest.raises(Refused, match="ledger-stale"):
        registry.resolve("m", version="v1.0.0", project=str(reg.path))


def test_a_ledger_that_was_rewritten_or_deleted(lab: Lab, http: Http, reg: Repo) -> None:
    url = published(lab, http, reg)
    assert held(url, "live") == "v1.0.0"
    sign_tag(reg, "m#live#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    forged = entry_of(reg, "m#live#5", version="v2.0.0", actor="a <b>")
    Forger(reg).replay(None, [[forged]], time=1_760_000_000)
    push(lab, reg)
    assert refusal(url, "live").reason == "ledger-forked"
    with pytest.raises(Refused, match="ledger-forked"):
        registry.resolve("m", version="v1.0.0", project=url)
    (lab.root / "served/reg.git").joinpath("packed-refs").touch()
    served_repo(lab).git("update-ref", "-d", "refs/heads/ledger")
    assert refusal(url, "live").reason == "ledger-missing"


def test_a_running_process_notices_what_changes_and_asks_little_while_nothing_does(
    lab: Lab, http: Http, reg: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = http(served(lab, reg))
    url = f"{server.url}/reg.git"
    for _ in range(2):
        assert registry.resolve("m", stage="live", project=url).version == "v1.0.0"
    before = len(server.requests)
    traced = lab.root / "traced"
    traced.mkdir()
    with monkeypatch.context() as patched:
        patched.setenv("GIT_TRACE2_EVENT", str(traced))
        assert registry.resolve("m", stage="live", project=url).version == "v1.0.0"
    assert len(server.requests) - before <= 2, "as without a policy: the ledger's tip comes with the tags"
    assert len(list(traced.iterdir())) <= 5, "a fetch, with its helpers, and the names of the refs"
    sign_tag(reg, "m#live#5", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    record(reg, entry_of(reg, "m#live#5", version="v2.0.0", principal=PEOPLE["bo"]))
    push(lab, reg)
    assert registry.resolve("m", stage="live", project=url).version == "v2.0.0"


def test_a_kept_answer_ends_with_the_key_that_it_rests_on(
    lab: Lab, http: Http, reg: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f'{PEOPLE["bo"]} valid-before="21000101Z" {key_of("bo").public}'
    reg.commit({"allowed_signers": signers(line, without="bo")})
    url = published(lab, http, reg)
    found = [registry.resolve("m", stage="prod", project=url) for _ in range(2)]
    assert found[0].until is not None
    monkeypatch.setattr(time, "time", lambda: float(found[0].until or 0))
    assert refusal(url).reason == "event-rejected"


def test_an_older_or_weaker_policy_is_refused(lab: Lab, http: Http, reg: Repo) -> None:
    change_policy(reg, policy(2))
    url = published(lab, http, reg)
    assert held(url) == "v1.0.0"
    first = reg.rev("HEAD~1")
    served_repo(lab).git("update-ref", "refs/heads/main", first)
    with pytest.raises(Refused, match="policy-older"):
        registry.resolve("m", stage="prod", project=url)
    change_policy(reg, policy(2).replace("assign: [release]", "assign: [science]"))
    push(lab, reg)
    with pytest.raises(Refused, match="policy-changed"):
        registry.resolve("m", stage="prod", project=url)


def test_a_pickle_that_the_policy_wants_signed(lab: Lab) -> None:
    reg = make_governed(lab, "local")
    change_policy(reg, policy(2, "formats: {pickle: signed}\n").replace("register: [science]\n", ""))
    assert slope(registry.load("m", stage="prod", project=reg.path)) == 1.0
    reg.tag("m@v3.0.0", "HEAD")
    reg.tag("m#open#9", "HEAD", "open\n\nVersion: v3.0.0")
    assert held(reg, "open") == "v3.0.0"
    with pytest.raises(Refused, match="format-allowed"):
        registry.load("m", stage="open", project=reg.path)
    with pytest.raises(NotFound):
        registry.resolve("m", version="v9.0.0", project=reg.path)


def test_approvals_are_those_of_the_evidence_that_the_promotion_names(reg: Repo) -> None:
    commit = "m@v2.0.0^{commit}"
    sign_tag(reg, "m#shop#5", "bo", commit, "Version: v2.0.0", f"Evidence: {approve(reg, 'v2.0.0', 'shop', 'bo')}")
    assert "approvals-missing" in refusal(reg, "shop").what, "Bo may not approve"
    other = approve(reg, "v1.0.0", "shop", "eve")
    sign_tag(reg, "m#shop#6", "bo", commit, "Version: v2.0.0", f"Evidence: {other}")
    assert "approvals-missing" in refusal(reg, "shop").what, "an approval of another version"
    sign_tag(reg, "m#shop#7", "bo", commit, "Version: v2.0.0")
    good = approve(reg, "v2.0.0", "shop", "eve")
    assert held(reg, "shop") == "v2.0.0", "the first promotion names this evidence"
    assert "approvals-missing" in rejected(reg, "m#shop#7").message, "this one names none"
    for tag in [each for each in reg.tags() if each.startswith(f"approval/{good}/")]:
        reg.git("tag", "--delete", tag)
    assert "approvals-missing" in refusal(reg, "shop").what


def approve(reg: Repo, version: str, stage: str, who: str) -> str:
    """Make the tag of an approval with plain git, whoever may; the SHA-256 of its evidence."""
    project = open_project(reg.path)
    evidence = evidence_of(project, "m", version, stage, current_policy(project))
    nonce = f"{len(reg.tags()):016x}"
    said = Said(APPROVAL, "fine", evidence, 1, nonce)
    name = f"{APPROVAL}/{evidence.digest}/{len(reg.tags())}"
    settings = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key_of(who).private}"]
    env = {"GIT_COMMITTER_NAME": who.title(), "GIT_COMMITTER_EMAIL": PEOPLE[who]}
    words = ["--sign", "--cleanup=verbatim", "--message", format_message(said)]
    reg.git(*settings, "tag", *words, name, f"m@{version}^{{commit}}", env=env)
    return evidence.digest


def published(lab: Lab, http: Http, reg: Repo) -> str:
    """The URL where the registry is served."""
    return f"{http(served(lab, reg)).url}/reg.git"


def served_repo(lab: Lab) -> Repo:
    return Repo(lab, lab.root / "served/reg.git")


def push(lab: Lab, reg: Repo) -> None:
    """Push everything, whatever stands there."""
    reg.git("push", "--quiet", "--force", "--mirror", str(lab.root / "served/reg.git"))
