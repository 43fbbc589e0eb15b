"""`link`: resolve a revision of a source repository, verify the model there, and write a link that pins it."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from registry import external, mlmodel
from registry.api.addressing import source_address
from registry.api.governing import current_policy, require_trusted
from registry.api.project import open_project
from registry.api.writing import registry_root, require_inside, write_file
from registry.cache.transfer import Step
from registry.checks.secrets import credentials
from registry.errors import NotFound, Refused, RegistryError
from registry.git.source import Revision, Source
from registry.layout import artifact_paths
from registry.lineage import Certificate, certificate_path, dump
from registry.linkfile import Link, format_link
from registry.metafile import Metafile, parse
from registry.names import link_paths, require_artifact
from registry.provenance import collect
from registry.stores import GIT, LFS, URL, Held, Opening, locate, openings, source_of
from registry.stores.digests import digests, read_whole
from registry.stores.git_blob import GitBlobs, require_content
from registry.stores.mlflow import TrackedSource
from registry.stores.url import Urls
from registry.strictyaml import LIMIT
from registry.urls import file_url

EXTENSION = ".mlem"
_OLD_EXTENSION = ".mlem.yaml"


@dataclass(frozen=True)
class Linked:
    """A link that was written."""

    name: str
    path: Path
    """The link file."""
    link: Link
    revision: Revision
    """What the revision named when it was resolved."""
    certificate: Certificate | None = None
    """The birth certificate that was written beside it."""


@dataclass(frozen=True)
class Model:
    """A model as it stands at one commit of its source."""

    path: str
    """Its metafile, from the source's root."""
    blob: str
    """The metafile's git object id."""
    data: bytes
    """The metafile's bytes."""
    metafile: Metafile
    files: dict[str, Held]
    """Its artifacts by the name the metafile gives them."""
    held: Held | None = None
    """Where the metafile is, if not in git."""


def link(
    source: str,
    target: str,
    *,
    source_project: str,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    lineage: bool = True,
    progress: Step | None = None,
) -> Linked:
    """Link the model `source` of the repository `source_project` at `rev` as the artifact `target`.

    Of a tracking server (`mlflow+https://…`) it is `runs/<run id>/<artifact path>` or `models/<name>/<version>`, and
    `rev` the run's id, which may be left out. The revision must be held by a branch or tag; every file's SHA-256 and
    git object id is written into the link. The file is written and never committed. The source must be one that the
    policy of `HEAD` trusts, asked before anything is fetched. `progress` is told how far the reading of each file is:
    its name, bytes so far, bytes in all where known. With `lineage` the model's birth certificate is written too
    (`registry.provenance`). Raises `RegistryError`, `NotFound`, `Refused`; then nothing was written.
    """
    require_artifact(target)
    root = registry_root(project)
    opened = _trusted_source(root, source_project, source)
    rev = required_rev(opened, rev)
    revision = opened.resolve(rev)
    _bring_reachable(opened, revision.commit)
    model = read_model(opened, revision.commit, source)
    address = opened.address
    written = Link(
        path=model.path,
        project=file_url(address.text) if address.local else address.text,
        rev=rev,
        params={**commit_of(opened, revision), **pins(opened, revision.commit, model, progress=progress)},
    )
    path = root / link_paths(target)[0]
    _require_only(root, target)
    require_inside(root, path)
    known = certificate(target, opened, model, written) if lineage and not opened.address.tracked else None
    beside = root / certificate_path(target)
    require_inside(root, beside)
    before = path.read_bytes() if path.is_file() else None
    write_file(path, format_link(written))
    try:
        if known is not None:
            write_file(beside, dump(known))
    except RegistryError:
        path.unlink() if before is None else path.write_bytes(before)
        raise
    return Linked(target, path, written, revision, known)


def certificate(target: str, source: Source, model: Model, link: Link) -> Certificate:
    """The birth certificate of a model that was read at the link's commit.

    Raises `RegistryError`; `Refused` (`secrets`) where a fact of the source carries a credential.
    """
    found = collect(source, str(link.commit), model, project=str(link.project), revision=str(link.rev))
    for number, kind in credentials(dump(found).encode()):
        raise Refused(
            "secrets",
            f"the source's files carry {kind}, which the birth certificate would say to everybody",
            f"{certificate_path(target)}, line {number}",
            "take it out of the source and revoke it, or link with --no-lineage",
        )
    return found


def _bring_reachable(source: Source, commit: str) -> None:
    source.bring(commit)
    if not source.reaches(commit):
        said = f"no branch or tag of the source holds commit {commit}"
        raise Refused("commit-reachable", said, source.where, "push a tag for it")


def _trusted_source(root: Path, source_project: str, source: str) -> Source:
    policy = current_policy(open_project(root))
    address = source_address(source_project, policy=policy)
    require_trusted(policy, address, str(root))
    return source_of(address, source)


def required_rev(source: Source, rev: str | None) -> str:
    """The revision to link: what was asked for; of MLflow the run's id. Raises `RegistryError`, `Refused`."""
    if rev is None and not isinstance(source, TrackedSource):
        raise RegistryError("no revision is named", source.where, "name a tag of the source with --rev")
    return source.run_id if isinstance(source, TrackedSource) and rev is None else str(rev)


def commit_of(source: Source, revision: Revision) -> dict[str, str]:
    """The commit as the link names it: of MLflow that of the run, where it has one."""
    found = source.commit if isinstance(source, TrackedSource) else revision.commit
    return {"commit": found} if found else {}


