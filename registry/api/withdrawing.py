"""Revoking a version and archiving an artifact: what makes them unusable for good. Plans as in `registering`.

A revoked version is cancelled by a tag `NAME@vX!` with the trailer `Revoked: <why>`. Unlike a deregistered one it is
never registered again and never rolled back to, and no version of it loads, however it is asked for. Where the registry
has a ledger, that says so too.

An archived artifact is no longer offered: in one atomic group every stage is emptied, of all versions it would go back
to, and the artifact is deprecated by `NAME@deprecated` with the trailer `Archived: <why>`. Its versions still load by
number. Whoever archives needs the right to, and the right to take a version out of each of these stages. A later
assignment revives the artifact, as it does a deprecated one.
"""

from __future__ import annotations

from os import PathLike

from registry import versions as semver
from registry.api.choosing import called, chosen
from registry.api.planning import Ask, NewTag, Options, Plan, Snapshot, one_line
from registry.api.project import open_project
from registry.api.promoting import record, record_group
from registry.api.recording import Recorded
from registry.errors import NotFound, RegistryError
from registry.eventkind import ARCHIVED, REVOKED, is_revocation
from registry.names import require_artifact
from registry.tags import DEPRECATION, DEREGISTRATION, UNASSIGNMENT, TagName, trailers

Where = str | PathLike[str]
NOT_OFFERED = "no longer offered"
"""What an archived artifact says where nobody gave a reason."""


def revoke(
    name: str, version: str, reason: str, *, project: Where = ".", force: bool = False, options: Options = Options()
) -> Recorded:
    """Make a version unloadable, and say why. A deregistered one may be revoked too.

    Raises `Denied` where the policy does not allow it, `NotFound`, `RegistryError` where it was revoked already.
    """
    require_artifact(name)
    semver.require(version)
    why = one_line(reason, "reason")

    def decide(now: Snapshot, _: Snapshot) -> Plan:
        found = chosen(now, None, version, None)
        before = next(filter(is_revocation, found.events), None)
        if before is not None and not force:
            raise RegistryError(f"version {version} of {name!r} was revoked already by {before.ref}", now.where)
        message = options.message or f"Revoking artifact {name} version {version}"
        tag_name = TagName(name, DEREGISTRATION, version, None, None)
        lines = {"Version": version, REVOKED: why}
        tag = now.tag(tag_name, found.commit, message, lines, numbered=options.simple is False)
        return Plan(
            [tag],
            lambda after: any(map(is_revocation, after.versions[version].events)),
            f"{version} would stay loadable",
            found.events,
        )

    return record_group(open_project(project), [Ask(name, decide)], options, ledger=True)[0]


def archive(
    name: str, reason: str | None = None, *, project: Where = ".", force: bool = False, options: Options = Options()
) -> Recorded:
    """Empty every stage of an artifact and deprecate it, all at once.

    Raises `Denied` where the policy does not allow one of it, `NotFound`, `RegistryError`.
    """
    require_artifact(name)
    why = one_line(reason if reason is not None else NOT_OFFERED, "reason")

    def decide(now: Snapshot, _: Snapshot) -> Plan:
        if not now.artifact.events:
            raise NotFound(f"no artifact {name!r}", now.where, "see `registry show`")
        last = now.artifact.deprecated
        if last is not None and ARCHIVED in trailers(last.message) and not force:
            raise RegistryError(f"{name!r} was archived already by {last.ref}", now.where)
        message = options.message or f"Archiving artifact '{name}'"
        held = [each for stage in now.artifact.stages for each in now.artifact.standing(stage)]
        tags = [_emptied(now, each.stage, each.version.label, each.version.commit, options) for each in held]
        ended = TagName(name, DEPRECATION, None, None, None)
        commit = now.artifact.events[-1].commit
        tags.append(now.tag(ended, commit, message, {ARCHIVED: why}, numbered=options.simple is False))
        return Plan(
            tags,
            lambda after: after.deprecated is not None and not any(map(after.holder, after.stages)),
            f"{name!r} would stay in use",
            [event for each in held for event in each.version.events],
        )

    return record(open_project(project), name, decide, options)


def _emptied(now: Snapshot, stage: str, label: str, commit: str, options: Options) -> NewTag:
    name = TagName(now.artifact.name, UNASSIGNMENT, None, stage, None)
    message = f"Unassigning stage '{stage}' to artifact '{now.artifact.name}' {called(label)}"
    named = {"Version": label} if semver.is_version(label) else {}
    return now.tag(name, commit, message, named, numbered=options.simple is not True)
