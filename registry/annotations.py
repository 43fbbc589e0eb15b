"""gto's own files: `.gto` (settings) and `artifacts.yaml` (what is known of artifacts without a tag).

They go through gto's loader (ruamel.yaml, `typ="safe"`), with size and expansion bounded: an alias may repeat a node,
but what the whole document stands for must stay small. Fields and defaults are gto's (1.10, `index.py`, `config.py`).
"""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

from registry.errors import RegistryError
from registry.names import is_artifact

CONFIG = ".gto"
INDEX = "artifacts.yaml"
LIMIT = 1 << 20
"""Largest file that is read, in bytes."""
NODES = 50_000
"""Most nodes a document may stand for once its aliases are written out."""
SMALL = 1 << 16
"""Size, in bytes, up to which a document without aliases needs no counting."""
DEPTH = 64
"""Deepest nesting."""
LONGEST_INT = 1024
"""Longest integer, in bits."""

_TRUE = {"true", "t", "yes", "y", "on", "1"}
_FALSE = {"false", "f", "no", "n", "off", "0"}


class Config(NamedTuple):
    """What `.gto` settles."""

    stages: list[str] | None = None
    """Stages that may be used, in order; none where any may."""
    index: str = INDEX  # type: ignore[assignment]  # hides tuple.index, which nobody asks of a Config
    """Name of the file that lists artifacts."""


def parse_config(data: bytes, where: str) -> Config:
    """Parse `.gto`. Raises `RegistryError`."""
    raw = load(data, where)
    if raw is None:
        return Config()
    if not isinstance(raw, dict):
        raise RegistryError("not a gto configuration: expected a mapping", where, "see gto's documentation of .gto")
    stages = raw.get("stages")
    if stages is not None and not (isinstance(stages, list) and all(_is_plain(stage) for stage in stages)):
        raise RegistryError("stages is not a list of stage names", where, "write `stages: [dev, prod]`")
    index = raw.get("INDEX", INDEX)
    if (
        not isinstance(index, str)
        or not index.isprintable()
        or not index
        or index.startswith(("/", "-"))
        or ".." in index.split("/")
    ):
        raise RegistryError("INDEX is not a file of this repository", where, f"name a file such as {INDEX}")
    return Config(stages, index)


def parse_index(data: bytes, where: str) -> dict[str, dict[str, Any]]:
    """Parse `artifacts.yaml` into gto's fields by artifact. Raises `RegistryError`."""
    raw = load(data, where)
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise RegistryError("not a list of artifacts: expected a mapping", where, "see gto's documentation")
    return {_name(name, where): _fields(fields, f"{where}: {name}") for name, fields in raw.items()}


def _name(name: object, where: str) -> str:
    if not isinstance(name, str) or not _is_plain(name):
        raise RegistryError(f"not an artifact name: {str(name)[:80]!r}", where, "letters, digits, '-', '_' and '/'")
    return name


def _is_plain(name: object) -> bool:
    """Whether it is the name of a stage, or of an artifact without a folder: their grammar is the same."""
    return isinstance(name, str) and ":" not in name and is_artifact(name)


def _fields(raw: object, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise RegistryError("expected a mapping of fields", where, "write `path:` and `type:`")
    labels = raw.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise RegistryError("labels is not a list of names", where)
    for key in ("type", "path", "description"):
        if not isinstance(raw.get(key, ""), str | None):
            raise RegistryError(f"{key} is not text", where)
    return {
        "type": raw.get("type"),
        "path": raw.get("path"),
        "virtual": _boolean(raw.get("virtual", True), where),
        "labels": labels,
        "description": raw.get("description", ""),
        "custom": _plain(raw.get("custom"), where),
    }


def _boolean(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise RegistryError(f"virtual is {value!r}, expected true or false", where)
    return text in _TRUE


def load(data: bytes, where: str) -> Any:
    """Load foreign YAML with its owner's loader, bounded. Raises `RegistryError`."""
    from ruamel.yaml import YAML, YAMLError

    if len(data) > LIMIT:
        raise RegistryError(f"file of more than {LIMIT} bytes", where, "make it smaller")
    try:
        text = data.decode("utf-8")
        if "*" in text or len(text) > SMALL:
            _require_bounded(text, where)
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, UnicodeDecodeError, ValueError, TypeError, RecursionError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise RegistryError(f"not valid YAML: {said[0]}", where, "correct the file") from None


def _require_bounded(text: str, where: str) -> None:
    """Count what a document stands for before anything is built: a merge of merges grows while it is built."""
    from ruamel.yaml import YAML

    total, begun, sizes = 0, list[tuple[str | None, int]](), dict[str, int]()
    for event in YAML(typ="safe", pure=True).parse(text):
        kind = type(event).__name__
        if kind in {"MappingStartEvent", "SequenceStartEvent"}:
            begun.append((event.anchor, total))
            total += 1
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            anchor, before = begun.pop()
            if anchor:
                sizes[anchor] = total - before
        elif kind == "AliasEvent":
            if event.anchor not in sizes:
                raise RegistryError(f"alias *{event.anchor} of nothing, or of itself", where, "correct the file")
            total += sizes[event.anchor]
        elif kind == "ScalarEvent":
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        if total > NODES or len(begun) > DEPTH:
            raise RegistryError(f"more than {NODES} nodes, or deeper than {DEPTH}", where, "make it smaller")


def _plain(value: Any, where: str) -> Any:
    """A value as gto's JSON shows it: dates as text. What JSON cannot show is refused."""
    if isinstance(value, dict):
        return {_plain(key, where): _plain(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | float):
        return value
    if isinstance(value, int) and value.bit_length() <= LONGEST_INT:
        return value
    raise RegistryError(f"a value of type {type(value).__name__} that JSON cannot show", where, "write it as text")
