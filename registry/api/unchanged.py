"""What a remote registry said of an artifact holds while the refs that it was read from are the same.

An answer is a function of the artifact's tags and the default branch, and each of their ids names its content. So after
the registry was asked, and git told which refs it has now, an answer that was read from the very same refs is given
again: a process that loads often pays for one fetch. A tag from the future is the one thing that time alone changes: an
answer is not given again in another hour than the one in which it was read. Answers with a warning are not kept.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from registry.api.project import REMOTE_HEAD, Project
from registry.git.process import run
from registry.git.tagscan import patterns_of

if TYPE_CHECKING:
    from registry.api.resolving import Resolved

Question = tuple[str, str | None, str | None]
"""Name, stage, version."""
Seen = tuple[int, bytes]
_MOST = 256
_HOUR_S = 3600
_answers: dict[tuple[str, Question], tuple[Seen, Resolved]] = {}
_lock = threading.Lock()


def refs_now(opened: Project, name: str) -> Seen | None:
    """The refs that answers about an artifact are read from, as they are here now; none of a folder's registry."""
    if opened.mirror is None:
        return None
    flags = ["--format=%(objectname) %(refname)"]
    out = run(opened.path, ["for-each-ref", *flags, *patterns_of(name), REMOTE_HEAD]).out
    return int(time.time()) // _HOUR_S, out


def answer(opened: Project, question: Question, seen: Seen | None) -> Resolved | None:
    """What was answered when the refs were as seen now, or none."""
    known = _answers.get((str(opened.path), question))
    return known[1] if seen is not None and known is not None and known[0] == seen else None


def keep(opened: Project, question: Question, seen: Seen | None, found: Resolved) -> Resolved:
    """Keep an answer that was read from the refs `seen` before it; the oldest go first."""
    if seen is not None:
        with _lock:
            while len(_answers) >= _MOST:
                _answers.pop(next(iter(_answers)))
            _answers[str(opened.path), question] = seen, found
    return found
