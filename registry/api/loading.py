"""`fetch` and `load`: the second half of the trust chain. Every byte equals its pin before anything looks at it.

Files come from the cache, where each read is verified, else from the source by their git object ids in one request,
else (servers that refuse ids, links without them) from the pinned commit's tree. What arrives with other bytes is
refused, and the refusal says what the source offers now.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, BinaryIO, cast

from registry import cache
from registry.api.governing import trust_of
from registry.api.linking import read_model
from registry.api.resolving import Resolved, resolve
from registry.errors import GitError, NotFound, Refused, RegistryError
from registry.formats import load_model
from registry.git.source import Source
from registry.linkfile import Pin
from registry.metafile import Metafile, artifact_paths, parse

METAFILE = "metafile"


@dataclass(frozen=True)
class VerifiedFile:
    """A file of the cache whose bytes are held against its digest when they are read."""

    path: Path
    sha256: str

    def read(self) -> bytes:
        """All bytes, verified as they are handed out."""
        data = self.path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            raise Refused(
                "digest-matches",
                f"the cached file has SHA-256 {found}, expected {self.sha256}",
                str(self.path),
                "load again: it is fetched anew",
            )
        return data

    def open(self) -> BinaryIO:
        """A stream of the verified bytes."""
        return io.BytesIO(self.read())


@dataclass(frozen=True)
class Fetched:
    """A model's verified files."""

    resolved: Resolved
    metafile: Metafile
    files: Mapping[str, VerifiedFile]
    """By the name the metafile gives them."""
    metafile_file: VerifiedFile


def load(
    name: str,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
) -> object:
    """Load a model: by the `stage` it is in, by `version`, by a revision of the registry, or its latest version.

    Gives the framework's own object. Raises `NotFound` where nothing is there, `Refused` where something is there but
    must not be loaded (`reason` says which check), `RegistryError` for everything else a user can mend.
    """
    return load_fetched(bring(resolve(name, stage, version, rev, project)))


def load_fetched(fetched: Fetched) -> object:
    """The framework's own object of verified files."""
    where = f"{fetched.resolved.source}@{fetched.resolved.source_commit[:7]}:{fetched.resolved.link.path}"
    return load_model(fetched.metafile, fetched.files, trust_of(fetched.resolved.policy), where)


def fetch(
    name: str,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    to: str | PathLike[str] | None = None,
) -> Path:
    """Bring a model's verified files to disk and return the folder: `to`, else one of the cache.

    The folder holds the metafile and the artifacts as they lie in the source. Raises as `load`.
    """
    fetched = bring(resolve(name, stage, version, rev, project))
    if to is None:
        folder = cache.root() / "models" / hashlib.sha256(repr(fetched.resolved.link).encode()).hexdigest()
    else:
        folder = Path(to)
    return lay_out(fetched, folder)


def lay_out(fetched: Fetched, folder: Path) -> Path:
    """Write verified files below a folder, where they differ from what lies there; never through a symlink in it."""
    path = fetched.resolved.link.path
    paths = {path: fetched.metafile_file}
    for name, each in artifact_paths(fetched.metafile, path).items():
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
            if target.is_file() and not target.is_symlink() and cache.sha256_of(target) == file.sha256:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _replace(target, file.read())
        except OSError as error:
            raise RegistryError(
                f"a file cannot be written: {error.strerror}", str(target), "check the folder and its rights"
            ) from None
    return folder


