"""Models that MLflow logged, loaded through MLflow from verified files alone.

Rules: MLflow sees a private folder with what was pinned, and a `MLmodel` written here from what was read of the pinned
one. Of a safe format it sees the one file of the model, after the format's own checks (types in a skops file, trees),
and a `MLmodel` that says nothing more; the list of trusted types that a model brings along counts for nothing. All else
runs code: it loads where the policy's `formats.pickle` admits it. MLflow's telemetry stays off while it is imported.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from registry.containment import contained
from registry.document import thaw
from registry.errors import RegistryError
from registry.formats import File, Saved, Trust, pickles, unknown_io
from registry.formats.reading import reading
from registry.metafile import Metafile
from registry.mlmodel import DOCUMENT, NAME, PICKLE, PYFUNC, TYPE, Stored, sound, stored_as

_TELEMETRY = "MLFLOW_DISABLE_TELEMETRY"
_EXAMPLE = "saved_input_example_info"
_NEEDED = ("flavors", "mlflow_version", "model_uuid", "run_id", "signature", "utc_time_created")
"""What of `MLmodel` a safe format needs."""


class MLflow:
    """The format of model type `mlflow`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """MLflow's own wrapper, a `PyFuncModel`, whose `predict` is what is served; see `bare`.

        Raises `Refused("format-allowed")` or `RegistryError`.
        """
        document = thaw(_document(metafile, processor))
        document.pop(_EXAMPLE, None)
        stored = sound(document, NAME)
        if stored.io == PICKLE:
            pickles.require_allowed(trust, f"a model of MLflow's flavor {stored.flavor!r}")
            pyfunc = _mlflow()
            folder = Path(tempfile.mkdtemp(prefix="registry-mlflow-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)  # such a model may open its files later
            _lay_out(folder, document, files)
            return _loaded(pyfunc, folder, metafile)
        if stored.file not in files:
            raise RegistryError(f"artifact {stored.file[:200]!r} is missing", "", "log the model again, and link that")
        pyfunc = _mlflow()
        held = files[stored.file]
        document = {key: value for key, value in document.items() if key in _NEEDED}
        document["flavors"] = _only(stored, document["flavors"][stored.flavor], _judged(stored, held, metafile, trust))
        with tempfile.TemporaryDirectory(prefix="registry-mlflow-") as name:
            _lay_out(Path(name), document, {stored.file: held})
            return _loaded(pyfunc, Path(name), metafile)

    def bare(self, metafile: Metafile, processor: str, model: Any) -> object:
        """The flavour's own object, as `mlflow.<flavor>.load_model` gives it; of a `python_function` the wrapper."""
        flavors = _document(metafile, processor)["flavors"]
        own = stored_as(flavors).flavor
        if own == PYFUNC or flavors[PYFUNC]["loader_module"] != f"mlflow.{own}":
            return model
        with reading(f"MLflow's {own}", metafile):
            return model.get_raw_model()

    def accepts(self, model: object) -> bool:
        """Nothing: MLflow saves its models itself."""
        return False

    def save(self, model: object, sample_data: object, format: str | None) -> Saved:
        """Never called: raises `RegistryError`."""
        raise RegistryError("models of MLflow are logged by MLflow", "", "mlflow.sklearn.log_model(…), then link it")


def _document(metafile: Metafile, processor: str) -> Mapping[str, Any]:
    """The `MLmodel`. Raises `RegistryError` where another kind of metafile only claims to be one."""
    found = metafile.processors[processor].io_options.get(DOCUMENT)
    if not isinstance(found, Mapping):
        raise unknown_io(metafile.processors[processor], (f"a {NAME} file of MLflow",))
    return found


def _judged(stored: Stored, held: File, metafile: Metafile, trust: Trust) -> list[str]:
    """Hold a file of a safe format against the rules of that format; of a skops file the types that it may build."""
    data = held.read()
    if stored.io == "skops":
        from registry.formats.sklearn import admitted_types

        return admitted_types(metafile, data, trust)
    if stored.io == "xgboost_io":
        from registry.formats import xgboost_trees

        with reading("xgboost", metafile):
            xgboost_trees.require_sound(data)
        return []
    from registry.formats import lightgbm_text

    with reading("lightgbm", metafile):
        lightgbm_text.require_sound(data.decode("utf-8"))
    return []


def _only(stored: Stored, said: Mapping[str, Any], types: list[str]) -> dict[str, Any]:
    """The flavours of a safe format, without anything that could lead to another file or to code."""
    general = {"loader_module": f"mlflow.{stored.flavor}"}
    if stored.flavor == "sklearn":
        own = {"pickled_model": stored.file, "serialization_format": "skops", "skops_trusted_types": types}
        return {PYFUNC: {**general, "model_path": stored.file, "predict_fn": "predict"}, "sklearn": own}
    own = {"data": stored.file, "model_class": said["model_class"]}
    return {PYFUNC: {**general, "data": stored.file}, stored.flavor: own}


def _lay_out(folder: Path, document: Mapping[str, Any], files: Mapping[str, File]) -> None:
    """Write a model's folder; JSON is YAML, so `MLmodel` is read as it was read here."""
    for name, file in files.items():
        target = folder / contained(name, "the name of an artifact", NAME)
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open() as stream, target.open("wb") as sink:
            shutil.copyfileobj(stream, sink, 1 << 20)
    (folder / NAME).write_text(json.dumps(document), encoding="utf-8")


def _loaded(pyfunc: Any, folder: Path, metafile: Metafile) -> object:
    with reading(TYPE, metafile):
        return pyfunc.load_model(str(folder), suppress_warnings=True)


def _mlflow() -> Any:
    """MLflow's `pyfunc`. Raises `RegistryError` with the line that installs it."""
    with _quiet():
        pickles.needed("mlflow", "mlflow")
        return pickles.needed("mlflow.pyfunc", "mlflow")


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow reports its import to its makers unless it is told not to: a loader tells nobody."""
    before = os.environ.get(_TELEMETRY)
    os.environ[_TELEMETRY] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_TELEMETRY]
        else:
            os.environ[_TELEMETRY] = before
