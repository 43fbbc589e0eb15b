"""The newest tip of each registry's ledger that this machine saw: what comes later has to go on from it.

A client of The Update Framework remembers the version it trusted last in the same way
(https://theupdateframework.io, rollback and freeze attacks): a ledger that is older, another, or gone is refused, and
what was added is held against the rules of the log. The first sight is trusted. Folders of this machine are not
remembered, their origins are. `forget_ledger` accepts what there is now.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

from registry.cache import remembered
from registry.errors import NotFound, Refused, RegistryError
from registry.git.ledger import descends, log
from registry.ledgerchain import Head, check_chain
from registry.urls import redacted

FORMAT = 1

_unwritten: dict[str, Head] = {}
"""What could not be written, by file: for this process only."""


class NotRemembered(UserWarning):
    """A ledger's tip could not be remembered."""


def believe(where: str, path: str | PathLike[str], head: Head | None, deepen: Callable[[], object]) -> None:
    """Hold the ledger of the registry `where`, which lies at `path`, against what this machine saw, or remember it.

    `deepen` brings its whole log, where only the newest commit is at `path`. Raises `Refused`: `ledger-missing`,
    `ledger-rewound`, `ledger-forked`, or `ledger-valid` where what was added breaks the rules of the log.
    """
    file = _file(where)
    known = _unwritten.get(str(file)) or _parse(remembered.recall(file), file)
    if head == known:
        return
    if known is not None:
        _require_later(where, path, known, head, deepen)
    if head is not None:
        _remember(where, file, head)


def require_later(
    where: str, path: str | PathLike[str], head: Head, deepen: Callable[[], object] = lambda: None
) -> None:
    """Hold a ledger against what this machine saw, and remember nothing. Raises `Refused` as `believe`."""
    file = _file(where)
    known = _unwritten.get(str(file)) or _parse(remembered.recall(file), file)
    if known is not None and known != head:
        _require_later(where, path, known, head, deepen)


def _require_later(
    where: str, path: str | PathLike[str], known: Head, head: Head | None, deepen: Callable[[], object]
) -> None:
    seen = f"this machine saw entry {known.sequence} at {known.commit}"
    fix = f"ask who changed it; if that was meant, accept what is there now: registry forget --ledger -r {where}"
    if head is None:
        raise Refused("ledger-missing", f"the registry has no ledger any more; {seen}", where, fix)
    if not descends(path, head.commit, known.commit):
        deepen()
        if not descends(path, head.commit, known.commit):
            reason = "ledger-rewound" if head.sequence < known.sequence else "ledger-forked"
            said = (
                f"the ledger ends with entry {head.sequence} at {head.commit}, which does not go on from what was seen"
            )
            raise Refused(reason, f"{said}: {seen}", where, fix)
    for step in check_chain(log(path, head.commit, since=known.commit), known):
        for finding in step.findings:
            raise Refused("ledger-valid", finding.message, where, finding.fix)


def forget_ledger(project: str | PathLike[str] = ".") -> Head:
    """Forget the tip of a registry's ledger; the next sight is the first one. Gives what was forgotten.

    Raises `NotFound` where none was remembered. The registry itself is not asked.
    """
    from registry.api.project import open_project

    where = open_project(project).where
    file = _file(where)
    known = _unwritten.pop(str(file), None) or _parse(remembered.recall(file), file)
    if known is None:
        raise NotFound("no ledger of this registry is remembered", where, "name the registry's URL with -r")
    file.unlink(missing_ok=True)
    return known


def _file(where: str) -> Path:
    digest = hashlib.sha256(redacted(where).encode()).hexdigest()
    return remembered.root() / "ledger-tips" / f"{digest}.json"


def _remember(where: str, file: Path, head: Head) -> None:
    def later(data: bytes | None) -> bytes | None:
        other = _parse(data, file)
        if other is not None and other.sequence > head.sequence:  # another process saw a newer one meanwhile
            return None
        told = {"format": FORMAT, "project": redacted(where), "changed": int(time.time()), "tip": head._asdict()}
        return json.dumps(told, indent=1).encode()

    try:
        remembered.change(file, later)
    except remembered.Unwritable as error:
        _unwritten[str(file)] = head
        warnings.warn(f"the tip of the ledger is not remembered: {error.what}", NotRemembered, stacklevel=4)


def _parse(data: bytes | None, path: Path) -> Head | None:
    if data is None:
        return None
    try:
        raw: Any = json.loads(data)
        tip = {FORMAT: raw["tip"]}[raw["format"]]
        found = Head(str(tip["commit"]), int(tip["sequence"]), int(tip["time"]), str(tip["digest"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RegistryError(
            f"what this machine remembers is damaged: {str(error)[:120]}",
            str(path),
            "find out who changed it; without the file the next sight of the ledger counts as the first",
        ) from None
    return found
