"""The first sight of a version: what it was then it must be for ever, as Go's checksum database holds it for modules.

For each version of a remote registry's artifact this machine remembers the tags that register it, its commit, its link
and the digests it pins (https://go.dev/ref/mod#checksum-database, but trusted on first use, as ssh trusts a host).
What changes any of these later is refused as `moved`, with both ids. A further registration at the same commit, as
`m@v1.0.0#2` after a deregistration, changes nothing and is remembered too. Folders of this machine are not remembered:
whoever works in one rewrites it as they like. `forget` makes the next sight the first one.

Where the state folder cannot be written (a container with a read-only system) a process remembers for itself only, with
a warning: there a lock file pins what is used.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from registry.cache import remembered
from registry.errors import NotFound, Refused, RegistryError
from registry.names import require_artifact
from registry.urls import redacted
from registry.versions import require as require_version

if TYPE_CHECKING:
    from registry.api.resolving import Resolved

FORMAT = 1

_approved: dict[tuple[str, str, str], tuple[str, str, Mapping[str, str]]] = {}
"""Commit, link and tags that this process held against memory, by state folder and registry, artifact, version."""
_unwritten: dict[str, dict[str, Seen]] = {}
"""What could not be written, by file: for this process only."""


class NotRemembered(UserWarning):
    """The first sight of a version could not be remembered."""


class Seen(NamedTuple):
    """What a version was when it was seen."""

    commit: str
    """The registry's commit."""
    link: str
    """The link file's git object id."""
    pins: str
    """SHA-256 over all digests that the link pins."""
    tags: Mapping[str, str]
    """The tags that register it, with their object ids."""


def require_unmoved(found: Resolved) -> None:
    """Hold what was resolved against what this machine saw first, or remember it.

    Raises `Refused` (`moved`) with both ids.
    """
    if Path(found.project).is_absolute():
        return
    base = f"{remembered.root()} {found.project}"
    ids = {
        (base, found.name, version): (found.commit, found.link_blob, tags) for version, tags in found.registered.items()
    }
    if all(_approved.get(key) == each for key, each in ids.items()):
        return
    path, pins = _file(found.project, found.name), _pins(found)
    new = {version: Seen(found.commit, found.link_blob, pins, tags) for version, tags in found.registered.items()}
    try:
        known = {**_unwritten.get(str(path), {}), **_parse(remembered.recall(path), path)}
        if not _judged(known, new, found):
            remembered.change(path, lambda data: _written(_parse(data, path), new, found))
    except remembered.Unwritable as error:
        _unwritten.setdefault(str(path), {}).update(new)
        warnings.warn(f"the first sight of {found.name!r} is not remembered: {error.what}", NotRemembered, stacklevel=5)
    _approved.update(ids)


def forget(name: str, version: str | None = None, project: str | PathLike[str] = ".") -> dict[str, Seen]:
    """Forget the first sight of a version, or of all of an artifact; the next sight is remembered anew.

    Gives what was forgotten. Raises `NotFound` where nothing was remembered. The registry itself is not asked.
    """
    from registry.api.project import open_project

    require_artifact(name)
    if version is not None:
        require_version(version)
    where = open_project(project).where
    path = _file(where, name)
    unwritten = _unwritten.get(str(path), {})
    gone = {each: unwritten.pop(each) for each in list(unwritten) if version in {None, each}}

    def without(data: bytes | None) -> bytes | None:
        known = _parse(data, path)
        left = {each: seen for each, seen in known.items() if version not in {None, each}}
        gone.update({each: seen for each, seen in known.items() if each not in left})
        return _format(where, name, left) if len(left) < len(known) else None

    if remembered.recall(path) is not None:
        remembered.change(path, without)
    if not gone:
        which = name if version is None else f"{name}@{version}"
        raise NotFound(f"no first sight of {which!r} is remembered", where, "see the refusal for name and registry")
    for each in gone:
        _approved.pop((f"{remembered.root()} {where}", name, each), None)
    return gone


def _file(project: str, name: str) -> Path:
    digest = hashlib.sha256(f"{redacted(project)}\0{name}".encode()).hexdigest()
    return remembered.root() / "first-sight" / f"{digest}.json"


def _pins(found: Resolved) -> str:
    lines = [f"metafile {found.metafile.sha256}"]
    lines += [f"{name} {found.artifacts[name].sha256}" for name in sorted(found.artifacts)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _judged(known: Mapping[str, Seen], now: Mapping[str, Seen], found: Resolved) -> bool:
    """Whether memory holds all of it already. Raises `Refused` where it holds something else."""
    whole = True
    for version, seen in now.items():
        first = known.get(version)
        if first is None:
            whole = False
            continue
        moved = [
            (f"tag {tag}", first.tags[tag], oid) for tag, oid in seen.tags.items() if first.tags.get(tag, oid) != oid
        ]
        pairs = (("its registry commit", first.commit, seen.commit), ("its link", first.link, seen.link))
        moved += [(what, before, after) for what, before, after in pairs if before != after]
        if moved or first.pins != seen.pins:
            raise _refusal(found, version, moved, same=first.pins == seen.pins)
        whole = whole and seen.tags.items() <= first.tags.items()
    return whole


def _refusal(found: Resolved, version: str, moved: list[tuple[str, str, str]], *, same: bool) -> Refused:
    told = "; ".join(f"{what} was {before}, is now {after}" for what, before, after in moved)
    files = "it still pins the same files" if same else "it pins other files than before"
    return Refused(
        "moved",
        f"version {version} of {found.name!r} is not what this machine saw first: {told or 'its pins changed'}; "
        f"{files}",
        found.project,
        f"ask who moved it; if that was meant, accept what is there now: "
        f"registry forget {found.name}@{version} -r {found.project}",
    )


def _written(known: dict[str, Seen], new: Mapping[str, Seen], found: Resolved) -> bytes | None:
    if _judged(known, new, found):  # by another process, meanwhile
        return None
    for version, seen in new.items():
        first = known.get(version)
        known[version] = seen._replace(tags={**first.tags, **seen.tags}) if first else seen
    return _format(found.project, found.name, known)


def _format(project: str, name: str, known: Mapping[str, Seen]) -> bytes:
    versions = {version: seen._asdict() for version, seen in known.items()}
    told = {"format": FORMAT, "project": project, "name": name, "changed": int(time.time()), "versions": versions}
    return json.dumps(told, indent=1).encode()


def _parse(data: bytes | None, path: Path) -> dict[str, Seen]:
    if data is None:
        return {}
    try:
        raw: Any = json.loads(data)
        versions: Any = {FORMAT: raw["versions"]}[raw["format"]]
        return {str(version): _seen(each) for version, each in versions.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RegistryError(
            f"what this machine remembers is damaged: {str(error)[:120]}",
            str(path),
            "find out who changed it; without the file the next sight of each version counts as the first",
        ) from None


def _seen(raw: Any) -> Seen:
    commit, link, pins = raw["commit"], raw["link"], raw["pins"]
    tags = dict(raw["tags"].items())
    if not all(isinstance(text, str) for text in (commit, link, pins, *tags, *tags.values())):
        raise ValueError("a value is no text")
    return Seen(commit, link, pins, tags)
