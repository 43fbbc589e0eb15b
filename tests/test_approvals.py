"""Approvals: bound to the evidence, signed by whom they say, and void as soon as anything of it is another."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import signing_keys as keys
from git_http import GitServer
from governed import POLICY, REPORT, acts, forged, governed, link, mail, report, sign_tag, signers
from inprocess import registry_here
from lab import Lab, Ran, Repo, tag_body
from linked import saved, served

from registry.api.approvals import weighed
from registry.api.approving import approvals_for
from registry.api.evidencing import evidence_of
from registry.api.governing import current_policy
from registry.api.project import open_project
from registry.approval import Run, Said, format_message, prefix
from registry.evidence import Evidence
from registry.governance import Approval

ABOUT = ("m", "--version", "v1.0.0", "--stage", "prod", "-m", "Reviewed")
FULL = (*ABOUT, "--confirm", "kpi", "--reference", "JIRA-7")


@pytest.fixture
def repo(lab: Lab) -> Repo:
    return governed(lab)


def approve(repo: Repo, who: str, *args: str, key: str | None = None) -> Ran:
    return registry_here(acts(repo, who, key).path, "approve", *(args or ABOUT))


def evidence(repo: Repo, version: str = "v1.0.0", stage: str = "prod") -> Evidence:
    project = open_project(repo.path)
    return evidence_of(project, "m", version, stage, current_policy(project))


def counted(repo: Repo, version: str = "v1.0.0", stage: str = "prod") -> list[str]:
    """Whose approvals count for the evidence as it is now."""
    project = open_project(repo.path)
    return [each.principal for each in approvals_for(project, evidence(repo, version, stage), current_policy(project))]


def faults(repo: Repo) -> dict[str, tuple[str, str]]:
    """Each tag that counts for nothing: rule and message."""
    project = open_project(repo.path)
    found = weighed(project, evidence(repo), current_policy(project))
    return {each.ref: (each.finding.id, each.finding.message) for each in found if each.finding}


def question(repo: Repo, *args: str) -> dict[str, Any]:
    found = registry_here(repo.path, "approvals", "--json", *args).json
    assert len(found) == 1, found
    return found[0]


def tag_of(repo: Repo, ran: Ran) -> str:
    assert ran.code == 0, ran.stderr
    return next(ref for ref in reversed(repo.tags()) if ref in ran.stdout)


# --- what a release manager does and sees


def test_two_approvals_with_what_the_stage_asks_for_make_a_version_ready(repo: Repo) -> None:
    asked = registry_here(repo.path, "request", *ABOUT[:-1], "Retrained on May")
    assert asked.code == 0, asked.stderr
    waiting = question(repo)
    assert waiting["status"] == "waiting"
    assert waiting["needs"] == {"approvals": 2, "confirmations": ["kpi"], "reference": True}
    assert (waiting["roles"], waiting["principals"]) == (["release"], [mail("bob"), mail("eve")])
    assert [each["message"] for each in waiting["requests"]] == ["Retrained on May"]

    first = approve(repo, "eve")
    assert first.code == 0, first.stderr
    digest = evidence(repo).digest
    assert f"Created git tag 'approval/{digest}/1' that approves m v1.0.0 for prod\nby {mail('eve')}" in first.stdout
    assert "now empty" in first.stdout
    assert f"artifact  sha256 {'2' * 64} 'data'" in first.stdout
    assert question(repo)["principals"] == [mail("bob"), mail("eve")], "eve may still confirm what nobody did"

    second = approve(repo, "bob", *FULL, "--json")
    assert (second.json["tag"], second.json["principal"]) == (f"approval/{digest}/2", mail("bob"))
    assert second.json["evidence"]["digest"] == digest
    ready = question(repo)
    assert (ready["status"], ready["needs"]["approvals"]) == ("ready", 0)
    assert [(each["principal"], each["counts"]) for each in ready["approvals"]] == [
        (mail("eve"), True),
        (mail("bob"), True),
    ]
    assert counted(repo) == [mail("bob"), mail("eve")]

    repo.tag("m#prod#1", message=f"to prod\n\nVersion: v1.0.0\nEvidence: {digest}\n", time=int(time.time()) + 5)
    repo.commit({REPORT: report()})
    assert question(repo)["status"] == "done", "what comes after the decision does not undo it"
    said = registry_here(repo.path, "approvals").stdout
    assert "m v1.0.0 for prod: done" in said
    assert "approved by 'bob@example.org'" in said


def test_mine_is_what_waits_for_whom_git_says_that_i_am(repo: Repo) -> None:
    registry_here(repo.path, "request", *ABOUT)
    assert question(acts(repo, "eve"), "--mine")["artifact"] == "m"
    assert registry_here(acts(repo, "dana").path, "approvals", "--mine").stdout == "nothing waits for an approval\n"
    approve(repo, "eve", *FULL)
    assert registry_here(repo.path, "approvals", "m", "--mine", "--json").json == []
    assert question(acts(repo, "bob"), "--mine")["needs"]["approvals"] == 1


def test_a_refusal_gives_every_reason_and_leaves_nothing(repo: Repo) -> None:
    before = repo.tags()
    ran = approve(repo, "dana", *ABOUT, "--confirm", "beauty", "--reference", "because")
    assert ran.code == 1
    for said in ("role-needed", "approver-is-author", "confirmation-unknown", "reference-missing"):
        assert said in ran.stderr
    assert "refused (approve-refused)" in ran.stderr
    assert repo.tags() == before


def test_without_a_key_there_is_one_error_with_the_lines_that_help(repo: Repo) -> None:
    acts(repo, "eve")
    repo.git("config", "--unset", "user.signingKey")
    ran = registry_here(repo.path, "approve", *ABOUT)
    assert ran.code == 1
    assert "git config --global user.signingKey" in ran.stderr
    assert "--no-sign" not in ran.stderr
    assert not any(ref.startswith("approval/") for ref in repo.tags())


def test_the_same_approval_is_not_given_twice_and_a_request_not_made_twice(repo: Repo) -> None:
    approve(repo, "eve")
    again = approve(repo, "eve")
    assert "has approved exactly this already" in again.stderr
    more = approve(repo, "eve", *FULL)
    assert more.code == 0, more.stderr
    assert counted(repo) == [mail("eve")] * 2, "one principal, said twice: the judge counts it once"
    assert question(repo)["needs"] == {"approvals": 1, "confirmations": [], "reference": False}
    assert registry_here(repo.path, "request", *ABOUT).code == 0
    assert "asked for the same already" in registry_here(repo.path, "request", *ABOUT).stderr


def test_what_does_not_exist_is_named(repo: Repo) -> None:
    for args, said in (
        (("x", *ABOUT[1:]), "no artifact 'x'"),
        (("m", "--version", "v9.0.0", *ABOUT[3:]), "version v9.0.0 of 'm' is not registered"),
        (("m", "--version", "v1.0.0", "--stage", "moon", "-m", "x"), "the policy has no stage 'moon'"),
        ((*ABOUT[:-1], "two\x1b[2Jlines"), "cannot be printed"),
        ((*ABOUT[:-1], "-----BEGIN SSH SIGNATURE-----"), "begins a signature"),
        ((*ABOUT[:-1], " "), "no text"),
    ):
        ran = approve(repo, "eve", *args)
        assert ran.code == 1, args
        assert said in ran.stderr, ran.stderr


# --- every change of the evidence voids it


def move_link(repo: Repo) -> None:
    repo.commit({".mlem/links/m.mlem": link(**{"artifact.data.sha256": "9" * 64})})
    repo.git("tag", "-d", "m@v1.0.0")
    sign_tag(repo, "m@v1.0.0", "Registering\n\nVersion: v1.0.0\n")


CHANGES: dict[str, tuple[Callable[[Repo], object], str]] = {
    "a new report": (lambda repo: repo.commit({REPORT: report()}), f"the report '{REPORT}' is new"),
    "another policy of the stage": (
        lambda repo: repo.commit(
            {"policy.yaml": POLICY.replace("version: 3", "version: 4").replace("approvals: 2", "approvals: 1")}
        ),
        "the policy asks for something else of this stage",
    ),
    "another link": (lambda repo: move_link(acts(repo, "dana")), "the artifact 'data' is another"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_evidence_voids_the_approval_and_says_what_changed(repo: Repo, change: str) -> None:
    sign_tag(acts(repo, "eve"), ref_of(repo), message_of(repo))
    assert counted(repo) == [mail("eve")]
    do, why = CHANGES[change]
    do(repo)
    assert counted(repo) == []
    found = question(repo)
    assert found["status"] == "void"
    assert why in found["why"]
    assert not found["approvals"][0]["counts"]
    assert "void: approved by 'eve@example.org'" in registry_here(repo.path, "approvals").stdout


def test_an_altered_report_voids_it_and_one_on_other_bytes_does_not(repo: Repo) -> None:
    repo.commit({REPORT: report()})
    assert list(evidence(repo).reports) == [REPORT]
    sign_tag(acts(repo, "eve"), ref_of(repo), message_of(repo))
    repo.commit(
        {"evaluations/reports/m/v2.0.0/weekly.json": report(metafile="7" * 64), "evaluations/reports/m/x.json": "{"}
    )
    repo.commit(
        {"policy.yaml": POLICY.replace("version: 3", "version: 4").replace("staging: {}", "staging: {approvals: 1}")}
    )
    assert counted(repo) == [mail("eve")]
    repo.commit({REPORT: report().replace("0.9", "0.99")})
    assert counted(repo) == []
    assert question(repo)["why"] == [f"the report '{REPORT}' was altered"]


def test_how_the_policy_is_written_is_no_change_of_it(repo: Repo) -> None:
    before = evidence(repo)
    repo.commit(
        {
            "policy.yaml": POLICY.replace("version: 3", "version: 4").replace(
                "approvals: 2", "distinct: true, approvals: 2"
            )
            + "# a remark\n"
        }
    )
    assert evidence(repo) == before


def test_card_and_certificate_are_those_of_the_version(repo: Repo) -> None:
    before = evidence(repo)
    repo.commit({"cards/m.md": "# later\n", ".mlem/lineage/m.json": "{}"})
    assert evidence(repo) == before
    sign_tag(acts(repo, "dana"), "m@v1.1.0", "Registering\n\nVersion: v1.1.0\n")
    later = evidence(repo, "v1.1.0")
    assert (before.card, before.lineage) == (None, None)
    assert later.card
    assert later.lineage


def test_a_model_in_the_registry_itself_has_evidence_too(lab: Lab) -> None:
    files = saved()
    repo = lab.repo("resident")
    repo.commit(dict(files))
    repo.tag("lr@v1.0.0")
    project = open_project(repo.path)
    found = evidence_of(project, "lr", "v1.0.0", "prod", current_policy(project))
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert found.link == found.metafile == digests["lr.mlem"]
    assert set(found.artifacts.values()) == set(digests.values()) - {found.link}


# --- attacks, with plain git


def message_of(repo: Repo, **changes: Any) -> str:
    """The message of an approval of what is there, as `registry approve` would write it, or altered."""
    said = Said("approval", "Reviewed", evidence(repo), 3, "0" * 16, ("kpi",), "JIRA-7")
    return format_message(replace(said, **changes))


def ref_of(repo: Repo, number: int = 1) -> str:
    return prefix("approval", evidence(repo).digest) + str(number)


def test_an_approval_by_the_author_counts_for_nothing(lab: Lab) -> None:
    repo = governed(lab, POLICY.replace("[eve@example.org, bob@", "[dana@example.org, bob@"))
    assert "approver-is-author" in approve(repo, "dana").stderr
    message = message_of(repo)
    sign_tag(acts(repo, "dana"), ref_of(repo), message)
    found = question(repo)
    assert found["needs"]["approvals"] == 2
    assert found["approvals"][0]["why"] == ["dana@example.org made v1.0.0"]


@pytest.mark.parametrize("names", ["dana@example.org,eve@example.org", "*@example.org"])
def test_the_author_s_key_under_another_name_is_the_author_s(lab: Lab, names: str) -> None:
    repo = governed(lab)
    both = signers().replace("dana@example.org", names)
    repo.commit({"allowed_signers": both})
    message = message_of(repo)
    forged(repo, ref_of(repo), message, who="eve", key="dana")
    assert question(repo)["needs"]["approvals"] == 2


def test_one_key_approves_once_under_whichever_names(repo: Repo) -> None:
    repo.commit({"allowed_signers": signers("dana", "bob") + f"*@example.org {keys.key('ed25519', 'eve').public}\n"})
    message = message_of(repo)
    forged(repo, ref_of(repo, 1), message, who="eve", key="eve")
    forged(repo, ref_of(repo, 2), message, who="bob", key="eve")
    assert counted(repo) == [mail("eve")]
    assert faults(repo)[ref_of(repo, 2)][0] == "approval-repeated"


def test_two_approvals_of_one_principal_count_once(repo: Repo) -> None:
    message = message_of(repo)
    for number in (1, 2):
        sign_tag(acts(repo, "eve"), ref_of(repo, number), message)
    assert question(repo)["needs"]["approvals"] == 1


def test_an_approval_of_other_evidence_under_this_name_is_malformed(repo: Repo) -> None:
    other = message_of(repo, evidence=replace(evidence(repo), link="8" * 64))
    sign_tag(acts(repo, "eve"), ref_of(repo), other)
    assert counted(repo) == []
    assert "tag-name: the evidence inside has the SHA-256" in faults(repo)[ref_of(repo)][1]
    assert "counts for nothing" in registry_here(repo.path, "approvals").stderr


def test_an_approval_is_not_replayed_to_another_stage_or_version(repo: Repo) -> None:
    sign_tag(acts(repo, "eve"), ref_of(repo), message_of(repo))
    taken = repo.tags()[ref_of(repo)]
    sign_tag(acts(repo, "dana"), "m@v1.0.1", "Registering\n\nVersion: v1.0.1\n")
    for version, stage in (("v1.0.0", "staging"), ("v1.0.1", "prod")):
        ref = prefix("approval", evidence(repo, version, stage).digest) + "1"
        repo.git("update-ref", f"refs/tags/{ref}", taken)
        assert counted(repo, version, stage) == []
    assert counted(repo) == [mail("eve")]
    repo.git("update-ref", f"refs/tags/{ref_of(repo, 2)}", taken)
    assert counted(repo) == [mail("eve")], "the same object under another number"
    assert "tag-name" in faults(repo)[ref_of(repo, 2)][1]


def test_an_approval_is_not_moved_to_another_commit(repo: Repo) -> None:
    message = message_of(repo)
    ref = ref_of(repo)
    repo.commit({"a": "1"})
    sign_tag(acts(repo, "eve"), ref, message, "HEAD")
    assert "tag-target" in faults(repo)[ref][1]


def test_who_did_not_sign_did_not_approve(repo: Repo) -> None:
    message = message_of(repo)
    repo.tag(ref_of(repo, 1), "m@v1.0.0^{}", message, tagger=f"Eve <{mail('eve')}>")
    forged(repo, ref_of(repo, 2), message, who="eve", key="stranger")
    forged(repo, ref_of(repo, 3), message, who="eve", key="mallory")
    assert counted(repo) == []
    found = faults(repo)
    assert {rule for rule, _ in found.values()} == {"approval-signature"}
    said = [found[ref_of(repo, number)][1] for number in (1, 2, 3)]
    assert "not signed" in said[0]
    assert "does not name" in said[1]
    assert "but its tagger is 'eve@example.org'" in said[2]


def test_who_is_no_approver_may_sign_and_counts_for_nothing(repo: Repo) -> None:
    assert "role-needed" in approve(repo, "mallory").stderr
    sign_tag(repo, ref_of(repo), message_of(repo))
    found = question(repo)
    assert found["needs"]["approvals"] == 2
    assert found["approvals"][0]["why"] == ["approve in stage 'prod' is for release, not for mallory@example.org"]


def test_a_key_that_is_not_of_whom_git_says_makes_no_tag(repo: Repo) -> None:
    ran = approve(repo, "eve", key="mallory")
    assert "the approval would count for nothing" in ran.stderr
    assert not any(ref.startswith("approval/") for ref in repo.tags())


def test_an_expired_key_does_not_approve_by_dating_back(repo: Repo) -> None:
    eve = keys.key("ed25519", "eve").public
    repo.commit({"allowed_signers": signers("dana", "bob") + f'{mail("eve")} valid-before="20250701Z" {eve}\n'})
    message, ref = message_of(repo), ref_of(repo)
    forged(repo, ref, message, who="eve", key="eve", time=1_750_000_000)
    assert "not valid any more" in faults(repo)[ref][1]
    project = open_project(repo.path)
    recorded = approvals_for(project, evidence(repo), current_policy(project), at=1_750_000_100)
    assert [each.principal for each in recorded] == [mail("eve")], "somebody recorded it while it was valid"


def test_a_compromised_key_approves_nothing(repo: Repo) -> None:
    sign_tag(acts(repo, "eve"), ref_of(repo), message_of(repo))
    mark = f'compromised: {{"{keys.key("ed25519", "eve").fingerprint}": "2025-01-01T00:00:00Z"}}\n'
    repo.commit({"policy.yaml": POLICY.replace("version: 3", "version: 4") + mark})
    assert counted(repo) == []
    assert "compromised" in faults(repo)[ref_of(repo)][1]


HOSTILE = {
    "lightweight": lambda repo, ref, _: repo.lightweight(ref),
    "of a blob": lambda repo, ref, _: repo.lightweight(ref, "HEAD:policy.yaml"),
    "empty": lambda repo, ref, _: sign_tag(repo, ref, "approved"),
    "a trailer twice": lambda repo, ref, message: sign_tag(repo, ref, message.replace("Stage: prod\n", "Stage: prod\nStage: prod\n")),
    "an unknown trailer": lambda repo, ref, message: sign_tag(repo, ref, message + "Confirm: cost\n"),
    "trailers that say otherwise": lambda repo, ref, message: sign_tag(repo, ref, message.replace("Version: v1.0.0", "Version: v2.0.0")),
    "a terminal's commands": lambda repo, ref, message: sign_tag(repo, ref, message.replace("Reviewed", "\x1b]0;owned\x07")),
    "text turned around": lambda repo, ref, message: sign_tag(repo, ref, message.replace("Reviewed", "\u202ederever")),
    "no UTF-8": lambda repo, ref, message: repo.raw_tag(ref, tag_body(ref, repo.rev("HEAD"), message=message.encode() + b"\xff")),
    "from 2099": lambda repo, ref, message: forged(repo, ref, message, who="eve", key="eve", time=4_070_908_800),
    "spaces in the evidence": lambda repo, ref, message: sign_tag(repo, ref, message.replace('{"artifacts"', '{ "artifacts"')),
    "a message in CRLF": lambda repo, ref, message: sign_tag(repo, ref, message.replace("\n", "\r\n")),
    "other evidence before": lambda repo, ref, message: sign_tag(repo, ref, message.replace("\n\nArtifact", "\n\n{}\n\nArtifact")),
}  # fmt: skip


def test_a_hostile_tag_is_a_finding_and_hides_no_other(repo: Repo) -> None:
    message = message_of(repo)
    sign_tag(acts(repo, "eve"), ref_of(repo), message)
    for number, make in enumerate(HOSTILE.values(), 2):
        make(repo, ref_of(repo, number), message)
    assert counted(repo) == [mail("eve")]
    found = faults(repo)
    for number, kind in enumerate(HOSTILE, 2):
        assert found[ref_of(repo, number)][0] == "approval-malformed", kind
    ran = registry_here(repo.path, "approvals")
    assert (ran.code, "\x1b" in ran.stdout + ran.stderr, "Traceback" in ran.stderr) == (0, False, False)
    assert ran.stderr.count("counts for nothing") == len(HOSTILE)


def test_names_that_are_no_numbers_are_findings(repo: Repo) -> None:
    sign_tag(acts(repo, "eve"), ref_of(repo), message_of(repo))
    for ref in (
        f"approval/{'0' * 64}/x",
        "approval/abc/1",
        f"request/{'0' * 64}/01",
        f"approval/{'A' * 64}/1",
        "approval/deep/er/1",
    ):
        repo.tag(ref)
    ran = registry_here(repo.path, "approvals")
    assert ran.stderr.count("tag-grammar") == 5
    assert "approved by 'eve@example.org'" in ran.stdout


def test_without_signers_nobody_approved(repo: Repo) -> None:
    sign_tag(acts(repo, "eve"), ref_of(repo), message_of(repo))
    repo.commit({"allowed_signers": None})
    told = question(repo)
    assert (told["status"], [each["counts"] for each in told["approvals"]]) == ("void", [False])
    assert "not registered as the policy asks" in told["why"][0]
    repo.commit({"policy.yaml": POLICY.replace("register: [makers]\n", "")})
    assert counted(repo) == []
    assert "there is no allowed_signers" in faults(repo)[ref_of(repo)][1]


def test_a_version_that_nobody_may_have_registered_is_not_approved(repo: Repo) -> None:
    repo.git("tag", "-d", "m@v1.0.0")
    repo.tag("m@v1.0.0", message="Registering\n\nVersion: v1.0.0\n", tagger="Mallory <mallory@example.org>")
    assert "not registered as the policy asks: tag 'm@v1.0.0' by Mallory" in approve(repo, "eve").stderr


# --- reviewers of an environment on GitHub

WORKFLOW = "acme/registry/.github/workflows/promote.yml@refs/heads/main"
TRUSTING = (
    POLICY
    + """\
