"""From a name to what is pinned: stage or version, tag, registry commit, link, source, digests.

This is the first half of the trust chain; every step refuses rather than guesses. No byte of the model is read yet.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from registry.api import admitting, auditing, unchanged
from registry.api.accepting import Accepted, accept, accept_any
from registry.api.governing import current_policy, require_trusted
from registry.api.holding import find_version
from registry.api.links import link_source, read_link, unpinned
from registry.api.newestpolicy import require_not_older
from registry.api.project import Project, open_project
from registry.api.resident import link_of, named
from registry.api.rules import read_rules
from registry.errors import NotFound, Refused, RegistryError
from registry.linkfile import Link, Pin
from registry.names import require_artifact, require_stage
from registry.policy import Policy
from registry.ranges import is_range, parse_range, within
from registry.state import Artifact, Assignment, Version
from registry.tags import REGISTRATION, Event
from registry.urls import Address
from registry.versions import require as require_version

if TYPE_CHECKING:
    from registry.api.entering import Owed


@dataclass(frozen=True)
class Resolved:
    """An artifact at one version, and everything its link pins."""

    name: str
    project: str
    """The registry, without credentials."""
    version: str | None
    """The version; none where a bare revision was asked for."""
    stage: str | None
    """The stage that was asked for."""
    tag: str | None
    """The tag that decided: the assignment, or the registration."""
    tag_oid: str | None
    """That tag's object id."""
    commit: str
    """The registry's commit."""
    link_path: str
    """The link file; of a model that lies in the registry itself, the file that names it."""
    link_blob: str
    """That file's git object id."""
    link: Link
    source: Address
    """The source repository."""
    source_commit: str
    """The pinned commit of the source; of MLflow the run's id."""
    metafile: Pin
    artifacts: Mapping[str, Pin]
    policy: Policy = field(default=Policy(), repr=False)
    """The registry's policy as its default branch has it now."""
    registered: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    """Registered versions at stake (of a revision all at its commit): the tags that register each, with their ids."""
    stages: tuple[str, ...] = ()
    """The stages that hold it now."""
    locked: str | None = None
    """The lock file that settled the version."""
    signed: bool = field(default=False, repr=False)
    """Whether the events that name it were accepted with good signatures; never where no policy governs."""
    owed: Mapping[str, Owed] = field(default_factory=dict, repr=False, compare=False)
    """What its bytes must be found to be when they are brought, by the stage that holds it."""
    groups: tuple[tuple[str, ...], ...] = field(default=(), repr=False, compare=False)
    """Stages by which it was admitted: of each group one must find its bytes so."""
    until: int | None = field(default=None, repr=False, compare=False)
    """The second from which on the answer may be another although nothing changed."""


def resolve(
    name: str,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    *,
    locked: bool = False,
    lock: str | PathLike[str] | None = None,
    require: admitting.Require = None,
) -> Resolved:
    """Resolve an artifact by `stage`, by `version` (or a range), by a revision of the registry, or its latest version.

    With `locked` (or `REGISTRY_LOCKED=1`) it is what the lock file says: `lock`, `REGISTRY_LOCK`, or `registry.lock` of
    this folder or one above. Whatever is found must be what this machine saw first, must be in one of the
    `REGISTRY_ALLOWED_STAGES`, and must satisfy `require` (see `registry.api.admitting`). Raises `NotFound` where
    nothing is there, and `Refused` where something is there but must not be used.
    """
    with auditing.refusals(name, stage, version, rev, project):
        if locked or admitting.is_locked():
            from registry.api.locking import look_locked

            found = look_locked(name, stage, version, rev, project, lock)
        else:
            found = look(name, stage, version, rev, project)
        return admitting.admit(found, require)


