"""Tenures: from when until when each version held a stage. Pure; it follows the fold of `registry.state`.

A stage is held by the newest assignment that stands, so a cancelled one gives it back to the one before: a tenure ends
there and another begins. Times are effective times, so they never decrease.
"""

from __future__ import annotations

from typing import NamedTuple

from registry.state import Artifact
from registry.tags import ASSIGNMENT, REGISTRATION


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


def tenures(artifact: Artifact) -> list[Tenure]:
    """All tenures of an artifact, in order of their end, those that last at the end."""
    ended: list[Tenure] = []
    assigned: dict[str, list[str]] = {}
    cancelled: set[str] = set()
    holding: dict[str, tuple[str, int]] = {}
    displaced = {event.ref for event in artifact.displaced}
    for event in artifact.events:
        time = artifact.effective.get(event.ref, event.time)
        if event.stage is not None:
            label = artifact.labels[event.ref]
            held = assigned.setdefault(event.stage, [])
            if label in held:
                held.remove(label)
            if event.kind == ASSIGNMENT:
                held.append(label)
        elif event.version is not None and event.ref not in displaced:
            (cancelled.discard if event.kind == REGISTRATION else cancelled.add)(event.version)
        for stage, labels in assigned.items():
            now = next((label for label in reversed(labels) if label not in cancelled), None)
            before = holding.get(stage)
            if (before[0] if before else None) == now:
                continue
            if before is not None:
                ended.append(Tenure(stage, before[0], before[1], time))
                del holding[stage]
            if now is not None:
                holding[stage] = now, time
    return [*ended, *(Tenure(stage, label, since, None) for stage, (label, since) in holding.items())]
