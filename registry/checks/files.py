"""The files of a registry that checks look at: links, contracts, policy, cards, lineage, and what hides them.

Rules: nothing is read through a symlink, neither on disk nor in a tree; a file over 1 MiB is named, not read. On disk
the files are those that git would commit, and all below the link and contract folders even where git ignores them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from registry.errors import RegistryError
from registry.git.objects import Entry, entries, read_all, sizes
from registry.git.process import run
from registry.strictyaml import LIMIT
from registry.suite import PATH, REPORTS

FILE = "a file"
LARGE = "a file of more than 1 MiB"
SYMLINK = "a symlink"
SUBMODULE = "a submodule"
SPECIAL = "a special file"

LINK_FOLDERS = (".mlem/links", ".mlem/link")
CONTRACTS = "interfaces"
POLICY = "policy.yaml"
SIGNERS = "allowed_signers"
CONFIG = ".gto"
EVALUATIONS = "evaluations"
"""Suites, and reports below it."""
TEXTS = ("cards", ".mlem/lineage")
"""Folders of what is said of a model."""
_FOLDERS = (*LINK_FOLDERS, CONTRACTS)
_SINGLE = (POLICY, SIGNERS, CONFIG)
_MODES = {"100644": FILE, "100755": FILE, "100664": FILE, "120000": SYMLINK, "160000": SUBMODULE}


class File(NamedTuple):
    """One file, or what stands in its place."""

    path: str
    """From the registry's root."""
    kind: str
    """`FILE`, `LARGE`, `SYMLINK`, `SUBMODULE` or `SPECIAL`."""
    data: bytes = b""
    """Its bytes; of a `FILE` only."""

    @property
    def plain(self) -> bool:
        """Whether it is an ordinary file, of whatever size."""
        return self.kind in {FILE, LARGE}


def on_disk(root: Path) -> list[File]:
    """The files of a work tree, as they are on disk now."""
    out = run(root, ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).out
    paths = {os.fsdecode(name) for name in out.split(b"\0") if name} | set(_below_folders(root))
    straight: dict[str, bool] = {}
    found = (_on_disk(root, path, straight) for path in sorted(paths) if _may_matter(path))
    return [file for file in found if file is not None and _wanted(file)]


def at_commit(repository: str | PathLike[str], commit: str, bring: Callable[[Iterable[str]], None]) -> list[File]:
    """The files of a commit whose trees are here; `bring` fetches blobs by id."""
    return in_trees(repository, [entries(repository, commit, deep=True).values()], bring)[0]


def in_trees(
    repository: str | PathLike[str], trees: Sequence[Iterable[Entry]], bring: Callable[[Iterable[str]], None]
) -> list[list[File]]:
    """The files of commits, given the entries of their trees; all are read together, what they share once.

    `bring` fetches blobs by id.
    """
    named = [[(File(entry.path, _MODES.get(entry.mode, SPECIAL)), entry.oid) for entry in tree] for tree in trees]
    kept = [[(file, oid) for file, oid in each if _wanted(file)] for each in named]
    filled = iter(_filled(repository, [pair for each in kept for pair in each], bring))
    return [list(islice(filled, len(each))) for each in kept]


def scripts_at(
    repository: str | PathLike[str], commit: str, folder: str, bring: Callable[[Iterable[str]], None]
) -> list[File]:
    """The Python files of one folder of a commit, none of those below it, sorted."""
    tree = entries(repository, commit, [f"{folder}/"]).values()
    found = [(File(entry.path, _MODES.get(entry.mode, SPECIAL)), entry.oid) for entry in tree]
    return _filled(repository, [(file, oid) for file, oid in sorted(found) if file.path.endswith(".py")], bring)


def _filled(
    repository: str | PathLike[str], kept: list[tuple[File, str]], bring: Callable[[Iterable[str]], None]
) -> list[File]:
    oids = list(dict.fromkeys(oid for file, oid in kept if file.plain))
    bring(oids)
    small = [oid for oid, (kind, size) in sizes(repository, oids).items() if kind == "blob" and size <= LIMIT]
    data = {oid: body for oid, _, _, body in read_all(repository, small)}
    return [
        file if not file.plain else File(file.path, FILE, data[oid]) if oid in data else File(file.path, LARGE)
        for file, oid in kept
    ]


def _may_matter(path: str) -> bool:
    if path.endswith(".mlem") or path == POLICY:
        return True
    named = (*_FOLDERS, *TEXTS, EVALUATIONS)
    folders = any(path == each or path.startswith(f"{each}/") or each.startswith(f"{path}/") for each in named)
    return folders or path in _SINGLE


def _wanted(file: File) -> bool:
    """Whether it is a link or a contract by its name, or hides some: a symlink or submodule in place of a folder."""
    path = file.path
    if path.startswith(f"{EVALUATIONS}/") and not path.endswith(".mlem"):
        return PATH.fullmatch(path) is not None or (path.startswith(f"{REPORTS}/") and path.endswith(".json"))
    if not file.plain:
        return _may_matter(path)
    if path.startswith(f"{CONTRACTS}/"):
        return path.endswith((".yaml", ".yml"))
    if path in _SINGLE or path.startswith(tuple(f"{each}/" for each in TEXTS)):
        return True
    return path.endswith(".mlem") or (path.startswith(".mlem/link/") and path.endswith(".mlem.yaml"))


def _below_folders(root: Path) -> Iterator[str]:
    links = [top for top in (".mlem", *_FOLDERS) if (root / top).is_symlink()]
    yield from links
    for top in _FOLDERS:
        if any(top == link or top.startswith(f"{link}/") for link in links):
            continue
        for folder, inner, names in os.walk(root / top, followlinks=False):
            base = Path(folder).relative_to(root).as_posix()
            for name in [*names, *(each for each in inner if os.path.islink(os.path.join(folder, each)))]:
                yield f"{base}/{name}"


def _on_disk(root: Path, path: str, straight: dict[str, bool]) -> File | None:
    """The file; none where it is deleted, or a folder (a repository of its own).

    `straight` remembers which folders are reached through no symlink.
    """
    full, folder = os.path.join(root, path), path.rpartition("/")[0]
    if folder not in straight:
        whole = os.path.join(os.path.realpath(root), *Path(folder).parts)
        straight[folder] = os.path.realpath(root / folder) == whole
    if not straight[folder]:
        return File(path, SYMLINK)
    try:
        status = os.lstat(full)
        if stat.S_ISLNK(status.st_mode):
            return File(path, SYMLINK)
        if stat.S_ISDIR(status.st_mode):
            return File(path, SUBMODULE) if os.path.exists(os.path.join(full, ".git")) else None
        if not stat.S_ISREG(status.st_mode):
            return File(path, SPECIAL)
        if status.st_size > LIMIT:
            return File(path, LARGE)
        handle = os.open(full, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "rb") as stream:
            return File(path, FILE, stream.read(LIMIT + 1))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RegistryError(f"the file cannot be read: {error.strerror}", full, "correct its rights") from None
