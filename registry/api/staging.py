"""Assigning, unassigning and rolling back: what concerns a stage. Plans as in `registering`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import NamedTuple

from registry import versions as semver
from registry.api.choosing import called, chosen
from registry.api.holding import find_version
from registry.api.numbering import UNPUBLISHED, next_version
from registry.api.planning import Ask, Decide, NewTag, Options, Plan, Snapshot, Terms, one_line
from registry.api.project import open_project
from registry.api.promoting import record, record_group
from registry.api.questions import read_config
from registry.api.recording import Recorded
from registry.api.registering import registration
from registry.api.targeting import Target
from registry.errors import NotFound, RegistryError
from registry.eventkind import is_revocation
from registry.interfacediff import Demand
from registry.names import require_artifact, require_stage
from registry.state import Artifact, Version
from registry.tags import ASSIGNMENT, UNASSIGNMENT, Event, TagName

Where = str | PathLike[str]


def assign(
    name: str,
    stage: str,
    *,
    ref: str | None = None,
    version: str | None = None,
    project: Where = ".",
    force: bool = False,
    skip_registration: bool = False,
    options: Options = Options(),
) -> Recorded:
    """Assign a stage to a version (`version` alone) or to a commit (`ref`, HEAD by default), as `assign_all`."""
    return assign_all(
        [Target(name, version, ref)],
        stage,
        project=project,
        force=force,
        skip_registration=skip_registration,
        options=options,
    )[0]


def assign_all(
    targets: Sequence[Target],
    stage: str,
    *,
    project: Where = ".",
    force: bool = False,
    skip_registration: bool = False,
    terms: Terms = Terms(),
    options: Options = Options(),
) -> list[Recorded]:
    """Assign a stage to versions of several artifacts, all or none.

    A commit without a version is registered first (as `version`, where given), as gto does; not so where the policy
    asks for approvals or gates. With `push` it stops where a stage moved while this ran, and says who was first.
    Raises `Denied` where the policy does not allow it, `RegistryError`, `NotFound`; then nothing was recorded.
    """
    require_stage(stage)
    _require_targets(targets)
    said = _said(Override=terms.override, Reference=terms.reference)

    def deciding(target: Target) -> Decide:
        ref = "HEAD" if target.ref is None and target.version is None else target.ref

        def decide(now: Snapshot, first: Snapshot) -> Plan:
            _require_allowed(read_config(now.project).stages, stage, now.where)
            _require_unmoved(now, first, stage)
            if target.latest or (ref is None and target.version is not None):
                known = _known(now, target.version)
                found = _Chosen(known.commit, known.label)
            else:
                found = _version_at(now, ref or "HEAD", target.version, skip=skip_registration, force=force)
            if not force:
                _require_elsewhere(now, stage, found.label)
            return _assignment(now, stage, found, options, said)

        return decide

    asks = [Ask(target.name, deciding(target)) for target in targets]
    return record_group(open_project(project), asks, options, terms)


def _require_targets(targets: Sequence[Target]) -> None:
    for target in targets:
        require_artifact(target.name)
        if target.version is not None:
            semver.require(target.version)
    names = [each.name for each in targets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RegistryError(f"{', '.join(twice)} is named twice", fix="name each artifact once")
    if not targets:
        raise RegistryError("no artifact is named", fix="name at least one")


def _known(now: Snapshot, version: str | None) -> Version:
    """A version that stands, by default the latest."""
    if version is not None:
        return find_version(now.artifact, version, now.where)
    found = now.artifact.latest()
    if found is None:
        raise NotFound(f"no version of {now.artifact.name!r} is registered", now.where, "see `registry show`")
    return found


def _said(**lines: str | None) -> dict[str, str]:
    return {key: one_line(text, key.lower()) for key, text in lines.items() if text is not None}


class _Chosen(NamedTuple):
    """What is assigned."""

    commit: str
    label: str
    registers: Sequence[NewTag] = ()
    """The tag that registers it, where it is not registered yet."""
    why: Demand | None = None


def _assignment(now: Snapshot, stage: str, found: _Chosen, options: Options, said: Mapping[str, str]) -> Plan:
    label = found.label
    message = options.message or f"Assigning stage {stage} to artifact {now.artifact.name} {called(label)}"
    return Plan(
        [*found.registers, _stage_tag(now, ASSIGNMENT, stage, found.commit, label, message, options, **said)],
        _holds(stage, label),
        f"{stage!r} would not hold {label}; the clocks of earlier tags say otherwise",
        _tags_of(now, label),
        found.why,
    )


def _require_allowed(stages: list[str] | None, stage: str, where: str) -> None:
    if stages is not None and stage not in stages:
        raise RegistryError(f"stage {stage!r} is not one of {', '.join(stages)}", f"{where}: .gto", "add it to .gto")


def _require_elsewhere(now: Snapshot, stage: str, label: str) -> None:
    holding = now.holding(stage)
    if holding is not None and holding[0] == label and stage not in now.stopped:
        raise RegistryError(
            f"{label} of {now.artifact.name!r} is in stage {stage!r} already, by {holding[1]}",
            now.where,
            f"use --force to make another tag; {UNPUBLISHED}",
        )


def _require_unmoved(now: Snapshot, first: Snapshot, stage: str) -> None:
    new = [e for e in now.artifact.events if e.stage == stage and e.ref not in first.artifact.labels]
    if new:
        by = new[-1]
        label = now.artifact.labels[by.ref]
        raise RegistryError(
            f"{by.tagger} <{by.email}> was first: {by.kind} of {called(label)} in stage {stage!r} by {by.ref}",
            now.where,
            "look at the stage again, then repeat the command if it is still right",
        )


def _version_at(now: Snapshot, ref: str, version: str | None, *, skip: bool, force: bool) -> _Chosen:
    commit = now.resolve(ref)
    here = [v for v in now.artifact.at_commit(commit) if v.active and version in {None, v.label}]
    if here:
        return _Chosen(commit, max((v.label for v in here), key=semver.key))
    if skip:
        if version is not None:
            raise RegistryError("both --version and --skip-registration were given", fix="give one of them")
        if gone := now.artifact.at_commit(commit):
            raise RegistryError(
                f"{gone[0].label} of {now.artifact.name!r} was deregistered", now.where, "register it again"
            )
        return _Chosen(commit, commit)
    if not force:
        now.require_model(commit)
    label, _, why = next_version(now, commit, version, None, force=False)
    return _Chosen(commit, label, [registration(now, commit, label, Options())], why)


def _tags_of(now: Snapshot, label: str) -> list[Event]:
    """Tags that say what a version is."""
    known = now.artifact.versions.get(label)
    return known.events if known else []


def _stage_tag(
    now: Snapshot, kind: str, stage: str, commit: str, label: str, message: str, options: Options, **trailers: str
) -> NewTag:
    name = TagName(now.artifact.name, kind, None, stage, None)
    named = {"Version": label} if semver.is_version(label) else {}
    return now.tag(
        name, commit, message,
        {**named, **{key.replace("_", "-"): text for key, text in trailers.items()}, **options.trailers},
        numbered=options.simple is not True, links=kind == ASSIGNMENT,
    )  # fmt: skip


def _holds(stage: str, label: str) -> Callable[[Artifact], bool]:
    def holds(after: Artifact) -> bool:
        holder = after.holder(stage)
        return holder is not None and holder.version.label == label

    return holds


def unassign(
    name: str,
    stage: str,
    *,
    ref: str | None = None,
    version: str | None = None,
    project: Where = ".",
    force: bool = False,
    options: Options = Options(),
) -> Recorded:
    """Cancel a version's assignments in a stage, by default of the version the stage holds; the one before returns."""
    require_artifact(name)
    require_stage(stage)

    def decide(now: Snapshot, first: Snapshot) -> Plan:
        _require_unmoved(now, first, stage)
        found = chosen(now, ref, version, stage)
        if found.label not in now.artifact.stages.get(stage, {}) and not force:
            raise RegistryError(
                f"{called(found.label)} of {name!r} is not in stage {stage!r}", now.where, "see `registry show`"
            )
        message = options.message or f"Unassigning stage '{stage}' to artifact '{name}' {called(found.label)}"
        tag = _stage_tag(now, UNASSIGNMENT, stage, found.commit, found.label, message, options)
        return Plan(
            [tag],
            lambda after: found.label not in after.stages.get(stage, {}),
            f"{found.label} would stay in {stage!r}",
            found.events,
        )

    return record(open_project(project), name, decide, options)


