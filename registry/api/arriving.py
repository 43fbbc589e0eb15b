"""Judging tags that others made, as they arrive: with plain git, with gto, by a program, on a server or after the fact.

A tag that the ledger holds was judged already. Every other one is an act (`registry.api.acting`), and
`registry.governance.judge` has the word, with what is known here and not to whoever made the tag: the gates are run,
approvals are weighed, the signature is judged by now, and so are freezes and times of holding, since a tag is dated by
its maker. Two rules more than those of a policy: a tag counts after every accepted one of its stage or version, so that
nobody slips an event in between others by its date; and a version never moves.

Tags are judged one after the other in the order in which they count, on what was accepted before them
(`registry.api.accepting`): what was not accepted never happened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from registry.api.accepting import accept
from registry.api.acting import Facts, kind_of
from registry.api.grounds import Grounds
from registry.api.signatures import verdicts
from registry.eventkind import ARCHIVED, OVERRIDE, REVOKED
from registry.git.tagscan import Scan
from registry.governance import VALID, Decision, Reason, judge
from registry.signature import Verdict
from registry.state import Artifact, fold_artifact, named_version
from registry.tags import Event, trailers
from registry.versions import is_version

if TYPE_CHECKING:
    from registry.evidence import Evidence

AHEAD = 300
"""How many seconds ahead of the judge's clock a tag may be dated: later ones would have to be dated after it."""
RULES = ("tag-order", "version-moved", "ledger-rejected", "ledger-tag-moved")
"""Ids of reasons beside those of `registry.governance`."""
_WHY = (REVOKED, OVERRIDE, ARCHIVED)
_RECORD = "record it again with `registry`, with a right clock"


class Arrived(NamedTuple):
    """A tag that was judged."""

    event: Event
    kind: str
    """What it does, as `registry.governance.KINDS` has it."""
    version: str | None
    """The version it concerns; none where none is registered there."""
    decision: Decision
    principal: str | None = None
    """Whose signature it carries, where that counts."""
    evidence: Evidence | None = None
    approvals: tuple[str, ...] = ()
    """Tags of the approvals that counted."""
    reason: str | None = None
    """Why, of an override, a revocation or the archiving of a model."""
    new: bool = True
    """Whether it came just now; else it stood there and counts for nothing."""

    @property
    def accepted(self) -> bool:
        """Whether nothing stands against it."""
        return self.decision.allowed

    def json(self) -> dict[str, object]:
        """As a report has it."""
        event = self.event
        told = {"tag": event.ref, "tag_oid": event.oid, "artifact": event.artifact, "act": self.kind}
        who = {"version": self.version, "stage": event.stage, "tagger": event.tagger, "principal": self.principal}
        reasons = [reason._asdict() for reason in self.decision.reasons]
        return {**told, **who, "accepted": self.accepted, "reasons": reasons}


def judge_tags(grounds: Grounds, events: Iterable[Event], fresh: Collection[str] | None = None) -> list[Arrived]:
    """Judge tags of all artifacts; `events` are all that there are, in any order. What stands undisputed is not told.

    `fresh` names those that just came; without it, where there is a ledger, they are all that it does not hold. The
    others are what they are to everyone who reads the registry (`registry.api.accepting`): those that count for nothing
    are told too.
    """
    grouped: dict[str, list[Event]] = {}
    for event in events:
        grouped.setdefault(event.artifact, []).append(event)
    return [each for name in sorted(grouped) for each in _Bench(grounds, name, fresh).judge(grouped[name])]


