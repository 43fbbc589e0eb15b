"""The report of an evaluation: what was judged, on what, by what, and what came out. Pure.

Rules: all but `timings` follows from the inputs, so the same inputs give the same bytes; keys are sorted; numbers that
are not finite are null. A report that is read is strict: an unknown key, another format or a digest that is none is an
error, since a report is evidence: of what somebody's machine computed, not a proof: nothing signs it yet.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from registry.errors import RegistryError

FORMAT = 1
LIMIT = 1 << 20
"""Largest report that is read, in bytes."""
_FIX = "write it again with `registry evaluate`"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Oid = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
Number = float | None
"""A number, or nothing where it is not defined."""
Label = str | int | float | bool | None
"""An answer, as JSON holds it."""


class Part(BaseModel):
    """What every part of a report is: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Judged(Part):
    """One model."""

    name: str
    version: str | None
    registry_commit: Oid
    source: str
    """As the link names it; `.` for the registry itself."""
    source_commit: Oid
    metafile: Sha256
    artifacts: Mapping[str, Sha256]
    """SHA-256 of each, by the name the metafile gives it."""
    size: int
    """Bytes of all its artifacts."""


class Inputs(Part):
    """Everything that went in beside the models."""

    suite: str
    suite_sha256: Sha256
    data: str
    data_sha256: Sha256
    functions: Mapping[str, Sha256]
    """The registry's own metric files."""
    packages: Mapping[str, str]
    """Versions of what computed it, `python` among them."""


class Interval(Part):
    """How much better the candidate is by one metric: the difference, and its bootstrap interval."""

    difference: Number
    low: Number
    high: Number
    undefined: int
    """Resamples on which the metric is not defined; they count for nothing."""


class SliceScore(Part):
    """The metrics on some rows."""

    column: str
    value: str
    rows: int
    candidate: Mapping[str, Number]
    current: Mapping[str, Number] | None
    differences: Mapping[str, Interval] | None = None
    """How much better the candidate is here; none in reports of before, and where there are too few rows."""


class Unfairness(Part):
    """fairlearn's measures between the groups of one column."""

    column: str
    groups: int
    measures: Mapping[str, Number]


class Miss(Part):
    """A row that the candidate answers worse than the current model."""

    row: int
    """Its number in the data, from 0."""
    target: Label
    candidate: Label
    current: Label
    slices: Mapping[str, str]


class Comparison(Part):
    """The candidate against the current model, row by row."""

    metrics: Mapping[str, Number]
    """Those of the current model."""
    confidence: float
    resamples: int
    differences: Mapping[str, Interval]
    test: str
    """`mcnemar-exact` or `wilcoxon`."""
    p_value: Number
    better: int
    """Rows that the candidate answers better."""
    worse: int
    misses: tuple[Miss, ...]
    """Some of the rows that it answers worse: the first, or of numbers the worst."""
    slice_resamples: int | None = None
    """Resamples of each slice; none in reports of before."""


class Results(Part):
    """What follows from the inputs."""

    rows: int
    metrics: Mapping[str, Number]
    """On all rows; of each, greater is better."""
    slices: tuple[SliceScore, ...]
    worst: tuple[str, ...]
    """The slices on which the first metric is lowest, `column=value`, the worst first."""
    fairness: tuple[Unfairness, ...]
    comparison: Comparison | None


class Timing(Part):
    """Calls with one batch size, in milliseconds."""

    batch: int
    repeats: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    rows_per_s: float


class Timings(Part):
    """What differs from run to run."""

    seconds: float
    peak_memory_mb: float
    latency: tuple[Timing, ...]


class Measured(Part):
    """What the process that ran the models says."""

    results: Results
    timings: Timings
    packages: Mapping[str, str]


class Evaluation(Part):
    """One report."""

    format: int
    suite: str
    task: str
    candidate: Judged
    against: str | None
    """The stage or version that was named to compare with."""
    current: Judged | None
    """What it was; none where the stage was empty."""
    inputs: Inputs
    results: Results
    timings: Timings

    def judges(self, metafile: str, artifacts: Mapping[str, str], suite_sha256: str) -> bool:
        """Whether it is about exactly these bytes and this suite."""
        found = self.candidate.metafile, dict(self.candidate.artifacts), self.inputs.suite_sha256
        return found == (metafile, dict(artifacts), suite_sha256)


def format_report(report: Evaluation) -> str:
    """The report's file."""
    told = report.model_dump(mode="json")
    compared = told["results"]["comparison"] or {}
    for part, key in [(compared, "slice_resamples"), *((each, "differences") for each in told["results"]["slices"])]:
        if part.get(key, 0) is None:  # as a report of before was written
            del part[key]
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def parse_report(data: bytes, where: str) -> Evaluation:
    """Read a report. Raises `RegistryError`."""
    if len(data) > LIMIT:
        raise RegistryError(f"a report of {len(data)} bytes, at most {LIMIT} are read", where, _FIX)
    try:
        raw = json.loads(data, parse_constant=_refuse, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"not a report: {str(error)[:200]}", where, _FIX) from None
    try:
        found = Evaluation.model_validate_json(json.dumps(raw))
    except (ValidationError, ValueError, RecursionError) as error:
        raise RegistryError(f"not a report: {_said(error)}", where, _FIX) from None
    if found.format != FORMAT:
        raise RegistryError(f"a report of format {found.format}, this version knows {FORMAT}", where, _FIX)
    return found


def finite(value: float) -> float | None:
    """A number as a report holds it: twelve digits, so that the order of a sum makes no difference."""
    return float(f"{value:.12g}") if math.isfinite(value) else None


def _said(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))[:200]}: {first['msg']}"
    return str(error)[:200]


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found
