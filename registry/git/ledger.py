"""The ledger's branch in git: its tip and one state of it read by one process, its log by two, its next commit made.

A repository holds the ledger as its own branch (`refs/heads/ledger`), as that of its origin, or as both: then the one
that goes on from the other is the newer. Nothing here touches a work tree or an index: objects are written as one pack
(gitformat-pack), and refs move in one transaction with the values they had.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from hashlib import new
from os import PathLike
from typing import Final, NamedTuple

from registry.errors import GitError, Refused, RegistryError
from registry.git.batch import Batch
from registry.git.objects import is_oid, read_all
from registry.git.process import failure, pipeline, run
from registry.git.tagwrite import Tagger
from registry.ledger import Entry, parse_entry
from registry.ledgerchain import BRANCH, LARGEST, Commit, Head, head_of, message_of, parse_commit
from registry.ledgertree import Tree, algorithm_of, object_id

Path = str | PathLike[str]

LOCAL: Final = f"refs/heads/{BRANCH}"
TRACKED: Final = f"refs/remotes/origin/{BRANCH}"
"""Where a clone keeps the ledger of its origin."""
_LOOSE: Final = 100
"""Up to so many new objects are written one by one, as git does (`fetch.unpackLimit`)."""
_KINDS: Final = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_IDENT: Final = re.compile(r"(?P<name>[^<>\n]*) <(?P<email>[^<>\n]*)> (?P<date>\d+ [+-]\d{4})")


class Look(NamedTuple):
    """A ledger's tip, and the state that was asked for with it."""

    ref: str
    head: Head
    entry: Entry | None
    """The newest entry about what was asked for; none where there is none, or nothing was asked for."""


def look(path: Path, where: str, wanted: str | None = None) -> Look | None:
    """The ledger's tip and the file `wanted` of its tree; none where there is no ledger. One process, rarely two.

    Raises `Refused` (`ledger-valid`) for a tip or a state that cannot be read, (`ledger-forked`) where the branch here
    and that of the origin exclude each other.
    """
    names = [LOCAL, TRACKED]
    files = [f"{ref}:{wanted}" for ref in names] if wanted else []
    found = {name: (oid, body) for name, oid, _, body in read_all(path, [*names, *files])}
    here = [ref for ref in names if ref in found]
    if not here:
        return None
    ref = here[0]
    if len(here) > 1 and found[LOCAL][0] != found[TRACKED][0]:
        ref = newer(path, found[LOCAL][0], found[TRACKED][0], where)
    oid, body = found[ref]
    try:
        head = head_of(oid, parse_commit(oid, body).message, where)
        state = found.get(f"{ref}:{wanted}")
        entry = parse_entry(state[1].removesuffix(b"\n"), f"{where}: {wanted}") if state else None
    except RegistryError as error:
        raise Refused("ledger-valid", error.what, error.where, error.fix) from None
    return Look(ref, head, entry)


