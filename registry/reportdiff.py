"""What the reports of evaluations say of two models. Pure.

Rules: a report counts for a model where it is about exactly its bytes (SHA-256 of metafile and artifacts). Where one
report judged both models, row by row, its intervals and its test are taken. Else the two reports must be of the same
suite, data and functions, digest by digest; then their numbers stand side by side, without an interval. What was
measured otherwise is shown and never judged. Of every metric of a report greater is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from registry.direction import GREATER, verdict
from registry.evaluation import Evaluation, Judged, Number, Results, SliceScore, finite, format_report

Bytes: TypeAlias = "tuple[str, Mapping[str, str]]"
"""SHA-256 of a model's metafile, and of each artifact by name."""

PAIRED, SIDE_BY_SIDE, APART, ALONE = "paired", "side-by-side", "not-comparable", "one-sided"


class Score(NamedTuple):
    """One metric on all rows."""

    name: str
    before: Number
    after: Number
    comparable: bool
    low: Number = None
    """Of the bootstrap interval of the difference; nothing where there is none."""
    high: Number = None

    @property
    def difference(self) -> Number:
        """After minus before, where both were measured on the same."""
        return _minus(self.after, self.before) if self.comparable else None

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `same`; `undecided` where the interval holds 0; `unknown`."""
        found = verdict(self.difference, GREATER)
        within = self.low is not None and self.high is not None and self.low <= 0 <= self.high
        return "undecided" if within and found in {"better", "worse"} else found


class Trial(NamedTuple):
    """The paired test, and the bootstrap."""

    test: str
    p_value: Number
    better: int
    """Rows that the second model answers better."""
    worse: int
    confidence: float
    resamples: int


class Slice(NamedTuple):
    """Metrics on some of the rows."""

    column: str
    value: str
    rows: int
    before: Mapping[str, Number]
    after: Mapping[str, Number]
    intervals: Mapping[str, tuple[Number, Number]] = MappingProxyType({})
    """Of the difference by metric, low and high, where one report asked both models."""

    def interval(self, metric: str) -> tuple[float, float] | None:
        """That of a metric, where there is one."""
        low, high = self.intervals.get(metric, (None, None))
        return None if low is None or high is None else (low, high)


@dataclass(frozen=True)
class Judgement:
    """What one suite says of two models."""

    suite: str
    kind: str
    """`paired`, `side-by-side`, `not-comparable` or `one-sided`."""
    rows: int
    scores: tuple[Score, ...]
    slices: tuple[Slice, ...] = ()
    trial: Trial | None = None
    slice_resamples: int | None = None
    """Resamples behind each slice's intervals, where there are any."""


def judgements(
    before: Bytes | None, after: Bytes | None, reports: tuple[Sequence[Evaluation], Sequence[Evaluation]]
) -> tuple[Judgement, ...]:
    """One for each suite that judged one of two models; none where both are the same bytes."""
    if before is None or after is None or before == after:
        return ()
    known = {format_report(each): each for side in reports for each in side}
    suites: dict[str, list[Evaluation]] = {}
    for _, each in sorted(known.items()):
        suites.setdefault(each.suite, []).append(each)
    found = (_judged(name, each, before, after) for name, each in sorted(suites.items()))
    return tuple(each for each in found if each is not None)


def about(model: Judged | None, of: Bytes) -> bool:
    """Whether a report speaks of these bytes."""
    return model is not None and (model.metafile, dict(model.artifacts)) == (of[0], dict(of[1]))


def _judged(suite: str, reports: Sequence[Evaluation], before: Bytes, after: Bytes) -> Judgement | None:
    for each in reports:
        if each.results.comparison is not None:
            if about(each.candidate, after) and about(each.current, before):
                return _paired(each, turned=False)
            if about(each.candidate, before) and about(each.current, after):
                return _paired(each, turned=True)
    first = [each for each in reports if about(each.candidate, before)]
    second = [each for each in reports if about(each.candidate, after)]
    for one in first:
        for other in second:
            if _inputs(one) == _inputs(other):
                return _beside(suite, one.results, other.results, SIDE_BY_SIDE)
    if first and second:
        return _beside(suite, first[0].results, second[0].results, APART)
    if first or second:
        empty = None
        return _beside(suite, first[0].results if first else empty, second[0].results if second else empty, ALONE)
    return None


def _inputs(report: Evaluation) -> tuple[str, str, dict[str, str]]:
    inputs = report.inputs
    return inputs.suite_sha256, inputs.data_sha256, dict(inputs.functions)


def _paired(report: Evaluation, *, turned: bool) -> Judgement:
    """One report of both; `turned` where its candidate is the first model."""
    results, compared = report.results, report.results.comparison
    assert compared is not None  # noqa: S101 - asked before
    scores = []
    for name in sorted(results.metrics):
        was, now, interval = compared.metrics.get(name), results.metrics[name], compared.differences.get(name)
        low, high = (interval.low, interval.high) if interval is not None else (None, None)
        if turned:
            was, now, low, high = now, was, _negative(high), _negative(low)
        scores.append(Score(name, was, now, comparable=True, low=low, high=high))
    better, worse = (compared.worse, compared.better) if turned else (compared.better, compared.worse)
    trial = Trial(compared.test, compared.p_value, better, worse, compared.confidence, compared.resamples)
    slices = tuple(_sliced(each, turned=turned) for each in results.slices)
    drawn = compared.slice_resamples if any(each.intervals for each in slices) else None
    return Judgement(report.suite, PAIRED, results.rows, tuple(scores), slices, trial, drawn)


def _sliced(part: SliceScore, *, turned: bool) -> Slice:
    was, now = part.current or {}, part.candidate
    found = {name: (each.low, each.high) for name, each in (part.differences or {}).items()}
    if turned:
        was, now = now, was
        found = {name: (_negative(high), _negative(low)) for name, (low, high) in found.items()}
    return Slice(part.column, part.value, part.rows, was, now, found)


def _beside(suite: str, one: Results | None, other: Results | None, kind: str) -> Judgement:
    was, now = one.metrics if one else {}, other.metrics if other else {}
    scores = (
        Score(name, was.get(name), now.get(name), comparable=kind == SIDE_BY_SIDE) for name in sorted({*was, *now})
    )
    rows = max(each.rows for each in (one, other) if each is not None)
    return Judgement(suite, kind, rows, tuple(scores), tuple(_slices(one, other)) if kind == SIDE_BY_SIDE else ())


def _slices(one: Results | None, other: Results | None) -> Iterator[Slice]:
    """The slices of either, in a fixed order; on the same data their rows are the same."""
    sides = [{(each.column, each.value): each for each in side.slices} if side else {} for side in (one, other)]
    for key in sorted({*sides[0], *sides[1]}):
        was, now = (side.get(key) for side in sides)
        rows = max(each.rows for each in (was, now) if each is not None)
        yield Slice(*key, rows, was.candidate if was else {}, now.candidate if now else {})


def _minus(one: Number, other: Number) -> Number:
    return None if one is None or other is None else finite(one - other)


def _negative(value: Number) -> Number:
    return None if value is None else -value
