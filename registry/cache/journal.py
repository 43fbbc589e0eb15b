"""What this machine found out and need not find out again: lines of text by a key, in a file that only grows.

Rules: a line has a checksum, and one that is damaged is passed over; fields are printable and hold no tab. Where the
folder cannot be written nothing is remembered. A file that nobody used for long is taken out when another of
its folder grows. Whoever can write to such a file can write what was found out: it belongs to the user alone, like the
rest of the cache.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from zlib import crc32

from registry.cache import appended

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
        if appended.append(self._path, data):
            self._known = {**self._known, **self._new}
            self._new.clear()


def _line(key: str, fields: Fields) -> bytes:
    text = "\t".join([key, *fields]).encode()
    return b"%08x\t%b\n" % (crc32(text), text)


_MOST = 8
_last: dict[Path, tuple[tuple[int, int, int], dict[str, Fields]]] = {}
"""What was read last, with the file's inode, size and time: one run asks several times."""


def _known(path: Path) -> dict[str, Fields]:
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
    known = {}
    made: dict[bytes, Fields] = {}  # most say the same
    for line in appended.read(path).split(b"\n"):
        check, _, text = line.partition(b"\t")
        if check != b"%08x" % crc32(text):
            continue
        key, _, said = text.partition(b"\t")
        with suppress(UnicodeDecodeError):
            if said not in made:
                made[said] = tuple(said.decode().split("\t"))
            known[key.decode()] = made[said]
    return known
