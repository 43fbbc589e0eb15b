"""`import gto`: a repository of gto's as it is. Its tags are the registry already; nothing of it is changed.

The one file that may be written is `.mlem/config.yaml`, which marks the repository. What remains to be done, such as
links that pin what a version is, is told.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from registry.api.doctor import doctor
from registry.api.modelreading import metafile_paths
from registry.api.project import Project, open_project
from registry.api.resident import named
from registry.api.writing import require_inside, write_file
from registry.errors import RegistryError
from registry.findings import Finding
from registry.git.process import run
from registry.names import link_paths
from registry.state import Artifact, fold
from registry.urls import without_credentials

CONFIG = ".mlem/config.yaml"


@dataclass(frozen=True)
class GtoArtifact:
    """An artifact that gto's tags know."""

    name: str
    versions: tuple[str, ...]
    """Those that stand, greatest first."""
    stages: dict[str, str]
    """Version by stage."""
    linked: bool
    """Whether the checked-out commit has a link for it."""
    path: str | None
    """Where the newest version's commit says that the model lies, if it says so."""
    needs: tuple[str, ...]
    """What it would take to pass the gate, commands as they are typed."""


@dataclass(frozen=True)
class GtoAdopted:
    """What was found."""

    wrote: str | None
    """The file that marks the registry, where it was missing."""
    artifacts: list[GtoArtifact]
    skipped: tuple[str, ...]
    """Tags that count for nothing, as malformed ones do."""
    findings: list[Finding]
    """Tags that are skipped with the reason, and what is doubtful: as `registry doctor` tells it."""


def import_gto(project: str | PathLike[str] = ".") -> GtoAdopted:
    """Adopt the gto repository in a folder. Raises `RegistryError` where there is none."""
    opened = open_project(project)
    root = local_root(opened)
    scan = opened.scan()
    artifacts = fold(scan.events)
    findings = doctor(root)
    wrote = None
    if not (root / CONFIG).exists():
        require_inside(root, root / CONFIG)
        write_file(root / CONFIG, "")
        wrote = CONFIG
    origin = origin_of(root)
    told = [_artifact(opened, each, origin) for each in artifacts.values()]
    return GtoAdopted(wrote, told, tuple(sorted(each.ref for each in scan.bad)), findings)


def local_root(project: Project) -> Path:
    """The root of a repository in a folder. Raises `RegistryError`."""
    root = Path(project.address.text)
    if not project.address.local or not (root / ".git").exists():
        raise RegistryError("not the root of a repository here", project.where, "clone it, and name its root folder")
    return root


def origin_of(root: Path) -> str:
    """The URL that people know the repository by; `.` where it has none."""
    out = run(root, ["config", "--get", "remote.origin.url"], accept=(0, 1)).out.decode("utf-8", "replace").strip()
    return without_credentials(out) or "."


def link_line(path: str, name: str, origin: str, rev: str) -> str:
    """The command that links a model."""
    return shlex.join(["registry", "link", path, name, "--source-project", origin, "--rev", rev])


def _artifact(project: Project, artifact: Artifact, origin: str) -> GtoArtifact:
    active = artifact.active_versions()
    stages = {s: holder.version.label for s in sorted(artifact.stages) if (holder := artifact.holder(s))}
    head = project.head()
    linked = bool(head and set(project.tree(head, link_paths(artifact.name))) & set(link_paths(artifact.name)[:3]))
    path, needs = None, list[str]()
    if not linked and active:
        path, needs = _needs(project, artifact, active[0].commit, origin)
    return GtoArtifact(artifact.name, tuple(each.label for each in active), stages, linked, path, tuple(needs))


def _needs(project: Project, artifact: Artifact, commit: str, origin: str) -> tuple[str | None, list[str]]:
    """Where the model lies in the repository, and what is to be done for a link to it."""
    version = artifact.active_versions()[0]
    tag = next((event.ref for event in reversed(version.events)), version.label)
    try:
        found = named(project, artifact.name, commit)
    except RegistryError as error:
        return None, [f"{' '.join(error.what.split())}: {error.fix}"]
    if found is None:
        return None, [link_line("MODEL", artifact.name, "URL", "TAG")]
    tree = project.tree(commit, metafile_paths(found.path))
    if any(each in tree for each in metafile_paths(found.path)):
        return found.path, [link_line(found.path, artifact.name, origin, tag)]
    saved = f"registry.save(model, {found.path!r})"
    again = [f"{saved} in Python writes its metafile: commit and tag it"]
    return found.path, [*again, link_line(found.path, artifact.name, origin, "TAG")]
