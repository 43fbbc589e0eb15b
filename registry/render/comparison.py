"""A comparison as rows, as text for a terminal, and as JSON. What a terminal would obey is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from registry.comparison import Comparison, Contract, Measure, Side
from registry.plural import plural
from registry.render.interface import diff_as_text
from registry.render.line import one_line
from registry.render.table import table
from registry.reportdiff import ALONE, APART, PAIRED, SIDE_BY_SIDE, Judgement, Score, Slice

SHORT = 6
"""Rows of a section in the short form."""
LONGEST = 60
"""Longest value in a cell, in characters; a longer one is cut."""
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{40}(?:[0-9a-f]{24})?(?![0-9a-f])")
KINDS = {
    PAIRED: "the same rows, asked of both",
    SIDE_BY_SIDE: "two reports on the same data; differences have no interval",
    APART: "two reports on other data or by another suite: not comparable",
    ALONE: "a report on one of the two only",
}


class Row(NamedTuple):
    """One difference, as a person reads it."""

    section: str
    name: str
    before: str
    after: str
    change: str


def rows(found: Comparison) -> list[Row]:
    """Metrics, then size, then each section."""
    told = [Row("metrics", *_measured(each)) for each in found.metrics]
    if found.size is not None:
        told.append(Row("size", *_sized(found.size)))
    return told + [
        Row(section, each.name, _cut(each.before), _cut(each.after), each.kind)
        for section, changes in found.sections.items()
        for each in changes
    ]


def score_rows(judgement: Judgement) -> list[dict[str, str | None]]:
    """The metrics of a suite as rows of a table."""
    share = f"{judgement.trial.confidence:.0%} interval" if judgement.trial else "interval"
    return [
        {
            "metric": each.name,
            "before": number(each.before),
            "after": number(each.after),
            "difference": number(each.difference),
            share: "-" if each.low is None else f"{number(each.low)} to {number(each.high)}",
            "verdict": each.verdict,
        }
        for each in judgement.scores
    ]


def title(found: Comparison) -> str:
    """What is compared."""
    return f"{found.name}: {called(found.before)} → {called(found.after)}"


def called(side: Side) -> str:
    """A side as a person calls it."""
    return f"{side.label} ({side.version})" if side.version and side.version != side.label else side.label


def judged(judgement: Judgement, word: str = "suite") -> str:
    """The suite of a judgement, and on how many rows."""
    return f"{word} {judgement.suite}, {plural(judgement.rows, 'row')}"


def asked(contract: Contract) -> str:
    """What semver asks for."""
    least = f", {contract.least} or later" if contract.least else ""
    broken = "; the version is too small" if contract.allowed is False else ""
    return f"the interface asks for at least a {contract.bump} bump{least}{broken}"


def trial(judgement: Judgement) -> str:
    """The test of a suite, or why there is none."""
    told = judgement.trial
    if told is None:
        return KINDS[judgement.kind]
    return (
        f"{told.test}: p = {number(told.p_value)}; {plural(told.better, 'row')} better, {told.worse} worse; "
        f"{plural(told.resamples, 'resample')}"
    )


def number(value: float | None) -> str:
    """A number with the digits that a person reads."""
    return "-" if value is None else f"{value:.4g}"


def as_text(found: Comparison, *, short: bool = False) -> str:
    """A title, a table of what changed, the interface, each suite, and what could not be compared."""
    lines = [one_line(title(found)), ""]
    shown = _shortened(rows(found)) if short else rows(found)
    if shown:
        lines += [table([row._asdict() for row in shown]), ""]
    if found.interface is not None:
        lines += [*_some(diff_as_text(found.interface.diff).splitlines(), short=short), asked(found.interface), ""]
    for each in found.evaluations:
        lines += _suite(each, short=short)
    if found.empty:
        lines += ["no differences", ""]
    lines += [one_line(f"not compared: {each}") for each in found.missing]
    return "\n".join(lines).rstrip()


def as_json(found: Comparison) -> dict[str, Any]:
    """The comparison for a program."""
    contract = found.interface
    return {
        "name": found.name,
        "from": _side(found.before),
        "to": _side(found.after),
        "same": found.empty,
        "metrics": [_measure(each) for each in found.metrics],
        "size": _measure(found.size) if found.size else None,
        "changes": {
            section: [{**each._asdict(), "kind": each.kind} for each in changes]
            for section, changes in found.sections.items()
        },
        "interface": None
        if contract is None
        else {
            "changes": [each._asdict() for each in contract.diff.changes],
            "breaking": contract.diff.breaking,
            "bump": contract.bump,
            "least_version": contract.least,
            "allowed": contract.allowed,
        },
        "evaluations": [_judgement(each) for each in found.evaluations],
        "missing": list(found.missing),
    }


def _measured(each: Measure) -> tuple[str, str, str, str]:
    if each.difference is None:
        return each.name, number(each.before), number(each.after), "added" if each.before is None else "removed"
    said = "direction unknown" if each.verdict == "unknown" else each.verdict
    return each.name, number(each.before), number(each.after), f"{each.difference:+.4g} ({said})"


def _sized(size: Measure) -> tuple[str, str, str, str]:
    before, after = size.before or 0.0, size.after or 0.0
    share = f" ({(after - before) / before:+.1%})" if before else ""
    return "bytes", f"{before:.0f}", f"{after:.0f}", f"{after - before:+.0f}{share}"


def _shortened(told: Sequence[Row]) -> list[Row]:
    """The first rows of each section, and how many more there are."""
    kept: list[Row] = []
    for section in dict.fromkeys(row.section for row in told):
        here = [row for row in told if row.section == section]
        kept += here[:SHORT]
        if len(here) > SHORT:
            kept.append(Row(section, f"… and {len(here) - SHORT} more", "", "", ""))
    return kept


def _some(lines: Sequence[str], *, short: bool) -> list[str]:
    more = len(lines) - SHORT
    return [*lines[:SHORT], f"… and {more} more"] if short and more > 0 else list(lines)


def _suite(each: Judgement, *, short: bool) -> Iterator[str]:
    yield one_line(judged(each))
    shown = score_rows(each)[: SHORT if short else None]
    yield table(shown)
    yield trial(each)
    if each.slices and not short:
        yield ""
        yield table(slice_rows(each))
        yield from filter(None, [slices_told(each)])
    yield ""


def slice_rows(judgement: Judgement) -> list[dict[str, str]]:
    """Each slice with both models' metrics."""
    names = [each.name for each in judgement.scores]
    return [
        {
            "slice": f"{each.column}={each.value}",
            "rows": str(each.rows),
            **{name: _stepped(each, name) for name in names},
        }
        for each in judgement.slices
    ]


