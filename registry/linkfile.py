"""The link file: which revision of which source repository an artifact is, and the digests it is pinned to.

The format is MLEM's (`object_type: link`, https://github.com/iterative/mlem, `core/objects.py`); the pins stand in
`params` as flat strings, which every MLEM from 0.2.9 to 0.4.14 accepts. Older spellings are read: `repo` for `project`,
`mlem_link` for `path`, and the files of the 0.1 and 0.2 layouts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from types import MappingProxyType
from typing import Any

from registry.errors import RegistryError
from registry.strictyaml import Scalar, dump, parse

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_VERSION = re.compile(r"models/[^/:@]+/[1-9][0-9]{0,9}")
_MLMODEL = "MLmodel"
_SIZE = re.compile(r"[0-9]{1,18}")
_OLD_KEYS = {"repo": "project", "mlem_link": "path"}
_DROPPED = {"description", "labels"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_FIX = "write the link again with `registry link`"
LONGEST = 2048


@dataclass(frozen=True)
class Pin:
    """What one file of the model must be."""

    sha256: str
    """SHA-256 of its bytes, in hex."""
    blob: str | None = None
    """Its git object id, where git holds it."""
    store: str | None = None
    """The store that holds it, where that is not git."""
    key: str | None = None
    """How that store finds it."""
    size: int | None = None
    """Its size in bytes, where it was written down."""

    def json(self) -> dict[str, Any]:
        """What is known of it, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Link:
    """One link file. Raises `RegistryError` for values that none may hold."""

    path: str
    """The model's metafile, from the source project's root; of MLflow `runs/<run id>/…` or `models/<name>/<number>`."""
    project: str | None = None
    """Address of the source repository; none means the registry itself."""
    rev: str | None = None
    """The revision a person reads: a tag, a branch or a commit of the source; of MLflow the run's id."""
    link_type: str = "model"
    params: Mapping[str, str] = field(default_factory=dict)
    """Pins, and whatever else was written there, as flat strings."""

    def __post_init__(self) -> None:
        """Hold what a link is."""
        _require_text("path", self.path)
        _require_text("project", self.project)
        _require_text("rev", self.rev)
        _require_text("link_type", self.link_type)
        _require_params(self.params)

    def json(self) -> dict[str, Any]:
        """All of it, by name."""
        return {name: dict(self.params) if name == "params" else vars(self)[name] for name in _FIELDS}

    @property
    def commit(self) -> str | None:
        """The commit `rev` resolved to when the link was made: what is loaded."""
        found = self.params.get("commit", "")
        return found if _OID.fullmatch(found) else None

    @property
    def tracked(self) -> bool:
        """Whether the source is a tracking server of MLflow, where a run stands for a commit."""
        return (self.project or "").lower().startswith("mlflow+")

    @property
    def pinned(self) -> str | None:
        """What is loaded: the commit; of MLflow the run's id, which is `rev`, where `path` is no alias."""
        if not self.tracked:
            return self.commit
        rev, path = self.rev or "", self.path
        named = path.startswith(f"runs/{rev}/") or _VERSION.fullmatch(path)
        return rev if _RUN_ID.fullmatch(rev) and named else None

    @property
    def metafile_path(self) -> str:
        """The model's metafile, from the source's root: of MLflow the file `MLmodel` of the folder `path`."""
        return f"{self.path}/{_MLMODEL}" if self.tracked else self.path

    @cached_property
    def metafile(self) -> Pin | None:
        """The pin of the model's metafile."""
        return self._pin("metafile")

    @cached_property
    def artifacts(self) -> Mapping[str, Pin]:
        """The pins of the model's artifacts, by the name the metafile gives them."""
        keys = (k for k in self.params if k.startswith("artifact.") and k.endswith(".sha256"))
        names = (key.removeprefix("artifact.").removesuffix(".sha256") for key in keys)
        return MappingProxyType({name: pin for name in names if (pin := self._pin(f"artifact.{name}"))})

    def _pin(self, key: str) -> Pin | None:
        said = {part: self.params.get(f"{key}.{part}", "") for part in ("sha256", "blob", "store", "key", "size")}
        if not _SHA256.fullmatch(said["sha256"]):
            return None
        return Pin(
            sha256=said["sha256"],
            blob=said["blob"] if _OID.fullmatch(said["blob"]) else None,
            store=said["store"] or None,
            key=said["key"] or None,
            size=int(said["size"]) if _SIZE.fullmatch(said["size"]) else None,
        )