def rollback(
    name: str,
    stage: str,
    *,
    to: str | None = None,
    project: Where = ".",
    options: Options = Options(),
) -> Recorded:
    """Take a stage back to the version it held before, or to `to`; a version rolled back from is not chosen again."""
    require_artifact(name)
    require_stage(stage)

    def decide(now: Snapshot, first: Snapshot) -> Plan:
        _require_unmoved(now, first, stage)
        holding = now.holding(stage)
        if holding is None:
            raise NotFound(f"nothing of {name!r} is in stage {stage!r}", now.where, "there is nothing to roll back")
        held, tag = holding
        target = _target(now, stage, to, held)
        old, new = called(held), called(target.label)
        message = options.message or f"Rolling stage {stage} of artifact {name} back from {old} to {new}"
        made = _stage_tag(now, ASSIGNMENT, stage, target.commit, target.label, message, options, Rollback_of=tag)
        return Plan([made], _holds(stage, target.label), f"{stage!r} would not hold {target.label}", target.events)

    return record(open_project(project), name, decide, options)


def _target(now: Snapshot, stage: str, to: str | None, current: str) -> Version:
    if to is not None:
        found = find_version(now.artifact, to, now.where)
        if found.label == current:
            raise RegistryError(f"stage {stage!r} holds {to} already", now.where)
        return found
    stack = now.artifact.held(stage)
    if current in stack:
        stack = stack[: len(stack) - 1 - stack[::-1].index(current)]
    for label in reversed(stack):
        version = now.artifact.versions.get(label)
        if version is not None and version.registered and _stands(version) and label != current:
            return version
    raise NotFound(
        f"stage {stage!r} of {now.artifact.name!r} held no other valid version before {current}",
        now.where,
        "name one with --to",
    )


def _stands(version: Version) -> bool:
    return version.active and not any(map(is_revocation, version.events))
