"""What a machine must not forget: small files that, unlike the cache, cannot be fetched again.

`REGISTRY_STATE_DIR`, else the platform's folder for state (`XDG_STATE_HOME` of the XDG Base Directory Specification,
Apple's and Microsoft's conventions). It is apart from the cache, so nothing that cleans the cache takes it. A file is
replaced whole, by one process at a time.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from registry.cache import NAME, lock
from registry.errors import RegistryError


class Unwritable(RegistryError):
    """Nothing can be remembered here."""


def root() -> Path:
    """The state folder; not created."""
    named = os.environ.get("REGISTRY_STATE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":  # pragma: no cover - another platform
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / NAME / "state"
    if sys.platform == "darwin":  # pragma: no cover - another platform
        return Path.home() / "Library/Application Support" / NAME
    xdg = os.environ.get("XDG_STATE_HOME", "")
    return (Path(xdg) if xdg.startswith("/") else Path.home() / ".local/state") / NAME


def recall(path: Path) -> bytes | None:
    """What a file remembers, or none. Raises `RegistryError` where it is there and cannot be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RegistryError(
            f"what this machine remembers cannot be read: {error.strerror}",
            str(path),
            "make it readable, or name another folder with REGISTRY_STATE_DIR",
        ) from None


def change(path: Path, changed: Callable[[bytes | None], bytes | None]) -> None:
    """Replace a file by what `changed` makes of it (none: leave it), alone among all processes of this machine.

    Raises `Unwritable`, and what `changed` raises.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as sink, lock(path.with_suffix(".lock")):
            data = changed(recall(path))
            if data is None:
                return
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
            unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        unfinished.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> Unwritable:
    return Unwritable(
        f"the state folder cannot be written: {error.strerror}",
        str(path.parent),
        "make it writable, or name another with REGISTRY_STATE_DIR",
    )
