"""The second half of the trust chain: every byte of a model equals its pin before anything looks at it.

What the gates of the stage that it was asked for by say of these bytes is judged then (`registry.api.entrybytes`).

Files come from the cache, where each read is verified, else from the store that the link names by what the link wrote
down, else (servers that refuse object ids, links without keys) as the pinned commit says where they are. What arrives
with other bytes is refused, and the refusal says what the source offers now.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import partial

from registry import cache, external, mlmodel
from registry.api.auditing import audited
from registry.api.modelreading import digest, read_model
from registry.api.resident import FILE, keep_description
from registry.api.resolving import Resolved
from registry.cache.files import VerifiedFile, kept
from registry.cache.transfer import Step, Wanted, transfer
from registry.cache.upkeep import enforce
from registry.errors import GitError, NotFound, Refused, RegistryError, Unreachable
from registry.git.source import Source
from registry.layout import artifact_paths
from registry.linkfile import Pin
from registry.metafile import Metafile, parse
from registry.stores import LFS, MLFLOW, Held, openings, source_of

METAFILE = "metafile"
_NEEDS = f"artifact {mlmodel.REQUIREMENTS}"
_FEW = 64
_TRIES = 3

_parsed: dict[tuple[str, str, str], Metafile] = {}
"""Metafiles that this process read, by digests and place."""


@dataclass(frozen=True)
class Fetched:
    """A model's verified files."""

    resolved: Resolved
    metafile: Metafile
    files: Mapping[str, VerifiedFile]
    """By the name the metafile gives them."""
    metafile_file: VerifiedFile

    @property
    def where(self) -> str:
        """The model at its source, for messages."""
        return place(self.resolved)


def place(resolved: Resolved) -> str:
    """A model at its source, for messages."""
    return f"{resolved.source}@{resolved.source_commit[:7]}:{resolved.link.path}"


@audited()
def bring(resolved: Resolved, *, always: bool = False, step: Step | None = None) -> Fetched:
    """Bring and verify every file that a link pins; `always` hashes each one again, whatever its stamp says."""
    pins = {METAFILE: resolved.metafile, **{f"artifact {name}": pin for name, pin in resolved.artifacts.items()}}
    files = _files(resolved, pins, always=always, step=step)
    metafile = _metafile(resolved, files)
    metafile_file = files.pop(METAFILE)
    artifact_paths(metafile, resolved.link.metafile_path)
    unpinned = sorted(set(metafile.artifacts) - set(resolved.artifacts))
    if unpinned:
        raise Refused(
            "digest-matches",
            f"the metafile names artifacts that the link does not pin: {', '.join(unpinned)}",
            place(resolved),
            "write the link again with `registry link`",
        )
    named = {name: files[f"artifact {name}"] for name in metafile.artifacts}
    fetched = Fetched(resolved, metafile, named, metafile_file)
    if resolved.groups:
        from registry.api.entrybytes import require_entered

        require_entered(fetched)
    return fetched


def bring_metafile(resolved: Resolved) -> Metafile:
    """Bring, verify and read the metafile that a link pins, and none of the model's own bytes."""
    pins = {METAFILE: resolved.metafile}
    if resolved.link.tracked and mlmodel.REQUIREMENTS in resolved.artifacts:
        pins[_NEEDS] = resolved.artifacts[mlmodel.REQUIREMENTS]
    return _metafile(resolved, _files(resolved, pins))


def _metafile(resolved: Resolved, files: Mapping[str, VerifiedFile]) -> Metafile:
    file, needs = files[METAFILE], files.get(_NEEDS) if resolved.link.tracked else None
    key = (file.sha256, needs.sha256 if needs else "", place(resolved))
    if key not in _parsed:
        while len(_parsed) >= _FEW:
            _parsed.pop(next(iter(_parsed)), None)
        _parsed[key] = _read(resolved, file, needs)
    return external.complete(_parsed[key], resolved.artifacts)


def _read(resolved: Resolved, file: VerifiedFile, needs: VerifiedFile | None) -> Metafile:
    """The metafile; of MLflow its artifacts are all other files that are pinned."""
    if not resolved.link.tracked:
        return parse(file.read(), place(resolved))
    found = mlmodel.parse_mlmodel(file.read(), place(resolved))
    return mlmodel.complete(found, tuple(resolved.artifacts), needs.read() if needs else None)


