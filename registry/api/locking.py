"""`registry.lock` on disk, and what is resolved by it.

Nothing in it changes unless asked: what is locked stays when it is locked again, `upgrade_lock` moves it, and a write
keeps every entry that others wrote meanwhile. A locked question asks the registry for the locked version, wherever the
stage has gone since, and every id of the answer must equal the file: else `Refused` (`locked`) with both values.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from registry import cache
from registry.api.admitting import admit
from registry.api.project import open_project
from registry.api.resolving import Resolved, look
from registry.api.rooted import pinned, root_keys
from registry.api.rules import read_rules
from registry.api.writing import write_file
from registry.errors import GitError, NotFound, Refused, RegistryError
from registry.lockfile import NAME, Locked, differences, format_lock, parse_lock
from registry.names import require_artifact, require_stage
from registry.offline import Offline
from registry.ranges import is_range, parse_range
from registry.tomltable import LIMIT
from registry.urls import Address, parse, without_credentials
from registry.versions import require as require_version

Where = str | PathLike[str]
Entries = tuple[Locked, ...]


class Change(NamedTuple):
    """What became of one entry; the same before and after where nothing did."""

    before: Locked | None
    after: Locked | None


def find_lock(lock: Where | None = None) -> Path:
    """The lock file: `lock`, else `REGISTRY_LOCK`, else `registry.lock` of this folder or the nearest one above.

    Raises `NotFound`.
    """
    path = _named(lock) or _nearest()
    if path is None or not path.is_file():
        raise NotFound(
            f"no lock file {str(path) if path else NAME!r}",
            "" if path else f"{Path.cwd()} and the folders above",
            "write one: registry lock NAME --stage STAGE, or name it with REGISTRY_LOCK",
        )
    return path


def read_lock(lock: Where | None = None) -> Entries:
    """The entries of a lock file. Raises `NotFound`, `RegistryError` with the line."""
    return _read(find_lock(lock))


def lock(
    name: str,
    stage: str | None = None,
    version: str | None = None,
    project: Where = ".",
    *,
    lock: Where | None = None,
) -> Change:
    """Lock an artifact by the `stage` it is in, by `version` (or a range such as `>=1.2,<2`), or its latest release.

    What is locked already stays as it is, and nobody is asked. The file is written into this folder where there is
    none yet. Raises as `resolve`, and then nothing was written.
    """
    _require_asked(name, stage, version)
    path = _named(lock) or _nearest() or Path.cwd() / NAME
    at = parse(os.fspath(project))
    asked = (name, stage or "", version or "")
    for known in _read(path, missing=True):
        if known.selector == asked and _is_at(known, at, path):
            return Change(known, known)
    found = admit(look(name, stage, version, project=project))
    new = replace(entry_of(found, written_as(at, path), stage, version), root=_root(found, project))

    def added(now: Entries) -> Entries:
        return (*(each for each in now if not (each.selector == asked and _is_at(each, at, path))), new)

    _change(path, added)
    return Change(None, new)


def upgrade_lock(names: Collection[str] = (), lock: Where | None = None) -> list[Change]:
    """Lock anew what was asked for, of these artifacts or of all: what each stage holds or each range offers now.

    All or nothing: raises as `resolve`, and then nothing was written.
    """
    path = find_lock(lock)
    changes = [Change(each, _upgraded(each, path)) for each in chosen(_read(path), names, path)]
    anew = {(each.before.project, *each.before.selector): each.after for each in changes if each.before and each.after}
    if any(each.before != each.after for each in changes):
        _change(path, lambda now: tuple(anew.get((each.project, *each.selector), each) for each in now))
    return changes


def unlock(names: Collection[str], lock: Where | None = None) -> list[Change]:
    """Take every entry of these artifacts out. Raises `NotFound`."""
    path = find_lock(lock)
    gone = chosen(_read(path), names, path)
    _change(path, lambda now: tuple(each for each in now if each.name not in set(names)))
    return [Change(each, None) for each in gone]


def look_locked(
    name: str, stage: str | None, version: str | None, rev: str | None, project: Where, lock: Where | None = None
) -> Resolved:
    """What the registry says of the locked version, where that is what was locked. Raises `Refused` (`locked`)."""
    require_artifact(name)
    path = find_lock(lock)
    at = parse(os.fspath(project))
    if rev is not None:
        raise _refused("a lock file holds versions, and a revision was asked for", path, name)
    entry = _entry(_read(path), path, at, name, stage, version)
    try:
        found = look_pinned(entry, project)
    except (GitError, Offline, Refused):
        raise
    except RegistryError as error:
        raise _refused(f"{entry.asked} is locked at {entry.version}: {error.what}", path, name) from None
    drift = differences(entry, entry_as(entry, found))
    if drift:
        told = "; ".join(map(str, drift))
        raise _refused(f"{entry.asked}, locked at {entry.version}, is something else now: {told}", path, name)
    return replace(found, stage=stage, locked=str(path))


def look_pinned(entry: Locked, project: Where) -> Resolved:
    """What the registry says of the locked version, under a policy that follows from the locked root's. As `look`."""
    with pinned(entry.root):
        found = look(entry.name, version=entry.version, project=project)
        if entry.root:  # what this process knew already may be from before the pin
            read_rules(open_project(project))
        return found


def _root(found: Resolved, project: Where, *, pinned: bool = False) -> tuple[str, ...]:
    """The keys of the root that signed the policy by which something was found."""
    if not found.policy.root.principals and not pinned:
        return ()
    opened = open_project(project)
    return root_keys(opened, read_rules(opened))


