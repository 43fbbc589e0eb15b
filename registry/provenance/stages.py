"""The stages of DVC pipelines at one commit, and what `.dvc` files track: by DVC's own schemas, nothing resolved.

Paths count from the repository's root. A stage whose working folder is a template has no known paths and is left out
with a sentence; so is a file that cannot be read.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from registry.annotations import load
from registry.errors import RegistryError
from registry.provenance.reading import Files, Text
from registry.stores.dvc_outputs import MOST, PLAIN, is_dvc, mapping, validated
from registry.urls import redacted

_LOCK, _PIPELINE = "dvc.lock", "dvc.yaml"
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


class Tracked(NamedTuple):
    """A file or folder that a stage reads or writes, or a `.dvc` file tracks."""

    path: str
    """From the root, or a URL."""
    md5: str | None
    """As DVC writes it, `.dir` at the end for a folder."""
    plain: bool
    """Whether the MD5 is that of the bytes, as DVC 3 has it, rather than of text with other line ends."""
    size: int | None
    text: Text
    """The file that says so."""
    key: str
    """The key in it."""
    origin: str | None = None
    """Where an import came from: a URL, or a repository with its locked revision."""


class Stage(NamedTuple):
    """A stage as its `dvc.lock` says it ran."""

    name: str
    lock: Text
    folder: str
    """In which its paths count."""
    command: str
    deps: tuple[Tracked, ...]
    outs: tuple[Tracked, ...]
    params: Mapping[str, Mapping[str, Any]]
    """By file (from the root), then by key."""
    written: Mapping[str, Any]
    """The stage in `dvc.yaml`."""

    @property
    def key(self) -> str:
        """Where it stands in the lock."""
        return f"stages.{self.name}"


class Pipelines(NamedTuple):
    """All that DVC says at a commit."""

    stages: tuple[Stage, ...]
    tracked: tuple[Tracked, ...]
    """What `.dvc` files track."""
    yamls: Mapping[str, tuple[Text, Mapping[str, Any]]]
    """`dvc.yaml` by path."""
    faults: tuple[str, ...]
    """What could not be read, a sentence each."""


def pipelines(files: Files) -> Pipelines:
    """Read every DVC file of a commit, at most `MOST`."""
    names = sorted(path for path in files.oids if is_dvc(path) or posixpath.basename(path) == _PIPELINE)
    faults = [f"{len(names)} DVC files, at most {MOST} are read"] if len(names) > MOST else []
    texts = files.read(names[:MOST])
    stages: list[Stage] = []
    tracked: list[Tracked] = []
    yamls: dict[str, tuple[Text, Mapping[str, Any]]] = {}
    for name in sorted(texts, key=lambda each: (posixpath.basename(each) != _PIPELINE, each)):
        text = texts[name]
        try:
            if posixpath.basename(name) == _PIPELINE:
                yamls[name] = (text, mapping(load(text.data, name)))
            elif posixpath.basename(name) == _LOCK:
                _, said = yamls.get(f"{name[:-4]}yaml", (text, {}))
                stages += _of_lock(text, mapping(said.get("stages")), faults)
            else:
                tracked += _of_file(text)
        except RegistryError as error:
            faults.append(f"{name} cannot be read: {' '.join(error.what.split())}")
    return Pipelines(tuple(stages), tuple(tracked), yamls, tuple(faults))


def _of_lock(text: Text, written: Mapping[str, Any], faults: list[str]) -> Iterator[Stage]:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    said = validated(COMPILED_LOCKFILE_SCHEMA, load(text.data, text.path) or {}, text.path)
    for name, stage in sorted((said.get("stages") or {}).items()):
        own = mapping(written.get(name.partition("@")[0]))
        own = mapping(own.get("do")) or own
        wdir = own.get("wdir") or ""
        if not isinstance(wdir, str) or "${" in wdir:
            faults.append(f"stage {name} of {text.path}: its wdir is a template, so its files are not known")
            continue
        folder = posixpath.normpath(posixpath.join(posixpath.dirname(text.path), wdir))
        params = {_placed(folder, file): found for file, found in (stage.get("params") or {}).items()}
        found = {
            kind: tuple(_tracked(each, folder, text, f"stages.{name}.{kind}.{each['path']}") for each in stage[kind])
            if stage.get(kind)
            else ()
            for kind in ("deps", "outs")
        }
        yield Stage(name, text, folder, command(stage["cmd"]), found["deps"], found["outs"], params, own)


def command(said: object) -> str:
    """A command as one line: DVC runs the lines of a list one after another."""
    return " && ".join(map(str, said)) if isinstance(said, list) else str(said)


def _of_file(text: Text) -> Iterator[Tracked]:
    from dvc.schema import COMPILED_SINGLE_STAGE_SCHEMA

    said = validated(COMPILED_SINGLE_STAGE_SCHEMA, load(text.data, text.path) or {}, text.path)
    folder = posixpath.normpath(posixpath.join(posixpath.dirname(text.path), said.get("wdir") or ""))
    origin = _origin(said.get("deps") or ())
    for out in said.get("outs") or ():
        if "path" in out:
            yield _tracked(out, folder, text, f"outs.{out['path']}")._replace(origin=origin)


def _origin(deps: Sequence[Mapping[str, Any]]) -> str | None:
    for each in deps:
        repo, path = mapping(each.get("repo")), str(each.get("path") or "")
        if repo.get("url"):
            revision = repo.get("rev_lock") or repo.get("rev") or "HEAD"
            return f"{redacted(str(repo['url']))}@{revision}:{path}"
        if path:
            return redacted(path) if "://" in path else path
    return None


def _tracked(said: Mapping[str, Any], folder: str, text: Text, key: str) -> Tracked:
    md5 = str(said.get("md5") or "")
    size = said.get("size")
    known = md5 if _MD5.fullmatch(md5) else None
    return Tracked(_placed(folder, said["path"]), known, said.get("hash") == PLAIN, size, text, key)


def _placed(folder: str, path: str) -> str:
    return redacted(path) if "://" in path else posixpath.normpath(posixpath.join(folder, path))
