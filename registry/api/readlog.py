"""The log of a ledger, each commit read once on this machine: what was read lies in the cache, under `ledgers-read/`.

A commit's id is the hash of all that it and its forerunners hold, so what was read up to some commit stays true: a
ledger that goes on is read from there on. What lies there is held against its SHA-256, and thrown away where it is
damaged or of another version; whoever can write to the cache can write what was read, as with proofs of signatures.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from os import PathLike
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, NamedTuple

from registry import cache
from registry.errors import Refused, RegistryError
from registry.git.ledger import descends, log
from registry.ledger import Entry
from registry.ledgerchain import Commit, parse_message

FOLDER: Final = "ledgers-read"
LARGEST: Final = 1 << 27
"""Bytes above which nothing is remembered."""
_FORM: Final = ["1", *Entry._fields]
"""Changes with what is remembered."""
_APPROVALS: Final = Entry._fields.index("approvals")


class Read(NamedTuple):
    """One commit of a ledger, read."""

    oid: str
    time: int
    """Committer's time, in seconds."""
    committer: str
    """`Name <email>`."""
    entries: tuple[Entry, ...]


def read_log(path: str | PathLike[str], tip: str, where: str) -> list[Read]:
    """The log up to `tip`, oldest first. Raises `Refused` (`ledger-valid`) for a commit that cannot be read."""
    file = cache.root() / FOLDER / sha256(where.encode("utf-8", "surrogateescape")).hexdigest()
    known = _recall(file)
    if known and known[-1].oid == tip:
        return known
    since = known[-1].oid if known and descends(path, tip, known[-1].oid) else None
    fresh = [_read(each, where) for each in log(path, tip, since=since)]
    whole = [*known, *fresh] if since else fresh
    with suppress(OSError):
        _remember(file, whole)
    return whole


def _read(commit: Commit, where: str) -> Read:
    try:
        entries = parse_message(commit.message, f"{where}: ledger commit {commit.oid}")
    except RegistryError as error:
        raise Refused("ledger-valid", error.what, error.where, "see `registry ledger verify`") from None
    return Read(commit.oid, commit.time, commit.committer, tuple(entries))


def _recall(file: Path) -> list[Read]:
    cache.touch(file)
    try:
        data = file.read_bytes()
    except OSError:
        return []
    digest, _, body = data.partition(b"\n")
    if digest != sha256(body).hexdigest().encode():
        return []
    with suppress(ValueError, TypeError, IndexError, KeyError):
        form, *commits = json.loads(body)
        if form == _FORM:
            return [Read(oid, time, who, tuple(map(_entry, entries))) for oid, time, who, entries in commits]
    return []


def _entry(fields: list[Any]) -> Entry:
    fields[_APPROVALS] = tuple(fields[_APPROVALS])
    return Entry._make(fields)


def _remember(file: Path, commits: Sequence[Read]) -> None:
    body = json.dumps([_FORM, *commits], separators=(",", ":")).encode()
    if len(body) > LARGEST:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as sink:
        try:
            sink.write(sha256(body).hexdigest().encode() + b"\n" + body)
            sink.close()
            Path(sink.name).replace(file)
        except BaseException:
            Path(sink.name).unlink(missing_ok=True)
            raise
