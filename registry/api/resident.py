"""A model that lies in the registry itself: where an artifact has no link, its version's commit is the pin.

It is looked for at that commit: a `path` in `artifacts.yaml` (GTO's list), then one in the `artifacts:` section of
`dvc.yaml` (of `dir/dvc.yaml` for an artifact `dir:name`), then a MLEM object of the artifact's own name. A path is a
MLEM object where a metafile stands beside it, else one plain file, which the metafile written here describes. Files are
held by git, or as the stores know. Their SHA-256 is computed once, from bytes that have the object id or the key which
the commit names, and remembered in the cache.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import NamedTuple

from registry import cache
from registry.annotations import CONFIG, INDEX, LIMIT, load, parse_config, parse_index
from registry.api.modelreading import EXTENSION, Model, metafile_paths, pins, read_model
from registry.api.project import Project
from registry.api.writing import write_file
from registry.cache.files import kept
from registry.cache.transfer import Readable, Stream, Wanted, transfer
from registry.containment import contained
from registry.errors import NotFound, Refused, RegistryError
from registry.git.objects import Entry, file_entry, sizes
from registry.git.source import Source
from registry.linkfile import Link, link_of_fields
from registry.metafile import MAIN, ArtifactRef, Metafile, Processor, dump, parse
from registry.stores import GIT, Held, Opening, locate, openings
from registry.strictyaml import parse as parse_yaml

FILE = "file"
"""Type of a link, and of a model, that is one plain file."""
_PIPELINE = "dvc.yaml"
_SHA1 = 40
"""Hex digits of an object id, but for repositories that hash with SHA-256."""


class Named(NamedTuple):
    """Where a commit says that a model lies."""

    path: str
    """The model, from the repository's root."""
    by: str
    """The file that says so."""
    blob: str
    """That file's git object id."""


def named(project: Project, name: str, commit: str) -> Named | None:
    """Where an artifact without a link lies at a commit; none where it is nowhere. Raises `RegistryError`."""
    folder, _, base = name.rpartition(":")
    own = posixpath.join(folder, base)
    lists = [posixpath.join(folder, _index(project, commit, folder)), posixpath.join(folder, _PIPELINE)]
    metafiles = metafile_paths(own)
    tree = project.tree(commit, [*lists, *metafiles])
    for path in lists:
        where = f"{project.where}: {commit[:7]}:{path}"
        if path in tree and (said := _said(project, tree[path], base, where)):
            inside = contained(_plain(said, where), f"the path of artifact {name!r}", where)
            return Named(posixpath.join(folder, inside), path, tree[path].oid)
    found = next((each for each in metafiles if each in tree), None)
    return Named(found, found, tree[found].oid) if found and is_model(project, tree[found]) else None


def is_model(project: Project, entry: Entry) -> bool:
    """Whether a file of the registry is the metafile of a model: not a link, and nothing that cannot be read."""
    try:
        root = parse_yaml(project.blob(file_entry(entry, entry.path, "").oid, LIMIT, entry.path), entry.path)
    except RegistryError:
        return False
    return isinstance(root, dict) and root.get("object_type") == "model"


def link_of(project: Project, commit: str, found: Named) -> Link:
    """A link to the model, as if one had been written, with the pins of its files. Raises as `registry link`."""
    asked = repr((project.address.text, commit, found.path))
    memory = cache.root() / "residents" / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"
    cache.touch(memory)
    with suppress(OSError, ValueError, TypeError, RegistryError):
        return link_of_fields(json.loads(memory.read_bytes()))
    source = Source(project.address)
    source.bring(commit)
    model, kind = _model(source, commit, found.path)
    held = list(model.files.values())
    pinned = pins(source, commit, model, _verified(source, openings(source, commit, held)))
    if kind == FILE:
        del pinned["metafile.blob"]
    link = Link(path=model.path, link_type=kind, params={"commit": commit, **pinned})
    write_file(memory, json.dumps(link.json()))
    return link


