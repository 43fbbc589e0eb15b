"""Bringing files into the cache: once for all processes, from where it broke off, verified, and then for good.

A file is written to `….part` under its own lock, hashed on the way, and renamed when its SHA-256 is the one asked for;
whoever waited for the lock finds it there. A process that is killed leaves a part, from which the next one goes on.
What may pass (`Transient`: a cut connection, a busy server) is tried again after a growing pause, for as long as bytes
come (`registry.timeouts` says how long otherwise); everything else fails at once. A source that sends more than was
said is stopped.
"""

from __future__ import annotations

import hashlib
import os
import random
import stat
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, TypeVar

from registry import cache, timeouts
from registry.cache.files import CHUNK, LOCK, PART, beside, harden, verified, write_stamp
from registry.errors import Refused, RegistryError

WORKERS = 4
"""How many files are brought side by side."""
TRIES = 5
"""How often a transfer is tried while no byte comes."""
PAUSE_S = 0.2
"""Seconds before the second try; each further pause doubles, and is shortened by chance."""
LONGEST_PAUSE_S = 10.0
AHEAD = 8
"""How many blocks of `CHUNK` bytes may have been read and not yet been written: what a transfer holds in memory."""

T = TypeVar("T")


class Transient(RegistryError):
    """A failure that may pass: it is worth another try."""

    def __init__(self, what: str, where: str = "", fix: str = "", *, after: float = 0.0) -> None:
        super().__init__(what, where, fix)
        self.after = after
        """Seconds that the server asks to wait before it."""


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end. Raises `Transient` or another `RegistryError`."""
        ...


class Stream(NamedTuple):
    """The bytes of a file from some point on."""

    source: Readable
    offset: int = 0
    """Where it begins: what was asked for, or 0 where the store cannot begin in the middle."""


Opener = Callable[[int], AbstractContextManager[Stream]]
"""Opens a file at a byte offset."""
Step = Callable[[str, int, int | None], None]
"""Told how far a transfer is, from any thread: name, bytes so far, bytes in all where known."""


@dataclass(frozen=True)
class Wanted:
    """One file to bring."""

    digest: str
    """SHA-256, in hex: what the bytes must be."""
    open: Opener = field(repr=False)
    name: str
    """What it is, for messages and progress."""
    where: str
    """Where it comes from, for messages."""
    size: int | None = None
    """Bytes, where known."""


def transfer(wanted: Sequence[Wanted], step: Step | None = None, workers: int = WORKERS) -> dict[str, Path]:
    """Bring files into the cache; where each lies, by digest.

    Raises `Refused` (`digest-matches`) where the bytes are others, and what the store raises.
    """
    if len(wanted) <= 1:
        return {each.digest: _one(each, step) for each in wanted}
    with ThreadPoolExecutor(min(workers, len(wanted))) as pool:
        jobs = {each.digest: pool.submit(copy_context().run, _one, each, step) for each in wanted}
        try:
            return {digest: job.result() for digest, job in jobs.items()}
        except BaseException:
            for job in jobs.values():
                job.cancel()
            raise


def retrying(attempt: Callable[[], T], came: Callable[[], int], most: int = TRIES) -> T:
    """Try until it is done.

    A `Transient` failure is the end after `most` tries, or `timeouts.patience`, in which `came` did not grow.
    """
    tries, before, since = 0, came(), time.monotonic()
    while True:
        try:
            return attempt()
        except Transient as error:
            now = came()
            if now > before:
                tries, since = 0, time.monotonic()
            tries, before = tries + 1, now
            pause = min(LONGEST_PAUSE_S, PAUSE_S * 2 ** (tries - 1)) * random.uniform(0.5, 1)  # noqa: S311 - no secret
            pause = max(pause, error.after)
            if tries >= most or time.monotonic() - since + pause >= timeouts.patience():
                raise
            time.sleep(pause)


def _one(wanted: Wanted, step: Step | None) -> Path:
    path = cache.path_of(wanted.digest)
    part = beside(path, PART)
    with cache.lock(beside(path, LOCK)):
        found = verified(path, wanted.digest)  # by another process, while this one waited
        if found is not None:
            return found
        try:
            return retrying(lambda: _attempt(wanted, path, part, step), lambda: _length(part))
        except OSError as error:
            raise cache.unwritable(path.parent, error) from None
        finally:
            if not _length(part):
                part.unlink(missing_ok=True)


def _length(part: Path) -> int:
    try:
        return part.lstat().st_size
    except FileNotFoundError:
        return 0


def _attempt(wanted: Wanted, path: Path, part: Path, step: Step | None) -> Path:
    """Go on with what is here, to the end. Raises `Transient` where the stream broke off or the part was another's."""
    if part.is_symlink() or (part.exists() and not stat.S_ISREG(part.lstat().st_mode)):
        part.unlink()
    with open(part, "a+b", buffering=0) as sink:
        digest, begun = _hashed(sink)
        if wanted.size is not None and begun > wanted.size:
            digest, begun = _emptied(sink), 0
        length = begun
        if wanted.size is None or begun < wanted.size:
            with wanted.open(begun) as stream:
                if stream.offset != begun:
                    digest, begun = _emptied(sink), 0
                length = _copied(wanted, stream.source, sink, digest, begun, step)
        if wanted.size is not None and length < wanted.size:
            raise Transient(
                f"{wanted.name} ended after {length} of {wanted.size} bytes", wanted.where, "try again later"
            )
        found = digest.hexdigest()
        if found == wanted.digest:
            hardened = harden(sink)
            os.fchmod(sink.fileno(), 0o444) if hasattr(os, "fchmod") else None
    if found == wanted.digest:
        part.replace(path)
        write_stamp(path, hardened=hardened)
        return path
    part.unlink(missing_ok=True)
    if begun:
        raise Transient(f"what was here of {wanted.name} was not part of it", wanted.where, "try again")
    raise Refused(
        "digest-matches",
        f"{wanted.name} has SHA-256 {found}, the link pins {wanted.digest}",
        wanted.where,
        "do not use it: find out who changed it, or link the new revision in a pull request",
    )


