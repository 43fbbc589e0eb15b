"""The ledger of a registry, asked: its tip, one state, its log. Whatever comes from a remote is held against memory.

The ledger of a folder is its branch `ledger`, or that of its origin as the last fetch brought it; of a remote registry
it is a copy in the cache, brought up to date by each question.
"""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import NamedTuple

from registry.api.project import Project, open_project
from registry.api.tips import believe
from registry.errors import NotFound, Refused, RegistryError
from registry.git.ledger import Look, log, look
from registry.git.ledgercopy import LedgerCopy
from registry.ledger import Entry
from registry.ledgerchain import Commit, Head, parse_message
from registry.ledgertree import path_of, state_path
from registry.names import require_artifact, require_stage
from registry.versions import require as require_version

Where = str | PathLike[str]


class Ledger(NamedTuple):
    """A registry's ledger as it stands."""

    where: str
    """The registry, for messages."""
    path: str | PathLike[str]
    """The repository that holds it."""
    head: Head | None
    """Its newest commit; none where there is no ledger yet."""

    def state(self, name: str, *, version: str | None = None, stage: str | None = None) -> Entry | None:
        """The newest entry about a stage, a version, or (neither) the artifact itself; one process of git.

        It is read at the branch as it is now, which may be newer than `head`. Raises `Refused` (`ledger-valid`).
        """
        return _state(self.path, self.where, path_of(name, version=version, stage=stage))[1]


def read_ledger(project: Project, *, whole: bool = False) -> Ledger:
    """The ledger of a registry, of a remote one after asking it; with its `whole` log where that is needed.

    Raises `Refused` where it is not believed (see `registry.api.tips`) or cannot be read.
    """
    path = _bring(project, whole=whole)
    found = look(path, project.where) if path is not None else None
    return _believed(project, path, found)


def find(project: Project, name: str, *, version: str | None = None, stage: str | None = None) -> Entry | None:
    """The newest accepted entry about a stage, a version, or the artifact itself: what a loader asks.

    One question to a remote, and one process of git. Raises `Refused` as `read_ledger`, and `NotFound` where the
    registry has no ledger.
    """
    path = _bring(project, whole=False)
    wanted = path_of(name, version=version, stage=stage)
    found, entry = _state(path, project.where, wanted) if path is not None else (None, None)
    if _believed(project, path, found).head is None:
        raise no_ledger(project.where)
    return entry


def no_ledger(where: str) -> NotFound:
    """The error for a registry without a ledger."""
    return NotFound("this registry has no ledger", where, "begin one: `registry ledger adopt`")


def _bring(project: Project, *, whole: bool) -> str | PathLike[str] | None:
    """The repository that holds the ledger; none where a remote has none."""
    if project.mirror is None:
        return project.path
    copy = LedgerCopy(project.address)
    return copy.path if copy.update(whole=whole) else None


def _believed(project: Project, path: str | PathLike[str] | None, found: Look | None) -> Ledger:
    head = found.head if found else None
    if project.mirror is not None:
        copy = LedgerCopy(project.address)
        believe(project.where, copy.path, head, lambda: copy.update(whole=True))
    return Ledger(project.where, project.path if path is None else path, head)


def _state(path: str | PathLike[str], where: str, wanted: str) -> tuple[Look | None, Entry | None]:
    """The tip and the state at a path of the tree, which must be about what the path says and not from the future."""
    found = look(path, where, wanted)
    entry = found.entry if found else None
    if found and entry and (state_path(entry) != wanted or entry.sequence > found.head.sequence):
        raise Refused(
            "ledger-valid",
            f"the ledger's file {wanted} holds entry {entry.sequence}, which is about something else",
            where,
            "see `registry ledger verify`",
        )
    return found, entry


class Logged(NamedTuple):
    """An entry with the commit that holds it."""

    commit: Commit
    entry: Entry

    def json(self) -> dict[str, object]:
        """What `--json` prints."""
        told = {key: value for key, value in self.entry._asdict().items() if key != "approvals"}
        recorder = {"ledger_commit": self.commit.oid, "recorder": self.commit.committer, "signed": self.commit.signed}
        return {**told, "approvals": list(self.entry.approvals), **recorder}


def ledger_log(
    project: Where = ".", *, name: str | None = None, version: str | None = None, stage: str | None = None
) -> Iterator[Logged]:
    """The entries, newest first; those of an artifact, a version, a stage.

    Raises `NotFound` without a ledger, `Refused` (`ledger-valid`) at a commit that cannot be read.
    """
    opened = open_project(project)
    wanted = {"name": name, "version": version, "stage": stage}
    return _logged(read_ledger(opened, whole=True), {key: value for key, value in wanted.items() if value is not None})


def _logged(ledger: Ledger, wanted: dict[str, str]) -> Iterator[Logged]:
    if ledger.head is None:
        raise no_ledger(ledger.where)
    for commit in log(ledger.path, ledger.head.commit, newest_first=True):
        for entry in reversed(_entries(commit, ledger.where)):
            if all(getattr(entry, key) == value for key, value in wanted.items()):
                yield Logged(commit, entry)


def _entries(commit: Commit, where: str) -> list[Entry]:
    try:
        return parse_message(commit.message, f"{where}: ledger commit {commit.oid}")
    except RegistryError as error:
        raise Refused("ledger-valid", error.what, error.where, "see `registry ledger verify`") from None


def ledger_show(what: str, project: Where = ".") -> Logged:
    """The newest entry about NAME@VERSION or NAME#STAGE, of NAME about anything of it. Raises `NotFound`, `Refused`."""
    name, version, stage = _parts(what)
    opened = open_project(project)
    ledger = read_ledger(opened, whole=True)
    if ledger.head is None:
        raise no_ledger(opened.where)
    if version is None and stage is None:
        newest = next((found for found in _logged(ledger, {}) if found.entry.name == name), None)
        if newest is not None:
            return newest
    entry = ledger.state(name, version=version, stage=stage)
    if entry is None:
        raise NotFound(f"the ledger has no entry about {what!r}", opened.where, f"see `registry ledger log {name}`")
    for found in _logged(ledger, {}):
        if found.entry.sequence <= entry.sequence:
            if found.entry == entry:
                return found
            break
    said = f"the ledger's tree holds an entry {entry.sequence} about {what!r} that its log does not"
    raise Refused("ledger-valid", said, opened.where, "see `registry ledger verify`")


def _parts(what: str) -> tuple[str, str | None, str | None]:
    name, at, version = what.partition("@")
    if at:
        return require_artifact(name), require_version(version), None
    name, at, stage = what.partition("#")
    return require_artifact(name), None, require_stage(stage) if at else None
