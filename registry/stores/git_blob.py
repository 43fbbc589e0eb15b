"""Files that git itself holds, found in the tree of the pinned commit."""

from __future__ import annotations

from typing import IO

from registry.errors import Refused
from registry.git.objects import file_entry
from registry.git.source import Source
from registry.stores import Held

_POINTER = b"version https://git-lfs.github.com/spec/"


class GitBlobs:
    """The store of ordinary git blobs."""

    def locate(self, source: Source, commit: str, paths: list[str]) -> dict[str, Held]:
        """Files of the commit's tree. A symlink, a submodule or a folder is refused (`path-contained`)."""
        found = source.entries(commit, paths)
        where = f"{source.where}@{commit[:7]}"
        return {path: Held(path, file_entry(entry, path, where).oid) for path, entry in found.items() if path in paths}

    def copy(self, source: Source, held: list[Held], sinks: list[IO[bytes]]) -> None:
        """Bring all blobs in one request, then stream each into its sink."""
        source.bring_blobs(one.key for one in held)
        for one, sink in zip(held, sinks, strict=True):
            source.copy(one.key, sink)


def require_content(head: bytes, path: str, where: str) -> None:
    """Raise `Refused` (`artifact-in-git`) where a file's first bytes are a Git LFS pointer instead of its content."""
    if head.startswith(_POINTER):
        raise Refused(
            "artifact-in-git", f"{path} is a Git LFS pointer, not the model's bytes", where,
            "commit the file itself: this version reads files that git holds",
        )  # fmt: skip
