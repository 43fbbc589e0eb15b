"""Formats: how verified bytes become a model again, and a model becomes bytes.

A format is a class found by model type: built-ins by the table below, others through the entry-point group
`registry.formats`, whose entries are named after the model type they serve. Only the one asked for is imported, and a
format imports its framework only to load, describe or save. Metadata never decides what is imported: the table does.
"""

from __future__ import annotations

import builtins
import io
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from registry.errors import Refused, RegistryError
from registry.metafile import MAIN, Metafile, Processor, Requirement

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "registry.formats"
BUILT_IN = {
    "sklearn": "registry.formats.sklearn:Sklearn",
    "sklearn_pipeline": "registry.formats.sklearn:Sklearn",
    "sklearn_transformer": "registry.formats.sklearn:Sklearn",
    "xgboost": "registry.formats.xgboost:XGBoost",
    "lightgbm": "registry.formats.lightgbm:LightGBM",
    "catboost": "registry.formats.catboost:CatBoost",
    "onnx": "registry.formats.onnx:Onnx",
    "torch": "registry.formats.torch:Torch",
    "safetensors": "registry.formats.safetensors:Safetensors",
    "file": "registry.formats.files:Files",
    "files": "registry.formats.files:Files",
    "callable": "registry.formats.callable:Callable",
    "mlflow": "registry.formats.mlflow:MLflow",
}
"""Model type to class, known without a scan of the installed packages; `pyproject.toml` names the same.

`find_for` asks them in this order: a callable is what nothing else knows.
"""

_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9._+!-]+")


class File(Protocol):
    """One artifact whose bytes equal its pin."""

    @property
    def path(self) -> Path | None:
        """Where the bytes lie on disk, out of reach of others; None where they are only in memory."""
        ...

    def read(self) -> bytes:
        """All bytes."""
        ...

    def open(self) -> BinaryIO:
        """A stream of the bytes, to be closed by the caller."""
        ...


@dataclass(frozen=True)
class Content:
    """A `File` in memory."""

    data: bytes = field(repr=False)
    path: Path | None = None

    def read(self) -> bytes:
        """All bytes."""
        return self.data

    def open(self) -> BinaryIO:
        """A stream of the bytes."""
        return io.BytesIO(self.data)


@dataclass(frozen=True)
class Trust:
    """What the policy's `formats` section admits."""

    pickle: str = "pinned"
    """`pinned`: every pinned pickle; `signed`: only where the link's chain is signed; `never`."""
    skops_trusted: tuple[str, ...] = ()
    """Types in skops files that are trusted beyond those of scikit-learn, numpy and scipy."""
    torch_weights_only: bool = True
    """Whether torch's admitted pickles may hold tensors and plain containers only."""
    signed: bool = False
    """Whether this model's chain is signed."""


@dataclass(frozen=True)
class Saved:
    """A model as bytes, and what its metafile says of it."""

    processor: Processor
    artifacts: Mapping[str, bytes]
    """Bytes by MLEM's artifact name."""
    requirements: tuple[Requirement, ...] = ()
    untrusted: tuple[str, ...] = ()
    """Types that a loader refuses unless its policy names them."""
    local: tuple[str, ...] = ()
    """Modules the bytes need that no installed package provides."""


class PartialModel(UserWarning):
    """What was loaded is the model alone, without the pre- and postprocessors that were saved with it."""


