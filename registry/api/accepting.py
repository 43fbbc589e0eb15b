"""What of a registry's tags is accepted: the one answer behind `which`, `show`, `resolve`, `load` and the others.

Where a policy governs (`registry.api.rules`), a stage answers with its newest accepted event: each event is judged by
who signed it, by roles, order, approvals and the ledger (`registry.api.weighing` has the rules), and by the gates of
its stage (`registry.api.entering`). Signatures are judged by now where no ledger vouches: a tag's own date is what its
maker wrote. Approvals are those of the evidence that the assignment itself names, for exactly this version, stage and
commit; what came later (a report, another policy) voids the next promotion, not this one. Where no policy governs,
everything counts as it always did.

The registry was brought up to date by whoever asks.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

from registry.api.rules import Rules, read_rules
from registry.errors import NotFound, Refused
from registry.names import require_artifact
from registry.state import fold, fold_artifact

if TYPE_CHECKING:
    from registry.api.acting import Facts
    from registry.api.entering import Owed
    from registry.api.project import Project
    from registry.api.vouching import Vouched
    from registry.api.weighing import Given, Rejection, Weighed
    from registry.approval import Note
    from registry.git.tagscan import Scan
    from registry.governance import Approval
    from registry.policy import Policy
    from registry.signature import Verdict
    from registry.state import Artifact
    from registry.tags import Event

EVENT_REJECTED = "event-rejected"
"""Id of the finding, and reason of the refusal, for an event that the policy does not accept."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FEW = 20
"""Up to so many approved evidences are asked for by name; of more all approvals are brought."""


@dataclass(frozen=True)
class Accepted:
    """An artifact as far as it is accepted."""

    artifact: Artifact
    where: str
    """The registry, for messages."""
    rules: Rules
    scan: Scan
    """The tags it was read from."""
    weighed: Weighed | None = None
    """What became of each event; none where no policy governs."""
    fault: Refused | None = None
    """Why the ledger, which a stage asks for, is not believed."""
    until: int | None = None
    """The second from which on the answer may be another although nothing changed."""
    also: tuple[str, ...] = ()
    """Refs that it depends on, beside the artifact's tags, the default branch and the ledger."""
    owed: Mapping[str, Owed] = field(default_factory=dict, repr=False)
    """What the bytes of the versions that its stages hold must still be found to be, by stage."""

    @property
    def rejected(self) -> Mapping[str, Rejection]:
        """Events that count for nothing, by tag."""
        return self.weighed.rejected if self.weighed else {}

    @cached_property
    def history(self) -> Artifact:
        """All accepted events, those too that came before what the ledger has as the newest of a stage."""
        return self.artifact if self.weighed is None else fold_artifact(self.artifact.name, list(self.weighed.kept))

    @property
    def facts(self) -> Facts:
        """What whoever proposes an act goes on from. Raises `ValueError` where no policy governs."""
        if self.weighed is None:
            raise ValueError("no policy governs this registry")
        return self.weighed.facts

    def require_stage(self, stage: str) -> None:
        """Raise `Refused` where a stage has no answer that may be used, though its tags seem to give one.

        The reason is `revoked`, `event-rejected`, or what is wrong with the ledger.
        """
        if self.weighed is None:
            return
        if stage in self.weighed.refusals:
            raise self.weighed.refusals[stage]
        turned_away = [each for each in self.rejected.values() if each.event.stage == stage]
        if turned_away and self.artifact.holder(stage) is None:
            newest = turned_away[-1]
            what = f"nothing of {self.artifact.name!r} is in stage {stage!r} that the policy accepts: {newest}"
            raise Refused(EVENT_REJECTED, what, self._at(newest), newest.reasons[0].fix)

    def require_version(self, version: str) -> None:
        """Raise `Refused` for a version that was revoked, or whose registration is not accepted."""
        if self.weighed is None:
            return
        self.require_unrevoked(version)
        if version in self.artifact.versions:
            return
        turned_away = [each for each in self.rejected.values() if each.event.version == version]
        if turned_away:
            newest = turned_away[-1]
            what = f"version {version} of {self.artifact.name!r} is not registered as the policy asks: {newest}"
            raise Refused(EVENT_REJECTED, what, self._at(newest), newest.reasons[0].fix)

    def require_unrevoked(self, version: str) -> None:
        """Raise `Refused` (`revoked`) for a version that was revoked."""
        if self.weighed is not None and version in self.weighed.revoked:
            from registry.api.weighing import revocation

            raise revocation(self.artifact.name, version, self.weighed.revoked, self.where)

    def require_believed(self) -> None:
        """Raise `Refused` where the ledger is not believed: what was revoked is not known then."""
        if self.fault is not None:
            raise Refused(self.fault.reason, self.fault.what, self.fault.where, self.fault.fix)

    def signed(self, *events: Event | None) -> bool:
        """Whether all of these are signed by whoever made them; accepted they are."""
        if self.weighed is None:
            return False
        from registry.signature import principal_of

        verdicts = self.weighed.facts.verdicts
        return all(
            event is not None and event.oid in verdicts and principal_of(verdicts[event.oid], event.email) is not None
            for event in events
        )

    def warnings(self) -> list[str]:
        """One sentence for each stage without an answer, and for each whose newest event is not accepted."""
        if self.weighed is None:
            return []
        told = [f"stage {stage!r} of {self.artifact.name!r}: {each.what}" for stage, each in self.refusals()]
        newest: dict[str, Rejection] = {
            each.event.stage: each for each in self.rejected.values() if each.event.stage is not None
        }
        for stage, each in newest.items():
            later = [event for event in self.artifact.events if event.stage == stage and event.time > each.event.time]
            if stage not in self.weighed.refusals and not later:
                told.append(str(each))
        return told

    def refusals(self) -> list[tuple[str, Refused]]:
        """Stages without an answer that may be used, and why."""
        return sorted(self.weighed.refusals.items(), key=lambda each: each[0]) if self.weighed else []

    def _at(self, rejection: Rejection) -> str:
        return f"{self.where}: tag {rejection.event.ref}"


