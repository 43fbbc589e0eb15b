"""The pointer that git holds in place of a file of Git LFS. Pure.

Specification: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md, version 1. Stricter on reading, since a
pointer says what is downloaded: exactly `version`, `oid sha256:` and `size`, in that order, in fewer than 1024 bytes.
A pointer with extensions (`ext-0-…`) or of another hash names other bytes than the file's own: it is refused.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from registry.errors import Refused

LIMIT = 1024
"""A pointer has fewer bytes."""
BEGINS = b"version https://git-lfs.github.com/spec/"
_POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\noid sha256:([0-9a-f]{64})\nsize (0|[1-9][0-9]{0,17})\n?"
)


class Pointer(NamedTuple):
    """What a pointer says of the file."""

    oid: str
    """SHA-256 of its bytes, in hex."""
    size: int


def parse_pointer(data: bytes, path: str, where: str) -> Pointer | None:
    """The pointer, or none where the bytes are the file itself. Raises `Refused` for one that is not understood."""
    if not data.startswith(BEGINS) or len(data) >= LIMIT:
        return None
    match = _POINTER.fullmatch(data)
    if match is None:
        raise Refused(
            "artifact-in-git",
            f"{path} is a Git LFS pointer that is not understood: {data[:200]!r}",
            where,
            "commit it again with git-lfs: version, oid sha256 and size are read, no extensions",
        )
    return Pointer(match[1].decode(), int(match[2]))
