"""What this machine found out and need not find out again: lines of text by a key, in a file that only grows.

Rules: a line has a checksum, and one that is damaged is passed over; fields are printable and hold no tab. Where the
folder cannot be written nothing is remembered. A file that nobody used for long is taken out when another of
its folder grows. Whoever can write to such a file can write what was found out: it belongs to the user alone, like the
rest of the cache.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from registry import cache
from registry.errors import RegistryError

LARGEST: Final = 1 << 26
"""Bytes above which a file is begun anew."""
FORGOTTEN_S: Final = 90 * 86_400
"""Seconds after which a file that nobody used is taken out."""

Fields = tuple[str, ...]


class Journal:
    """The lines of one file; read once, written by `save`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _known(path)
        self._new: dict[str, Fields] = {}

    def get(self, key: str) -> Fields | None:
        """What was remembered under a key."""
        return self._new.get(key) or self._known.get(key)

    def add(self, key: str, fields: Fields) -> None:
        """Remember fields under a key; those that are not printable are not remembered beyond this process."""
        if all(field.isprintable() for field in (key, *fields)):
            self._new[key] = fields

    def save(self) -> None:
        """Append what is new; where that cannot be done, nothing happens."""
        if not self._new:
            return
        data = b"\n" + b"".join(_line(key, fields) for key, fields in self._new.items())
        with suppress(OSError, RegistryError), cache.lock(self._path.parent / ".lock"):
            fresh = self._path.exists() and self._path.stat().st_size > LARGEST
            with open(self._path, "wb" if fresh else "ab") as sink:
                sink.write(data)
            self._known = {**self._known, **self._new}
            self._new.clear()
            _forget(self._path)


def _line(key: str, fields: Fields) -> bytes:
    text = "\t".join([key, *fields]).encode()
    return b"%08x\t%b\n" % (crc32(text), text)


_MOST = 8
_last: dict[Path, tuple[tuple[int, int, int], dict[str, Fields]]] = {}
"""What was read last, with the file's inode, size and time: one run asks several times."""


def _known(path: Path) -> dict[str, Fields]:
    cache.touch(path)
    try:
        found = path.stat()
    except OSError:
        return {}
    stamp = found.st_ino, found.st_size, found.st_mtime_ns
    kept = _last.get(path)
    if kept is None or kept[0] != stamp:
        while len(_last) >= _MOST:
            _last.pop(next(iter(_last)), None)
        kept = _last[path] = stamp, _read(path)
    return kept[1]


def _read(path: Path) -> dict[str, Fields]:
    try:
        with open(path, "rb") as stream:
            data = stream.read(2 * LARGEST)
    except OSError:
        return {}
    known = {}
    made: dict[bytes, Fields] = {}  # most say the same
    for line in data.split(b"\n"):
        check, _, text = line.partition(b"\t")
        if check != b"%08x" % crc32(text):
            continue
        key, _, said = text.partition(b"\t")
        with suppress(UnicodeDecodeError):
            if said not in made:
                made[said] = tuple(said.decode().split("\t"))
            known[key.decode()] = made[said]
    return known


def _forget(path: Path) -> None:
    """Take out files that are not in use any more."""
    old = time.time() - FORGOTTEN_S
    for entry in os.scandir(path.parent):
        if entry.name != path.name and not entry.name.startswith(".") and entry.stat().st_mtime < old:
            Path(entry.path).unlink(missing_ok=True)
