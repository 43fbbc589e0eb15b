"""Plain Python callables, written by dill as MLEM does, or by cloudpickle.

Source: `mlem.contrib.callable.CallableModelType`. The bytes are of the pickle family; the policy decides. `pickle` is
dill's, with models of other frameworks beside it (`references`); cloudpickle's is read by Python's own pickle, so it is
stored as `simple_pickle`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from registry.errors import RegistryError
from registry.formats import File, Saved, Trust, pickles, references, unknown_io
from registry.formats.reading import calling
from registry.metafile import Metafile, Processor

EXTRA = "callable"
_WRITTEN = {None: "dill", "dill": "dill", "cloudpickle": "cloudpickle"}


class Callable:
    """The format of model type `callable`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The callable; raises `Refused("format-allowed")` or `RegistryError`."""
        found = metafile.processors[processor]
        if found.io not in pickles.READERS:
            raise unknown_io(found, pickles.READERS)
        return pickles.load(found.io, metafile, files, trust)

    def accepts(self, model: object) -> bool:
        """Whether it can be called, and is no class and no file."""
        return callable(model) and not isinstance(model, type)

    def save(self, model: object, sample_data: object, format: str | None) -> Saved:
        """The callable with what it refers to, by dill unless cloudpickle is asked for, and what it needs."""
        from registry.formats import estimator, requirements

        if format not in _WRITTEN:
            raise RegistryError(f"unknown format {format!r}", "", "use dill (the default) or cloudpickle")
        module = pickles.needed(_WRITTEN[format], EXTRA)
        interface = estimator.described({"__call__": model}, sample_data)  # type: ignore[dict-item] # a model is any callable here
        with calling(f"{_WRITTEN[format]} cannot store this callable", "leave out open files, locks and the like"):
            artifacts, modules = _written(module, model)
        needs, local = requirements.collect({*modules, _WRITTEN[format]} | requirements.of_interface(interface))
        io_ = "pickle" if _WRITTEN[format] == "dill" else "simple_pickle"
        return Saved(Processor("callable", io_, interface), artifacts, needs, local=local)


def _written(module: Any, model: object) -> tuple[dict[str, bytes], set[str]]:
    """The artifacts, and the modules that reading them back needs."""
    beside: dict[str, bytes] = {}
    modules: set[str] = set()
    apart = module.__name__ == "dill"
    kept: dict[int, tuple[str, object]] = {}

    class Pickler(module.Pickler):  # type: ignore[misc] # the base is chosen when it runs
        def persistent_id(self, obj: object) -> str | None:
            modules.update(_modules(obj))
            if apart and id(obj) not in kept and (found := references.write(obj, f"r{len(kept)}")):
                beside.update(found)
                kept[id(obj)] = (f"r{len(kept)}", obj)  # the object too, or another may get its id
            return kept[id(obj)][0] if id(obj) in kept else None

    stream = io.BytesIO()
    Pickler(stream, **({"recurse": True} if apart else {})).dump(model)
    return {"data.pkl" if apart else "data": stream.getvalue(), **beside}, modules


def _modules(obj: object) -> set[str]:
    """What one pickled object needs: a module itself, the home of a class or function, the home of an instance's class.

    What stands in `__main__` is stored by value, and needs nothing.
    """
    if isinstance(obj, ModuleType):
        name = obj.__name__
    elif isinstance(obj, (type, FunctionType)):
        name = str(obj.__module__)
    else:
        name = type(obj).__module__
    return {name.partition(".")[0]} - {"__main__", "builtins", "None"}
