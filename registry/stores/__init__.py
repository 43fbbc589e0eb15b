"""Stores: where a model's bytes are. Whatever a store says of hashes, the link's SHA-256 decides.

Built-ins and third parties register through the entry-point group `registry.stores`; a store is asked in that order
whether it holds a file of a source at a commit.
"""

from __future__ import annotations

from typing import IO, NamedTuple, Protocol

from registry.git.source import Source

GROUP = "registry.stores"


class Held(NamedTuple):
    """A file that a store holds."""

    path: str
    """The file, from the source's root."""
    key: str
    """How the store finds its bytes: a git object id, a URL, a hash."""
    size: int | None = None
    """Size in bytes, where the store knows it."""


class Store(Protocol):
    """Brings bytes of a source repository's files."""

    def locate(self, source: Source, commit: str, paths: list[str]) -> dict[str, Held]:
        """The files this store holds, by path; what it does not hold is left out."""
        ...

    def copy(self, source: Source, held: list[Held], sinks: list[IO[bytes]]) -> None:
        """Write the bytes of each file into its sink."""
        ...
