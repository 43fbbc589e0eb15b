"""State as the JSON that gto prints: the same keys, the same values on honest histories (gto 1.10: `api.py`).

Pure. Times are ISO 8601 in the tagger's own zone, versions are labels (`vX.Y.Z`, or a commit's id where none is
registered).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from registry import versions as semver
from registry.commit import Commit
from registry.state import Artifact, Assignment, Version
from registry.tags import ASSIGNMENT, DEPRECATION, PRIORITY, REGISTRATION, UNASSIGNMENT, Event

Json = dict[str, Any]


@dataclass(frozen=True)
class Annotations:
    """What `artifacts.yaml` says: by commit, then by artifact; `head` is the commit whose file lists artifacts."""

    head: Commit | None = None
    listed: Mapping[str, Json] = field(default_factory=dict)
    """Artifacts of `artifacts.yaml` at `head`."""
    commits: Mapping[str, Commit] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    """`artifacts.yaml` of other commits, by commit."""


@dataclass(frozen=True)
class Selection:
    """Which assignments a view shows, named as gto's options."""

    registered_only: bool = False
    deprecated: bool = False
    assignments_per_version: int = -1
    versions_per_stage: int = 1
    by_version: bool = False
    """Order by semantic version rather than by time."""


_HOLDERS = (Selection(), Selection(deprecated=True))
"""Selections that ask for what each stage holds and no more: no version needs to be compared."""


_LAST = int(datetime(9999, 1, 1, tzinfo=timezone.utc).timestamp()) - 1


def iso(seconds: int, zone: str) -> str:
    """A time as `datetime.isoformat` writes it; one beyond the year 9998 is shown as its end."""
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
    if offset >= timedelta(hours=24):
        offset = timedelta(0)
    where = timezone(-offset if zone[0] == "-" else offset)
    return datetime.fromtimestamp(min(seconds, _LAST), where).isoformat()


def is_active(artifact: Artifact, annotations: Annotations = Annotations()) -> bool:
    """Whether an artifact is in use: not deprecated, or named by a newer commit's `artifacts.yaml`."""
    if artifact.deprecated is None:
        return True
    head = annotations.head
    return artifact.name in annotations.listed and head is not None and head.time > artifact.deprecated.time


def shown_versions(artifact: Artifact, chosen: Selection) -> list[Version]:
    """Versions in gto's order: semantic versions, greatest first, then bare commits."""
    commits = [v for v in artifact.versions.values() if not v.registered]
    return artifact.active_versions() + (
        [] if chosen.registered_only else sorted(commits, key=lambda v: v.label, reverse=True)
    )


def shown_stages(artifact: Artifact, chosen: Selection) -> dict[str, list[Assignment]]:
    """What each stage holds, newest first, cut to the selection."""
    if chosen in _HOLDERS:
        held = [one for stage in artifact.stages if (one := artifact.holder(stage)) is not None]
        held.sort(key=lambda a: a.place, reverse=True)
        return {one.stage: [one] for one in held}
    picked = []
    for version in shown_versions(artifact, chosen):
        mine = [held[version.label] for held in artifact.stages.values() if version.label in held]
        mine.sort(key=lambda a: a.place)
        picked += mine if chosen.assignments_per_version < 0 else mine[: chosen.assignments_per_version]
    if not chosen.by_version:
        picked.sort(key=lambda a: a.place, reverse=True)
    stages: dict[str, list[Assignment]] = {}
    for one in picked:
        row = stages.setdefault(one.stage, [])
        if chosen.versions_per_stage < 0 or len(row) < chosen.versions_per_stage:
            row.append(one)
    return stages


def used_stages(artifacts: Iterable[Artifact]) -> list[str]:
    """Stages that hold something, sorted."""
    return sorted(
        {s for a in artifacts for s, held in a.stages.items() if any(h.version.active for h in held.values())}
    )


def registry_view(
    artifacts: Mapping[str, Artifact], stages: Sequence[str], annotations: Annotations, chosen: Selection
) -> dict[str, Json]:
    """What `show --json` prints: `{artifact: {version, stage: {name: version}, registered, active}}`."""
    view: dict[str, Json] = {}
    for name in sorted({*artifacts, *annotations.listed}):
        artifact = artifacts.get(name)
        if artifact is None:
            view[name] = {"version": None, "stage": dict.fromkeys(stages), "registered": False, "active": True}
            continue
        active = is_active(artifact, annotations)
        if not active and not chosen.deprecated:
            continue
        held = shown_stages(artifact, chosen)
        greatest = artifact.greatest()
        view[name] = {
            "version": greatest.label if greatest else None,
            "stage": {s: ", ".join(a.version.label for a in held.get(s, [])) or None for s in stages},
            "registered": True,
            "active": active,
        }
    return view


def event_view(event: Event, label: str | None) -> Json:
    """One event with gto's keys, as `check-ref --json` prints it."""
    view: Json = {
        "artifact": event.artifact,
        "created_at": iso(event.time, event.zone),
        "author": event.tagger,
        "author_email": event.email,
        "message": event.message.strip(),
        "commit_hexsha": event.commit,
        "tag": event.ref,
    }
    if event.kind != DEPRECATION:
        view["version"] = label
    if event.stage is not None:
        view["stage"] = event.stage
    view["event"] = event.kind
    return view


def label_of(artifact: Artifact, event: Event) -> str | None:
    """The version an event concerns: a label, or nothing for a deprecation."""
    return event.version or artifact.labels.get(event.ref)