def parse_link(data: bytes, where: str) -> Link:
    """Parse a link file. Raises `RegistryError` that names `where`, and the line where YAML itself is wrong."""
    raw = parse(data, where)
    if not isinstance(raw, dict):
        raise RegistryError("not a link: expected a mapping", where, _FIX)
    kind = raw.pop("object_type", None)
    if kind != "link":
        raise RegistryError(f"not a link: object_type is {_shown(kind)}", where, _FIX)
    fields = {_OLD_KEYS.get(key, str(key)): value for key, value in raw.items() if key not in _DROPPED}
    if len(fields) != len([key for key in raw if key not in _DROPPED]):
        raise RegistryError("the same key in an old and a new spelling", where, _FIX)
    null = [key for key in ("project", "rev") if _is_null(fields.get(key))]
    for key in null:
        fields[key] = None
    try:
        return link_of_fields(_plain(fields))
    except _Fault as fault:
        line = getattr(fields.get(fault.field), "line", 0)
        raise RegistryError(fault.what, f"{where}, line {line}" if line else where, _FIX) from None


def link_of_fields(known: Mapping[str, Any]) -> Link:
    """The link with these fields and no others. Raises `RegistryError`."""
    if "path" not in known:
        raise _Fault("path", "Field required")
    unknown = next((key for key in known if key not in _FIELDS), None)
    if unknown is None:
        return Link(**known)
    Link(**{key: value for key, value in known.items() if key in _FIELDS})  # what is wrong with these is told first
    raise _Fault(unknown, "Extra inputs are not permitted")


class _Fault(RegistryError):
    """A field holds what it may not."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"not a link: {key}: {message}", fix=_FIX)
        self.field = key.partition(".")[0]


def _require_params(params: object) -> None:
    if not isinstance(params, Mapping):
        raise _Fault("params", "Input should be a valid dictionary")
    for key, value in params.items():
        if not isinstance(key, str):
            raise _Fault(f"params.{key}.[key]", _NO_TEXT)
        if not isinstance(value, str):
            raise _Fault(f"params.{key}", _NO_TEXT)


def _require_text(key: str, value: object) -> None:
    if value is None and key in _OPTIONAL:
        return
    if not isinstance(value, str):
        raise _Fault(key, _NO_TEXT)
    if value.isascii() and value.isprintable() and 0 < len(value) <= LONGEST:
        return
    if _SURROGATE.search(value):
        raise _Fault(key, f"{_NO_TEXT}, unable to parse raw data as a unicode string")
    if key == "path" and not value:
        raise _Fault(key, "String should have at least 1 character")
    if key != "link_type" and len(value) > LONGEST:
        raise _Fault(key, f"String should have at most {LONGEST} characters")
    if _CONTROL.search(value):
        raise _Fault(key, "Value error, holds a control character")


_NO_TEXT = "Input should be a valid string"
_OPTIONAL = frozenset({"project", "rev"})
_FIELDS = tuple(each.name for each in fields(Link))


def format_link(link: Link) -> str:
    """Write a link file that MLEM reads as well: keys sorted, defaults omitted."""
    fields: dict[str, Any] = {"object_type": "link", "link_type": link.link_type, "path": link.path}
    if link.project is not None:
        fields["project"] = link.project
    if link.rev is not None:
        fields["rev"] = link.rev
    if link.params:
        fields["params"] = dict(link.params)
    return dump(fields)


def _is_null(value: object) -> bool:
    return isinstance(value, Scalar) and value.plain and value in {"", "~", "null"}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, Scalar) else value


def _shown(value: object) -> str:
    return "missing" if value is None else repr(str(value))[:80]
