"""Holdings: what was in every stage at one moment, since when and by whom. Pure; it follows the fold of the tags.

Events are counted by the time that the ledger recorded, and where there is none by their tagger's effective time; what
was not accepted does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from registry.state import Artifact, Assignment, fold
from registry.tags import Event
from registry.tenure import tenures


class Holding(NamedTuple):
    """A version in a stage."""

    name: str
    stage: str
    version: str
    """Its label, or the commit where no version is registered."""
    commit: str
    since: int
    """Seconds since 1970-01-01 UTC."""
    actor: str
    """Who brought it there, or back, as `Name <email>`."""
    tag: str
    """The tag that did so."""
    marks: tuple[str, ...] = ()
    """`revoked`, `archived`, `deprecated`."""

    def json(self) -> dict[str, Any]:
        """As `--format json` prints it."""
        return {**self._asdict(), "marks": list(self.marks)}


def holdings(events: Iterable[Event], moment: int, marks: Mapping[tuple[str, str], str] | None = None) -> list[Holding]:
    """What every stage held at `moment`, by artifact and stage; each event's `time` is the one it counts by.

    `marks` says what else held then: of an artifact (under the version ``""``) or of one version of it.
    """
    before = _until(events, moment)
    said = marks or {}
    return [each for artifact in before.values() for each in _held(artifact, said)]


def _until(events: Iterable[Event], moment: int) -> dict[str, Artifact]:
    """The fold of the events that count by `moment`: a numbered tag counts no earlier than those before it."""
    found = fold(events)
    kept = [
        event
        for artifact in found.values()
        for event in artifact.events
        if artifact.effective.get(event.ref, event.time) <= moment
    ]
    return found if len(kept) == sum(len(each.events) for each in found.values()) else fold(kept)


def _held(artifact: Artifact, said: Mapping[tuple[str, str], str]) -> Iterator[Holding]:
    """What an artifact's stages hold."""
    found = [held for stage in sorted(artifact.stages) if (held := artifact.holder(stage)) is not None]
    since = {each.stage: each.since for each in tenures(artifact) if each.until is None} if found else {}
    for each in found:
        yield _holding(artifact, each, since[each.stage], said)


def _holding(artifact: Artifact, found: Assignment, since: int, said: Mapping[tuple[str, str], str]) -> Holding:
    label = found.version.label
    began = _began(artifact, found, since)
    marks = [said.get((artifact.name, label)), said.get((artifact.name, ""))]
    marks.append("deprecated" if artifact.deprecated else None)
    return Holding(
        artifact.name,
        found.stage,
        label,
        found.version.commit,
        since,
        f"{began.tagger} <{began.email}>",
        began.ref,
        tuple(each for each in marks if each),
    )


def _began(artifact: Artifact, found: Assignment, since: int) -> Event:
    """The event by which it came into the stage: its assignment, or what took away the version that held it after."""
    if artifact.effective.get(found.event.ref, found.event.time) == since:
        return found.event
    displaced = {event.ref for event in artifact.displaced}
    times = (
        event
        for event in reversed(artifact.events)
        if artifact.effective.get(event.ref, event.time) == since
        and event.ref not in displaced
        and (event.stage == found.stage or event.version is not None)
    )
    return next(times, found.event)
