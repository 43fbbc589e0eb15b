"""What the ledger says of artifacts, as far as it is believed, and who vouches for it.

Read where some stage's events must stand in the ledger. The state of a stage is its newest entry; it is vouched for
where the commit that holds it was signed by a principal that the policy calls `recorder`, judged by the entry's own
time: times never decrease along a ledger, so a key that is not valid any more cannot be used to write an older one.

A ledger that is older than what this machine saw, another one or gone (`registry.api.tips`), cannot be read, or is
older than `ledger.max_age` of the policy is not believed: nothing that depends on it is used, since what was revoked is
not known then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import NamedTuple

from registry.api.project import REMOTE_LEDGER, Project
from registry.api.rules import Rules
from registry.api.signatures import commit_verdicts
from registry.api.tips import believe
from registry.errors import Refused, RegistryError
from registry.git.ledger import LOCAL, Look, log, look, states, writer
from registry.git.ledgercopy import LedgerCopy
from registry.git.objects import read_all
from registry.git.process import run
from registry.ledger import Entry, parse_entry
from registry.ledgerchain import Commit, Head, fresh, parse_commit, parse_message
from registry.ledgertree import path_of, state_path
from registry.policytimes import duration
from registry.signature import Verdict, principal_of
from registry.tags import Event

_FEW = 4
"""Up to so many entries are each looked for by their file; more are found in one reading of the log."""


class Said(NamedTuple):
    """The newest entry about a stage."""

    entry: Entry
    recorder: str | None = None
    """Fingerprint of the recorder's key that signed its commit; none where nobody vouches for it."""
    email: str = ""
    """The recorder's."""


@dataclass(frozen=True)
class Vouched:
    """What the ledger says."""

    fault: Refused | None = None
    """Why it is not believed."""
    missing: bool = False
    """There is none, and this machine never saw one."""
    stages: Mapping[tuple[str, str], Said] = field(default_factory=dict)
    """By artifact and stage."""
    revoked: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Reasons, by artifact and version."""
    until: int | None = None
    """The second from which on it is too old."""
    recorded: Callable[[str, str], frozenset[str]] = lambda _name, _stage: frozenset()
    """Object ids of all tags that were ever recorded of an artifact's stage; reads the log."""

    def vouches(self, event: Event, verdict: Verdict | None) -> bool:
        """Whether a recorder other than its signer recorded an event as the newest of its stage."""
        said = self.stages.get((event.artifact, event.stage or ""))
        if said is None or said.recorder is None or said.entry.tag_oid != event.oid:
            return False
        return said.email != event.email and (verdict is None or verdict.fingerprint != said.recorder)


def vouched(project: Project, rules: Rules, name: str | None = None) -> Vouched:
    """What the ledger says of an artifact, or of all; of a remote registry whose refs were brought up to date."""
    try:
        return _read(project, rules, name)
    except Refused as error:
        return Vouched(error)


def _read(project: Project, rules: Rules, name: str | None) -> Vouched:
    path = _bring(project, whole=bool(rules.policy.recorder))
    found = look(path, project.where) if path is not None else None
    if project.mirror is not None:
        copy = LedgerCopy(project.address)
        believe(project.where, copy.path, found.head if found else None, lambda: copy.update(whole=True))
    if path is None or found is None:
        return Vouched(missing=True)
    until = _require_fresh(project.where, found.head, rules.policy.ledger.max_age)
    folder = "" if name is None else path_of(name).rpartition("/")[0]
    entries = list(_entries(project.where, found.head, states(path, found.head.commit, folder)))
    kept = [each for each in entries if each.stage is not None]
    recorders = _recorders(project, rules, path, found, kept)
    return Vouched(
        stages={
            (each.name or "", each.stage or ""): Said(each, *recorders.get(each.sequence, (None, "")))
            for each in kept
            if each.name
        },
        revoked={(each.name or "", each.version or ""): each.reason or "" for each in entries if each.kind == "revoke"},
        until=until,
        recorded=lambda name, stage: _recorded(project, path, found.head.commit, name, stage),
    )