def accept(
    project: Project, name: str, *, rules: Rules | None = None, scan: Scan | None = None, about: Collection[str] = ()
) -> Accepted:
    """One artifact; `about` are commits of which an act is proposed, whose assignments must have passed their gates.

    Raises `NotFound` where it has no event, `Refused` where the policy cannot be read.
    """
    found = project.scan(name) if scan is None else scan
    if not found.events:
        hint = "; its tags are malformed" if found.bad else ""
        raise NotFound(f"no artifact {name!r}{hint}", project.where, "see `registry show` and `registry doctor`")
    rules = read_rules(project) if rules is None else rules
    if not rules.governs:
        return Accepted(fold_artifact(name, found.events), project.where, rules, found)
    return _weighed(project, rules, found, name, about)[name]


def accept_any(project: Project, name: str, *, rules: Rules | None = None) -> Accepted:
    """The same of an artifact that may have no tag at all: then it is empty."""
    rules = read_rules(project) if rules is None else rules
    scan = project.scan(name)
    if scan.events:
        return accept(project, name, rules=rules, scan=scan)
    return Accepted(fold_artifact(name, []), project.where, rules, scan)


def read_accepted(project: Project, name: str) -> Accepted:
    """The same, of a remote registry after asking it."""
    require_artifact(name)
    project.refresh(name, head=True)
    return accept(project, name)


def accept_all(project: Project, scan: Scan, *, rules: Rules | None = None) -> dict[str, Accepted]:
    """All artifacts of a registry whose tags were read. Raises `Refused` where the policy cannot be read."""
    rules = read_rules(project) if rules is None else rules
    if not rules.governs:
        return {name: Accepted(each, project.where, rules, scan) for name, each in fold(scan.events).items()}
    return _weighed(project, rules, scan, None)


def _weighed(
    project: Project, rules: Rules, scan: Scan, name: str | None, about: Collection[str] = ()
) -> dict[str, Accepted]:
    from registry.api.entering import Entering
    from registry.api.vouching import vouched

    by_name: dict[str, list[Event]] = {}
    for event in scan.events:
        by_name.setdefault(event.artifact, []).append(event)
    ledger = vouched(project, rules, name) if rules.needs_ledger else None
    gathered, also = _gathered(project, rules, scan.events, ledger)
    until = _until(rules, ledger)
    fault = ledger.fault if ledger else None
    entering = Entering(project, rules, gathered, about)
    return {
        each: Accepted(
            weighed.artifact, project.where, rules, scan, weighed, fault, until, also, entering.owed(weighed)
        )
        for each, weighed in entering.weigh({each: by_name[each] for each in sorted(by_name)}).items()
    }


