"""What a policy asks for that can never be, or that holds nobody back. Pure.

Each such policy is closed, not open: a stage that nobody may enter is entered by nobody. So nothing here is refused
when the file is read; it is told at the gate, before somebody finds out at night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from registry import strictyaml
from registry.errors import RegistryError
from registry.findings import ERROR, WARNING
from registry.plural import plural
from registry.policy import PATH, Policy
from registry.policygates import Custom
from registry.policystages import Roles, Stage


class Fault(NamedTuple):
    """One of them."""

    severity: str
    trail: tuple[str, ...]
    """The keys that lead to it."""
    message: str
    fix: str


def faults(policy: Policy, signs: Callable[[str], bool] | None = None) -> Iterator[Fault]:
    """Each fault; with `signs`, which says whether allowed_signers names a principal, also who cannot sign."""
    yield from _roles(policy, signs)
    reachable = reachable_stages(policy)
    for stage in (policy.stages or {}).values():
        yield from _stage(policy, stage, signs, reachable)


def reachable_stages(policy: Policy) -> frozenset[str]:
    """The stages that a new version can come to: from no stage, or by way of one of these."""
    found: set[str] = set()
    stages = policy.stages or {}
    while more := {
        name
        for name, each in stages.items()
        if name not in found and (not each.after or found.intersection(each.after))
    }:
        found |= more
    return frozenset(found)


def line_at(data: bytes, trail: tuple[str, ...]) -> int | None:
    """The line of a policy on which the innermost of some keys stands."""
    try:
        value: Any = strictyaml.parse(data, PATH)
    except RegistryError:
        return None
    line = None
    for key in trail:
        if not isinstance(value, Mapping) or key not in value:
            break
        line = next(getattr(each, "line", None) for each in value if each == key)
        value = value[key]
    return line


def _roles(policy: Policy, signs: Callable[[str], bool] | None) -> Iterator[Fault]:
    if signs is None:
        return
    for role, members in policy.roles.items():
        absent = [each for each in members if not signs(each)]
        if not absent:
            continue
        severity = ERROR if len(absent) == len(members) else WARNING
        said = "names nobody who is" if severity == ERROR else f"names {', '.join(absent)}, not"
        fix = "add their keys to allowed_signers, or take them out"
        yield Fault(severity, ("roles", role), f"role {role!r} {said} in allowed_signers", fix)


def _stage(
    policy: Policy, stage: Stage, signs: Callable[[str], bool] | None, reachable: frozenset[str]
) -> Iterator[Fault]:
    at = ("stages", stage.name)
    if stage.name not in reachable:
        what = f"no version can come to stage {stage.name!r}: what it must come after cannot be reached either"
        yield Fault(ERROR, (*at, "after"), what, "let one of the stages come after none")
    if stage.assign is not None and not _able(policy, stage.assign, signs):
        what = f"nobody can assign stage {stage.name!r}"
        yield Fault(ERROR, (*at, "assign"), what, "name a role with members who can sign")
    needed = stage.approvals or bool(stage.confirm)
    able = _able(policy, stage.approve, signs) if stage.approve is not None else None
    if needed and able is not None and len(able) < max(1, stage.approvals):
        needed_of = plural(max(1, stage.approvals), "approval")
        what = f"stage {stage.name!r} needs {needed_of} and {len(able)} can approve"
        yield Fault(ERROR, (*at, "approvals"), what, "ask for fewer, or name more who approve")
    if needed and not stage.distinct:
        what = f"in stage {stage.name!r} authors may approve what they made themselves"
        yield Fault(WARNING, (*at, "distinct"), what, "leave `distinct` out")
    custom = next((each.key for each in stage.required_gates if isinstance(each, Custom)), None)
    answered = stage.approvals or stage.confirm or (stage.ledger and policy.recorder)
    if custom is not None and not answered:
        what = (
            f"in stage {stage.name!r} nobody answers for the gate {custom}, which readers do not run: nothing is in it"
        )
        yield Fault(ERROR, (*at, "gates"), what, "ask for approvals, or for `ledger: true` and name a recorder")
    if stage.signed is False and any(roles for _, roles in stage.named_roles()):
        what = f"stage {stage.name!r} asks for roles and for no signatures: whoever writes the e-mail has the role"
        yield Fault(WARNING, (*at, "signed"), what, "leave `signed` out, or say true")


def _able(policy: Policy, roles: Roles, signs: Callable[[str], bool] | None) -> frozenset[str]:
    members = policy.members(roles) or frozenset()
    return members if signs is None else frozenset(each for each in members if signs(each))
