"""What moved since it was locked: the question of a test run, and the gate of a deployment.

An entry is sound while the version it locks stands unchanged (its tag, commit, link, source and digests), may be used
by this process, and is what its stage holds now. A version or range that was asked for stays satisfied when newer ones
come. With a stage named, that stage must hold what is locked: of an artifact that is locked for this very stage that
entry is asked, since others are for other places; of any other artifact every entry.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timezone
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from registry.api.admitting import admit
from registry.api.holding import which
from registry.api.locking import address, chosen, entry_as, find_lock, look_pinned, read_lock
from registry.api.resolving import Resolved
from registry.api.rooted import pinned
from registry.errors import GitError, NotFound, Refused, RegistryError
from registry.lockfile import Locked, differences, view
from registry.names import require_stage
from registry.offline import Offline

MOVED, OUTDATED, GONE = "moved", "outdated", "gone"


class Problem(NamedTuple):
    """One reason why an entry is not sound."""

    kind: str
    """`moved`: an id is not the locked one; `outdated`: the stage holds something else; `gone`: the version does not
    stand any more; else the reason of a refusal."""
    key: str
    """What it is about: a key of the file, or the stage."""
    locked: str
    now: str
    message: str


class Checked(NamedTuple):
    """An entry and what is wrong with it."""

    entry: Locked
    problems: tuple[Problem, ...]

    def json(self) -> dict[str, Any]:
        """For `--json`."""
        told = [problem._asdict() for problem in self.problems]
        return {**view(self.entry), "ok": not self.problems, "problems": told}


def check_lock(
    names: Collection[str] = (), stage: str | None = None, lock: str | PathLike[str] | None = None
) -> list[Checked]:
    """Hold entries (of these artifacts, or all) against their registries, and where named against a stage.

    Raises `NotFound` where nothing is locked, `GitError` and `Offline` where a registry cannot be asked.
    """
    if stage is not None:
        require_stage(stage)
    path = find_lock(lock)
    entries = chosen(read_lock(path), names, path)
    if stage is not None:
        meant = {(each.project, each.name) for each in entries if each.stage == stage}
        entries = tuple(each for each in entries if each.stage == stage or (each.project, each.name) not in meant)
    return [Checked(each, tuple(_problems(each, stage or each.stage, path))) for each in entries]


def _problems(entry: Locked, stage: str | None, path: Path) -> list[Problem]:
    where = address(entry, path).text
    try:
        found = look_pinned(entry, where)
    except (GitError, Offline):
        raise
    except Refused as error:
        problems = [Problem(error.reason, "version", entry.version, "", error.what)]
    except RegistryError as error:
        problems = [Problem(GONE, "version", entry.version, "", error.what)]
    else:
        problems = _drift(entry, found)
        if stage is None or stage in found.stages:
            return problems
    if stage is None:
        return problems
    known = {each.kind for each in problems}
    return [*problems, *(each for each in _outdated(entry, stage, where) if each.kind not in known)]


def _drift(entry: Locked, found: Resolved) -> list[Problem]:
    drift = differences(entry, entry_as(entry, found))
    problems = [Problem(MOVED, each.key, each.locked, each.now, str(each)) for each in drift]
    try:
        admit(found)
    except Refused as error:
        problems.append(Problem(error.reason, "version", entry.version, "", error.what))
    return problems


def _outdated(entry: Locked, stage: str, where: str) -> list[Problem]:
    try:
        with pinned(entry.root):
            held = which(entry.name, stage, where)
    except Refused as error:
        return [Problem(error.reason, f"stage {stage}", entry.version, "", error.what)]
    except NotFound as error:
        return [Problem(OUTDATED, f"stage {stage}", entry.version, "", f"locked is {entry.version}; {error.what}")]
    label, event = held.version.label, held.event
    if label == entry.version:
        return []
    since = datetime.fromtimestamp(event.time, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    told = (
        f"stage {stage!r} holds {label}, locked is {entry.version}: "
        f"{event.tagger} <{event.email}> assigned it on {since} with tag {event.ref}"
    )
    return [Problem(OUTDATED, f"stage {stage}", entry.version, label, told)]
