"""An evaluation suite, `evaluations/<suite>.yaml`: on which locked data a model is judged, and by what. Pure.

Rules: strict YAML, an unknown key is an error, since a misspelt limit would limit nothing. The data is named by a path
of the registry or a URL, together with its SHA-256. A metric is the name of a scikit-learn scorer
(https://scikit-learn.org/stable/modules/model_evaluation.html#scoring-string-names) or a function
`scripts/metrics/x.py:function` of the registry's default branch; of both, greater is better.
"""

from __future__ import annotations

import math
import posixpath
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry import strictyaml
from registry.containment import contained, contained_url
from registry.document import Place, thaw

FOLDER = "evaluations"
REPORTS = f"{FOLDER}/reports"
PATH = re.compile(rf"{FOLDER}/([A-Za-z0-9][A-Za-z0-9._-]{{0,99}})\.ya?ml")
"""Where a suite stands; the group is its name."""
FORMAT = 1
FORMATS = ("csv", "parquet", "json")
CLASSIFICATION, REGRESSION = TASKS = ("classification", "regression")
FUNCTIONS = "scripts/metrics"
"""Folder of the functions that a registry brings itself."""
SECONDS, MEMORY_MB = 600, 4096
"""Limits where a suite names none."""
RESAMPLES, CONFIDENCE = 1000, 0.95

_FIX = "correct the suite; docs/evaluation.md lists its keys"
_KEYS = (
    "format", "models", "task", "method", "data", "metrics", "slices", "fairness", "latency", "bootstrap",
    "limits", "against",
)  # fmt: skip
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SCORER = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FUNCTION = re.compile(rf"(?P<path>{FUNCTIONS}/[A-Za-z_][A-Za-z0-9_]*\.py):(?P<name>[A-Za-z_][A-Za-z0-9_]*)")
_NUMBER = re.compile(r"[-+]?[0-9]{1,15}(\.[0-9]{1,15})?([eE][-+]?[0-9]{1,2})?")
_MOST = 10_000_000


class Data(NamedTuple):
    """The locked data set."""

    address: str
    """A path from the registry's root, or a URL."""
    sha256: str
    format: str
    target: str
    """The column with the true answers."""
    features: tuple[str, ...] = ()
    """Columns for models that name none themselves; all but the target where this is empty."""

    @property
    def remote(self) -> bool:
        """Whether it lies behind a URL."""
        return "://" in self.address


class Metric(NamedTuple):
    """One number for a model on some rows; greater is better."""

    name: str
    """The scorer's, or the function's place `scripts/metrics/x.py:function`."""

    @property
    def file(self) -> str | None:
        """The file of a function; none of a scorer."""
        found = _FUNCTION.fullmatch(self.name)
        return found["path"] if found else None

    @property
    def function(self) -> str:
        """The function's name in that file."""
        return self.name.rpartition(":")[2]


class Slice(NamedTuple):
    """Rows by the value of a column, or by the bin of a number."""

    column: str
    bins: tuple[float, ...] = ()
    """Inner borders, ascending; each bin holds its lower border. Without them each value is a slice."""


class Fairness(NamedTuple):
    """What is compared between the groups of each sensitive column."""

    columns: tuple[str, ...]
    positive: Any = 1
    """The label that is the good outcome."""


class Latency(NamedTuple):
    """How speed is measured."""

    batches: tuple[int, ...]
    repeats: int = 20


@dataclass(frozen=True)
class Suite:
    """One evaluation."""

    name: str
    task: str
    data: Data
    metrics: tuple[Metric, ...]
    models: tuple[str, ...] = ()
    """The artifacts it is for; all where it names none."""
    method: str = "predict"
    slices: tuple[Slice, ...] = ()
    fairness: Fairness | None = None
    latency: Latency | None = None
    resamples: int = RESAMPLES
    confidence: float = CONFIDENCE
    seconds: int = SECONDS
    memory_mb: int = MEMORY_MB
    against: str | None = None
    """The stage or version to compare with."""

    def concerns(self, artifact: str) -> bool:
        """Whether it is for this artifact."""
        return not self.models or artifact in self.models