def _files(
    resolved: Resolved, pins: Mapping[str, Pin], *, always: bool = False, step: Step | None = None
) -> dict[str, VerifiedFile]:
    keep_description(resolved.link)
    for _ in range(_TRIES):
        paths = {key: path for key, pin in pins.items() if (path := kept(pin.sha256, always=always))}
        missing = {key: pin for key, pin in pins.items() if key not in paths}
        if not missing:
            return {key: VerifiedFile(paths[key], pin.sha256, always) for key, pin in pins.items()}
        _from_source(resolved, missing, step)
    raise RegistryError(
        "files were taken out of the cache as fast as they came", str(cache.root()), "raise REGISTRY_CACHE_LIMIT"
    )


def _from_source(resolved: Resolved, missing: Mapping[str, Pin], step: Step | None) -> None:
    source = source_of(resolved.source, resolved.link.path)
    written = {key: held for key, pin in missing.items() if (held := _held(key, pin))}
    refused: RegistryError | None = None
    if resolved.link.tracked:  # no git object, no other store: the server says where what is not its own is
        written = {key: held for key, held in written.items() if held.store == MLFLOW}
    if len(written) == len(missing):
        try:
            return _transfer(resolved, source, missing, written, step)
        except Unreachable:
            raise
        except (GitError, NotFound) as error:  # ids are refused, or gone: the pinned commit says which they are
            refused = error
    found = _of_commit(resolved, source, missing)
    if isinstance(refused, NotFound) and _places(found) == _places(written):
        raise refused
    return _transfer(resolved, source, missing, found, step)


def _places(held: Mapping[str, Held]) -> dict[str, tuple[str, str]]:
    return {key: (one.store, one.key) for key, one in held.items()}


def _held(key: str, pin: Pin) -> Held | None:
    """Where the link says that a file is."""
    if pin.blob is not None:
        return Held(key, pin.blob)
    return Held(key, pin.key, pin.size, pin.store) if pin.store and pin.key else None


def _of_commit(resolved: Resolved, source: Source, wanted: Container[str]) -> dict[str, Held]:
    """Where the pinned commit says that files are. Raises `Refused` where the source has it no longer."""
    try:
        source.bring(resolved.source_commit)
    except NotFound as error:
        raise _gone(resolved, source, error) from None
    if resolved.link.link_type == FILE:
        raise NotFound(f"no store holds {resolved.link.path} any longer", place(resolved), "restore it where it was")
    model = read_model(source, resolved.source_commit, resolved.link.path)
    held = {
        METAFILE: model.held or Held(model.path, model.blob),
        **{f"artifact {name}": one for name, one in model.files.items()},
    }
    return {key: one for key, one in held.items() if key in wanted}


def _transfer(
    resolved: Resolved, source: Source, missing: Mapping[str, Pin], held: Mapping[str, Held], step: Step | None
) -> None:
    where = f"{resolved.source}@{resolved.source_commit[:7]}"
    for key in missing:
        if key not in held:
            raise Refused(
                "digest-matches",
                f"{key} is pinned but not part of the model",
                where,
                "write the link again with `registry link`",
            )
        _require_same(key, missing[key], held[key], where)
    opened = openings(source, resolved.source_commit, list(held.values()))
    wanted = [
        Wanted(pin.sha256, partial(opened, held[key]), key, where, _size(pin, held[key]))
        for key, pin in missing.items()
    ]
    transfer(wanted, step)
    enforce()


def _require_same(key: str, pin: Pin, held: Held, where: str) -> None:
    """Raise `Refused` where a Git LFS pointer names other bytes than the pin: nothing needs to be downloaded."""
    if held.store == LFS and held.key != pin.sha256:
        raise Refused(
            "digest-matches",
            f"{key}: the Git LFS object is {held.key[:80]}, the link pins SHA-256 {pin.sha256}",
            where,
            "do not use it: find out who changed it, or link the new revision in a pull request",
        )


def _size(pin: Pin, held: Held) -> int | None:
    return pin.size if pin.size is not None else held.size


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
    """Which artifacts have other bytes at a commit."""
    try:
        source.bring(commit)
        model = read_model(source, commit, resolved.link.path)
        bare = replace(model, metafile=replace(model.metafile, params={}))  # what it says of them is not the question
        opened = openings(source, commit, list(model.files.values()))
        found = {name: digest(source, bare, name, opened)[0] for name in resolved.artifacts if name in model.files}
    except RegistryError:
        return ""
    return "".join(
        f"; artifact {name!r} there has SHA-256 {found[name]}, the link pins {pin.sha256}"
        for name, pin in resolved.artifacts.items()
        if name in found and found[name] != pin.sha256
    )
