"""Which version a command means."""

from __future__ import annotations

from registry import versions as semver
from registry.api.planning import Snapshot
from registry.errors import NotFound, RegistryError
from registry.state import Version


def called(label: str) -> str:
    """How messages name a version or a bare commit."""
    return f"version {label}" if semver.is_version(label) else f"commit {label}"


def chosen(now: Snapshot, ref: str | None, version: str | None, stage: str | None) -> Version:
    """The version named by a revision or by itself, else the one `stage` holds. Raises `RegistryError`, `NotFound`."""
    if ref is not None and version is not None:
        raise RegistryError("both a revision and a version were given", fix="give one of them")
    artifact = now.artifact
    if version is not None:
        semver.require(version)
        found = artifact.versions.get(version)
        if found is None:
            raise NotFound(
                f"version {version} of {artifact.name!r} is not registered", now.where, "see `registry show`"
            )
        return found
    if ref is not None:
        commit = now.resolve(ref)
        here = [v for v in artifact.versions.values() if v.commit == commit]
        held = [v for v in here if stage is not None and v.label in artifact.stages.get(stage, {})]
        if not here:
            raise NotFound(f"no version of {artifact.name!r} at {commit[:7]}", now.where, "see `registry show`")
        return max(held or here, key=lambda v: (v.active, semver.key(v.label) if v.registered else ()))
    holder = artifact.holder(stage) if stage is not None else None
    if holder is None:
        raise RegistryError("neither a version nor a revision was given", fix="name one with --version")
    return holder.version
