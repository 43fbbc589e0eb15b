"""The files of a source at one commit, read from its objects, with each one's git object id."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from typing import IO, NamedTuple

from registry.annotations import LIMIT
from registry.git.batch import Batch, Head
from registry.git.objects import entries
from registry.git.source import Source
from registry.stores.dvc_outputs import is_file


class Text(NamedTuple):
    """A small file."""

    path: str
    blob: str
    data: bytes


class Digest(NamedTuple):
    """What the bytes of a file are."""

    blob: str
    md5: str
    sha256: str
    size: int


class Files:
    """The files of one commit that was brought. Nothing is read through a symlink."""

    def __init__(self, source: Source, commit: str, batch: Batch) -> None:
        self.where = f"{source.where}@{commit[:7]}"
        self._source, self._batch = source, batch
        found = batch.files(commit)
        if found is None:
            found = entries(source.path, commit, deep=True)
        self.oids = {path: entry.oid for path, entry in found.items() if is_file(entry)}
        """Git object id of each file, by path."""
        self._digests: dict[str, Digest] = {}

    def read(self, paths: Iterable[str]) -> dict[str, Text]:
        """Those of the files that are there and small, brought in one request. Raises `GitError`."""
        wanted = {path: self.oids[path] for path in dict.fromkeys(paths) if path in self.oids}
        self._bring(wanted.values())
        self._batch.load(wanted.values())
        heads = {path: self._batch.head(oid) for path, oid in wanted.items()}
        small = [path for path, head in heads.items() if head is not None and head.size <= LIMIT]
        bodies = {path: self._batch.read(wanted[path], "blob") for path in small}
        return {path: Text(path, wanted[path], data) for path, data in bodies.items() if data is not None}

    def digests(self, paths: Iterable[str]) -> dict[str, Digest]:
        """Digests of those of the files that git holds, of any size, each read once. Raises `GitError`."""
        wanted = {path: self.oids[path] for path in dict.fromkeys(paths) if path in self.oids}
        new = [oid for oid in dict.fromkeys(wanted.values()) if oid not in self._digests]
        self._bring(new)
        sinks: dict[str, _Hashing] = {}

        def receive(oid: str, _: Head) -> IO[bytes]:
            sinks[oid] = _Hashing()
            return sinks[oid]

        self._batch.copy_all(new, receive)
        self._digests.update((oid, sink.digest(oid)) for oid, sink in sinks.items())
        return {path: self._digests[oid] for path, oid in wanted.items() if oid in self._digests}

    def _bring(self, oids: Iterable[str]) -> None:
        missing = self._batch.missing(oids)
        if missing:
            self._source.bring_blobs(missing)


class _Hashing(io.BytesIO):
    """A sink that only hashes."""

    def __init__(self) -> None:
        super().__init__()
        self._md5, self._sha256, self._size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0

    def write(self, data: bytes, /) -> int:  # type: ignore[override] # bytes are all it gets
        self._md5.update(data)
        self._sha256.update(data)
        self._size += len(data)
        return len(data)

    def digest(self, oid: str) -> Digest:
        return Digest(oid, self._md5.hexdigest(), self._sha256.hexdigest(), self._size)
