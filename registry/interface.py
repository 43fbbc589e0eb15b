"""The interface of a model: its methods, their arguments and results.

Layout: the `methods:` mapping of a MLEM 0.4 metafile (`mlem.core.model.Signature`), in a model's metafile and in a
contract `interfaces/<name>.yaml` alike; a contract is strict about unknown keys, a metafile keeps them. Whether a model
may stand in for a contract is judged in `registry.substitution`. No I/O, no framework, nothing is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from registry import datatypes, strictyaml
from registry.datatypes import UNSPECIFIED, DataType
from registry.document import Place, thaw

_ARGUMENT = ("name", "type_", "required", "default", "kw_only")
_METHOD = ("name", "args", "returns", "varargs", "varargs_type", "varkw", "varkw_type")
_FIX = "write `methods:` as in a MLEM metafile: a model's own metafile shows it"


@dataclass(frozen=True)
class Argument:
    """One argument of a method."""

    name: str
    type_: DataType = UNSPECIFIED
    required: bool = True
    default: Any = None
    """The value it takes when it is left out; frozen YAML."""
    kw_only: bool = False
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Keys that are not known here, kept as read."""


@dataclass(frozen=True)
class Method:
    """One method that callers may use."""

    name: str
    """The attribute of the model's object, mostly the name it is offered under."""
    args: tuple[Argument, ...] = ()
    returns: DataType = UNSPECIFIED
    varargs: str | None = None
    varkw: str | None = None
    varargs_type: DataType | None = None
    varkw_type: DataType | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Interface:
    """Methods by the name they are offered under."""

    methods: Mapping[str, Method] = field(default_factory=lambda: MappingProxyType({}))

    def to_dict(self) -> dict[str, Any]:
        """The methods in MLEM's layout, defaults omitted, in fresh dicts and lists."""
        return {name: _method_dict(method) for name, method in self.methods.items()}


def from_methods(methods: Mapping[str, Any] | Place, where: str = "methods", *, strict: bool = False) -> Interface:
    """Read MLEM's `methods:` mapping, parsed by `strictyaml` or plain Python.

    Raises `RegistryError` with line and keys; `strict` refuses unknown keys.
    """
    place = methods if isinstance(methods, Place) else Place(methods, where, ("methods",))
    return Interface(MappingProxyType({name: _read_method(name, at, strict=strict) for name, at in place.items()}))


def parse_contract(data: bytes, where: str) -> Interface:
    """Read `interfaces/<name>.yaml`; unknown keys are refused with their line."""
    root = Place(strictyaml.parse(data, where), where, (), _FIX)
    root.rest(("methods", "requirements"), strict=True)
    methods = root.need("methods")
    if not methods.mapping():
        methods.fail("a contract names at least one method")
    return from_methods(methods, strict=True)


def contract_requirements(data: bytes, where: str) -> tuple[str, ...]:
    """What a contract's callers have installed: the texts of its `requirements`, such as `numpy>=1.24,<3`."""
    found = Place(strictyaml.parse(data, where), where, (), _FIX).find("requirements")
    return tuple(each.text() for each in found.elements()) if found else ()


def dump_contract(interface: Interface) -> str:
    """Write an interface as the text of a contract, keys sorted, defaults omitted."""
    return strictyaml.dump({"methods": interface.to_dict()})


def signature(method: Method) -> str:
    """A method as a person reads it, such as `(X: dataframe of 2 columns, n: int = 3) -> ndarray of float64 [*]`."""
    positional = [describe_argument(argument) for argument in method.args if not argument.kw_only]
    keyword = [describe_argument(argument) for argument in method.args if argument.kw_only]
    rest = [f"*{method.varargs}"] if method.varargs is not None else ["*"] if keyword else []
    last = [f"**{method.varkw}"] if method.varkw is not None else []
    return f"({', '.join([*positional, *rest, *keyword, *last])}) -> {datatypes.describe(method.returns)}"


def describe_argument(argument: Argument) -> str:
    """An argument as a person reads it; one that may be left out shows its default."""
    said = f"{argument.name}: {datatypes.describe(argument.type_)}"
    return said if argument.required else f"{said} = {thaw(argument.default)!r}"


def _read_method(name: str, place: Place, *, strict: bool) -> Method:
    extra = place.rest(_METHOD, strict=strict)
    args = place.find("args")
    returns = place.find("returns")
    return Method(
        name=_text(place, "name") or name,
        args=_read_arguments(args, strict=strict) if args else (),
        returns=datatypes.read(returns, strict=strict) if returns else UNSPECIFIED,
        varargs=_text(place, "varargs"),
        varkw=_text(place, "varkw"),
        varargs_type=_type(place, "varargs_type", strict=strict),
        varkw_type=_type(place, "varkw_type", strict=strict),
        extra=extra,
    )


def _read_arguments(place: Place, *, strict: bool) -> tuple[Argument, ...]:
    found = tuple(_read_argument(item, strict=strict) for item in place.elements())
    names = [argument.name for argument in found]
    if len(set(names)) != len(names):
        place.fail(f"an argument is named twice: {', '.join(names)}")
    return found


def _read_argument(place: Place, *, strict: bool) -> Argument:
    extra = place.rest(_ARGUMENT, strict=strict)
    required, default, kw_only = place.find("required"), place.find("default"), place.find("kw_only")
    return Argument(
        name=place.need("name").text(),
        type_=_type(place, "type_", strict=strict) or UNSPECIFIED,
        required=required.boolean() if required else True,
        default=default.plain() if default else None,
        kw_only=kw_only.boolean() if kw_only else False,
        extra=extra,
    )


def _text(place: Place, key: str) -> str | None:
    found = place.find(key)
    return found.text() if found else None


def _type(place: Place, key: str, *, strict: bool) -> DataType | None:
    found = place.find(key)
    return datatypes.read(found, strict=strict) if found else None


def _method_dict(method: Method) -> dict[str, Any]:
    found: dict[str, Any] = {**thaw(method.extra), "name": method.name}
    found["args"] = [_argument_dict(argument) for argument in method.args]
    found["returns"] = datatypes.to_dict(method.returns)
    for key in ("varargs", "varkw"):
        if getattr(method, key) is not None:
            found[key] = getattr(method, key)
    for key in ("varargs_type", "varkw_type"):
        if getattr(method, key) is not None:
            found[key] = datatypes.to_dict(getattr(method, key))
    return found


def _argument_dict(argument: Argument) -> dict[str, Any]:
    found: dict[str, Any] = {**thaw(argument.extra), "name": argument.name}
    found["type_"] = datatypes.to_dict(argument.type_)
    if not argument.required:
        found["required"] = False
    if argument.default is not None:
        found["default"] = thaw(argument.default)
    if argument.kw_only:
        found["kw_only"] = True
    return found
