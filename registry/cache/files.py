"""Files that are kept under their SHA-256, and the rule that none is believed without it.

Every read is verified: a file is hashed, unless a stamp says that the very file was hashed before and that nothing of
it changed since (size, modification time, inode, and change time, which only the system sets). A stamp stands beside
the file for other processes, and its own time says when the file was last used. A file that was altered, cut off or
put there by somebody else is thrown out with a warning (`AlteredFile`); it is fetched anew. Files that are looked up
inside `using()` are not taken away before the block ends.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import stat
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

from registry import cache
from registry.errors import Refused, RegistryError

CHUNK = 1 << 20
"""Bytes that are read at once."""
STAMP, LOCK, PART = ".stamp", ".lock", ".part"
"""What may stand beside a kept file: its stamp, its lock, and what came of it so far."""
_YOUNG_NS = 20_000_000
"""A file changed this short ago may change again within one tick of the system's clock: it is not stamped yet."""
_SMALL = 1 << 26
_TOUCH_S = 60.0

_known: dict[str, Stamp] = {}
"""Stamps that this process saw, by path."""
_touched: dict[str, float] = {}
"""When this process said last that a file is in use, by path."""
_in_use: ContextVar[ExitStack | None] = ContextVar("in_use", default=None)


class AlteredFile(UserWarning):
    """A file of the cache was not what its name says."""


class Stamp(NamedTuple):
    """What of a file changes when its bytes do."""

    size: int
    modified_ns: int
    inode: int
    changed_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """The stamp of a file as it is."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


@dataclass(frozen=True)
class VerifiedFile:
    """A file of the cache whose bytes equal its digest; they are held against it again when they are read."""

    path: Path
    sha256: str
    always: bool = field(default=False, repr=False)
    """Whether every read hashes, however little changed."""

    def read(self) -> bytes:
        """All bytes. Raises `Refused` (`digest-matches`) where they are not what was verified."""
        with open(self.path, "rb") as stream:
            data = stream.read()
            if not self.always and _known.get(str(self.path)) == Stamp.of(os.fstat(stream.fileno())):
                return data
        self._require(hashlib.sha256(data).hexdigest())
        return data

    def _require(self, found: str) -> None:
        if found != self.sha256:
            raise Refused(
                "digest-matches",
                f"the cached file has SHA-256 {found}, expected {self.sha256}",
                str(self.path),
                "load again: it is fetched anew",
            )

    def open(self) -> BinaryIO:
        """A stream of the verified bytes; what is large is hashed before it begins, and not held in memory."""
        with ExitStack() as stack:
            stream = stack.enter_context(open(self.path, "rb"))
            found = Stamp.of(os.fstat(stream.fileno()))
            if self.always or _known.get(str(self.path)) != found:
                if found.size < _SMALL:
                    return io.BytesIO(self.read())
                self._require(_hashed(stream))
                stream.seek(0)
            stack.pop_all()
            return stream


@contextmanager
def using() -> Iterator[None]:
    """Keep every file that is looked up in the block from being pruned until it ends."""
    with ExitStack() as stack:
        before = _in_use.set(stack)
        try:
            yield
        finally:
            _in_use.reset(before)


def kept(digest: str, *, always: bool = False) -> Path | None:
    """The kept file with this digest, verified (`always`: hashed, whatever its stamp says), or none."""
    path, stack = cache.path_of(digest), _in_use.get()
    if stack is None or not path.parent.is_dir():
        return verified(path, digest, always=always)
    with ExitStack() as held:
        with suppress(RegistryError):  # a cache that cannot be written is not pruned either
            held.enter_context(cache.lock(beside(path, LOCK), shared=True))
        found = verified(path, digest, always=always)
        if found is not None:
            stack.push(held.pop_all())
        return found


def verified(path: Path, digest: str, *, always: bool = False) -> Path | None:
    """The same for whoever holds the file's lock."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cache.unwritable(path.parent, error) from None
    stamp = Stamp.of(found)
    if not stat.S_ISREG(found.st_mode):
        _throw_out(path, "is no file")
        return None
    if not always and (_known.get(str(path)) == stamp or _stamped(path) == stamp):
        _known[str(path)] = stamp
        _touch(path)
        return path
    try:
        actual = sha256_of(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cache.unwritable(path.parent, error) from None
    if actual != digest:
        _throw_out(path, f"has SHA-256 {actual}")
        return None
    write_stamp(path)
    return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return _hashed(stream)


def _hashed(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(CHUNK):
        digest.update(block)
    return digest.hexdigest()


def harden(stream: IO[bytes]) -> bool:
    """Have the system write a file to disk; whether that was needed.

    Large files, whose disk may be much slower than their source, are left to the system where a stamp can name the boot
    that it holds for (`write_stamp`): after a crash they are hashed again.
    """
    if os.fstat(stream.fileno()).st_size >= _SMALL and boot():
        return False
    os.fsync(stream.fileno())
    return True


@functools.cache
def boot() -> str:
    """What names this run of the system (Linux, random(4)); empty where nothing does."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def write_stamp(path: Path, *, hardened: bool = True) -> None:
    """Say that the file, whose bytes were just hashed and are its digest's, need not be hashed again as it is now.

    Where it may not be on disk yet, that holds until the system is started anew.
    """
    stamp = Stamp.of(os.lstat(path))
    if stamp.size < _SMALL and time.time_ns() - stamp.changed_ns < _YOUNG_NS:
        return
    _known[str(path)] = stamp
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{STAMP}")
    with suppress(OSError):  # a cache that cannot be written is still read
        unfinished.write_text(" ".join([*map(str, stamp), *([] if hardened else [boot()])]), encoding="ascii")
        unfinished.replace(beside(path, STAMP))


@functools.lru_cache(8192)
def beside(path: Path, suffix: str) -> Path:
    """What stands beside a kept file."""
    return path.with_name(path.name + suffix)


def _stamped(path: Path) -> Stamp | None:
    try:
        *numbers, last = beside(path, STAMP).read_text(encoding="ascii").split()
        if len(numbers) < len(Stamp._fields):
            numbers.append(last)
        elif last != boot():
            return None
        return Stamp(*map(int, numbers))
    except (OSError, ValueError, TypeError):
        return None


def _touch(path: Path) -> None:
    """Say that a file is in use, at most once a minute."""
    now, name = time.time(), str(path)
    if abs(now - _touched.get(name, 0.0)) <= _TOUCH_S:
        return
    with suppress(OSError):
        mark = beside(path, STAMP)
        if now - mark.stat().st_mtime > _TOUCH_S:
            os.utime(mark)
        _touched[name] = now


def _throw_out(path: Path, why: str) -> None:
    warnings.warn(f"the cached file {path} {why}: it was thrown out", AlteredFile, stacklevel=4)
    _known.pop(str(path), None)
    try:
        if path.is_dir() and not path.is_symlink():
            path.rename(path.with_name(f"{path.name}.odd-{os.getpid()}"))
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise cache.unwritable(path.parent, error) from None
