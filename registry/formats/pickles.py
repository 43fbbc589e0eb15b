"""The pickle family: bytes that run code when they are read.

Rule: nothing here reads a byte before the policy admits the family (`formats.pickle` of `policy.yaml`). Layouts are
MLEM's: `simple_pickle` is one file `data` (`mlem.core.model.SimplePickleIO`); `pickle` is `data.pkl` written by dill,
with objects of other frameworks beside it as persistent references (`mlem.contrib.callable.PickleModelIO`): `<id>.io`
names the class that wrote it, `<id>_<name>` are its files. That name is looked up in a table, never imported. `joblib`
is one file `data`, ours.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

from registry.errors import Refused, RegistryError
from registry.formats import File, Trust, only_file, references
from registry.formats.reading import reading
from registry.metafile import Metafile


def require_allowed(trust: Trust, kind: str) -> None:
    """Refuse the pickle family where the policy does not admit it."""
    if trust.pickle == "pinned" or (trust.pickle == "signed" and trust.signed):
        return
    unsigned = "; this model's chain is not signed" if trust.pickle == "signed" else ""
    raise Refused(
        "format-allowed",
        f"{kind} runs code when it is read, and policy key formats.pickle is {trust.pickle!r}{unsigned}",
        "",
        "save the model with registry.save (skops), or have formats.pickle in policy.yaml changed",
    )


def load(kind: str, metafile: Metafile, files: Mapping[str, File], trust: Trust) -> object:
    """The object stored as `kind`, one of `READERS`; raises `RegistryError` for bytes that are no such file."""
    require_allowed(trust, kind)
    with reading(kind, metafile):
        return READERS[kind](files, metafile, trust)


def _simple(files: Mapping[str, File], _metafile: Metafile, _trust: Trust) -> object:
    with only_file(files, "data").open() as stream:
        return pickle.load(stream)  # noqa: S301 - admitted by policy, bytes verified


def _joblib(files: Mapping[str, File], _metafile: Metafile, _trust: Trust) -> object:
    joblib = needed("joblib", "sklearn")
    with only_file(files, "data").open() as stream:
        return joblib.load(stream)


def _dilled(files: Mapping[str, File], metafile: Metafile, trust: Trust) -> object:
    dill = needed("dill", "callable")
    if "data.pkl" not in files:
        raise RegistryError(
            f"artifact 'data.pkl' is missing, found {', '.join(sorted(files))}", "", "save the model again"
        )
    found = _references(files, metafile, trust)

    class Unpickler(dill.Unpickler):  # type: ignore[misc, name-defined] # dill has no types
        def persistent_load(self, pid: str) -> object:
            return found[pid]

    with files["data.pkl"].open() as stream:
        return Unpickler(stream).load()


def _references(files: Mapping[str, File], metafile: Metafile, trust: Trust) -> dict[str, object]:
    """The objects that stand beside a dill pickle, each read by the format its `.io` file names."""
    found = {}
    for name in sorted(files):
        if not name.endswith(references.SUFFIX) or name == "data.pkl":
            continue
        key = name[: -len(references.SUFFIX)]
        writer = files[name].read()[:500].decode("utf-8", "replace")
        prefix = f"{key}_"
        own = {other[len(prefix) :]: files[other] for other in files if other.startswith(prefix)}
        if writer in REFERENCED:
            found[key] = READERS[REFERENCED[writer]](own, metafile, trust)
        else:
            found[key] = references.read(own, writer, trust, metafile.requirements)
    return found


def needed(module: str, extra: str) -> Any:
    """Import an optional dependency; raises `RegistryError` with the line that installs it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise missing(error, extra) from error


def missing(error: ImportError, extra: str) -> RegistryError:
    """The error for an optional dependency that is not installed."""
    return RegistryError(
        f"module {error.name!r} is needed and cannot be imported: {error}",
        "",
        f"pip install 'git-model-registry[{extra}]'",
    )


class Recorder(pickle.Pickler):
    """A pickler that writes the same bytes as `pickle.dump` and notes which top-level modules they need."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.modules: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        """Note the module; pickle does the rest."""
        named = obj if isinstance(getattr(obj, "__module__", None), str) else type(obj)
        self.modules.add(named.__module__.partition(".")[0])
        return NotImplemented


READERS: dict[str, Callable[[Mapping[str, File], Metafile, Trust], object]] = {
    "simple_pickle": _simple,
    "pickle": _dilled,
    "joblib": _joblib,
}
"""The `io` types of the family."""
REFERENCED = dict(zip(references.PICKLED, ("simple_pickle", "pickle"), strict=True))
"""MLEM's classes that pickle a referenced object, by the name they write down; `references` has those of frameworks."""
