"""An evaluation's report as Markdown tables, for the pull request, and as text for a terminal. All of it is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from registry.evaluation import Comparison, Evaluation, Judged, SliceScore
from registry.plural import plural
from registry.render.markdown import escaped, table

_MOST = 60
"""Rows of a table that are shown."""


def as_markdown(report: Evaluation) -> str:
    """The report as Markdown."""
    results, compared = report.results, report.results.comparison
    lines = [f"### 📊 {escaped(_title(report))}", "", *_metrics(results.metrics, compared)]
    if compared is not None:
        lines += ["", escaped(_trial(compared))]
    if results.slices:
        lines += ["", f"Worst slices: {escaped(', '.join(results.worst)) or 'none'}", ""]
        lines += _slices(results.slices)
        if compared is not None and compared.slice_resamples and any(each.differences for each in results.slices):
            drawn = plural(compared.slice_resamples, "resample")
            lines += [
                "",
                escaped(f"Behind `;`: {compared.confidence:.0%} interval of the slice's difference, {drawn}."),
            ]
    if results.fairness:
        names = list(results.fairness[0].measures)
        rows = (
            [each.column, str(each.groups), *(_number(each.measures.get(name)) for name in names)]
            for each in results.fairness
        )
        lines += ["", *table(["column", "groups", *names], rows)]
    if compared is not None and compared.misses:
        rows = ([str(each.row), *map(_said, (each.target, each.candidate, each.current))] for each in compared.misses)
        lines += ["", *table(["row", "target", "candidate", "current"], rows)]
    lines += ["", *_speed(report), "", escaped(_inputs(report))]
    return "\n".join(lines) + "\n"


def _metrics(metrics: Mapping[str, float | None], compared: Comparison | None) -> Iterator[str]:
    if compared is None:
        return table(["metric", "candidate"], ([name, _number(value)] for name, value in metrics.items()))
    share = f"{compared.confidence:.0%} interval"
    rows = (
        [
            name,
            _number(value),
            _number(compared.metrics.get(name)),
            *_difference(compared, name),
        ]
        for name, value in metrics.items()
    )
    return table(["metric", "candidate", "current", "difference", share], rows)


def _difference(compared: Comparison, name: str) -> tuple[str, str]:
    """A difference and its interval; a report that somebody wrote by hand may lack them."""
    found = compared.differences.get(name)
    return (
        ("-", "-") if found is None else (_number(found.difference), f"{_number(found.low)} to {_number(found.high)}")
    )


def _slices(slices: tuple[SliceScore, ...]) -> Iterator[str]:
    names = list(slices[0].candidate)
    rows = [[f"{each.column}={each.value}", str(each.rows), *_pairs(each, names)] for each in slices]
    yield from table(["slice", "rows", *names], rows[:_MOST])
    if len(rows) > _MOST:
        yield ""
        yield f"… and {len(rows) - _MOST} more: the report holds all of them."


def _pairs(each: SliceScore, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        gained = (each.differences or {}).get(name)
        between = f"; {_number(gained.low)} to {_number(gained.high)}" if gained else ""
        was = "" if each.current is None else f" (was {_number(each.current.get(name))}{between})"
        yield f"{_number(each.candidate.get(name))}{was}"


def _speed(report: Evaluation) -> Iterator[str]:
    found = report.timings.latency
    if found:
        rows = (
            [
                str(each.batch),
                f"{each.p50_ms:.3g}",
                f"{each.p95_ms:.3g}",
                f"{each.p99_ms:.3g}",
                f"{each.rows_per_s:.4g}",
            ]
            for each in found
        )
        yield from table(["batch", "p50 ms", "p95 ms", "p99 ms", "rows/s"], rows)
        yield ""
    yield escaped(
        f"Peak memory {report.timings.peak_memory_mb:.0f} MB, artifacts {report.candidate.size} bytes, "
        f"{report.timings.seconds:.1f} s."
    )


def _title(report: Evaluation) -> str:
    against = ""
    if report.against is not None:
        against = (
            f" against {_model(report.current)} ({report.against})"
            if report.current
            else f" ({report.against} is empty)"
        )
    return f"{_model(report.candidate)} by {report.suite}{against}"


def _model(model: Judged | None) -> str:
    return "nothing" if model is None else f"{model.name}@{model.version or model.source_commit[:7]}"


def _trial(compared: Comparison) -> str:
    return (
        f"{compared.test}: p = {_number(compared.p_value)}; {plural(compared.better, 'row')} better, "
        f"{compared.worse} worse; {plural(compared.resamples, 'resample')}."
    )


def _inputs(report: Evaluation) -> str:
    inputs = report.inputs
    digests = f"SHA-256 {inputs.data_sha256[:12]}…; suite {inputs.suite_sha256[:12]}…"
    return f"{plural(report.results.rows, 'row')} of {inputs.data}, {digests}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _said(value: object) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def as_rows(report: Evaluation) -> list[dict[str, str | None]]:
    """The metrics as rows of a table, for a terminal."""
    compared = report.results.comparison
    rows: list[dict[str, str | None]] = []
    for name, value in report.results.metrics.items():
        row: dict[str, str | None] = {"metric": name, "candidate": _number(value)}
        if compared is not None:
            difference, interval = _difference(compared, name)
            row |= {
                "current": _number(compared.metrics.get(name)),
                "difference": difference,
                f"{compared.confidence:.0%} interval": interval,
            }
        rows.append(row)
    return rows


def as_text(report: Evaluation) -> str:
    """A title, the metrics, the test, the worst slices, the speed."""
    from registry.render.table import table as aligned

    results, compared = report.results, report.results.comparison
    lines = [_title(report), "", aligned(as_rows(report))]
    lines += [_trial(compared)] if compared is not None else []
    lines += [f"worst slices: {', '.join(results.worst)}"] if results.worst else []
    for each in results.fairness:
        measures = ", ".join(f"{name} {_number(value)}" for name, value in each.measures.items())
        lines.append(f"fairness by {each.column}: {measures}")
    lines += [
        f"batch of {each.batch}: p50 {each.p50_ms:.3g} ms, p95 {each.p95_ms:.3g} ms, p99 {each.p99_ms:.3g} ms"
        for each in report.timings.latency
    ]
    return "\n".join(lines)
