"""`export` and `import`: artifacts in one file, for a place without a network.

A bundle is a tar archive: `manifest.json`, `registry.bundle` (git-bundle(1): the registry's default branch and the
tags of the artifacts), and `sha256/<digest>` for each file of their versions. Under a policy that governs there is with
them what its events are judged by: the whole ledger, approvals of the evidence that the artifacts' assignments name,
and the root's signatures. Importing it makes what a load with the network would have left behind: the copies of the
registry and its ledger, and verified files. Nothing in it is believed: git checks every object's id, each file is held
against its digest, names and sizes are bounded, a tag that is known here and points elsewhere in the bundle is refused,
and so is a ledger that does not go on from the one that this machine saw; an older one leaves that in its place. Every
load judges the events anew. Who may give such a bundle is the reader's decision: it says which tags there are, as a
server does.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, Any

from registry.api.accepting import read_accepted
from registry.api.acting import EVIDENCE
from registry.api.bringing import bring
from registry.api.project import Project, open_project
from registry.api.resolving import Resolved, resolve
from registry.api.rules import read_rules
from registry.api.tips import require_later
from registry.approval import APPROVAL, prefix
from registry.cache.files import VerifiedFile, kept, using
from registry.cache.transfer import Step, Stream, Wanted, transfer
from registry.errors import NotFound, Refused, RegistryError
from registry.git.bundle import write_bundle
from registry.git.ledger import descends, look
from registry.git.ledgercopy import LedgerCopy
from registry.git.mirror import LEDGER, Mirror, bundled
from registry.names import in_tag, require_artifact
from registry.tags import trailers
from registry.urls import Address, parse
from registry.versions import require as require_version

FORMAT = 1
MANIFEST, REPOSITORY, FILES = "manifest.json", "registry.bundle", "sha256/"
MOST_MANIFEST = 1 << 24
ROOTS = "refs/tags/policy/*"
"""Where the root's signatures on policies are."""
_MANY = 500
"""Of more approved evidences than this all approvals are taken: each is a pattern on the command line."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIX = "export it again with `registry export`"


@dataclass(frozen=True)
class Bundled:
    """What a bundle holds."""

    path: Path
    project: str
    """URL of the registry, by which it is asked for."""
    versions: tuple[tuple[str, str], ...]
    """Artifacts and versions."""
    files: int
    bytes: int


def export(
    names: Sequence[str],
    output: str | PathLike[str],
    *,
    project: str | PathLike[str] = ".",
    versions: Sequence[str] = (),
    step: Step | None = None,
) -> Bundled:
    """Write a bundle with the artifacts `names`: the versions in stages and the latest, or those of `versions`.

    The registry is named by its URL, by which it is loaded where the bundle is imported. Raises as `load`.
    """
    if not names:
        raise RegistryError("no artifact is named", fix="name at least one")
    opened = open_project(project)
    if opened.mirror is None:
        raise RegistryError(
            "a folder is loaded in place: it needs no bundle", opened.where, "name the registry by its URL with -r"
        )
    with using(), tempfile.TemporaryDirectory() as folder:
        chosen = [one for name in names for one in _chosen(name, versions, project)]
        files: dict[str, VerifiedFile] = {}
        for one in chosen:
            fetched = bring(one, step=step)
            files |= {file.sha256: file for file in (*fetched.files.values(), fetched.metafile_file)}
        repository = Path(folder, REPOSITORY)
        refs = [f"refs/tags/{in_tag(name)}{mark}*" for name in names for mark in "@#"]
        rules = read_rules(opened)
        beside = [] if rules.data is None else [ROOTS]
        if rules.governs:
            named = sorted({ref for name in names for ref in _approvals(opened, name)})
            beside += named if len(named) <= _MANY else [f"refs/tags/{APPROVAL}/*"]
        write_bundle(opened.address, [*refs, *beside], repository, ledger=rules.governs)
        told = Bundled(
            Path(output),
            opened.address.text,
            tuple((one.name, str(one.version)) for one in chosen),
            len(files),
            sum(file.path.stat().st_size for file in files.values()),
        )
        _write(told, repository, files, Path(output))
    return told


def _approvals(opened: Project, name: str) -> Iterator[str]:
    """Where the approvals are that the artifact's assignments name."""
    for event in opened.scan(name).events:
        said = trailers(event.message).get(EVIDENCE, "")
        if _DIGEST.fullmatch(said):
            yield f"refs/tags/{prefix(APPROVAL, said)}*"


def _chosen(name: str, versions: Sequence[str], project: str | PathLike[str]) -> list[Resolved]:
    require_artifact(name)
    artifact = read_accepted(open_project(project), name).artifact
    wanted = list(versions)
    if not wanted:
        latest = artifact.latest()
        held = [holder.version.label for stage in artifact.stages if (holder := artifact.holder(stage))]
        wanted = sorted({*held, *([latest.label] if latest else [])})
    if not wanted:
        raise NotFound(f"no version of {name!r} is registered", str(project), "register one, or leave it out")
    return [resolve(name, None, version, None, project) for version in wanted]


