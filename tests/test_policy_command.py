"""`registry policy`: explain, check, simulate, schema, on real repositories; and its checks at the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from inprocess import registry_here
from lab import Lab, Ran, Repo
from linked import make_registry

import registry
from registry.api.policies import check_policy
from registry.checks.files import FILE, File
from registry.checks.policy_sound import signers
from registry.findings import ERROR, WARNING
from registry.policy import schema

HEAD = "format: 1\nversion: 1\n"
ROLES = "roles: {release: [dana@example.org], owners: [bo@example.org, eve@example.org]}\n"
STAGES = (
    "stages:\n  staging: {}\n"
    "  prod: {after: [staging], assign: [release], rollback: [owners], approve: [owners], approvals: 1, confirm: [kpi]}\n"
)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPgz1kvJ9AKzWdtCQz8GQwJxkZ0kC4cJxXbYpZ4rYl0x"
SIGNERS = f'# people\ndana@example.org,bo@example.org {KEY}\n"eve@example.org" namespaces="git" {KEY}\n'


@pytest.fixture
def governed(lab: Lab) -> Repo:
    """A registry with a sound policy, where bo registered `m` v1.0.0 and put it into staging."""
    repo = make_registry(lab)
    repo.commit({"policy.yaml": HEAD + ROLES + STAGES, "allowed_signers": SIGNERS})
    repo.tag("m@v1.0.0")
    repo.tag("m#staging#1")
    return repo


def run(repo: Repo, *words: str) -> Ran:
    return registry_here(repo.path, "policy", *words)


def found(repo: Repo, text: str | None = None, **options: Any) -> list[tuple[str, str, int | None]]:
    if text is not None:
        repo.write({"policy.yaml": text})
    return [(each.id, each.severity, each.line) for each in check_policy(repo.path, **options)]


# --- explain --------------------------------------------------------------------------------------------------------


def test_explain_says_who_may_do_what(governed: Repo) -> None:
    told = run(governed, "explain").stdout
    assert "Policy version 1. Whoever reads the registry judges its events" in told
    assert "Everyone may register, deregister and deprecate versions." in told
    assert "  release (dana@example.org) may put a version into it." in told
    assert "  owners (bo@example.org, eve@example.org) may roll it back." in told
    assert "Stage staging" not in run(governed, "explain", "--stage", "prod").stdout
    assert run(governed, "explain", "--stage", "prdo").code == 1


def test_explain_gives_the_same_as_json(governed: Repo) -> None:
    told = run(governed, "explain", "--json").json
    prod = told["stages"]["prod"]
    assert (told["version"], list(told["stages"])) == (1, ["staging", "prod"])
    assert prod["may"]["assign"] == ["dana@example.org"]
    assert prod["may"]["rollback"] == ["bo@example.org", "eve@example.org"]
    assert prod["may"]["override"] == []
    assert told["stages"]["staging"]["may"]["assign"] is None
    assert (prod["approvals"], prod["confirm"], prod["distinct"]) == (1, ["kpi"], True)


def test_explain_obeys_the_commit_and_not_the_work_tree(governed: Repo) -> None:
    governed.write({"policy.yaml": HEAD})
    assert "Stage prod" in run(governed, "explain").stdout


def test_explain_says_that_there_is_none(lab: Lab) -> None:
    assert "There is no policy" in run(make_registry(lab), "explain").stdout


# --- check ----------------------------------------------------------------------------------------------------------


def test_a_sound_policy_has_no_finding(governed: Repo) -> None:
    ran = run(governed, "check")
    assert (ran.code, ran.stdout) == (0, "policy.yaml is checked\n")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("staegs: {}\n", ("policy-valid", WARNING, 4)),
        ("stages: {prod: {assign: [nobody]}}\n", ("policy-valid", ERROR, 4)),
        ("stages: {prod: {assign: []}}\n", ("policy-sound", ERROR, 4)),
        ("stages:\n  a: {after: [b]}\n  b:\n    after: [a]\n", ("policy-sound", ERROR, 5)),
        ("stages:\n  prod:\n    approve: [owners]\n    approvals: 3\n", ("policy-sound", ERROR, 7)),
        ("stages:\n  prod:\n    approve: []\n    confirm: [kpi]\n", ("policy-sound", ERROR, 5)),
        ("stages: {prod: {approvals: 1, distinct: false}}\n", ("policy-sound", WARNING, 4)),
        ("stages: {prod: {assign: [release], signed: false}}\n", ("policy-sound", WARNING, 4)),
    ],
)
def test_what_is_wrong_is_found_with_its_line(governed: Repo, more: str, expected: Any) -> None:
    text = (HEAD + ROLES).replace("version: 1", "version: 2") + more
    assert expected in found(governed, text)


def test_who_cannot_sign_is_told(governed: Repo) -> None:
    governed.write({"allowed_signers": f"bo@example.org {KEY}\n"})
    assert [(each.severity, each.message) for each in check_policy(governed.path)] == [
        (ERROR, "role 'release' names nobody who is in allowed_signers"),
        (WARNING, "role 'owners' names eve@example.org, not in allowed_signers"),
        (ERROR, "nobody can assign stage 'prod'"),
    ]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (f"dana@example.org {KEY}", True),
        (f"bo@example.org,dana@example.org {KEY}", True),
        (f"*@example.org {KEY}", True),
        (f"da?a@example.org {KEY}", True),
        (f"!dana@example.org,*@example.org {KEY}", False),
        (f"*@example.com {KEY}", False),
        (f"# dana@example.org {KEY}", False),
        ("dana@example.org", False),
        (f'"dana@example.org" cert-authority {KEY}', True),
    ],
)
def test_a_principal_is_named_as_ssh_matches_it(line: str, named: bool) -> None:
    assert signers(File("allowed_signers", FILE, f"{line}\n".encode()))("dana@example.org") is named


def test_a_change_must_raise_the_version(governed: Repo) -> None:
    text = HEAD + ROLES + STAGES + "size_limit: 1 MB\n"
    assert found(governed, text) == [("policy-valid", ERROR, None)]
    assert found(governed, text.replace("version: 1", "version: 2")) == []
    governed.commit(message="lower than before")
    assert found(governed, rev="HEAD") == []
    assert found(governed, rev="HEAD", base="HEAD") == []
    governed.commit({"policy.yaml": text + "archive: []\n"})
    assert found(governed, rev="HEAD") == [("policy-valid", ERROR, None)]
    assert run(governed, "check", "HEAD", "--json").json[0]["path"] == "policy.yaml"
    assert run(governed, "check", "HEAD").code == 1
    assert found(governed, rev="HEAD~1", base="HEAD~2") == []


def test_a_removed_policy_is_found_and_none_at_all_is_said(governed: Repo, lab: Lab) -> None:
    governed.write({"policy.yaml": None})
    assert found(governed) == [("policy-valid", ERROR, None)]
    ran = run(make_registry(lab, "other"), "check")
    assert (ran.code, "there is no policy.yaml" in ran.stderr) == (1, True)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("stages: [staging, prod]\n", []),
        ("types: [model]\n", []),
        ("stages: [prod, staging]\n", [("stages-agree", ERROR, "policy.yaml")]),
        ("stages: [staging, prod, dev]\n", [("stages-agree", ERROR, "policy.yaml")]),
        ("stages: prod\n", [("stages-agree", ERROR, ".gto")]),
    ],
)
def test_the_stages_of_gto_and_of_the_policy_agree(governed: Repo, config: str, expected: Any) -> None:
    governed.write({".gto": config})
    report = registry.check(governed.path)
    assert [(each.id, each.severity, each.path) for each in report.findings] == expected
    assert [each.id for each in check_policy(governed.path)] == [each[0] for each in expected]


def test_the_gate_refuses_a_policy_that_is_not_sound(governed: Repo) -> None:
    governed.git("switch", "--quiet", "--create", "change")
    text = (HEAD + ROLES + STAGES).replace("version: 1", "version: 2").replace("approvals: 1", "approvals: 3")
    governed.commit({"policy.yaml": text})
    report = registry.check(governed.path, base="main")
    assert [each.id for each in report.findings if each.severity == ERROR] == ["policy-sound"]


# --- simulate -------------------------------------------------------------------------------------------------------


def simulated(repo: Repo, *words: str) -> Any:
    ran = run(repo, "simulate", "m", "--version", "v1.0.0", "--json", *words)
    told = json.loads(ran.stdout)
    assert ran.code == (0 if told["allowed"] else 1)
    return told


PROD = ("--stage", "prod", "--as", "dana@example.org")


def test_simulate_says_what_would_happen_and_why(governed: Repo) -> None:
    before = governed.tags()
    told = simulated(governed, *PROD)
    assert [each["id"] for each in told["reasons"]] == ["approvals-missing", "confirmation-missing"]
    assert told["needs"] == {"approvals": 1, "confirmations": ["kpi"], "reference": False, "gates": []}
    assert told["act"]["authors"] == ["dana@example.org"]
    assert simulated(governed, *PROD, "--approved-by", "bo@example.org", "--confirm", "kpi")["allowed"]
    assert not simulated(governed, *PROD, "--approved-by", "dana@example.org", "--confirm", "kpi")["allowed"]
    assert governed.tags() == before, "nothing was done"
    told = run(governed, "simulate", "m", "--version", "v1.0.0", *PROD).stdout
    assert told.startswith(
        "refused: assign m v1.0.0 in prod by dana@example.org\n  approvals-missing: 0 of 1 approvals"
    )


def test_simulate_knows_where_a_version_was(governed: Repo) -> None:
    governed.commit({"README.md": "next\n"})
    governed.tag("m@v1.1.0")
    ran = run(governed, "simulate", "m", "--version", "v1.1.0", *PROD)
    assert "stage-skipped: v1.1.0 was never in staging" in ran.stdout
    back = ("--stage", "prod", "--kind", "rollback", "--as", "eve@example.org")
    assert [each["id"] for each in simulated(governed, *back)["reasons"]] == ["not-held-before"]
    governed.tag("m#prod#2", "m@v1.0.0^{commit}")
    assert not simulated(governed, *back)["allowed"], "no role, no approval: it is in no stage"
    open_to_all = "stages: {staging: {}, prod: {after: [staging], rollback: [owners]}}\n"
    governed.commit({"policy.yaml": HEAD.replace("version: 1", "version: 2") + ROLES + open_to_all})
    governed.tag("m#staging#3", "m@v1.1.0^{commit}")
    governed.tag("m#prod#4", "m@v1.1.0^{commit}")
    assert simulated(governed, *back)["allowed"]
    assert [each["stage"] for each in simulated(governed, *back)["history"]] == ["staging", "prod"]


def test_simulate_knows_a_version_that_was_deregistered_or_never_registered(governed: Repo) -> None:
    governed.tag("m@v1.0.0!")
    assert simulated(governed, *PROD)["reasons"][0]["id"] == "version-standing"
    ran = run(governed, "simulate", "m", "--version", "v9.0.0", *PROD)
    assert (ran.code, "version v9.0.0 of 'm' is not registered" in ran.stderr) == (1, True)


def test_simulate_runs_the_gates(governed: Repo) -> None:
    text = (HEAD + ROLES).replace("version: 1", "version: 2") + "stages: {prod: {gates: [card, held: {stage: prod}]}}\n"
    governed.commit({"policy.yaml": text})
    told = simulated(governed, *PROD)
    assert [(each["gate"].partition(":")[0], each["passed"]) for each in told["gates"]] == [
        ("card", False),
        ("held", False),
    ]
    assert [each["message"].partition(":")[0] for each in told["reasons"]] == ["card", "held"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--as", "dana@example.org"), "concerns a stage"),
        (("--stage", "../x", "--as", "dana@example.org"), "not a stage name"),
    ],
)
def test_simulate_says_what_is_missing(governed: Repo, words: tuple[str, ...], said: str) -> None:
    ran = run(governed, "simulate", "m", "--version", "v1.0.0", *words)
    assert (ran.code, said in ran.stderr) == (1, True)


def test_simulate_of_an_act_without_a_stage(governed: Repo) -> None:
    assert simulated(governed, "--kind", "revoke", "--as", "eve@example.org")["allowed"]


# --- schema ---------------------------------------------------------------------------------------------------------


def test_schema_is_printed(tmp_path: Path) -> None:
    for words in ((), ("--json",)):
        assert json.loads(registry_here(tmp_path, "policy", "schema", *words).stdout) == schema()
