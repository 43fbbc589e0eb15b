"""Which of an artifact's events are accepted: each judged by the policy, in the order in which events count.

Values in, values out; what is given was gathered by `registry.api.accepting`. Rules:

1. Registrations, cancellations and deprecations are judged first, so that nobody gives an assignment another version by
   a tag that is not accepted. Then stage events, each by what was accepted before it.
2. In a stage that asks for the ledger its newest entry is the answer: the tag that it records, which must be there as
   it was recorded and be accepted, else the stage is refused. Where that tag took a version out, or its version was
   cancelled, the newest recorded tag before it answers. Tags in no entry never do.
3. What a recorder other than its signer vouches for was judged when it was recorded: it is believed, unless its
   signature is forged or its key was compromised by then. Everything else is judged now, by the present policy.
4. A revoked version never answers: a stage whose newest event that stands names one is refused, not given to the
   version before. Other cancelled versions give their stages back, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from registry.api.accepting import EVENT_REJECTED
from registry.api.acting import Facts, kind_of
from registry.api.vouching import Said, Vouched
from registry.errors import Refused
from registry.eventkind import REVOKED
from registry.governance import Approval, GateResult, Reason, judge
from registry.ledgerchain import ENTRY_MISSING, TAG_MISSING, TAG_MOVED
from registry.policy import Policy
from registry.signature import FORGED, Verdict
from registry.signaturerules import because
from registry.state import Artifact, Assignment, fold_artifact
from registry.tagrules import shown
from registry.tags import Event, trailers

REVOKED_REASON: Final = "revoked"
RESTING: Final = frozenset({"not-held-before", "stage-skipped"})
"""Reasons that say what did not happen before: what was rejected did not."""


class Rejection(NamedTuple):
    """An event that counts for nothing, and all reasons."""

    event: Event
    reasons: tuple[Reason, ...]

    def __str__(self) -> str:
        told = "; ".join(f"{each.id}: {each.message}" for each in self.reasons)
        return f"tag {shown(self.event.ref)} by {self.event.tagger} <{self.event.email}> is not accepted ({told})"


class Entered(NamedTuple):
    """What the gates of its stage say of an assignment."""

    gates: tuple[GateResult, ...] = ()
    waived: bool = False
    """Whether the version meets every limit of the stage's `waive`."""


class Given(NamedTuple):
    """What an artifact's events are judged by."""

    policy: Policy
    where: str
    verdicts: Mapping[str, Verdict]
    """On each tag now, by its object's id."""
    then: Mapping[str, Verdict] = {}
    """On tags that the ledger records, by the entry's time."""
    approvals: Mapping[str, Sequence[Approval]] = {}
    """By the tag that they are for."""
    vouched: Vouched | None = None
    """What the ledger says, where a stage asks for it."""
    entered: Mapping[str, Entered] = {}
    """By tag: what was found out of assignments; the gates of others are taken to have passed."""

    def vouches(self, event: Event) -> bool:
        """Whether a recorder answers for an event of a stage that asks for the ledger: then it was judged already."""
        stage = self.policy.stage(event.stage) if event.stage is not None else None
        if stage is None or not stage.ledger or self.vouched is None:
            return False
        return self.vouched.vouches(event, self.verdicts.get(event.oid))


@dataclass(frozen=True)
class Weighed:
    """An artifact as far as it is accepted."""

    artifact: Artifact
    facts: Facts
    """With every accepted event taken: what whoever proposes an act goes on from."""
    rejected: Mapping[str, Rejection] = field(default_factory=dict)
    """By tag."""
    refusals: Mapping[str, Refused] = field(default_factory=dict)
    """By stage: why it has no answer."""
    revoked: Mapping[str, str] = field(default_factory=dict)
    """Reasons, by version."""
    kept: Sequence[Event] = ()
    """All events that are accepted."""