def _recorded(project: Project, path: str | PathLike[str], tip: str, name: str, stage: str) -> frozenset[str]:
    if project.mirror is not None:
        LedgerCopy(project.address).update(whole=True)
    oids = set()
    for commit in log(path, tip):
        try:
            held = parse_message(commit.message)
        except RegistryError:
            continue
        oids |= {each.tag_oid for each in held if (each.name, each.stage) == (name, stage) and each.kind != "reject"}
    return frozenset(oid for oid in oids if oid is not None)


def _bring(project: Project, *, whole: bool) -> str | PathLike[str] | None:
    """The repository that holds the ledger; a remote's is asked for only where its tip is another than the copy's."""
    if project.mirror is None:
        return project.path
    copy = LedgerCopy(project.address)
    line = ["for-each-ref", "--format=%(objectname)", "--", REMOTE_LEDGER]
    there = run(project.path, line).out.decode().strip()
    if not there:
        return None
    if (copy.path / "config").is_file():
        here = run(copy.path, ["for-each-ref", "--format=%(objectname)", "--", LOCAL]).out.decode().strip()
        if here == there and not (whole and (copy.path / "shallow").is_file()):
            return copy.path
    return copy.path if copy.update(whole=whole) else None


def _require_fresh(where: str, head: Head, most: int | None) -> int | None:
    if most is None:
        return None
    now = int(time.time())
    if not fresh(head.time, now, most):
        what = (
            f"the ledger's newest entry is {duration(now - head.time)} old, the policy believes it for {duration(most)}"
        )
        fix = "find out whether the host serves an old state; else have something recorded, or ledger.max_age changed"
        raise Refused("ledger-stale", what, where, fix)
    return head.time + most + 1


def _entries(where: str, head: Head, files: Mapping[str, bytes]) -> Iterable[Entry]:
    """The states. Raises `Refused` (`ledger-valid`) for one that cannot be read or stands in another's place."""
    for path, data in files.items():
        try:
            entry = parse_entry(data.removesuffix(b"\n"), f"{where}: {path}")
        except RegistryError as error:
            raise Refused("ledger-valid", error.what, error.where, error.fix) from None
        if state_path(entry) != path or entry.sequence > head.sequence:
            what = f"the ledger's file {path} holds entry {entry.sequence}, which is about something else"
            raise Refused("ledger-valid", what, where, "see `registry ledger verify`")
        yield entry


def _recorders(
    project: Project, rules: Rules, path: str | PathLike[str], found: Look, entries: Iterable[Entry]
) -> dict[int, tuple[str, str]]:
    """The recorder that vouches for an entry, by its number: the key's fingerprint, and the e-mail."""
    wanted = {each.sequence: each for each in entries}
    if not wanted or not rules.policy.recorder or rules.signers is None:
        return {}
    holding = _commits(path, found.head.commit, wanted)
    times = {commit: wanted[number].time for number, (commit, _) in holding.items()}
    judged = commit_verdicts(
        project, times.keys(), rules.signers, times.__getitem__, rules.policy.compromised, objects=path
    )
    told = {}
    for number, (commit, committer) in holding.items():
        email = committer.rpartition("<")[2].rstrip(">")
        if principal_of(judged[commit], email) in rules.policy.recorder:
            told[number] = judged[commit].fingerprint, email
    return told


def _commits(path: str | PathLike[str], tip: str, wanted: Mapping[int, Entry]) -> dict[int, tuple[str, str]]:
    """The commit that holds each entry, with its committer; none for an entry that no commit holds."""
    found: dict[int, tuple[str, str]] = {}
    if len(wanted) <= _FEW:
        files = [(each, state_path(each)) for each in wanted.values()]
        oids = [oid for _, file in files if file and (oid := writer(path, tip, file))]
        commits: Iterable[Commit] = (parse_commit(oid, body) for oid, _, _, body in read_all(path, oids))
    else:
        commits = log(path, tip, newest_first=True)
    for commit in commits:
        try:
            held = parse_message(commit.message)
        except RegistryError:
            continue
        for entry in held:
            if wanted.get(entry.sequence) == entry:
                found[entry.sequence] = commit.oid, commit.committer
        if len(found) == len(wanted):
            break
    return found
