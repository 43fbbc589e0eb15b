"""Registering, cancelling and deprecating: what concerns an artifact and its versions.

Each command is a plan: a pure decision on the artifact as it stands, which gives the tags to make and what must hold
afterwards. `recording.record` carries plans out; with `push` the remote decides.
"""

from __future__ import annotations

from os import PathLike

from registry import versions as semver
from registry.api.choosing import chosen
from registry.api.numbering import next_version
from registry.api.planning import NewTag, Options, Plan, Snapshot
from registry.api.project import open_project
from registry.api.promoting import record
from registry.api.recording import Recorded
from registry.errors import NotFound, RegistryError
from registry.names import require_artifact
from registry.tags import DEPRECATION, DEREGISTRATION, REGISTRATION, TagName

Where = str | PathLike[str]


def register(
    name: str,
    ref: str = "HEAD",
    *,
    project: Where = ".",
    version: str | None = None,
    bump: str | None = None,
    force: bool = False,
    options: Options = Options(),
) -> Recorded:
    """Register a version of an artifact at a commit: the named one, else the greatest ever given out, raised.

    A number is never given out again, and it is at least what the model's interface asks for (`numbering`). Raises
    `RegistryError` where the commit has a version already, has a registry without such a model, or the number is too
    small (all unless `force`), and where the version exists.
    """
    require_artifact(name)
    if version is not None:
        semver.require(version)
    if version is not None and bump is not None:
        raise RegistryError("both a version and a bump were given", fix="give one of them")

    def decide(now: Snapshot, _: Snapshot) -> Plan:
        commit = now.resolve(ref)
        if not force:
            now.require_model(commit)
        chosen, forced, why = next_version(now, commit, version, bump, force=force)
        return Plan(
            [registration(now, commit, chosen, options, numbered=options.simple is False, forced=forced)],
            lambda after: after.versions[chosen].active and after.versions[chosen].commit == commit,
            f"version {chosen} would not be registered at {commit[:7]}",
            why=why,
        )

    return record(open_project(project), name, decide, options)


def registration(
    now: Snapshot, commit: str, version: str, options: Options, *, numbered: bool = False, forced: bool = False
) -> NewTag:
    """The tag that registers `version` at `commit`; its message says where the bump was `forced`."""
    name = TagName(now.artifact.name, REGISTRATION, version, None, None)
    message = options.message or f"Registering artifact {now.artifact.name} version {version}"
    lines = {"Version": version, **({"Forced": "version-bump"} if forced else {}), **options.trailers}
    return now.tag(name, commit, message, lines, numbered=numbered, links=True)


def deregister(
    name: str,
    *,
    ref: str | None = None,
    version: str | None = None,
    project: Where = ".",
    force: bool = False,
    options: Options = Options(),
) -> Recorded:
    """Cancel a version; stages that hold it fall back to what they held before. Its number stays taken."""
    require_artifact(name)

    def decide(now: Snapshot, _: Snapshot) -> Plan:
        found = chosen(now, ref, version, None)
        if not found.active and not force:
            raise RegistryError(f"version {found.label} of {name!r} was deregistered already", now.where)
        tag_name = TagName(name, DEREGISTRATION, found.label, None, None)
        message = options.message or f"Deregistering artifact {name} version {found.label}"
        tag = now.tag(tag_name, found.commit, message, {"Version": found.label}, numbered=options.simple is False)
        return Plan(
            [tag],
            lambda after: not after.versions[found.label].active,
            f"{found.label} would stay registered",
            found.events,
        )

    return record(open_project(project), name, decide, options)


def deprecate(
    name: str,
    *,
    ref: str | None = None,
    project: Where = ".",
    force: bool = False,
    options: Options = Options(),
) -> Recorded:
    """Deprecate an artifact: it leaves `show`, and loading it warns; a later event revives it, as in gto."""
    require_artifact(name)

    def decide(now: Snapshot, _: Snapshot) -> Plan:
        if not now.artifact.events and not force:
            raise NotFound(f"no artifact {name!r}", now.where, "see `registry show`")
        if now.artifact.deprecated and not force:
            raise RegistryError(f"{name!r} was deprecated already by {now.artifact.deprecated.ref}", now.where)
        last = now.artifact.events[-1].commit if now.artifact.events else None
        commit = last if ref is None and last is not None else now.resolve(ref or "HEAD")
        message = options.message or f"Deprecating artifact '{name}'"
        tag = now.tag(
            TagName(name, DEPRECATION, None, None, None), commit, message, {}, numbered=options.simple is False
        )
        return Plan([tag], lambda after: after.deprecated is not None, f"{name!r} would stay in use")

    return record(open_project(project), name, decide, options)
