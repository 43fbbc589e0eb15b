"""What is wrong with a registry's tags, and what to do about it. Pure.

Severity: what changes or hides an answer here is an `error`; what only gto, or a repository elsewhere, would take
otherwise is a `warning`. Every id of `RULES` is a heading in `docs/tags.md`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from registry import versions as semver
from registry.findings import ERROR, WARNING, Finding
from registry.state import Artifact, Version, named_version
from registry.tags import DEPRECATION, DEREGISTRATION, REGISTRATION, BadTag, Event

LOOSE: Final = 1_000
"""How many loose refs are too many."""


class Rule(NamedTuple):
    """One rule that a tag by itself may break."""

    severity: str
    remedy: str
    """What to do once the tag was removed, or instead."""


_AGAIN = "then record the event again with `registry`, if it was meant"

TAG_RULES: Final = {
    "tag-grammar": Rule(WARNING, "or leave it, if it was never meant for the registry"),
    "tag-created": Rule(WARNING, "it means nothing, and gto fails in this repository while it is there"),
    "tag-lightweight": Rule(WARNING, _AGAIN),
    "tag-number": Rule(ERROR, _AGAIN),
    "tag-name": Rule(ERROR, "and find out who made it: gto obeys the name inside the object"),
    "tag-target": Rule(ERROR, _AGAIN),
    "tag-size": Rule(ERROR, _AGAIN),
    "tag-tagger": Rule(ERROR, _AGAIN),
    "tag-time": Rule(ERROR, "correct the clock that made it, " + _AGAIN),
    "tag-encoding": Rule(ERROR, _AGAIN),
    "tag-message": Rule(ERROR, _AGAIN),
    "tag-malformed": Rule(ERROR, _AGAIN),
}
"""What a single tag may break, in the order in which it is judged; such a tag is skipped."""

RULES: Final = (
    *TAG_RULES,
    "tag-order",
    "tag-duplicate-number",
    "version-moved",
    "version-shared",
    "assignment-unregistered",
    "name-case",
    "many-loose-refs",
    "gto-config",
    "gto-index",
)
"""Ids of everything that `registry doctor` finds."""


def tag_findings(bad: Iterable[BadTag]) -> list[Finding]:
    """One finding for each tag that is skipped."""
    found = []
    for tag in sorted(bad):
        rule = TAG_RULES[tag.rule]
        message = f"tag {shown(tag.ref)} is skipped: {tag.detail}"
        fix = f"{removal(tag.ref)}; {rule.remedy}"
        found.append(Finding(tag.rule, rule.severity, message, fix, tag.artifact, ref=tag.ref))
    return found


def artifact_findings(artifact: Artifact) -> list[Finding]:
    """What is doubtful in the history of one artifact, although each of its tags is well-formed."""
    return [
        *_order(artifact),
        *_equal_numbers(artifact),
        *_displaced(artifact),
        *_shared_commits(artifact),
        *_unregistered(artifact),
    ]


def name_findings(names: Iterable[str]) -> list[Finding]:
    """Artifacts that differ only in case: where file names ignore case, their tags overwrite each other."""
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(name.lower(), []).append(name)
    return [
        Finding(
            "name-case",
            WARNING,
            f"artifacts {' and '.join(map(repr, group))} differ only in case: Windows and macOS mix up their tags",
            f"keep one name and deprecate the other, such as `registry deprecate {shlex.quote(group[0])}`",
            group[0],
        )
        for group in alike.values()
        if len(group) > 1
    ]


def loose_findings(count: int) -> list[Finding]:
    """Many loose refs make every question slow."""
    if count < LOOSE:
        return []
    message = f"{count} loose refs, expected fewer than {LOOSE}: every question opens each of them"
    return [Finding("many-loose-refs", WARNING, message, "git pack-refs --all")]


def shown(ref: str) -> str:
    """A tag's name for a terminal: quoted, and escaped beyond ASCII."""
    return ascii(ref).replace("\\\\", "\\")


def quoted(ref: str) -> str:
    """A tag's name for a shell; where it is not ASCII, byte by byte (`$'…'`, for bash and zsh)."""
    if ref.isascii() and "\\" not in ref:
        return shlex.quote(ref)
    escaped = ref.encode().decode("ascii", "backslashreplace").replace("'", "\\'")
    return f"$'{escaped}'"


def removal(ref: str) -> str:
    """The commands that remove a tag."""
    name = quoted(ref)
    return f"remove it with `git tag -d -- {name}`, and where it was pushed `git push origin --delete {name}`"


