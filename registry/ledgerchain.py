"""The rules of the ledger's log: one commit is one group, each goes on from the one before. Pure.

Rules: a commit has one parent (the first none) and nothing beside tree, parent, author, committer and signature; its
message is its entries, written in the one form there is; their numbers grow by one, each names the SHA-256 of the one
before, all have one time, which is the commit's own and never decreases; its tree is the fold of all entries so far,
nothing more and nothing less. `adopt` stands in the first commit only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from registry.errors import RegistryError
from registry.findings import ERROR, Finding
from registry.ledger import Entry, digest, format_entry, parse_entry, require_entry
from registry.ledgertree import Tree, algorithm_of

BRANCH: Final = "ledger"
LARGEST: Final = 1 << 27
"""Largest group of entries, in bytes: an adopted registry is one."""
CHAIN: Final = "ledger-chain"
TAG_MISSING: Final = "ledger-tag-missing"
TAG_MOVED: Final = "ledger-tag-moved"
ENTRY_MISSING: Final = "ledger-entry-missing"
RULES: Final = (CHAIN, TAG_MISSING, TAG_MOVED, ENTRY_MISSING)
"""Ids of everything that `registry ledger verify` finds."""
REFUSALS: Final = ("ledger-forked", "ledger-missing", "ledger-rewound", "ledger-valid")
"""Reasons for which a ledger is not believed."""

_FIX: Final = "find out who wrote it: the ledger is written by `registry` only"
_SIGNED: Final = frozenset({"gpgsig", "gpgsig-sha256"})
_HEADERS: Final = ("tree", "parent", "author", "committer")


class Head(NamedTuple):
    """Where a ledger stands: its newest commit, and what the next entry goes on from."""

    commit: str
    sequence: int
    time: int
    digest: str
    """SHA-256 of the newest entry's line."""


def chained(drafts: Iterable[Entry], head: Head | None, time: int) -> list[Entry]:
    """Give drafts their number, time and the digest of the one before. Raises `RegistryError` for what may not be."""
    sequence, previous = (head.sequence, head.digest) if head else (0, None)
    made: list[Entry] = []
    for draft in drafts:
        sequence += 1
        entry = require_entry(draft._replace(sequence=sequence, time=time, previous=previous))
        previous = digest(format_entry(entry))
        made.append(entry)
    return made


def message_of(entries: Sequence[Entry]) -> str:
    """The one commit message that a group of entries has."""
    lines = "".join(f"{format_entry(entry)}\n" for entry in entries)
    return f"{_title(entries)}\n\n{lines}"


def _title(entries: Sequence[Entry]) -> str:
    first, last = entries[0], entries[-1]
    if len(entries) > 1:
        return f"ledger {first.sequence}-{last.sequence}: {len(entries)} entries"
    return f"ledger {first.sequence}: " + " ".join(filter(None, (first.kind, first.name, first.version, first.stage)))


def parse_message(message: bytes, where: str = "") -> list[Entry]:
    """The entries of a commit message. Raises `RegistryError` where it is not as `message_of` writes it."""
    lines = message.split(b"\n")
    if len(lines) < 4 or lines[1] or lines[-1]:  # noqa: PLR2004 - title, blank, one entry, and the end of its line
        raise RegistryError("a commit of the ledger holds no entries", where, _FIX)
    entries = [parse_entry(line, where) for line in lines[2:-1]]
    if lines[0] != _title(entries).encode("ascii", "backslashreplace"):
        raise RegistryError("a commit of the ledger has another title than its entries say", where, _FIX)
    return entries


def head_of(commit: str, message: bytes, where: str = "") -> Head:
    """Where a ledger stands whose newest commit has this message; only its last entry is read. Raises as above."""
    line = message.removesuffix(b"\n").rpartition(b"\n")[2]
    entry = parse_entry(line, where)
    return Head(commit, entry.sequence, entry.time, sha256(line).hexdigest())


def fresh(time: int, now: int, most: int) -> bool:
    """Whether a ledger whose newest entry is of `time` may still be believed at `now`: at most `most` seconds old."""
    return now - time <= most


class Commit(NamedTuple):
    """A commit of the ledger as git holds it."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    time: int
    """Committer's time, in seconds; -1 where it has none."""
    committer: str
    """`Name <email>`."""
    signed: bool
    """Whether it carries a signature, right or wrong."""
    odd: tuple[str, ...]
    """Headers that no commit of the ledger has."""
    message: bytes


_COMMITTER: Final = re.compile(rb"(.*) ([0-9]{1,12}) [+-][0-9]{4}")


