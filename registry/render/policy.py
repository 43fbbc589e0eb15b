"""A policy in sentences, for those whom it concerns; and as the object that `--json` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from registry.plural import plural
from registry.policy import Policy
from registry.policystages import REQUIRED, Roles, Stage
from registry.policytimes import duration
from registry.render.gates import results_json, verdict_lines

if TYPE_CHECKING:
    from registry.api.simulating import Simulation

ACTS = {
    "assign": "put a version into it",
    "rollback": "roll it back",
    "unassign": "take a version out of it",
    "approve": "approve a version for it",
    "override": "override its rules, with a reason",
}


_NONE = "There is no policy: everyone who may push a tag may do everything."
_HEAD = "Policy version {}. Whoever reads the registry judges its events by what follows."


def sentences(policy: Policy, only: str | None = None) -> Iterator[str]:
    """Who may do what; of one stage where it is named."""
    if only is None:
        yield _HEAD.format(policy.version) if policy.version else _NONE
        yield f"{_who(policy, policy.register)} may register, deregister and deprecate versions."
        yield f"{_who(policy, policy.revoke)} may revoke a version, {_lower(_who(policy, policy.archive))} archive one."
        for window in policy.freeze:
            yield f"Frozen: {', '.join(window.stages) or 'every stage'} {window}."
    if policy.stages is None:
        yield "Any stage may be used."
    chosen = [each for name, each in (policy.stages or {}).items() if only in {None, name}]
    for stage in chosen:
        yield from ([""] if only is None else [])
        yield f"Stage {stage.name}"
        yield from (f"  {each}" for each in _of_stage(policy, stage))


def _of_stage(policy: Policy, stage: Stage) -> Iterator[str]:
    for kind, words in ACTS.items():
        asked = {"approve": stage.approvals or stage.confirm, "override": stage.override}.get(kind, True)
        if asked:
            yield f"{_who(policy, stage.roles_for(kind))} may {words}."
    yield from _evidence(stage)
    for gate in stage.required_gates:
        yield f"Gate: {gate.key}."
    for limit in stage.waive:
        yield f"No approvals are needed where all limits are met: {limit.key}."
    for window in stage.freeze:
        yield f"Frozen: {window}."
    roles = any(found for _, found in stage.named_roles())
    if stage.signed or (stage.signed is None and roles):
        yield "Events must be signed."
    if stage.ledger:
        yield "Events must stand in the ledger."


def _evidence(stage: Stage) -> Iterator[str]:
    if stage.after:
        yield f"A version must have been in {' or '.join(stage.after)}{_for(stage.minimum)} before."
    if stage.approvals:
        own = ", not its author" if stage.distinct else ", its author too"
        yield f"It needs {plural(stage.approvals, 'approval')}, each of another principal{own}."
    if stage.confirm:
        yield f"Approvals must confirm {', '.join(stage.confirm)}."
    if stage.reference is not None:
        yield f"A reference must be given{'' if stage.reference == REQUIRED else f', like {stage.reference}'}."


def as_json(policy: Policy, only: str | None = None) -> dict[str, Any]:
    """The policy as plain values, with who may do what in each stage."""
    told = {key: _plain(getattr(policy, key)) for key in _KEYS}
    chosen = {name: each for name, each in (policy.stages or {}).items() if only in {None, name}}
    stages = {name: _stage_json(policy, each) for name, each in chosen.items()}
    return {**told, "stages": None if policy.stages is None else stages}


_KEYS = ("version", "trusted_sources", "checks", "size_limit", "roles", "register", "archive", "revoke", "signed")


def _stage_json(policy: Policy, stage: Stage) -> dict[str, Any]:
    may = {kind: policy.members(stage.roles_for(kind)) for kind in ACTS}
    return {
        **{key: _plain(value) for key, value in asdict(stage).items() if key not in {"gates", "freeze", "waive"}},
        "gates": [each.key for each in stage.required_gates],
        "waive": [each.key for each in stage.waive],
        "freeze": [
            str(each) for each in (*policy.freeze, *stage.freeze) if stage.name in (each.stages or {stage.name})
        ],
        "may": {kind: None if found is None else sorted(found) for kind, found in may.items()},
    }


def simulated(found: Simulation) -> Iterator[str]:
    """What would happen, and why."""
    act, decision = found.act, found.decision
    where = f" in {act.stage}" if act.stage else ""
    verdict = "allowed" if decision.allowed else "refused"
    yield f"{verdict}: {act.kind} {act.name} {act.version}{where} by {', '.join(act.principals)}"
    for reason in decision.reasons:
        yield f"  {reason.id}: {reason.message}"
        yield f"    fix: {reason.fix}"
    if decision.approved_by:
        yield f"  approved by {', '.join(decision.approved_by)}"
    if decision.waived:
        told = "are met" if found.gated is not None and found.gated.waived else "are taken to be met"
        yield f"  approvals are waived, as the limits of `waive` {told}"
    if decision.overridden:
        yield f"  the rules would be overridden: {act.reason}"
    yield f"  policy version {found.policy.version}; author {', '.join(act.authors) or 'unknown'}"
    yield from (f"  assumed: {each}" for each in found.assumed)
    yield from (f"  counts for nothing: {each}" for each in found.ignored)
    for result in found.act.gates:
        yield from verdict_lines(result)


def simulated_json(found: Simulation) -> dict[str, Any]:
    """The same as an object."""
    act, decision = found.act, found.decision
    return {
        "allowed": decision.allowed,
        "reasons": [each._asdict() for each in decision.reasons],
        "needs": decision.needs._asdict(),
        "approved_by": list(decision.approved_by),
        "waived": decision.waived,
        "overridden": decision.overridden,
        "policy_version": found.policy.version,
        "act": {key: getattr(act, key) for key in ("kind", "name", "version", "stage", "authors", "standing", "now")},
        "principal": act.principals[0],
        "history": [each._asdict() for each in act.history],
        "gates": results_json(found.act.gates),
        "assumed": list(found.assumed),
        "ignored": list(found.ignored),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return {key: _plain(each) for key, each in value.items()} if hasattr(value, "items") else value


def _who(policy: Policy, roles: Roles) -> str:
    if roles is None:
        return "Everyone"
    if not roles:
        return "Nobody"
    return f"{' and '.join(roles)} ({', '.join(sorted(policy.members(roles) or ())) or 'nobody'})"


def _lower(text: str) -> str:
    return text.lower() if text in {"Everyone", "Nobody"} else text


def _for(seconds: int) -> str:
    return f" for {duration(seconds)}" if seconds else ""
