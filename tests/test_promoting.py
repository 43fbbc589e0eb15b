"""Promotion under a policy: refused with every reason before a tag is made, signed, recorded, all or nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from git_http import GitServer
from governed import acts, governed, link, mail, sign_tag
from inprocess import registry_here
from lab import Lab, Ran, Repo

from registry.api.ledgercheck import verify_ledger
from registry.api.ledgers import find
from registry.api.project import open_project
from registry.git import process
from registry.tags import trailers

Http = Callable[..., GitServer]
PLAIN = """\
format: 1
version: 4
roles: {release: [eve@example.org, bob@example.org], makers: [dana@example.org], oncall: [bob@example.org]}
register: [makers]
revoke: [release]
archive: [release]
stages:
  staging: {}
  prod: {after: [staging], assign: [release], rollback: [oncall], override: [oncall]}
"""
LEDGER = PLAIN.replace("rollback: [oncall],", "rollback: [oncall, release], ledger: true,")
APPROVED = """\
format: 1
version: 5
roles: {release: [eve@example.org, bob@example.org], makers: [dana@example.org]}
register: [makers]
stages:
  prod:
    assign: [release]
    approve: [release]
    approvals: 1
    confirm: [kpi]
    reference: JIRA-#
    gates: [card]
    freeze: [{from: "2020-01-01T00:00:00Z", until: "2039-01-01T00:00:00Z"}]
    after: [staging]
  staging: {}
