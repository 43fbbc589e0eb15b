"""`load_model`: a model as its interface describes it, with pre- and postprocessing, every call checked.

The wrapper has the methods of the interface and nothing else. A call goes through the processors that the metafile
names for it (`call_orders`, as `mlem.core.objects.MlemModel` does): the first takes the arguments, each further one the
result before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import MappingProxyType
from typing import Any

from registry.api.admitting import Require
from registry.api.auditing import LOAD, audited
from registry.api.governing import trust_of
from registry.api.loading import Fetched, bring, hashed_always
from registry.api.remembering import resolve_again
from registry.api.resolving import Resolved
from registry.cache.files import using
from registry.errors import RegistryError
from registry.formats import bound, load_processors
from registry.formats.calling import Call
from registry.formats.unfit import EXTRA_COLUMNS, REFUSE, Fit
from registry.metafile import MAIN, Metafile
from registry.offline import offline as without_network

__all__ = ["Model", "load_model", "resolved_of", "serve"]


class Model:
    """A model with exactly the methods of its interface. `resolved_of` tells what it is."""

    __slots__ = ("_calls", "_resolved")

    def __init__(self, calls: Mapping[str, Call], resolved: Resolved) -> None:
        self._calls = calls
        self._resolved = resolved

    def __getattr__(self, name: str) -> Call:
        if name in Model.__slots__:  # not yet set: copy and pickle make instances without __init__
            raise AttributeError(name)
        call = self._calls.get(name)
        if call is None:
            raise AttributeError(f"the model has no method {name!r}; it has {', '.join(self._calls) or 'none'}")
        return call

    def __dir__(self) -> list[str]:
        return list(self._calls)

    def __reduce__(self) -> str:
        raise TypeError("a served model is not copied or pickled: load it where it is needed")

    def __repr__(self) -> str:
        methods = "; ".join(f"{call.__doc__}" for call in self._calls.values())
        return f"<model {_where(self._resolved)}: {methods}>"


class CallableModel(Model):
    """A model whose interface has `__call__`."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the model, checked as its methods are."""
        return self._calls["__call__"](*args, **kwargs)


def load_model(  # noqa: PLR0913 - the options of `load`, and its own
    name: str,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    *,
    extra_columns: str = REFUSE,
    check_results: bool = True,
    requirements: str | None = None,
    offline: bool = False,
    verify: str = "stamp",
    locked: bool = False,
    lock: str | PathLike[str] | None = None,
    require: Require = None,
) -> Model:
    """Load a model behind its interface: pre- and postprocessing applied, arguments and results checked.

    `extra_columns="drop"` leaves out columns that the interface does not name, else they are refused.
    `check_results=False` hands results out unseen. `requirements` is `compatible` (the default), `strict` or `ignore`:
    the rule for installed versions. The other options are those of `load`. Raises as `load`; a call raises
    `InvalidArguments` or `InvalidResult`.
    """
    with without_network(offline), using():
        resolved = resolve_again(name, stage, version, rev, project, locked=locked, lock=lock, require=require)
        fetched = bring(resolved, always=hashed_always(verify))
        return serve(fetched, extra_columns=extra_columns, check_results=check_results, requirements=requirements)


@audited(LOAD)
def serve(
    fetched: Fetched, *, extra_columns: str = REFUSE, check_results: bool = True, requirements: str | None = None
) -> Model:
    """The wrapper of verified files; the options are those of `load_model`."""
    if extra_columns not in EXTRA_COLUMNS:
        raise RegistryError(
            f"extra_columns={extra_columns!r} says nothing", fix=f"use one of {', '.join(EXTRA_COLUMNS)}"
        )
    resolved, metafile = fetched.resolved, fetched.metafile
    where = f"{resolved.source}@{resolved.source_commit[:7]}:{resolved.link.path}"
    objects = load_processors(
        metafile, fetched.files, trust_of(resolved.policy, signed=resolved.signed), where, requirements
    )
    calls = {}
    for name, method in metafile.interface.methods.items():
        order = metafile.call_orders.get(name) or ((MAIN, name),)
        steps = tuple(_step(metafile, objects, processor, called) for processor, called in order)
        calls[name] = Call(name, method, steps, _where(resolved), Fit(extra_columns), check_result=check_results)
    made = CallableModel if "__call__" in calls else Model
    return made(MappingProxyType(calls), resolved)


def resolved_of(model: Model) -> Resolved:
    """What a loaded model is: version, tag, commits and digests."""
    return model._resolved  # noqa: SLF001 - a name on the wrapper could hide a method of the model


def _step(metafile: Metafile, objects: Mapping[str, object], processor: str, method: str) -> Any:
    held = metafile.processors[processor]
    return bound(held.type, objects[processor], held.interface.methods[method].name)


def _where(resolved: Resolved) -> str:
    return f"{resolved.name}@{resolved.version or resolved.commit[:7]}"