class Format(Protocol):
    """How models of one framework are loaded and saved.

    A format whose object lacks a method that the interface names also has `bind(model, method)`, which gives the
    callable for that name (see `bound`). One whose `load` gives more than the framework's own object, because calls
    need it, also has `bare(metafile, processor, model)`, which gives that object.
    """

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The framework's own object of one processor; `files` by MLEM's artifact name within it.

        Raises `Refused("format-allowed")` where `trust` does not admit the bytes, `RegistryError` where they cannot be
        read.
        """
        ...

    def accepts(self, model: object) -> bool:
        """Whether `save` knows this object; asked without importing the framework."""
        ...

    def save(self, model: object, sample_data: object, format: str | None) -> Saved:
        """The model's bytes and description; `format` None is the framework's safest one."""
        ...


def find(model_type: str) -> Format:
    """The format for a model type; raises `Refused("model-type-known")`."""
    target = BUILT_IN.get(model_type)
    if target is not None:
        return _imported(target)
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=model_type):
        return _plugin(entry)
    raise Refused(
        "model-type-known",
        f"no format for model type {model_type[:200]!r}; known are {', '.join(sorted(BUILT_IN))}",
        "",
        f"install a package that provides the entry point {GROUP}:{model_type[:200]}",
    )


def find_for(model: object) -> Format:
    """The format that saves this object; raises `RegistryError`."""
    for target in dict.fromkeys(BUILT_IN.values()):
        found = _imported(target)
        if found.accepts(model):
            return found
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        if entry.name not in BUILT_IN:
            found = _plugin(entry)
            if found.accepts(model):
                return found
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    raise RegistryError(
        f"no format saves a {kind}",
        "",
        f"pass a model of {', '.join(sorted(BUILT_IN))}, or install a package with an entry point in {GROUP}",
    )


def load_model(
    metafile: Metafile, files: Mapping[str, File], trust: Trust, where: str = "", requirements: str | None = None
) -> object:
    """The framework's own object of the processor `model`; `files` by the metafile's artifact names, verified before.

    Pre- and postprocessors are not loaded: where there are some, it warns. `requirements` is the rule for installed
    versions (`registry.formats.environment`).
    """
    if any(name != MAIN for order in metafile.call_orders.values() for name, _ in order):
        warnings.warn(
            "the model has pre- or postprocessors, which registry.load leaves out; registry.load_model applies them",
            PartialModel,
            stacklevel=5,
        )
    found = load_processors(metafile, files, trust, where, requirements, (MAIN,))[MAIN]
    hook = getattr(find(metafile.model_type), "bare", None)
    return found if hook is None else hook(metafile, MAIN, found)


def load_processors(
    metafile: Metafile,
    files: Mapping[str, File],
    trust: Trust,
    where: str = "",
    requirements: str | None = None,
    names: Iterable[str] = (),
) -> dict[str, object]:
    """The objects of the processors `names`, or of all that calls go through.

    Each is known, admitted by the policy and has what it needs before any of them is deserialised.
    """
    from registry.formats import environment, pickles

    wanted = dict.fromkeys(names) or dict.fromkeys((MAIN, *(n for o in metafile.call_orders.values() for n, _ in o)))
    try:
        for name in wanted:
            find(metafile.processors[name].type)
            if metafile.processors[name].io in pickles.READERS:
                pickles.require_allowed(trust, metafile.processors[name].io)
        held = {name: processor_files(metafile, name, files) for name in wanted}
        environment.require(metafile, requirements)
        return {
            name: find(metafile.processors[name].type).load(metafile, name, own, trust) for name, own in held.items()
        }
    except RegistryError as error:
        error.where = error.where or where
        raise


def bound(model_type: str, model: object, method: str) -> Callable[..., Any]:
    """What to call for a method of a loaded object; raises `RegistryError` where it has none.

    That is what the format's `bind(model, method)` gives, where it has this hook and gives something; else the object
    itself for `__call__`, and its attribute of that name for any other.
    """
    hook = getattr(find(model_type), "bind", None)
    call = hook(model, method) if hook is not None else None
    if call is None:
        call = model if method == "__call__" else getattr(model, method, None)
    if not builtins.callable(call):  # the module `callable` of this package hides it here
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise RegistryError(f"a {kind} has no method {method[:80]!r}", "", "save the model again")
    return cast("Callable[..., Any]", call)


def processor_files(metafile: Metafile, processor: str, files: Mapping[str, File]) -> dict[str, File]:
    """The files of one processor by their name within it: MLEM writes `<processor>/<name>` where there are several."""
    prefix = "" if set(metafile.processors) == {MAIN} else f"{processor}/"
    names = {name[len(prefix) :]: name for name in metafile.artifacts if name.startswith(prefix)}
    if not names:
        raise RegistryError(f"the metafile names no artifact of processor {processor!r}", "", "save the model again")
    missing = sorted(name for name in names.values() if name not in files)
    if missing:
        raise RegistryError(
            f"artifacts are missing: {', '.join(missing)}",
            "",
            "commit every file that the metafile names, then link again",
        )
    return {short: files[name] for short, name in names.items()}


def only_file(files: Mapping[str, File], name: str) -> File:
    """The one file, which must be called `name`, as MLEM's single-file formats ask."""
    if set(files) != {name}:
        raise RegistryError(f"expected one artifact {name!r}, found {_listed(files)}", "", "save the model again")
    return files[name]


def install_line(metafile: Metafile) -> str:
    """The command that installs what the metafile says the model needs; odd names and versions are left out."""
    needed = {f"{each.package}=={each.version}" for each in metafile.requirements if each.package and each.version}
    plain = sorted(line for line in needed if _REQUIREMENT.fullmatch(line))
    return f"pip install {' '.join(plain)}" if plain else "install the packages that the model was trained with"


def unknown_io(processor: Processor, known: Iterable[str]) -> RegistryError:
    """The error for an `io` that a format does not read."""
    return RegistryError(
        f"model type {processor.type!r} is stored as {processor.io[:200]!r}; read are {', '.join(sorted(known))}",
        "",
        "save the model again with registry.save",
    )


def _imported(target: str) -> Format:
    from importlib import import_module

    module, _, name = target.partition(":")
    return cast("Format", getattr(import_module(module), name)())


def _plugin(entry: EntryPoint) -> Format:
    try:
        return cast("Format", entry.load()())
    except Exception as error:
        raise RegistryError(
            f"format {entry.value!r} cannot be used: {type(error).__name__}: {error}",
            f"entry point {GROUP}:{entry.name}",
            "install the package it needs, or remove it",
        ) from error


def _listed(files: Mapping[str, File]) -> str:
    return ", ".join(sorted(files)) or "none"
