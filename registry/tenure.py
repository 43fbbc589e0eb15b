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
        self._assigned: dict[str, list[str]] = {}
        self._cancelled: set[str] = set()
        self._holding: dict[str, tuple[str, int]] = {}

    def take(self, event: Event, label: str | None, time: int) -> None:
        """Go on with the next event, which concerns the version `label`; in the order in which events count."""
        if event.stage is not None and label is not None:
            held = self._assigned.setdefault(event.stage, [])
            if label in held:
                held.remove(label)
            if event.kind == ASSIGNMENT:
                held.append(label)
        elif event.version is not None:
            (self._cancelled.discard if event.kind == REGISTRATION else self._cancelled.add)(event.version)
        for stage, labels in self._assigned.items():
            now = next((label for label in reversed(labels) if label not in self._cancelled), None)
            before = self._holding.get(stage)
            if (before[0] if before else None) == now:
                continue
            if before is not None:
                ended = Tenure(stage, before[0], before[1], time)
                self._ended.append(ended)
                self._by_version.setdefault(before[0], []).append(ended)
                del self._holding[stage]
            if now is not None:
                self._holding[stage] = now, time

    def of(self, version: str | None) -> list[Tenure]:
        """Those of one version."""
        lasting = (Tenure(stage, held, since, None) for stage, (held, since) in self._holding.items())
        return [*self._by_version.get(version or "", ()), *(each for each in lasting if each.version == version)]

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