def history_view(artifacts: Iterable[Artifact], *, ascending: bool) -> list[Json]:
    """What `history --json` prints: every event, newest first unless `ascending`."""
    rows: list[tuple[tuple[int, int], Json]] = []
    for artifact in artifacts:
        for event in artifact.events:
            row = {
                "timestamp": iso(event.time, event.zone),
                "artifact": event.artifact,
                "event": event.kind,
                "priority": PRIORITY[event.kind],
                "version": label_of(artifact, event),
                "stage": event.stage,
                "commit": event.commit,
                "author": event.tagger,
                "author_email": event.email,
                "message": event.message.strip(),
                "ref": event.ref,
            }
            rows.append(((artifact.effective.get(event.ref, event.time), PRIORITY[event.kind]), row))
    rows.sort(key=lambda row: row[0])
    return [row for _, row in (rows if ascending else reversed(rows))]


def artifact_view(artifact: Artifact, annotations: Annotations, chosen: Selection) -> list[Json]:
    """What `show NAME --json` prints: one object a version, with its events, stages and commit.

    As in gto, commits without a version are listed also where only registered ones were asked for, without stages then;
    unlike there, each commit is listed once.
    """
    if not is_active(artifact, annotations) and not chosen.deprecated:
        return []
    stages = shown_stages(artifact, chosen)
    chosen_versions = [v for v in artifact.versions.values() if v.active or chosen.deprecated]
    views = [_version_view(artifact, version, stages, annotations) for version in chosen_versions]
    head = annotations.head
    known = {version.commit for version in artifact.versions.values()}
    if artifact.name in annotations.listed and head and head.oid not in known:
        views.append(_discovered_view(artifact.name, head, annotations))
    return sorted(views, key=_precedence)[::-1]


def _precedence(view: Json) -> tuple[bool, object]:
    label = view["version"]
    return (True, semver.key(label)) if semver.is_version(label) else (False, label)


def _version_view(
    artifact: Artifact, version: Version, stages: Mapping[str, list[Assignment]], annotations: Annotations
) -> Json:
    def events(kind: str) -> list[Json]:
        return [_raw_event(e, version.label) for e in version.events if e.kind == kind]

    enrichment = _enrichment(artifact.name, version.label, version.commit, annotations)
    stage_events = [e for e in artifact.events if e.stage and artifact.labels[e.ref] == version.label]
    additions = [e for e in version.events if e.kind == REGISTRATION]
    author = (additions or version.events or stage_events)[-1]
    since = enrichment["created_at"] if enrichment and not version.events else _created(([*additions, author])[0])
    view: Json = {
        "artifact": artifact.name,
        "commit_hexsha": version.commit,
        "version": version.label,
        "enrichments": [enrichment] if enrichment else [],
        "registrations": events(REGISTRATION),
        "deregistrations": events("deregistration"),
        "stages": [_stage_view(artifact, one) for held in stages.values() for one in held if one.version is version],
        "is_active": version.active,
        "activated_at": since,
    }
    return {**view, **_authored(author), "discovered": not version.registered}


def _created(event: Event) -> str:
    return iso(event.time, event.zone)


def _authored(event: Event) -> Json:
    return {
        "created_at": _created(event),
        "author": event.tagger,
        "author_email": event.email,
        "message": event.message.strip(),
        "ref": event.ref,
    }


def _stage_view(artifact: Artifact, one: Assignment) -> Json:
    label = one.version.label
    mine = [e for e in artifact.events if e.stage == one.stage and artifact.labels[e.ref] == label]
    return {
        "artifact": artifact.name,
        "commit_hexsha": one.version.commit,
        "version": label,
        "stage": one.stage,
        "assignments": [{**_raw_event(e, label), "event": e.kind} for e in mine if e.kind == ASSIGNMENT],
        "unassignments": [{**_raw_event(e, label), "event": e.kind} for e in mine if e.kind == UNASSIGNMENT],
        "is_active": True,
        "activated_at": _created(one.event),
        **_authored(one.event),
    }


def _raw_event(event: Event, label: str) -> Json:
    view = event_view(event, label)
    del view["event"]
    return {"priority": PRIORITY[event.kind], "addition": event.kind in {REGISTRATION, ASSIGNMENT}, **view}


def _enrichment(name: str, label: str, commit: str, annotations: Annotations) -> Json | None:
    info = annotations.commits.get(commit)
    if info is None:
        return None
    listed = annotations.files.get(commit, {}).get(name)
    return {
        "priority": 0,
        "addition": True,
        "artifact": name,
        "created_at": iso(info.time, info.zone),
        "author": info.author,
        "author_email": info.author_email,
        "message": info.message,
        "commit_hexsha": commit,
        "version": label,
        "enrichments": [] if listed is None else [{"source": "gto", "artifact": listed}],
        "committer": info.committer,
        "committer_email": info.committer_email,
    }


def _discovered_view(name: str, head: Commit, annotations: Annotations) -> Json:
    created = iso(head.time, head.zone)
    return {
        "artifact": name,
        "commit_hexsha": head.oid,
        "version": head.oid,
        "enrichments": [_enrichment(name, head.oid, head.oid, annotations)],
        "registrations": [],
        "deregistrations": [],
        "stages": [],
        "is_active": True,
        "activated_at": created,
        "created_at": created,
        "author": head.author,
        "author_email": head.author_email,
        "message": head.message,
        "ref": head.oid,
        "discovered": True,
    }