recorder: [mallory@example.org]
workflows: [{repository: acme/registry, workflow: .github/workflows/promote.yml, environment: prod}]
"""
)
"""Mallory's key is the workflow's."""


def in_a_run(repo: Repo, monkeypatch: pytest.MonkeyPatch, said: object, **environ: str) -> Ran:
    """`registry approve` in a workflow on GitHub whose API answers with `said`."""
    tools = repo.lab.root / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "gh").write_text(
        f'#!/bin/sh\n[ "$2" = repos/acme/registry/actions/runs/77/approvals ] || exit 1\ncat {tools}/said\n'
    )
    (tools / "gh").chmod(0o755)
    (tools / "said").write_text(json.dumps(said))
    here = {"GITHUB_REPOSITORY": "acme/registry", "GITHUB_RUN_ID": "77", "GITHUB_WORKFLOW_REF": WORKFLOW, **environ}
    for name, value in {**here, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}.items():
        monkeypatch.setenv(name, value)
    return registry_here(acts(repo, "mallory").path, "approve", *ABOUT, "--github-environment", "prod", "--json")


def review(login: str, state: str = "approved", environment: str = "prod") -> dict[str, Any]:
    return {"state": state, "comment": "", "environments": [{"name": environment}], "user": {"login": login}}


def test_reviewers_of_an_environment_approve_through_the_workflow_s_key(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = governed(lab, TRUSTING)
    repo.commit({"allowed_signers": signers().replace("eve@example.org", "eve@example.org,github:eve-acme")})
    reviews = [review("Eve-Acme"), review("bob", "rejected"), review("bob", environment="staging"), review("stranger")]
    done = in_a_run(repo, monkeypatch, reviews)
    assert done.code == 0, done.stderr
    assert done.json["run"] == {
        "workflow": WORKFLOW,
        "environment": "prod",
        "number": 77,
        "reviewers": ["Eve-Acme", "stranger"],
    }
    assert counted(repo) == [mail("eve")]
    assert faults(repo)[ref_of(repo)] == (
        "approval-workflow",
        f"tag '{ref_of(repo)}' counts for nothing: allowed_signers does not say who github:stranger is",
    )
    assert question(repo)["needs"]["approvals"] == 1
    assert question(repo)["principals"] == [mail("bob"), mail("eve")]


def test_a_workflow_that_the_policy_does_not_trust_approves_for_nobody(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = governed(lab, TRUSTING)
    repo.commit({"allowed_signers": signers().replace("eve@example.org", "eve@example.org,github:eve")})
    for workflow in (
        WORKFLOW.replace("main", "topic"),
        WORKFLOW.replace("promote", "other"),
        WORKFLOW.replace("acme/", "evil/"),
    ):
        ran = in_a_run(repo, monkeypatch, [review("eve")], GITHUB_WORKFLOW_REF=workflow)
        assert "the policy does not trust" in ran.stderr
    assert "nobody approved the environment 'prod'" in in_a_run(repo, monkeypatch, [review("eve", "rejected")]).stderr
    assert "cannot be read" in in_a_run(repo, monkeypatch, {"message": "Not Found"}).stderr
    assert "no run of a workflow" in in_a_run(repo, monkeypatch, [], GITHUB_RUN_ID="").stderr
    run = Run(WORKFLOW, "prod", 77, ("eve",))
    sign_tag(acts(repo, "bob"), ref_of(repo), message_of(repo, run=run, confirms=(), reference=None))
    assert counted(repo) == []
    assert "'bob@example.org' is no recorder of the policy" in faults(repo)[ref_of(repo)][1]


# --- other readers, and remotes


def test_doctor_show_and_gto_pass_over_approvals_and_requests(repo: Repo) -> None:
    before = {command: registry_here(repo.path, command, "--json").json for command in ("doctor", "show", "history")}
    gto = repo.gto("history", "--json").json
    registry_here(repo.path, "request", *ABOUT)
    approve(repo, "eve")
    repo.tag("approval/odd")
    assert {command: registry_here(repo.path, command, "--json").json for command in before} == before
    assert repo.gto("history", "--json").json == gto


def test_a_push_goes_to_the_remote_and_takes_the_next_number_there(repo: Repo) -> None:
    bare = repo.bare_clone()
    one, two = acts(bare.clone("one"), "eve"), acts(bare.clone("two"), "bob")
    assert registry_here(one.path, "approve", *ABOUT, "--push").code == 0
    done = registry_here(two.path, "approve", *FULL, "--push", "--json")
    assert done.json["pushed"], done.stderr
    digest = evidence(repo).digest
    refs = {f"approval/{digest}/1", f"approval/{digest}/2"}
    assert refs <= bare.tags().keys()
    assert refs <= two.tags().keys(), "what others approved came along"
    assert counted(two) == [mail("bob"), mail("eve")]


def test_a_number_that_the_remote_gave_to_another_is_passed_over_and_a_refusal_leaves_nothing(repo: Repo) -> None:
    bare = repo.bare_clone()
    one, two = acts(bare.clone("one"), "eve"), acts(bare.clone("two"), "bob")
    approve(one, "eve")
    local = one.tags()[ref_of(repo)]
    assert registry_here(two.path, "approve", *ABOUT, "--push").code == 0
    done = registry_here(one.path, "approve", *FULL, "--push", "--json")
    assert done.json["tag"].endswith("/2"), done.stderr
    assert one.tags()[ref_of(repo)] == local
    hook = bare.git_dir / "hooks" / "update"
    hook.write_text("#!/bin/sh\necho no approvals on Friday\nexit 1\n")
    hook.chmod(0o755)
    before = two.tags()
    refused = registry_here(two.path, "approve", *FULL, "--push")
    assert refused.code == 1
    assert "no approvals on Friday" in refused.stderr
    assert {ref for ref in two.tags() if ref not in before} <= {done.json["tag"]}


def test_a_remote_registry_is_approved_and_asked_by_its_url(
    lab: Lab, repo: Repo, http: Callable[..., GitServer]
) -> None:
    repo.commit({REPORT: report()})
    server = http(served(lab, repo))
    url = f"{server.url}/reg.git"
    outside = lab.repo("outside")
    settings = (lab.home / ".gitconfig").read_text()
    key = keys.key("ed25519", "eve").private
    (lab.home / ".gitconfig").write_text(
        settings + f"[user]\n\temail = {mail('eve')}\n\tsigningKey = {key}\n[gpg]\n\tformat = ssh\n"
    )
    done = registry_here(outside.path, "approve", *ABOUT, "-r", url, "--json")
    assert done.code == 0, done.stderr
    assert done.json["evidence"] == evidence(repo).json()
    found = registry_here(outside.path, "approvals", "-r", url, "--json").json
    assert [(each["status"], each["approvals"][0]["counts"]) for each in found] == [("waiting", True)]
    project = open_project(url)
    project.refresh("m", head=True)
    assert [each.principal for each in approvals_for(project, evidence(repo), current_policy(project))] == [mail("eve")]


def test_an_approval_is_a_value_for_the_judge(repo: Repo) -> None:
    approve(repo, "eve", *FULL)
    project = open_project(repo.path)
    found = approvals_for(project, evidence(repo), current_policy(project))
    assert found == (Approval(mail("eve"), ("kpi",), "JIRA-7", found[0].time),)
