"""The ledger's tree: where the state of what stands in it, and git's own ids for it. Pure.

The tree is only the index of the log: `<2 hex>/<name>/versions/<version>.json`, `…/stages/<stage>.json` and
`…/artifact.json`, each the newest entry about it, sharded by the SHA-256 of the name; in names `:` is written `=`, as
in tags, and `/` is written `+`, which no name holds: each is one step of the path.

A tree object is the list of its entries, sorted by name as if a folder's ended in `/` (gitformat: trees), and its id
the hash of `tree <size>` and a NUL and that list: so a whole tree is known without asking git.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Mapping
from hashlib import new, sha256
from typing import Final

from registry.errors import RegistryError
from registry.ledger import Entry, format_entry
from registry.names import in_tag

_STATELESS: Final = frozenset({"approve", "reject"})
_FILE, _FOLDER = "100644", "040000"


def path_of(name: str, *, version: str | None = None, stage: str | None = None) -> str:
    """Where the state of a stage, of a version, or (neither given) of the artifact itself stands in the tree."""
    shard = sha256(name.encode()).hexdigest()[:2]
    if stage is not None:
        file = f"stages/{_step(stage)}.json"
    else:
        file = "artifact.json" if version is None else f"versions/{version}.json"
    return f"{shard}/{_step(in_tag(name))}/{file}"


def _step(text: str) -> str:
    return text.replace("/", "+")


POLICY_PATH: Final = "policy.json"
"""Where the newest entry about the policy stands in the tree."""


def state_path(entry: Entry) -> str | None:
    """What an entry is the newest state of; none of one that only accompanies others (approve, reject).

    An override without a tag does too: the assignment beside it says what the stage holds.
    """
    if entry.kind in _STATELESS or (entry.kind == "override" and entry.tag is None):
        return None
    if entry.name is None:
        return POLICY_PATH
    return path_of(entry.name, version=entry.version, stage=entry.stage)


def algorithm_of(oid: str) -> str:
    """The hash that a repository with such object ids uses."""
    return "sha1" if len(oid) == 40 else "sha256"  # noqa: PLR2004 - hex digits


def object_id(kind: str, body: bytes, algorithm: str) -> str:
    """The id that git gives an object."""
    return new(algorithm, f"{kind} {len(body)}\0".encode() + body, usedforsecurity=False).hexdigest()


Load = Callable[[str], "Mapping[str, tuple[str, str]]"]
"""Reads a tree by its id: mode and id of each entry by name."""


class Tree:
    """A tree that files are put into; what changed is known as objects to be written."""

    def __init__(self, algorithm: str, root: str | None = None, load: Load | None = None) -> None:
        self._algorithm = algorithm
        self._load = load
        self._root = _Folder(self._read(root))
        self._blobs: dict[str, bytes] = {}

    def put(self, path: str, data: bytes) -> None:
        """Put a file. Raises `RegistryError` where a file stands on the way to it."""
        *way, name = path.split("/")
        folder = self._root
        folder.changed = True
        for step in way:
            below = self._below(folder, step, path)
            below.changed = True
            folder.touched.add(step)
            folder = below
        if name in folder.below:
            raise RegistryError(f"{name!r} is a folder in the ledger's tree, expected a file: {path}")
        oid = object_id("blob", data, self._algorithm)
        self._blobs[oid] = data
        folder.put(name, _FILE, oid)

    def take(self, entry: Entry, written: bytes | None = None) -> None:
        """Put the state that an entry is; `written` is its file, where that is known already."""
        path = state_path(entry)
        if path is not None:
            self.put(path, written or file_of(entry))

    def write(self) -> tuple[str, dict[str, tuple[str, bytes]]]:
        """The tree's id, and type and bytes of each new object by id."""
        made = {oid: ("blob", data) for oid, data in self._blobs.items()}
        self._blobs = {}
        return self._written(self._root, made), made

    def _written(self, folder: _Folder, made: dict[str, tuple[str, bytes]]) -> str:
        if folder.changed or not folder.oid:
            for name in folder.touched:
                folder.put(name, _FOLDER, self._written(folder.below[name], made))
            folder.touched.clear()
            body = folder.body()
            folder.oid = object_id("tree", body, self._algorithm)
            folder.changed = False
            made[folder.oid] = ("tree", body)
        return folder.oid

    def _below(self, folder: _Folder, step: str, path: str) -> _Folder:
        child = folder.below.get(step)
        if child is None:
            mode, oid = folder.held.get(step, (_FOLDER, None))
            if mode != _FOLDER:
                raise RegistryError(f"{step!r} is no folder in the ledger's tree, on the way to {path}")
            child = folder.below[step] = _Folder(self._read(oid))
        return child

    def _read(self, oid: str | None) -> Mapping[str, tuple[str, str]]:
        return {} if oid is None or self._load is None else self._load(oid)


class _Folder:
    """One folder of a tree."""

    __slots__ = ("_lines", "_order", "below", "changed", "held", "oid", "touched")

    def __init__(self, held: Mapping[str, tuple[str, str]]) -> None:
        self.held: dict[str, tuple[str, str]] = {}
        self.below: dict[str, _Folder] = {}
        self.touched: set[str] = set()
        self.oid = ""
        self.changed = False
        self._order: list[bytes] = []
        self._lines: dict[bytes, bytes] = {}
        for name, (mode, oid) in held.items():
            self.put(name, mode, oid)

    def put(self, name: str, mode: str, oid: str) -> None:
        if name in self.held and self.held[name][0] != mode:
            raise RegistryError(f"{name!r} is both a file and a folder in the ledger's tree")
        self.held[name] = mode, oid
        raw = name.encode("utf-8", "surrogateescape")
        key = raw + b"/" if mode == _FOLDER else raw
        if key not in self._lines:
            insort(self._order, key)
        self._lines[key] = mode.lstrip("0").encode() + b" " + raw + b"\0" + bytes.fromhex(oid)

    def body(self) -> bytes:
        return b"".join([self._lines[key] for key in self._order])


def file_of(entry: Entry) -> bytes:
    """The file that holds an entry."""
    return f"{format_entry(entry)}\n".encode("ascii")
