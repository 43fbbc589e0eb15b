"""Reading commits, trees and blobs from the object store, never from a work tree and never through a symlink."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import chain, zip_longest
from os import PathLike
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from registry.commit import Commit, parse_commit
from registry.errors import GitError, NotFound, Refused, RegistryError
from registry.git.process import OFFLINE, reader, run

_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_CHUNK = 1 << 20
_FILES = {"100644", "100755", "100664"}
LONGEST_REVISION = 250
MANY = 2000
"""Above so many objects several gits are asked, a part each: one unpacks with one core only."""
READERS = max(1, min(4, os.cpu_count() or 1))
"""How many those are."""


class Entry(NamedTuple):
    """One entry of a tree."""

    path: str
    mode: str
    """`100644` or `100755` for a file, `120000` for a symlink, `160000` for a submodule, `040000` for a folder."""
    kind: str
    """`blob`, `tree` or `commit`."""
    oid: str


def is_oid(text: str) -> bool:
    """Whether `text` is a whole object id in lower-case hex."""
    return _OID.fullmatch(text) is not None


def require_revision(text: str) -> str:
    """Return `text` when it can be a revision, else raise: no option, no range, no control character, not endless."""
    bad = not text or len(text) > LONGEST_REVISION or text.startswith("-") or ".." in text
    if bad or any(ord(c) <= 32 or ord(c) == 127 for c in text):  # noqa: PLR2004 - blank and delete
        raise RegistryError(f"not a revision: {text[:80]!r}", fix="name a tag, a branch or a commit")
    return text


def resolve_commit(path: str | PathLike[str], revision: str) -> str:
    """The commit a revision of the repository at `path` names, in hex. Raises `NotFound`."""
    require_revision(revision)
    done = run(
        path, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"], accept=(0, 1, 128)
    )
    out = done.out.decode().strip().splitlines()
    if done.code or len(out) != 1 or not is_oid(out[0]):
        if done.code and "not a git repository" in done.err:
            raise GitError("not a git repository", str(path), "name a git repository with -r, or run `git init`")
        raise NotFound(f"no commit is named {revision!r}", str(path), "name a tag, a branch or a commit that exists")
    return out[0]


def read_all(path: str | PathLike[str], names: Iterable[str]) -> Generator[tuple[str, str, str, bytes], None, None]:
    """Read many small objects at once: each name with the object's id, type and bytes; what is missing is left out.

    They are given while git still reads. The names stand in a file, so that neither side waits for the other.
    """
    asked = list(dict.fromkeys(names))
    if not asked:
        return
    with _listed(asked) as told, reader(path, ["cat-file", "--buffer", "--batch"], feed=told) as stream:
        yield from _bodies(path, asked, stream)


@contextmanager
def _listed(names: Iterable[str]) -> Iterator[IO[bytes]]:
    """Names in a file, a line each."""
    with TemporaryFile() as told:
        told.write("\n".join(names).encode() + b"\n")
        told.seek(0)
        yield told


def read_any(path: str | PathLike[str], names: Iterable[str]) -> Iterator[tuple[str, str, str, bytes]]:
    """The same in any order: of many objects several gits give them side by side."""
    with ExitStack() as all_of_them:
        asked = _parts(list(dict.fromkeys(names)))
        parts = [all_of_them.enter_context(closing(read_all(path, part))) for part in asked]
        yield from filter(None, chain.from_iterable(zip_longest(*parts)))


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    """What each is asked: neighbours together, since objects that are packed beside each other are unpacked once."""
    each = len(names) if len(names) <= MANY else -(-len(names) // READERS)
    return [names[at : at + each] for at in range(0, len(names), each or 1)]


def _bodies(
    path: str | PathLike[str], asked: Sequence[str], stream: IO[bytes]
) -> Iterator[tuple[str, str, str, bytes]]:
    for name in asked:
        line = stream.readline()
        fields = line.decode("utf-8", "replace").split()
        size = int(fields[2]) if len(fields) == 3 and fields[2].isdigit() else -1  # noqa: PLR2004 - "<name> missing" has two
        body = stream.read(size + 1) if size >= 0 else b"\n"
        if not line or len(body) != max(size, 0) + 1:
            raise _ended(path)
        if size >= 0:
            yield name, fields[0], fields[1], body[:-1]


def _ended(path: str | PathLike[str]) -> GitError:
    return GitError("git ended while it gave objects", str(path), "check the repository: git fsck")


def read_commits(path: str | PathLike[str], oids: Iterable[str]) -> dict[str, Commit]:
    """Read commits by id; an id that is not a commit here is left out."""
    read = ((oid, parse_commit(oid, body)) for _, oid, kind, body in read_all(path, oids) if kind == "commit")
    return {oid: commit for oid, commit in read if commit is not None}


def entries(
    path: str | PathLike[str], commit: str, paths: Sequence[str] = (), *, deep: bool = False, protocols: str = OFFLINE
) -> dict[str, Entry]:
    """Entries of a commit's tree: those named by `paths` (no globs), else all of the root, or (`deep`) all files."""
    flags = ["-r"] if deep else []
    out = run(
        path, ["ls-tree", "-z", "--full-tree", *flags, "--end-of-options", commit, *paths], protocols=protocols
    ).out
    found = {}
    for record in out.split(b"\0"):
        if record:
            meta, _, name = record.partition(b"\t")
            mode, kind, oid = meta.decode().split()
            entry = Entry(name.decode("utf-8", "surrogateescape"), mode, kind, oid)
            found[entry.path] = entry
    return found


