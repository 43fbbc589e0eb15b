"""Appending to the ledger: entries, and the tags they speak of, together or not at all.

Here, refs move in one transaction. With a push the remote decides: commit and tags are pushed atomically, and what the
branch refuses because somebody else was first is judged anew from what stands there now, a bounded number of times. The
branch's fast-forward is the compare-and-swap that makes the ledger one line. Nothing is left behind where it fails but
objects that no ref names, which git removes in time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import NamedTuple

from registry.api.ledgers import Ledger, read_ledger
from registry.api.project import Project
from registry.api.recording import REFUSALS, REMOTE, TRIES
from registry.api.tips import believe
from registry.errors import GitError, Refused, RegistryError
from registry.git import ledger as branch
from registry.git.ledger import LOCAL, TRACKED, Move
from registry.git.ledgercopy import fetch_tracked
from registry.git.push import CREATED, FORWARDED, Pushed, push_refs
from registry.git.tagwrite import Tagger, tagger
from registry.ledger import Entry, digest, format_entry
from registry.ledgerchain import BRANCH, Head, chained
from registry.urls import parse


class Act(NamedTuple):
    """What is to be recorded, as one group."""

    entries: Sequence[Entry]
    """Without number, time and digest, which they are given; an empty `actor` becomes whoever records."""
    tags: Mapping[str, str] = {}
    """New tags, by name without `refs/tags/`: the object each is to name, which is in the repository already."""


@dataclass(frozen=True)
class Recorder:
    """Who records, and how."""

    push: bool = False
    """Whether it goes to the remote; of a registry at a URL it always does."""
    sign: bool | None = None
    """Whether git signs the commit; by default as the user's `commit.gpgSign` says."""
    author: str | None = None
    author_email: str | None = None
    tries: int = TRIES
    """How often at most it is judged anew because somebody else was first."""


class Appended(NamedTuple):
    """What was recorded."""

    head: Head
    entries: Sequence[Entry]
    pushed: bool
    tries: int


Answer = Mapping[str, Pushed] | GitError | None
Propose = Callable[[Ledger], Act]
"""Judges and says what to record, from the ledger as it stands; called anew each time that it changed meanwhile."""


@dataclass
class _Place:
    """Where a group is appended."""

    project: Project
    recorder: Recorder
    pushing: bool
    settings: branch.Settings
    artifacts: Sequence[str] = ()
    """Whose tags come with the ledger, in a clone."""
    base: str | None = None
    """The commit that the branch must have, where it moves here."""
    env: dict[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return self.project.where

    def read(self) -> Ledger:
        """The ledger as it stands at the place that decides."""
        if self.project.mirror is not None:
            found = read_ledger(self.project, whole=True)
            self.env = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(f"{found.path}/objects")}
            return found
        if self.pushing:
            return self._of_origin()
        here = branch.refs(self.project.path)
        if here.checked_out:
            raise RegistryError(
                f"a work tree shows the branch {BRANCH!r}", self.where, "switch it to another branch first"
            )
        self.base = here.ids.get(LOCAL)
        return read_ledger(self.project)

    def _of_origin(self) -> Ledger:
        """The ledger of a clone's origin, held against what this machine saw of it."""
        path = self.project.path
        there = fetch_tracked(path, REMOTE, self.where, self.project.protocols, self.artifacts)
        heads = branch.heads(path, self.where)
        local, tracked = heads.get(LOCAL), heads.get(TRACKED)
        if not there and tracked:
            raise Refused(
                "ledger-missing",
                f"the origin has no branch {BRANCH!r} any more; this clone saw {tracked.commit}",
                self.where,
                f"ask who removed it, and push it back: git push origin {TRACKED}:{LOCAL}",
            )
        if local and not (tracked and branch.descends(path, tracked.commit, local.commit)):
            raise RegistryError(
                f"the branch {BRANCH!r} here holds entries that the origin's does not",
                self.where,
                f"publish them with their tags (git push --atomic origin {BRANCH} 'refs/tags/*'), or drop them"
                f" (git branch -D {BRANCH})",
            )
        remember_origin(path, tracked, self.settings.origin)
        return Ledger(self.where, path, tracked)

    def publish(self, ledger: Ledger, commit: str, tags: Mapping[str, str]) -> Answer:
        """Push all together; none where the remote took it, else what it said.

        Where git sees by itself that an atomic push must fail, over HTTP it says nothing of the refs (2.39): such a
        failure is an answer too, and the ledger as it is then tells what it means.
        """
        made = _made(tags)
        if self.project.mirror is None and made:
            branch.move(self.project.path, made, only_try=True)
        refs = {**{f"refs/tags/{name}": oid for name, oid in tags.items()}, LOCAL: commit}
        try:
            said = push_refs(self.project.path, REMOTE, refs, self.project.protocols, env=self.env)
        except GitError as error:
            return error
        taken = said[LOCAL].flag in {CREATED, FORWARDED}
        if not taken or any(said[ref].flag != CREATED for ref in refs if ref != LOCAL):
            return said
        self.show(ledger, commit, tags)
        return None

    def holds(self, ledger: Ledger, commit: str) -> bool:
        """Whether a ledger that was read at the remote holds a commit."""
        return self.pushing and ledger.head is not None and branch.descends(ledger.path, ledger.head.commit, commit)

    def show(self, ledger: Ledger, commit: str, tags: Mapping[str, str]) -> None:
        """Show in the clone what the remote took; a fetch may have done so in the meantime."""
        if self.project.mirror is not None:
            return
        path, base = self.project.path, ledger.head.commit if ledger.head else None
        now = branch.refs(path, [f"refs/tags/{name}" for name in tags])
        moves = [each for each in _made(tags) if now.ids.get(each.ref) != each.new]
        if now.ids.get(TRACKED) == base != commit:
            moves.append(Move(TRACKED, commit, base))
        if base and now.ids.get(LOCAL) == base and not now.checked_out:
            moves.append(Move(LOCAL, commit, base))
        try:
            if moves:
                branch.move(path, moves)
        except GitError as error:
            error.what = f"the remote took {', '.join(tags) or 'the entries'}, but this clone did not: {error.what}"
            error.fix = "git fetch origin --tags"
            raise