def states(path: Path, commit: str, folder: str = "") -> dict[str, bytes]:
    """The files of a ledger's tree by path, all or those below a folder of it; two processes."""
    asked = [folder] if folder else []
    line = ["ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit, *asked]
    rows = (row.split("\t", 1) for row in run(path, line).out.decode("utf-8", "surrogateescape").split("\0") if row)
    oids = {name: meta.split(" ")[2] for meta, name in rows}
    data = {oid: body for oid, _, kind, body in read_all(path, oids.values()) if kind == "blob"}
    return {name: data[oid] for name, oid in oids.items() if oid in data}


def writer(path: Path, tip: str, file: str) -> str | None:
    """The newest commit up to `tip` that changed a file of the tree."""
    found = run(path, ["rev-list", "--max-count=1", "--end-of-options", tip, "--", file]).out.decode().strip()
    return found or None


def newer(path: Path, local: str, tracked: str, where: str) -> str:
    """The ref whose commit goes on from the other's. Raises `Refused` (`ledger-forked`)."""
    if descends(path, local, tracked):
        return LOCAL
    if descends(path, tracked, local):
        return TRACKED
    raise Refused(
        "ledger-forked",
        f"the branch {BRANCH!r} here ({local}) and that of origin ({tracked}) exclude each other",
        where,
        f"what is only here was never published: `git branch -D {BRANCH}` drops it, then record it again with --push",
    )


def descends(path: Path, later: str, earlier: str) -> bool:
    """Whether a commit is another one or goes on from it; not where either is not here."""
    line = ["merge-base", "--is-ancestor", earlier, later]
    return later == earlier or run(path, line, accept=(0, 1, 128)).code == 0


def log(path: Path, tip: str, *, since: str | None = None, newest_first: bool = False) -> Iterator[Commit]:
    """The commits of a ledger up to `tip`, those up to `since` left out, oldest first unless told otherwise."""
    revisions = [tip, f"^{since}"] if since else [tip]
    order = [] if newest_first else ["--reverse"]
    source = ["rev-list", "--topo-order", *order, "--end-of-options", *revisions]
    with pipeline(path, path, source, ["cat-file", "--buffer", "--batch"]) as stream:
        readline, read = stream.readline, stream.read
        for line in iter(readline, b""):
            oid, _, size = line.decode("ascii", "replace").split()
            if int(size) > LARGEST:
                raise RegistryError(f"ledger commit {oid} has {int(size)} bytes, at most {LARGEST} are read", str(path))
            yield parse_commit(oid, read(int(size) + 1)[:-1])


class Refs(NamedTuple):
    """The ledger's refs in a repository, and others that were asked for."""

    ids: dict[str, str]
    """Object ids by ref, of those that are here."""
    checked_out: bool
    """Whether a work tree shows the ledger's branch."""


def refs(path: Path, others: Sequence[str] = ()) -> Refs:
    """Where refs stand, by one process."""
    line = ["for-each-ref", "--format=%(refname) %(objectname) %(worktreepath)", "--", LOCAL, TRACKED, *others]
    out = run(path, line).out.decode("utf-8", "surrogateescape")
    rows = [each.split(" ", 2) for each in out.splitlines()]
    wanted = {LOCAL, TRACKED, *others}
    return Refs(
        {ref: oid for ref, oid, _ in rows if ref in wanted}, any(ref == LOCAL and tree for ref, _, tree in rows)
    )


def heads(path: Path, where: str) -> dict[str, Head]:
    """Where the ledger's refs stand, those that are here. Raises `Refused` (`ledger-valid`) for what cannot be read."""
    found = {}
    for ref, oid, _, body in read_all(path, [LOCAL, TRACKED]):
        try:
            found[ref] = head_of(oid, parse_commit(oid, body).message, where)
        except RegistryError as error:
            raise Refused("ledger-valid", error.what, error.where, error.fix) from None
    return found


def next_tree(path: Path, head: Head | None, entries: Sequence[Entry]) -> Tree:
    """The ledger's tree with the states of further entries; only the trees on the way to them are read."""
    with Batch(path) as batch:

        def load(oid: str) -> Mapping[str, tuple[str, str]]:
            held = batch.tree(oid)
            if held is None:
                raise GitError(f"tree {oid} of the ledger is missing", str(path), "fetch the ledger again")
            return held

        root = batch.root(head.commit) if head else None
        if head and root is None:
            raise GitError(f"the tree of {head.commit} is missing", str(path), "fetch the ledger again")
        tree = Tree(_algorithm(path, head), root, load)
        for entry in entries:
            tree.take(entry)
        return tree


def _algorithm(path: Path, head: Head | None) -> str:
    if head is not None:
        return algorithm_of(head.commit)
    return run(path, ["rev-parse", "--show-object-format"]).out.decode().strip()


def commit(
    path: Path, head: Head | None, tree: Tree, entries: Sequence[Entry], who: Tagger, *, sign: bool = False
) -> str:
    """Write the next commit of the ledger, with its trees and files, and give its id; no ref moves."""
    algorithm = _algorithm(path, head)
    root, objects = tree.write()
    message = message_of(entries)
    if sign:
        write(path, objects, algorithm)
        return _signed(path, head, root, message, who)
    parents = f"parent {head.commit}\n" if head else ""
    body = f"tree {root}\n{parents}author {who.line}\ncommitter {who.line}\n\n{message}".encode()
    oid = object_id("commit", body, algorithm)
    write(path, {**objects, oid: ("commit", body)}, algorithm)
    return oid


def _signed(path: Path, head: Head | None, root: str, message: str, who: Tagger) -> str:
    """Let git sign: by the user's format and key. Git may end well without a signature: that is a failure here."""
    match = _IDENT.fullmatch(who.line)
    if match is None:
        raise RegistryError(f"git's committer identity is unusable: {who.line!r}", fix="set user.name and user.email")
    env = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", match["name"]), ("EMAIL", match["email"]), ("DATE", f"@{match['date']}"))
    }
    parents = ["-p", head.commit] if head else []
    line = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", "-S", *parents, "-F", "-", root]
    done = run(path, line, stdin=message.encode(), env=env)
    oid = done.out.decode().strip()
    if not is_oid(oid) or not any(parse_commit(oid, body).signed for _, _, _, body in read_all(path, [oid])):
        raise failure(path, line, done)
    return oid


