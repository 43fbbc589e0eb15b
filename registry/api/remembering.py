"""Answers that a process need not ask for twice: what a registry said, for as long as its copy here is the same.

Only where the network may not be used: then nothing but another process's fetch can change the answer, and each fetch
marks the copy. A folder that is a registry is asked every time, since anybody may change it.
"""

from __future__ import annotations

import threading
from os import PathLike

from registry.api.project import open_project
from registry.api.resolving import Resolved, resolve
from registry.offline import is_offline

_MOST = 256
_answers: dict[tuple[str | None, ...], tuple[int, Resolved]] = {}
_lock = threading.Lock()


def resolve_again(
    name: str, stage: str | None, version: str | None, rev: str | None, project: str | PathLike[str]
) -> Resolved:
    """What `resolve` answers, or offline answered before while nothing was fetched since. Raises as `resolve`."""
    mirror = open_project(project).mirror if is_offline() else None
    if mirror is None:
        return resolve(name, stage, version, rev, project)
    mark, key = mirror.mark(), (name, stage, version, rev, str(mirror.path))
    known = _answers.get(key)
    if known is not None and known[0] == mark:
        return known[1]
    found = resolve(name, stage, version, rev, project)
    with _lock:
        while len(_answers) >= _MOST:
            _answers.pop(next(iter(_answers)))
        if mark is not None:
            _answers[key] = mark, found
    return found
