"""Whether a policy allows an act, and every reason why not. Pure: the clock, the history and all evidence are given.

Rules:

1. A role is had by a principal that the policy names in it. Principals are those of a valid signature; of an unsigned
   act the one that its tagger claims, which counts only where the policy says `signed: false`. A signature that does
   not verify is worse than none: nobody acted.
2. `assign` needs: a stage of the policy; a version that stands; a role; a stage before (`after`), for long enough; no
   freeze; every gate passed; approvals, confirmations, a reference.
3. An approval counts once for each principal, of those who may approve; the author's own counts for nothing where the
   stage is `distinct`, and where nobody knows who the author is no approval is known to be another's.
4. Waived approvals need no number; what they confirm and refer to is still asked for.
5. `rollback` needs a role and a version that was in the stage before, nothing else: it must be possible at night. So
   does `unassign`, but not while the stage is frozen.
6. `override` needs a role that the stage names, a valid signature and a reason; it goes past rule 2 from `after` on.
7. What the policy says nothing of, everyone may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from registry.policy import Policy
from registry.policygates import Held
from registry.policystages import Roles, Stage, refers
from registry.policytimes import duration
from registry.tenure import Tenure

KINDS: Final = (
    "register", "assign", "unassign", "rollback", "approve", "revoke", "deregister", "deprecate", "archive", "override",
)  # fmt: skip
STAGED: Final = frozenset({"assign", "unassign", "rollback", "approve", "override"})
"""Acts that concern a stage."""
VALID: Final = "valid"
"""The signature verifies, and its key is that of the act's principals."""
UNSIGNED: Final = "unsigned"
"""There is none; principals are claimed. Any other word is a signature that does not count."""
ALWAYS_SIGNED: Final = frozenset({"approve", "override"})
ACTIVE: Final = "active"
REASONS: Final = (
    "act-unknown", "stage-unknown", "version-standing", "signature-needed", "role-needed", "stage-skipped",
    "held-too-short", "stage-frozen", "gate-not-run", "gate-failed", "author-unknown", "approvals-missing",
    "approver-is-author", "confirmation-missing", "confirmation-unknown", "reference-missing", "not-held-before",
    "override-reason",
)  # fmt: skip
"""Every id that a reason may have; `docs/policy.md` explains each."""


class Approval(NamedTuple):
    """One approval whose signature and evidence were found good."""

    principal: str
    confirms: tuple[str, ...] = ()
    reference: str | None = None
    time: int = 0


class GateResult(NamedTuple):
    """What became of a gate."""

    key: str
    """`Gate.key`."""
    passed: bool
    message: str = ""
    fix: str = ""
    """What to do where it failed."""


@dataclass(frozen=True)
class Act:
    """What somebody did, or is about to do, with all that is known of it."""

    kind: str
    """One of `KINDS`."""
    name: str
    version: str | None = None
    stage: str | None = None
    principals: tuple[str, ...] = ()
    """Who does it: all principals of the signing key, or the tagger's e-mail of an unsigned act."""
    authors: tuple[str, ...] = ()
    """Who made the version: principals of its registration."""
    signature: str = UNSIGNED
    """`VALID`, `UNSIGNED`, or why it counts for nothing."""
    approvals: tuple[Approval, ...] = ()
    waived: bool = False
    """Whether the version meets every limit of the stage's `waive`."""
    gates: tuple[GateResult, ...] = ()
    now: int = 0
    """Seconds since 1970-01-01 UTC."""
    history: tuple[Tenure, ...] = ()
    """When this version was in which stage."""
    standing: str = ACTIVE
    """`ACTIVE`, or what is wrong with the version: `unregistered`, `deregistered`, `revoked`."""
    confirms: tuple[str, ...] = ()
    """What an `approve` confirms."""
    reference: str | None = None
    """The reference that the act itself gives."""
    reason: str = ""
    """Why it is done past the rules, of an `override`."""


class Reason(NamedTuple):
    """One reason why an act is not allowed."""

    id: str
    """One of `REASONS`."""
    message: str
    fix: str


class Needs(NamedTuple):
    """What an act still waits for."""

    approvals: int = 0
    """How many more."""
    confirmations: tuple[str, ...] = ()
    reference: bool = False
    gates: tuple[str, ...] = ()
    """Keys of gates that were not run."""


@dataclass(frozen=True)
class Decision:
    """Whether an act is allowed."""

    reasons: tuple[Reason, ...] = ()
    """All of them, in the order of the rules; none where it is allowed."""
    needs: Needs = field(default_factory=Needs)
    approved_by: tuple[str, ...] = ()
    """Whose approvals count, sorted."""
    waived: bool = False
    """Whether approvals were waived because the model meets the limits of `waive`: the record says so."""
    overridden: bool = False
    """Whether the rules were overridden: the record says so, loudly."""

    @property
    def allowed(self) -> bool:
        """Whether nothing stands against it."""
        return not self.reasons


