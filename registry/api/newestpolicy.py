"""The newest policy that this machine saw of each remote registry: an older one is refused, as in The Update Framework.

Rules: a policy's `version` only grows, and one version is one content for ever
(https://theupdateframework.github.io/specification/latest/, "rollback attack"). So a host that serves an older state
of the default branch cannot bring back what was tightened since: `policy-older`. Another content under the number
that was seen is `policy-changed`. The first sight is trusted. Folders of this machine are not held to this: whoever
works in one changes it as they like (`registry.api.rewound`). Where the state folder cannot be written a process
remembers for itself only, with a warning.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from registry.api.project import Project, open_project
from registry.cache import remembered
from registry.errors import NotFound, Refused, RegistryError
from registry.urls import redacted

FORMAT = 1
NONE = ""
"""The digest of no policy."""

_seen: dict[str, SeenPolicy] = {}
"""What this process saw, by state folder and registry."""


class PolicyNotRemembered(UserWarning):
    """The policy's version could not be remembered."""


class SeenPolicy(NamedTuple):
    """A policy that was seen."""

    version: int
    """0 where there was none."""
    sha256: str
    """Of the file, in hex; `NONE` where there was none."""


def require_newest(project: Project, version: int, data: bytes | None) -> None:
    """Hold the policy of a remote registry's default branch against the newest one seen, or remember it.

    `data` is the file, or none. Raises `Refused` (`policy-older`, `policy-changed`).
    """
    if project.mirror is None:
        return
    now = SeenPolicy(version, NONE if data is None else hashlib.sha256(data).hexdigest())
    key = f"{remembered.root()} {project.where}"
    if _seen.get(key) == now:
        return
    path = _file(project.where)
    known = [each for each in (_seen.get(key), _parse(remembered.recall(path), path)) if each is not None]
    for each in known:
        _require_not_older(each, now, project.where)
    if data is None or now in known:
        return
    try:
        remembered.change(path, lambda before: _written(_parse(before, path), now, project.where))
    except remembered.Unwritable as error:
        what = f"version {version} of the policy is not remembered: {error.what}"
        warnings.warn(what, PolicyNotRemembered, stacklevel=6)
    _seen[key] = now


def require_not_older(project: Project, version: int) -> None:
    """The same of an answer that was kept: this process may have seen a newer policy since. Raises `Refused`."""
    known = _seen.get(f"{remembered.root()} {project.where}")
    if known is not None and version < known.version:
        _require_not_older(known, known._replace(version=version), project.where)


def folder_name(project: Project) -> str:
    """What a folder's policy is remembered by."""
    return f"folder {os.path.realpath(project.address.text)}"


def recall_policy(where: str) -> int:
    """The newest version of a registry's policy that was remembered; 0 where none was."""
    path = _file(where)
    found = _parse(remembered.recall(path), path)
    return 0 if found is None else found.version


def remember_policy(where: str, version: int, sha256: str) -> None:
    """Remember a version of a folder's policy. Raises `Unwritable`."""
    remembered.change(_file(where), lambda _: _format(SeenPolicy(version, sha256), where))


def forget_policy(project: str | PathLike[str] = ".") -> SeenPolicy:
    """Forget the newest policy seen of a registry; the next sight is trusted anew.

    Raises `NotFound` where none is remembered. The registry itself is not asked.
    """
    from registry.api.rooted import root_file

    opened = open_project(project)
    where = opened.where if opened.mirror is not None else folder_name(opened)
    root_file(where).unlink(missing_ok=True)
    path, key = _file(where), f"{remembered.root()} {where}"
    gone = _parse(remembered.recall(path), path)
    if gone is not None:
        remembered.change(path, lambda _: _format(None, where))
    gone = _seen.pop(key, None) if gone is None else gone
    _seen.pop(key, None)
    if gone is None:
        raise NotFound("no policy of this registry is remembered", where, "see the refusal for its address")
    return gone


def _require_not_older(known: SeenPolicy, now: SeenPolicy, where: str) -> None:
    fix = f"ask who changed it; if that was meant, accept what is there now: registry forget --policy -r {where}"
    if now.version < known.version:
        said = f"has version {now.version}" if now.sha256 else "is gone"
        what = f"the policy of the default branch {said}, and this machine has seen version {known.version}"
        raise Refused("policy-older", what, where, fix)
    if now.version == known.version and now.sha256 != known.sha256:
        what = (
            f"the policy of the default branch is another than this machine saw under its version {now.version}: "
            f"its SHA-256 was {known.sha256}, is now {now.sha256 or 'none'}"
        )
        raise Refused("policy-changed", what, where, fix)


def _file(where: str) -> Path:
    return remembered.root() / "policies" / f"{hashlib.sha256(redacted(where).encode()).hexdigest()}.json"


def _written(known: SeenPolicy | None, now: SeenPolicy, where: str) -> bytes | None:
    if known is not None:
        _require_not_older(known, now, where)  # another process saw a newer one meanwhile
    return None if known == now else _format(now, where)


def _format(seen: SeenPolicy | None, where: str) -> bytes:
    policy = None if seen is None else seen._asdict()
    told = {"format": FORMAT, "project": redacted(where), "changed": int(time.time()), "policy": policy}
    return json.dumps(told, indent=1).encode()


def _parse(data: bytes | None, path: Path) -> SeenPolicy | None:
    if data is None:
        return None
    try:
        raw: Any = json.loads(data)
        found: Any = {FORMAT: raw["policy"]}[raw["format"]]
        if found is None:
            return None
        version, digest = found["version"], found["sha256"]
        return SeenPolicy({int: version}[type(version)], {str: digest}[type(digest)])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RegistryError(
            f"what this machine remembers is damaged: {str(error)[:120]}",
            str(path),
            "find out who changed it; without the file the next policy seen is trusted",
        ) from None
