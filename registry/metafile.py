"""The model metafile of MLEM 0.4, and the forms before it.

Source: `mlem.core.objects.MlemModel` and `mlem.api.migrations` of MLEM 0.4.14 (https://github.com/iterative/mlem).
Rules: everything is data. No name found in the file is imported (`object_type: pkg.Class`, `type: pkg.Class`), no code
in it is unpacked (`source64zip`) or looked up (`ptype`). Keys that are not known are kept. Before 0.4 one model stood
under `model_type`; it is read as the processor `model`, called alone, as MLEM's own migration does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from registry import interface, strictyaml
from registry.document import Place, thaw
from registry.errors import RegistryError
from registry.interface import Interface, Method

MAIN = "model"
"""The processor that is the model itself; others prepare its input or finish its output."""
FSSPEC = "fsspec"
"""Type of an artifact whose `uri` is a URL."""
DEFAULT_IO = {
    "sklearn": "simple_pickle",
    "sklearn_pipeline": "simple_pickle",
    "sklearn_transformer": "simple_pickle",
    "callable": "pickle",
    "catboost": "catboost_io",
    "lightgbm": "lightgbm_io",
    "onnx": "model_proto",
    "tf_keras": "tf_keras",
    "torch": "torch_io",
    "xgboost": "xgboost_io",
}
"""How MLEM stores a model type when the metafile does not say; MLEM leaves a default out."""

_TOP = ("object_type", "artifacts", "processors", "model_type", "call_orders", "requirements", "params")
_FIX = "save the model again with registry.save or MLEM 0.4"


def _none() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True)
class ArtifactRef:
    """One file of the model, as the metafile names it."""

    uri: str
    """Relative to the metafile's folder, or a URL; not yet checked, see `registry.layout`."""
    size: int | None = None
    hash: str | None = None
    """MD5 in hex, as MLEM writes it; never what a load is verified against."""
    type: str = "local"
    """MLEM's storage: `local`, `dvc` or `fsspec`."""
    extra: Mapping[str, Any] = field(default_factory=_none)


@dataclass(frozen=True)
class Processor:
    """One object among those that make up the model."""

    type: str
    """Model type, such as `sklearn` or `callable`."""
    io: str
    """How its bytes are stored, such as `skops`, `simple_pickle` or `pickle`."""
    interface: Interface = field(default_factory=Interface)
    io_options: Mapping[str, Any] = field(default_factory=_none)
    """Further keys of `io`, such as `is_jit` of torch."""
    extra: Mapping[str, Any] = field(default_factory=_none)


@dataclass(frozen=True)
class Requirement:
    """One thing the model needs: an `installable` package, or `custom` code, which is kept as text."""

    type: str = "installable"
    module: str | None = None
    version: str | None = None
    package_name: str | None = None
    """The package to install where it is named otherwise than the module."""
    extra: Mapping[str, Any] = field(default_factory=_none)

    @property
    def package(self) -> str | None:
        """The package to install."""
        return self.package_name or self.module


@dataclass(frozen=True)
class Metafile:
    """A model's metafile."""

    artifacts: Mapping[str, ArtifactRef]
    processors: Mapping[str, Processor]
    call_orders: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=_none)
    """For each offered method the (processor, method) pairs that are called in turn."""
    requirements: tuple[Requirement, ...] = ()
    params: Mapping[str, Any] = field(default_factory=_none)
    extra: Mapping[str, Any] = field(default_factory=_none)
    """Top-level keys that are not known here, such as `description` and `labels` before 0.2.8."""

    @property
    def main(self) -> Processor:
        """The model itself."""
        return self.processors[MAIN]

    @property
    def model_type(self) -> str:
        """Type of the model itself."""
        return self.main.type

    @property
    def io(self) -> str:
        """How the model itself is stored."""
        return self.main.io

    @property
    def interface(self) -> Interface:
        """What callers see: the first called processor's arguments and the last one's result, as in MLEM."""
        if not self.call_orders:
            return self.main.interface
        return Interface(MappingProxyType({name: self._offered(name) for name in self.call_orders}))

    def _offered(self, name: str) -> Method:
        (first, first_method), (last, last_method) = self.call_orders[name][0], self.call_orders[name][-1]
        taken = self.processors[first].interface.methods[first_method]
        given = self.processors[last].interface.methods[last_method]
        if taken is given:
            return taken
        return Method(
            name,
            taken.args,
            given.returns,
            taken.varargs,
            taken.varkw,
            taken.varargs_type,
            taken.varkw_type,
            taken.extra,
        )


def parse(data: bytes, where: str) -> Metafile:
    """Read a metafile; raises `RegistryError` with file, line and keys for anything that is not a model's."""
    root = Place(strictyaml.parse(data, where), where, (), _FIX)
    _require_model(root)
    processors = {name: _processor(place) for name, place in _processors(root).items()}
    if MAIN not in processors:
        root.fail(f"processor {MAIN!r} is missing; found {', '.join(processors) or 'none'}")
    artifacts, requirements, params = root.find("artifacts"), root.find("requirements"), root.find("params")
    return Metafile(
        artifacts=_mapping({name: _artifact(place) for name, place in artifacts.items()} if artifacts else {}),
        processors=_mapping(processors),
        call_orders=_mapping(_call_orders(root, processors)),
        requirements=tuple(_requirement(place) for place in requirements.elements()) if requirements else (),
        params=_mapping({key: place.plain() for key, place in params.items()} if params else {}),
        extra=root.rest(_TOP),
    )


