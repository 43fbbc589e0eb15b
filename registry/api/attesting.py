"""The whole ledger as an auditor reads it: each entry with who recorded it, and whether that is a recorder's word.

A recorder vouches where they signed the ledger's commit: a principal that the policy calls `recorder`, judged by the
entry's own time, since times never decrease along a ledger. Whether that is somebody else than who signed the tag is
for whoever knows the tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import NamedTuple

from registry.api.ledgers import read_ledger
from registry.api.project import Project
from registry.api.readlog import Read, read_log
from registry.api.rules import Rules
from registry.api.signatures import commit_verdicts
from registry.ledger import Entry
from registry.signature import principal_of


class Attested(NamedTuple):
    """An entry, and the ledger's commit that holds it."""

    entry: Entry
    commit: Read


class Log(NamedTuple):
    """A whole ledger."""

    path: str | PathLike[str]
    """The repository that holds it."""
    entries: Sequence[Attested]
    """Oldest first."""


class Recorder(NamedTuple):
    """Who vouches for an entry's time."""

    principal: str
    key: str
    """Fingerprint."""


def whole_log(project: Project) -> Log | None:
    """All entries; none where there is no ledger.

    Raises `Refused` where the ledger is not believed (`registry.api.tips`) or a commit of it cannot be read.
    """
    ledger = read_ledger(project, whole=True)
    if ledger.head is None:
        return None
    commits = read_log(ledger.path, ledger.head.commit, project.where)
    return Log(ledger.path, [Attested(entry, each) for each in commits for entry in each.entries])


def recorders(project: Project, rules: Rules, log: Log, asked: Iterable[Attested]) -> dict[str, Recorder]:
    """Who vouches for these entries, by the ledger's commit."""
    commits = {each.commit.oid: each.commit for each in asked}
    if not commits or rules.signers is None or not rules.policy.recorder:
        return {}
    judged = commit_verdicts(
        project,
        commits,
        rules.signers,
        lambda oid: commits[oid].time,
        rules.policy.compromised,
        objects=log.path,
    )
    told = {}
    for oid, commit in commits.items():
        email = commit.committer.rpartition("<")[2].rstrip(">")
        if email in rules.policy.recorder and principal_of(judged[oid], email) is not None:
            told[oid] = Recorder(email, judged[oid].fingerprint)
    return told