def look(
    name: str,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
) -> Resolved:
    """What the registry says, admitted or not: for `resolve`, and for those who ask what moved."""
    require_artifact(name)
    if sum(given is not None for given in (stage, version, rev)) > 1:
        raise RegistryError("stage, version and rev exclude each other", fix="give one of them")
    opened = open_project(project)
    if rev is not None:
        return _at_revision(opened, name, rev)
    if stage is not None:
        require_stage(stage)
    if version is not None and not is_range(version):
        require_version(version)
    opened.refresh(name, head=True, also=unchanged.also(opened, name))
    seen, question = unchanged.refs_now(opened, name), (name, stage, version)
    known = unchanged.answer(opened, question, seen)
    if known is None:
        return _looked(opened, question, seen)
    require_not_older(opened, known.policy.version)
    return known


def _looked(opened: Project, question: unchanged.Question, seen: unchanged.Seen | None) -> Resolved:
    """The same of a registry that was asked."""
    name, stage, version = question
    rules = read_rules(opened, unchanged.head_of(seen))
    if stage is not None and opened.mirror is None and rules.governs:
        from registry.api.rewound import notice_rewound  # what is not governed needs none of it

        notice_rewound(opened, rules)
    accepted = accept(opened, name, rules=rules)
    artifact = accepted.artifact
    label, event = decided(accepted, stage, version)
    if artifact.deprecated is not None:
        said = artifact.deprecated.message.partition("\n")[0]
        warnings.warn(f"artifact {name!r} is deprecated: {said}", DeprecatedArtifact, stacklevel=5)
        seen = None
    found = pinned_at(opened, name, event.commit, label, stage, event, rules.policy)
    holders = [holder for each in artifact.stages if (holder := artifact.holder(each)) is not None]
    found = replace(
        found,
        registered={label: _registrations(artifact, label)},
        stages=tuple(holder.stage for holder in holders if holder.version.label == label),
        signed=accepted.signed(event, artifact.versions[label].events[-1]),
        owed={holder.stage: accepted.owed[holder.stage] for holder in holders if _owes(accepted, holder, label)},
        until=accepted.until,
    )
    return unchanged.keep(opened, question, seen, found, accepted.also)


def _at_revision(opened: Project, name: str, rev: str) -> Resolved:
    """What a revision holds. Whoever names a commit by its id pins it; another word may have moved with its version."""
    opened.refresh(name, head=True)
    commit = opened.resolve(rev)
    rules = read_rules(opened)
    accepted = accept_any(opened, name, rules=rules)
    artifact = accepted.artifact
    at = artifact.at_commit(commit)
    accepted.require_believed()
    for version in at:
        accepted.require_unrevoked(version.label)
    found = pinned_at(opened, name, commit, None, None, None, rules.policy)
    here = [] if rev == commit else at
    holders = [holder for each in artifact.stages if (holder := artifact.holder(each)) is not None]
    return replace(
        found,
        registered={version.label: _registrations(artifact, version.label) for version in here},
        stages=tuple(holder.stage for holder in holders if holder.version.commit == commit),
        owed={
            each.stage: accepted.owed[each.stage]
            for each in holders
            if each.version.commit == commit and each.stage in accepted.owed
        },
        until=accepted.until,
    )


def _owes(accepted: Accepted, holder: Assignment, label: str) -> bool:
    return holder.version.label == label and holder.stage in accepted.owed


def _registrations(artifact: Artifact, label: str) -> dict[str, str]:
    return {event.ref: event.oid for event in artifact.versions[label].events if event.kind == REGISTRATION}


class DeprecatedArtifact(UserWarning):
    """The artifact is deprecated; it still loads."""


