"""Stores: where a model's bytes are. Whatever a store says of hashes, the link's SHA-256 decides.

A store finds the files of a source at a commit when a link is made, and opens them again later by what the link wrote
down: its own name, a key, a size. Built-ins stand in the table below; others come through the entry-point group
`registry.stores`, named as their stores are. Only the store that is needed is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from registry.cache.transfer import Stream
from registry.errors import Refused, RegistryError
from registry.git.source import Source
from registry.urls import Address

GROUP = "registry.stores"
GIT, LFS, DVC, URL, MLFLOW = "git", "lfs", "dvc", "url", "mlflow"
BUILT_IN = {
    GIT: "registry.stores.git_blob:GitBlobs",
    LFS: "registry.stores.lfs:Lfs",
    DVC: "registry.stores.dvc:Dvc",
    URL: "registry.stores.url:Urls",
    MLFLOW: "registry.stores.mlflow:Mlflow",
}
"""Store to class. `locate` asks those of `ORDER` in turn; sources in MLflow say themselves what they hold."""
ORDER = (URL, LFS, GIT, DVC)
"""LFS before git, so that a pointer is not taken for the file; DVC for what git does not hold."""


class Held(NamedTuple):
    """A file that a store holds."""

    path: str
    """The file, from the source's root."""
    key: str
    """How the store finds its bytes: a git object id, a URL, a hash."""
    size: int | None = None
    """Size in bytes, where the store knows it."""
    store: str = GIT
    """The store's name."""


Opening = Callable[[Held, int], AbstractContextManager[Stream]]
"""Opens one file at a byte offset, from any thread. Raises `Transient` for what may pass, else `RegistryError`."""


class Store(Protocol):
    """Brings bytes of a source repository's files."""

    def locate(self, source: Source, commit: str, paths: Sequence[str]) -> Mapping[str, Held]:
        """The files this store holds, by path; what it does not hold is left out. Raises `Refused`, `RegistryError`."""
        ...

    def opening(self, source: Source, commit: str, held: Sequence[Held]) -> Opening:
        """Make these files of a commit ready, in one request where that is possible, and say how each is opened."""
        ...


@cache
def _built_in(target: str) -> Callable[[], Store]:
    module, _, attribute = target.partition(":")
    return cast("Callable[[], Store]", getattr(import_module(module), attribute))


def find(name: str) -> Store:
    """The store of a name. Raises `Refused` (`store-known`)."""
    target = BUILT_IN.get(name)
    if target is not None:
        return _built_in(target)()
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=name):
        try:
            return cast("Store", entry.load()())
        except Exception as error:
            raise RegistryError(
                f"store {entry.value!r} cannot be used: {type(error).__name__}: {error}",
                f"entry point {GROUP}:{entry.name}",
                "install the package it needs, or remove it",
            ) from error
    raise Refused(
        "store-known",
        f"no store is called {name[:80]!r}; known are {', '.join(sorted(BUILT_IN))}",
        "",
        f"install a package that provides the entry point {GROUP}:{name[:80]}",
    )


def locate(source: Source, commit: str, paths: Sequence[str]) -> dict[str, Held]:
    """The files of a commit by path, wherever they are held; a path that no store knows is left out."""
    found: dict[str, Held] = {}
    for name in ORDER:
        missing = [path for path in paths if path not in found]
        if missing:
            found |= find(name).locate(source, commit, missing)
    return found


def openings(source: Source, commit: str, held: Sequence[Held]) -> Opening:
    """How files of a commit are opened, those of each store made ready together."""
    ready = {
        name: find(name).opening(source, commit, [each for each in held if each.store == name])
        for name in dict.fromkeys(each.store for each in held)
    }
    return lambda one, offset: ready[one.store](one, offset)


def source_of(address: Address, path: str) -> Source:
    """The source at an address: a repository, or what `path` names at a tracking server."""
    if not address.tracked:
        return Source(address)
    from registry.stores.mlflow import TrackedSource

    return TrackedSource(address, path)
