"""One truth: whatever asks what a stage holds, or what a tag did, goes by what is accepted, and says what is not.

Each attack is a tag by somebody without the role, made with plain git or gto, then the command.
"""

from __future__ import annotations

import json

import pytest
from attacked import PEOPLE, change_policy, make_governed, policy, sign_tag
from inprocess import registry_here
from lab import Lab, Repo
from test_attacks import approve

import registry
from registry.api.adopting import AdoptedRejected, adopt
from registry.api.approving import request
from registry.api.trails import audit
from registry.api.waiting import approvals

TO_V2 = ("m@v2.0.0^{commit}", "promote\n\nVersion: v2.0.0")


@pytest.fixture
def reg(lab: Lab) -> Repo:
    """A governed registry where v2.0.0, which is in staging, was put into prod by hand."""
    repo = make_governed(lab)
    repo.tag("m#prod#5", *TO_V2, tagger="Mallory <mallory@example.org>")
    return repo


# --- notifications --------------------------------------------------------------------------------------------------


def test_a_tag_that_is_not_accepted_is_told_as_rejected_and_as_no_promotion(reg: Repo) -> None:
    sign_tag(reg, "m#prod#6", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    change_policy(reg, policy(2, "notify: [{slack: SLACK_URL}]\n"))
    (found,) = registry.notify(reg.path, tags=["m#prod#5"], dry_run=True)
    told = found.notice
    assert (told.kind, told.title()) == ("rejected", "m v2.0.0: tag rejected in prod")
    assert (told.previous, told.holds, told.actor_email) == (None, "v2.0.0", "mallory@example.org")
    assert any(each.startswith("signature-needed: ") for each in told.reasons)
    (found,) = registry.notify(reg.path, tags=["m#prod#6"], dry_run=True)
    assert found.notice.title() == "m v2.0.0: assigned in prod (was v1.0.0)", "what was before is what was accepted"
    found = registry.notify(reg.path, since="m#live#4", dry_run=True)
    assert [each.notice.kind for each in found] == ["register", "assign", "rejected", "assign"]


# --- check-ref, history ---------------------------------------------------------------------------------------------


def test_check_ref_refuses_a_tag_that_nobody_accepts(reg: Repo) -> None:
    ran = registry_here(reg.path, "check-ref", "refs/tags/m#prod#5", "--stage")
    assert (ran.code, ran.stdout) == (1, "")
    assert "refused (event-rejected)" in ran.stderr
    assert "signature-needed" in ran.stderr
    assert registry_here(reg.path, "check-ref", "m#prod#5", "--stage", "--as-gto").stdout == "prod\n"
    assert registry_here(reg.path, "check-ref", "m#prod#3", "--version").stdout == "v1.0.0\n"


def test_history_has_what_is_accepted_and_all_of_it(reg: Repo) -> None:
    sign_tag(reg, "m#live#6", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    refs = {each["ref"] for each in registry.Registry(reg.path).history("m")}
    assert {"m#prod#3", "m#live#4"} <= refs
    assert refs.isdisjoint({"m#prod#5", "m#live#6"})


def test_the_audit_calls_an_accepted_event_by_the_version_that_it_has(reg: Repo) -> None:
    """Mallory registers a greater version at the commit of an assignment that names none."""
    sign_tag(reg, "m#staging#6", "dana", "m@v1.0.0^{commit}")
    reg.tag("m@v9.0.0", "m@v1.0.0^{commit}")
    rows = {each.tag: each for each in audit(reg.path).rows}
    assert (rows["m#staging#6"].version, rows["m#staging#6"].decision) == ("v1.0.0", "accepted")
    assert rows["m@v9.0.0"].decision == "rejected"


# --- what a change and a suite are compared with, what is registered ------------------------------------------------


def test_a_change_is_compared_with_what_its_stage_holds_by_the_base_s_policy(reg: Repo) -> None:
    sign_tag(reg, "m#staging#6", "dana", "m@v1.0.0^{commit}", "Version: v1.0.0")
    reg.tag("m#staging#7", *TO_V2)
    link = (reg.path / ".mlem/links/m.mlem").read_text()
    reg.commit(
        {".mlem/links/m.mlem": f"{link}# again\n", "policy.yaml": "format: 1\nversion: 2\nstages: {staging: {}}\n"}
    )
    (found,) = registry.candidates(reg.path, base="HEAD~1")
    assert (found.stage, found.against is not None) == ("staging", True), "v1.0.0, where the base has v2.0.0"


def test_a_link_that_only_an_unaccepted_tag_registers_still_lacks_a_version(reg: Repo) -> None:
    link = (reg.path / ".mlem/links/m.mlem").read_text()
    reg.commit({".mlem/links/m.mlem": f"{link}# again\n"})
    reg.tag("m@v3.0.0")
    assert registry.unregistered(reg.path) == ["m"]
    sign_tag(reg, "m@v3.0.1", "dana")
    assert registry.unregistered(reg.path) == []


def test_an_assignment_that_nobody_accepts_stops_no_evaluation(lab: Lab) -> None:
    reg = make_governed(lab, "local")
    reg.tag("m#shop#6", *TO_V2)
    data = {"path": "data/none.csv", "format": "csv", "sha256": "0" * 64, "target": "y"}
    suite = {"format": 1, "task": "regression", "data": data, "metrics": ["r2"], "against": "shop"}
    reg.commit({"evaluations/quality.yaml": json.dumps(suite)})
    with pytest.raises(registry.RegistryError, match=r"none\.csv"):
        registry.evaluate("m@v1.0.0", "evaluations/quality.yaml", reg.path)
    with pytest.raises(registry.Refused, match="event-rejected"):
        registry.evaluate("m@v1.0.0", "evaluations/quality.yaml", reg.path, against="shop")


def test_whoever_adopts_is_told_of_what_the_policy_does_not_accept(reg: Repo) -> None:
    reg.git("update-ref", "-d", "refs/heads/ledger")
    with pytest.warns(AdoptedRejected) as told:
        adopt(reg.path)
    assert len(told) == 1
    assert "tag 'm#prod#5' by Mallory" in str(told[0].message)


def test_the_check_of_a_lock_tells_of_a_stage_that_is_refused(reg: Repo) -> None:
    file = reg.path.parent / "registry.lock"
    registry.lock("m", stage="prod", project=reg.path, lock=file)
    sign_tag(reg, "m@v1.0.0!", "eve", "m@v1.0.0^{commit}", "Revoked: it leaks")
    (checked,) = registry.check_lock(lock=file)
    assert [each.kind for each in checked.problems] == ["revoked"]


# --- policy simulate ------------------------------------------------------------------------------------------------


def test_simulate_goes_by_what_is_accepted(reg: Repo) -> None:
    words = ("policy", "simulate", "m", "--version", "v1.0.0", "--stage", "prod", "--kind", "rollback")
    reg.tag("m#shop#6", "m@v1.0.0^{commit}", "promote\n\nVersion: v1.0.0")
    ran = registry_here(reg.path, *words[:-3], "shop", "--kind", "rollback", "--as", PEOPLE["bo"])
    assert (ran.code, "not-held-before" in ran.stdout) == (1, True)
    assert "counts for nothing: tag 'm#shop#6'" in ran.stdout
    found = registry_here(reg.path, *words, "--as", PEOPLE["bo"], "--json").json
    assert [each["stage"] for each in found["history"]] == ["staging", "prod", "live"]
    assert found["act"]["authors"] == [PEOPLE["dana"]], "by a signature that was verified"
    assert found["assumed"] == [f"{PEOPLE['bo']} signs with a valid key, where a signature is asked for"]


def test_simulate_refuses_a_version_that_nobody_may_have_registered(reg: Repo) -> None:
    """Mallory registers under the name of Dana, who may."""
    reg.tag("m@v3.0.0", "HEAD", tagger=f"Dana <{PEOPLE['dana']}>")
    ran = registry_here(
        reg.path, "policy", "simulate", "m", "--version", "v3.0.0", "--stage", "staging", "--as", PEOPLE["bo"]
    )
    assert (ran.code, ran.stdout) == (1, "")
    assert "version v3.0.0 of 'm' is not registered as the policy asks: tag 'm@v3.0.0'" in ran.stderr


def test_simulate_says_what_it_could_not_verify(reg: Repo) -> None:
    change_policy(reg, policy(2).replace("register: [science]\n", ""))
    reg.tag("m@v3.0.0", "HEAD", tagger=f"Eve <{PEOPLE['eve']}>")
    words = ("policy", "simulate", "m", "--version", "v3.0.0", "--stage", "shop", "--as", PEOPLE["bo"])
    ran = registry_here(reg.path, *words, "--approved-by", "owen@example.org")
    assert f"assumed: {PEOPLE['eve']} made the version, as a tag claims whose signature nothing asks for" in ran.stdout
    assert "assumed: owen@example.org approved exactly this" in ran.stdout


# --- verify ---------------------------------------------------------------------------------------------------------


def test_verify_tells_of_approvals_that_count_for_nothing(reg: Repo) -> None:
    """Mallory approves as plain git lets anybody, in Eve's name and by a tag that is no approval at all."""
    good = approve(reg, "v2.0.0", "shop", "eve")
    (ref,) = (each for each in reg.tags() if each.startswith("approval/"))
    text = reg.git("for-each-ref", "--format=%(contents:subject)%0a%0a%(contents:body)", f"refs/tags/{ref}")
    forged, junk = f"approval/{good}/77", f"approval/{good}/78"
    reg.tag(forged, "m@v2.0.0^{commit}", text, tagger=f"Eve <{PEOPLE['eve']}>")
    reg.tag(junk, "m@v2.0.0^{commit}", "fine by me")
    found = {each.ref: each.id for each in registry.verify(reg.path).findings if each.id.startswith("approval-")}
    assert found == {forged: "approval-signature", junk: "approval-malformed"}


# --- approvals ------------------------------------------------------------------------------------------------------


def test_a_question_is_not_answered_by_a_promotion_that_nobody_accepts(reg: Repo) -> None:
    request("m", "v2.0.0", "shop", reg.path, message="please")
    reg.tag("m#shop#6", *TO_V2)
    (found,) = approvals(reg.path).questions
    assert found.status == "waiting"
    reg.tag("m@v3.0.0", "HEAD")
    with pytest.raises(registry.Refused, match="not registered as the policy asks"):
        request("m", "v3.0.0", "shop", reg.path, message="please")
