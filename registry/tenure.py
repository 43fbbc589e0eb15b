"""Tenures: from when until when each version held a stage. Pure; it follows the fold of `registry.state`.

A stage is held by the newest assignment that stands, so a cancelled one gives it back to the one before: a tenure ends
there and another begins. Times are effective times, so they never decrease.
"""

from __future__ import annotations

from typing import NamedTuple

from registry.state import Artifact
from registry.tags import ASSIGNMENT, REGISTRATION, Event


class Tenure(NamedTuple):
    """A version in a stage."""

    stage: str
    version: str
    """Its label."""
    since: int
    """Seconds since 1970-01-01 UTC."""
    until: int | None
    """None while it holds the stage."""

    def seconds(self, now: int) -> int:
        """How long it lasted up to `now`."""
        return max(0, (now if self.until is None else min(self.until, now)) - self.since)


class Course:
    """Who held what so far, event by event."""

    def __init__(self) -> None:
        self._ended: list[Tenure] = []
        self._by_version: dict[str, list[Tenure]] = {}
        self._spent: dict[str, dict[str, Tenure]] = {}
        self._latest = 0
        self._assigned: dict[str, dict[str, None]] = {}
        self._cancelled: set[str] = set()
        self._holding: dict[str, tuple[str, int]] = {}

    def take(self, event: Event, label: str | None, time: int) -> None:
        """Go on with the next event, which concerns the version `label`; in the order in which events count."""
        if event.stage is not None and label is not None:
            held = self._assigned.setdefault(event.stage, {})
            held.pop(label, None)
            if event.kind == ASSIGNMENT:
                held[label] = None
            self._see(event.stage, time)
        elif event.version is not None:
            (self._cancelled.discard if event.kind == REGISTRATION else self._cancelled.add)(event.version)
            for stage, labels in self._assigned.items():
                if event.version in labels:
                    self._see(stage, time)

    def _see(self, stage: str, time: int) -> None:
        """Who holds a stage from now on."""
        now = next((label for label in reversed(self._assigned[stage]) if label not in self._cancelled), None)
        before = self._holding.get(stage)
        if (before[0] if before else None) == now:
            return
        if before is not None:
            self._end(Tenure(stage, before[0], before[1], time))
            del self._holding[stage]
        if now is not None:
            self._holding[stage] = now, time

    def _end(self, tenure: Tenure) -> None:
        self._ended.append(tenure)
        self._by_version.setdefault(tenure.version, []).append(tenure)
        until = tenure.until or 0
        self._latest = max(self._latest, until)
        spent = self._spent.setdefault(tenure.version, {})
        past = spent[tenure.stage].seconds(until) if tenure.stage in spent else 0
        spent[tenure.stage] = tenure._replace(since=until - past - tenure.seconds(until))

    def of(self, version: str, now: int) -> list[Tenure]:
        """Those of one version, as they count at `now`: where all are over by then, those in one stage as one."""
        lasting = (Tenure(stage, held, since, None) for stage, (held, since) in self._holding.items())
        over = self._spent.get(version, {}).values() if self._latest <= now else self._by_version.get(version, ())
        return [*over, *(each for each in lasting if each.version == version)]

    def holder(self, stage: str) -> str | None:
        """Which version holds a stage."""
        held = self._holding.get(stage)
        return held[0] if held else None

    def tenures(self) -> list[Tenure]:
        """All tenures so far, in order of their end, those that last at the end."""
        return [*self._ended, *(Tenure(stage, held, since, None) for stage, (held, since) in self._holding.items())]


def tenures(artifact: Artifact) -> list[Tenure]:
    """All tenures of an artifact, in order of their end, those that last at the end."""
    course = Course()
    displaced = {event.ref for event in artifact.displaced}
    for event in artifact.events:
        if event.ref not in displaced:
            course.take(event, artifact.labels.get(event.ref), artifact.effective.get(event.ref, event.time))
    return course.tenures()