def file_entry(entry: Entry | None, path: str, where: str) -> Entry:
    """Return an ordinary file; raise `NotFound`, or `Refused` for a symlink, a submodule or a folder."""
    if entry is None:
        raise NotFound(f"no file {path}", where, "check the path and the revision")
    if entry.mode not in _FILES:
        kinds = {"120000": "a symlink", "160000": "a submodule", "040000": "a folder"}
        raise Refused(
            "path-contained", f"{path} is {kinds.get(entry.mode, entry.mode)}, not a file", where, "commit a plain file"
        )
    return entry


def heads(path: str | PathLike[str], names: Sequence[str]) -> dict[str, tuple[str, str, int]]:
    """Object id, type and size of what each name (`COMMIT:PATH`) stands for; names of what is not here are left out."""
    if not names:
        return {}
    found = {}
    for name, line in zip(names, _told(path, ["cat-file", "--buffer", "--batch-check"], names), strict=True):
        fields = line.split(" ")
        if len(fields) == 3 and is_oid(fields[0]):  # noqa: PLR2004 - "<name> missing" may have more or less
            found[name] = (fields[0], fields[1], int(fields[2]))
    return found


def _told(path: str | PathLike[str], args: Sequence[str], names: Sequence[str]) -> list[str]:
    """What git says of each name, a line each; of many several gits are asked side by side."""

    def ask(part: Sequence[str]) -> list[str]:
        return run(path, args, stdin="\n".join(part).encode() + b"\n").out.decode().splitlines()

    parts = _parts(names)
    if len(parts) == 1:
        return ask(names)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(parts)) as pool:
        return list(chain.from_iterable(pool.map(ask, parts)))


def object_ids(path: str | PathLike[str], names: Sequence[str]) -> dict[str, str]:
    """The object each name (`COMMIT:PATH`) stands for; names of what is not here are left out."""
    if not names:
        return {}
    asked = "\n".join(names).encode() + b"\n"
    out = run(path, ["cat-file", "--buffer", "--batch-check=%(objectname)"], stdin=asked).out.decode()
    return {name: line for name, line in zip(names, out.splitlines(), strict=True) if is_oid(line)}


