"""Interfaces of what is registered: shown, written as a contract, and compared. Only metafiles are brought."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from registry import versions as semver
from registry.api.loading import bring_metafile
from registry.api.project import open_project
from registry.api.resolving import Resolved, resolve
from registry.api.writing import require_inside, write_file
from registry.checks.listing import contract_path
from registry.errors import RegistryError
from registry.interface import Interface, dump_contract
from registry.interfacediff import Diff, diff, least_bump, least_version

Where = str | PathLike[str]


@dataclass(frozen=True)
class Described:
    """An artifact's interface as it was resolved."""

    resolved: Resolved
    interface: Interface


@dataclass(frozen=True)
class Compared:
    """Two interfaces of an artifact, and what changed from the first to the second."""

    old: Described
    new: Described
    diff: Diff

    @property
    def bump(self) -> str:
        """The least part to raise, one place lower where the first is a version below 1.0.0."""
        return self.diff.bump if self.old.resolved.version is None else least_bump(self.diff, self.old.resolved.version)

    @property
    def least(self) -> str | None:
        """The least version after the first, where that is a version."""
        return None if self.old.resolved.version is None else least_version(self.diff, self.old.resolved.version)


def describe(text: str, project: Where = ".") -> Described:
    """The interface of `NAME`, `NAME@V` or `NAME#STAGE`, its latest version by default; as `resolve` raises."""
    return _described(find(text, project))


def find(text: str, project: Where = ".") -> Resolved:
    """What `NAME`, `NAME@V`, `NAME@REV` or `NAME#STAGE` is; as `resolve` raises."""
    for mark in "#@":
        name, found, rest = text.partition(mark)
        if found:
            return find_at(name, rest if mark == "@" else f"#{rest}", project)
    return resolve(text, project=project)


def at(name: str, place: str, project: Where = ".") -> Described:
    """The interface of an artifact at a version, at a stage written `#STAGE`, or at a revision of the registry."""
    return _described(find_at(name, place, project))


def find_at(name: str, place: str, project: Where = ".") -> Resolved:
    """The same, without its interface."""
    if place.startswith("#"):
        return resolve(name, stage=place[1:], project=project)
    if semver.is_version(place):
        return resolve(name, version=place, project=project)
    return resolve(name, rev=place, project=project)


def compare(name: str, old: str, new: str, project: Where = ".") -> Compared:
    """What changed in the interface of an artifact between two versions, `#STAGE`s or revisions."""
    one, two = at(name, old, project), at(name, new, project)
    return Compared(one, two, diff(one.interface, two.interface))


def export(text: str, output: Where | None = None, project: Where = ".") -> Path:
    """Write the interface of `NAME`, `NAME@V` or `NAME#STAGE` as a contract, by default where the registry keeps it."""
    found = describe(text, project)
    if output is not None:
        path = Path(output)
    else:
        opened = open_project(project)
        root = Path(opened.address.text)
        if opened.mirror is not None or not (root / ".git").exists():
            raise RegistryError(
                "a contract is written into the work tree of a registry",
                opened.where,
                "name a file with -o, or clone it",
            )
        path = root / contract_path(found.resolved.name)
        require_inside(root, path)
    write_file(path, dump_contract(found.interface))
    return path


def _described(resolved: Resolved) -> Described:
    return Described(resolved, bring_metafile(resolved).interface)