def _stepped(part: Slice, name: str) -> str:
    interval = part.interval(name)
    between = f" ({number(interval[0])} to {number(interval[1])})" if interval else ""
    return f"{number(part.before.get(name))} → {number(part.after.get(name))}{between}"


def slices_told(judgement: Judgement) -> str:
    """What stands in brackets behind the numbers of slices; empty where nothing does."""
    if judgement.trial is None or judgement.slice_resamples is None:
        return ""
    return (
        f"in brackets: {judgement.trial.confidence:.0%} interval of the slice's difference, "
        f"{plural(judgement.slice_resamples, 'resample')}"
    )


def _side(side: Side) -> dict[str, Any]:
    source = side.link.pinned if side.link else None
    keys = {"place": side.label, "version": side.version, "stages": list(side.stages), "commit": side.commit}
    return {**keys, "source_commit": source, "size": side.size}


def _measure(each: Measure) -> dict[str, Any]:
    return {**each._asdict(), "difference": each.difference, "verdict": each.verdict}


def _judgement(each: Judgement) -> dict[str, Any]:
    return {
        "suite": each.suite,
        "kind": each.kind,
        "rows": each.rows,
        "metrics": [_score(score) for score in each.scores],
        "slices": [_part(part) for part in each.slices],
        "slice_resamples": each.slice_resamples,
        "test": each.trial._asdict() if each.trial else None,
    }


def _part(part: Slice) -> dict[str, Any]:
    intervals = {name: {"low": low, "high": high} for name, (low, high) in part.intervals.items()}
    return {**part._asdict(), "before": dict(part.before), "after": dict(part.after), "intervals": intervals}


def _score(score: Score) -> dict[str, Any]:
    return {**score._asdict(), "difference": score.difference, "verdict": score.verdict}


def _cut(text: str | None) -> str:
    if text is None:
        return "-"
    text = _DIGEST.sub(lambda found: f"{found[0][:12]}…", text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
