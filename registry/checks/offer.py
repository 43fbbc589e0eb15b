"""What one source repository offers to all the links that name it, asked in few requests.

`ask` brings all of it: refs once, then all pinned commits with all pinned files in one request; where the source lacks
one of them, commits, metafiles and artifacts in a request each, and commits one by one. A pinned id only says what to
fetch: which files a model has is read from the trees of its commit, and every file is hashed anew. Afterwards the
checks of single links only read, so they may run side by side.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from threading import Event
from typing import IO, TYPE_CHECKING, NamedTuple

from registry.errors import GitError, NotFound, RegistryError
from registry.git.batch import Batch, Head
from registry.git.source import Source
from registry.stores import GIT
from registry.stores.model import Model

if TYPE_CHECKING:
    from registry.checks.pins import Pinned
    from registry.lineage import Certificate


class Digests(NamedTuple):
    """What the bytes of a file are."""

    size: int
    sha256: str
    md5: str
    head: bytes
    """The first bytes."""


Reader = Callable[[Source, str, str], Model]
"""Reads the model at (source, commit, path). Raises `RegistryError`."""
Collect = Callable[[Model], "Certificate"]
"""Makes the birth certificate of a model anew. Raises `RegistryError`."""
Place = tuple[str, str]
"""A commit and the path of a metafile in it."""
_BLOB = "blob"


class Expected(NamedTuple):
    """What one link needs of the source."""

    place: Place
    pins: Pinned
    beside: Callable[[], Iterable[str]]
    """Further small files, by object id."""
    collect: Collect | None
    """Makes the birth certificate that the link's own is to be compared with, if there is one."""
    settled: Callable[[], bool]
    """Whether the link needs no more than the refs, which were read by then."""


