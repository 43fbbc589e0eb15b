"""What DVC tracks at a commit: outputs that `.dvc` files and `dvc.lock` name, read as data from git objects.

Formats: DVC's own schemas (`dvc.schema`) over its own YAML loader, bounded. Nothing is resolved or run: of `dvc.yaml`
only a stage's `wdir` and the `remote` of its outputs are looked at, and a stage whose `wdir` is a template is left out.
An output that leaves the repository, lies at a URL or has no MD5 cannot be asked for, and is left out as well.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from registry.annotations import LIMIT, load
from registry.errors import RegistryError
from registry.git.objects import Entry, entries, read_all, sizes
from registry.git.source import Source

MOST = 1000
"""Most DVC files of one commit that are read to find an output."""
PLAIN, LEGACY = "md5", "md5-dos2unix"
"""How DVC 3 hashes; how DVC before it did, after turning the line ends of text to those of Unix."""

_LOCK, _PIPELINE = "dvc.lock", "dvc.yaml"
_MD5 = re.compile(r"([0-9a-f]{32})(\.dir)?")
_FIX = "correct the file with DVC, or write it again with `dvc add`"


class Output(NamedTuple):
    """One file or folder that DVC tracks."""

    path: str
    """From the repository's root."""
    algorithm: str
    """`PLAIN` or `LEGACY`."""
    md5: str
    """In hex; of a folder, of the list of its files."""
    folder: bool
    size: int | None
    """Bytes; of a folder, of all its files."""
    remote: str | None
    """The remote it is in, where that is not the default one."""
    project: str
    """The folder of the DVC project, from the repository's root."""


def outputs(source: Source, commit: str, paths: Sequence[str]) -> dict[str, Output]:
    """The output that each path is, or lies in, at a commit that was brought; a path of none is left out.

    Raises `RegistryError` where the files that should say so cannot be read, or contradict each other.
    """
    tree = entries(source.path, commit, deep=True)
    projects = {posixpath.dirname(posixpath.dirname(path)) for path in tree if f"/{path}".endswith("/.dvc/config")}
    if not projects:
        return {}
    reader = _Reader(source, commit, tree, projects)
    near = {f"{each}.dvc" for path in paths for each in _upwards(path)} & tree.keys()
    found = _matched(paths, reader.outputs(sorted(near)))
    missing = [path for path in paths if path not in found]
    if missing:
        found |= _matched(missing, reader.outputs(sorted(path for path in tree if path not in near and is_dvc(path))))
    if len(found) < len(paths) and reader.error is not None:
        raise reader.error
    return found


class _Reader:
    """Reads the DVC files of one commit."""

    def __init__(self, source: Source, commit: str, tree: Mapping[str, Entry], projects: set[str]) -> None:
        self._source, self._tree, self._projects = source, tree, projects
        self._where = f"{source.where}@{commit[:7]}"
        self.error: RegistryError | None = None
        """The first file that could not be read; it matters where a path is not found elsewhere."""

    def outputs(self, names: Sequence[str]) -> Iterator[Output]:
        """What the files of these names track."""
        if len(names) > MOST:
            raise RegistryError(
                f"{len(names)} DVC files, at most {MOST} are read", self._where,
                "track the file by a .dvc file beside it: that one is read first",
            )  # fmt: skip
        data = self._read([*names, *(f"{name[:-4]}yaml" for name in names if posixpath.basename(name) == _LOCK)])
        for name in names:
            try:
                if posixpath.basename(name) == _LOCK:
                    tracked = _of_lock(data.get(name, b""), data.get(f"{name[:-4]}yaml"), f"{self._where}:{name}")
                else:
                    tracked = _of_file(data.get(name, b""), f"{self._where}:{name}")
                yield from self._placed(posixpath.dirname(name), tracked)
            except RegistryError as error:
                self.error = self.error or error

    def _read(self, names: Iterable[str]) -> dict[str, bytes]:
        oids = {name: self._tree[name].oid for name in names if name in self._tree and is_file(self._tree[name])}
        self._source.bring_blobs(dict.fromkeys(oids.values()))
        found = sizes(self._source.path, list(dict.fromkeys(oids.values())))
        small = [oid for oid, (kind, size) in found.items() if kind == "blob" and size <= LIMIT]
        bodies = {oid: body for oid, _, _, body in read_all(self._source.path, small)}
        return {name: bodies[oid] for name, oid in oids.items() if oid in bodies}

    def _placed(self, folder: str, tracked: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Output]:
        above = [folder, *_upwards(folder)[1:], ""]
        project = next((each for each in above if each in self._projects), None)
        if project is None:
            return
        for wdir, out in tracked:
            path = posixpath.normpath(posixpath.join(folder, wdir, out["path"]))
            said = _MD5.fullmatch(str(out.get("md5") or ""))
            if said is None or "://" in out["path"] or path.startswith(("/", "../")) or path in {".", ".."}:
                continue
            algorithm = PLAIN if out.get("hash") == PLAIN else LEGACY
            yield Output(path, algorithm, said[1], bool(said[2]), out.get("size"), out.get("remote"), project)


