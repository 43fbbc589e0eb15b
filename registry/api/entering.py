"""Gates as every reader judges them: whether the version that a stage holds may have entered it, by what is here now.

An assignment that no recorder answers for is judged again, by the present policy, and by the suites, reports, functions
and contract of the default branch as it is: so somebody with the role who makes a tag by hand gets in nothing that
`registry assign` would have refused. Rules:

1. Judged are the assignments on which an answer rests: that of what a stage holds, and every other one of the same
   commit, which says that it was in another stage before. Where one fails the next is judged, until one passes. Others
   are history, and nothing rests on them.
2. What the registry's own files say is judged whenever it is asked what a stage holds: `metric`, `evaluation`, `card`,
   `license`, and that `interface` has its contract. What the model's files say (`format`, `size`, `interface` against
   the contract, a number that only a certificate has) is owed, and judged when they are brought
   (`registry.api.entrybytes`). `held` is for the history (`registry.governance`).
3. What compares with that moment's stage is not judged again: a `tolerance`, and `interface` against the stage.
4. Programs are not run. A `custom` gate counts as passed only where the stage asks for approvals: then whoever
   approved answers for it.
5. Approvals are waived where every limit of `waive` is met by the reports alone, as at promotion; not where one of them
   compares, nor beside a `custom` gate.
6. Rollbacks and overrides pass no gates, as at promotion; but a rollback goes back to what passed them.

A verdict depends on the tag, its commit, the policy and the default branch's files alone, so it is found out once on
this machine. What git cannot read fails nothing: the question fails.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from registry import cache
from registry.api.acting import kind_of
from registry.api.project import Project
from registry.api.rules import Rules
from registry.api.weighing import Entered, Given, Weighed, weigh
from registry.cache.journal import Journal
from registry.errors import RegistryError
from registry.governance import GateResult
from registry.policygates import Custom, Formats, Gate, Held, Interface, Metric, Size
from registry.policystages import Stage
from registry.state import Version, named_version
from registry.tags import Event

if TYPE_CHECKING:
    from registry.gates.case import Case

FOLDER: Final = "gates"
_RULES = 1
"""Raised when the same files are to be judged otherwise: what older versions found is not read then."""
_UNREAD = "readers run no programs, and the stage asks nobody to answer for it"
_ANSWER = "give the stage approvals, or `ledger: true` with a recorder who judges it: docs/gates.md"


class Owed(NamedTuple):
    """What the bytes of the version that a stage holds must still be found to be."""

    tag: str
    """The assignment that rests on it."""
    stage: str
    gates: tuple[Gate, ...]
    project: Project
    head: str | None
    """The commit of the default branch, for the contract."""
    journal: Journal | None
    """Where it is remembered, and under which key."""
    key: str


class _Verdict(NamedTuple):
    """What was found of one assignment."""

    entered: Entered
    certified: tuple[str, ...] = ()
    """Keys of gates whose number is a certificate's: the source was not asked for it."""


def read_results(
    stage: Stage, results: Iterable[GateResult], *, waived: bool, answered: bool = False
) -> tuple[tuple[GateResult, ...], bool]:
    """What readers will make of gates that were run, and of a waiver: rules 4 and 5.

    `answered` where a recorder will answer for it. For those who judge before the readers do.
    """
    if answered:
        return tuple(results), waived
    custom = {each.key for each in stage.required_gates if isinstance(each, Custom)}
    told = tuple(_custom(stage, each) if each.passed and each.key in custom else each for each in results)
    return told, waived and _waivable(stage)


def _custom(stage: Stage, result: GateResult) -> GateResult:
    """Rule 4."""
    if stage.approvals or stage.confirm:
        return result
    return result._replace(passed=False, message=_UNREAD, fix=_ANSWER)


def _waivable(stage: Stage) -> bool:
    """Rule 5."""
    compares = any(each.tolerance is not None for each in stage.waive)
    return bool(stage.waive) and not compares and not any(isinstance(each, Custom) for each in stage.required_gates)


def has_gates(stage: Stage) -> bool:
    """Whether something of a stage is judged here."""
    return any(not isinstance(each, Held) for each in stage.required_gates) or bool(stage.waive)