def _order(artifact: Artifact) -> Iterator[Finding]:
    for earlier, later in (*artifact.out_of_order, *_same_second(artifact)):
        relation = "in the same second as" if earlier.time == later.time else "before"
        yield Finding(
            "tag-order",
            WARNING,
            f"tag {shown(later.ref)} is dated {relation} {shown(earlier.ref)} but counts as later; gto reads the clock",
            f"see `registry history {shlex.quote(artifact.name)}`; record the newest event again with a right clock"
            " (`registry assign … --force`), which both read alike",
            artifact.name,
            ref=later.ref,
        )
    for version in artifact.versions.values():
        if version.events and version.events[0].kind == DEREGISTRATION:
            cancel = version.events[0]
            yield Finding(
                "tag-order",
                WARNING,
                f"tag {shown(cancel.ref)} is dated before the registration of {version.label} and cancels nothing",
                f"{removal(cancel.ref)}; deregister the version again with a right clock, if that was meant",
                artifact.name,
                ref=cancel.ref,
            )


def _same_second(artifact: Artifact) -> Iterator[tuple[Event, Event]]:
    """Events of one second about the same thing, whose order is not told by their numbers."""
    seen: dict[tuple[str | None, str | None, int], Event] = {}
    newest: Event | None = None
    for event in artifact.events:
        about = (event.stage, event.version, event.time)
        earlier = seen.get(about)
        if newest and newest.time == event.time and DEPRECATION in {newest.kind, event.kind}:
            yield newest, event
        elif earlier and (event.stage is None or None in {earlier.number, event.number}):
            yield earlier, event
        seen[about] = newest = event


def _equal_numbers(artifact: Artifact) -> Iterator[Finding]:
    first: dict[tuple[str, int], Event] = {}
    for event in artifact.events:
        if event.stage is None or event.number is None:
            continue
        other = first.setdefault((event.stage, event.number), event)
        if other is not event:
            yield Finding(
                "tag-duplicate-number",
                WARNING,
                f"tags {shown(other.ref)} and {shown(event.ref)} of stage {event.stage!r} carry the same number",
                f"keep the one that is right; {removal(event.ref)}",
                artifact.name,
                ref=event.ref,
            )


def _displaced(artifact: Artifact) -> Iterator[Finding]:
    for event in artifact.displaced:
        version = artifact.versions.get(event.version or "")
        place = f"stands at {version.commit}" if version else "is not registered"
        does = "registers" if event.kind == REGISTRATION else "cancels"
        yield Finding(
            "version-moved",
            ERROR,
            f"tag {shown(event.ref)} {does} {event.version} at {event.commit}, but that {place}: it does not count",
            f"{removal(event.ref)}; a version never moves: register the other commit under a new number",
            artifact.name,
            ref=event.ref,
        )
    for event in artifact.events:
        named = named_version(event)
        if named is None or event.stage is None or artifact.labels[event.ref] == named:
            continue
        version = artifact.versions.get(named)
        place = f"stands at {version.commit}" if version else "is not registered"
        yield Finding(
            "version-moved",
            ERROR,
            f"tag {shown(event.ref)} names {named} at {event.commit}, but that {place}: its tag was moved or deleted",
            f"{_restoring(artifact, named)}; else record the {event.kind} again",
            artifact.name,
            ref=event.ref,
        )


def _restoring(artifact: Artifact, version: str) -> str:
    tag = shlex.quote(f"refs/tags/{artifact.name.replace(':', '=')}@{version}")
    return f"bring the version's tag back from where it is still right, such as `git fetch origin +{tag}:{tag}`"


def _shared_commits(artifact: Artifact) -> Iterator[Finding]:
    at: dict[str, list[Version]] = {}
    for version in artifact.versions.values():
        if version.registered:
            at.setdefault(version.commit, []).append(version)
    for commit, here in at.items():
        if len(here) > 1:
            labels = sorted((version.label for version in here), key=semver.key)
            yield Finding(
                "version-shared",
                WARNING,
                f"versions {', '.join(labels)} of {artifact.name!r} stand on one commit {commit}: gto fails on that",
                "where gto is used, register each version on a commit of its own; `registry` reads both",
                artifact.name,
                ref=here[-1].events[0].ref,
            )


def _unregistered(artifact: Artifact) -> Iterator[Finding]:
    for stage, held in artifact.stages.items():
        for assignment in held.values():
            event = assignment.event
            if assignment.version.registered or named_version(event) is not None:
                continue
            yield Finding(
                "assignment-unregistered",
                WARNING,
                f"tag {shown(event.ref)} puts commit {event.commit} into stage {stage!r}, but no version of"
                f" {artifact.name!r} is registered there: a version tag may have been deleted or moved",
                f"bring the version's tag back (`git fetch origin --tags`), or register the commit:"
                f" `registry register {shlex.quote(artifact.name)} {event.commit}`",
                artifact.name,
                ref=event.ref,
            )