def merge_bases(path: str | PathLike[str], one: str, other: str) -> list[str]:
    """All best common ancestors of two commits; none where they have none, or their history is not here."""
    done = run(path, ["merge-base", "--all", one, other], accept=(0, 1, 128))
    return [line for line in done.out.decode().split() if is_oid(line)] if done.code == 0 else []


def refs_at(path: str | PathLike[str], commit: str) -> list[str]:
    """Full names of the branches and tags at a commit."""
    out = run(path, ["for-each-ref", f"--points-at={commit}", "--format=%(refname)", "refs/heads", "refs/tags"]).out
    return out.decode("utf-8", "surrogateescape").splitlines()


def sizes(path: str | PathLike[str], oids: Sequence[str], protocols: str = OFFLINE) -> dict[str, tuple[str, int]]:
    """Type and size in bytes of each object that exists here (asking may fetch where `protocols` allow it)."""
    if not oids:
        return {}
    asked = "\n".join(oids).encode() + b"\n"
    out = run(path, ["cat-file", "--buffer", "--batch-check"], stdin=asked, protocols=protocols).out
    found = {}
    for line in out.decode().splitlines():
        fields = line.split()
        if len(fields) == 3:  # noqa: PLR2004 - "<object> missing" has two
            found[fields[0]] = (fields[1], int(fields[2]))
    return found


def read_blob(path: str | PathLike[str], oid: str, limit: int, where: str, protocols: str = OFFLINE) -> bytes:
    """Read a whole blob of at most `limit` bytes. Raises `NotFound`, or `RegistryError` where it is larger."""
    return read_blobs(path, [oid], limit, protocols).data(oid, where)


class Blobs(NamedTuple):
    """Blobs that were asked for at once."""

    limit: int
    found: dict[str, tuple[str, int, bytes]]
    """Type, size and bytes by id; no bytes of what is no blob or larger than `limit`."""

    def data(self, oid: str, where: str) -> bytes:
        """The bytes of one. Raises `NotFound`, or `RegistryError` where it is larger than was to be read."""
        if oid not in self.found:
            raise NotFound(f"object {oid} is missing", where, "fetch the repository again")
        kind, size, data = self.found[oid]
        if kind != "blob" or size > self.limit:
            raise RegistryError(f"{kind} of {size} bytes, expected a file of at most {self.limit}", where)
        return data


def read_blobs(path: str | PathLike[str], oids: Iterable[str], limit: int, protocols: str = OFFLINE) -> Blobs:
    """Read whole blobs of at most `limit` bytes each, by one process where none is larger."""
    wanted = Blobs(limit, {})
    asked = list(dict.fromkeys(oids))[::-1]
    while asked:
        with (
            suppress(_TooLarge),
            _listed(reversed(asked)) as told,
            reader(path, ["cat-file", "--batch"], protocols, told) as stream,
        ):
            while asked:
                _take(path, stream, asked.pop(), wanted)
    return wanted


class _TooLarge(Exception):
    """What comes next is not to be read."""


def _take(path: str | PathLike[str], stream: IO[bytes], oid: str, wanted: Blobs) -> None:
    line = stream.readline()
    fields = line.decode("utf-8", "replace").split()
    if not line:
        raise _ended(path)
    if len(fields) != 3 or not fields[2].isdigit():  # noqa: PLR2004 - "<name> missing" has two
        return
    kind, size = fields[1], int(fields[2])
    if kind != "blob" or size > wanted.limit:
        wanted.found[oid] = kind, size, b""
        raise _TooLarge  # git is ended, and asked anew for the others
    body = stream.read(size + 1)
    if len(body) <= size:
        raise _ended(path)
    wanted.found[oid] = kind, size, body[:-1]


def copy_blob(path: str | PathLike[str], oid: str, sink: IO[bytes], protocols: str = OFFLINE) -> None:
    """Stream a blob of any size into `sink`."""
    with reader(path, ["cat-file", "blob", oid], protocols) as stream:
        while block := stream.read(_CHUNK):
            sink.write(block)
