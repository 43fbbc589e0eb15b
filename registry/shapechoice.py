"""Shapes that are one of several: by a key that is there, or by a word that names the kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.document import Place
from registry.shape import Record, Schema, Shape, Unknown, require_value


@dataclass(frozen=True)
class ByKey:
    """One of two shapes of a mapping: which one, a key says by being there."""

    key: str
    there: Shape
    absent: Shape

    def read(self, place: Place, unknown: list[Unknown]) -> Any:
        """As `Shape`."""
        return (self.there if self.key in place.mapping() else self.absent).read(place, unknown)

    def schema(self) -> Schema:
        """As `Shape`."""
        return {
            "type": "object", "if": {"required": [self.key]},
            "then": self.there.schema(), "else": self.absent.schema(),
        }  # fmt: skip


@dataclass(frozen=True)
class Tagged:
    """A word, or a mapping of one word to its parameters; a bare word is the same as `word: {}`."""

    kinds: Mapping[str, Record]

    def read(self, place: Place, unknown: list[Unknown]) -> Any:
        """As `Shape`."""
        if isinstance(place.value, str) and not place.empty:
            word, inner = place.text(), place._replace(value={})
        else:
            entries = list(place.items())
            if len(entries) != 1:
                place.fail(f"expected one of {', '.join(self.kinds)}, with its parameters")
            word, inner = entries[0]
            require_value(place, next(iter(place.mapping())), inner)
        if word not in self.kinds:
            place.fail(f"{word[:80]!r} is none of {', '.join(self.kinds)}")
        shape = self.kinds[word]
        missing = [key for key, each in shape.keys.items() if each.required] or shape.some_of
        if isinstance(place.value, str) and missing:
            place.fail(f"{word!r} needs its parameters: {', '.join(missing)}")
        return shape.read(inner, unknown)

    def schema(self) -> Schema:
        """As `Shape`."""
        bare = [word for word, each in self.kinds.items() if not _needs(each)]
        one = {word: each.schema() for word, each in self.kinds.items()}
        whole = {
            "type": "object", "properties": one, "additionalProperties": False, "minProperties": 1, "maxProperties": 1,
        }  # fmt: skip
        return {"anyOf": [{"enum": bare}, whole]}


def _needs(record: Record) -> bool:
    return bool(record.some_of) or any(each.required for each in record.keys.values())