class Settings(NamedTuple):
    """What git's configuration says to a recorder."""

    origin: str | None
    """The address that a clone calls its origin."""
    signs: bool
    """Whether the user has commits signed (`commit.gpgSign`, git-config(1))."""


def settings(path: Path) -> Settings:
    """Read the configuration, by one process."""
    line = ["config", "-z", "--get-regexp", r"^(remote\.origin\.url|commit\.gpgsign)$"]
    out = run(path, line, accept=(0, 1)).out.decode("utf-8", "surrogateescape")
    pairs = (each.partition("\n") for each in out.split("\0") if each)
    found = {key: value if mark else "true" for key, mark, value in pairs}
    return Settings(found.get("remote.origin.url"), found.get("commit.gpgsign", "").lower() in _TRUE)


_TRUE: Final = frozenset({"true", "yes", "on", "1"})


def write(path: Path, objects: Mapping[str, tuple[str, bytes]], algorithm: str) -> None:
    """Write objects by one process: a few each for itself, many as the pack they come in."""
    if not objects:
        return
    how = ["unpack-objects", "-q"] if len(objects) <= _LOOSE else ["index-pack", "--stdin"]
    run(path, how, stdin=_packed(objects, algorithm))


def _packed(objects: Mapping[str, tuple[str, bytes]], algorithm: str) -> bytes:
    """A pack without deltas: https://git-scm.com/docs/gitformat-pack."""
    parts = [b"PACK", (2).to_bytes(4, "big"), len(objects).to_bytes(4, "big")]
    for kind, body in objects.values():
        size = len(body)
        head, size = [_KINDS[kind] << 4 | size & 15], size >> 4
        while size:
            head[-1] |= 128
            head.append(size & 127)
            size >>= 7
        parts += (bytes(head), zlib.compress(body))
    packed = b"".join(parts)
    return packed + new(algorithm, packed, usedforsecurity=False).digest()


class Move(NamedTuple):
    """A ref that is made or moves."""

    ref: str
    new: str
    old: str | None
    """What it was; none where there was none."""


def move(path: Path, moves: Sequence[Move], *, only_try: bool = False) -> None:
    """Move refs together or not at all, from the values they had; hooks are the user's own.

    With `only_try` git and its hooks are asked whether it would do. Raises `GitError` where it does not.
    """
    lines = "".join(f"update {each.ref} {each.new} {each.old or '0' * len(each.new)}\n" for each in moves)
    end = "prepare\nabort\n" if only_try else "prepare\ncommit\n"
    run(path, ["update-ref", "--stdin"], stdin=f"start\n{lines}{end}".encode(), hooks=True)
