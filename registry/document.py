"""A place in a parsed YAML document: a value, the file, and the keys that lead to it.

Rules: reading a field either gives a value of the asked type or raises one `RegistryError` that names file, line and
keys. Text stays exactly as written (a hash `12e4` is text, not a number), since YAML's guesses are no part of a schema.
The line is that of the nearest scalar, since mappings and lists carry none; of empty ones that of their key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

from registry import strictyaml
from registry.errors import RegistryError
from registry.strictyaml import Scalar

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,30})")
_EMPTY: Mapping[str, Any] = MappingProxyType({})
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
"""How nothing is written without quotes (https://yaml.org/type/null.html)."""


def freeze(value: Any) -> Any:
    """The same value with read-only mappings and tuples instead of dicts and lists."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: freeze(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    return value


def thaw(value: Any) -> Any:
    """Fresh dicts and lists for a frozen value; nothing is shared, so YAML writes no aliases."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [thaw(item) for item in value]
    return value


def label(value: Any) -> str | int:
    """A key or column name: an integer where it was written as one without quotes, else text."""
    if isinstance(value, Scalar):
        return int(value) if value.plain and _INTEGER.fullmatch(value) else str(value)
    return value if isinstance(value, int) else str(value)


class Place(NamedTuple):
    """A value of a YAML document and where it stands."""

    value: Any
    """What `strictyaml.parse` or a plain Python document holds there."""
    where: str
    """The file, for messages."""
    trail: tuple[str, ...] = ()
    """The keys from the document's root."""
    fix: str = ""
    """The remedy that every message about this document ends with."""
    line: int = 0
    """The line of its key, for a value that has no line of its own: an empty mapping or list."""

    def fail(self, what: str, at: object = None) -> NoReturn:
        """Raise a `RegistryError` that names this place and the line of `at`, or of the first scalar here."""
        line = _line(self.value if at is None else at) or self.line
        name = ".".join(self.trail)
        raise RegistryError(
            f"{name}: {what}" if name else what, f"{self.where}, line {line}" if line else self.where, self.fix
        )

    @property
    def empty(self) -> bool:
        """Whether nothing stands here."""
        return _is_null(self.value)

    def mapping(self) -> Mapping[Any, Any]:
        """The value as a mapping; null reads as an empty one."""
        if isinstance(self.value, dict):  # sooner told than a mapping
            return self.value
        if _is_null(self.value):
            return _EMPTY
        if not isinstance(self.value, Mapping):
            self.fail(f"expected a mapping, found {_kind(self.value)}")
        return self.value

    def items(self) -> Iterator[tuple[str, Place]]:
        """The entries of a mapping, in the document's order."""
        for key, value in self.mapping().items():
            yield str(key), self._inner(str(key), value, getattr(key, "line", 0))

    def elements(self) -> Iterator[Place]:
        """The elements of a list; null reads as an empty one."""
        if _is_null(self.value):
            return
        if not isinstance(self.value, Sequence) or isinstance(self.value, (str, bytes)):
            self.fail(f"expected a list, found {_kind(self.value)}")
        for number, value in enumerate(self.value):
            yield self._inner(str(number), value)

    def find(self, key: str) -> Place | None:
        """The entry `key` of a mapping; None where it is absent or null."""
        value = self.value
        found = (value if type(value) is dict else self.mapping()).get(key)
        if found is None or _is_null(found):  # the first is most frequent
            return None
        line = 0 if found else next((getattr(each, "line", 0) for each in self.mapping() if each == key), 0)
        return self._inner(key, found, line)

    def need(self, key: str) -> Place:
        """The entry `key` of a mapping, which must be there and not null."""
        found = self.find(key)
        if found is None:
            self.fail(f"{key!r} is missing")
        return found

    def text(self) -> str:
        """The value as text, exactly as written."""
        if not isinstance(self.value, str) or _is_null(self.value):
            self.fail(f"expected text, found {_kind(self.value)}")
        return str(self.value)

    def integer(self) -> int:
        """The value as a whole number."""
        found = label(self.value) if isinstance(self.value, Scalar) else self.value
        if not isinstance(found, int) or isinstance(found, bool):
            self.fail(f"expected a whole number, found {_kind(self.value)}")
        return found

    def boolean(self) -> bool:
        """The value as true or false."""
        found = self.plain()
        if not isinstance(found, bool):
            self.fail(f"expected true or false, found {_kind(self.value)}")
        return found

    def plain(self) -> Any:
        """The value typed by YAML's own rules and frozen: for settings without a schema."""
        return freeze(strictyaml.typed(self.value))

    def rest(self, known: Iterable[str], *, strict: bool = False) -> Mapping[str, Any]:
        """The entries beyond `known`; with `strict` the first of them is an error."""
        known = frozenset(known)
        unknown = {key: value for key, value in self.mapping().items() if key not in known}
        if not unknown:
            return _EMPTY
        if strict:
            key = next(iter(unknown))
            self.fail(f"unknown key {str(key)!r}; known are {', '.join(sorted(known))}", key)
        return MappingProxyType({str(key): freeze(strictyaml.typed(value)) for key, value in unknown.items()})

    def _inner(self, key: str, value: Any, line: int = 0) -> Place:
        return Place(value, self.where, (*self.trail, key), self.fix, line)


def _line(value: object) -> int:
    if isinstance(value, Scalar):
        return value.line
    if isinstance(value, Mapping):
        return next((line for pair in value.items() for line in map(_line, pair) if line), 0)
    if isinstance(value, (list, tuple)):
        return next((line for line in map(_line, value) if line), 0)
    return 0


def _is_null(value: object) -> bool:
    return value is None or (isinstance(value, Scalar) and value.plain and value in _NULLS)


def _kind(value: object) -> str:
    if _is_null(value):
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = str(value)
    return repr(text if len(text) <= 60 else text[:57] + "...")  # noqa: PLR2004 - a message is one line


def same(one: object, two: object) -> bool:
    """Equal as YAML writes them: 1, 1.0 and true are three values, and nan equals itself."""
    return _canonical(one) == _canonical(two)


def _canonical(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(sorted(f"{key!r}:{_canonical(item)}" for key, item in value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return repr(value)
