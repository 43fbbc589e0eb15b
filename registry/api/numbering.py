"""Which number a registration gets: the least that semver allows after what was registered before.

Rules:

- The interface at the commit is compared with that of the greatest active release before the wanted version, or of all
  where none is wanted (`registry.interfacediff`). Prereleases promise nothing (semver, section 9).
- A link that did not change changes no interface, and nothing is read. Without a link there is no interface: a
  repository of tags only never leaves the machine, and gets the next patch, as in gto.
- Where an interface cannot be read (offline source, unpinned link) no number is guessed, since a wrong one cannot be
  taken back: a version or bump that a person names goes through with a warning, without one it is an error.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

from registry import versions as semver
from registry.api.planning import Snapshot
from registry.errors import RegistryError
from registry.eventkind import is_revocation
from registry.git.objects import Entry
from registry.interface import Interface
from registry.interfacediff import Demand, allows, diff, least_version
from registry.names import link_paths
from registry.strictyaml import LIMIT

UNPUBLISHED = "where only the remote lacks the tag, `git push origin TAG`"
"""What else may be meant where a tag is here already."""
TOLD = 5
"""Changes that a message lists."""


class Numbered(NamedTuple):
    """The version a registration gets."""

    label: str
    forced: bool = False
    """Whether it is not what the interface asks for, by `--force`."""
    why: Demand | None = None
    """What the interface asks for, where two were compared."""


class Unknown(NamedTuple):
    """What the interface asks for is not known."""

    base: str
    """The version it would have been compared with."""
    error: RegistryError


class UnknownInterface(UserWarning):
    """A version was registered although nothing says which number its interface asks for."""


def next_version(now: Snapshot, commit: str, version: str | None, bump: str | None, *, force: bool) -> Numbered:
    """The version a registration at `commit` gets. Raises `RegistryError` where it may not have one."""
    renewed = _renewed(now, commit, version, bump, force=force)
    if renewed is not None:
        return Numbered(renewed)
    given = now.given_out()
    if version in given:
        known = now.artifact.versions.get(version or "")
        at = f" at {known.commit[:7]}" if known else ""
        raise RegistryError(
            f"version {version} of {now.artifact.name!r} was given out already{at}",
            now.where,
            "a number is never given out again: choose a greater one",
        )
    if not given:
        if bump is not None:
            raise RegistryError(
                f"nothing to bump: {now.artifact.name!r} has no version", now.where, "register the first one without"
            )
        return Numbered(version or semver.FIRST)
    top = max(given, key=semver.key)
    wanted = version or (semver.bump(top, bump) if bump else None)
    asked = _asked(now, commit, wanted)
    if asked is None:
        return Numbered(wanted or semver.bump(top, "patch"))
    if isinstance(asked, Unknown):
        return _unknown(now, asked, wanted, semver.bump(top, "patch"), force=force)
    return _known(now, asked, wanted, top, force=force)


def _renewed(now: Snapshot, commit: str, version: str | None, bump: str | None, *, force: bool) -> str | None:
    """The cancelled version of the commit that is registered again, where it is."""
    here = now.artifact.at_commit(commit)
    active = [v.label for v in here if v.active]
    if active and not force:
        raise RegistryError(
            f"commit {commit[:7]} is registered already as {', '.join(active)} of {now.artifact.name!r}",
            now.where,
            f"register another commit, or force a second registration with --force; {UNPUBLISHED}",
        )
    gone = [each.label for each in here if any(map(is_revocation, each.events))]
    if gone and version in {None, *gone} and bump is None:
        raise RegistryError(
            f"{', '.join(gone)} of {now.artifact.name!r} was revoked, and a revoked version stays so",
            now.where,
            "register another commit",
        )
    if here and (version is None or version in {v.label for v in here}) and bump is None:
        return version or max((v.label for v in here), key=semver.key)
    if here and not force:
        raise RegistryError(
            f"commit {commit[:7]} was registered as {', '.join(v.label for v in here)} of {now.artifact.name!r} before",
            now.where,
            "register it without --version, which renews that one, or use --force (gto fails at two on a commit)",
        )
    return None


def _known(now: Snapshot, asked: Demand, wanted: str | None, top: str, *, force: bool) -> Numbered:
    """The wanted version where the changes allow it, else the next one that they allow."""
    least, _ = asked.after(top)
    if wanted is None or allows(asked.changes, asked.base, wanted):
        return Numbered(wanted or least, why=asked)
    if force:
        return Numbered(wanted, forced=True, why=asked)
    told = "".join(f"\n  {line}" for line in asked.told(TOLD))
    raise RegistryError(
        f"{wanted} is too small for {now.artifact.name!r}: since {asked.base} its interface asks for at least "
        f"{least_version(asked.changes, asked.base)}{told}",
        now.where,
        f"leave the version out, which gives {least}; or use --force, which the tag records",
    )


def _unknown(now: Snapshot, asked: Unknown, wanted: str | None, patch: str, *, force: bool) -> Numbered:
    said = f"the interface of {now.artifact.name!r} could not be compared with that of {asked.base}: {asked.error}"
    if wanted is None and not force:
        raise RegistryError(
            f"no number can be chosen: {said}",
            now.where,
            "compare them yourself and name the --version or a --bump-…, or take the next patch with --force",
        )
    warnings.warn(said, UnknownInterface, stacklevel=2)
    return Numbered(wanted or patch, forced=wanted is None)


def _asked(now: Snapshot, commit: str, wanted: str | None) -> Demand | Unknown | None:
    """What the interface at `commit` asks of its version; none where there is no interface, or no promise yet."""
    base = now.artifact.last_release(wanted)
    if base is None:
        return None
    new = _link(now, commit)
    if new is None and not now.project.tree(commit, [".mlem", ".mlem.yaml"]):
        return None
    old = _link(now, base.commit)
    if old == new:
        return None
    if old is None:
        said = f"{base.label} of {now.artifact.name!r} has no link: there is no interface to compare with"
        warnings.warn(said, UnknownInterface, stacklevel=2)
        return None
    try:
        return Demand(base.label, diff(_interface(now, base.commit), _interface(now, commit)))
    except RegistryError as error:
        return Unknown(base.label, error)


def _link(now: Snapshot, commit: str) -> str | None:
    """Object id of the artifact's link at a commit; a model of that name beside anything is none."""
    paths = link_paths(now.artifact.name)
    found = now.project.tree(commit, paths)
    path = next((each for each in paths if each in found), None)
    if path is None or (path == paths[-1] and not _is_link(now, found[path])):
        return None
    return found[path].oid


def _is_link(now: Snapshot, entry: Entry) -> bool:
    from registry.checks.files import FILE, File
    from registry.checks.listing import is_link

    try:
        return is_link(File(entry.path, FILE, now.project.blob(entry.oid, LIMIT, entry.path)))
    except RegistryError:
        return False  # a folder, or larger than any link


def _interface(now: Snapshot, commit: str) -> Interface:
    from registry.api.loading import bring_metafile
    from registry.api.resolving import pinned_at

    return bring_metafile(pinned_at(now.project, now.artifact.name, commit, None, None, None)).interface