@dataclass
class _Bench:
    """The tags of one artifact while they are judged."""

    grounds: Grounds
    name: str
    fresh: Collection[str] | None
    accepted: list[Event] = field(default_factory=list)
    revoked: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def judge(self, events: list[Event]) -> list[Arrived]:
        """Judge those that nobody has, in the order in which they count, on what stands already."""
        known = {event.ref: self.grounds.entry(event) for event in events}
        again = [event for event in events if (entry := known[event.ref]) and entry.kind == "reject"]
        told = [self._again(event) for event in again]
        new = [event for event in events if event not in again and self._is_new(event)]
        if not new and self.grounds.ledger:
            return told
        old = [event for event in events if event not in again and event not in new]
        about = () if self.grounds.ledger else {event.commit for event in new}  # what it records was judged then
        told += [each for each in self._stand(old, about) if known[each.event.ref] is None]
        if new:
            self._verify(events)
        for event in fold_artifact(self.name, new).events:
            found = self._judged(event)
            told.append(found)
            if found.accepted:
                self.accepted.append(event)
                if found.kind == "revoke":
                    self.revoked[event.version or ""] = trailers(event.message).get(REVOKED, "")
        return told

    def _is_new(self, event: Event) -> bool:
        if self.fresh is not None:
            return event.ref in self.fresh
        return self.grounds.ledger and self.grounds.entry(event) is None

    def _verify(self, events: Iterable[Event]) -> None:
        signers, policy = self.grounds.rules.signers, self.grounds.rules.policy
        if signers is not None:
            self.verdicts = verdicts(self.grounds.project, events, signers, None, policy.compromised)

    def _stand(self, old: list[Event], about: Collection[str]) -> Iterator[Arrived]:
        """Go on from what is accepted of the tags that were there before; those that are not.

        `about` are the commits of new tags, which may rest on older ones.
        """
        if not old:
            return
        found = accept(self.grounds.project, self.name, rules=self.grounds.rules, scan=Scan(old, [], []), about=about)
        self.accepted = [event for event in old if event.ref not in found.rejected]
        if found.weighed is not None:
            self.revoked = dict(found.weighed.revoked)
        for each in found.rejected.values():
            yield Arrived(each.event, kind_of(each.event), _label(each.event), Decision(each.reasons), new=False)

    def _again(self, event: Event) -> Arrived:
        """A tag that was rejected stays so."""
        entry = self.grounds.recorded[event.ref]
        why = Reason("ledger-rejected", f"entry {entry.sequence} of the ledger rejects it: {entry.reason}", _RECORD)
        return Arrived(event, kind_of(event), _label(event), Decision((why,)), new=False)

    def _facts(self, event: Event) -> Facts:
        """What is known with this event, by those that were accepted before it."""
        artifact = fold_artifact(self.name, [*self.accepted, event])
        facts = Facts(artifact, self.grounds.rules.policy, self.verdicts, self.revoked)
        for each in artifact.events:
            if each is not event:
                entry = self.grounds.entry(each)
                facts.course.take(each, artifact.labels.get(each.ref), entry.time if entry else facts.time_of(each))
        return facts

    def _judged(self, event: Event) -> Arrived:
        facts = self._facts(event)
        act = facts.act_of(event)
        standing = act.standing if act.kind == "register" else facts.standing(act.version)
        act = replace(act, now=self.grounds.now, standing=standing, gates=())
        found = None
        if act.kind == "assign" and self.grounds.rules.governs:
            from registry.api.support import Support  # it reads links and reports: most tags need none of that

            found = Support(self.grounds, facts, event, act.version)
            found.weigh()
            act = replace(act, approvals=found.given, gates=found.gates, waived=found.waived)
        decision = Decision()
        if self.grounds.rules.governs:
            decision = judge(act, self.grounds.rules.policy)
        unjudged = found.unjudged if found else ()
        reasons = (*self._out_of_place(event, facts.artifact), *unjudged, *decision.reasons)
        return Arrived(
            event,
            act.kind,
            act.version if is_version(act.version or "") else None,
            replace(decision, reasons=reasons),
            event.email if facts.signer(event).signature == VALID else None,
            found.evidence if found else None,
            found.counted(decision) if found else (),
            next(filter(None, map(trailers(event.message).get, _WHY)), None),
        )

    def _out_of_place(self, event: Event, artifact: Artifact) -> Iterator[Reason]:
        """That it does not count where it was put."""
        recorded = self.grounds.recorded.get(event.ref)
        if recorded is not None and recorded.kind != "reject":
            what = f"entry {recorded.sequence} of the ledger records this tag as {recorded.tag_oid}, it is {event.oid}"
            yield Reason("ledger-tag-moved", what, "bring the recorded tag back from a clone that has it")
        if any(each is event for each in artifact.displaced):
            stands = next((each.commit for each in artifact.events if each.version == event.version), "")
            what = f"{event.version} is at {stands}, this tag is at {event.commit}"
            yield Reason("version-moved", what, "register the commit under a new number")
        ahead = event.time - self.grounds.now
        if ahead > AHEAD:
            yield Reason("tag-order", f"it is dated {ahead} seconds ahead of this clock", _RECORD)
        later = [each for each in artifact.events if _same_subject(each, event)]
        if later[-1] is not event:
            what = f"it is dated before {later[-1].ref}, which was accepted already"
            yield Reason("tag-order", what, _RECORD)


def _label(event: Event) -> str | None:
    return event.version or named_version(event)


def _same_subject(one: Event, other: Event) -> bool:
    return (one.stage, one.version) == (other.stage, other.version)