"""


def refs(repo: Repo) -> str:
    return repo.git("for-each-ref")


def here(repo: Repo, *args: str, code: int = 0) -> Ran:
    """Run a command in this process; what it says where it ends otherwise than expected."""
    ran = registry_here(repo.path, *args)
    print(ran.stdout, ran.stderr)
    assert ran.code == code, f"{ran.stdout}\n{ran.stderr}"
    return ran


def reasons(ran: Ran) -> list[str]:
    return [each["id"] for each in ran.json["reasons"]]


def versions(repo: Repo, *labels: str, name: str = "m") -> None:
    """Further versions, registered by Dana."""
    acts(repo, "dana")
    for number, label in enumerate(labels):
        changed = link(**{"artifact.data.sha256": f"{number + 3}" * 64})
        repo.commit({f".mlem/links/{name}.mlem": changed})
        sign_tag(repo, f"{name}@{label}", f"Registering\n\nVersion: {label}\n")


def lines(repo: Repo, tag: str) -> dict[str, str]:
    return trailers(repo.git("cat-file", "tag", tag).partition("\n\n")[2])


def now(lab: Lab) -> dict[str, str]:
    """The environment of a process by the clock that this process has."""
    return {name: value for name, value in lab.environ().items() if name != "LAB_CLOCK" and "_DATE" not in name}


@pytest.fixture
def repo(lab: Lab) -> Repo:
    """A registry of `m` v1.0.0 whose prod is for those who release; Eve works in it."""
    return acts(governed(lab, PLAIN), "eve")


# --- refused


def test_every_reason_is_told_at_once_and_no_tag_is_made(lab: Lab) -> None:
    repo = acts(governed(lab, APPROVED), "mallory")
    before = refs(repo)
    ran = here(repo, "assign", "m", "--version", "v1.0.0", "--stage", "prod", "--json", code=1)
    assert reasons(ran) == [
        "role-needed", "stage-skipped", "stage-frozen", "gate-failed", "approvals-missing", "confirmation-missing",
        "reference-missing",
    ]  # fmt: skip
    assert ran.json["refused"] == "role-needed"
    for each in ran.json["reasons"]:
        assert f"{each['id']}: {each['message']}" in ran.stderr
        assert f"fix: {each['fix']}" in ran.stderr
    assert ran.stderr.startswith("error: refused (role-needed): ")
    assert refs(repo) == before


def test_whoever_has_no_key_is_refused_and_so_is_another_s_key(repo: Repo) -> None:
    before = refs(repo)
    args = ("assign", "m", "--version", "v1.0.0", "--stage", "prod", "--json")
    assert reasons(here(repo, *args, "--no-sign", code=1)) == ["signature-needed", "stage-skipped"]
    acts(repo, "eve", key="mallory")
    here(repo, "assign", "m", "--version", "v1.0.0", "--stage", "staging")
    before = refs(repo)
    ran = here(repo, *args, code=1)
    assert reasons(ran) == ["signature-needed", "role-needed"]
    assert "its tagger is 'eve@example.org'" in ran.json["reasons"][0]["message"]
    assert refs(repo) == before


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("assign", "m", "--version", "v1.0.0", "--stage", "qa"), "stage-unknown"),
        (("register", "m", "--force"), "role-needed"),
        (("deregister", "m", "--version", "v1.0.0"), "role-needed"),
        (("deprecate", "m"), "role-needed"),
        (("revoke", "m", "--version", "v1.0.0", "--reason", "leaked"), "role-needed"),
        (("archive", "m"), "role-needed"),
        (("assign", "m", "--version", "v1.0.0", "--stage", "prod", "--override", "--reason", "fire"), "role-needed"),
    ],
)
def test_each_act_asks_for_its_own_role(repo: Repo, args: tuple[str, ...], reason: str) -> None:
    acts(repo, "mallory")
    before = refs(repo)
    assert reason in reasons(here(repo, *args, "--json", code=1))
    assert refs(repo) == before


def test_unassign_and_rollback_ask_for_theirs(repo: Repo) -> None:
    versions(repo, "v1.1.0")
    acts(repo, "eve")
    for version in ("v1.0.0", "v1.1.0"):
        here(repo, "assign", f"m@{version}", "--stage", "staging")
        here(repo, "assign", f"m@{version}", "--stage", "prod")
    assert reasons(here(repo, "rollback", "m", "--stage", "prod", "--json", code=1)) == ["role-needed"]
    acts(repo, "mallory")
    assert reasons(here(repo, "unassign", "m", "--stage", "prod", "--json", code=1)) == ["role-needed"]


# --- allowed


def test_what_is_allowed_is_signed_and_says_what_it_was_allowed_on(repo: Repo) -> None:
    here(repo, "assign", "m", "--version", "v1.0.0", "--stage", "staging")
    ran = here(repo, "assign", "m", "--version", "v1.0.0", "--stage", "prod", "--json")
    (event,) = ran.json
    assert (event["tag"], event["version"], event["pushed"]) == ("m#prod#2", "v1.0.0", False)
    told = lines(repo, "m#prod#2")
    assert (told["Version"], told["Policy"], len(told["Evidence"])) == ("v1.0.0", "4", 64)
    assert told["Link"] == repo.rev("HEAD:.mlem/links/m.mlem")
    assert "BEGIN SSH SIGNATURE" in repo.git("cat-file", "tag", "m#prod#2")
    assert "BEGIN SSH SIGNATURE" not in repo.git("cat-file", "tag", "m#staging#1")  # nobody asks for it


def test_approvals_are_named_in_the_tag(lab: Lab) -> None:
    policy = APPROVED.replace("    gates: [card]\n", "").replace("    after: [staging]\n", "")
    start = policy.index("    freeze")
    repo = acts(governed(lab, policy[:start] + "  staging: {}\n"), "bob")
    here(repo, "approve", "m", "--version", "v1.0.0", "--stage", "prod", "-m", "ok", "--confirm", "kpi")
    acts(repo, "eve")
    args = ("assign", "m", "--version", "v1.0.0", "--stage", "prod")
    assert reasons(here(repo, *args, "--json", code=1)) == ["reference-missing"]
    here(repo, *args, "--reference", "JIRA-7")
    told = lines(repo, "m#prod#1")
    approval = next(tag for tag in repo.tags() if tag.startswith("approval/"))
    assert (told["Approved-by"], told["Reference"]) == (mail("bob"), "JIRA-7")
    assert told["Evidence"] == approval.split("/")[1]


def test_an_override_takes_its_role_and_a_reason_and_is_loud(repo: Repo) -> None:
    args = ("assign", "m", "--version", "v1.0.0", "--stage", "prod", "--override")
    assert here(repo, *args, code=2).stderr.startswith("Usage")
    acts(repo, "bob")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        ran = here(repo, *args, "--reason", "prod is down")
    assert "warning: OVERRIDE" in ran.stderr
    assert "prod is down" in ran.stderr
    assert lines(repo, "m#prod#1")["Override"] == "prod is down"
    assert registry_here(repo.path, "which", "m", "prod").stdout == "v1.0.0\n"


def test_there_is_nothing_to_override_without_a_policy(lab: Lab) -> None:
    repo = lab.repo("plain")
    repo.commit()
    repo.tag("m@v1.0.0")
    args = ("assign", "m@v1.0.0", "--stage", "prod", "--override", "--reason", "x")
    assert "nothing to override" in here(repo, *args, code=1).stderr


# --- several at once


@pytest.fixture
def three(repo: Repo) -> Repo:
    """Two further artifacts beside `m`."""
    acts(repo, "dana")
    repo.commit({".mlem/links/a.mlem": link(), ".mlem/links/b.mlem": link()})
    for name in ("a", "b"):
        sign_tag(repo, f"{name}@v2.0.0", "Registering\n\nVersion: v2.0.0\n")
    return acts(repo, "eve")


def test_several_are_assigned_together_each_in_its_latest_version(three: Repo) -> None:
    ran = here(three, "assign", "a", "b@v2.0.0", "m", "--stage", "staging", "--json")
    assert [(each["tag"], each["version"]) for each in ran.json] == [
        ("a#staging#1", "v2.0.0"), ("b#staging#1", "v2.0.0"), ("m#staging#1", "v1.0.0"),
    ]  # fmt: skip


def test_of_several_all_or_none_are_promoted(three: Repo) -> None:
    here(three, "assign", "a", "m", "--stage", "staging")
    before = refs(three)
    ran = here(three, "assign", "a", "b", "m", "--stage", "prod", "--json", code=1)
    assert [(each["artifact"], each["id"]) for each in ran.json["reasons"]] == [("b", "stage-skipped")]
    assert refs(three) == before
    here(three, "assign", "b", "--version", "v2.0.0", "--stage", "staging")
    here(three, "assign", "a", "b", "m", "--stage", "prod")
    assert {"a#prod#2", "b#prod#2", "m#prod#2"} < set(three.tags())


def test_the_second_word_is_a_revision_an_artifact_or_a_question(three: Repo) -> None:
    here(three, "assign", "m", "m@v1.0.0", "--stage", "staging")
    assert "b@VERSION" in here(three, "assign", "a", "b@v2.0.0", "--stage", "staging", code=2).stderr
    here(three, "assign", "a@v2.0.0", "b@v2.0.0", "--stage", "staging")
    three.git("branch", "m")
    assert "may be an artifact, or the revision" in here(three, "assign", "a", "m", "--stage", "staging", code=2).stderr
    assert "NAME@VERSION" in here(three, "assign", "a", "b", "--stage", "x", "--version", "v2.0.0", code=2).stderr
    assert "named twice" in here(three, "assign", "a", "a@v2.0.0", "b", "--stage", "staging", code=1).stderr


def test_several_are_one_push_or_none_where_there_is_no_policy_either(lab: Lab) -> None:
    origin = lab.repo("origin")
    origin.commit()
    for name in ("a", "b"):
        origin.tag(f"{name}@v1.0.0")
    hook = origin.git_dir / "hooks" / "update"
    hook.write_text('#!/bin/sh\ncase "$1" in refs/tags/b\\#*) echo "b is closed"; exit 1;; esac\n')
    hook.chmod(0o755)
    clone = origin.clone("clone")
    before = refs(clone), refs(origin)
    assert "b is closed" in here(clone, "assign", "a", "b", "--stage", "prod", "--push", code=1).stderr
    assert (refs(clone), refs(origin)) == before
    hook.unlink()
    here(clone, "assign", "a", "b", "--stage", "prod", "--push")
    assert refs(clone).count("#prod#1") == refs(origin).count("#prod#1") == 2


# --- back, and never again


def test_rolling_back_twice_goes_on_and_stops_at_the_end(repo: Repo) -> None:
    versions(repo, "v1.1.0", "v1.2.0")
    acts(repo, "eve")
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        here(repo, "assign", f"m@{version}", "--stage", "staging")
        here(repo, "assign", f"m@{version}", "--stage", "prod")
    acts(repo, "bob")  # who is on call
    here(repo, "rollback", "m", "--stage", "prod")
    here(repo, "rollback", "m", "--stage", "prod")
    assert here(repo, "which", "m", "prod").stdout == "v1.0.0\n"
    assert "held no other valid version" in here(repo, "rollback", "m", "--stage", "prod", code=1).stderr


def test_a_revoked_version_is_passed_over_and_stays_revoked(repo: Repo) -> None:
    versions(repo, "v1.1.0", "v1.2.0")
    acts(repo, "eve")
    for version in ("v1.0.0", "v1.1.0", "v1.2.0"):
        here(repo, "assign", f"m@{version}", "--stage", "staging")
        here(repo, "assign", f"m@{version}", "--stage", "prod")
    here(repo, "revoke", "m", "--version", "v1.1.0", "--reason", "trained on leaked data")
    assert lines(repo, "m@v1.1.0!")["Revoked"] == "trained on leaked data"
    assert "revoked already" in here(repo, "revoke", "m", "--version", "v1.1.0", "--reason", "x", code=1).stderr
    acts(repo, "bob")
    here(repo, "rollback", "m", "--stage", "prod")
    assert here(repo, "which", "m", "prod").stdout == "v1.0.0\n"
    acts(repo, "dana")
    assert "stays so" in here(repo, "register", "m", "m@v1.1.0", code=1).stderr


def test_where_what_a_stage_holds_was_revoked_one_rollback_answers_again(repo: Repo) -> None:
    versions(repo, "v1.1.0")
    acts(repo, "eve")
    for version in ("v1.0.0", "v1.1.0"):
        here(repo, "assign", f"m@{version}", "--stage", "staging")
        here(repo, "assign", f"m@{version}", "--stage", "prod")
    here(repo, "revoke", "m", "--version", "v1.1.0", "--reason", "leaked")
    assert "refused (revoked)" in here(repo, "which", "m", "prod", code=1).stderr
    acts(repo, "bob")
    here(repo, "rollback", "m", "--stage", "prod")
    assert here(repo, "which", "m", "prod").stdout == "v1.0.0\n"


def test_a_tag_that_nobody_accepts_is_nothing_to_go_on_from(repo: Repo) -> None:
    versions(repo, "v1.1.0", "v1.2.0")
    acts(repo, "eve")
    for version in ("v1.0.0", "v1.1.0"):
        here(repo, "assign", f"m@{version}", "--stage", "staging")
        here(repo, "assign", f"m@{version}", "--stage", "prod")
    repo.tag("m#prod#900", "m@v1.2.0^{commit}", "mine\n\nVersion: v1.2.0\n", time=2_100_000_000)  # of 2036
    repo.tag("m#prod#901", "m@v1.2.0^{commit}", "mine\n\nVersion: v1.2.0\n", time=int(time.time()))
    acts(repo, "bob")
    ran = here(repo, "rollback", "m", "--stage", "prod", "--json")
    assert [(each["tag"], each["version"]) for each in ran.json] == [("m#prod#5", "v1.0.0")]
    assert here(repo, "which", "m", "prod").stdout == "v1.0.0\n"


def test_archiving_empties_every_stage_for_good_and_at_once(repo: Repo) -> None:
    versions(repo, "v1.1.0")
    acts(repo, "eve")
    for version in ("v1.0.0", "v1.1.0"):
        here(repo, "assign", f"m@{version}", "--stage", "staging")
        here(repo, "assign", f"m@{version}", "--stage", "prod")
    ran = here(repo, "archive", "m", "--reason", "replaced", "--json")
    assert [each["event"] for each in ran.json] == ["unassignment"] * 4 + ["deprecation"]
    assert lines(repo, "m@deprecated")["Archived"] == "replaced"
    here(repo, "which", "m", "prod", code=1)
    assert repo.gto("show", "m#prod", "--json", check=False).stdout.strip() in {"", "{}", "[]"}
    assert "archived already" in here(repo, "archive", "m", code=1).stderr


# --- with a ledger


class Served:
    """A governed registry with a ledger at a URL, and clones of it."""

    def __init__(self, lab: Lab, http: Http) -> None:
        self.lab = lab
        repo = governed(lab, LEDGER)
        versions(repo, "v1.1.0")
        here(repo, "ledger", "adopt")
        (lab.root / "served").mkdir()
        self.bare = repo.bare_clone("served/models.git")
        self.url = f"{http(self.bare.path.parent).url}/models.git"

    def clone(self, who: str) -> Repo:
        return acts(self.lab.clone(self.url, who), who)


@pytest.fixture
def served(lab: Lab, http: Http) -> Served:
    return Served(lab, http)


def test_tag_and_entry_are_pushed_together(served: Served) -> None:
    eve = served.clone("eve")
    here(eve, "assign", "m@v1.0.0", "--stage", "staging", "--push")
    ran = here(eve, "assign", "m@v1.0.0", "--stage", "prod", "--push", "--json")
    (event,) = ran.json
    entry = find(open_project(served.bare.path), "m", stage="prod")
    assert entry is not None
    assert (entry.kind, entry.tag, entry.principal) == ("assign", event["tag"], mail("eve"))
    assert entry.tag_oid == served.bare.rev(f"refs/tags/{event['tag']}") == eve.rev(f"refs/tags/{event['tag']}")
    assert (entry.evidence, entry.policy_version) == (lines(eve, event["tag"])["Evidence"], 4)
    assert event["ledger"] == entry.sequence
    assert not verify_ledger(served.bare.path).findings


def test_ledger_and_tags_come_by_one_fetch_and_a_tag_that_gave_way_is_told(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    start = process._start

    def counted(path: Any, args: Any, **options: Any) -> Any:
        asked.extend({"fetch", "push"}.intersection(args))
        return start(path, args, **options)

    monkeypatch.setattr(process, "_start", counted)
    eve, other = served.clone("eve"), served.clone("bob")
    tag = here(eve, "assign", "m@v1.0.0", "--stage", "staging", "--push", "--json").json[0]["tag"]
    other.git("tag", "--annotate", "--message", "mine", tag, "HEAD")
    asked.clear()
    said = here(other, "assign", "m@v1.0.0", "--stage", "prod", "--push").stderr
    assert asked == ["fetch", "push"]
    assert f"tag {tag} here differed from the remote's and was replaced" in said
    assert other.rev(f"refs/tags/{tag}") == eve.rev(f"refs/tags/{tag}")


def test_a_refused_promotion_leaves_nothing_here_nor_there(served: Served) -> None:
    eve = served.clone("eve")
    before = refs(served.bare), eve.tags()
    assert reasons(here(eve, "assign", "m@v1.0.0", "--stage", "prod", "--push", "--json", code=1)) == ["stage-skipped"]
    assert (refs(served.bare), eve.tags()) == before


def test_history_keeps_what_a_later_entry_took_over_from(served: Served) -> None:
    eve = served.clone("eve")
    for version in ("v1.0.0", "v1.1.0"):
        here(eve, "assign", f"m@{version}", "--stage", "staging", "--push")
        here(eve, "assign", f"m@{version}", "--stage", "prod", "--push")
    here(eve, "rollback", "m", "--stage", "prod", "--push")
    eve.git("tag", "--annotate", "m#prod#99", "--message", "by hand", "m@v1.1.0")
    for where in (str(eve.path), served.url):
        told = here(eve, "history", "m", "--ascending", "--json", "-r", where).json
        assert [each["version"] for each in told if each["stage"] == "prod"] == ["v1.0.0", "v1.1.0", "v1.0.0"]


def test_a_url_is_promoted_without_a_clone(served: Served, monkeypatch: pytest.MonkeyPatch, lab: Lab) -> None:
    eve = served.clone("eve")
    settings = lab.home / ".gitconfig"
    for key in ("user.name", "user.email", "gpg.format", "user.signingKey"):
        eve.git("config", "--file", str(settings), key, eve.git("config", key))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    for stage in ("staging", "prod"):
        here(eve, "assign", "m@v1.0.0", "--stage", stage, "-r", served.url)
    assert not verify_ledger(served.bare.path).findings
    assert find(open_project(served.bare.path), "m", stage="prod") is not None


def test_of_two_who_promote_at_once_one_wins_and_the_other_is_told(served: Served) -> None:
    eve, bob = served.clone("eve"), served.clone("bob")
    for version in ("v1.0.0", "v1.1.0"):
        here(eve, "assign", f"m@{version}", "--stage", "staging", "--push")
    bob.git("fetch", "--quiet", "--tags")
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "registry", "assign", f"m@{version}", "--stage", "prod", "--push"],
            cwd=repo.path, env=now(served.lab), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for repo, version in ((eve, "v1.0.0"), (bob, "v1.1.0"))
    ]  # fmt: skip
    ended = [(process.communicate()[1], process.returncode) for process in started]
    codes = sorted(code for _, code in ended)
    made = [tag for tag in served.bare.tags() if "#prod" in tag]
    assert not verify_ledger(served.bare.path).findings
    if codes == [0, 0]:  # one came after the other had ended
        assert len(made) == 2
        return
    assert codes == [0, 1], ended
    said = next(text for text, code in ended if code)
    assert "was first: assignment of version" in said
    assert len(made) == 1
    loser = bob if ended[1][1] else eve
    assert [tag for tag in loser.tags() if "#prod" in tag] == made  # brought, not left behind
    assert "registry-sign" not in str([each.name for each in loser.git_dir.iterdir()])


def test_rolling_back_a_revoked_version_is_from_what_the_ledger_says(served: Served) -> None:
    eve = served.clone("eve")
    for version in ("v1.0.0", "v1.1.0"):
        for stage in ("staging", "prod"):
            here(eve, "assign", f"m@{version}", "--stage", stage, "--push")
    here(eve, "revoke", "m", "--version", "v1.1.0", "--reason", "leaked", "--push")
    entry = find(open_project(served.bare.path), "m", version="v1.1.0")
    assert entry is not None
    assert (entry.kind, entry.reason) == ("revoke", "leaked")
    here(eve, "rollback", "m", "--stage", "prod", "--push")
    entry = find(open_project(served.bare.path), "m", stage="prod")
    assert entry is not None
    assert (entry.kind, entry.version) == ("rollback", "v1.0.0")
    assert not verify_ledger(served.bare.path).findings


def test_a_killed_promotion_leaves_nothing_behind(served: Served) -> None:
    eve = served.clone("eve")
    hook = eve.git_dir / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nkill -9 $REGISTRY_TEST_VICTIM\nexit 1\n")
    hook.chmod(0o755)
    before = refs(served.bare), eve.tags(), eve.rev("refs/remotes/origin/ledger")
    script = (
        "import os, sys; os.environ['REGISTRY_TEST_VICTIM'] = str(os.getpid()); from registry.cli import main; main()"
    )
    line = [sys.executable, "-c", script, "assign", "m@v1.0.0", "--stage", "staging", "--push"]
    assert subprocess.run(line, cwd=eve.path, env=now(served.lab), capture_output=True, check=False).returncode == -9
    assert (refs(served.bare), eve.tags(), eve.rev("refs/remotes/origin/ledger")) == before
    hook.unlink()
    here(eve, "assign", "m@v1.0.0", "--stage", "staging", "--push")


def test_the_archive_of_an_artifact_is_one_commit_of_the_ledger(served: Served) -> None:
    eve = served.clone("eve")
    for stage in ("staging", "prod"):
        here(eve, "assign", "m@v1.0.0", "--stage", stage, "--push")
    commits = int(served.bare.git("rev-list", "--count", "ledger"))
    here(eve, "archive", "m", "--push")
    assert int(served.bare.git("rev-list", "--count", "ledger")) == commits + 1
    kinds = [each["kind"] for each in json.loads(here(eve, "ledger", "log", "m", "--json").stdout)][:3]
    assert sorted(kinds) == ["archive", "unassign", "unassign"]
    assert not verify_ledger(served.bare.path).findings


def test_a_version_is_revoked_in_the_ledger_of_a_registry_without_a_policy(lab: Lab) -> None:
    repo = lab.repo("plain")
    repo.commit()
    repo.tag("m@v1.0.0")
    here(repo, "ledger", "adopt")
    here(repo, "revoke", "m", "--version", "v1.0.0", "--reason", "leaked")
    entry: Any = find(open_project(repo.path), "m", version="v1.0.0")
    assert (entry.kind, entry.tag, entry.reason) == ("revoke", "m@v1.0.0!", "leaked")
    assert not verify_ledger(repo.path).findings