def _write(told: Bundled, repository: Path, files: dict[str, VerifiedFile], output: Path) -> None:
    manifest = {
        "format": FORMAT,
        "project": told.project,
        "versions": [list(each) for each in told.versions],
        "files": {digest: file.path.stat().st_size for digest, file in sorted(files.items())},
    }
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, MANIFEST, io.BytesIO(json.dumps(manifest, indent=1).encode()))
            with repository.open("rb") as stream:
                _add(archive, REPOSITORY, stream)
            for digest, file in sorted(files.items()):
                with file.path.open("rb") as stream:
                    _add(archive, f"{FILES}{digest}", stream)
        unfinished.replace(output)
    except OSError as error:
        raise RegistryError(
            f"the bundle cannot be written: {error.strerror}", str(output), "check the folder and its room"
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def _add(archive: tarfile.TarFile, name: str, stream: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    archive.addfile(member, stream)


def import_bundle(path: str | PathLike[str], *, step: Step | None = None) -> Bundled:
    """Take a bundle into the cache, so that its artifacts load offline by the registry's URL.

    Raises `Refused` (`bundle-valid`, `digest-matches`, `tag-moved`) and `RegistryError`; then no tag was taken over.
    """
    place = Path(path)
    try:
        with tarfile.open(place, "r:") as archive, using():
            return _imported(place, archive, step)
    except (tarfile.TarError, EOFError) as error:
        raise Refused("bundle-valid", f"not a bundle: {error}", str(place), _FIX) from None
    except OSError as error:
        raise RegistryError(f"the bundle cannot be read: {error.strerror}", str(place), "check the file") from None


def _imported(place: Path, archive: tarfile.TarFile, step: Step | None) -> Bundled:
    members = {member.name: member for member in archive.getmembers() if member.isreg()}
    manifest = _manifest(place, archive, members)
    files: dict[str, int] = manifest["files"]
    for digest, size in files.items():
        member = members.get(f"{FILES}{digest}")
        if member is None or member.size != size:
            raise Refused("bundle-valid", f"file {digest} is missing or cut off", str(place), _FIX)
    wanted = [
        Wanted(digest, _opener(archive, members[f"{FILES}{digest}"]), f"file {digest[:12]}", str(place), size)
        for digest, size in files.items()
        if kept(digest) is None
    ]
    transfer(wanted, step, workers=1)
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder, REPOSITORY)
        with repository.open("wb") as sink:
            stream = archive.extractfile(members[REPOSITORY])
            while block := stream.read(1 << 20) if stream else b"":
                sink.write(block)
        _take(parse(manifest["project"]), repository)
    versions = tuple((require_artifact(name), require_version(version)) for name, version in manifest["versions"])
    return Bundled(place, manifest["project"], versions, len(files), sum(files.values()))


def _take(address: Address, repository: Path) -> None:
    """Take tags, default branch and ledger over, all or nothing."""
    mirror, copy = Mirror(address, "registries"), LedgerCopy(address)
    offered, here = bundled(repository).get(LEDGER), copy.tip()
    if offered is None or (here is not None and descends(copy.path, here, offered)):
        mirror.take_bundle(repository, ledger=False)
        return
    where = str(address)
    with copy.taken(repository, LEDGER) as made:
        found = look(made, where)
        if here is not None and not descends(made, offered, here):
            what = f"the bundle's ledger at {offered} does not go on from the one here at {here}"
            fix = "find out which is right; `registry cache prune --all` forgets what is known here"
            raise Refused("ledger-forked", what, where, fix)
        if found is not None:
            require_later(where, made, found.head)
        mirror.take_bundle(repository)


def _opener(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    @contextmanager
    def opened(offset: int) -> Iterator[Stream]:
        stream = archive.extractfile(member)
        if stream is None:  # pragma: no cover - only regular members are asked for
            raise Refused("bundle-valid", f"{member.name} is no file", "", _FIX)
        stream.seek(offset)
        yield Stream(stream, offset)

    return opened


def _manifest(place: Path, archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> dict[str, Any]:
    """The manifest, every value of it held against its type."""
    member = members.get(MANIFEST)
    if member is None or member.size > MOST_MANIFEST or REPOSITORY not in members:
        raise Refused("bundle-valid", f"not a bundle: no {MANIFEST} or no {REPOSITORY}", str(place), _FIX)
    stream = archive.extractfile(member)
    try:
        found = json.loads(stream.read() if stream else b"")
    except (ValueError, RecursionError):
        raise Refused("bundle-valid", f"{MANIFEST} is no JSON", str(place), _FIX) from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        said = found.get("format") if isinstance(found, dict) else None
        raise Refused(
            "bundle-valid", f"bundle format {said!r:.80} is not known here; known is {FORMAT}", str(place), _FIX
        )
    files, versions, project = found.get("files"), found.get("versions"), found.get("project")
    whole = (
        isinstance(project, str)
        and isinstance(files, dict)
        and all(_DIGEST.fullmatch(key) and isinstance(size, int) and size >= 0 for key, size in files.items())
        and isinstance(versions, list)
        and all(isinstance(one, list) and len(one) == 2 and all(isinstance(v, str) for v in one) for one in versions)  # noqa: PLR2004 - a pair
    )
    if not whole or parse(str(project)).local:
        raise Refused("bundle-valid", f"{MANIFEST} has values of other types than expected", str(place), _FIX)
    return found
