"""A model at one commit of its source: which files it has, where they are, and the pins that hold them."""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass

from registry import external, mlmodel
from registry.cache.transfer import Step
from registry.errors import NotFound, Refused
from registry.git.source import Source
from registry.layout import artifact_paths
from registry.metafile import Metafile, parse
from registry.stores import GIT, LFS, URL, Held, Opening, locate, openings
from registry.stores.digests import digests, read_whole
from registry.stores.git_blob import GitBlobs, require_content
from registry.stores.mlflow import TrackedSource
from registry.stores.url import Urls
from registry.strictyaml import LIMIT

EXTENSION = ".mlem"
_OLD_EXTENSION = ".mlem.yaml"


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