class Offer:
    """One source, and what was asked of it."""

    def __init__(self, source: Source, read: Reader) -> None:
        self.source = source
        self.links: list[str] = []
        """Paths of the links that name it, in order."""
        self.error: RegistryError | None = None
        """Why it could not be asked at all."""
        self._read = read
        self._expected: dict[str, Expected] = {}
        self._places: dict[Place, None] = {}
        self._metafiles: dict[str, None] = {}
        self._artifacts: dict[str, None] = {}
        self._absent: dict[str, RegistryError] = {}
        self._reached: dict[str, bool | RegistryError] = {}
        self._models: dict[Place, Model | RegistryError] = {}
        self._digests: dict[str, Digests] = {}
        self._collects: dict[str, tuple[Place, Collect]] = {}
        self._certificates: dict[str, Certificate | RegistryError] = {}

    def expect(self, link: str, expected: Expected) -> None:
        """Say what a link needs of the source."""
        self.links.append(link)
        self._expected[link] = expected

    def _gather(self) -> bool:
        """Take up what the links need that are still to be judged; whether there are any."""
        for link, (place, pins, beside, collect, settled) in self._expected.items():
            if settled():
                continue
            if collect is not None:
                self._collects[link] = (place, collect)
            self._places[place] = None
            metafile = [pins.metafile.blob] if pins.metafile.blob else []
            self._metafiles.update(dict.fromkeys([*metafile, *beside()]))
            self._artifacts.update(dict.fromkeys(pin.blob for pin in pins.artifacts.values() if pin.blob))
        return bool(self._places)

    def ask(self, complete: Event) -> None:
        """Bring everything that the checks of its links will look at, once `complete` says that all were told.

        Raises nothing for a bad one.
        """
        try:
            self.source.refs()
        except GitError as error:
            self.error = error
            return
        complete.wait()
        if self._gather():
            with self.source.together() as batch:
                self._ask(batch)

    def _ask(self, batch: Batch) -> None:
        commits = list(dict.fromkeys(commit for commit, _ in self._places))
        with suppress(GitError):  # one that the server lacks fails all: then each is asked for by itself
            missing = self._take(batch, [*commits, *self._metafiles], self._artifacts)
            if missing and self.source.mirror is not None:
                self.source.bring_together(missing)
                self._take(batch, [oid for oid in missing if oid not in self._artifacts], self._artifacts)
            batch.walk(self._places)
        self._bring(commits)
        here = [place for place in self._places if place[0] not in self._absent]
        self._bring_metafiles(batch, here)
        for place in here:
            try:
                self._models[place] = self._read(self.source, *place)
            except RegistryError as error:
                self._models[place] = error
        models = [model for model in self._models.values() if not isinstance(model, RegistryError)]
        held = [held for model in models for held in model.files.values() if held.store == GIT]
        files = list(dict.fromkeys(each.key for each in held))
        with suppress(GitError):  # told by the check of the file that did not come
            self.source.bring_blobs(oid for oid in files if oid not in self._digests)
            self._take(batch, [], files)
        for commit in commits:
            if commit not in self._absent:
                self._reached[commit] = self._reaches(commit)
        self._certify()

    def _certify(self) -> None:
        for link, (place, collect) in self._collects.items():
            model = self._models.get(place)
            if model is None or isinstance(model, RegistryError):
                continue
            try:
                self._certificates[link] = collect(model)
            except RegistryError as error:
                self._certificates[link] = error

    def certificate(self, link: str) -> Certificate | None:
        """The birth certificate of a link's model, collected anew; none where that was not asked for.

        Raises `RegistryError` where it could not be collected.
        """
        found = self._certificates.get(link)
        if isinstance(found, RegistryError):
            raise found
        return found

    def _take(self, batch: Batch, small: Iterable[str], files: Iterable[str]) -> list[str]:
        """Keep small objects and hash files, each only once; those that are not here are returned."""
        kept: dict[str, io.BytesIO] = {}
        hashed: dict[str, _Hashing] = {}
        wanted, keep = [oid for oid in files if oid not in self._digests], batch.keeping(kept)

        def receive(oid: str, found: Head) -> IO[bytes] | None:
            if oid not in chosen or found.kind != _BLOB:
                return keep(oid, found)
            hashed[oid] = _Hashing()
            return hashed[oid]

        chosen = set(wanted)
        missing = batch.copy_all([*small, *wanted], receive)
        batch.keep(kept)
        self._digests.update((oid, sink.digests()) for oid, sink in hashed.items())
        return missing

    def absent(self, commit: str) -> RegistryError | None:
        """Why the source does not give a commit; none where it does."""
        return self._absent.get(commit)

    def reaches(self, commit: str) -> bool:
        """Whether a branch or tag holds a commit. Raises `RegistryError` where that could not be found out."""
        found = self._reached[commit]
        if isinstance(found, RegistryError):
            raise found
        return found

    def model(self, commit: str, path: str) -> Model | RegistryError:
        """The model at a commit that is not absent, or why there is none."""
        return self._models[commit, path]

    def digests(self, oid: str) -> Digests:
        """What the bytes of a file are, read again from the source's object. Raises `RegistryError`."""
        if oid not in self._digests:
            self.source.bring_blobs([oid])
            sink = _Hashing()
            self.source.copy(oid, sink)
            self._digests[oid] = sink.digests()
        return self._digests[oid]

    def _bring(self, commits: Sequence[str]) -> None:
        if self.source.mirror is not None and len(missing := self.source.missing(commits)) > 1:
            with suppress(GitError):
                self.source.bring_together(missing)
        for commit in commits:
            try:
                self.source.bring(commit)
            except (NotFound, GitError) as error:
                self._absent[commit] = error

    def _bring_metafiles(self, batch: Batch, places: Iterable[Place]) -> None:
        from registry.stores.lfs import ATTRIBUTES

        paths: dict[str, list[str]] = {}
        for commit, path in places:
            if path.isprintable():
                paths.setdefault(commit, []).extend((path, f"{path}.mlem", ATTRIBUTES))
        with suppress(GitError):  # told by the check of the model that cannot be read
            found = [self.source.entries(commit, each) for commit, each in paths.items()]
            oids = [entry.oid for each in found for entry in each.values() if entry.kind == _BLOB]
            self.source.bring_blobs(oids)
            batch.load(oids)

    def _reaches(self, commit: str) -> bool | RegistryError:
        try:
            return self.source.reaches(commit)
        except GitError as error:
            return error


class _Hashing(io.BytesIO):
    """A sink that only hashes."""

    def __init__(self) -> None:
        super().__init__()
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self._size, self._head = 0, b""

    def write(self, data: bytes, /) -> int:  # type: ignore[override] # bytes are all it gets
        self._sha256.update(data)
        self._md5.update(data)
        self._size += len(data)
        self._head = self._head or data[:64]
        return len(data)

    def digests(self) -> Digests:
        return Digests(self._size, self._sha256.hexdigest(), self._md5.hexdigest(), self._head)
