"""Changes of the policy and of the signers on the default branch, and which policy was in force when.

A change counts from its commit's time on, made never to decrease along the branch; that time is its committer's claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from registry import strictyaml
from registry.api.project import Project
from registry.commit import Commit
from registry.errors import RegistryError
from registry.git.pathlog import changes, is_shallow
from registry.policy import PATH as POLICY_FILE
from registry.signing.allowed_signers import PATH as SIGNERS_FILE
from registry.strictyaml import LIMIT
from registry.trail import Timeline

FILES = (POLICY_FILE, SIGNERS_FILE)


class PolicyChange(NamedTuple):
    """One commit of the default branch that changes who may do what."""

    commit: Commit
    files: tuple[str, ...]
    """Which of `FILES` it changes."""
    version: int | None
    """The policy's version from then on: 0 of no file, none of one that cannot be read."""
    grew: bool
    """Whether a change of the policy raised the version, as it must."""


class PolicyLog(NamedTuple):
    """All of them, oldest first."""

    changes: Sequence[PolicyChange]
    timeline: Timeline
    whole: bool
    """Whether the branch's whole history is here."""


def policy_log(project: Project, head: str | None) -> PolicyLog:
    """The changes up to the commit `head` of a folder; a mirror of a remote registry has no history.

    Raises `RegistryError` for a commit that cannot be read.
    """
    if head is None or project.mirror is not None:
        return PolicyLog((), Timeline((), ()), whole=head is None)
    found = list(changes(project.path, head, FILES))
    held = project.read_at([(each.oid, path) for each in found for path in FILES], LIMIT)
    told: list[PolicyChange] = []
    known: dict[str | None, int | None] = {None: 0}
    before: tuple[str | None, ...] = (None, None)
    version: int | None = 0
    for each in found:
        blobs = tuple(held[each.oid, path][0] if (each.oid, path) in held else None for path in FILES)
        if blobs[0] not in known:
            known[blobs[0]] = _version(held[each.oid, POLICY_FILE][1])
        last, version = version, known[blobs[0]]
        files = tuple(path for path, old, new in zip(FILES, before, blobs, strict=True) if old != new)
        told.append(PolicyChange(each, files, version, _grew(last, version, changed=blobs[0] != before[0])))
        before = blobs
    return PolicyLog(told, _timeline(told), whole=not is_shallow(project.path))


def _version(data: bytes) -> int | None:
    try:
        raw = strictyaml.typed(strictyaml.parse(data, POLICY_FILE))
    except RegistryError:
        return None
    found = raw.get("version") if isinstance(raw, dict) else None
    return found if type(found) is int else None


def _grew(last: int | None, version: int | None, *, changed: bool) -> bool:
    return not changed or (last is not None and version is not None and version > last)


def _timeline(told: Sequence[PolicyChange]) -> Timeline:
    times: list[int] = []
    for each in told:
        times.append(max(each.commit.time, times[-1] if times else 0))
    return Timeline(times, [each.version for each in told])
