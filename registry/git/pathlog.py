"""The commits of a branch that change some files, by one `git rev-list` piped into one `git cat-file`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike

from registry.commit import Commit, parse_commit
from registry.errors import RegistryError
from registry.git.process import pipeline, run

LARGEST = 1 << 24
"""Largest commit that is read, in bytes."""


def changes(path: str | PathLike[str], tip: str, paths: Sequence[str]) -> Iterator[Commit]:
    """Commits on the branch itself (first parents) that change one of `paths`, oldest first.

    Raises `RegistryError` for a commit that cannot be read.
    """
    source = ["rev-list", "--first-parent", "--reverse", "--end-of-options", tip, "--", *paths]
    with pipeline(path, path, source, ["cat-file", "--buffer", "--batch"]) as stream:
        for line in iter(stream.readline, b""):
            oid, _, size = line.decode("ascii", "replace").split()
            length = int(size) if size.isdigit() else LARGEST + 1
            found = parse_commit(oid, stream.read(length + 1)[:-1]) if length <= LARGEST else None
            if found is None:
                raise RegistryError(f"commit {oid} cannot be read", str(path), "see `git fsck`")
            yield found


def is_shallow(path: str | PathLike[str]) -> bool:
    """Whether a clone holds only the newest part of its history."""
    return run(path, ["rev-parse", "--is-shallow-repository"]).out.strip() == b"true"
