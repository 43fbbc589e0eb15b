"""A registry that was opened: a folder on this machine, read in place, or a mirror of a remote one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, NamedTuple

from registry.errors import GitError, NotFound, Unreachable
from registry.git.objects import (
    Entry,
    entries,
    heads,
    read_all,
    read_any,
    read_blob,
    read_commits,
    refs_at,
    require_revision,
    resolve_commit,
    sizes,
)
from registry.git.process import LOCAL, NETWORK
from registry.names import in_tag, require_artifact
from registry.urls import Address, parse

if TYPE_CHECKING:
    from registry.git.mirror import Mirror
    from registry.git.tagscan import Scan
    from registry.state import Artifact

REMOTE_HEAD = "refs/registry/HEAD"
"""Where a mirror keeps the remote's default branch."""
REMOTE_LEDGER = "refs/registry/ledger"
"""Where a mirror keeps the tip of the remote's ledger."""
LEDGERS = "refs/heads/ledger*"
"""How that tip is asked for: a ref that is not there would fail the whole fetch."""


class Project:
    """One registry. Nothing is read before it is asked for."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.mirror: Mirror | None = None
        """The cached copy, where the registry is remote."""
        self.path: str | PathLike[str] = address.text
        """Where refs are."""
        self.objects: str | PathLike[str] = address.text
        """Where objects are read."""
        self.brought: frozenset[str] = frozenset()
        """Further refs that the last refresh brought."""
        if not address.local:
            from registry.git.mirror import Mirror

            self.mirror = Mirror(address, "registries")
            self.path = self.mirror.path
            self.objects = self.mirror.objects

    @property
    def protocols(self) -> str:
        """Transports that its pushes and fetches may use."""
        return LOCAL if self.address.local else NETWORK

    @property
    def where(self) -> str:
        """The registry, for messages."""
        return str(self.address)

    def refresh(self, artifact: str | None = None, *, head: bool = False, also: Sequence[str] = ()) -> None:
        """Bring a remote registry's tags (of one artifact, or all) and, if asked, its default branch up to date.

        With the default branch comes the tip of the ledger; `also` names further refs.
        """
        if self.mirror is None:
            return
        refs = ["refs/tags/*"] if artifact is None else [f"refs/tags/{in_tag(artifact)}{mark}*" for mark in "@#"]
        reader = threading.Thread(target=import_module, args=("registry.api.reading",))
        reader.start()  # what reads the tags is imported while git waits for the remote
        try:
            self.mirror.update([*refs, "HEAD", LEDGERS, *also] if head else refs)
        finally:
            reader.join()
        self.brought = frozenset(also)

    def refresh_head(self) -> None:
        """Bring a remote registry's default branch up to date."""
        if self.mirror is not None:
            self.mirror.update(["HEAD"])

    def scan(self, artifact: str | None = None) -> Scan:
        """Read the tags that are here, of one artifact or of all."""
        from registry.api.reading import SKEW, scan

        return scan(self.path, int(time.time()) + SKEW, artifact, self.objects)

    def head(self) -> str | None:
        """The commit of the work tree, or of the default branch of a remote one; none in an empty repository."""
        try:
            return resolve_commit(self.path, "HEAD" if self.mirror is None else REMOTE_HEAD)
        except NotFound:
            return None

    def resolve(self, revision: str) -> str:
        """The commit a revision names here. Raises `NotFound`."""
        require_revision(revision)
        if self.mirror is None:
            return resolve_commit(self.path, revision)
        if revision == "HEAD":
            return resolve_commit(self.path, REMOTE_HEAD)
        for ref in (f"refs/tags/{revision}", f"refs/heads/{revision}"):
            try:
                self.mirror.fetch_ref(ref, filtered="tree:0")
            except Unreachable:
                raise
            except GitError:
                continue
            return resolve_commit(self.path, ref)
        return resolve_commit(self.path, revision)

    def tree(self, commit: str, paths: Sequence[str], hint: Sequence[str] = ()) -> dict[str, Entry]:
        """Entries of a commit's tree by path; `hint` names blobs that will be read next, fetched along."""
        if self.mirror is not None:
            self._bring_tree(self.mirror, commit, hint)
        return entries(self.objects, commit, paths)

    def _bring_tree(self, mirror: Mirror, commit: str, hint: Sequence[str]) -> None:
        found = read_commits(self.objects, [commit]).get(commit)
        if found is None:
            raise NotFound(f"commit {commit} is missing", self.where, "fetch the registry again")
        for wanted in ([found.tree, *hint], [found.tree]):  # a hint is a person's text: it may name nothing
            try:
                return mirror.fetch_objects(wanted, filtered="blob:none")
            except Unreachable:
                raise
            except GitError as error:
                refused = error
        refs = refs_at(self.path, commit)
        if not refs:
            raise refused
        return mirror.fetch_ref(refs[0], filtered=None)  # the server gives no object by its id

    def blob(self, oid: str, limit: int, where: str) -> bytes:
        """Read a file of at most `limit` bytes by its object id."""
        if self.mirror is not None:
            self.mirror.fetch_objects([oid])
        return read_blob(self.objects, oid, limit, where)

    def files_at(self, commits: Sequence[str], path: str, limit: int) -> dict[str, bytes]:
        """One file as it is at each of many commits; where it is missing, larger than `limit` or no file, left out."""
        found = self.read_at([(commit, path) for commit in commits], limit)
        return {commit: data for (commit, _), (_, data) in found.items()}

    def read_at(self, places: Sequence[tuple[str, str]], limit: int) -> dict[tuple[str, str], tuple[str, bytes]]:
        """Files by commit and path, all at once, as object id and bytes; what is missing or too large left out."""
        oids = self.blobs_at(places, limit)
        data = {oid: body for oid, _, _, body in read_all(self.objects, oids.values())}
        return {place: (oid, data[oid]) for place, oid in oids.items() if oid in data}

    def blobs_at(self, places: Sequence[tuple[str, str]], limit: int) -> dict[tuple[str, str], str]:
        """Object ids of files by commit and path, brought all at once; what is missing or too large left out."""
        names = {f"{commit}:{path}": (commit, path) for commit, path in places}
        if self.mirror is None:
            here = heads(self.objects, list(names))
            return {names[name]: oid for name, (oid, kind, size) in here.items() if kind == "blob" and size <= limit}
        from registry.git.batch import Batch

        commits = dict.fromkeys(commit for commit, _ in places)
        trees = [commit.tree for commit in read_commits(self.objects, commits).values()]
        self.mirror.fetch_objects(trees, filtered="blob:none")
        with Batch(self.objects) as batch:
            batch.load(commits)
            batch.walk(places)
            found = {place: (batch.entries(place[0], [place[1]]) or {}).get(place[1]) for place in places}
        oids = {place: entry.oid for place, entry in found.items() if entry is not None and entry.kind == "blob"}
        self.mirror.fetch_objects(oids.values())
        known = sizes(self.objects, list(oids.values()))
        small = {oid for oid, (kind, size) in known.items() if kind == "blob" and size <= limit}
        return {place: oid for place, oid in oids.items() if oid in small}

    def blobs(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Small files that were brought, as git gives them; those of the newest commits first cost git the least."""
        return ((oid, body) for oid, _, _, body in read_any(self.objects, oids))

    def config_file(self, name: str, limit: int) -> bytes | None:
        """A settings file such as `.gto`: from the work tree of a folder, as gto does, else from the default branch."""
        if self.mirror is None:
            path = os.path.join(self.address.text, name)
            if not os.path.lexists(os.path.join(self.address.text, ".git")):
                return self.file_at_head(name, limit)
            if os.path.islink(path) or not os.path.isfile(path):
                return None
            with open(path, "rb") as stream:
                return stream.read(limit + 1)
        return self.file_at_head(name, limit)

    def file_at_head(self, name: str, limit: int) -> bytes | None:
        """A file at `head()`, or none."""
        head = self.head()
        entry = self.tree(head, [name]).get(name) if head else None
        if entry is None or not entry.mode.startswith("100"):
            return None
        return self.blob(entry.oid, limit, f"{self.where}: {name}")


def open_project(location: str | PathLike[str] = ".") -> Project:
    """Open the registry at a path or URL. Raises `NotFound`, `Refused`."""
    return Project(parse(os.fspath(location)))


class Asked(NamedTuple):
    """One artifact as it is now, and the tags it was read from."""

    artifact: Artifact
    scan: Scan


def read_artifact(project: Project, name: str, *, head: bool = False) -> Asked:
    """State of one artifact, of a remote registry after asking it (with `head` its default branch too).

    Raises `NotFound` where it has no event.
    """
    require_artifact(name)
    project.refresh(name, head=head)
    return artifact_here(project, name)


def artifact_here(project: Project, name: str) -> Asked:
    """The same as it was when the registry was last asked. Raises `NotFound`."""
    from registry.api.reading import fold_artifact

    found = project.scan(name)
    if not found.events:
        hint = "; its tags are malformed" if found.bad else ""
        raise NotFound(f"no artifact {name!r}{hint}", project.where, "see `registry show` and `registry doctor`")
    return Asked(fold_artifact(name, found.events), found)
