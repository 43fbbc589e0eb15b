"""The candidate against the current model on the same rows: intervals, a paired test, and where it is worse.

- Intervals: percentile bootstrap over rows (Efron and Tibshirani, 1993), both models on each resample. The generator
  (numpy's PCG64) is seeded by the digests of the inputs, so the same inputs give the same intervals.
- Those of a slice are drawn from its own rows, each slice by a generator of its own. Together they ask the metrics as
  often as the whole data does: the more slices, the fewer resamples of each, but `LEAST` at least. A slice of fewer
  than `FEWEST` rows has none, nor has one after the first `MOST`.
- Classification: McNemar's exact test (Dietterich, 1998, https://doi.org/10.1162/089976698300017197), the binomial test
  of the rows that only one of the two answers right. Regression: Wilcoxon's signed-rank test of absolute errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from registry.evaluation import Comparison, Interval, Miss, finite
from registry.measures.rows import plain
from registry.measures.scores import Answers, Score, partly
from registry.measures.slicing import Rows
from registry.suite import CLASSIFICATION, Suite

SHOWN = 10
"""Rows that are shown of those the candidate answers worse."""
LEAST, FEWEST, MOST = 100, 10, 50
"""Resamples of a slice, rows of a slice that is resampled, and slices that are."""

Step = Callable[[int, int, str], None]


def compare(
    suite: Suite,
    answers: tuple[Answers, Answers],
    scored: tuple[Mapping[str, Score], Mapping[str, Score]],
    points: tuple[Mapping[str, float], Mapping[str, float]],
    sliced: tuple[Mapping[str, Any], Sequence[Rows]],
    seed: int,
    step: Step,
) -> Comparison:
    """Compare candidate and current, first and second of each pair; `sliced`: each row's slice by column; all slices.

    The slices' own intervals are those of `by_slice`.
    """
    candidate, current = answers
    worse, better, test, p_value = _tested(suite, candidate, current)
    draws = _resampled(suite, scored, len(candidate.target), seed, step)
    differences = {
        name: _interval(points[0][name] - points[1][name], draws[name], suite.confidence) for name in points[0]
    }
    return Comparison(
        metrics={name: finite(value) for name, value in points[1].items()},
        confidence=suite.confidence,
        resamples=suite.resamples,
        differences=differences,
        test=test,
        p_value=p_value,
        better=better,
        worse=len(worse),
        misses=tuple(_miss(int(row), candidate, current, sliced[0]) for row in worse[:SHOWN]),
        slice_resamples=slice_resamples(suite.resamples, sliced[1]) if any(map(_large, sliced[1])) else None,
    )


def slice_resamples(resamples: int, slices: Sequence[Rows]) -> int:
    """How often each of these slices is resampled."""
    counted = sum(map(_large, slices[:MOST]))
    return min(resamples, max(LEAST, resamples // max(1, counted)))


def _large(rows: Rows) -> bool:
    return len(rows.numbers) >= FEWEST


def by_slice(
    suite: Suite, scored: tuple[Mapping[str, Score], Mapping[str, Score]], slices: Sequence[Rows], seed: int, step: Step
) -> list[dict[str, Interval] | None]:
    """How much better the candidate is on each slice."""
    import numpy as np

    draws = slice_resamples(suite.resamples, slices)
    found: list[dict[str, Interval] | None] = []
    for place, each in enumerate(slices):
        step(place, len(slices), "slices")
        if place >= MOST or not _large(each):
            found.append(None)
            continue
        rows = each.numbers
        generator = np.random.default_rng([seed, place])
        drawn = _drawn(scored, (rows[generator.integers(0, len(rows), len(rows))] for _ in range(draws)))
        points = _drawn(scored, [rows])
        found.append({name: _interval(points[name][0], drawn[name], suite.confidence) for name in drawn})
    return found


def _resampled(
    suite: Suite, scored: tuple[Mapping[str, Score], Mapping[str, Score]], rows: int, seed: int, step: Step
) -> dict[str, list[float]]:
    import numpy as np

    generator = np.random.default_rng(seed)

    def resamples() -> Iterator[Any]:
        for done in range(suite.resamples):
            yield generator.integers(0, rows, rows)
            step(done + 1, suite.resamples, "resamples")

    return _drawn(scored, resamples())


def _drawn(scored: tuple[Mapping[str, Score], Mapping[str, Score]], resamples: Iterable[Any]) -> dict[str, list[float]]:
    """Candidate minus current by each metric, on each resample."""
    found: dict[str, list[float]] = {name: [] for name in scored[0]}
    for numbers in resamples:
        for name, drawn in found.items():
            drawn.append(partly(scored[0][name], numbers) - partly(scored[1][name], numbers))
    return found


def _interval(difference: float, drawn: list[float], confidence: float) -> Interval:
    import numpy as np

    defined = [each for each in drawn if np.isfinite(each)]
    edge = (1 - confidence) / 2
    low, high = np.quantile(defined, [edge, 1 - edge]) if defined else (float("nan"), float("nan"))
    return Interval(
        difference=finite(difference),
        low=finite(float(low)),
        high=finite(float(high)),
        undefined=len(drawn) - len(defined),
    )


def _tested(suite: Suite, candidate: Answers, current: Answers) -> tuple[Any, int, str, float | None]:
    """The rows that the candidate answers worse, the count of the better ones, the test and its p-value."""
    import numpy as np
    from scipy import stats

    if suite.task == CLASSIFICATION:
        right, was = candidate.main == candidate.target, current.main == current.target
        worse, better = np.flatnonzero(was & ~right), int((right & ~was).sum())
        either = len(worse) + better
        p_value = float(stats.binomtest(better, either, 0.5).pvalue) if either else 1.0
        return worse, better, "mcnemar-exact", finite(p_value)
    errors = np.abs(candidate.main - candidate.target), np.abs(current.main - current.target)
    gap = errors[0] - errors[1]
    order = np.argsort(-gap, kind="stable")
    worse, better = order[gap[order] > 0], int((gap < 0).sum())
    p_value = float(stats.wilcoxon(gap).pvalue) if gap.any() else 1.0
    return worse, better, "wilcoxon", finite(p_value)


def _miss(row: int, candidate: Answers, current: Answers, sliced: Mapping[str, Any]) -> Miss:
    return Miss(
        row=row,
        target=_label(candidate.target[row]),
        candidate=_label(candidate.main[row]),
        current=_label(current.main[row]),
        slices={column: str(found[row]) for column, found in sliced.items()},
    )


def _label(value: Any) -> Any:
    found = plain(value)
    return finite(found) if isinstance(found, float) else found