def append(
    project: Project, propose: Propose, recorder: Recorder = Recorder(), artifacts: Sequence[str] = ()
) -> Appended:
    """Record what `propose` says, and make its tags, in one commit of the ledger.

    A clone that pushes gets the origin's tags of `artifacts` with each look at its ledger, so before `propose`.
    Raises what `propose` raises, `Refused` where the ledger is not believed, `RegistryError` where it cannot be
    written; then nothing was recorded.
    """
    if project.mirror is not None:
        project.mirror.ensure()
    pushing = recorder.push or project.mirror is not None
    place = _Place(project, recorder, pushing, branch.settings(project.path), artifacts)
    ledger, refused = place.read(), 0
    for attempt in range(1, recorder.tries + 1):
        act = propose(ledger)
        commit, entries = _made_commit(place, ledger, act)
        answer = place.publish(ledger, commit, act.tags) if place.pushing else _move(place, commit, act.tags)
        if answer is None:
            return _done(place, ledger, commit, entries, attempt)
        if place.pushing:
            time.sleep(random.uniform(0, 0.05 * min(attempt, 10)))  # noqa: S311 - jitter
        before, ledger = ledger, place.read()
        if place.holds(ledger, commit):  # the remote took it, and its answer was lost
            place.show(before, commit, act.tags)
            return _done(place, ledger, commit, entries, attempt)
        refused = refused + 1 if ledger.head == before.head else 0
        if isinstance(answer, GitError) and refused:
            raise answer
        if refused >= REFUSALS:
            raise _rejected(place.where, {} if isinstance(answer, GitError) else answer)
    raise RegistryError(
        f"the ledger changed {recorder.tries} times while this was tried",
        place.where,
        "others are recording: try again",
    )


def _done(place: _Place, ledger: Ledger, commit: str, entries: Sequence[Entry], attempt: int) -> Appended:
    last = entries[-1]
    head = Head(commit, last.sequence, last.time, digest(format_entry(last)))
    if place.pushing and (ledger.head is None or ledger.head.sequence < head.sequence):
        remember_origin(ledger.path, head, place.settings.origin)
    return Appended(head, entries, place.pushing, attempt)


def _made_commit(place: _Place, ledger: Ledger, act: Act) -> tuple[str, list[Entry]]:
    """The group's commit, which no ref names yet, and its entries."""
    head, recorder, path = ledger.head, place.recorder, place.project.path
    if not act.entries:
        raise ValueError("a group without entries")
    who = tagger(path, recorder.author, recorder.author_email, head.time - 1 if head else 0)
    name, seconds = _read(who)
    if head and seconds < head.time:
        raise RegistryError(
            f"the ledger's newest entry is of {head.time}, this machine's clock shows {seconds}",
            place.where,
            "correct the clock: times never decrease along the ledger",
        )
    drafts = [entry if entry.actor else entry._replace(actor=name) for entry in act.entries]
    entries = chained(drafts, head, seconds)
    tree = branch.next_tree(ledger.path, head, entries)
    sign = place.settings.signs if recorder.sign is None else recorder.sign
    return branch.commit(ledger.path, head, tree, entries, who, sign=sign), entries


def _read(who: Tagger) -> tuple[str, int]:
    name, seconds, _ = who.line.rsplit(" ", 2)
    return name, int(seconds)


def _move(place: _Place, commit: str, tags: Mapping[str, str]) -> Answer:
    """Move the branch and make the tags here; none where that was done, nothing told where another was first."""
    moves = [*_made(tags), Move(LOCAL, commit, place.base)]
    try:
        branch.move(place.project.path, moves)
    except GitError:
        now = branch.refs(place.project.path, [each.ref for each in moves]).ids
        if now.get(LOCAL) == place.base and not any(each.ref in now for each in moves[:-1]):
            raise
        return {}
    return None


def _made(tags: Mapping[str, str]) -> list[Move]:
    odd = next((name for name in tags if not name.isprintable() or " " in name or ":" in name), None)
    if odd is not None:
        raise RegistryError(f"not a tag's name: {odd!r}", fix="see git-check-ref-format(1)")
    return [Move(f"refs/tags/{name}", oid, None) for name, oid in tags.items()]


def remember_origin(path: str | PathLike[str], head: Head | None, origin: str | None = None) -> None:
    """Hold the ledger that lies at `path` against what this machine saw of its origin, where that is remote."""
    origin = branch.settings(path).origin if origin is None else origin
    try:
        address = parse(origin or "")
    except RegistryError:  # none, or one that only the user's own git understands
        return
    if not address.local:
        believe(str(address), path, head, lambda: None)


def _quoted(path: str) -> str:
    """A path as git's environment takes one among several: quoted as in C."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _rejected(where: str, said: Mapping[str, Pushed]) -> RegistryError:
    reasons = "; ".join(f"{ref}: {each.reason}" for ref, each in said.items() if each.flag == "!")
    hook = next((f"\n{each.told}" for each in said.values() if each.told), "")
    return RegistryError(
        f"the remote rejected the push: {reasons or 'a tag is there already'}{hook}",
        where,
        "nothing was recorded: do as the remote says, then repeat",
    )
