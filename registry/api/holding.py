"""`which` and `latest`: what a stage holds and which version is the newest, with as little code as that takes."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from registry.api.project import Project, open_project, read_artifact
from registry.errors import NotFound, RegistryError
from registry.names import require_artifact, require_stage
from registry.versions import require as require_version

if TYPE_CHECKING:
    from registry.state import Artifact, Assignment, Version

Where = str | PathLike[str]


def which(name: str, stage: str, project: Where = ".", *, as_gto: bool = False) -> Assignment:
    """What a stage of an artifact holds now: under a policy that governs, by the events that are accepted.

    With `as_gto` every event counts, as for gto. Raises `NotFound` where the artifact is unknown or the stage is empty,
    `Refused` where what the tags say must not be used.
    """
    require_stage(stage)
    opened = open_project(project)
    artifact = _artifact(opened, name, as_gto=as_gto, stage=stage)
    found = artifact.holder(stage)
    if found is None:
        known = ", ".join(sorted(s for s in artifact.stages if artifact.holder(s))) or "none"
        raise NotFound(
            f"nothing of {name!r} is in stage {stage!r}; stages in use: {known}",
            opened.where,
            f"assign a version first: registry assign {name} --stage {stage} --version …",
        )
    return found


def _artifact(opened: Project, name: str, *, as_gto: bool, stage: str | None = None) -> Artifact:
    if as_gto:
        return read_artifact(opened, name).artifact
    require_artifact(name)
    opened.refresh(name, head=True)
    from registry.api.reading import accept  # imported while git waited for a remote

    accepted = accept(opened, name)
    if stage is not None:
        accepted.require_stage(stage)
    return accepted.artifact


def latest(name: str, project: Where = ".", *, as_gto: bool = False) -> Version:
    """The greatest active version: a release where there is one, else a prerelease. Raises `NotFound`."""
    opened = open_project(project)
    found = _artifact(opened, name, as_gto=as_gto).latest()
    if found is None:
        raise NotFound(f"no version of {name!r} is registered", opened.where, f"register one: registry register {name}")
    return found


def find_version(artifact: Artifact, version: str, where: str) -> Version:
    """The registered, active version with this label. Raises `NotFound` (unknown) or `RegistryError` (cancelled)."""
    require_version(version)
    found = artifact.versions.get(version)
    if found is None:
        known = ", ".join(v.label for v in artifact.active_versions()[:5]) or "none"
        raise NotFound(
            f"version {version} of {artifact.name!r} is not registered; newest: {known}", where, "see `registry show`"
        )
    if not found.active:
        raise RegistryError(f"version {version} of {artifact.name!r} was deregistered", where, "choose another version")
    return found
