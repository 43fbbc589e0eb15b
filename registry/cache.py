"""Where the package keeps what can be fetched again, and how processes of one machine share it.

`REGISTRY_CACHE_DIR`, else the platform's cache folder (XDG Base Directory Specification, Apple's and Microsoft's
conventions), written here because a library for it costs as much time as a whole question. Content-addressed files lie
under `sha256/ab/…`; they are written to a temporary name, verified and renamed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from registry.errors import RegistryError

NAME = "git-model-registry"
_CHUNK = 1 << 20


def root() -> Path:
    """The cache folder; not created."""
    named = os.environ.get("REGISTRY_CACHE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    if sys.platform == "win32":  # pragma: no cover - another platform
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / NAME / "cache"
    if sys.platform == "darwin":  # pragma: no cover - another platform
        return Path.home() / "Library/Caches" / NAME
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(xdg) if xdg.startswith("/") else Path.home() / ".cache") / NAME


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the lock file at `path` alone among all processes of this machine; its folder is made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC if os.name != "nt" else os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise unwritable(path.parent, error) from None
    try:
        _take(handle)
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> None:
    if os.name == "nt":  # pragma: no cover - another platform
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore] # only there on Windows
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)


def unwritable(path: Path, error: OSError) -> RegistryError:
    """The error for a cache folder that cannot be used."""
    return RegistryError(
        f"the cache folder cannot be written: {error.strerror}",
        str(path),
        "make it writable or name another with REGISTRY_CACHE_DIR",
    )


def path_of(digest: str) -> Path:
    """Where the file with this SHA-256 (64 hex digits) lies once it is kept."""
    return root() / "sha256" / digest[:2] / digest


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    import hashlib

    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(_CHUNK):
            digest.update(block)
        return digest.hexdigest()


def keep(digest: str, fill: Callable[[IO[bytes]], None]) -> tuple[Path | None, str]:
    """Keep a file under its digest: `fill` writes a temporary file, which is renamed when its SHA-256 is `digest`.

    Returns the path, or `None` where the bytes were others, and the SHA-256 that they had.
    """
    import tempfile

    target = path_of(digest)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", dir=target.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                fill(stream)
                stream.flush()
                os.fsync(stream.fileno())
            found = sha256_of(temporary)
            if found != digest:
                return None, found
            temporary.chmod(0o444)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(target.parent, error) from None
    return target, digest


def kept(digest: str) -> Path | None:
    """The kept file with this digest, every byte verified; one that was altered is thrown out."""
    path = path_of(digest)
    try:
        if not path.is_file() or path.is_symlink():
            return None
        if sha256_of(path) == digest:
            return path
        path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(path.parent, error) from None
    return None
