"""`import mlem`: the metafiles and links that MLEM left in a repository, in all of its layouts.

A link of MLEM's names a revision, which may move; a pinned one names the commit and every digest. `write` makes such
links beside those that are there; with `force` it writes over them instead. Nothing is committed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from registry import strictyaml
from registry.api.governing import current_policy
from registry.api.gto_import import link_line, local_root, origin_of
from registry.api.linking import prepare, write_link
from registry.api.links import link_source
from registry.api.modelreading import read_model
from registry.api.project import Project, open_project
from registry.checks.files import File, on_disk
from registry.checks.format_allowed import PICKLES
from registry.checks.listing import artifact_of, is_link
from registry.checks.pins import faults
from registry.errors import RegistryError
from registry.linkfile import Link, parse_link
from registry.metafile import Metafile, parse
from registry.names import link_paths
from registry.stores import source_of
from registry.urls import Address

LINK, MODEL, OTHER = "link", "model", "other"


@dataclass(frozen=True)
class MlemFile:
    """One file of MLEM's."""

    path: str
    kind: str
    """`link`, `model`, or `other` for what is neither."""
    artifact: str | None
    """The name that a link has; none where no link can stand there."""
    pinned: bool
    """Whether a link names one commit and every digest."""
    format: str | None
    """Type of the model and how it is stored; none where that could not be read."""
    needs: tuple[str, ...]
    """What it would take to pass the gate."""
    wrote: str | None = None
    """The pinned link that was written."""


@dataclass(frozen=True)
class MlemAdopted:
    """What was found, by path."""

    files: list[MlemFile]

    @property
    def complete(self) -> bool:
        """Whether every link is pinned, or was written so."""
        return all(each.pinned or each.wrote for each in self.files if each.kind == LINK)


def import_mlem(project: str | PathLike[str] = ".", *, write: bool = False, force: bool = False) -> MlemAdopted:
    """Look over the repository in a folder. Raises `RegistryError` where there is none."""
    opened = open_project(project)
    root = local_root(opened)
    found = []
    for file in on_disk(root):
        if not file.path.endswith((".mlem", ".mlem.yaml")):
            continue
        one = _link(opened, file) if is_link(file) else _object(file, origin_of(root))
        if write and one.kind == LINK and not one.pinned and one.artifact is not None:
            one = _written(opened, root, one, file, force=force)
        found.append(one)
    return MlemAdopted(found)


def _object(file: File, origin: str) -> MlemFile:
    """A file that is no link."""
    try:
        root = strictyaml.parse(file.data, file.path)
        if not isinstance(root, dict) or root.get("object_type") != "model":
            return MlemFile(file.path, OTHER, None, pinned=False, format=None, needs=())
        model = parse(file.data, file.path)
    except RegistryError as error:
        return MlemFile(file.path, OTHER, None, pinned=False, format=None, needs=(_told(error),))
    name = artifact_of(file.path)
    line = link_line(file.path, (name or "NAME").rpartition("/")[2], origin, "TAG")
    needs = ("to link it: commit and tag it, then in the registry:", line, *_of_format(model))
    return MlemFile(file.path, MODEL, None, pinned=False, format=_format(model), needs=needs)


def _link(project: Project, file: File) -> MlemFile:
    name = artifact_of(file.path)
    try:
        link = parse_link(file.data, file.path)
    except RegistryError as error:
        return MlemFile(file.path, LINK, name, pinned=False, format=None, needs=(_told(error),))
    missing = [said for _, said in faults(link)]
    if not missing:
        return MlemFile(file.path, LINK, name, pinned=True, format=_linked_format(project, link, file)[0], needs=())
    found, more = _linked_format(project, link, file)
    line = link_line(link.path, name or "NAME", link.project or ".", link.rev or "TAG")
    return MlemFile(file.path, LINK, name, pinned=False, format=found, needs=(f"{'; '.join(missing)}:", line, *more))


def _linked_format(project: Project, link: Link, file: File) -> tuple[str | None, tuple[str, ...]]:
    """The format of the model behind a link, as its source has it now; or why it cannot be read."""
    if link.rev is None and link.pinned is None:
        return None, ()
    try:
        source = source_of(_address(project, link, file), link.path)
        commit = link.pinned or source.resolve(str(link.rev)).commit
        source.bring(commit)
        model = read_model(source, commit, link.path).metafile
    except RegistryError as error:
        return None, (_told(error),)
    return _format(model), _of_format(model)


def _address(project: Project, link: Link, file: File) -> Address:
    known = link if link.project is not None else replace(link, project=".")
    return link_source(known, project, file.path, current_policy(project))


def _format(model: Metafile) -> str:
    return f"{model.model_type}, {model.io}"


def _of_format(model: Metafile) -> tuple[str, ...]:
    if model.io not in PICKLES:
        return ()
    return (f"{model.io} runs code when it is loaded: formats.pickle of the policy decides",)


def _told(error: RegistryError) -> str:
    return f"{' '.join(error.what.split())}{f': {error.fix}' if error.fix else ''}"


def _written(project: Project, root: Path, one: MlemFile, file: File, *, force: bool) -> MlemFile:
    """The file with the pinned link that was written for it, or with the reason why none was."""
    target = one.path if force else link_paths(one.artifact or "")[0]
    if not force and (root / target).exists():
        return replace(one, needs=(*one.needs, f"{target} is there already: --force writes over {one.path}"))
    try:
        link = parse_link(file.data, file.path)
        address = _address(project, link, file)
        made = prepare(link.path, one.artifact or "", root, source_project=address.text, rev=link.rev, lineage=True)
        write_link(root, made, root / target)
    except RegistryError as error:
        return replace(one, needs=(*one.needs, _told(error)))
    beside = () if target == one.path else (f"remove {one.path}: an artifact is linked once",)
    return replace(one, wrote=target, needs=beside)