def read_model(source: Source, commit: str, path: str) -> Model:
    """Read the model at `path` (with or without `.mlem`) of a commit that was brought. Raises `NotFound`, `Refused`."""
    where = f"{source.where}@{commit[:7]}"
    if isinstance(source, TrackedSource):
        return _tracked(source, commit)
    if path.startswith(("/", "-")) or ".." in path.split("/") or "\\" in path or not path.isprintable():
        raise Refused("path-contained", f"not a path inside the source: {path!r}", where, "name the model's metafile")
    tried = metafile_paths(posixpath.normpath(path))
    found = GitBlobs().locate(source, commit, tried)
    if not found:
        raise NotFound(
            f"no model {path!r}: no file {' or '.join(tried)}", where, "save it with registry.save and commit it"
        )
    held = found[next(each for each in tried if each in found)]
    data = read_small(source, held, where)
    named = parse(data, f"{where}:{held.path}")
    paths = artifact_paths(external.complete(named, external.unnamed(named)), held.path)
    files = locate(source, commit, list(paths.values()))
    metafile = external.complete(named, {name for name, each in paths.items() if each in files})
    paths = {name: paths[name] for name in metafile.artifacts}
    for name, each in paths.items():
        if each not in files:
            raise NotFound(
                f"no store holds artifact {name!r}: no file {each}",
                f"{where}:{held.path}",
                "commit the file, or push it with the tool that tracks it",
            )
    held_files = {name: _sized(files[each], metafile.artifacts[name].size) for name, each in paths.items()}
    return Model(held.path, held.key, data, metafile, held_files)


def _tracked(source: TrackedSource, commit: str) -> Model:
    """The model that a run logged: `MLmodel` is its metafile, every other file an artifact."""
    files = source.files()
    held = files.pop(mlmodel.NAME, None)
    if held is None or not files:
        raise NotFound(f"no model in {source.model_path}: no {mlmodel.NAME} with files beside it", source.where)
    opened = openings(source, commit, [held, *files.values()])
    data = read_whole(opened, held, source.where)
    needs = files.get(mlmodel.REQUIREMENTS)
    said = read_whole(opened, needs, source.where) if needs else None
    metafile = mlmodel.complete(mlmodel.parse_mlmodel(data, f"{source.where}: {held.path}"), tuple(files), said)
    return Model(source.model_path, "", data, metafile, files, held)


def _sized(held: Held, said: int | None) -> Held:
    """The size of what a URL names is what the metafile says."""
    return held._replace(size=said) if held.store == URL else held


def metafile_paths(path: str) -> list[str]:
    """Where the metafile of a model may stand: beside anything, in the folder of MLEM 0.2, in that of 0.1."""
    if path.endswith((EXTENSION, _OLD_EXTENSION)):
        return [path]
    return [path + EXTENSION, f".mlem/model/{path}{EXTENSION}", f".mlem/model/{path}{_OLD_EXTENSION}"]


def read_small(source: Source, held: Held, where: str) -> bytes:
    """Read a file that must be small, such as a metafile."""
    source.bring_blobs([held.key])
    return source.read(held.key, LIMIT, f"{where}:{held.path}")


def pins(
    source: Source, commit: str, model: Model, opened: Opening | None = None, progress: Step | None = None
) -> dict[str, str]:
    """The pins of a model: SHA-256 of its metafile and of each artifact, and how its store finds each.

    `opened` is how its files are opened, where that is not as `stores.openings` says.

    Raises `Refused` (`digest-matches`) where the metafile itself says another size or hash.
    """
    found = {"metafile.sha256": hashlib.sha256(model.data).hexdigest()}
    if model.held is None:
        found["metafile.blob"] = model.blob
    else:
        found |= {"metafile.store": model.held.store, "metafile.key": model.held.key}
        found["metafile.size"] = str(len(model.data))
    opened = opened or openings(source, commit, list(model.files.values()))
    for name, held in model.files.items():
        sha256, size = digest(source, model, name, opened, progress)
        found[f"artifact.{name}.sha256"] = sha256
        if held.store == GIT:
            found[f"artifact.{name}.blob"] = held.key
        else:
            found |= {f"artifact.{name}.store": held.store, f"artifact.{name}.key": held.key}
            found[f"artifact.{name}.size"] = str(size)
    return found


def digest(source: Source, model: Model, name: str, opened: Opening, progress: Step | None = None) -> tuple[str, int]:
    """SHA-256 and size of one artifact, its size, MD5 and SHA-256 held against what metafile and pointer say."""
    held, said = model.files[name], model.metafile.artifacts[name]
    where = held.path if held.store == URL else f"{source.where}:{held.path}"
    if held.store == URL and held.size is None:
        held = held._replace(size=Urls().size(held))
    found = digests(opened, held, f"artifact {name}", where, progress)
    if held.store == GIT:
        require_content(found.head, held.path, where)
    expected = model.metafile.params.get(f"artifact.{name}.sha256")
    for what, want, got, sayer in (
        ("size", said.size, found.size, "metafile"),
        ("MD5", said.hash, found.md5, "metafile"),
        ("SHA-256", expected, found.sha256, "metafile"),
        ("SHA-256", held.key if held.store == LFS else None, found.sha256, "Git LFS pointer"),
    ):
        if want is not None and str(want) != str(got):
            raise Refused(
                "digest-matches",
                f"artifact {name!r} has {what} {got}, its {sayer} says {want}",
                where,
                "save the model again, so that metafile and artifact belong together",
            )
    return found.sha256, found.size


def _require_only(root: Path, target: str) -> None:
    wanted, *older = link_paths(target)
    for path in older:
        if (root / path).is_file():
            raise RegistryError(
                f"{target!r} is linked already in an older layout",
                str(root / path),
                f"remove that file; the new one is {wanted}",
            )