def judge(act: Act, policy: Policy) -> Decision:
    """Whether a policy allows an act; gives all reasons why not. Total: any act gets an answer."""
    if act.kind not in KINDS:
        return Decision((Reason("act-unknown", f"{act.kind!r} is no act", f"one of {', '.join(KINDS)}"),))
    if act.kind not in STAGED:
        return Decision(tuple(_who(act, policy, _unstaged(act.kind, policy), policy.signed)))
    stage = policy.stage(act.stage) if act.stage is not None else None
    if stage is None:
        known = ", ".join(policy.stages or ()) or "none"
        return Decision((Reason("stage-unknown", f"no stage {act.stage!r}", f"the policy's stages are {known}"),))
    reasons = [*_standing(act), *_who(act, policy, stage.roles_for(act.kind), stage.signed)]
    if act.kind == "assign":
        return _assigned(act, policy, stage, reasons)
    rules = {"approve": _approving, "rollback": _rolling_back, "override": _overriding}
    if act.kind == "unassign":
        reasons += _frozen(act, policy, stage)
    else:
        reasons += rules[act.kind](act, stage)
    return Decision(tuple(reasons), overridden=act.kind == "override" and not reasons)


def must_sign(policy: Policy, kind: str, stage: str | None = None) -> bool:
    """Whether an act has to be signed, of a stage where it concerns one."""
    if kind not in STAGED:
        return _signs(kind, _unstaged(kind, policy), policy.signed)
    found = policy.stage(stage) if stage is not None else None
    return found is None or _signs(kind, found.roles_for(kind), found.signed)


def _unstaged(kind: str, policy: Policy) -> Roles:
    return {"archive": policy.archive, "revoke": policy.revoke}.get(kind, policy.register)


def _signs(kind: str, roles: Roles, signed: bool | None) -> bool:
    return kind in ALWAYS_SIGNED or (signed if signed is not None else roles is not None)


def counted(act: Act, policy: Policy, stage: Stage) -> tuple[Approval, ...]:
    """The approvals that count, one for each principal, sorted: what one says several times is put together."""
    members = policy.members(stage.approve)
    said: dict[str, list[Approval]] = {}
    for each in sorted(act.approvals, key=lambda one: (one.principal, one.time, one.reference or "", one.confirms)):
        mine = stage.distinct and (each.principal in act.authors or not act.authors)
        if each.principal and not mine and (members is None or each.principal in members):
            said.setdefault(each.principal, []).append(each)
    return tuple(each for principal in said for each in said[principal])


def _assigned(act: Act, policy: Policy, stage: Stage, reasons: list[Reason]) -> Decision:
    reasons += [*_order(act, stage), *_frozen(act, policy, stage)]
    results = {each.key: each for each in sorted(act.gates, key=lambda one: (one.key, not one.passed, one.message))}
    unrun = tuple(each.key for each in stage.required_gates if not isinstance(each, Held) and each.key not in results)
    reasons += _gates(act, stage, results)
    counts = counted(act, policy, stage)
    approvers = tuple(sorted({each.principal for each in counts}))
    waived = act.waived and bool(stage.waive) and len(approvers) < stage.approvals
    missing = 0 if waived else max(0, stage.approvals - len(approvers))
    asked = missing or stage.confirm
    if asked and stage.distinct and not act.authors:
        what = "who made the version is not known, so no approval is known to be another's"
        reasons.append(Reason("author-unknown", what, "register the version with a signature"))
    if missing:
        who = f" of {' or '.join(stage.approve)}" if stage.approve is not None else ""
        own = " (the author's own does not count)" if stage.distinct else ""
        what = f"{len(approvers)} of {stage.approvals} approvals{who}{own}"
        reasons.append(Reason("approvals-missing", what, f"registry approve {act.name} --stage {stage.name}"))
    confirmed = {each for approval in counts for each in approval.confirms}
    unconfirmed = tuple(each for each in stage.confirm if each not in confirmed)
    for each in unconfirmed:
        reasons.append(Reason("confirmation-missing", f"nobody confirmed {each}", f"approve with --confirm {each}"))
    references = [act.reference, *(each.reference for each in counts)]
    refer = stage.reference is not None and not any(each and refers(stage.reference, each) for each in references)
    if refer:
        what = f"no reference{'' if stage.reference == 'required' else f' like {stage.reference}'} was given"
        reasons.append(Reason("reference-missing", what, "approve with --reference"))
    return Decision(tuple(reasons), Needs(missing, unconfirmed, refer, unrun), approvers, waived)


