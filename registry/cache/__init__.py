"""Where the package keeps what can be fetched again, and how processes of one machine share it.

`REGISTRY_CACHE_DIR`, else the platform's cache folder (XDG Base Directory Specification, Apple's and Microsoft's
conventions), written here because a library for it costs as much time as a whole question. Content-addressed files lie
under `sha256/ab/…`: `registry.cache.files` reads them, `registry.cache.transfer` brings them.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from registry.errors import RegistryError

NAME = "git-model-registry"
_DAY_S = 86_400.0


def root() -> Path:
    """The cache folder; not created."""
    named = os.environ.get("REGISTRY_CACHE_DIR")
    if named:
        path = _path(named)
        return path if path.is_absolute() else path.expanduser().absolute()
    return _usual(os.environ.get("XDG_CACHE_HOME", ""), os.environ.get("HOME"))


_path = lru_cache(16)(Path)
"""Paths that are asked for with each load are made once."""


@lru_cache(16)
def _usual(xdg: str, home: str | None) -> Path:  # noqa: ARG001 - another home, another folder
    if sys.platform == "win32":  # pragma: no cover - another platform
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / NAME / "cache"
    if sys.platform == "darwin":  # pragma: no cover - another platform
        return Path.home() / "Library/Caches" / NAME
    return (Path(xdg) if xdg.startswith("/") else Path.home() / ".cache") / NAME


@contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file at `path` alone among all processes of this machine, or `shared`; its folder is made."""
    handle = _locked(path, shared=shared, wait=True)
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def lock_now(path: Path) -> Iterator[bool]:
    """The same alone, without waiting: whether it is held in the block."""
    try:
        handle = _locked(path, shared=False, wait=False)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def _locked(path: Path, *, shared: bool, wait: bool) -> int:
    """The open handle of a lock file that is held; whoever holds it alone may remove the file."""
    while True:
        try:
            handle = _opened(path)
        except OSError as error:
            raise unwritable(path.parent, error) from None
        try:
            _take(handle, shared=shared, wait=wait)
            if _same(handle, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _opened(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _take(handle: int, *, shared: bool, wait: bool) -> None:
    if os.name == "nt":  # pragma: no cover - another platform
        import msvcrt

        mode = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # type: ignore[attr-defined,unused-ignore] # on Windows only
        msvcrt.locking(handle, mode, 1)  # type: ignore[attr-defined,unused-ignore] # on Windows only
    else:
        import fcntl

        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))


def unwritable(path: Path, error: OSError) -> RegistryError:
    """The error for a cache folder that cannot be used."""
    return RegistryError(
        f"the cache folder cannot be written: {error.strerror}",
        str(path),
        "make it writable or name another with REGISTRY_CACHE_DIR",
    )


def touch(path: Path) -> None:
    """Say that a file was used, once a day at most: what was used longest ago is taken out first."""
    with suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY_S:
            os.utime(path)


def path_of(digest: str) -> Path:
    """Where the file with this SHA-256 (64 hex digits) lies once it is kept."""
    return _path_of(root(), digest)


@lru_cache(4096)
def _path_of(folder: Path, digest: str) -> Path:
    return folder.joinpath("sha256", digest[:2], digest)
