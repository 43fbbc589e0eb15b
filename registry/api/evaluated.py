"""What the process of an evaluation does: load the models by the verified loader, ask them, and measure the answers.

The network is not used: what is needed was brought before. The models must be those that the caller resolved, digest by
digest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from registry.api.confining import Step, child
from registry.api.loading import bring
from registry.api.predicting import arguments
from registry.api.resolving import Resolved, resolve
from registry.api.serving import serve
from registry.cache.files import VerifiedFile, using
from registry.datatypes import UNSPECIFIED, DataType, Table, Tensor, Unspecified
from registry.errors import RegistryError
from registry.evaluation import Interval, Measured, Results, SliceScore, Timings, finite
from registry.formats.unfit import DROP
from registry.offline import offline
from registry.suite import CLASSIFICATION, Suite, parse_suite

_TEXT = {"str", "object", "string"}
_PACKAGES = ("git-model-registry", "numpy", "pandas", "scikit-learn", "scipy")


class Loaded(NamedTuple):
    """A model that was loaded."""

    model: Any
    kind: DataType
    """What its method takes."""
    packages: tuple[str, ...]
    """Those that its metafile names."""
    where: str


def main() -> None:
    """Serve one request."""
    child(measured)


def digests(resolved: Resolved) -> dict[str, Any]:
    """The bytes that a model is."""
    return {
        "metafile": resolved.metafile.sha256,
        "artifacts": {name: pin.sha256 for name, pin in sorted(resolved.artifacts.items())},
    }


def measured(request: Mapping[str, Any], step: Step) -> Any:
    """What comes out of one request, as JSON. Raises `RegistryError`."""
    began = time.perf_counter()
    suite = parse_suite(request["suite"].encode(), request["path"])
    with offline(True), using():  # noqa: FBT003 - it forbids
        step(0, 3, "loading")
        candidate = _loaded(request["candidate"], request["project"], suite)
        current = _loaded(request["current"], request["project"], suite) if request["current"] else None
        frame = _frame(request, suite, candidate)
    step(1, 3, "predicting")
    results = _results(suite, (candidate, current), frame, request, step)
    step(2, 3, "timing")
    latency = _latency(suite, candidate, frame)
    packages = {*_PACKAGES, *candidate.packages, *(current.packages if current else ())}
    if suite.fairness:
        packages.add("fairlearn")
    timings = Timings(seconds=time.perf_counter() - began, peak_memory_mb=_peak(), latency=tuple(latency))
    return Measured(results=results, timings=timings, packages=_versions(packages)).model_dump(mode="json")


def _loaded(asked: Mapping[str, Any], project: str, suite: Suite) -> Loaded:
    """Load one model again, and hold it against what the caller resolved."""
    resolved = resolve(asked["name"], version=asked["version"], rev=asked["rev"], project=project)
    if digests(resolved) != asked["digests"]:
        raise RegistryError("the registry changed while the evaluation began", resolved.project, "run it again")
    fetched = bring(resolved)
    methods = fetched.metafile.interface.methods
    if suite.method not in methods:
        raise RegistryError(
            f"the model has no method {suite.method!r}", fetched.where, f"it has {', '.join(methods) or 'none'}"
        )
    method = methods[suite.method]
    packages = (each.package or each.module for each in fetched.metafile.requirements)
    return Loaded(
        serve(fetched, extra_columns=DROP),
        method.args[0].type_ if method.args else UNSPECIFIED,
        tuple(each for each in packages if each),
        fetched.where,
    )


def _frame(request: Mapping[str, Any], suite: Suite, candidate: Loaded) -> Any:
    from registry.measures.rows import read

    kind = candidate.kind
    texts = (
        [str(name) for name, dtype in zip(kind.columns, kind.dtypes, strict=True) if dtype in _TEXT and name != ""]
        if isinstance(kind, Table)
        else []
    )
    return read(VerifiedFile(Path(request["data"]), suite.data.sha256, always=True).read(), suite.data, texts)


def _given(loaded: Loaded, frame: Any, suite: Suite) -> Any:
    """The rows as the model takes them."""
    if isinstance(loaded.kind, Table):
        return arguments(frame, loaded.kind)
    if not isinstance(loaded.kind, (Tensor, Unspecified)):
        raise RegistryError(
            f"{suite.method} takes neither a table nor an array", loaded.where, "an evaluation gives only these"
        )
    chosen = [*suite.data.features] or [name for name in frame.columns if name != suite.data.target]
    return arguments(frame[chosen], loaded.kind)


def _results(
    suite: Suite, models: tuple[Loaded, Loaded | None], frame: Any, request: Mapping[str, Any], step: Step
) -> Results:
    from registry.measures import fairness, slicing
    from registry.measures.pairing import by_slice, compare
    from registry.measures.rows import array
    from registry.measures.scores import Answers, overall, scores

    where, functions = suite.data.address, request["functions"]
    target = array(frame[suite.data.target])
    if suite.task != CLASSIFICATION and target.dtype.kind not in "iuf":
        raise RegistryError(f"the target {suite.data.target!r} is not of numbers", where, "correct `task` or the data")
    both = [
        Answers(each.model, _given(each, frame, suite), suite.method, suite.task, target, each.where)
        for each in models
        if each is not None
    ]
    scored = [scores(each, suite.metrics, functions) for each in both]
    points = [
        {metric.name: overall(each[metric.name], len(frame), metric) for metric in suite.metrics} for each in scored
    ]
    cut = list(slicing.cut(frame, suite.slices, where))
    pair, seed = (scored[0], scored[-1]), request["seed"]
    gained = by_slice(suite, pair, cut, seed, step) if len(both) > 1 else [None] * len(cut)
    slices = [_slice(rows, scored, each) for rows, each in zip(cut, gained, strict=True)]
    sliced = {each.column: slicing.labels(frame, each, where) for each in suite.slices}, cut
    return Results(
        rows=len(frame),
        metrics={name: finite(value) for name, value in points[0].items()},
        slices=tuple(slices),
        worst=_worst(slices, suite.metrics[0].name, slicing.WORST),
        fairness=fairness.between(frame, target, both[0].main, suite.fairness, where) if suite.fairness else (),
        comparison=compare(suite, (both[0], both[1]), pair, (points[0], points[1]), sliced, seed, step)
        if len(both) > 1
        else None,
    )


def _slice(rows: Any, scored: list[dict[str, Any]], differences: dict[str, Interval] | None) -> SliceScore:
    from registry.measures.scores import partly

    found = [{name: finite(partly(score, rows.numbers)) for name, score in each.items()} for each in scored]
    return SliceScore(
        column=rows.column,
        value=rows.value,
        rows=len(rows.numbers),
        candidate=found[0],
        current=found[1] if len(found) > 1 else None,
        differences=differences,
    )


def _worst(slices: list[SliceScore], metric: str, count: int) -> tuple[str, ...]:
    ranked = sorted(
        (value, each.column, each.value) for each in slices if (value := each.candidate[metric]) is not None
    )
    return tuple(f"{column}={value}" for _, column, value in ranked[:count])


def _latency(suite: Suite, candidate: Loaded, frame: Any) -> list[Any]:
    if suite.latency is None:
        return []
    from registry.measures.speed import measure

    call = getattr(candidate.model, suite.method)
    return measure(call, lambda numbers: _given(candidate, frame.iloc[numbers], suite), len(frame), suite.latency)


def _peak() -> float:
    """The most memory that this process held, in MB."""
    status = Path("/proc/self/status")
    if status.is_file():  # `ru_maxrss` counts what the parent held when it started this process
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / (1 << 10)
    try:  # pragma: no cover - another platform
        import resource
    except ImportError:  # pragma: no cover - Windows has none
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # pragma: no cover - macOS counts bytes


def _versions(names: set[str]) -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