def weigh(name: str, events: Sequence[Event], given: Given) -> Weighed:
    """Judge all events of an artifact."""
    raw = fold_artifact(name, list(events))
    rejected: dict[str, Rejection] = {}
    kept = list(_versions(raw, given, rejected))
    revoked = _revoked(name, kept, given)
    known = fold_artifact(name, [*kept, *(event for event in raw.events if event.stage is not None)])
    facts = Facts(known, given.policy, given.verdicts, revoked)
    refusals: dict[str, Refused] = {}
    allowed = _Allowed(known, given, rejected, refusals)
    displaced = {event.ref for event in known.displaced}
    for event in known.events:
        if event.stage is None:
            if event.ref not in displaced:
                facts.take(event)
        elif allowed(event, facts):
            facts.take(event)
            kept.append(event)
    facts.artifact = allowed.answer(kept, facts)
    for version in revoked:
        if version in facts.artifact.versions:
            facts.artifact.versions[version].active = False
    _refuse_revoked(facts.artifact, revoked, given.where, refusals)
    for stage in refusals:
        facts.artifact.stages[stage] = {}
    return Weighed(facts.artifact, facts, rejected, refusals, revoked, kept)


def _versions(raw: Artifact, given: Given, rejected: dict[str, Rejection]) -> Iterator[Event]:
    """Rule 1: the accepted events that concern no stage."""
    facts = Facts(raw, given.policy, given.verdicts)
    for event in raw.events:
        if event.stage is not None:
            continue
        decision = judge(facts.act_of(event), given.policy)
        if decision.allowed:
            yield event
        else:
            rejected[event.ref] = Rejection(event, decision.reasons)


def _revoked(name: str, kept: Sequence[Event], given: Given) -> dict[str, str]:
    told = {
        event.version: trailers(event.message)[REVOKED]
        for event in kept
        if event.version is not None and kind_of(event) == "revoke"
    }
    entries = given.vouched.revoked if given.vouched else {}
    return {**told, **{version: reason for (each, version), reason in entries.items() if each == name}}


class _Allowed:
    """Judges stage events in their order, by rules 2 and 3."""

    def __init__(
        self, known: Artifact, given: Given, rejected: dict[str, Rejection], refusals: dict[str, Refused]
    ) -> None:
        self._given, self._rejected, self._refusals = given, rejected, refusals
        stages = {event.stage for event in known.events if event.stage is not None}
        recorded = given.vouched.stages if given.vouched else {}
        stages |= {stage for name, stage in recorded if name == known.name}
        self._said: dict[str, Said | None] = {}
        for stage in stages:
            asked = given.policy.stage(stage)
            if asked is not None and asked.ledger:
                self._said[stage] = recorded.get((known.name, stage))
                self._require(known, stage)
        self._passed: set[str] = set()
        """Stages whose recorded event came by."""

    def __call__(self, event: Event, facts: Facts) -> bool:
        stage = event.stage or ""
        reasons = self._outside(event) if stage in self._said else ()
        if not reasons:
            reasons = self._reasons(event, facts)
        if reasons:
            self._rejected[event.ref] = Rejection(event, reasons)
        return not reasons

    def answer(self, kept: Sequence[Event], facts: Facts) -> Artifact:
        """The fold of what was accepted: in a stage that asks for the ledger, of what it records."""
        name = facts.artifact.name
        newest = {stage: {said.entry.tag_oid} if said else set() for stage, said in self._said.items()}
        found = fold_artifact(
            name, [each for each in kept if each.stage not in newest or each.oid in newest[each.stage]]
        )
        older = {}
        for stage, oids in newest.items():
            accepted = any(each.oid in oids for each in kept)
            if oids and not accepted and stage not in self._refusals:
                self._refusals[stage] = self._turned_away(name, stage)
            elif accepted and found.holder(stage) is None and self._given.vouched is not None:
                older[stage] = self._given.vouched.recorded(name, stage)
        if older:
            recorded = {**newest, **older}
            kept = [each for each in kept if each.stage not in recorded or each.oid in recorded[each.stage]]
            found = fold_artifact(name, kept)
        return found

    def _turned_away(self, name: str, stage: str) -> Refused:
        said = self._said[stage]
        tag = said.entry.tag if said else None
        why = self._rejected.get(tag or "")
        where = f"{self._given.where}: stage {stage!r} of {name!r}"
        what = f"the ledger's newest entry is not accepted: {why}"
        return Refused(EVENT_REJECTED, what, where, why.reasons[0].fix if why else "see `registry doctor`")

    def _outside(self, event: Event) -> tuple[Reason, ...]:
        """Rule 2: an event that comes after what the ledger records."""
        said = self._said[event.stage or ""]
        if said is not None and event.oid == said.entry.tag_oid:
            self._passed.add(event.stage or "")
            return ()
        if said is not None and event.stage not in self._passed:
            return ()
        what = "it stands in no entry of the ledger" if said is None else "the ledger's newest entry is another"
        fix = "have it recorded: promote with `registry assign`, or let the tag workflow judge it"
        return (Reason(ENTRY_MISSING, what, fix),)

    def _reasons(self, event: Event, facts: Facts) -> tuple[Reason, ...]:
        if self._given.vouches(event):
            verdict = self._given.then.get(event.oid)
            if verdict is None or verdict.state not in FORGED:
                return ()
            why = because(event.email, verdict)
            return (Reason("signature-needed", f"when it was recorded: {why}", "find out who made it"),)
        act = facts.act_of(event, self._given.approvals.get(event.ref, ()))
        entered = self._given.entered.get(event.ref)
        if entered is not None:
            act = replace(act, gates=entered.gates, waived=entered.waived)
        return tuple(self._told(each, event) for each in judge(act, self._given.policy).reasons)

    def _told(self, reason: Reason, event: Event) -> Reason:
        """A reason that rests on an event that was rejected says so."""
        if reason.id not in RESTING:
            return reason
        stage = self._given.policy.stage(event.stage or "")
        places = {event.stage} if reason.id == "not-held-before" else set(stage.after if stage else ())
        brought = [each for each in self._rejected.values() if each.event.commit == event.commit]
        found = next((each for each in reversed(brought) if each.event.stage in places), None)
        if found is None:
            return reason
        why = found.reasons[0]
        message = f"{reason.message} by what is accepted: {found.event.ref} is not ({why.id}: {why.message})"
        return reason._replace(message=message, fix=f"{reason.fix}; {why.fix}")

    def _require(self, known: Artifact, stage: str) -> None:
        """Refuse a stage that cannot be answered from the ledger."""
        vouched, said = self._given.vouched, self._said[stage]
        where = f"{self._given.where}: stage {stage!r} of {known.name!r}"
        if vouched is None or vouched.missing:
            what = "the policy asks for the ledger here, and this registry has none"
            fix = "begin it: `registry ledger adopt`, and push the branch `ledger`"
            self._refusals[stage] = Refused("ledger-missing", what, where, fix)
        elif vouched.fault is not None:
            fault = vouched.fault
            self._refusals[stage] = Refused(fault.reason, fault.what, fault.where, fault.fix)
        elif said is not None and said.entry.tag is not None:
            altered = _altered(known, said, where)
            if altered is not None:
                self._refusals[stage] = altered