def parse_commit(oid: str, body: bytes) -> Commit:
    """Read a commit object, whatever it holds (gitformat: headers, a blank line, the message)."""
    head, _, message = body.partition(b"\n\n")
    lines = [line.partition(b" ")[::2] for line in head.split(b"\n") if line[:1] != b" "]
    found: dict[bytes, bytes] = dict(reversed(lines))
    match = _COMMITTER.fullmatch(found.get(b"committer", b""))
    names = [key.decode("ascii", "replace") for key, _ in lines]
    return Commit(
        oid,
        found.get(b"tree", b"").decode("ascii", "replace"),
        tuple(value.decode("ascii", "replace") for key, value in lines if key == b"parent"),
        int(match[2]) if match else -1,
        match[1].decode("utf-8", "replace") if match else "",
        not _SIGNED.isdisjoint(names),
        tuple(name for name in names if name not in _HEADERS and name not in _SIGNED),
        message,
    )


class Step(NamedTuple):
    """One commit of the log, judged."""

    commit: Commit
    entries: Sequence[Entry]
    """None where they cannot be read."""
    broken: Sequence[Finding]
    """What breaks the rules, but for its tree."""
    expected: str | None
    """The fold of all entries so far, as a tree's id; none where the log is not judged from its beginning."""
    damage: Finding | None
    """That its tree is another one, where the commit before did not have that fault too."""

    @property
    def findings(self) -> Sequence[Finding]:
        """All that is wrong."""
        return [*self.broken, self.damage] if self.damage else self.broken


def check_chain(commits: Iterable[Commit], after: Head | None = None) -> Iterator[Step]:
    """Judge a log, oldest first; from its beginning with its trees, else what goes on from `after` without them.

    A fault is told once: the next commit is held against what stands, faulty or not.
    """
    head, right, tree, expected = after, True, None, None
    for commit in commits:
        if tree is None and after is None:
            tree = Tree(algorithm_of(commit.oid))
        wrong = list(_shape(commit, head))
        try:
            entries = parse_message(commit.message)
        except RegistryError as error:
            entries = []
            wrong.append(error.what)
        lines = commit.message.split(b"\n")[2:-1]
        wrong += _links(commit, entries, lines, head)
        damage = None
        if tree is not None:
            for entry, line in zip(entries, lines):  # noqa: B905 - without entries, lines are anything
                tree.take(entry, line + b"\n")
            expected = tree.write()[0]
            if right and commit.tree != expected:
                said = f"its tree is {commit.tree}, the fold of all entries is {expected}"
                damage = _finding(commit, entries, said)
            right = commit.tree == expected
        yield Step(commit, entries, [_finding(commit, entries, text) for text in wrong], expected, damage)
        head = _next(commit, entries, lines, head)


def _shape(commit: Commit, head: Head | None) -> Iterator[str]:
    expected = (head.commit,) if head else ()
    if commit.parents != expected:
        told = " and ".join(commit.parents) or "none"
        yield f"its parent is {told}, expected {' and '.join(expected) or 'none'}"
    if commit.odd:
        yield f"it has a header {commit.odd[0]!r}"


def _links(commit: Commit, entries: Sequence[Entry], lines: Sequence[bytes], head: Head | None) -> Iterator[str]:
    sequence, time, previous = (head.sequence, head.time, head.digest) if head else (0, 0, None)
    for entry, line in zip(entries, lines):  # noqa: B905 - as above
        if entry.sequence != sequence + 1:
            yield f"an entry has number {entry.sequence}, expected {sequence + 1}"
        if entry.previous != (previous or None):
            yield f"entry {entry.sequence} goes on from another entry than the one before it"
        if entry.time < time:
            yield f"entry {entry.sequence} is of {entry.time}, the one before of {time}"
        if entry.time != commit.time:
            yield f"entry {entry.sequence} is of {entry.time}, its commit of {commit.time}"
        if entry.kind == "adopt" and commit.parents:
            yield f"entry {entry.sequence} adopts a tag after the ledger's beginning"
        sequence, time, previous = entry.sequence, entry.time, sha256(line).hexdigest()


def _next(commit: Commit, entries: Sequence[Entry], lines: Sequence[bytes], head: Head | None) -> Head:
    if entries:
        last = entries[-1]
        return Head(commit.oid, last.sequence, last.time, sha256(lines[-1]).hexdigest())
    return head._replace(commit=commit.oid) if head else Head(commit.oid, 0, 0, "")


def _finding(commit: Commit, entries: Sequence[Entry], text: str) -> Finding:
    number = f" (entry {entries[0].sequence})" if entries else ""
    name = entries[0].name if entries else None
    return Finding(CHAIN, ERROR, f"ledger commit {commit.oid}{number}: {text}", REMEDY, name)


REMEDY: Final = (
    "the ledger was not written by `registry` alone: find out who pushed it, and put the branch back to a tip that was"
    " believed before; of a damaged tree alone `registry ledger rebuild --write` makes a sound branch"
)