@dataclass
class Entering:
    """The gates of a registry's stages while its artifacts are weighed."""

    project: Project
    rules: Rules
    given: Given
    about: Collection[str] = ()
    """Commits whose assignments are judged too: somebody is about to rest on them."""

    def __post_init__(self) -> None:
        stages = (self.rules.policy.stages or {}).values()
        self._stages = {each.name: each for each in stages if has_gates(each)}
        self._found: dict[str, _Verdict] = {}
        self._entered: dict[str, Entered] = {}
        self._journal: Journal | None = None
        self._events: Mapping[str, Sequence[Event]] = {}

    def weigh(self, events: Mapping[str, Sequence[Event]]) -> dict[str, Weighed]:
        """Weigh artifacts, each with what its answers rest on judged. Raises `GitError` where git cannot read it."""
        if not self._stages:
            return {name: weigh(name, each, self.given) for name, each in events.items()}
        self._journal, self._events = _journal(self.rules), events
        given = self.given._replace(entered=self._entered)
        self._assume([event for each in events.values() for event in each])
        found: dict[str, Weighed] = {}
        waiting = list(events)
        while waiting:
            found.update((name, weigh(name, events[name], given)) for name in waiting)
            asked = {name: list(self._resting(found[name], events[name])) for name in waiting}
            self._judge([(event, found[name]) for name in waiting for event in asked[name]])
            waiting = [name for name in waiting if not all(map(self._as_assumed, asked[name]))]
        return found

    def owed(self, weighed: Weighed) -> dict[str, Owed]:
        """What is owed of the versions that an artifact's stages hold, by stage."""
        told = {}
        for name, stage in self._stages.items():
            holder = weighed.artifact.holder(name)
            if holder is None or self.given.vouches(holder.event) or self._excused(holder.event, weighed):
                continue
            gates = tuple(self._bytes(stage, holder.event, weighed))
            if gates:
                event = holder.event
                key = f"{event.oid}-{sha256(' '.join(each.key for each in gates).encode()).hexdigest()}"
                told[name] = Owed(event.ref, name, gates, self.project, self.rules.commit, self._journal, key)
        return told

    def _excused(self, event: Event, weighed: Weighed) -> bool:
        """Whether an override, or a rollback to what an override brought."""
        kind = kind_of(event)
        overridden = kind == "rollback" and any(kind_of(each) == "override" for each in self._brought(event, weighed))
        return kind == "override" or overridden

    def _brought(self, event: Event, weighed: Weighed) -> Iterator[Event]:
        """What is accepted of the events that put a commit into a stage."""
        for each in self._events.get(event.artifact, ()):
            if (each.stage, each.commit) == (event.stage, event.commit) and each.ref not in weighed.rejected:
                yield each

    def _bytes(self, stage: Stage, event: Event, weighed: Weighed) -> Iterable[Gate]:
        judged = (self._found.get(each.ref) for each in self._brought(event, weighed))
        certified = {key for each in judged if each is not None for key in each.certified}
        for gate in stage.required_gates:
            contract = isinstance(gate, Interface) and gate.against != "stage"
            if contract or isinstance(gate, (Formats, Size)) or (isinstance(gate, Metric) and gate.key in certified):
                yield gate

    def _assume(self, events: Iterable[Event]) -> None:
        """Until it is judged an assignment has passed, and its approvals are waived where they may be."""
        for event in events:
            stage = self._stages.get(event.stage or "")
            if stage is not None and _waivable(stage):
                self._entered[event.ref] = _passed(stage)

    def _as_assumed(self, event: Event) -> bool:
        found, stage = self._found[event.ref].entered, self._stages[event.stage or ""]
        return all(each.passed for each in found.gates) and found.waived == _waivable(stage)

    def _resting(self, weighed: Weighed, events: Iterable[Event]) -> Iterable[Event]:
        """Rule 1: accepted assignments that answers rest on, and that were not judged."""
        artifact = weighed.artifact
        commits = {held.event.commit for stage in artifact.stages if (held := artifact.holder(stage)) is not None}
        commits.update(self.about)
        for event in events:
            if event.commit not in commits or event.stage not in self._stages or event.ref in self._found:
                continue
            if event.ref not in weighed.rejected and kind_of(event) == "assign" and not self.given.vouches(event):
                yield event

    def _judge(self, asked: Sequence[tuple[Event, Weighed]]) -> None:
        missing = []
        for event, weighed in asked:
            known = _recalled(self._journal.get(event.oid)) if self._journal else None
            if known is None:
                missing.append((event, weighed))
            else:
                self._take(event, known)
        if not missing:
            return
        from registry.api.entrycase import Look, cases

        looks = [Look(self._asked(event, weighed), self._gates(event)) for event, weighed in missing]
        for (event, _), case in zip(missing, cases(self.project, looks), strict=True):
            verdict = _judged(self._stages[event.stage or ""], case)
            self._take(event, verdict)
            if self._journal is not None and not isinstance(case, RegistryError):
                self._journal.add(event.oid, _told(verdict))
        if self._journal is not None:
            self._journal.save()

    def _take(self, event: Event, verdict: _Verdict) -> None:
        self._found[event.ref] = verdict
        self._entered[event.ref] = verdict.entered

    def _gates(self, event: Event) -> list[Gate]:
        stage = self._stages[event.stage or ""]
        return [*stage.required_gates, *stage.waive]

    def _asked(self, event: Event, weighed: Weighed) -> Any:
        from registry.api.gatecase import Asked

        label = weighed.facts.artifact.labels.get(event.ref) or named_version(event) or event.commit
        version = Version(label, event.commit, registered=True)
        policy, head = self.rules.policy, self.rules.commit
        return Asked(event.artifact, version, event.stage or "", None, policy, head, custom=False)


