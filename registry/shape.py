"""The shape of a document: one description that reads it, with file and line, and that is its JSON Schema. Pure.

Each shape has two sides, `read` and `schema`, which accept the same: so what an editor says of a file
(https://json-schema.org/draft/2020-12/schema) is what the registry says of it. Unknown keys are no error to `read`:
they are noted, for whoever reads to tell; to the schema they are wrong. Text of a YAML file counts as text however it
looks, which no JSON Schema can say: there `read` accepts more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from registry.document import Place
from registry.plural import plural

Schema = dict[str, Any]
_NUMBER = re.compile(r"[-+]?[0-9]{1,15}(\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?")
_MOST = 1000
"""Most entries of a list or mapping."""


class Unknown(NamedTuple):
    """A key that means nothing."""

    key: str
    line: int


class Shape(Protocol):
    """What may stand at a place."""

    def read(self, place: Place, unknown: list[Unknown]) -> Any:
        """The value, frozen. Raises `RegistryError` that names file and line."""
        ...

    def schema(self) -> Schema:
        """The same as JSON Schema."""
        ...


@dataclass(frozen=True)
class Text:
    """Text that matches a pattern; `convert` makes a value of it, or raises `ValueError` with what is wrong."""

    pattern: str
    what: str
    """What it is, with its article, for messages."""
    convert: Callable[[str], Any] | None = None
    numbers: bool = False
    """Whether digits alone may be such a text: then a number may stand there."""

    def read(self, place: Place, unknown: list[Unknown]) -> Any:  # noqa: ARG002 - one shape for all
        """As `Shape`."""
        text = place.text()
        if re.fullmatch(self.pattern, text, re.ASCII) is None:
            place.fail(f"{text[:80]!r} is not {self.what}")
        if self.convert is None:
            return text
        try:
            return self.convert(text)
        except ValueError as error:
            place.fail(f"{text[:80]!r} is not {self.what}: {error}")

    def schema(self) -> Schema:
        """As `Shape`."""
        pattern = {"pattern": f"^(?:{self.pattern})$"}
        if not self.numbers:
            return {"type": "string", **pattern}
        return {"type": ["string", "integer"], **pattern, "minimum": 1, "maximum": 10**12}


@dataclass(frozen=True)
class OneOf:
    """One of some words."""

    words: Sequence[str]

    def read(self, place: Place, unknown: list[Unknown]) -> str:  # noqa: ARG002 - one shape for all
        """As `Shape`."""
        text = place.text()
        if text not in self.words:
            place.fail(f"{text[:80]!r} is none of {', '.join(self.words)}")
        return text

    def schema(self) -> Schema:
        """As `Shape`."""
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Whole:
    """A whole number."""

    least: int = 0
    most: int = 10**9

    def read(self, place: Place, unknown: list[Unknown]) -> int:  # noqa: ARG002 - one shape for all
        """As `Shape`."""
        found = place.integer()
        if not self.least <= found <= self.most:
            place.fail(f"{found} is not from {self.least} to {self.most}")
        return found

    def schema(self) -> Schema:
        """As `Shape`."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Number:
    """A finite number, below 10^15 in size."""

    least: float = -1e15
    most: float = 1e15

    def read(self, place: Place, unknown: list[Unknown]) -> float:  # noqa: ARG002 - one shape for all
        """As `Shape`."""
        text = place.text()
        found = float(text) if getattr(place.value, "plain", True) and _NUMBER.fullmatch(text) else math.nan
        if not self.least <= found <= self.most:
            place.fail(f"{text[:80]!r} is not a number from {self.least:g} to {self.most:g}")
        return found

    def schema(self) -> Schema:
        """As `Shape`."""
        return {"type": "number", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def read(self, place: Place, unknown: list[Unknown]) -> bool:  # noqa: ARG002 - one shape for all
        """As `Shape`."""
        return place.boolean()

    def schema(self) -> Schema:
        """As `Shape`."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Listed:
    """A list, as a tuple."""

    inner: Shape
    least: int = 0

    def read(self, place: Place, unknown: list[Unknown]) -> tuple[Any, ...]:
        """As `Shape`."""
        found = tuple(self.inner.read(each, unknown) for each in place.elements())
        _require_count(place, len(found), self.least)
        return found

    def schema(self) -> Schema:
        """As `Shape`."""
        return {"type": "array", "items": self.inner.schema(), "minItems": self.least, "maxItems": _MOST}


@dataclass(frozen=True)
class Keyed:
    """A mapping from names of one kind to values of one shape; `named` is given the key too."""

    key: Text
    inner: Shape
    named: Callable[[str, Any], Any] = field(default=lambda _, value: value)

    def read(self, place: Place, unknown: list[Unknown]) -> Mapping[str, Any]:
        """As `Shape`."""
        found = {}
        for raw, (key, each) in zip(place.mapping(), place.items(), strict=True):
            if re.fullmatch(self.key.pattern, key, re.ASCII) is None:
                place.fail(f"{key[:80]!r} is not {self.key.what}", raw)
            require_value(place, raw, each)
            found[key] = self.named(key, self.inner.read(each, unknown))
        _require_count(place, len(found), 0)
        return MappingProxyType(found)

    def schema(self) -> Schema:
        """As `Shape`."""
        key = {"pattern": f"^(?:{self.key.pattern})$"}
        return {
            "type": "object", "propertyNames": key, "additionalProperties": self.inner.schema(), "maxProperties": _MOST,
        }  # fmt: skip


@dataclass(frozen=True)
class Key:
    """A key of a record."""

    shape: Shape
    says: str
    """What it means, in a sentence: editors show it."""
    required: bool = False


@dataclass(frozen=True)
class Record:
    """A mapping with known keys; `make` is called with those that are there."""

    make: Callable[..., Any]
    keys: Mapping[str, Key]
    some_of: tuple[str, ...] = ()
    """At least one of these must be there."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """What `make` calls a key, where that is a word of Python."""

    def read(self, place: Place, unknown: list[Unknown]) -> Any:
        """As `Shape`."""
        if place.empty and place.trail:
            place.fail("expected a mapping, found nothing")
        found = {}
        for raw, (key, each) in zip(place.mapping(), place.items(), strict=True):
            known = self.keys.get(key)
            if known is None:
                unknown.append(Unknown(".".join((*place.trail, key)), getattr(raw, "line", 0)))
                continue
            require_value(place, raw, each)
            found[self.renamed.get(key, key)] = known.shape.read(each, unknown)
        for key, known in self.keys.items():
            if known.required:
                place.need(key)
        if self.some_of and not any(key in place.mapping() for key in self.some_of):
            place.fail(f"one of {', '.join(self.some_of)} is missing")
        return self.make(**found)

    def schema(self) -> Schema:
        """As `Shape`."""
        told: Schema = {
            "type": "object",
            "properties": {key: {"description": each.says, **each.shape.schema()} for key, each in self.keys.items()},
            "additionalProperties": False,
        }
        if required := [key for key, each in self.keys.items() if each.required]:
            told["required"] = required
        if self.some_of:
            told["anyOf"] = [{"required": [key]} for key in self.some_of]
        return told


def read(shape: Shape, place: Place) -> tuple[Any, tuple[Unknown, ...]]:
    """Read a document: its value, and the keys that mean nothing. Raises `RegistryError`."""
    unknown: list[Unknown] = []
    return shape.read(place, unknown), tuple(unknown)


def require_value(place: Place, raw: object, each: Place) -> None:
    """A key without a value says nothing: whoever wrote it meant to say something."""
    if each.empty:
        place.fail(f"{str(raw)!r} has no value; write [] or {{}} for none, or leave the key out", raw)


def _require_count(place: Place, count: int, least: int) -> None:
    if not least <= count <= _MOST:
        place.fail(f"has {plural(count, 'entry', 'entries')}, expected from {least} to {_MOST}")