def entry_of(found: Resolved, project: str, stage: str | None, wanted: str | None) -> Locked:
    """The entry of what was resolved by a version or a stage."""
    version = found.version or ""
    tag, tag_id = list(found.registered[version].items())[-1]
    return Locked(
        name=found.name,
        project=project,
        stage=stage,
        wanted=wanted,
        version=version,
        tag=tag,
        tag_id=tag_id,
        commit=found.commit,
        link=found.link_path,
        link_id=found.link_blob,
        url=found.link.project or "",
        path=found.link.path,
        rev=found.link.rev or "",
        source_commit=found.source_commit,
        metafile=found.metafile,
        artifacts=dict(found.artifacts),
    )


def entry_as(entry: Locked, found: Resolved) -> Locked:
    """What an entry would be if it were locked now, by the tag that it names as long as that stands."""
    now = entry_of(found, entry.project, entry.stage, entry.wanted)
    tags = found.registered[entry.version]
    now = replace(now, root=entry.root)
    return replace(now, tag=entry.tag, tag_id=tags[entry.tag]) if entry.tag in tags else now


def chosen(entries: Entries, names: Collection[str], path: Path) -> Entries:
    """The entries of these artifacts, or all. Raises `NotFound` where there are none."""
    for name in names:
        require_artifact(name)
        if all(each.name != name for each in entries):
            raise _not_locked(name, entries, path)
    if not entries:
        raise NotFound("nothing is locked", str(path), "lock something: registry lock NAME --stage STAGE")
    return tuple(each for each in entries if not names or each.name in names)


def address(entry: Locked, path: Path) -> Address:
    """Where an entry's registry is; a folder counts from the lock file's. Raises `NotFound`, `Refused`."""
    return parse(entry.project, str(path.parent))


def _entry(entries: Entries, path: Path, at: Address, name: str, stage: str | None, version: str | None) -> Locked:
    here = [each for each in entries if each.name == name and _is_at(each, at, path)]
    if not here:
        elsewhere = sorted({each.project for each in entries if each.name == name})
        hint = f"; it is of {', '.join(elsewhere)}" if elsewhere else ""
        raise _refused(f"{name!r} of {at} is not locked{hint}", path, name)
    exact = [each for each in here if each.selector == (name, stage or "", version or "")]
    if stage is None:
        exact = exact or [each for each in here if version in {None, each.version}]
    if not exact or (version is None and len(exact) > 1):
        asked = f"in stage {stage!r}" if stage else f"version {version!r}" if version else "by name alone"
        raise _refused(f"{name!r} {asked} is not locked; locked are {_listed(here)}", path, name)
    return exact[0]


def _listed(entries: Sequence[Locked]) -> str:
    return ", ".join(f"{each.asked}: {each.version}" for each in entries) or "none"


def _refused(what: str, path: Path, name: str) -> Refused:
    return Refused(
        "locked",
        what,
        str(path),
        f"see `registry lock --check {name}`; lock what should be used: `registry lock {name} …` or `--upgrade`",
    )


def _not_locked(name: str, entries: Entries, path: Path) -> NotFound:
    return NotFound(f"{name!r} is not locked; locked are {_listed(entries)}", str(path), f"registry lock {name} …")


def _require_asked(name: str, stage: str | None, version: str | None) -> None:
    require_artifact(name)
    if stage is not None and version is not None:
        raise RegistryError("stage and version exclude each other", fix="give one of them")
    if stage is not None:
        require_stage(stage)
    if version is not None:
        parse_range(version) if is_range(version) else require_version(version)


def _upgraded(entry: Locked, path: Path) -> Locked:
    where = address(entry, path).text
    with pinned(entry.root):
        found = admit(look(entry.name, entry.stage, entry.wanted, project=where))
        now = entry_of(found, entry.project, entry.stage, entry.wanted)
        return replace(now, root=_root(found, where, pinned=bool(entry.root)))


def _named(lock: Where | None) -> Path | None:
    text = os.fspath(lock) if lock is not None else os.environ.get("REGISTRY_LOCK")
    return Path(text).expanduser().absolute() if text else None


def _nearest() -> Path | None:
    here = Path.cwd()
    return next((path for folder in (here, *here.parents) if (path := folder / NAME).is_file()), None)


def _is_at(entry: Locked, at: Address, path: Path) -> bool:
    with suppress(RegistryError):  # a folder that is gone is no one's
        found = address(entry, path)
        return found.local == at.local and without_credentials(found.text) == without_credentials(at.text)
    return False


def written_as(at: Address, path: Path) -> str:
    """How a file at `path` names a repository: a URL without credentials, a folder as seen from the file's own."""
    if not at.local:
        return without_credentials(at.text)
    try:
        found = Path(os.path.relpath(at.text, os.path.realpath(path.parent))).as_posix()
    except ValueError:  # pragma: no cover - another drive of Windows
        return at.text
    return found if found.startswith(".") else f"./{found}"


def _read(path: Path, *, missing: bool = False) -> Entries:
    try:
        with path.open("rb") as stream:
            return parse_lock(stream.read(LIMIT + 1), str(path))
    except FileNotFoundError:
        if missing:
            return ()
        raise NotFound("the lock file is gone", str(path), "restore it from version control") from None
    except OSError as error:
        raise RegistryError(f"the lock file cannot be read: {error.strerror}", str(path), "check its rights") from None


def _change(path: Path, changed: Callable[[Entries], Entries]) -> None:
    """Write what `changed` makes of the file as it is now, alone among the processes of this machine."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()
    with cache.lock(cache.root() / "locks" / f"{digest}.lock"):
        text = format_lock(changed(_read(path, missing=True)))
        parse_lock(text.encode("utf-8", "surrogatepass"), str(path))  # a folder may be called what no lock may hold
        write_file(path, text)
