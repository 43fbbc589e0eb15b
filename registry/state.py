"""The fold: events in, state out. Pure; nothing else interprets tags.

Rules (each is held by a test in `tests/test_state.py`):

1. The effective time of a numbered stage tag `#n` is the greatest tagger time among the tags `#k`, k <= n, of the same
   artifact and stage; of any other tag its own. Events stand in order of (effective time, unnumbered before numbered,
   n); of one second's unnumbered events a cancellation comes last.
2. A version is registered, cancelled and registered again at one commit: that of its registration without number, else
   of the one with the smallest number. A registration at another commit does not count.
3. A stage holds the version of the newest assignment that stands. Unassigning cancels that version's assignments in
   that stage; assignments of cancelled versions do not stand.
4. An assignment names the version registered at its commit; where the message has a trailer `Version`, that one, and
   where it is not registered there, none; with several and no trailer the greatest active one, else the greatest.
5. A deprecation holds until a later event of the artifact.

On histories whose tagger times strictly increase in order of creation every answer equals gto's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from registry import versions as semver
from registry.tags import (
    ASSIGNMENT,
    DEPRECATION,
    DEREGISTRATION,
    PRIORITY,
    REGISTRATION,
    UNASSIGNMENT,
    Event,
    trailers,
)


@dataclass(slots=True)
class Version:
    """A registered version, or (`registered` false) a commit that was assigned without one."""

    label: str
    """`vX.Y.Z`, or the commit's object id in hex where none is registered."""
    commit: str
    """Object id of its commit, in hex."""
    registered: bool
    active: bool = True
    """False once its newest registration was cancelled."""
    events: list[Event] = field(default_factory=list)
    """Its registrations and deregistrations that count, in order."""


@dataclass(slots=True)
class Assignment:
    """What a stage holds: a version and the tag that put it there."""

    stage: str
    version: Version
    event: Event
    place: int
    """Where the event stands in the artifact's order."""


@dataclass(slots=True)
class Artifact:
    """The state of one artifact, derived from its events."""

    name: str
    events: list[Event]
    """All its events in order."""
    versions: dict[str, Version]
    """By label, in order of first registration or assignment."""
    stages: dict[str, dict[str, Assignment]]
    """For each stage the assignments that were not cancelled, by version label, oldest first."""
    labels: dict[str, str]
    """Tag name of each stage event to the label of the version it concerns."""
    effective: dict[str, int] = field(default_factory=dict)
    """Tag name to effective time, in seconds, of the stage tags where that is not the tagger's own."""
    deprecated: Event | None = None
    """The deprecation in force."""
    displaced: list[Event] = field(default_factory=list)
    """Registrations and cancellations that do not count, because their version stands at another commit."""
    out_of_order: list[tuple[Event, Event]] = field(default_factory=list)
    """Pairs of stage events, earlier and later, whose order is not that of their tagger times."""

    def standing(self, stage: str) -> list[Assignment]:
        """Assignments of active versions in `stage`, newest first."""
        held = self.stages.get(stage, {})
        return [held[label] for label in reversed(held) if held[label].version.active]

    def holder(self, stage: str) -> Assignment | None:
        """What `stage` holds now."""
        return next(iter(self.standing(stage)), None)

    def at_commit(self, commit: str) -> list[Version]:
        """Versions ever registered at `commit`."""
        return [v for v in self.versions.values() if v.registered and v.commit == commit]

    def active_versions(self) -> list[Version]:
        """Registered versions that were not cancelled, greatest first; of equal precedence the later one first."""
        found = [v for v in self.versions.values() if v.registered and v.active]
        return sorted(found, key=lambda v: semver.key(v.label))[::-1]

    def last_release(self, wanted: str | None = None) -> Version | None:
        """The greatest active release, of those before `wanted` where it is given."""
        releases = (v for v in self.active_versions() if not semver.is_prerelease(v.label))
        return next((v for v in releases if wanted is None or semver.key(v.label) <= semver.key(wanted)), None)

    def greatest(self) -> Version | None:
        """The greatest active version by precedence, prereleases included, as `show` names it."""
        found = (v for v in reversed(self.versions.values()) if v.registered and v.active)
        return max(found, key=lambda v: semver.key(v.label), default=None)

    def latest(self) -> Version | None:
        """The greatest active release, or where there is none the greatest prerelease."""
        found = self.active_versions()
        return next((v for v in found if not semver.is_prerelease(v.label)), next(iter(found), None))

    def held(self, stage: str) -> list[str]:
        """Labels the stage goes back to, the present one last: a stack that assignments push and rollbacks pop."""
        stack: list[str] = []
        for event in self.events:
            if event.stage != stage:
                continue
            label = self.labels[event.ref]
            if event.kind == UNASSIGNMENT:
                stack = [other for other in stack if other != label]
            elif "Rollback-of" in trailers(event.message):
                below = stack[:-1]
                stack = below[: len(below) - below[::-1].index(label)] if label in below else [*below, label]
            elif stack[-1:] != [label]:
                stack.append(label)
        return stack


