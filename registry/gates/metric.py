"""`metric`: a limit on one number.

Rules: the number is that of every suite that concerns the artifact and measures it (of `suite` where one is named), and
of every report of it that counts: a second report or suite never hides the first. Where no suite measures it, and none
is named, it is the birth certificate's, which must say what the pinned commit says. `tolerance` compares with what the
stage holds now, on the same suite and data only: by the report's own comparison where that is with exactly what the
stage holds, and by every report on it. An empty stage has nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from registry.errors import RegistryError
from registry.findings import Finding
from registry.gates import Case, failed, limits, passed, reports
from registry.gates.case import Bytes
from registry.lineage import METRICS, Certificate
from registry.notice import Change
from registry.policygates import Metric
from registry.suite import Suite

if TYPE_CHECKING:
    from registry.evaluation import Evaluation, Judged

_MISSING = "missing"


def run(gate: Metric, case: Case) -> Iterator[Finding]:
    """Judge the limit. Raises `Unjudged`."""
    yield from _measured(gate, case, certified=gate.suite is None and gate.slice is None)


def run_committed(gate: Metric, case: Case) -> Iterator[Finding]:
    """The same by the registry's own files: nothing is compared, and a certificate is taken at its word."""
    alone = replace(gate, tolerance=None)
    yield from _measured(alone, case, certified=is_certifiable(gate), asked=False)


def is_certifiable(gate: Metric) -> bool:
    """Whether the number may be that of a birth certificate where no suite measures it."""
    return gate.suite is None and gate.slice is None and gate.tolerance is None


def is_measured(gate: Metric, case: Case) -> bool:
    """Whether a suite that can be read, or one that cannot, has the word on the number."""
    found = [known.suite for known in reports.suites(case)]
    return any(isinstance(each, RegistryError) or any(one.name == gate.name for one in each.metrics) for each in found)


def run_reported(gate: Metric, case: Case) -> Iterator[Finding]:
    """The same by reports alone: what a model's author says of it waives nobody's approval."""
    yield from _measured(gate, case, certified=False)


def _measured(gate: Metric, case: Case, *, certified: bool, asked: bool = True) -> Iterator[Finding]:
    found = 0
    for known in reports.suites(case):
        if isinstance(known.suite, RegistryError):
            yield failed(gate, case, reports.unreadable(known), known.suite.fix or "correct the suite", known.path)
            found += 1
            continue
        named = gate.suite is None or gate.suite == known.suite.name
        if named and any(each.name == gate.name for each in known.suite.metrics):
            yield from _of_suite(gate, case, known.suite, known.sha256, known.path)
            found += 1
    if found:
        return
    if certified:
        yield from _certified(gate, case, asked=asked)
        return
    suite = f"suite {gate.suite}" if gate.suite else "a suite"
    message = f"the default branch has not {suite} for {case.name} that measures {gate.name}"
    yield failed(gate, case, message, "add the metric to a suite in evaluations/, and evaluate")


def changes(case: Case) -> dict[str, Change]:
    """Every metric of the reports that count, by `SUITE/METRIC`, beside that of what the stage holds."""
    found: dict[str, Change] = {}
    if Bytes.of(case.link) is None:
        return found
    for known in reports.suites(case):
        if isinstance(known.suite, RegistryError):
            continue
        for _, report in reports.of(case, known.suite, known.sha256, case.bytes).counting[:1]:
            for name, value in report.results.metrics.items():
                gate = Metric(name=name, tolerance=0.0)
                before = next(_current(gate, case, known.suite, known.sha256, report), None)
                found[f"{known.suite.name}/{name}"] = Change(before, value)
    return found


def _of_suite(gate: Metric, case: Case, suite: Suite, sha256: str, path: str) -> Iterator[Finding]:
    found = reports.of(case, suite, sha256, case.bytes)
    if not found.counting:
        yield reports.missing(gate, case, suite, path, found)
        return
    for place, report in found.counting:
        value = _value(report.results.metrics, gate, report, "candidate")
        where = f"{_named(gate)} ({suite.name})"
        if value is _MISSING:
            yield failed(gate, case, f"{where}: the report has no such {_kind(gate)}", _AGAIN, place)
            continue
        current = list(_current(gate, case, suite, sha256, report))
        if gate.tolerance is not None and case.holder is not None and not current:
            held = f"{case.holder.label} in {case.stage}"
            told = f"registry evaluate {case.name}@{case.version} --suite {path} --against {case.stage}"
            message = f"{where}: there is no report on {held} to compare with"
            yield failed(gate, case, message, f"{told}, and commit the report", place)
            continue
        between = _between(gate, case, report)
        bad = list(limits.broken(gate, value, current))
        for each in bad:
            yield failed(gate, case, f"{where} {each}{between}", "choose a version that keeps the limit", place)
        if not bad:
            than = f", {case.stage} {', '.join(f'{each}' for each in dict.fromkeys(current))}" if current else ""
            yield passed(gate, case, f"{where} is {value}{than}{between}")