def parse_suite(text: bytes, path: str, where: str = "") -> Suite:
    """Read a suite. Raises `RegistryError` that names file, line and key."""
    place = Place(strictyaml.parse(text, where or path), where or path, fix=_FIX)
    found = PATH.fullmatch(path)
    if found is None:
        place.fail(f"a suite stands at {FOLDER}/<suite>.yaml, not at {path[:200]!r}")
    place.rest(_KEYS, strict=True)
    if place.need("format").integer() != FORMAT:
        place.need("format").fail(f"this version knows format {FORMAT} only; use a newer one")
    bootstrap, limits = (
        _part(place, "bootstrap", "resamples", "confidence"),
        _part(place, "limits", "seconds", "memory_mb"),
    )
    return Suite(
        found[1],
        _one_of(place.need("task"), TASKS),
        _data(place.need("data")),
        _metrics(place.need("metrics")),
        _texts(place.find("models")),
        _text(place, "method", "predict"),
        tuple(_slice(each) for each in _elements(place, "slices")),
        _fairness(place.find("fairness")),
        _latency(place.find("latency")),
        _between(bootstrap, "resamples", RESAMPLES, 10),
        _share(bootstrap.find("confidence")),
        _between(limits, "seconds", SECONDS, 1),
        _between(limits, "memory_mb", MEMORY_MB, 1),
        _text(place, "against", "") or None,
    )


def _data(place: Place) -> Data:
    place.rest(("path", "url", "sha256", "format", "target", "features"), strict=True)
    path, url = place.find("path"), place.find("url")
    if (path is None) == (url is None):
        place.fail("give either 'path' or 'url'")
    sha256 = place.need("sha256")
    if not _SHA256.fullmatch(sha256.text()):
        sha256.fail("expected 64 hexadecimal digits in lower case, as sha256sum prints them")
    address = contained(path.text(), "data.path", place.where) if path else ""
    if url is not None:
        address = contained_url(url.text(), "data.url", place.where)
    kind, target = place.need("format"), place.need("target").text()
    return Data(address, sha256.text(), _one_of(kind, FORMATS), target, _texts(place.find("features")))


def _metrics(place: Place) -> tuple[Metric, ...]:
    found = []
    for each in place.elements():
        name = each.text()
        if not _SCORER.fullmatch(name) and not _FUNCTION.fullmatch(name):
            each.fail(f"expected a scorer of scikit-learn or {FUNCTIONS}/<file>.py:<function>, found {name[:80]!r}")
        found.append(Metric(name))
    if not found or len(set(found)) != len(found):
        place.fail("name at least one metric, none twice")
    return tuple(found)


def _slice(place: Place) -> Slice:
    place.rest(("column", "bins"), strict=True)
    bins = tuple(_number(each) for each in _elements(place, "bins"))
    if list(bins) != sorted(set(bins)):
        place.need("bins").fail("expected borders in ascending order, none twice")
    return Slice(place.need("column").text(), bins)


def _fairness(place: Place | None) -> Fairness | None:
    if place is None:
        return None
    place.rest(("columns", "positive"), strict=True)
    positive, columns = place.find("positive"), _texts(place.need("columns"))
    if not columns:
        place.fail("name at least one column")
    return Fairness(columns, 1 if positive is None else thaw(positive.plain()))


def _latency(place: Place | None) -> Latency | None:
    if place is None:
        return None
    place.rest(("batches", "repeats"), strict=True)
    batches = tuple(_whole(each, 1) for each in place.need("batches").elements())
    if not batches or len(set(batches)) != len(batches):
        place.fail("name at least one batch size, none twice")
    return Latency(batches, _between(place, "repeats", 20, 1))


def _part(place: Place, key: str, *known: str) -> Place:
    found = place.find(key) or Place({}, place.where, (key,), place.fix)
    found.rest(known, strict=True)
    return found


def _elements(place: Place, key: str) -> list[Place]:
    found = place.find(key)
    return [] if found is None else list(found.elements())


def _texts(place: Place | None) -> tuple[str, ...]:
    found = () if place is None else tuple(each.text() for each in place.elements())
    if place is not None and len(set(found)) != len(found):
        place.fail("names one twice")
    return found


def _text(place: Place, key: str, default: str) -> str:
    found = place.find(key)
    return default if found is None else found.text()


def _one_of(place: Place, known: tuple[str, ...]) -> str:
    found = place.text()
    if found not in known:
        place.fail(f"expected one of {', '.join(known)}, found {found[:80]!r}")
    return found


def _between(place: Place, key: str, default: int, least: int) -> int:
    found = place.find(key)
    return default if found is None else _whole(found, least)


def _whole(place: Place, least: int) -> int:
    found = place.integer()
    if not least <= found <= _MOST:
        place.fail(f"expected a number from {least} to {_MOST}, found {found}")
    return found


def _number(place: Place) -> float:
    text = place.text()
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        place.fail(f"expected a number, found {text[:80]!r}")
    return float(text)


def _share(place: Place | None) -> float:
    found = CONFIDENCE if place is None else _number(place)
    if place is not None and not 0 < found < 1:
        place.fail(f"expected a share between 0 and 1, found {found}")
    return found


def report_path(artifact: str, label: str, suite: str) -> str:
    """Where the report of one suite on one version stands; the artifact as it is written in tags."""
    return posixpath.join(REPORTS, artifact, label, f"{suite}.json")