def _replace(target: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=".", dir=target.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        unfinished.chmod(0o644)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def bring(resolved: Resolved) -> Fetched:
    """Bring and verify every file that a link pins."""
    pins = {METAFILE: resolved.metafile, **{f"artifact {name}": pin for name, pin in resolved.artifacts.items()}}
    paths = {key: path for key, pin in pins.items() if (path := cache.kept(pin.sha256))}
    missing = {key: pin for key, pin in pins.items() if key not in paths}
    if missing:
        paths |= _from_source(resolved, missing)
    files = {key: VerifiedFile(paths[key], pin.sha256) for key, pin in pins.items()}
    metafile_file = files.pop(METAFILE)
    where = f"{resolved.source}@{resolved.source_commit[:7]}:{resolved.link.path}"
    metafile = parse(metafile_file.read(), where)
    artifact_paths(metafile, resolved.link.path)
    unpinned = sorted(set(metafile.artifacts) - set(resolved.artifacts))
    if unpinned:
        raise Refused(
            "digest-matches",
            f"the metafile names artifacts that the link does not pin: {', '.join(unpinned)}",
            where,
            "write the link again with `registry link`",
        )
    named = {name: files[f"artifact {name}"] for name in metafile.artifacts}
    return Fetched(resolved, metafile, named, metafile_file)


def bring_metafile(resolved: Resolved) -> Metafile:
    """Bring, verify and read the metafile that a link pins, and none of the model's own bytes."""
    path = cache.kept(resolved.metafile.sha256)
    if path is None:
        path = _from_source(resolved, {METAFILE: resolved.metafile})[METAFILE]
    where = f"{resolved.source}@{resolved.source_commit[:7]}:{resolved.link.path}"
    return parse(VerifiedFile(path, resolved.metafile.sha256).read(), where)


def _from_source(resolved: Resolved, missing: Mapping[str, Pin]) -> dict[str, Path]:
    source = Source(resolved.source)
    blobs = {key: pin.blob for key, pin in missing.items() if pin.blob}
    if len(blobs) == len(missing):
        try:
            if not source.has(blobs.values()):
                source.bring_blobs(blobs.values())
            if source.has(blobs.values()):
                return _keep(resolved, source, missing, blobs)
        except GitError:
            pass  # the server refuses ids, or no longer has them: the pinned commit says which
    return _keep(resolved, source, missing, _blobs_of_commit(resolved, source, missing))


def _blobs_of_commit(resolved: Resolved, source: Source, wanted: Container[str]) -> dict[str, str]:
    """Blob ids of files as the pinned commit holds them. Raises `Refused` where the source has it no longer."""
    try:
        source.bring(resolved.source_commit)
    except NotFound as error:
        raise _gone(resolved, source, error) from None
    model = read_model(source, resolved.source_commit, resolved.link.path)
    held = {METAFILE: model.blob, **{f"artifact {name}": held.key for name, held in model.files.items()}}
    found = {key: blob for key, blob in held.items() if key in wanted}
    source.bring_blobs(found.values())
    return found


def _keep(resolved: Resolved, source: Source, missing: Mapping[str, Pin], blobs: Mapping[str, str]) -> dict[str, Path]:
    paths = {}
    for key, pin in missing.items():
        where = f"{resolved.source}@{resolved.source_commit[:7]}"
        if key not in blobs:
            raise Refused(
                "digest-matches",
                f"{key} is pinned but not part of the model",
                where,
                "write the link again with `registry link`",
            )
        path, found = cache.keep(pin.sha256, partial(source.copy, blobs[key]))
        if path is None:
            raise Refused(
                "digest-matches",
                f"{key} has SHA-256 {found}, the link pins {pin.sha256}",
                where,
                "do not use it: find out who changed it, or link the new revision in a pull request",
            )
        paths[key] = path
    return paths


def _gone(resolved: Resolved, source: Source, error: NotFound) -> Refused:
    """Say what the source offers now in place of the pinned commit."""
    rev, commit = resolved.link.rev or "", resolved.source_commit
    where = f"{resolved.source}: {rev}"
    fix = "do not use it: find out who changed it, restore the pinned commit, or link the new one in a pull request"
    try:
        now = source.resolve(rev)
    except RegistryError:
        return Refused("commit-reachable", f"{error.what}, and its revision {rev!r} is gone too", where, fix)
    if now.commit == commit:
        return Refused("commit-reachable", error.what, where, fix)
    changed = _changed(resolved, source, now.commit)
    return Refused(
        "tag-moved",
        f"the pinned commit {commit} is gone; {now.kind} {rev!r} now names {now.commit}{changed}",
        where,
        fix,
    )


def _changed(resolved: Resolved, source: Source, commit: str) -> str:
    try:
        source.bring(commit)
        model = read_model(source, commit, resolved.link.path)
        source.bring_blobs(held.key for held in model.files.values())
    except RegistryError:
        return ""
    told = []
    for name, pin in resolved.artifacts.items():
        if name in model.files:
            digest = hashlib.sha256()
            source.copy(model.files[name].key, cast("IO[bytes]", _Digest(digest)))
            if digest.hexdigest() != pin.sha256:
                told.append(f"; artifact {name!r} there has SHA-256 {digest.hexdigest()}, the link pins {pin.sha256}")
    return "".join(told)


class _Digest(io.RawIOBase):
    """A sink that only hashes."""

    def __init__(self, digest: hashlib._Hash) -> None:
        self._digest = digest

    def write(self, data: bytes, /) -> int:  # type: ignore[override] # git's output is all that is written into it
        self._digest.update(data)
        return len(data)
