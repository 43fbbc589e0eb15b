"""Files that git itself holds, found in the tree of the pinned commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from registry.cache.transfer import Stream
from registry.errors import Refused
from registry.git.objects import file_entry
from registry.git.process import reader
from registry.git.source import Source
from registry.stores import Held, Opening
from registry.stores.lfs_pointer import BEGINS


class GitBlobs:
    """The store of ordinary git blobs; a key is the blob's object id."""

    def locate(self, source: Source, commit: str, paths: Sequence[str]) -> Mapping[str, Held]:
        """Files of the commit's tree. A symlink, a submodule or a folder is refused (`path-contained`)."""
        found = source.entries(commit, list(paths))
        where = f"{source.where}@{commit[:7]}"
        return {path: Held(path, file_entry(entry, path, where).oid) for path, entry in found.items() if path in paths}

    def opening(self, source: Source, commit: str, held: Sequence[Held]) -> Opening:  # noqa: ARG002 - ids say it all
        """Bring all blobs in one request; git gives each from its beginning."""
        source.bring_blobs(one.key for one in held)

        @contextmanager
        def opened(one: Held, offset: int) -> Iterator[Stream]:  # noqa: ARG001 - git cannot begin in the middle
            with reader(source.path, ["cat-file", "blob", one.key]) as stream:
                yield Stream(stream)

        return opened


def require_content(head: bytes, path: str, where: str) -> None:
    """Raise `Refused` (`artifact-in-git`) where a file's first bytes are a Git LFS pointer instead of its content."""
    if head.startswith(BEGINS):
        raise Refused(
            "artifact-in-git", f"{path} is a Git LFS pointer, and no .gitattributes there says that git-lfs tracks it",
            where, "track it with `git lfs track` and commit .gitattributes too, or commit the file itself",
        )  # fmt: skip