def _altered(known: Artifact, said: Said, where: str) -> Refused | None:
    """Why a recorded tag is not as it was recorded; none where it is."""
    entry = said.entry
    event = next((each for each in known.events if each.ref == entry.tag), None)
    told = f"entry {entry.sequence} of the ledger records tag {shown(entry.tag or '')} as {entry.tag_oid}"
    fix = (
        f"bring it back from a clone that has it: git push --force origin {entry.tag_oid}:'refs/tags/{entry.tag}';"
        " find out who removed or moved it"
    )
    if event is None:
        return Refused(TAG_MISSING, f"{told}, and it is not there", where, fix)
    if event.oid != entry.tag_oid or event.commit != entry.commit:
        return Refused(TAG_MOVED, f"{told} at {entry.commit}; it is {event.oid} at {event.commit}", where, fix)
    label = known.labels.get(event.ref)
    if entry.version is not None and label != entry.version:
        return Refused(TAG_MOVED, f"{told} of {entry.version}; its commit is now that of {label}", where, fix)
    return None


def _refuse_revoked(artifact: Artifact, revoked: Mapping[str, str], where: str, refusals: dict[str, Refused]) -> None:
    """Rule 4."""
    for stage, held in artifact.stages.items():
        top = newest(artifact, stage, revoked)
        if top is not None and top.version.label in revoked:
            held.clear()
            refusals.setdefault(stage, revocation(artifact.name, top.version.label, revoked, where))


def newest(artifact: Artifact, stage: str, revoked: Mapping[str, str]) -> Assignment | None:
    """The newest assignment of a stage that stands, or would if its version had not been revoked."""
    held = artifact.stages.get(stage, {})
    return next((one for one in reversed(held.values()) if one.version.active or one.version.label in revoked), None)


def revocation(name: str, version: str, revoked: Mapping[str, str], where: str) -> Refused:
    """The refusal of a version that was revoked."""
    what = f"version {version} of {name!r} was revoked: {revoked[version] or 'no reason was given'}"
    return Refused(REVOKED_REASON, what, where, "use another version; of a stage: `registry rollback`")