def fold(events: Iterable[Event]) -> dict[str, Artifact]:
    """Fold events, in any order, into the state of each artifact, sorted by name."""
    grouped: dict[str, list[Event]] = {}
    for event in events:
        grouped.setdefault(event.artifact, []).append(event)
    return {name: fold_artifact(name, grouped[name]) for name in sorted(grouped)}


def fold_artifact(name: str, events: list[Event]) -> Artifact:
    """Fold the events of one artifact."""
    artifact = Artifact(name, [], {}, {}, {})
    artifact.effective = _effective_times(events, artifact.out_of_order)
    artifact.events = _in_order(events, artifact.effective)
    _fold_versions(artifact)
    _fold_stages(artifact)
    last = artifact.events[-1] if artifact.events else None
    artifact.deprecated = last if last and last.kind == DEPRECATION else None
    return artifact


def _effective_times(events: list[Event], contradictions: list[tuple[Event, Event]]) -> dict[str, int]:
    numbered: dict[str, list[Event]] = {}
    for event in events:
        if event.stage is not None and event.number is not None:
            numbered.setdefault(event.stage, []).append(event)
    effective: dict[str, int] = {}
    for tags in numbered.values():
        tags.sort(key=_by_number)
        newest: Event | None = None
        for event in tags:
            if newest is not None and event.time <= newest.time:
                contradictions.append((newest, event))
                effective[event.ref] = newest.time
            else:
                newest = event
    return effective


def _in_order(events: list[Event], effective: dict[str, int]) -> list[Event]:
    if not effective and len({event.time for event in events}) == len(events):
        return sorted(events, key=_by_time)  # an honest history: its clocks alone say the order
    return sorted(
        events,
        key=lambda e: (effective.get(e.ref, e.time), e.number or 0, e.kind in _CANCELS, PRIORITY[e.kind], e.ref),
    )


_by_time = attrgetter("time")
_by_number = attrgetter("number", "time", "ref")
_CANCELS = frozenset({DEREGISTRATION, UNASSIGNMENT, DEPRECATION})


def _fold_versions(artifact: Artifact) -> None:
    first: dict[str, Event] = {}
    for event in artifact.events:
        if event.kind == REGISTRATION and event.version is not None:
            known = first.get(event.version)
            if known is None or (event.number or 0) < (known.number or 0):
                first[event.version] = event
    for event in artifact.events:
        if event.version is None:
            continue
        origin = first.get(event.version)
        if origin is None or origin.commit != event.commit:
            artifact.displaced.append(event)
            continue
        version = artifact.versions.get(event.version)
        if version is None:
            version = artifact.versions[event.version] = Version(event.version, event.commit, registered=True)
        version.active = event.kind == REGISTRATION
        version.events.append(event)


def _fold_stages(artifact: Artifact) -> None:
    at: dict[str, list[Version]] = {}
    for version in artifact.versions.values():
        at.setdefault(version.commit, []).append(version)
    stages: dict[str, dict[str, tuple[str, Version, Event, int]]] = {}
    for place, event in enumerate(artifact.events):
        stage = event.stage
        if stage is None:
            continue
        version = _version_of(event, at.get(event.commit, ()), artifact)
        label = artifact.labels[event.ref] = version.label
        held = stages.setdefault(stage, {})
        held.pop(label, None)
        if event.kind == ASSIGNMENT:
            held[label] = (stage, version, event, place)
    artifact.stages = {s: {label: Assignment(*one) for label, one in held.items()} for s, held in stages.items()}


def named_version(event: Event) -> str | None:
    """The version that a tag's trailer `Version` names; anything else under that word is a person's own text."""
    if "Version:" not in event.message:
        return None
    named = trailers(event.message).get("Version")
    return named if named is not None and semver.is_version(named) else None


def _version_of(event: Event, candidates: Sequence[Version], artifact: Artifact) -> Version:
    named = named_version(event)
    if named is not None:
        candidates = [version for version in candidates if version.label == named]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        return max(candidates, key=lambda v: (v.active, semver.key(v.label)))
    version = artifact.versions.get(event.commit)
    if version is None:
        version = artifact.versions[event.commit] = Version(event.commit, event.commit, registered=False)
    return version
