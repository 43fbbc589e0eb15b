"""`load` and `fetch`: an approved model in memory, or its files on disk."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from os import PathLike
from pathlib import Path

from registry import cache
from registry.api.admitting import Require
from registry.api.auditing import FETCH, LOAD, audited
from registry.api.bringing import Fetched, bring, bring_metafile
from registry.api.governing import trust_of
from registry.api.remembering import resolve_again
from registry.api.resident import FILE
from registry.cache.files import CHUNK, VerifiedFile, sha256_of, using
from registry.errors import Refused, RegistryError
from registry.formats import load_model
from registry.layout import laid_out_paths
from registry.offline import offline as without_network

__all__ = ["Fetched", "bring", "bring_metafile", "fetch", "lay_out", "load", "load_fetched"]


def load(  # noqa: PLR0913 - the front door: each option is one question
    name: str,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    *,
    offline: bool = False,
    verify: str = "stamp",
    locked: bool = False,
    lock: str | PathLike[str] | None = None,
    require: Require = None,
) -> object:
    """Load a model: by the `stage` it is in, by `version`, by a revision of the registry, or its latest version.

    Gives the framework's own object. With `offline` the network is never used; `verify="always"` hashes each file
    again, where `stamp` spares those that did not change since. `locked`, `lock` and `require` are those of `resolve`:
    the lock file's version and nothing else, and what the caller asks for. Raises `NotFound` where nothing is there,
    `Refused` where something is there but must not be loaded (`reason` says which check), `Offline` where the network
    would be needed, `RegistryError` for everything else a user can mend.
    """
    with without_network(offline), using():
        resolved = resolve_again(name, stage, version, rev, project, locked=locked, lock=lock, require=require)
        return load_fetched(bring(resolved, always=hashed_always(verify)))


def hashed_always(verify: str) -> bool:
    """What `verify` asks for. Raises `RegistryError`."""
    if verify not in {"stamp", "always"}:
        raise RegistryError(f"verify is {verify!r}", fix="use 'stamp' or 'always'")
    return verify == "always"


@audited(LOAD)
def load_fetched(fetched: Fetched) -> object:
    """The framework's own object of verified files."""
    try:
        return load_model(
            fetched.metafile,
            fetched.files,
            trust_of(fetched.resolved.policy, signed=fetched.resolved.signed),
            fetched.where,
        )
    except Refused as error:
        if error.reason != "model-type-known" or fetched.resolved.link.link_type != FILE:
            raise
        raise Refused(
            error.reason,
            f"{fetched.resolved.name!r} is a plain file without a metafile, which says how it is loaded",
            fetched.where,
            "use `registry fetch`, or save the model with registry.save and commit its metafile beside it",
        ) from None


def fetch(  # noqa: PLR0913 - the same
    name: str,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    to: str | PathLike[str] | None = None,
    *,
    offline: bool = False,
    verify: str = "stamp",
    locked: bool = False,
    lock: str | PathLike[str] | None = None,
    require: Require = None,
) -> Path:
    """Bring a model's verified files to disk and return the folder: `to`, else one of the cache.

    The folder holds the metafile and the artifacts as they lie in the source, what a URL names under its
    artifact's name. Raises as `load`.
    """
    with without_network(offline), using():
        resolved = resolve_again(name, stage, version, rev, project, locked=locked, lock=lock, require=require)
        fetched = bring(resolved, always=hashed_always(verify))
        own = cache.root() / "models" / hashlib.sha256(repr(fetched.resolved.link).encode()).hexdigest()
        return lay_out(fetched, own if to is None else Path(to))


@audited(FETCH)
def lay_out(fetched: Fetched, folder: Path) -> Path:
    """Write verified files below a folder, where they differ from what lies there; never through a symlink in it."""
    path = fetched.resolved.link.metafile_path
    paths = {path: fetched.metafile_file}
    for name, each in laid_out_paths(fetched.metafile, path).items():
        paths[each] = fetched.files[name]
    base = str(Path(path).parent)
    targets = {folder / Path(each).relative_to(base): file for each, file in paths.items()}
    for target in targets:
        if any(parent.is_symlink() for parent in target.parents if folder in parent.parents):
            raise Refused(
                "path-contained", f"{target.parent} leads through a symlink", str(folder), "name an empty folder"
            )
    for target, file in targets.items():
        try:
            if target.is_file() and not target.is_symlink() and sha256_of(target) == file.sha256:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(file, target)
        except OSError as error:
            raise RegistryError(
                f"a file cannot be written: {error.strerror}", str(target), "check the folder and its rights"
            ) from None
    return folder


def _copy(file: VerifiedFile, target: Path) -> None:
    """Write a file whole or not at all; what was written is hashed, so that it is what was verified."""
    handle, name = tempfile.mkstemp(prefix=".", dir=target.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as sink, file.path.open("rb") as stream:
            shutil.copyfileobj(stream, sink, CHUNK)
        found = sha256_of(unfinished)
        if found != file.sha256:
            raise Refused(
                "digest-matches",
                f"the cached file has SHA-256 {found}, expected {file.sha256}",
                str(file.path),
                "run this again: it is fetched anew",
            )
        unfinished.chmod(0o644)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
