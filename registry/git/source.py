"""A source repository: where a model and its code live. Read from objects at one commit, never checked out.

A remote one is brought piece by piece: one commit's trees, then the blobs that are asked for, all by object id. Whether
a commit is reachable from a branch or tag is asked of a second cache that holds commits only, because hosts also serve
commits of forks and commits that no ref holds any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from typing import IO, NamedTuple

from registry.errors import GitError, NotFound, RegistryError, Unreachable
from registry.git.batch import Batch
from registry.git.mirror import Mirror
from registry.git.objects import Entry, copy_blob, entries, is_oid, read_blob, require_revision, sizes
from registry.git.process import OFFLINE, run
from registry.urls import Address

TAG = "tag"
BRANCH = "branch"
COMMIT = "commit"
RUN = "run"
"""Of a source that is no repository: see `registry.stores.mlflow`."""


class Revision(NamedTuple):
    """What a revision of the source names."""

    commit: str
    kind: str
    """`tag`, `branch`, `commit` or `run`."""
    ref: str | None
    """The full ref, where it is one."""


class Source:
    """One source repository."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.mirror = None if address.local else Mirror(address, "sources")
        self.path: str | PathLike[str] = address.text if self.mirror is None else self.mirror.objects
        """Where objects are read."""
        self._refs: dict[str, str] | None = None
        self._tips: frozenset[str] | None = None
        self._brought: list[str] = []
        self._graph: Mirror | None = None
        self._batch: Batch | None = None
        self._lost: Unreachable | None = None

    @contextmanager
    def together(self) -> Iterator[Batch]:
        """Read through processes that stay while the block runs; for one thread at a time."""
        if self.mirror is not None:
            self.mirror.ensure()
        with Batch(self.path) as batch:
            self._batch = batch
            try:
                yield batch
            finally:
                self._batch = None

    @contextmanager
    def batch(self) -> Iterator[Batch]:
        """Processes to read through: those of `together` where its block runs, else some of its own."""
        if self._batch is not None:
            yield self._batch
            return
        if self.mirror is not None:
            self.mirror.ensure()
        with Batch(self.path) as batch:
            yield batch

    @property
    def where(self) -> str:
        """The repository, for messages."""
        return str(self.address)

    def refs(self) -> dict[str, str]:
        """Its branches and tags with the commit (or other object) each finally names; asked once."""
        if self._refs is None:
            self._refs = self._local_refs() if self.mirror is None else _peeled(self.mirror.remote_refs())
        return self._refs

    def _local_refs(self) -> dict[str, str]:
        out = run(self.path, ["show-ref", "--dereference"], accept=(0, 1)).out.decode("utf-8", "replace")
        return _peeled({ref: oid for oid, _, ref in (line.partition(" ") for line in out.splitlines())})

    def resolve(self, revision: str) -> Revision:
        """What a revision names: a tag before a branch, else a whole commit id.

        Raises `NotFound`, and `RegistryError` where a ref is named like a commit.
        """
        require_revision(revision)
        refs = self.refs()
        named = [(kind, ref) for kind, ref in _candidates(revision) if ref in refs]
        if is_oid(revision):
            if named:
                raise RegistryError(
                    f"{named[0][0]} {revision} of the source is named like a commit",
                    self.where,
                    "rename it: it could stand for two things",
                )
            return Revision(revision, COMMIT, None)
        if not named:
            raise NotFound(
                f"the source has no tag or branch {revision!r}", self.where, "push the tag, or name another with --rev"
            )
        kind, ref = named[0]
        return Revision(refs[ref], kind, ref)

    def reaches(self, commit: str) -> bool:
        """Whether a branch or tag of the source holds the commit."""
        if self.is_tip(commit):
            return True
        path = objects = self.path
        if self.mirror is not None:
            self._graph = self._graph or self._fetch_graph()
            path, objects = self._graph.path, self._graph.objects
        if sizes(objects, [commit]).get(commit, ("", 0))[0] != "commit":
            return False
        flags = ["--count=1", "--format=%(refname)", f"--contains={commit}"]
        return bool(run(path, ["for-each-ref", *flags, "refs/heads", "refs/tags"]).out.strip())

    def is_tip(self, commit: str) -> bool:
        """Whether a branch or tag of the source names the commit."""
        if self._tips is None:
            self._tips = frozenset(self.refs().values())
        return commit in self._tips

    @cached_property
    def listed(self) -> str:
        """The SHA-256 of its branches and tags, each with what it names."""
        from hashlib import sha256

        return sha256(repr(sorted(self.refs().items())).encode("utf-8", "surrogatepass")).hexdigest()

    def _fetch_graph(self) -> Mirror:
        graph = Mirror(self.address, "graphs")
        for refs in ("refs/heads/*", "refs/tags/*"):
            graph.fetch_ref(refs, depth=None, filtered="tree:0")
        return graph

    def bring_together(self, oids: Sequence[str]) -> None:
        """Bring commits, each with all its trees, and file contents by id in one request.

        Raises `GitError` where the source refuses or lacks one: then none has come.
        """
        self._fetch(oids, filtered="blob:none", depth=1)

    def _fetch(self, oids: Sequence[str], *, filtered: str = "tree:0", depth: int | None = None) -> None:
        """Bring objects; a batch looks anew afterwards, for a broken mirror is removed.

        One that could not be reached is not asked again: a check of many models would wait for each.
        """
        if self.mirror is None:
            return
        if self._lost is not None:
            raise self._lost
        try:
            self.mirror.fetch_objects(oids, filtered=filtered, depth=depth)
        except GitError as error:
            if isinstance(error, Unreachable):
                self._lost = error
            if self._batch is not None:
                self._batch.close()
                self.mirror.ensure()
            raise

    def bring(self, commit: str) -> None:
        """Make a commit with all its trees readable: by its id, else (where a server refuses ids) by a ref at it.

        Raises `NotFound` where the source does not have it, `RegistryError` where it is no commit.
        """
        if self._batch is not None and self._batch.root(commit) is not None:
            self._brought.append(commit)
            return
        if self.mirror is not None and not self._has_trees(commit):
            try:
                self._fetch([commit], filtered="blob:none", depth=1)
            except Unreachable:  # not to be asked in another way, and no reason to say that it is not there
                raise
            except GitError as error:
                if not self._bring_whole(self.mirror, commit):
                    raise self._gone(commit, error) from None
        kind, _ = sizes(self.path, [commit]).get(commit, ("", 0))
        if not kind:
            raise self._gone(commit, None)
        if kind != "commit":
            raise RegistryError(f"{commit} is a {kind}, not a commit", self.where, "name a tag or branch of a commit")
        self._brought.append(commit)

    def _bring_whole(self, mirror: Mirror, commit: str) -> bool:
        """Bring a commit with its files by a ref at it, from a server that refuses ids; whether there is one."""
        ref = next((ref for ref, oid in self.refs().items() if oid == commit), None)
        if ref is not None:
            mirror.fetch_ref(ref, depth=1, filtered=None)
        return ref is not None

    def _has_trees(self, commit: str) -> bool:
        if self.mirror is None or not (self.mirror.path / "config").is_file():
            return False
        done = run(self.path, ["ls-tree", "-r", "--name-only", "--end-of-options", commit], accept=(0, 1, 128))
        return done.code == 0

    def _gone(self, commit: str, error: GitError | None) -> NotFound:
        said = f" ({error.stderr.strip().splitlines()[-1]})" if error and error.stderr.strip() else ""
        return NotFound(
            f"the source does not have commit {commit}{said}",
            self.where,
            "restore the tag and its history at the source",
        )

    def entries(self, commit: str, paths: Sequence[str]) -> dict[str, Entry]:
        """Entries of a commit's tree by path."""
        plain = all(path and not path.endswith("/") for path in paths)
        found = self._batch.entries(commit, paths) if self._batch is not None and paths and plain else None
        return found if found is not None else entries(self.path, commit, paths)

    def bring_blobs(self, oids: Iterable[str]) -> None:
        """Bring file contents by object id, in one request; where ids are refused, those of the commits brought before.

        Raises `GitError` where the source refuses or lacks one.
        """
        if self.mirror is None:
            return
        wanted = list(oids)
        if self._batch is not None:
            wanted = self.missing(wanted)
            if not wanted:
                return
        try:
            self._fetch(wanted)
        except Unreachable:
            raise
        except GitError:
            for commit in self._brought:
                self._bring_whole(self.mirror, commit)
            if not self.has(wanted):
                raise

    def has(self, oids: Iterable[str]) -> bool:
        """Whether all these objects can be read here."""
        wanted = set(oids)
        exists = self.mirror is None or (self.mirror.path / "config").is_file()
        return exists and wanted <= sizes(self.path, sorted(wanted)).keys()

    def read(self, oid: str, limit: int, where: str) -> bytes:
        """A blob of at most `limit` bytes. Raises `NotFound`, or `RegistryError` where it is larger or no blob."""
        head = self._batch.head(oid) if self._batch is not None else None
        if self._batch is not None and head is not None and head.kind == "blob" and head.size <= limit:
            found = self._batch.read(oid, "blob")
            if found is not None:
                return found
        return read_blob(self.path, oid, limit, where)

    def missing(self, oids: Sequence[str]) -> list[str]:
        """Those of the objects that cannot be read here."""
        if self._batch is not None:
            return self._batch.missing(oids)
        return [oid for oid in oids if not self.has([oid])]

    def copy(self, oid: str, sink: IO[bytes]) -> None:
        """Stream a blob into `sink`."""
        if self._batch is not None and (head := self._batch.head(oid)) is not None and head.kind == "blob":
            self._batch.copy(oid, sink)
            return
        copy_blob(self.path, oid, sink, OFFLINE)


def _candidates(revision: str) -> list[tuple[str, str]]:
    found = [(TAG, f"refs/tags/{revision}"), (BRANCH, f"refs/heads/{revision}")]
    if revision.startswith("refs/tags/"):
        found.append((TAG, revision))
    if revision.startswith("refs/heads/"):
        found.append((BRANCH, revision))
    return found


def _peeled(refs: dict[str, str]) -> dict[str, str]:
    wanted = {ref: oid for ref, oid in refs.items() if ref.startswith(("refs/heads/", "refs/tags/"))}
    plain = {ref: oid for ref, oid in wanted.items() if not ref.endswith("^{}")}
    return plain | {ref.removesuffix("^{}"): oid for ref, oid in wanted.items() if ref.endswith("^{}")}
