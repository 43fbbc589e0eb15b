"""The file `MLmodel` of MLflow, read as a model's metafile. Pure.

Source: https://mlflow.org/docs/latest/ml/model/ and `mlflow.models.model` of MLflow 3.17. Rules: everything is data,
and nothing that it names is imported here. YAML is read with bounded expansion. A path in it must stay in the model's
folder. Its `loader_module` must be one of MLflow itself. Every flavour counts as pickle, which runs code, but those
whose file is known to be a safe format (`skops`, xgboost's and LightGBM's own) and that bring no code of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple

from registry.annotations import load
from registry.document import Place, freeze
from registry.errors import Refused
from registry.metafile import MAIN, ArtifactRef, Metafile, Processor, Requirement
from registry.mlsignature import PREDICT, interface_of

NAME = "MLmodel"
"""The file's name."""
REQUIREMENTS = "requirements.txt"
"""The file beside it that says what the model needs."""
TYPE = "mlflow"
"""The model type."""
DOCUMENT = "mlmodel"
"""Where `Processor.io_options` has the whole file."""
PYFUNC = "python_function"
PICKLE = "pickle"
_FIX = "log the model again with mlflow"
_LOADER = re.compile(r"mlflow(\.[A-Za-z_][A-Za-z0-9_]*)+")
_ROOTED = re.compile(r"[/~\\]|[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]*:/")
_SAID_ELSEWHERE = frozenset({"uri", "model_config", "config", "options", "resources", "skops_trusted_types"})
"""Keys of a flavour whose text is no path that a load opens: where an artifact came from, and settings."""
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(?:\s*===?\s*([A-Za-z0-9.!+_-]+))?\s*(?:;.*)?")
_MOST_LINES = 2000
_XGBOOST = frozenset(
    ("xgboost.core.Booster", *(f"xgboost.sklearn.XGB{each}" for each in ("Classifier", "Regressor", "Ranker", "Model")))
)  # fmt: skip


class Stored(NamedTuple):
    """How a flavour's model is stored."""

    flavor: str
    io: str
    """`skops`, `xgboost_io`, `lightgbm_io`; or `pickle` for whatever may run code."""
    file: str
    """The one file of a safe format; empty for others."""


def parse_mlmodel(data: bytes, where: str) -> Metafile:
    """The metafile that a `MLmodel` file is; `complete` adds the files beside it. Raises `RegistryError`, `Refused`."""
    root = Place(_jsonable(load(data, where)), where, (), _FIX)
    stored = sound(root.value, where)
    known = {DOCUMENT: freeze(root.mapping())}
    processor = Processor(TYPE, stored.io, interface_of(root.find("signature")), MappingProxyType(known))
    return Metafile(MappingProxyType({}), MappingProxyType({MAIN: processor}), _ORDER)


def sound(document: Any, where: str) -> Stored:
    """How the model of a document is stored. Raises `RegistryError`, and `Refused` for paths and code elsewhere."""
    flavors = Place(document, where, (), _FIX).need("flavors")
    confs = {name: place.mapping() for name, place in flavors.items()}
    if PYFUNC not in confs:
        flavors.fail(f"there is no flavor {PYFUNC!r}, by which MLflow loads any model")
    for path in _paths(confs):
        if _ROOTED.match(path) or ".." in re.split(r"[/\\]", path):
            raise Refused("path-contained", f"a path leaves the model's folder: {path[:200]!r}", where, _FIX)
    loader = flavors.need(PYFUNC).need("loader_module").text()
    if not _LOADER.fullmatch(loader):
        raise Refused(
            "format-allowed",
            f"it is loaded by the code of {loader[:200]!r}, which is none of MLflow's own modules",
            where,
            "log it with a flavor of MLflow, or as an mlflow.pyfunc.PythonModel",
        )
    return stored_as(confs)


_ORDER: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType({PREDICT: ((MAIN, PREDICT),)})


def complete(metafile: Metafile, names: tuple[str, ...], requirements: bytes | None) -> Metafile:
    """The metafile with the files beside it as artifacts, and what its `requirements.txt` asks for."""
    artifacts = {name: ArtifactRef(name) for name in names}
    needs = tuple(requirements_of(requirements)) if requirements is not None else ()
    return replace(metafile, artifacts=MappingProxyType(artifacts), requirements=needs)


def stored_as(flavors: Mapping[str, Mapping[str, Any]]) -> Stored:
    """How the model is stored, by the flavours that it has."""
    own = next((name for name in flavors if name != PYFUNC), PYFUNC)
    conf, general = flavors[own], flavors[PYFUNC]
    pickled = Stored(own, PICKLE, "")
    if conf.get("code") or general.get("code") or general.get("loader_module") != f"mlflow.{own}":
        return pickled
    if own == "sklearn" and conf.get("serialization_format") == "skops":
        return _safe(own, "skops", conf.get("pickled_model"), general.get("model_path"), pickled)
    if own == "xgboost" and conf.get("model_class") in _XGBOOST:
        return _safe(own, "xgboost_io", conf.get("data"), general.get("data"), pickled)
    if own == "lightgbm" and conf.get("model_class") == "lightgbm.basic.Booster":
        return _safe(own, "lightgbm_io", conf.get("data"), general.get("data"), pickled)
    return pickled


def _safe(flavor: str, io: str, file: object, same: object, otherwise: Stored) -> Stored:
    """A safe format where both flavours name the one file; another that they disagree on counts as pickle."""
    return Stored(flavor, io, file) if isinstance(file, str) and file and file == same else otherwise


def requirements_of(data: bytes) -> Iterator[Requirement]:
    """What pip would install: pinned packages with their version, others by name, and whatever else as unchecked."""
    for line in data.decode("utf-8", "replace").splitlines()[:_MOST_LINES]:
        said = line.partition(" #")[0].strip()
        if not said or said.startswith(("#", "-")):
            continue
        match = _PIN.fullmatch(said)
        if match:
            yield Requirement(module=match[1], version=match[2])
        else:
            name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", said)
            yield Requirement(type="pip", package_name=name[0] if name else said[:80])


def _paths(value: Any) -> Iterator[str]:
    """Whatever text in a flavour may be a path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in _SAID_ELSEWHERE:
                yield from _paths(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _paths(item)
    elif isinstance(value, str):
        yield value


def _jsonable(value: Any) -> Any:
    """The document with dates as text and keys as text, each alias written out."""
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_jsonable(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