def _current(gate: Metric, case: Case, suite: Suite, sha256: str, report: Evaluation) -> Iterator[Any]:
    """The numbers of what the stage holds."""
    holder = case.holder
    if gate.tolerance is None or holder is None or holder.bytes is None:
        return
    if report.results.comparison is not None and _held(case, report.current):
        value = _value(report.results.comparison.metrics, gate, report, "current")
        yield None if value is _MISSING else value
    for _, other in reports.of(case, suite, sha256, holder.bytes).counting:
        value = _value(other.results.metrics, gate, other, "candidate")
        yield None if value is _MISSING else value


def _between(gate: Metric, case: Case, report: Evaluation) -> str:
    """The interval of a slice's difference to what the stage holds, where the report has one: told, and no limit."""
    told, compared = report.current, report.results.comparison
    if gate.slice is None or compared is None or not _held(case, told):
        return ""
    column, _, label = gate.slice.partition("=")
    found = [each.differences for each in report.results.slices if (each.column, each.value) == (column, label)]
    gained = (found[0] or {}).get(gate.name) if len(found) == 1 else None
    if gained is None or gained.low is None or gained.high is None:
        return ""
    return f" ({compared.confidence:.0%} interval of the difference: {gained.low:.4g} to {gained.high:.4g})"


def _held(case: Case, told: Judged | None) -> bool:
    """Whether a report's current model is what the stage holds."""
    held = case.holder.bytes if case.holder is not None else None
    return told is not None and held is not None and reports.is_of(held, told.metafile, dict(told.artifacts))


def _value(metrics: Any, gate: Metric, report: Evaluation, whose: str) -> Any:
    """The number that a gate is about, `_MISSING` where the report has none; None where it is not defined."""
    if gate.slice is None:
        return metrics.get(gate.name, _MISSING)
    column, _, label = gate.slice.partition("=")
    found = [each for each in report.results.slices if (each.column, each.value) == (column, label)]
    sliced = getattr(found[0], whose) if len(found) == 1 else None
    return _MISSING if sliced is None else sliced.get(gate.name, _MISSING)


def _certified(gate: Metric, case: Case, *, asked: bool) -> Iterator[Finding]:
    if gate.tolerance is not None:
        message = f"no suite measures {gate.name}: what a certificate says cannot be compared with what the stage holds"
        yield failed(gate, case, message, "add the metric to a suite in evaluations/, and evaluate")
        return
    fact = case.certificate.section(METRICS).get(gate.name)
    if fact is None:
        message = f"no suite measures {gate.name}, and the birth certificate has no such metric"
        yield failed(gate, case, message, "add the metric to a suite, or write it into the source's metrics.json")
        return
    if asked and _true(case).section(METRICS).get(gate.name) != fact:
        message = f"the birth certificate says {gate.name} {fact.value}, the pinned commit does not"
        yield failed(gate, case, message, "write the link again with `registry link`")
        return
    told = list(limits.broken(gate, fact.value))
    for each in told:
        yield failed(gate, case, f"{gate.name} (birth certificate) {each}", "choose a version that keeps the limit")
    if not told:
        yield passed(gate, case, f"{gate.name} (birth certificate) is {fact.value}")


def _true(case: Case) -> Certificate:
    """What the pinned commit says. Raises `Unjudged`."""
    from registry.provenance import collect

    subject = case.model
    pins = subject.pins
    return collect(subject.source.source, pins.commit, subject.model, project=subject.address, revision=pins.rev)


def _named(gate: Metric) -> str:
    return f"{gate.name} on {gate.slice}" if gate.slice else gate.name


def _kind(gate: Metric) -> str:
    return "slice or metric" if gate.slice else "metric"


_AGAIN = "evaluate again with `registry evaluate`, and commit the report"
