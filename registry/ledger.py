"""An entry of the ledger: what it may say, how it is written, and where its state stands in the ledger's tree. Pure.

Rules: an entry is one line of JSON (RFC 8259) in ASCII, keys sorted, no blanks, nothing that is absent written, at most
`LARGEST` bytes; whatever would be written otherwise is refused, so that one entry has one digest. Its tag's name, where
it has one, says the same as the entry. `previous` is the SHA-256 of the line before: the log is chained by that as well
as by git's commits. The entries of one commit are one atomic group.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from registry import versions
from registry.errors import RegistryError
from registry.names import is_artifact, require_stage
from registry.tags import (
    ASSIGNMENT,
    DEPRECATION,
    DEREGISTRATION,
    REGISTRATION,
    UNASSIGNMENT,
    TagName,
    parse_name,
)

FORMAT: Final = 1
LARGEST: Final = 1 << 16
"""Largest entry, in bytes."""
LONGEST: Final = 500
"""Longest text of a field, in characters; of `reason` eight times that."""
MOST: Final = 64
"""Most approvals of an entry."""
LATEST: Final = 253_402_300_799
"""The last second of the year 9999."""

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "register": ("name", "version", "tag"),
    "deregister": ("name", "version", "tag"),
    "assign": ("name", "version", "stage", "tag"),
    "rollback": ("name", "version", "stage", "tag"),
    "unassign": ("name", "stage", "tag"),
    "deprecate": ("name", "tag"),
    "revoke": ("name", "version", "reason"),
    "archive": ("name",),
    "approve": ("name", "version", "stage", "evidence"),
    "override": ("name", "version", "stage", "reason"),
    "reject": ("name", "reason"),
    "adopt": ("name", "tag"),
    "policy": ("policy_digest",),
}
"""Each kind of entry with what it must say."""

_SAYS: Final = {
    "register": REGISTRATION,
    "deregister": DEREGISTRATION,
    "assign": ASSIGNMENT,
    "rollback": ASSIGNMENT,
    "override": ASSIGNMENT,
    "unassign": UNASSIGNMENT,
    "deprecate": DEPRECATION,
}
_OID: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_TEXTS: Final = ("kind", "name", "version", "stage", "tag", "actor", "principal", "reason")
_FIX: Final = "find out who wrote it: entries are written by `registry` only"


class Entry(NamedTuple):
    """One thing that was accepted (or, `reject`, refused), and everything that is known of it."""

    kind: str
    """One of `NEEDS`."""
    actor: str
    """Who did it, as `Name <email>`."""
    name: str | None = None
    """The artifact."""
    version: str | None = None
    stage: str | None = None
    tag: str | None = None
    """The tag's name, without `refs/tags/`."""
    tag_oid: str | None = None
    """That tag's object id."""
    commit: str | None = None
    """The commit it points at."""
    link: str | None = None
    """SHA-256 of the link file at that commit."""
    evidence: str | None = None
    """SHA-256 of the evidence it was judged on."""
    principal: str | None = None
    """Whose key signed, as `allowed_signers` names them; none where nothing was signed."""
    approvals: tuple[str, ...] = ()
    """Tags of the approvals that counted, or what stood for them."""
    policy_version: int = 0
    """Version of the policy it was judged by; 0 where there was none."""
    policy_digest: str | None = None
    """SHA-256 of that `policy.yaml`."""
    reason: str | None = None
    """Why, in a person's words."""
    sequence: int = 0
    """Its number in the ledger, from 1; given when it is appended."""
    time: int = 0
    """When it was recorded, in seconds since 1970-01-01 UTC; given when it is appended."""
    previous: str | None = None
    """SHA-256 of the entry before; none of the first. Given when it is appended."""


def format_entry(entry: Entry) -> str:
    """The entry as its one line, without a newline."""
    raw: dict[str, Any] = {key: value for key, value in zip(_FIELDS, entry, strict=True) if value is not None}
    raw["format"] = FORMAT
    if not entry.approvals:
        del raw["approvals"]
    return _CODER.encode(raw)


_FIELDS: Final = Entry._fields


_CODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(line: str) -> str:
    """SHA-256 of an entry's line."""
    return sha256(line.encode("ascii")).hexdigest()


def parse_entry(line: str | bytes, where: str = "") -> Entry:
    """Read an entry's line. Raises `RegistryError` for anything that `format_entry` would not have written."""
    try:
        return _parsed(line.decode("ascii") if isinstance(line, bytes) else line)
    except (ValueError, TypeError, RecursionError, RegistryError) as error:
        said = error.what if isinstance(error, RegistryError) else str(error)[:200]
        raise RegistryError(f"an entry of the ledger cannot be read: {said}", where, _FIX) from None