def _gathered(
    project: Project, rules: Rules, events: Sequence[Event], ledger: Vouched | None
) -> tuple[Given, tuple[str, ...]]:
    """What the events are judged by, and the refs of approvals among it."""
    from registry.api.signatures import verdicts
    from registry.api.weighing import Given

    policy, signers = rules.policy, rules.signers
    if signers is None:
        return Given(policy, project.where, {}, vouched=ledger), ()
    now = verdicts(project, events, signers, compromised=policy.compromised)
    recorded = {said.entry.tag_oid: said.entry.time for said in ledger.stages.values()} if ledger else {}
    mine = [event for event in events if event.oid in recorded]
    then = verdicts(project, mine, signers, lambda event: recorded[event.oid], policy.compromised) if mine else {}
    vouched = {event.oid for event in mine if ledger and ledger.vouches(event, now.get(event.oid))}
    asked = {event.ref: digest for event in events if event.oid not in vouched and (digest := _evidence(event, policy))}
    approvals, also = _approvals(project, rules, events, now, asked) if asked else ({}, ())
    return Given(policy, project.where, now, then, approvals, ledger), also


def _evidence(event: Event, policy: Policy) -> str | None:
    """SHA-256 of the evidence that an assignment names, where its stage asks for what approvals give."""
    from registry.api.acting import EVIDENCE
    from registry.tags import ASSIGNMENT, trailers

    stage = policy.stage(event.stage) if event.kind == ASSIGNMENT and event.stage is not None else None
    if stage is None or not (stage.approvals or stage.confirm or stage.reference):
        return None
    said = trailers(event.message).get(EVIDENCE, "")
    return said if _SHA256.fullmatch(said) else None


def _approvals(
    project: Project, rules: Rules, events: Iterable[Event], now: Mapping[str, Verdict], asked: Mapping[str, str]
) -> tuple[dict[str, Sequence[Approval]], tuple[str, ...]]:
    """The approvals that count, by the tag of the assignment, and the refs they were looked for in."""
    from registry.api.approvals import read_notes, verdicts_on, weigh
    from registry.api.authorship import authors
    from registry.approval import APPROVAL
    from registry.state import named_version
    from registry.tags import REGISTRATION

    digests = sorted(set(asked.values()))
    below = digests if len(digests) <= _FEW else []
    also = tuple(f"refs/tags/{APPROVAL}/{digest}/*" for digest in below) or (f"refs/tags/{APPROVAL}/*",)
    if project.mirror is not None and not project.brought.issuperset(also):
        project.mirror.update(also)
    told: dict[str, Sequence[Approval]] = dict.fromkeys(asked, ())
    wanted: dict[tuple[object, ...], list[Event]] = {}
    made: dict[tuple[str, str | None], list[Event]] = {}
    for event in events:
        if event.ref in asked:
            place = (event.artifact, named_version(event), event.stage, event.commit, asked[event.ref])
            wanted.setdefault(place, []).append(event)
        elif event.kind == REGISTRATION:
            made.setdefault((event.artifact, event.version), []).append(event)
    notes: dict[tuple[object, ...], list[Note]] = {}
    for note in read_notes(project, APPROVAL, digests[0] if len(digests) == 1 else None).good:
        if (about := _about(note.said.evidence)) in wanted:
            notes.setdefault(about, []).append(note)
    if not notes or rules.signers is None:
        return told, also
    known = verdicts_on(project, chain.from_iterable(notes.values()), rules.policy, rules.signers)
    for about, mine in notes.items():
        event = wanted[about][0]
        author = authors(made.get((event.artifact, named_version(event)), ()), now, rules.policy)
        found = weigh(project, mine, rules.policy, rules.signers, author, known=known)
        given = [each.approval for each in found if each.approval is not None]
        told.update((each.ref, given) for each in wanted[about])
    return told, also


def _about(evidence: object) -> tuple[object, ...]:
    return tuple(getattr(evidence, key) for key in ("name", "version", "stage", "commit", "digest"))


def _until(rules: Rules, ledger: Vouched | None) -> int | None:
    """When a key begins or ends to be valid next, one begins to be compromised, or the ledger becomes too old."""
    now = int(time.time())
    signers = rules.signers.signers if rules.signers else ()
    times = [ledger.until if ledger else None, *rules.policy.compromised.values()]
    times += [each.after for each in signers]
    times += [None if each.before is None else each.before + 1 for each in signers]
    return min((each for each in times if each is not None and each > now), default=None)
