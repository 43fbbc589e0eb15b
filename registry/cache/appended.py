"""Files of the cache that are only appended to: what was found out once and lasts, a line each.

Where the folder cannot be written nothing is remembered. A file that grew too large is begun anew, and one that
nobody used for long is taken out.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from registry import cache
from registry.errors import RegistryError

LARGEST: Final = 1 << 26
"""Bytes above which a file is begun anew."""
FORGOTTEN_S: Final = 90 * 86_400
"""Seconds after which a file that nobody used is taken out."""


def read(path: Path) -> bytes:
    """What is in a file; nothing where it cannot be read."""
    cache.touch(path)
    try:
        with open(path, "rb") as stream:
            return stream.read(2 * LARGEST)
    except OSError:
        return b""


def append(path: Path, data: bytes) -> bool:
    """Add to a file, alone among all processes; whether that could be done."""
    with suppress(OSError, RegistryError), cache.lock(path.parent / ".lock"):
        fresh = path.exists() and path.stat().st_size > LARGEST
        with open(path, "wb" if fresh else "ab") as sink:
            sink.write(data)
        _forget(path)
        return True
    return False


def _forget(path: Path) -> None:
    """Take out files beside it that are not in use any more."""
    old = time.time() - FORGOTTEN_S
    for entry in os.scandir(path.parent):
        if entry.name != path.name and not entry.name.startswith(".") and entry.stat().st_mtime < old:
            Path(entry.path).unlink(missing_ok=True)
