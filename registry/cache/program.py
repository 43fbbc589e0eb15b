"""What this program is, as far as its answers depend on it: for what is remembered only as long as it stays the same.

That is every module of this package by name, size and time, Python, the system, and the folders that packages are
imported from: installing, upgrading or removing one changes the time of its folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path


def fingerprint() -> str:
    """The SHA-256 of all that, in hex."""
    package = str(Path(__file__).parents[1])
    beside = [(each, _time(Path(each))) for each in sys.path]
    found = os.uname() if sys.platform != "win32" else None
    system = (sys.platform, *((found.release, found.version, found.machine) if found else ()))
    return sha256(repr((sys.version, system, beside, sorted(_modules(package)))).encode()).hexdigest()


def _modules(folder: str) -> Iterator[tuple[str, int, int]]:
    for entry in os.scandir(folder):
        if entry.name == "__pycache__":
            continue
        if entry.is_dir():
            yield from _modules(entry.path)
        else:
            found = entry.stat()
            yield entry.path, found.st_size, found.st_mtime_ns


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
