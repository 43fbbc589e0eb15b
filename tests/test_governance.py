"""The judge: who may do what under which policy; every reason, whatever the act; and never more under a tighter policy."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import ROOT

from registry.governance import KINDS, REASONS, STAGED, UNSIGNED, VALID, Act, Approval, Decision, GateResult, judge
from registry.policy import Policy, parse_policy
from registry.policygates import CardRules, Held, Metric
from registry.policystages import Stage, refers
from registry.policytimes import Window
from registry.tenure import Tenure

DAY = 86_400
NOW = 20_002 * DAY + 3600  # a Sunday, 01:00
TEXT = """
format: 1
version: 3
roles: {release: [dana@example.org], owners: [bo@example.org, eve@example.org, dana@example.org], fire: [eve@example.org]}
register: [release]
revoke: [owners]
archive: []
stages:
  staging: {}
  prod:
    after: [staging]
    minimum: 2d
    assign: [release]
    rollback: [release, fire]
    approve: [owners]
    approvals: 2
    confirm: [kpi]
    reference: JIRA-#
    gates: [{metric: {name: auc, at_least: 0.8}}, card]
    waive: [{name: auc, at_least: 0.95}]
    override: [fire]
"""
POLICY = parse_policy(TEXT.encode())
DANA, BO, EVE = (f"{name}@example.org" for name in ("dana", "bo", "eve"))
GATES = tuple(GateResult(each.key, passed=True) for each in POLICY.stages["prod"].required_gates)
GOOD = Act(
    "assign", "m", "v1.0.0", "prod", principals=(DANA,), authors=(DANA,), signature=VALID, gates=GATES, now=NOW,
    approvals=(Approval(BO, ("kpi",), "JIRA-7"), Approval(EVE)), history=(Tenure("staging", "v1.0.0", NOW - 3 * DAY, None),),
)  # fmt: skip


def ids(act: Act, policy: Policy = POLICY) -> list[str]:
    return [each.id for each in judge(act, policy).reasons]


def act(**changed: Any) -> Act:
    return replace(GOOD, **changed)


def test_what_meets_everything_is_allowed() -> None:
    found = judge(GOOD, POLICY)
    assert (found.allowed, found.reasons, found.approved_by) == (True, (), (BO, EVE))
    assert not found.waived
    assert not found.overridden


def test_without_a_policy_everyone_may_do_everything_but_with_what_does_not_stand() -> None:
    for kind in KINDS:
        bare = Act(kind, "m", "v1.0.0", "any", now=NOW, history=(Tenure("any", "v1.0.0", 0, NOW),))
        signed = replace(bare, signature=VALID, principals=(BO,), authors=(DANA,))
        assert judge(signed, Policy()).allowed is (kind != "override"), kind
        assert judge(bare, Policy()).allowed is (kind not in {"approve", "override"}), kind
    assert ids(act(standing="revoked"), Policy()) == ["version-standing"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"stage": "prdo"}, ["stage-unknown"]),
        ({"stage": None}, ["stage-unknown"]),
        ({"kind": "promote"}, ["act-unknown"]),
        ({"standing": "revoked"}, ["version-standing"]),
        ({"standing": "deregistered"}, ["version-standing"]),
        ({"signature": UNSIGNED}, ["signature-needed"]),
        ({"signature": "expired"}, ["signature-needed", "role-needed"]),
        ({"principals": (BO,)}, ["role-needed"]),
        ({"principals": ()}, ["role-needed"]),
        ({"principals": ("",)}, ["role-needed"]),
        ({"history": ()}, ["stage-skipped"]),
        ({"history": (Tenure("dev", "v1.0.0", 0, None),)}, ["stage-skipped"]),
        ({"history": (Tenure("staging", "v1.0.0", NOW + 1, None),)}, ["stage-skipped"]),
        ({"history": (Tenure("staging", "v1.0.0", NOW - DAY, None),)}, ["held-too-short"]),
        ({"gates": GATES[:1]}, ["gate-not-run"]),
        ({"gates": (GATES[0], GateResult(GATES[1].key, passed=False, message="no owner"))}, ["gate-failed"]),
        ({"gates": (*GATES, GateResult(GATES[1].key, passed=False))}, ["gate-failed"]),
        ({"approvals": GOOD.approvals[:1]}, ["approvals-missing"]),
        ({"approvals": (Approval(BO, ("kpi",), "JIRA-7"),) * 2}, ["approvals-missing"]),
        ({"approvals": (*GOOD.approvals[:1], Approval("mallory@example.org"))}, ["approvals-missing"]),
        ({"authors": (BO,)}, ["approvals-missing", "confirmation-missing", "reference-missing"]),
        ({"authors": ()}, ["author-unknown", "approvals-missing", "confirmation-missing", "reference-missing"]),
        ({"approvals": (Approval(BO), Approval(EVE))}, ["confirmation-missing", "reference-missing"]),
        ({"approvals": (Approval(BO, ("kpi",), "JIRA-x"), Approval(EVE))}, ["reference-missing"]),
    ],
)
def test_what_an_assignment_lacks_is_its_reason(changed: dict[str, Any], expected: list[str]) -> None:
    assert ids(act(**changed)) == expected


def test_all_reasons_are_given_at_once_and_what_is_awaited_beside_them() -> None:
    nothing = Act("assign", "m", "v1.0.0", "prod", now=NOW)
    found = judge(nothing, POLICY)
    assert [each.id for each in found.reasons] == [
        "signature-needed", "role-needed", "stage-skipped", "gate-not-run", "gate-not-run", "author-unknown",
        "approvals-missing", "confirmation-missing", "reference-missing",
    ]  # fmt: skip
    assert found.needs == (2, ("kpi",), True, ("metric: name auc, at_least 0.8, better greater", GATES[1].key))
    assert all(each.message and each.fix for each in found.reasons)


def test_time_in_a_stage_adds_up_over_tenures() -> None:
    parts = (Tenure("staging", "v1.0.0", 0, DAY), Tenure("staging", "v1.0.0", 5 * DAY, 6 * DAY))
    assert ids(act(history=parts)) == []
    assert ids(act(history=(parts[0], parts[1]._replace(until=6 * DAY - 1)))) == ["held-too-short"]


def test_waived_approvals_still_confirm_and_refer() -> None:
    found = judge(act(waived=True, approvals=(Approval(BO, ("kpi",), "JIRA-7"),)), POLICY)
    assert (found.allowed, found.waived) == (True, True)
    assert ids(act(waived=True, approvals=())) == ["confirmation-missing", "reference-missing"]
    assert not judge(act(waived=True), POLICY).waived, "nothing was waived that was there"
    stage = replace(POLICY.stages["prod"], waive=())
    assert ids(act(waived=True, approvals=()), replace(POLICY, stages={"prod": stage}))[0] == "approvals-missing"


def test_a_rollback_needs_a_role_and_a_version_that_was_there() -> None:
    back = act(kind="rollback", principals=(EVE,), approvals=(), gates=(), authors=())
    was = (Tenure("prod", "v1.0.0", 0, DAY),)
    frozen = replace(POLICY, freeze=(Window(0, NOW * 2),))
    assert ids(replace(back, history=was), frozen) == []
    assert ids(back) == ["not-held-before"]
    assert ids(replace(back, history=was, principals=(BO,))) == ["role-needed"]
    assert ids(replace(back, history=was, standing="revoked")) == ["version-standing"]


def test_an_override_needs_its_role_a_signature_and_a_reason() -> None:
    fire = act(kind="override", principals=(EVE,), approvals=(), gates=(), authors=(), history=(), reason="site down")
    frozen = replace(POLICY, freeze=(Window(0, NOW * 2),))
    found = judge(fire, frozen)
    assert (found.allowed, found.overridden) == (True, True)
    assert ids(replace(fire, reason=" ")) == ["override-reason"]
    assert ids(replace(fire, principals=(DANA,))) == ["role-needed"]
    assert ids(replace(fire, stage="staging")) == ["role-needed"], "a stage that names no role has no override"
    loose = replace(POLICY, stages={"prod": replace(POLICY.stages["prod"], signed=False)})
    assert ids(replace(fire, signature=UNSIGNED), loose) == ["signature-needed"]
    assert ids(replace(fire, standing="revoked")) == ["version-standing"]


def test_an_approval_is_another_s_signed_and_confirms_what_is_asked() -> None:
    mine = act(
        kind="approve", principals=(BO,), confirms=("kpi",), reference="JIRA-1", approvals=(), gates=(), history=()
    )
    assert ids(mine) == []
    assert ids(replace(mine, principals=(DANA,))) == ["approver-is-author"]
    assert ids(replace(mine, authors=())) == ["author-unknown"]
    assert ids(replace(mine, signature=UNSIGNED)) == ["signature-needed"]
    assert ids(replace(mine, principals=("x@example.org",))) == ["role-needed"]
    assert ids(replace(mine, confirms=("kpis",))) == ["confirmation-unknown"]
    assert ids(replace(mine, reference="none")) == ["reference-missing"]


def test_where_authors_may_approve_they_count_once() -> None:
    prod = replace(POLICY.stages["prod"], distinct=False)
    policy = replace(POLICY, stages={"prod": prod})
    assert ids(act(authors=(BO,)), policy) == []
    assert ids(act(kind="approve", principals=(BO,), authors=(BO,)), policy) == []


def test_acts_on_a_version_ask_for_the_roles_of_the_policy() -> None:
    assert ids(act(kind="register")) == []
    assert ids(act(kind="deprecate", principals=(BO,))) == ["role-needed"]
    assert ids(act(kind="revoke", principals=(BO,))) == []
    assert ids(act(kind="archive")) == ["role-needed"], "an empty list is nobody"
    assert ids(act(kind="register", signature=UNSIGNED)) == ["signature-needed"]
    assert ids(act(kind="register", signature=UNSIGNED), replace(POLICY, signed=False)) == []


def test_nothing_enters_or_leaves_a_frozen_stage() -> None:
    weekend = replace(POLICY, freeze=(Window(16 * 3600, 8 * 3600, ("fri", "sat"), ("prod",), "weekend"),))
    assert ids(act(), weekend) == ["stage-frozen"]
    assert ids(act(kind="unassign"), weekend) == ["stage-frozen"]
    assert ids(act(kind="unassign")) == []
    assert ids(act(now=NOW + 7 * 3600), weekend) == [], "08:00 on Sunday"
    assert ids(act(kind="register"), weekend) == []


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("required", "x", True),
        ("required", " ", False),
        ("required", "", False),
        ("JIRA-#", "JIRA-4521", True),
        ("JIRA-#", "JIRA-", False),
        ("JIRA-#", "XJIRA-4521", False),
        ("JIRA-#", "JIRA-4521\n", False),
        ("https://tickets.example.org/*", "https://tickets.example.org/a/1", True),
        ("https://tickets.example.org/*", "https://ticketsXexample.org/a", False),
        ("a*b#", "a" * 201, False),
    ],
)
def test_a_reference_is_one_of_its_pattern(pattern: str, text: str, expected: bool) -> None:
    assert refers(pattern, text) is expected


def test_every_reason_is_explained_in_the_guide() -> None:
    guide = (ROOT / "docs" / "policy.md").read_text()
    rows = [line.split("|")[1] for line in guide.splitlines() if line.startswith("| `")]
    for each in REASONS:
        assert any(f"`{each}`" in row for row in rows), each


# --- for every policy and act ---------------------------------------------------------------------------------------

PEOPLE = ["a", "b", "c", "d"]
ROLES = ["one", "two", "three"]
some = st.lists(st.sampled_from(ROLES), max_size=2, unique=True).map(tuple)
roles = st.none() | some
windows = st.lists(
    st.sampled_from([Window(0, 50), Window(40, 90), Window(0, 0, ("thu",)), Window(30, 80, (), ("prod",))]), max_size=1
).map(tuple)
METRIC, CARD = Metric("auc", at_least=0.5), CardRules()
stages = st.builds(
    Stage,
    st.just("prod"),
    after=st.sampled_from([(), ("staging",), ("staging", "dev")]),
    assign=roles,
    unassign=roles,
    rollback=roles,
    approve=roles,
    approvals=st.integers(0, 3),
    distinct=st.booleans(),
    signed=st.sampled_from([None, True, False]),
    gates=st.lists(st.sampled_from([METRIC, CARD, Held("dev", 20)]), max_size=2, unique=True).map(tuple),
    confirm=st.sampled_from([(), ("kpi",), ("kpi", "cost")]),
    reference=st.sampled_from([None, "required", "T-#"]),
    freeze=windows,
    minimum=st.sampled_from([0, 10, 60]),
    waive=st.sampled_from([(), (METRIC,)]),
    override=some,
)
policies = st.builds(
    Policy,
    version=st.just(1),
    roles=st.fixed_dictionaries({each: st.lists(st.sampled_from(PEOPLE), unique=True).map(tuple) for each in ROLES}),
    register=roles,
    archive=roles,
    revoke=roles,
    signed=st.sampled_from([None, True, False]),
    stages=stages.map(lambda each: {"staging": Stage("staging"), "prod": each}),
    freeze=windows,
)
people = st.lists(st.sampled_from(PEOPLE), max_size=2, unique=True).map(tuple)
approvals = st.lists(
    st.builds(
        Approval,
        st.sampled_from(PEOPLE),
        st.sampled_from([(), ("kpi",), ("cost",), ("kpi", "cost")]),
        st.sampled_from([None, "T-1", "x"]),
    ),
    max_size=4,
).map(tuple)
tenures = st.lists(
    st.builds(
        Tenure,
        st.sampled_from(["staging", "dev", "prod"]),
        st.just("v1.0.0"),
        st.integers(0, 60),
        st.none() | st.integers(60, 120),
    ),
    max_size=3,
).map(tuple)
results = st.lists(
    st.builds(GateResult, st.sampled_from([METRIC.key, CARD.key]), st.sampled_from([True, True, False])), max_size=3
).map(tuple)
acts = st.builds(
    Act,
    st.sampled_from([*KINDS, "assign", "assign", "assign", "nonsense"]),
    st.just("m"),
    st.just("v1.0.0"),
    st.sampled_from(["prod", "prod", "prod", "staging", "other", None]),
    principals=people,
    authors=people,
    signature=st.sampled_from([VALID, VALID, UNSIGNED, "bad"]),
    approvals=approvals,
    waived=st.booleans(),
    gates=results,
    now=st.integers(0, 120),
    history=tenures,
    standing=st.sampled_from(["active", "active", "revoked"]),
    confirms=st.sampled_from([(), ("kpi",)]),
    reference=st.sampled_from([None, "T-1"]),
    reason=st.sampled_from(["", "why"]),
)


def on_prod(change: Callable[[Stage], Stage]) -> Callable[[Policy], Policy]:
    return lambda policy: replace(policy, stages={**policy.stages, "prod": change(policy.stages["prod"])})


def narrowed(key: str) -> Callable[[Any], Any]:
    """Ask for a role where none was asked, or for fewer."""
    return lambda held: replace(held, **{key: ("one",) if getattr(held, key) is None else getattr(held, key)[1:]})


TIGHTER: dict[str, Callable[[Policy], Policy]] = {
    "no member of a role": lambda policy: replace(policy, roles={**policy.roles, "one": ()}),
    "a role loses one": lambda policy: replace(policy, roles={**policy.roles, "two": policy.roles["two"][1:]}),
    "a stage is gone": lambda policy: replace(policy, stages={"prod": policy.stages["prod"]}),
    "a freeze": lambda policy: replace(policy, freeze=(*policy.freeze, Window(0, 70))),
    "all signed": lambda policy: replace(policy, signed=True),
    **{f"fewer {key}": narrowed(key) for key in ("register", "archive", "revoke")},
    **{f"fewer {key}": on_prod(narrowed(key)) for key in ("assign", "unassign", "rollback", "approve", "override")},
    "after": on_prod(lambda stage: replace(stage, after=stage.after[:1] or ("staging",))),
    "minimum": on_prod(lambda stage: replace(stage, minimum=stage.minimum + 15)),
    "approvals": on_prod(lambda stage: replace(stage, approvals=stage.approvals + 1)),
    "distinct": on_prod(lambda stage: replace(stage, distinct=True)),
    "signed": on_prod(lambda stage: replace(stage, signed=True)),
    "gate": on_prod(lambda stage: replace(stage, gates=(*stage.gates, METRIC))),
    "held": on_prod(lambda stage: replace(stage, gates=(*stage.gates, Held("staging", 30)))),
    "card": on_prod(lambda stage: replace(stage, card=CARD)),
    "confirm": on_prod(lambda stage: replace(stage, confirm=("kpi", "cost", "legal"))),
    "reference": on_prod(lambda stage: replace(stage, reference=stage.reference or "required")),
    "stage frozen": on_prod(lambda stage: replace(stage, freeze=(*stage.freeze, Window(10, 100)))),
    "waive": on_prod(lambda stage: replace(stage, waive=())),
}


@given(acts, policies)
def test_any_act_gets_one_answer_and_every_refusal_its_reasons(one: Act, policy: Policy) -> None:
    found = judge(one, policy)
    assert isinstance(found, Decision)
    assert found == judge(one, policy)
    assert found.allowed is not bool(found.reasons)
    assert {each.id for each in found.reasons} <= set(REASONS)
    assert not (found.allowed and (found.needs.approvals or found.needs.confirmations or found.needs.gates))


@given(acts, policies)
def test_a_tighter_policy_never_allows_more(one: Act, policy: Policy) -> None:
    before = judge(one, policy)
    for way, tighter in TIGHTER.items():
        if not before.allowed:
            assert not judge(one, tighter(policy)).allowed, way


def test_each_way_is_tighter_for_something() -> None:
    """Else the rule above would say nothing of it."""
    stage = Stage("prod", gates=(), approve=None, approvals=1, waive=(METRIC,), override=("one",), distinct=False)
    open_to_all = Policy(1, roles={"one": ("a",), "two": ("b",)}, stages={"staging": Stage("staging"), "prod": stage})
    base = Act(
        "assign", "m", "v1.0.0", "prod", principals=("a",), authors=("a",), approvals=(Approval("a"),), now=65,
        signature=UNSIGNED, history=(Tenure("prod", "v1.0.0", 1, None),),
    )  # fmt: skip
    variants = [replace(base, kind=kind, signature=sign, reason="x") for kind in KINDS for sign in (VALID, UNSIGNED)]
    variants += [
        replace(base, principals=("d",)),
        replace(base, stage="staging"),
        replace(base, waived=True, approvals=()),
    ]
    variants += [replace(base, history=(Tenure("staging", "v1.0.0", 60, None),))]
    two = replace(stage, assign=("two",), after=("staging",))
    policies = [open_to_all, replace(open_to_all, stages={"staging": Stage("staging"), "prod": two}, register=("two",))]
    variants += [replace(each, principals=("b",), signature=VALID, history=variants[-1].history) for each in variants]
    for way, tighter in TIGHTER.items():
        assert any(
            judge(each, policy).allowed and not judge(each, tighter(policy)).allowed
            for each in variants
            for policy in policies
        ), way


@given(acts, policies)
def test_nobody_known_never_has_a_role(one: Act, policy: Policy) -> None:
    nobody = replace(one, principals=())
    stage = policy.stages.get(one.stage or "")
    if one.kind in STAGED and stage is not None:
        asked = stage.roles_for(one.kind) is not None or one.kind in {"approve", "override"}
    else:
        asked = {"archive": policy.archive, "revoke": policy.revoke}.get(one.kind, policy.register) is not None
    if asked:
        assert not judge(nobody, policy).allowed


@given(acts, policies, st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_does_not_matter(one: Act, policy: Policy, chance: random.Random) -> None:
    def shuffled(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(chance.sample(values, len(values)))

    other = replace(
        one, approvals=shuffled(one.approvals), gates=shuffled(one.gates), history=shuffled(one.history)
    )  # fmt: skip
    assert judge(other, policy) == judge(one, policy)


@given(acts, policies)
def test_the_author_s_approval_never_counts_where_approvers_are_distinct(one: Act, policy: Policy) -> None:
    policy = TIGHTER["distinct"](policy)
    without = tuple(each for each in one.approvals if each.principal not in one.authors)
    assert judge(one, policy) == judge(replace(one, approvals=without), policy)
    assert set(judge(one, policy).approved_by).isdisjoint(one.authors)


@given(acts, policies)
def test_what_does_not_stand_is_never_put_anywhere(one: Act, policy: Policy) -> None:
    if one.kind in STAGED - {"unassign"} and judge(one, policy).allowed:
        assert one.standing == "active"
