"""Who runs what: the consumers of a registry, and what their committed lock files say.

A consumer's `registry.lock` is read on its default branch, from the commit; nothing of it is checked out. An entry
means a version of this registry where name, version and the registry's commit are the same: how the lock file spells
the registry's address does not matter. A consumer that cannot be asked is told of, and stops nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from registry.api.accepting import read_accepted
from registry.api.project import Project, open_project
from registry.api.writing import registry_root, require_inside, write_file
from registry.consumers import FILE, LOCK, Consumer, format_consumers, parse_consumers, require_lock, require_name
from registry.errors import NotFound, RegistryError
from registry.lockfile import Locked, parse_lock
from registry.names import require_artifact, require_stage
from registry.strictyaml import LIMIT
from registry.tomltable import LIMIT as LOCK_LIMIT
from registry.urls import Address, has_credentials, parse, redacted, without_credentials

Where = str | PathLike[str]

WORKERS = 8
"""Consumers that are asked side by side."""


class Use(NamedTuple):
    """An entry of a consumer's lock file that means a version of this registry."""

    consumer: str
    url: str
    lock: str
    name: str
    version: str
    stage: str | None
    """The stage that it was locked for."""
    wanted: str | None
    """The version or range that it was locked for; neither means the latest."""
    commit: str
    """The registry's commit."""


class Unread(NamedTuple):
    """A consumer whose lock file cannot be read."""

    consumer: str
    url: str
    reason: str


class Uses(NamedTuple):
    """What consumers run."""

    used: list[Use]
    """By artifact, version, consumer."""
    unread: list[Unread]
    """By consumer."""


def add_consumer(where: Where, name: str | None = None, project: Where = ".", *, lock: str = LOCK) -> Consumer:
    """Write a consumer, a URL or a folder, into `consumers.yaml`; nothing is committed, nobody is asked.

    `name` is the last part of its address by default. Raises `RegistryError` where name or lock file is there already.
    """
    root = registry_root(project)
    address = parse(str(where))
    if has_credentials(address.text):
        raise RegistryError(
            f"the URL carries a credential: {redacted(address.text)}", FILE, "leave it to git's credential helper"
        )
    url = _written_as(address, root)
    new = Consumer(require_name(name or _called(address)), url, require_lock(lock))
    known = _here(root)
    for each in known:
        if new.name == each.name or new[1:] == each[1:]:
            what = f"{each.name} is there already: {each.lock} of {each.url}"
            raise RegistryError(what, str(root / FILE), "give another --name, or remove it first")
    _write(root, [*known, new])
    return new


def remove_consumer(name: str, project: Where = ".") -> Consumer:
    """Take a consumer out of `consumers.yaml`; nothing is committed. Raises `NotFound`."""
    root = registry_root(project)
    known = _here(root)
    gone = next((each for each in known if each.name == name), None)
    if gone is None:
        listed = ", ".join(each.name for each in known) or "none"
        raise NotFound(
            f"no consumer {name[:80]!r}; known are {listed}", str(root / FILE), "see `registry consumers list`"
        )
    _write(root, [each for each in known if each.name != name])
    return gone


def consumers(project: Where = ".") -> tuple[Consumer, ...]:
    """The consumers: of a folder's work tree, of a URL's default branch. Raises `RegistryError`."""
    opened = open_project(project)
    opened.refresh_head()
    return consumers_of(opened)


def consumers_of(opened: Project) -> tuple[Consumer, ...]:
    """The same of a registry that was brought up to date."""
    data = opened.config_file(FILE, LIMIT)
    return () if data is None else parse_consumers(data, f"{opened.where}: {FILE}")


def who_runs(text: str, project: Where = ".") -> Uses:
    """Who runs `NAME`, in any version, or `NAME@V`, or the version that is in the stage of `NAME#STAGE` now.

    Raises `NotFound` where there is no such artifact, version or stage.
    """
    from registry.api.resolving import decided

    name, mark, rest = next((found for at in "#@" if (found := text.partition(at))[1]), (text, "", ""))
    opened = open_project(project)
    accepted = read_accepted(opened, require_artifact(name))
    artifact = accepted.artifact
    labels = {label for label, version in artifact.versions.items() if version.registered}
    if mark:
        label, _ = decided(accepted, require_stage(rest) if mark == "#" else None, rest if mark == "@" else None)
        labels = {label}
    return uses(opened, consumers_of(opened), {(name, label): artifact.versions[label].commit for label in labels})


def uses(opened: Project, asked: Collection[Consumer], commits: Mapping[tuple[str, str], str]) -> Uses:
    """Which consumers run these versions, each by name and label with the registry's commit of it."""
    used: list[Use] = []
    unread: list[Unread] = []

    def read(consumer: Consumer) -> tuple[Locked, ...] | Unread:
        try:
            return _locked(opened, consumer)
        except RegistryError as error:
            return Unread(consumer.name, redacted(consumer.url), " ".join(error.what.split())[:500])

    with ThreadPoolExecutor(WORKERS) as pool:
        for consumer, found in zip(asked, pool.map(read, asked), strict=True):
            if isinstance(found, Unread):
                unread.append(found)
                continue
            used += (
                Use(*consumer, each.name, each.version, each.stage, each.wanted, each.commit)
                for each in found
                if commits.get((each.name, each.version)) == each.commit
            )
    return Uses(sorted(used, key=lambda each: (each.name, each.version, each.consumer)), sorted(unread))


def _locked(opened: Project, consumer: Consumer) -> tuple[Locked, ...]:
    """The entries of a consumer's committed lock file."""
    if has_credentials(consumer.url):
        raise RegistryError("its URL carries a credential", FILE, "leave it to git's credential helper")
    address = parse(consumer.url, opened.address.text if opened.address.local else "")
    if address.local and not opened.address.local:
        raise RegistryError("it is a folder, which a registry that is a URL may not name", FILE, "name it by its URL")
    repository = Project(address)
    repository.refresh_head()
    data = repository.file_at_head(consumer.lock, LOCK_LIMIT)
    if data is None:
        raise NotFound(f"no file {consumer.lock} is committed on its default branch", str(address), "commit it there")
    return parse_lock(data, f"{address}: {consumer.lock}")


def _here(root: Path) -> tuple[Consumer, ...]:
    path = root / FILE
    require_inside(root, path)
    data = open_project(root).config_file(FILE, LIMIT)
    return () if data is None else parse_consumers(data, str(path))


def _write(root: Path, known: Collection[Consumer]) -> None:
    path = root / FILE
    if path.is_symlink():
        raise RegistryError(f"{FILE} is a symlink", str(path), "make it a plain file")
    write_file(path, format_consumers(sorted(known)))


def _called(address: Address) -> str:
    return address.text.rstrip("/").replace(":", "/").rpartition("/")[2].removesuffix(".git")


def _written_as(address: Address, root: Path) -> str:
    from registry.api.locking import written_as

    return written_as(address, root / FILE) if address.local else without_credentials(address.text)