def decided(accepted: Accepted, stage: str | None, version: str | None) -> tuple[str, Event]:
    """The version that is asked for, and the tag that names its commit. Raises `NotFound`, `Refused`."""
    artifact, where = accepted.artifact, accepted.where
    if stage is not None:
        accepted.require_stage(stage)
        accepted.require_believed()
        holder = artifact.holder(stage)
        if holder is None:
            known = ", ".join(sorted(s for s in artifact.stages if artifact.holder(s))) or "none"
            raise NotFound(
                f"nothing of {artifact.name!r} is in stage {stage!r}; stages in use: {known}",
                where,
                "assign a version to the stage",
            )
        if not holder.version.registered:
            raise Refused(
                "version-registered",
                f"stage {stage!r} of {artifact.name!r} holds commit {holder.version.commit[:7]}, named by no version",
                f"{where}: tag {holder.event.ref}",
                "register a version there, or restore its deleted tag; see `registry doctor`",
            )
        return holder.version.label, holder.event
    accepted.require_believed()
    if version is not None:
        found = _in_range(where, artifact, version)
        if found is None:
            accepted.require_version(version)
            found = find_version(artifact, version, where)
    else:
        latest = artifact.latest()
        if latest is None:
            raise NotFound(f"no version of {artifact.name!r} is registered", where, "register one: `registry register`")
        found = latest
    return found.label, found.events[-1]


def _in_range(where: str, artifact: Artifact, wanted: str) -> Version | None:
    """The greatest active version of a range; none where `wanted` is no range. Raises `NotFound`."""
    if not is_range(wanted):
        return None
    comparators = parse_range(wanted)
    found = next((each for each in artifact.active_versions() if within(each.label, comparators)), None)
    if found is None:
        known = ", ".join(each.label for each in artifact.active_versions()[:5]) or "none"
        raise NotFound(
            f"no version of {artifact.name!r} is in {wanted!r}; newest: {known}", where, "see `registry show`"
        )
    return found


def pinned_at(
    project: Project,
    name: str,
    commit: str,
    version: str | None,
    stage: str | None,
    event: Event | None,
    policy: Policy | None = None,
) -> Resolved:
    """What the link of an artifact pins at a commit of the registry; version, stage and tag are kept with it.

    Without a link it is the model that lies in the registry itself at that commit. Raises `NotFound` where there is
    neither, `Refused` where it is not pinned.
    """
    return pinned_by(project, name, commit, read_at(project, name, commit, event), policy, version, stage, event)


class Read(NamedTuple):
    """A link that was read."""

    path: str
    blob: str
    """Its file's git object id."""
    link: Link
    inside: bool = False
    """Whether it stands for a model in the registry itself, which has no link file."""


def read_at(project: Project, name: str, commit: str, event: Event | None = None) -> Read:
    """The link of an artifact at a commit, or what stands for the model that lies there. Raises `NotFound`."""
    try:
        return Read(*read_link(project, name, commit, event))
    except NotFound:
        found = named(project, name, commit)
        if found is None:
            raise
        return Read(found.by, found.blob, link_of(project, commit, found), inside=True)


def pinned_by(
    project: Project,
    name: str,
    commit: str,
    read: Read,
    policy: Policy | None = None,
    version: str | None = None,
    stage: str | None = None,
    event: Event | None = None,
) -> Resolved:
    """The same of a link that was read; by the present policy unless one is given."""
    path, blob, link, inside = read
    where = f"{project.where}: {commit[:7]}:{path}"
    if link.pinned is None or (not inside and (link.project is None or link.rev is None)):
        raise unpinned(link, where)
    if link.metafile is None or not link.artifacts:
        said = "the link has no digests of the model's files"
        raise Refused("revision-pinned", said, where, "write it again with `registry link`")
    policy = current_policy(project) if policy is None else policy
    source = project.address if inside else link_source(link, project, where, policy)
    require_trusted(policy, source, where)
    return Resolved(
        name=name,
        project=project.where,
        version=version,
        stage=stage,
        tag=event.ref if event else None,
        tag_oid=event.oid if event else None,
        commit=commit,
        link_path=path,
        link_blob=blob,
        link=link,
        source=source,
        source_commit=link.pinned,
        metafile=link.metafile,
        artifacts=link.artifacts,
        policy=policy,
    )