def keep_description(link: Link) -> None:
    """Put the metafile that describes a plain file into the cache, where its pin has it looked for."""
    pin = link.metafile
    if link.link_type != FILE or pin is None or kept(pin.sha256) is not None:
        return

    @contextmanager
    def opened(offset: int) -> Iterator[Stream]:  # noqa: ARG001 - it is a few lines
        from io import BytesIO

        yield Stream(BytesIO(described(link.path)))

    transfer([Wanted(pin.sha256, opened, f"the description of {link.path}", link.path)])


def described(path: str) -> bytes:
    """A metafile for one plain file."""
    processor = Processor(FILE, FILE)
    return dump(Metafile({"data": ArtifactRef(posixpath.basename(path))}, {MAIN: processor})).encode()


def _index(project: Project, commit: str, folder: str) -> str:
    """The name of GTO's list, which `.gto` of the root may change."""
    entry = project.tree(commit, [CONFIG]).get(CONFIG) if not folder else None
    if entry is None:
        return INDEX
    where = f"{project.where}: {commit[:7]}:{CONFIG}"
    return parse_config(project.blob(file_entry(entry, CONFIG, where).oid, LIMIT, where), where).index


def _said(project: Project, entry: Entry, base: str, where: str) -> object:
    data = project.blob(file_entry(entry, entry.path, where).oid, LIMIT, where)
    if posixpath.basename(entry.path) != _PIPELINE:
        return parse_index(data, where).get(base, {}).get("path")
    raw = load(data, where)
    listed = raw.get("artifacts") if isinstance(raw, Mapping) else None
    said = listed.get(base) if isinstance(listed, Mapping) else None
    return said.get("path") if isinstance(said, Mapping) else None


def _plain(said: object, where: str) -> str:
    """A path that says where the model is in this repository."""
    if not isinstance(said, str) or "${" in said:
        raise RegistryError(f"path is {str(said)[:80]!r}, expected text without templates", where, "write the path out")
    if "://" in said:
        raise RegistryError(
            f"the model lies outside of this repository: {said[:200]}", where, "link it, so that its bytes are pinned"
        )
    return said.removeprefix("./")


def _model(source: Source, commit: str, path: str) -> tuple[Model, str]:
    """The model at a path of the commit, and the type of link to it. Raises `NotFound`, `Refused`."""
    tried = [path] if path.endswith(EXTENSION) else metafile_paths(path)
    if source.entries(commit, tried):
        return read_model(source, commit, path), "model"
    where = f"{source.where}@{commit[:7]}"
    held = locate(source, commit, [path]).get(path)
    if held is None:
        raise NotFound(f"no store holds {path}", where, "commit the file, or push it with the tool that tracks it")
    data = described(path)
    return Model(path, "", data, parse(data, where), {"data": held}), FILE


def _verified(source: Source, opened: Opening) -> Opening:
    """The same, with the object id of what git holds computed anew: git itself does not when it reads."""

    @contextmanager
    def verified(held: Held, offset: int) -> Iterator[Stream]:
        with opened(held, offset) as stream:
            if held.store == GIT:
                size = sizes(source.path, [held.key])[held.key][1]
                yield Stream(_Blob(stream.source, held, size, source.where), stream.offset)
            else:
                yield stream

    return verified


class _Blob:
    """The bytes of a git blob, held against its id once the last one was read."""

    def __init__(self, source: Readable, held: Held, size: int, where: str) -> None:
        self._source, self._held, self._where = source, held, where
        whole = hashlib.sha1(usedforsecurity=False) if len(held.key) == _SHA1 else hashlib.sha256()
        whole.update(b"blob %d\0" % size)
        self._hash = whole

    def read(self, size: int, /) -> bytes:
        """As the source does. Raises `Refused` (`digest-matches`) at the end."""
        block = self._source.read(size)
        self._hash.update(block)
        if not block and self._hash.hexdigest() != self._held.key:
            raise Refused(
                "digest-matches",
                f"{self._held.path} is git object {self._hash.hexdigest()}, the commit names {self._held.key}",
                self._where,
                "the repository is damaged: run `git fsck`, and fetch the object again",
            )
        return block