def _standing(act: Act) -> Iterator[Reason]:
    if act.standing != ACTIVE and act.kind != "unassign":
        what = f"version {act.version} of {act.name!r} is {act.standing}"
        yield Reason("version-standing", what, "choose a version that stands")


def _who(act: Act, policy: Policy, roles: Roles, signed: bool | None) -> Iterator[Reason]:
    """Rule 1."""
    always = act.kind in ALWAYS_SIGNED
    asked = _signs(act.kind, roles, signed)
    bad = act.signature not in {VALID, UNSIGNED}
    if bad or (asked and act.signature != VALID):
        yield Reason("signature-needed", f"the signature is {act.signature}", "sign with a key of allowed_signers")
    members = policy.members(roles)
    principals = () if bad else tuple(each for each in act.principals if each)
    who = " or ".join(principals) or "nobody known"
    if members is None:
        if always and not principals:
            yield Reason("role-needed", f"{who} does this", "sign with a key of allowed_signers")
    elif members.isdisjoint(principals):
        named = " or ".join(roles or ()) or "nobody"
        where = f" in stage {act.stage!r}" if act.kind in STAGED else ""
        yield Reason("role-needed", f"{act.kind}{where} is for {named}, not for {who}", "ask one of them to do it")


def _order(act: Act, stage: Stage) -> Iterator[Reason]:
    if not stage.after:
        return
    held = {each: _seconds(act, each) for each in stage.after}
    places = " or ".join(stage.after)
    if all(each is None for each in held.values()):
        yield Reason("stage-skipped", f"{act.version} was never in {places}", f"assign it to {places} first")
    elif max(each or 0 for each in held.values()) < stage.minimum:
        longest = max(each or 0 for each in held.values())
        what = f"{act.version} was in {places} for {duration(longest)} of {duration(stage.minimum)}"
        yield Reason("held-too-short", what, "wait")


def held_for(act: Act, gate: Held) -> GateResult:
    """What the history says of the gate `held`."""
    held = _seconds(act, gate.stage)
    return GateResult(gate.key, held is not None and held >= gate.minimum, f"held for {duration(held or 0)}")


def _seconds(act: Act, stage: str) -> int | None:
    """For how long the version was in a stage, altogether; none where it never was."""
    found = [each for each in act.history if each.stage == stage and each.since <= act.now]
    return sum(each.seconds(act.now) for each in found) if found else None


def _frozen(act: Act, policy: Policy, stage: Stage) -> Iterator[Reason]:
    for window in (*policy.freeze, *stage.freeze):
        if window.covers(act.now, stage.name):
            yield Reason("stage-frozen", f"frozen: {window}", "wait, or roll back, which is always possible")


def _gates(act: Act, stage: Stage, results: dict[str, GateResult]) -> Iterator[Reason]:
    for gate in stage.required_gates:
        if isinstance(gate, Held):
            held = held_for(act, gate)
            if not held.passed:
                yield Reason("gate-failed", f"{gate.key}: {held.message}", "hold it there for longer")
        elif gate.key not in results:
            yield Reason("gate-not-run", f"{gate.key} was not run", "run the gates")
        elif not results[gate.key].passed:
            found = results[gate.key]
            said = f": {found.message}" if found.message else ""
            yield Reason("gate-failed", f"{gate.key}{said}", found.fix or "choose a version that passes")


def _approving(act: Act, stage: Stage) -> Iterator[Reason]:
    if stage.distinct and not act.authors:
        yield Reason("author-unknown", "who made the version is not known", "register the version with a signature")
    elif stage.distinct and _meet(act.authors, act.principals):
        what = f"{' or '.join(_meet(act.authors, act.principals))} made {act.version}"
        yield Reason("approver-is-author", what, "ask another to approve it")
    for each in act.confirms:
        if each not in stage.confirm:
            known = ", ".join(stage.confirm) or "none"
            yield Reason("confirmation-unknown", f"{each!r} is not asked for", f"the stage asks for {known}")
    if act.reference is not None and stage.reference is not None and not refers(stage.reference, act.reference):
        yield Reason("reference-missing", f"{act.reference[:80]!r} is not like {stage.reference}", "correct it")


def _rolling_back(act: Act, stage: Stage) -> Iterator[Reason]:
    if _seconds(act, stage.name) is None:
        what = f"{act.version} was never in {stage.name}"
        yield Reason("not-held-before", what, "roll back to a version that was, or assign it")


def _overriding(act: Act, _: Stage) -> Iterator[Reason]:
    if not act.reason.strip():
        yield Reason("override-reason", "an override says why", "give its reason")


def _meet(one: Iterable[str], two: Iterable[str]) -> list[str]:
    return sorted(set(one) & set(two))
