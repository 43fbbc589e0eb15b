"""`compare`: two versions, stages or revisions of an artifact side by side, or its work tree; and all its versions.

A place is `#STAGE`, a version, `.` (the work tree), a stage in use, or else a revision of the registry. Nothing is
loaded, so neither approval nor first sight is asked for: what was withdrawn can be compared too.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

from registry import versions as semver
from registry.api.accepting import Accepted, accept_any
from registry.api.project import Project, open_project
from registry.api.resolving import decided
from registry.api.sides import WORK_TREE, certificate_of, judging, reports_at, side_at, side_on_disk
from registry.checks.listing import about
from registry.comparison import Comparison, Side
from registry.comparison import compare as compared
from registry.direction import GREATER, direction
from registry.errors import NotFound, RegistryError
from registry.lineage import METRICS
from registry.linkfile import parse_link
from registry.names import in_tag, require_artifact, require_stage
from registry.policy import Policy
from registry.state import Artifact, Version
from registry.strictyaml import LIMIT

Where = str | PathLike[str]
VERSIONS = 200
"""How many versions a series goes back."""
_HERE = (".", WORK_TREE)


@dataclass(frozen=True)
class Series:
    """One metric over the versions of an artifact."""

    name: str
    """With the suite before it where a suite measured it; another suite or other data is another series."""
    direction: str
    values: tuple[tuple[str, float], ...]
    """Version and value, oldest version first."""


def compare(name: str, before: str, after: str, project: Where = ".") -> Comparison:
    """What changed from one place of an artifact to another.

    Raises `NotFound` where a place or its link is not there, `RegistryError`. What a side does not know stands in
    `missing`.
    """
    opened, accepted = _asked(name, project)
    return compared(name, *(_side(opened, accepted, place) for place in (before, after)))


def usual(name: str, project: Where = ".") -> tuple[str, str]:
    """The two places that are compared where none is named: what the newest assignment put into a stage, the latest.

    Without an assignment, or where it is the latest itself, the version before the latest. Raises `NotFound`.
    """
    opened, accepted = _asked(name, project)
    artifact = accepted.artifact
    latest = artifact.latest()
    if latest is None:
        raise NotFound(f"no version of {name!r} is registered", opened.where, f"register one: registry register {name}")
    stage = newest_stage(artifact)
    held = artifact.holder(stage) if stage else None
    if stage is not None and held is not None and held.version is not latest:
        return f"#{stage}", latest.label
    older = [each for each in artifact.active_versions() if semver.key(each.label) < semver.key(latest.label)]
    if not older:
        raise NotFound(
            f"{name!r} has one version only",
            opened.where,
            "name two places: registry diff NAME A B; `.` is this folder",
        )
    return older[0].label, latest.label


def newest_stage(artifact: Artifact) -> str | None:
    """The stage that was assigned to last, of those that hold something."""
    held = [found for stage in artifact.stages if (found := artifact.holder(stage)) is not None]
    return max(held, key=lambda each: each.place).stage if held else None


def series(name: str, project: Where = ".") -> tuple[Series, ...]:
    """Every metric of two or more of the last versions: of certificates at each, and of reports at the default branch.

    Raises `RegistryError` where the registry cannot be read; a version without either is left out.
    """
    opened, accepted = _asked(name, project)
    artifact = accepted.artifact
    versions = artifact.active_versions()[:VERSIONS][::-1]
    link, lineage = f".mlem/links/{in_tag(name)}.mlem", about(name)[1]
    read = opened.read_at([(each.commit, path) for each in versions for path in (link, lineage)], LIMIT)
    head = opened.head()
    reports = tuple(reports_at(opened, name, head)) if head else ()
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for version in versions:
        side = _linked(version, read.get((version.commit, link)))
        if side is None or side.link is None:
            continue
        for key, value in _numbers(side, name, read.get((version.commit, lineage)), reports):
            found.setdefault(key, []).append((version.label, value))
    return tuple(
        Series(key[0], GREATER if key[1] else direction(key[0]), tuple(values))
        for key, values in sorted(found.items())
        if len(values) > 1
    )


def _linked(version: Version, link: tuple[str, bytes] | None) -> Side | None:
    try:
        return Side(version.label, version.label, link=parse_link(link[1], version.label)) if link else None
    except RegistryError:
        return None


def _numbers(
    side: Side, name: str, lineage: tuple[str, bytes] | None, reports: tuple[tuple[str, bytes], ...]
) -> list[tuple[tuple[str, str], float]]:
    """Numbers of one version by series: its name, and the suite's digest where a suite measured it."""
    found: dict[tuple[str, str], float] = {}
    try:
        facts = certificate_of(side.link, lineage[1], name).section(METRICS) if side.link and lineage else {}
    except RegistryError:
        facts = {}
    for key, fact in facts.items():
        if isinstance(fact.value, (int, float)) and not isinstance(fact.value, bool):
            found[key, ""] = float(fact.value)
    for report in judging(side, name, reports):
        for metric, value in report.results.metrics.items():
            if value is not None:
                found[f"{report.suite}: {metric}", report.inputs.suite_sha256] = value
    return list(found.items())


def _asked(name: str, project: Where) -> tuple[Project, Accepted]:
    require_artifact(name)
    opened = open_project(project)
    opened.refresh(name, head=True)
    return opened, accept_any(opened, name)


def _side(opened: Project, accepted: Accepted, place: str) -> Side:
    artifact = accepted.artifact
    if place in _HERE:
        return side_on_disk(opened, artifact.name)
    stage = place[1:] if place.startswith("#") else place if artifact.holder(place) else None
    if stage is not None:
        label, event = decided(accepted, require_stage(stage), None)
        return version_side(opened, artifact, label, event.commit, f"#{stage}")
    if semver.is_version(place):
        label, event = decided(accepted, None, place)
        return version_side(opened, artifact, label, event.commit, place)
    commit = opened.resolve(place)
    here = [each for each in artifact.at_commit(commit) if each.active]
    return version_side(opened, artifact, here[-1].label if here else None, commit, place)


def version_side(
    opened: Project, artifact: Artifact, label: str | None, commit: str, called: str, policy: Policy | None = None
) -> Side:
    """The side of a version, or of a commit that is none; by the present policy unless one is given."""
    held = ((stage, artifact.holder(stage)) for stage in sorted(artifact.stages))
    stages = tuple(stage for stage, holder in held if holder is not None and holder.version.label == label)
    return side_at(opened, artifact.name, commit, Side(called, label, stages), policy)
