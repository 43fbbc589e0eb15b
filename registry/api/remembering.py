"""Answers that a process need not ask for twice.

Where the network may not be used, what a registry said holds for as long as its copy here is the same: nothing but
another process's fetch can change it, and each fetch marks the copy. What a lock file pins, and was found as pinned
once, holds for the process's life while the file is the same, unless the question is also which stages hold it now.
Every answer goes through the gate of `registry.api.admitting` again. A folder that is a registry is asked every time,
since anybody may change it.
"""

from __future__ import annotations

import functools
import os
import threading
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from registry import cache
from registry.api import auditing
from registry.api.admitting import ALLOWED, Require, admit, is_locked
from registry.api.project import open_project
from registry.api.resolving import Resolved, resolve
from registry.api.unchanged import in_time
from registry.offline import is_offline

if TYPE_CHECKING:
    from registry.git.mirror import Mirror

Question = tuple[str | None, ...]
_MOST = 256
_answers: dict[Question, tuple[tuple[int, ...], Resolved]] = {}
_lock = threading.Lock()


def resolve_again(
    name: str,
    stage: str | None,
    version: str | None,
    rev: str | None,
    project: str | PathLike[str],
    *,
    locked: bool = False,
    lock: str | PathLike[str] | None = None,
    require: Require = None,
) -> Resolved:
    """What `resolve` answers, or answered before while that still holds. Raises as `resolve`."""
    file = _lock_file(lock) if locked or is_locked() else None
    key = (name, stage, version, rev, os.fspath(project), file, os.environ.get("REGISTRY_CACHE_DIR"))
    mark = _mark(project, file, require)
    known = _answers.get(key)
    if mark and known is not None and known[0] == mark and in_time(known[1]):
        with auditing.refusals(name, stage, version, rev, project):
            return admit(known[1], require)
    found = resolve(name, stage, version, rev, project, locked=locked, lock=lock, require=require)
    if mark:
        with _lock:
            while len(_answers) >= _MOST:
                _answers.pop(next(iter(_answers)))
            _answers[key] = mark, found
    return found


def _mark(project: str | PathLike[str], file: str | None, require: Require) -> tuple[int, ...]:
    """What changes when the answer may; nothing where it may change at any time."""
    text = os.fspath(project)
    mirror = _mirror(text, cache.root()) if "://" in text else open_project(text).mirror
    if mirror is None:
        return ()
    found: tuple[int, ...] = ()
    if file is not None:
        try:
            known = Path(file).stat()
        except OSError:
            return ()
        found = (known.st_mtime_ns, known.st_size, known.st_ino)
        if not is_offline() and require is None and ALLOWED not in os.environ:
            return found
    seen = mirror.mark() if is_offline() else None
    return (*found, seen) if seen is not None else ()


@functools.lru_cache(_MOST)
def _mirror(url: str, folder: Path) -> Mirror | None:  # noqa: ARG001 - another cache folder, another mirror
    """The mirror of a URL, worked out once; none of a folder's."""
    return open_project(url).mirror


def _lock_file(lock: str | PathLike[str] | None) -> str | None:
    from registry.api.locking import find_lock

    return os.fspath(find_lock(lock))