def _parsed(text: str) -> Entry:
    if len(text) > LARGEST:
        raise ValueError(f"it has {len(text)} bytes, at most {LARGEST} are read")
    raw = json.loads(text)
    if not isinstance(raw, dict) or raw.pop("format", None) != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    approvals = raw.pop("approvals", [])
    found = Entry(**raw, approvals=tuple(approvals))
    _require(found)
    if format_entry(found) != text:
        raise ValueError("it is not written in the one form that entries have")
    return found


def require_entry(entry: Entry) -> Entry:
    """Return an entry that may be written. Raises `RegistryError`."""
    try:
        _require(entry)
    except (ValueError, TypeError) as error:
        raise _unwritable(str(error)) from None
    size = len(format_entry(entry))
    if size > LARGEST:
        raise _unwritable(f"it has {size} bytes, at most {LARGEST} are written")
    return entry


def _unwritable(why: str) -> RegistryError:
    return RegistryError(f"this cannot be recorded in the ledger: {why}", fix="correct what is recorded")


def _require(entry: Entry) -> None:
    """Raise `ValueError` or `TypeError` for what no entry may say."""
    if entry.kind not in NEEDS:
        raise ValueError(f"kind {str(entry.kind)[:40]!r} is not known")
    for key in _TEXTS:
        _text(key, getattr(entry, key), LONGEST * 8 if key == "reason" else LONGEST)
    for text in entry.approvals:
        _text("approvals", text, LONGEST)
    if len(entry.approvals) > MOST:
        raise ValueError(f"it has {len(entry.approvals)} approvals, at most {MOST} are kept")
    for key in ("sequence", "time", "policy_version"):
        number = getattr(entry, key)
        if type(number) is not int or not 0 <= number <= LATEST:
            raise ValueError(f"`{key}` is no number from 0 to {LATEST}")
    _hex(entry)
    missing = [key for key in NEEDS[entry.kind] if not getattr(entry, key)]
    if missing or not entry.actor:
        raise ValueError(f"a {entry.kind!r} entry needs `{(missing or ['actor'])[0]}`")
    _names(entry)
    _tag(entry)


def _text(key: str, value: Any, longest: int) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value or len(value) > longest:
        raise ValueError(f"`{key}` is no text of 1 to {longest} characters")
    if not value.isprintable():  # neither a line's end, nor half of a surrogate pair, nor what turns a terminal's text
        raise ValueError(f"`{key}` holds what cannot be printed")


def _hex(entry: Entry) -> None:
    for key, pattern in _HEX:
        value = getattr(entry, key)
        if value is not None and (not isinstance(value, str) or pattern.fullmatch(value) is None):
            raise ValueError(f"`{key}` is no {'object id' if pattern is _OID else 'SHA-256'} in hex")


_HEX: Final = (
    ("tag_oid", _OID), ("commit", _OID), ("link", _SHA256), ("evidence", _SHA256), ("policy_digest", _SHA256),
    ("previous", _SHA256),
)  # fmt: skip


def _names(entry: Entry) -> None:
    if entry.name is not None and not is_artifact(entry.name):
        raise ValueError(f"not an artifact name: {entry.name!r}")
    if entry.version is not None and not versions.is_version(entry.version):
        raise ValueError(f"not a version: {entry.version!r}")
    if entry.stage is not None:
        require_stage(entry.stage)
    if entry.kind == "policy" and (entry.name or entry.version or entry.stage):
        raise ValueError("an entry about the policy names no artifact")


def _tag(entry: Entry) -> None:
    """The tag's name says the same as the entry; of a rejected one it may say anything."""
    if entry.tag is None:
        if entry.tag_oid is not None:
            raise ValueError("`tag_oid` without `tag`")
        return
    if entry.tag_oid is None or entry.commit is None:
        raise ValueError("`tag` needs `tag_oid` and `commit`")
    expected = _SAYS.get(entry.kind)
    if expected is None and entry.kind not in {"adopt", "revoke"}:
        return
    said = parse_name(entry.tag)
    if not isinstance(said, TagName) or expected not in {None, said.kind} or said.artifact != entry.name:
        raise ValueError(f"tag {entry.tag!r} is not one of {entry.kind!r} and {entry.name!r}")
    same = said.version in {None, entry.version} and not (said.kind == DEPRECATION and entry.version)
    if said.stage != entry.stage or not same:
        raise ValueError(f"tag {entry.tag!r} names another version or stage than the entry")


def event_kind(entry: Entry) -> str:
    """The kind, and of an adopted tag what that tag does."""
    if entry.kind != "adopt" or entry.tag is None:
        return entry.kind
    said = parse_name(entry.tag)
    doing = {event: kind for kind, event in _SAYS.items() if kind not in {"rollback", "override"}}
    return doing[said.kind] if isinstance(said, TagName) else entry.kind