def _of_file(data: bytes, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The outputs of a `.dvc` file, each with the folder it counts from."""
    from dvc.schema import COMPILED_SINGLE_STAGE_SCHEMA

    said = validated(COMPILED_SINGLE_STAGE_SCHEMA, load(data, where) or {}, where)
    for out in said.get("outs") or ():
        if "path" in out:
            yield said.get("wdir") or "", out


def _of_lock(data: bytes, pipeline: bytes | None, where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The outputs of a `dvc.lock`, each with the folder that its stage runs in."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    said = validated(COMPILED_LOCKFILE_SCHEMA, load(data, where) or {}, where)
    written = load(pipeline, where.removesuffix("lock") + "yaml") if pipeline else None
    stages = mapping(mapping(written).get("stages"))
    for name, stage in (said.get("stages") or {}).items():
        written = mapping(stages.get(name.partition("@")[0]))
        written = mapping(written.get("do")) or written
        wdir = written.get("wdir") or ""
        if not isinstance(wdir, str) or "${" in wdir:
            continue
        remotes = _remotes(written)
        for out in stage.get("outs", ()):
            yield wdir, {**out, "remote": remotes.get(out["path"])}


def _remotes(stage: Mapping[str, Any]) -> dict[str, str]:
    outs = stage.get("outs")
    pairs = (pair for out in outs if isinstance(out, dict) for pair in out.items()) if isinstance(outs, list) else ()
    return {str(path): remote for path, said in pairs if isinstance(remote := mapping(said).get("remote"), str)}


def validated(schema: Any, raw: object, where: str) -> Mapping[str, Any]:
    """What one of DVC's schemas makes of a file. Raises `RegistryError`."""
    from voluptuous import Invalid

    try:
        found = schema(raw)
    except (Invalid, TypeError, ValueError, RecursionError) as error:
        raise RegistryError(f"not a file of DVC: {str(error)[:200]}", where, _FIX) from None
    return mapping(found)


def mapping(value: object) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def _matched(paths: Sequence[str], tracked: Iterable[Output]) -> dict[str, Output]:
    """Outputs by the paths that they are or hold. Raises `RegistryError` where two say different things of one."""
    found: dict[str, Output] = {}
    for output in tracked:
        for path in paths:
            if path != output.path and not (output.folder and path.startswith(f"{output.path}/")):
                continue
            known = found.setdefault(path, output)
            if known[:4] != output[:4]:
                raise RegistryError(
                    f"DVC tracks {path} twice: MD5 {known.md5} and {output.md5}", "", "track it by one file only"
                )
    return found


def _upwards(path: str) -> list[str]:
    """The path and the folders above it, but for the root."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def is_dvc(path: str) -> bool:
    """Whether a file of this name says what DVC tracks."""
    name = posixpath.basename(path)
    return name == _LOCK or (name.endswith(".dvc") and name != ".dvc" and "/.dvc/" not in f"/{path}")


def is_file(entry: Entry) -> bool:
    """Whether it is an ordinary file, no symlink and no folder."""
    return entry.kind == "blob" and entry.mode.startswith("100")