def dump(metafile: Metafile) -> str:
    """Write a metafile as MLEM 0.4 reads it: keys sorted, defaults omitted."""
    found: dict[str, Any] = {**thaw(metafile.extra), "object_type": "model"}
    found["artifacts"] = {name: _artifact_dict(ref) for name, ref in metafile.artifacts.items()}
    found["processors"] = {name: _processor_dict(each) for name, each in metafile.processors.items()}
    if metafile.call_orders:
        found["call_orders"] = thaw(metafile.call_orders)
    if metafile.requirements:
        found["requirements"] = [_requirement_dict(each) for each in metafile.requirements]
    if metafile.params:
        found["params"] = thaw(metafile.params)
    return strictyaml.dump(found)


def _require_model(root: Place) -> None:
    if not isinstance(root.value, Mapping):
        root.fail("not a model's metafile: expected a mapping at the top")
    found = root.find("object_type")
    if found is None:
        root.fail("not a model's metafile: 'object_type' is missing")
    if found.text() == "link":
        raise RegistryError(
            "object_type is 'link', expected 'model'", root.where, "link to the model itself, not to another link"
        )
    if found.text() != "model":
        found.fail(f"unknown object type {found.text()[:200]!r}, expected 'model'; it was not imported")


def _processors(root: Place) -> dict[str, Place]:
    """The processors; before 0.4 the one model stands under `model_type` instead."""
    found = root.find("processors")
    if found is not None:
        return dict(found.items())
    return {MAIN: root.need("model_type")}


def _processor(place: Place) -> Processor:
    type_ = place.need("type").text()
    io, methods = place.find("io"), place.find("methods")
    options: Mapping[str, Any] = _none()
    kind = DEFAULT_IO.get(type_, "")
    if io is not None and isinstance(io.value, str):  # MLEM's shorthand: the name alone
        kind = io.text()
    elif io is not None:
        kind, options = io.need("type").text(), io.rest(("type",))
    elif not kind:
        place.fail(f"'io' is missing, and model type {type_[:200]!r} has no default")
    offered = interface.from_methods(methods) if methods else Interface()
    return Processor(type_, kind, offered, options, place.rest(("type", "io", "methods")))


def _call_orders(root: Place, processors: Mapping[str, Processor]) -> dict[str, tuple[tuple[str, str], ...]]:
    if root.find("processors") is None:
        return {name: ((MAIN, name),) for name in processors[MAIN].interface.methods}
    orders = root.find("call_orders")
    return {name: _steps(place, processors) for name, place in orders.items()} if orders else {}


def _steps(place: Place, processors: Mapping[str, Processor]) -> tuple[tuple[str, str], ...]:
    steps = []
    for step in place.elements():
        pair = tuple(part.text() for part in step.elements())
        if len(pair) != 2:  # noqa: PLR2004 - a pair
            step.fail("expected a processor and its method")
        if pair[0] not in processors or pair[1] not in processors[pair[0]].interface.methods:
            step.fail(f"there is no method {pair[1]!r} of a processor {pair[0]!r}")
        steps.append((pair[0], pair[1]))
    if not steps:
        place.fail("expected at least one processor and its method")
    return tuple(steps)


def _artifact(place: Place) -> ArtifactRef:
    size, digest, type_ = place.find("size"), place.find("hash"), place.find("type")
    if size is not None and size.integer() < 0:
        size.fail(f"expected a size of at least 0, found {size.integer()}")
    return ArtifactRef(
        uri=place.need("uri").text(),
        size=size.integer() if size else None,
        hash=digest.text() if digest else None,
        type=type_.text() if type_ else "local",
        extra=place.rest(("uri", "size", "hash", "type")),
    )


def _requirement(place: Place) -> Requirement:
    if isinstance(place.value, str):  # MLEM's shorthand: the type alone
        return Requirement(place.text())
    fields = {key: place.find(key) for key in ("type", "module", "version", "package_name")}
    known = {key: found.text() for key, found in fields.items() if found is not None}
    return Requirement(**known, extra=place.rest(fields))


def _artifact_dict(ref: ArtifactRef) -> dict[str, Any]:
    found = {**thaw(ref.extra), "uri": ref.uri, "size": ref.size, "hash": ref.hash}
    if ref.type != "local":
        found["type"] = ref.type
    return {key: value for key, value in found.items() if value is not None}


def _processor_dict(processor: Processor) -> dict[str, Any]:
    found = {**thaw(processor.extra), "type": processor.type, "methods": processor.interface.to_dict()}
    default = processor.io == DEFAULT_IO.get(processor.type) and processor.type != "callable"
    if processor.io_options or not default:  # MLEM's callable has a required `io`
        found["io"] = {**thaw(processor.io_options), "type": processor.io}
    return found


def _requirement_dict(requirement: Requirement) -> dict[str, Any]:
    found = {
        **thaw(requirement.extra),
        "type": None if requirement.type == "installable" else requirement.type,
        "module": requirement.module,
        "version": requirement.version,
        "package_name": requirement.package_name,
    }
    return {key: value for key, value in found.items() if value is not None}


def _mapping(value: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(value)