def _passed(stage: Stage) -> Entered:
    return Entered(tuple(GateResult(each.key, passed=True) for each in stage.required_gates), waived=True)


def _journal(rules: Rules) -> Journal | None:
    """What was found by the same policy and the same files of the default branch."""
    if rules.ground is None or rules.digest is None:
        return None
    text = "\n".join((rules.digest, *rules.ground))
    return Journal(cache.root() / FOLDER / f"{sha256(text.encode()).hexdigest()}-{_RULES}")


def _told(verdict: _Verdict) -> tuple[str, str, str]:
    gates = json.dumps([[*each] for each in verdict.entered.gates])
    return gates, "waived" if verdict.entered.waived else "", json.dumps(verdict.certified)


def _recalled(fields: tuple[str, ...] | None) -> _Verdict | None:
    try:
        gates, waived, certified = fields or ()
        results = tuple(GateResult(*each) for each in json.loads(gates))
        return _Verdict(Entered(results, waived == "waived"), tuple(json.loads(certified)))
    except (ValueError, TypeError):
        return None


def _judged(stage: Stage, case: Case | RegistryError) -> _Verdict:
    """Rules 2 to 5 for one assignment."""
    from registry.api.gating import Bench
    from registry.gates.case import Case
    from registry.gates.metric import is_certifiable, is_measured, run_reported
    from registry.gates.table import COMMITTED, RUNS
    from registry.governance import Act

    name = case.name if isinstance(case, Case) else ""
    bench = Bench(case, Act("assign", name), None, 0)
    results: list[GateResult] = []
    for gate in stage.required_gates:
        if isinstance(gate, Held):
            continue
        if isinstance(gate, Custom):
            results.append(_custom(stage, GateResult(gate.key, passed=True)))
        elif isinstance(gate, (Formats, Size)) and isinstance(case, Case):
            results.append(GateResult(gate.key, passed=True))
        else:
            result, findings = bench.judge(gate, COMMITTED.get(gate.id) or RUNS.get(gate.id))
            results.append(result._replace(fix=findings[0].fix) if findings else result._replace(message=""))
    limits = _waivable(stage) and all(bench.judge(each, run_reported)[0].passed for each in stage.waive)
    certified = [
        gate.key
        for gate in stage.required_gates
        if isinstance(gate, Metric) and isinstance(case, Case) and is_certifiable(gate) and not is_measured(gate, case)
    ]
    return _Verdict(Entered(tuple(results), limits), tuple(certified))
