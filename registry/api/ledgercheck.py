"""`ledger verify` and `ledger rebuild`: the whole log against its rules, the tags against the log, the tree anew."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import NamedTuple

from registry.api.appending import remember_origin
from registry.api.ledgers import Ledger, no_ledger, read_ledger
from registry.api.project import Project, open_project
from registry.api.rules import read_rules
from registry.errors import Refused, RegistryError
from registry.findings import ERROR, Finding
from registry.git import ledger as branch
from registry.git.ledger import LOCAL, Move, log
from registry.git.objects import read_all
from registry.git.tagscan import Scan
from registry.ledger import Entry
from registry.ledgerchain import BRANCH, CHAIN, ENTRY_MISSING, TAG_MISSING, TAG_MOVED, Commit, check_chain
from registry.ledgertree import Tree, algorithm_of, object_id
from registry.tagrules import removal, shown
from registry.tags import Event

REBUILT = f"refs/heads/{BRANCH}-rebuilt"
"""Where a rebuilt ledger is written unless told otherwise."""


@dataclass(frozen=True)
class LedgerReport:
    """What a whole ledger was found to be."""

    findings: Sequence[Finding]
    commits: int
    entries: int

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def verify_ledger(project: str | PathLike[str] = ".", *, governed: Collection[str] | None = None) -> LedgerReport:
    """The findings of the whole log, and of the tags against it.

    `governed` names the stages whose tags must stand in it, and with them no registration must; by default every tag of
    the registry must. Raises `NotFound` without a ledger, `Refused` where it is not believed.
    """
    opened = open_project(project)
    opened.refresh()
    report = look_over(opened, read_ledger(opened, whole=True), governed)
    if report is None:
        raise no_ledger(opened.where)
    return report


def ledger_findings(project: str | PathLike[str] = ".") -> Sequence[Finding]:
    """The same where there is a ledger; a ledger that is not believed is a finding too."""
    opened = open_project(project)
    opened.refresh()
    try:
        report = look_over(opened, read_ledger(opened, whole=True), _asked(opened))
    except Refused as error:
        return [Finding(error.reason, ERROR, error.what, error.fix)]
    return report.findings if report else ()


def _asked(project: Project) -> Collection[str] | None:
    """The stages whose events the policy wants in the ledger; none where it says nothing of stages."""
    stages = read_rules(project).policy.stages
    return None if stages is None else {name for name, stage in stages.items() if stage.ledger}


def look_over(project: Project, ledger: Ledger, governed: Collection[str] | None = None) -> LedgerReport | None:
    """The same of a registry whose tags are up to date; none where there is no ledger."""
    if ledger.head is None:
        return None
    if project.mirror is None:
        remember_origin(ledger.path, ledger.head)
    found: list[Finding] = []
    newest: dict[str, Entry] = {}
    commits = entries = 0
    for step in check_chain(log(ledger.path, ledger.head.commit)):
        commits, entries = commits + 1, entries + len(step.entries)
        found += step.findings
        newest.update((entry.tag, entry) for entry in step.entries if entry.tag is not None)
    scan = project.scan()
    others = [f"refs/tags/{tag}" for tag in newest.keys() - set(scan.refs)]
    found += _tags(newest, scan, branch.refs(project.path, others).ids)
    found += _unrecorded(newest, scan, governed)
    return LedgerReport(found, commits, entries)


def _tags(newest: Mapping[str, Entry], scan: Scan, others: Mapping[str, str]) -> Iterator[Finding]:
    """Each recorded tag is there, and is the object that was recorded; a rejected one need not be."""
    events = {event.ref: event for event in scan.events}
    bad = {tag.ref: tag.detail for tag in scan.bad}
    for tag, entry in newest.items():
        if entry.kind == "reject":
            continue
        told = f"entry {entry.sequence} of the ledger records tag {shown(tag)} as {entry.tag_oid} at {entry.commit}"
        event = events.get(tag)
        oid = event.oid if event else others.get(f"refs/tags/{tag}")
        if tag in bad:
            yield _finding(TAG_MOVED, f"{told}, the one there is skipped: {bad[tag]}", _restoring(entry), entry)
        elif oid is None:
            yield _finding(TAG_MISSING, f"{told}, but it is not there", _restoring(entry), entry)
        elif oid != entry.tag_oid or (event and event.commit != entry.commit):
            at = f" at {event.commit}" if event else ""
            yield _finding(TAG_MOVED, f"{told}, it is {oid}{at}", _restoring(entry), entry)


def _restoring(entry: Entry) -> str:
    return (
        f"bring the recorded tag back from a clone that has it: git push --force origin {entry.tag_oid}:"
        f"'refs/tags/{entry.tag}'; find out who removed or moved it"
    )


def _unrecorded(newest: Mapping[str, Entry], scan: Scan, governed: Collection[str] | None) -> Iterator[Finding]:
    for event in scan.events:
        if event.ref in newest or not _is_governed(event, governed):
            continue
        message = f"tag {shown(event.ref)} of {event.oid} ({event.kind}, by {event.tagger}) stands in no entry"
        fix = f"{removal(event.ref)}; then record the {event.kind} again with `registry`, if it was meant"
        yield Finding(ENTRY_MISSING, ERROR, message, fix, event.artifact, ref=event.ref)


def _is_governed(event: Event, governed: Collection[str] | None) -> bool:
    return governed is None or event.stage in governed


def _finding(rule: str, message: str, fix: str, entry: Entry) -> Finding:
    return Finding(rule, ERROR, message, fix, entry.name, ref=entry.tag)


class Rebuilt(NamedTuple):
    """What the tree is, and what the log says it should be."""

    tip: str
    tree: str
    """The tree of the newest commit."""
    expected: str
    """The fold of all entries."""
    damaged: Sequence[str]
    """Commits whose tree is not the fold of the entries up to them."""
    written: str | None = None
    """The ref that a sound log was written to, if any."""
    commit: str | None = None
    """Its newest commit."""


def rebuild(project: str | PathLike[str] = ".", *, write: bool = False, force: bool = False) -> Rebuilt:
    """Compute every tree anew from the log; with `write` make a branch `ledger-rebuilt` of the same entries with it.

    With `force` that is written over the branch `ledger` here. Signatures of commits that had to be made anew are lost.
    Raises `Refused` (`ledger-chain`) where more than trees is wrong.
    """
    opened = open_project(project)
    if (write or force) and opened.mirror is not None:
        raise RegistryError("a remote ledger is not rebuilt", opened.where, "do it in a clone, then push it")
    ledger = read_ledger(opened, whole=True)
    if ledger.head is None:
        raise no_ledger(opened.where)
    replay = _replayed(ledger, opened.where)
    done = Rebuilt(ledger.head.commit, replay.tree, replay.expected, replay.damaged)
    if not replay.made or not (write or force):
        return done
    branch.write(ledger.path, replay.made, algorithm_of(replay.commit))
    ref = LOCAL if force else REBUILT
    branch.move(opened.path, [Move(ref, replay.commit, branch.refs(opened.path, [ref]).ids.get(ref))])
    return done._replace(written=ref, commit=replay.commit)


@dataclass
class _Replay:
    """A log told again, commit by commit."""

    commit: str = ""
    """The newest commit, told again."""
    tree: str = ""
    expected: str = ""
    damaged: list[str] = field(default_factory=list)
    made: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """New objects by id; none where nothing is damaged."""


def _replayed(ledger: Ledger, where: str) -> _Replay:
    done, tree, objects = _Replay(), None, {}
    for step in check_chain(log(ledger.path, ledger.head.commit if ledger.head else "")):
        for finding in step.broken:
            raise Refused(CHAIN, finding.message, where, finding.fix)
        commit, algorithm = step.commit, algorithm_of(step.commit.oid)
        tree = tree or Tree(algorithm)
        for entry in step.entries:
            tree.take(entry)
        done.expected, new = tree.write()
        objects.update(new)
        if commit.tree != done.expected:
            done.damaged.append(commit.oid)
        if done.made or done.damaged:
            body = _body(ledger, commit, done.expected, done.commit)
            done.commit = object_id("commit", body, algorithm)
            done.made[done.commit] = ("commit", body)
        else:
            done.commit = commit.oid
        done.tree = commit.tree
    if done.made:
        done.made = {**objects, **done.made}
    return done


def _body(ledger: Ledger, commit: Commit, tree: str, parent: str) -> bytes:
    """The commit with another tree and parent, without its signature, which would be wrong."""
    body = next(each for _, _, _, each in read_all(ledger.path, [commit.oid]))
    head = body.partition(b"\n\n")[0].split(b"\n")
    people = [line for line in head if line.startswith((b"author ", b"committer "))]
    parents = [f"parent {parent}".encode()] if parent else []
    return b"\n".join([f"tree {tree}".encode(), *parents, *people]) + b"\n\n" + commit.message
