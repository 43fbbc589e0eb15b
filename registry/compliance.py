"""The compliance report: what a week of the audit trail amounts to. Pure.

Rules: changes, exceptions and attempts are those of the window, and those of a tag that says no time, since it may be
of it; a tag that is gone or moved is told whenever it was recorded, since it is so now. A model is stale where nothing
about it changed for some time and a stage holds it. Coverage counts versions that stages hold, each once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry.holdings import Holding
from registry.trail import ATTEMPTS, CHANGES, Row, Selection

STANDING = frozenset({"tag-missing", "tag-moved"})
"""Exceptions that hold now, of whatever time the entry is."""


class Covered(NamedTuple):
    """What a version that some stage holds has beside its bytes."""

    name: str
    version: str
    stages: tuple[str, ...]
    card: bool
    lineage: bool
    """A birth certificate."""
    evaluation: bool
    """A report on the bytes that its link pins."""

    def json(self) -> dict[str, Any]:
        """As `--format json` prints it."""
        return {**self._asdict(), "stages": list(self.stages)}


class Stale(NamedTuple):
    """A model that stages hold, and that nobody changed for long."""

    name: str
    last: int
    """Its last change, in seconds since 1970-01-01 UTC."""
    days: int


@dataclass(frozen=True)
class Compliance:
    """The report."""

    where: str
    since: int
    until: int
    stale_s: int
    """After how many seconds a model is stale."""
    changes: Sequence[Row]
    actors: Mapping[str, Mapping[str, int]]
    """How many changes of each kind by each principal, or actor where nobody's signature counts."""
    exceptions: Sequence[Row]
    attempts: Sequence[Row]
    stale: Sequence[Stale]
    covered: Sequence[Covered]
    remarks: Sequence[str] = ()

    def json(self) -> dict[str, Any]:
        """As `--format json` prints it; times in seconds."""
        return {
            "registry": self.where,
            "since": self.since,
            "until": self.until,
            "stale_seconds": self.stale_s,
            "changes": [row.json() for row in self.changes],
            "actors": {who: dict(each) for who, each in self.actors.items()},
            "exceptions": [row.json() for row in self.exceptions],
            "attempts": [row.json() for row in self.attempts],
            "stale": [each._asdict() for each in self.stale],
            "coverage": {key: list(pair) for key, pair in self.coverage().items()},
            "versions": [each.json() for each in self.covered],
            "remarks": list(self.remarks),
        }

    def coverage(self) -> dict[str, tuple[int, int]]:
        """Of how many versions each of the three is there, and of how many in all."""
        parts = ("card", "lineage", "evaluation")
        return {part: (sum(getattr(each, part) for each in self.covered), len(self.covered)) for part in parts}


class Window(NamedTuple):
    """What a report is about."""

    where: str
    since: int
    now: int
    stale_s: int


def comply(
    window: Window,
    rows: Sequence[Row],
    held: Sequence[Holding],
    covered: Sequence[Covered],
    remarks: Sequence[str] = (),
) -> Compliance:
    """The report on `rows`, all of the trail, and on what the stages hold now."""
    told = Selection(since=window.since, until=window.now).chosen(rows)
    done = [row for row in told if row.kind in CHANGES and ATTEMPTS.isdisjoint(row.exceptions)]
    odd = [row for row in told if row.exceptions and ATTEMPTS.isdisjoint(row.exceptions)]
    known = set(map(id, odd))
    odd += [row for row in rows if id(row) not in known and not STANDING.isdisjoint(row.exceptions)]
    return Compliance(
        window.where,
        window.since,
        window.now,
        window.stale_s,
        done,
        _actors(done),
        odd,
        [row for row in told if not ATTEMPTS.isdisjoint(row.exceptions)],
        _stale(window, rows, {each.name for each in held}),
        covered,
        remarks,
    )


def _actors(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row.principal or row.actor or "unknown", Counter())[row.kind] += 1
    return {who: dict(sorted(counts[who].items())) for who in sorted(counts)}


def _stale(window: Window, rows: Iterable[Row], held: set[str]) -> list[Stale]:
    last: dict[str, int] = {}
    for row in rows:
        if row.name in held and row.time is not None and row.kind in CHANGES and ATTEMPTS.isdisjoint(row.exceptions):
            last[row.name] = max(last.get(row.name, 0), row.time)
    old = ((name, time) for name, time in sorted(last.items()) if window.now - time > window.stale_s)
    return [Stale(name, time, (window.now - time) // 86_400) for name, time in old]
