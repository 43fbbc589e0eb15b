"""What a promotion is about: artifacts, each with a version or a revision, as the words of a command name them."""

from __future__ import annotations

from os import PathLike
from typing import NamedTuple

from registry import versions as semver
from registry.api.project import Project, open_project
from registry.errors import RegistryError
from registry.names import is_artifact

Where = str | PathLike[str]


class Ambiguous(RegistryError):
    """A word of a command may mean two things."""


class Target(NamedTuple):
    """What is assigned: a version, or the one at a commit; by default that at HEAD."""

    name: str
    version: str | None = None
    ref: str | None = None
    latest: bool = False
    """The newest version instead of the one at HEAD."""


def is_revision(name: str, word: str, project: Where = ".") -> bool:
    """Whether the second word of `assign NAME WORD` is a revision, as in gto, and not another artifact.

    Raises `Ambiguous` where it may be both.
    """
    artifact, _, version = word.partition("@")
    plain = is_artifact(artifact) and (semver.is_version(version) if "@" in word else True)
    if not plain or (artifact == name and version):  # a tag of the same artifact is a revision
        return True
    opened = open_project(project)
    opened.refresh(artifact)
    if not opened.scan(artifact).events:
        return True
    if not _resolves(opened, word):
        return False
    raise Ambiguous(
        f"{word!r} may be an artifact, or the revision at which to find a version of {name!r}",
        opened.where,
        f"for both artifacts write {name}@VERSION {artifact}@VERSION; for {name} alone name its --version",
    )


def _resolves(project: Project, word: str) -> bool:
    try:
        project.resolve(word)
    except RegistryError:
        return False
    return True
