"""What a change of the rules stops is told before it is merged: `stages-keep`, in pull requests and `policy check`."""

from __future__ import annotations

import pytest
from attacked import make_governed, policy, signers
from inprocess import registry_here
from lab import Lab, Repo

import registry
from registry.findings import Finding

FEWER = policy(2).replace("release: [bo@example.org]", "release: [eve@example.org]")
CARD = policy(2).replace("prod: {after", "prod: {gates: [card], after")


@pytest.fixture
def reg(lab: Lab) -> Repo:
    repo = make_governed(lab)
    repo.git("branch", "base")
    return repo


def told(repo: Repo) -> list[Finding]:
    found = registry.check(repo.path, base="base").findings
    return [each for each in found if each.id == "stages-keep"]


def test_a_policy_that_takes_a_role_away_says_which_stages_it_stops(reg: Repo) -> None:
    reg.commit({"policy.yaml": FEWER})
    (found,) = told(reg)
    assert found.message.startswith("stage 'prod' of 'm' holds v1.0.0 and would have no answer: ")
    assert "role-needed" in found.message
    assert found.severity == "warning"
    assert registry.resolve("m", stage="live", project=reg.path).version == "v1.0.0", "a recorder vouches for it"


def test_a_gate_that_what_runs_does_not_meet_is_told_and_a_met_one_is_not(reg: Repo) -> None:
    reg.commit({"policy.yaml": CARD})
    (found,) = told(reg)
    assert "gate-failed" in found.message
    reg.commit({"policy.yaml": policy(3, "checks: {size-limit: off}")})
    assert told(reg) == []


def test_signers_without_whoever_promoted_are_told_unless_the_policy_turns_it_off(reg: Repo) -> None:
    reg.commit({"allowed_signers": signers(without="bo")})
    assert [each.message.split(" holds")[0] for each in told(reg)] == ["stage 'prod' of 'm'"]
    reg.git("branch", "--force", "base", "HEAD~1")
    reg.commit({"policy.yaml": policy(2, "checks: {stages-keep: off}")})
    reg.git("branch", "--force", "base")
    reg.commit({"policy.yaml": FEWER.replace("version: 2", "version: 3")})
    assert told(reg) == [], "the base's policy turned it off"


def test_policy_check_says_so_of_the_work_tree_before_it_is_committed(reg: Repo) -> None:
    reg.write({"policy.yaml": FEWER})
    ran = registry_here(reg.path, "policy", "check")
    assert ran.code == 0, "a warning"
    assert "stage 'prod' of 'm' holds v1.0.0 and would have no answer" in ran.stdout
    reg.write({"policy.yaml": policy(2)})
    assert "stages-keep" not in registry_here(reg.path, "policy", "check").stdout


def test_a_policy_that_cannot_be_read_is_told_as_that_alone(reg: Repo) -> None:
    reg.commit({"policy.yaml": "format: 1\nversion: 2\nroles: 7\n"})
    assert told(reg) == []
    assert "policy-valid" in {each.id for each in registry.check(reg.path, base="base").findings}
