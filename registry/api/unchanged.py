"""What a remote registry said of an artifact holds while the refs that it was read from are the same.

An answer is a function of the artifact's tags, the default branch, the ledger and approvals, and each of their ids
names its content. So after
the registry was asked, and git told which refs it has now, an answer that was read from the very same refs is given
again: a process that loads often pays for one fetch. Time alone changes tags from the future, so an answer is not given
again in another hour than the one in which it was read; and whose key is valid, so it is not given again once a key
begins or ends to be. Answers with a warning are not kept.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from registry.api.project import REMOTE_HEAD, REMOTE_LEDGER, Project
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
_also: dict[tuple[str, str], tuple[str, ...]] = {}
"""Further refs that the answers about an artifact depend on, by mirror and name."""
_lock = threading.Lock()


def also(opened: Project, name: str) -> tuple[str, ...]:
    """Refs that the last answer about an artifact depended on beside the usual ones: asked for along with those."""
    return _also.get((str(opened.path), name), ())


def refs_now(opened: Project, name: str) -> Seen | None:
    """The refs that answers about an artifact are read from, as they are here now; none of a folder's registry."""
    if opened.mirror is None:
        return None
    flags = ["--format=%(objectname) %(refname)"]
    places = [*patterns_of(name), REMOTE_HEAD, REMOTE_LEDGER, *also(opened, name)]
    out = run(opened.path, ["for-each-ref", *flags, *places]).out
    return int(time.time()) // _HOUR_S, out


def answer(opened: Project, question: Question, seen: Seen | None) -> Resolved | None:
    """What was answered when the refs were as seen now, or none."""
    known = _answers.get((str(opened.path), question))
    if seen is None or known is None or known[0] != seen or not in_time(known[1]):
        return None
    return known[1]


def in_time(found: Resolved) -> bool:
    """Whether an answer still holds, as far as time alone changes it."""
    return found.until is None or time.time() < found.until


def head_of(seen: Seen | None) -> str | None:
    """The default branch's commit among the refs that were seen."""
    lines = () if seen is None else seen[1].decode("utf-8", "surrogateescape").splitlines()
    return next((line.partition(" ")[0] for line in lines if line.endswith(f" {REMOTE_HEAD}")), None)


def keep(
    opened: Project, question: Question, seen: Seen | None, found: Resolved, needs: tuple[str, ...] = ()
) -> Resolved:
    """Keep an answer that was read from the refs `seen` before it, and from those that it `needs`; oldest go first.

    Where other refs are needed than were looked at, the answer is kept from the next time on.
    """
    if seen is not None:
        known = also(opened, question[0])
        with _lock:
            if needs != known:
                while len(_also) >= _MOST:
                    _also.pop(next(iter(_also)))
                _also[str(opened.path), question[0]] = needs
                return found
            while len(_answers) >= _MOST:
                _answers.pop(next(iter(_answers)))
            _answers[str(opened.path), question] = seen, found
    return found
