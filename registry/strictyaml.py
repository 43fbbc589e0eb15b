"""The strict YAML of the registry's own files and of model metafiles.

Rules: one document; scalars stay text until a schema types them; anchors, aliases, merge keys, tags, duplicate
keys and keys that are not scalars are refused, and so are files over 1 MiB or nested deeper than 64. Messages name
file and line. The grammar is YAML 1.1 as libyaml reads it (https://yaml.org/spec/1.1/); writing follows PyYAML's
`safe_dump`, so that MLEM, which reads with `safe_load`, gets the same strings back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

from registry.errors import RegistryError

LIMIT = 1 << 20
"""Largest accepted file, in bytes."""
DEPTH = 64
"""Deepest accepted nesting."""

_BREAKS = "\x85\u2028\u2029"
"""Line breaks beyond ASCII, which PyYAML writes unescaped and reads back as blanks."""
_TYPED = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float")}
_LONGEST_NUMBER = 64
_new = str.__new__


class Scalar(str):
    """The text of a scalar, with the line it stands on and whether it was written without quotes."""

    __slots__ = ("line", "plain")

    line: int
    plain: bool

    def __new__(cls, text: str, line: int = 0, *, plain: bool = True) -> Scalar:
        """Make a scalar of `text`."""
        made = super().__new__(cls, text)
        made.line = line
        made.plain = plain
        return made


def parse(data: bytes, where: str) -> Any:
    """Parse one strict YAML document into dicts, lists and `Scalar`s; an empty document is `None`.

    Raises `RegistryError` that names `where` and the line.
    """
    import yaml

    if len(data) > LIMIT:
        _refuse(f"file of {len(data)} bytes, at most {LIMIT} are read", where, 0)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"not UTF-8: {error.reason} at byte {error.start}", where, data[: error.start].count(b"\n") + 1)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _build(loader(text), where)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        _refuse(f"not valid YAML: {error.problem}", where, line)
    except yaml.YAMLError as error:
        _refuse(f"not valid YAML: {str(error).splitlines()[0]}", where, 0)


def dump(value: Any) -> str:
    """Write plain dicts, lists and scalars, keys sorted, as MLEM's own reader expects them."""
    import yaml

    def write(*, readable: bool) -> str:
        return str(
            yaml.safe_dump(value, sort_keys=True, default_flow_style=False, allow_unicode=readable, width=1 << 16)
        )

    text = write(readable=True)
    return write(readable=False) if any(mark in text for mark in _BREAKS) else text


def typed(value: Any) -> Any:
    """Type a parsed value as PyYAML does, for MLEM wrote by its rules: null, boolean, integer and float where plain.

    Dates stay text.
    """
    if isinstance(value, dict):
        return {str(key): typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed(item) for item in value]
    if not isinstance(value, Scalar):
        return value
    if not value.plain:
        return str(value)
    return _typed_scalar(str(value))


@lru_cache(maxsize=1 << 12)
def _typed_scalar(text: str) -> Any:
    import yaml

    if len(text) > _LONGEST_NUMBER or not text.isascii():
        return str(text)
    loader: Any = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    if tag not in _TYPED:
        return str(text)
    try:
        return loader.construct_object(yaml.ScalarNode(tag, text))
    except ValueError:  # such as `0b_`
        return str(text)


def _build(loader: Any, where: str) -> Any:
    """The one document that a loader gives the events of."""
    from yaml import events

    following: Callable[[], Any] = loader.get_event
    kinds = _Kinds(events.ScalarEvent, events.SequenceStartEvent, events.SequenceEndEvent, events.MappingEndEvent)
    found, documents = None, 0
    event = following()
    while type(event) is not events.StreamEndEvent:
        if type(event) is events.DocumentStartEvent:
            documents += 1
            if documents > 1:
                _refuse("more than one document", where, _line(event))
        elif isinstance(event, events.NodeEvent):
            found = _node(event, following, kinds, where, 0)
        event = following()
    return found


class _Kinds(NamedTuple):
    """The classes of events that are told apart at every node: looked up once."""

    scalar: type
    sequence: type
    sequence_end: type
    mapping_end: type


def _node(event: Any, following: Callable[[], Any], kinds: _Kinds, where: str, depth: int) -> Any:
    """The value that begins with `event`. Written for speed: a check of many links is here most of its time."""
    if event.anchor is not None or event.tag is not None:  # of an alias the first
        _refuse_mark(event, where)
    kind, (scalar, sequence, sequence_end, mapping_end) = type(event), kinds
    if kind is scalar:
        return _scalar(event)
    if depth >= DEPTH:
        _refuse(f"nested deeper than {DEPTH}", where, _line(event))
    if kind is sequence:
        items = []
        while (kind := type(event := following())) is not sequence_end:
            plain = kind is scalar and event.anchor is None and event.tag is None
            items.append(_scalar(event) if plain else _node(event, following, kinds, where, depth + 1))
        return items
    found: dict[Scalar, Any] = {}
    while (kind := type(event := following())) is not mapping_end:
        if kind is not scalar or event.anchor is not None or event.tag is not None:
            _refuse_key(event, where)
        key = _scalar(event)
        if key == "<<" and key.plain:
            _refuse("merge key <<; write the values out", where, key.line)
        if key in found:
            _refuse(f"duplicate key {str(key)!r}", where, key.line)
        event = following()
        plain = type(event) is scalar and event.anchor is None and event.tag is None
        found[key] = _scalar(event) if plain else _node(event, following, kinds, where, depth + 1)
    return found


def _scalar(event: Any) -> Scalar:
    made = _new(Scalar, event.value)
    made.line = event.start_mark.line + 1
    made.plain = not event.style
    return made


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _refuse_key(event: Any, where: str) -> NoReturn:
    _refuse_mark(event, where)
    _refuse("a key that is not a scalar", where, _line(event))


def _refuse_mark(event: Any, where: str) -> None:
    """Refuse what an event says beside its value, if it does."""
    line = _line(event)
    if not hasattr(event, "tag"):
        _refuse(f"alias *{event.anchor}; write the value out", where, line)
    if event.anchor is not None:
        _refuse(f"anchor &{event.anchor}; anchors and aliases are not read here", where, line)
    if event.tag is not None:
        _refuse(f"tag {event.tag}; tags are not read here", where, line)


def _refuse(what: str, where: str, line: int) -> NoReturn:
    place = f"{where}, line {line}" if line else where
    raise RegistryError(what, place, "write plain YAML: mappings, lists and scalars only")
