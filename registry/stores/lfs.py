"""Git LFS: git holds a pointer, the bytes are on the source's LFS server, or in `.git/lfs` of a folder.

Rules: a file is one of LFS where a `.gitattributes` of its folders names the filter `lfs` and git holds a pointer in
its place, as git-lfs itself has it. Its key is the pointer's oid, which is the SHA-256 of its bytes. The server is
`<source's URL>.git/info/lfs` (https://github.com/git-lfs/git-lfs/blob/main/docs/api/server-discovery.md), as the user's
`url.<base>.insteadOf` has it; `lfs.url` of the commit's `.lfsconfig` is followed on the source's own host only, since
whoever may commit to a source must not decide where its readers send requests and credentials.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from registry.cache.transfer import Stream, Transient
from registry.errors import NotFound, Refused, RegistryError
from registry.git.credentials import rewritten, setting
from registry.git.objects import sizes
from registry.git.process import run
from registry.git.source import Source
from registry.stores import LFS, Held, Opening
from registry.stores.http import Get, get, library, origin
from registry.stores.lfs_pointer import LIMIT, Pointer, parse_pointer
from registry.stores.lfs_server import EXTRA, Server
from registry.urls import Address

_OID = re.compile(r"[0-9a-f]{64}")
_FILTER = re.compile(rb"^[^#\n]*\sfilter=lfs\b", re.MULTILINE)
_SSH = re.compile(r"(?:ssh://)?(?:[^@/]*@)?(?P<host>\[[^\]]*\]|[^:/]+)(?P<port>:\d+(?=/))?[:/]/*(?P<path>.+)")
_CONFIG, ATTRIBUTES = ".lfsconfig", ".gitattributes"
_SMALL = 1 << 16


class Lfs:
    """The store of Git LFS; a key is the SHA-256 that the pointer names."""

    def locate(self, source: Source, commit: str, paths: Sequence[str]) -> Mapping[str, Held]:
        """Files of the commit that are pointers. Raises `Refused` (`artifact-in-git`) for one not understood."""
        where = f"{source.where}@{commit[:7]}"
        attributes = {posixpath.join(folder, ATTRIBUTES) for path in paths for folder in _folders(path)}
        found = source.entries(commit, [*paths, *sorted(attributes)])
        rules = [found[name].oid for name in attributes & found.keys() if found[name].kind == "blob"]
        if not any(_FILTER.search(data) for data in _small(source, rules, _SMALL).values()):
            return {}
        oids = {path: found[path].oid for path in paths if path in found and found[path].kind == "blob"}
        pointers = _small(source, list(oids.values()), LIMIT - 1)
        parsed = {path: parse_pointer(pointers.get(oid, b""), path, where) for path, oid in oids.items()}
        return {path: Held(path, each.oid, each.size, LFS) for path, each in parsed.items() if each is not None}

    def opening(self, source: Source, commit: str, held: Sequence[Held]) -> Opening:
        """Each file from the folder's own LFS objects, or from the server, which is asked once for all of them."""
        pointers = [_pointer(each, source.where) for each in held]
        if source.address.local:
            return _Folder(source).open
        library(EXTRA, source.where)
        return _Remote(Server(endpoint(source, commit), source.where, pointers)).open


def _pointer(held: Held, where: str) -> Pointer:
    """What is asked for. Raises `Refused` where the link says something else."""
    if not _OID.fullmatch(held.key) or held.size is None:
        raise Refused(
            "digest-matches", "the link's key or size is none of Git LFS", where, "write it again with `registry link`"
        )
    return Pointer(held.key, held.size)


def _folders(path: str) -> Iterator[str]:
    """The folders of a file, from its own up to the root."""
    while path:
        path = posixpath.dirname(path)
        yield path


def _small(source: Source, oids: Sequence[str], limit: int) -> dict[str, bytes]:
    """The blobs that have at most `limit` bytes."""
    if not oids:
        return {}
    source.bring_blobs(oids)
    known = sizes(source.path, list(dict.fromkeys(oids)))
    small = [oid for oid, (kind, size) in known.items() if kind == "blob" and size <= limit]
    return {oid: source.read(oid, limit, source.where) for oid in small}


def endpoint(source: Source, commit: str) -> str:
    """The URL of the source's LFS server. Raises `Refused` (`source-trusted`) for one that a commit puts elsewhere."""
    standard = default_endpoint(source.address)
    found = rewritten(standard)
    if found.startswith(("https://", "http://")) and found != standard:
        return found.rstrip("/")
    if found != standard:
        return default_endpoint(Address(found.removesuffix("/info/lfs"), local=False))
    said = _configured(source, commit)
    if said is None:
        return standard
    if urlsplit(said).scheme not in {"https", "http"} or origin(said) != origin(standard) or "@" in said:
        raise Refused(
            "source-trusted",
            f"{_CONFIG} names a Git LFS server on another host: {said[:200]!r}; expected one on that of {standard}",
            f"{source.where}@{commit[:7]}",
            f"where you trust it: git config --global url.THAT-URL.insteadOf {standard}",
        )
    return said.rstrip("/")


def default_endpoint(address: Address) -> str:
    """Where git-lfs expects the server of a repository; that of an ssh address is asked over https."""
    text = address.text.rstrip("/")
    text = text if text.endswith(".git") else f"{text}.git"
    if text.startswith(("https://", "http://")):
        return f"{text}/info/lfs"
    match = _SSH.fullmatch(text)
    if match is None:
        raise RegistryError("no Git LFS server is known for this address", str(address), "name the source by https")
    return f"https://{match['host']}/{match['path']}/info/lfs"


def _configured(source: Source, commit: str) -> str | None:
    """`lfs.url` of the commit's `.lfsconfig`."""
    try:
        source.bring(commit)
    except NotFound:  # it was pinned, and is gone: the bytes may be there all the same
        return None
    entry = source.entries(commit, [_CONFIG]).get(_CONFIG)
    if entry is None or entry.kind != "blob":
        return None
    text = _small(source, [entry.oid], _SMALL).get(entry.oid)
    return setting(text, "lfs.url") if text else None


class _Folder:
    """LFS objects of a repository on this machine."""

    def __init__(self, source: Source) -> None:
        done = run(source.path, ["rev-parse", "--git-common-dir"])
        self._objects = Path(source.path, os.fsdecode(done.out.rstrip(b"\n"))) / "lfs" / "objects"

    @contextmanager
    def open(self, held: Held, offset: int) -> Iterator[Stream]:
        """One file from a byte on. Raises `NotFound`."""
        path = self._objects / held.key[:2] / held.key[2:4] / held.key
        try:
            with path.open("rb") as stream:
                stream.seek(offset)
                yield Stream(stream, offset)
        except FileNotFoundError:
            raise NotFound(
                f"the Git LFS object of {held.path} is not here", str(path), "run `git lfs fetch --all` in that folder"
            ) from None


class _Remote:
    """LFS objects of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @contextmanager
    def open(self, held: Held, offset: int) -> Iterator[Stream]:
        """One file from a byte on. Raises as `get`; what an older answer of the server named may have expired."""
        action, fresh = self._server.action(held.key)
        where = f"{self._server.where}, Git LFS object {held.key}"
        asked = Get(action.href, where, action.headers, netrc=self._server.shares_netrc(action))
        with ExitStack() as opened:
            try:
                stream = opened.enter_context(get(asked, offset, extra=EXTRA))
            except Transient:
                raise
            except RegistryError as error:
                if fresh:
                    raise
                self._server.forget(held.key)
                raise Transient(error.what, error.where, error.fix) from None
            yield stream
