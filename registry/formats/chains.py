"""A model with pre- and postprocessors, as MLEM lays it out when it is saved.

Source: `mlem.core.objects.MlemModel.from_obj`. `preprocess` and `postprocess` are one processor for all methods, or a
dict of them by method; each has exactly one method. The sample data passes through the chain: each processor's
interface is that of what reaches it. A processor is saved by the format that knows it (a transformer), and a
plain callable by reference: its pickle holds a name in an importable module and nothing of its code, which
dill, and so MLEM, reads as well.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeAlias

from registry.errors import RegistryError
from registry.formats import Format, Saved, bound, find, find_for
from registry.interface import Interface
from registry.metafile import MAIN, Processor

_Given: TypeAlias = "object | Mapping[str, object] | None"


@dataclass(frozen=True)
class Chain:
    """Every processor as bytes, and the order in which a call goes through them."""

    parts: Mapping[str, Saved]
    """By processor; the model is `model`."""
    call_orders: Mapping[str, tuple[tuple[str, str], ...]]


def build(
    model: object,
    sample_data: object,
    format: str | None,
    preprocess: _Given = None,
    postprocess: _Given = None,
) -> Chain:
    """The model and its processors as bytes; raises `RegistryError`."""
    kind = find_for(model)
    plain = kind.save(model, None, format) if preprocess is not None or postprocess is not None else None
    if plain is None:
        saved = kind.save(model, sample_data, format)
        return Chain({MAIN: saved}, {name: ((MAIN, name),) for name in saved.processor.interface.methods})
    methods = list(plain.processor.interface.methods)
    before, after = _by_method("preprocess", preprocess, methods), _by_method("postprocess", postprocess, methods)
    parts: dict[str, Saved] = {}
    orders: dict[str, list[tuple[str, str]]] = {method: [(MAIN, method)] for method in methods}
    prepared: dict[str, object] = {}
    for method, (name, processor) in before.items():
        if name not in parts:
            parts[name] = _saved(name, processor, sample_data, kind, format)
            prepared[name] = _called(parts[name].processor, processor, _only_method(name, parts[name]), sample_data)
        orders[method].insert(0, (name, _only_method(name, parts[name])))
    reaches = {method: prepared[before[method][0]] if method in before else sample_data for method in methods}
    parts[MAIN] = _main(kind, model, plain, format, reaches)
    for method, (name, processor) in after.items():
        if name not in parts:
            given = _called(parts[MAIN].processor, model, method, reaches[method])
            parts[name] = _saved(name, processor, given, kind, format)
        orders[method].append((name, _only_method(name, parts[name])))
    return Chain(parts, {method: tuple(order) for method, order in orders.items()})


def _by_method(what: str, given: _Given, methods: list[str]) -> dict[str, tuple[str, object]]:
    """For each method the processor's name and itself, named as MLEM names it."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(methods, (what, given))
    unknown = [str(name) for name in given if name not in methods]
    if unknown:
        raise RegistryError(
            f"{what} names methods that the model has not: {', '.join(unknown)}", "", f"use {', '.join(methods)}"
        )
    return {method: (f"{what}_{method}", given[method]) for method in methods if method in given}


def _main(
    kind: Format,
    model: object,
    plain: Saved,
    format: str | None,
    reaches: Mapping[str, object],
) -> Saved:
    """The model with each method described by what reaches it; its bytes are those of one save."""
    described: dict[int, Saved] = {}
    for sample in reaches.values():
        if sample is not None and id(sample) not in described:
            described[id(sample)] = kind.save(model, sample, format)
    if len(described) <= 1:
        return next(iter(described.values()), plain)
    needs = {(need.type, need.package): need for saved in described.values() for need in saved.requirements}
    methods = {
        name: described.get(id(reaches[name]), plain).processor.interface.methods[name]
        for name in plain.processor.interface.methods
    }
    processor = replace(plain.processor, interface=Interface(MappingProxyType(methods)))
    return replace(plain, processor=processor, requirements=tuple(needs.values()))


def _only_method(name: str, saved: Saved) -> str:
    methods = list(saved.processor.interface.methods)
    if len(methods) != 1:
        raise RegistryError(
            f"{name} has the methods {', '.join(methods)}; a processor has exactly one",
            "",
            "pass a function, or a transformer",
        )
    return methods[0]


def _called(processor: Processor, held: object, method: str, sample: object) -> object:
    if sample is None:
        return None
    return bound(processor.type, held, processor.interface.methods[method].name)(sample)


def _saved(name: str, processor: object, sample: object, main: Format, format: str | None) -> Saved:
    """By the format that knows it, which takes `format` where it is the model's own; a plain callable by reference."""
    try:
        kind = find_for(processor)
    except RegistryError:
        if not callable(processor):
            raise
        return _by_reference(name, processor, sample)
    if callable(processor) and type(kind) is type(find("callable")):
        return _by_reference(name, processor, sample)
    return kind.save(processor, sample, format if type(kind) is type(main) else None)


def _by_reference(name: str, processor: Callable[..., object], sample: object) -> Saved:
    from registry.formats import estimator, requirements
    from registry.formats.pickles import Recorder

    stream = io.BytesIO()
    recorder = Recorder(stream)
    fix = "define it at the top of an importable module, so that whoever loads the model can import it"
    try:
        recorder.dump(processor)
    except Exception as error:
        raise RegistryError(f"{name} cannot be stored by its name: {str(error)[:300]}", "", fix) from error
    if "__main__" in recorder.modules:
        raise RegistryError(f"{name} is defined in the program that was started, which no module names", "", fix)
    try:
        method = estimator.describe("__call__", processor, sample)
    except TypeError as error:
        raise RegistryError(
            f"the arguments of {name} are not known: {error}", "", "wrap it in a function of one argument"
        ) from None
    interface = Interface(MappingProxyType({"__call__": method}))
    needs, local = requirements.collect(recorder.modules | requirements.of_interface(interface))
    described = Processor("callable", "pickle", interface)
    return Saved(described, {"data.pkl": stream.getvalue()}, needs, (), local)