def _copied(
    wanted: Wanted, source: Readable, sink: IO[bytes], digest: hashlib._Hash, begun: int, step: Step | None
) -> int:
    """Write and hash what comes, each in a thread of its own, up to `AHEAD` blocks behind what is read.

    A disk stalls when the system flushes: neither reading nor hashing waits for it at every block.
    """
    length = begun
    with ThreadPoolExecutor(1) as hashing, ThreadPoolExecutor(1) as writing:
        under_way: deque[Future[Any]] = deque()
        while block := source.read(CHUNK):
            length += len(block)
            while len(under_way) > 2 * AHEAD:
                under_way.popleft().result()
            if wanted.size is not None and length > wanted.size:
                wait(under_way)
                sink.truncate(0)
                raise Refused(
                    "digest-matches",
                    f"{wanted.name} has more than the {wanted.size} bytes that are pinned",
                    wanted.where,
                    "do not use it: find out who changed it, or link the new revision in a pull request",
                )
            under_way += hashing.submit(digest.update, block), writing.submit(_write, sink, block)
            if step is not None:
                step(wanted.name, length, wanted.size)
        for each in under_way:
            each.result()
    return length


def _write(sink: IO[bytes], block: bytes) -> None:
    """Write all of it: an unbuffered file may take less at once."""
    rest = memoryview(block)
    while rest:
        rest = rest[sink.write(rest) :]


def _hashed(sink: IO[bytes]) -> tuple[hashlib._Hash, int]:
    sink.seek(0)
    digest, length = hashlib.sha256(), 0
    while block := sink.read(CHUNK):
        digest.update(block)
        length += len(block)
    return digest, length


def _emptied(sink: IO[bytes]) -> hashlib._Hash:
    sink.truncate(0)
    sink.seek(0)
    return hashlib.sha256()
