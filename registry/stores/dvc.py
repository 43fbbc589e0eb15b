"""Files that DVC tracks in the source: the commit names their MD5, the project's remote has their bytes.

A key is `md5:<hex>` (`md5-dos2unix:<hex>` of DVC before 3), followed by `?remote=…` and `&project=…` where the file is
not in the default remote of the project at the repository's root. It names the file itself, also where DVC tracks the
folder it is in: the folder's list is read once, when a link is made. DVC's libraries read its configuration and its
remotes; nothing is cloned, checked out or run. What a remote sends from its beginning must have the MD5 that it is
asked for; whether it is used is decided by the link's SHA-256.
"""

from __future__ import annotations

import asyncio
import errno
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from registry.cache.transfer import Stream, Transient
from registry.containment import contained
from registry.errors import NotFound, Refused, RegistryError
from registry.git.source import Source
from registry.stores import Held, Opening
from registry.stores.dvc_outputs import LEGACY, PLAIN, Output, outputs
from registry.stores.dvc_remote import Remote, remote_at

NAME = "dvc"
LIST_LIMIT = 1 << 24
"""Largest list of a folder's files, in bytes."""
_KEY = re.compile(rf"({PLAIN}|{LEGACY}):([0-9a-f]{{32}})(?:\?([^?#\s]{{1,2048}}))?")
_MD5 = re.compile(r"[0-9a-f]{32}")


class Key(NamedTuple):
    """How a file is found."""

    algorithm: str
    md5: str
    remote: str | None = None
    project: str = ""

    def __str__(self) -> str:
        said = {"remote": self.remote, "project": self.project}
        query = urlencode({key: value for key, value in said.items() if value})
        return f"{self.algorithm}:{self.md5}{'?' if query else ''}{query}"


class Dvc:
    """The store of files that DVC tracks."""

    def locate(self, source: Source, commit: str, paths: Sequence[str]) -> Mapping[str, Held]:
        """Files that `.dvc` files and `dvc.lock` track, also those inside of a tracked folder."""
        with _installed(source.where):
            tracked = outputs(source, commit, paths)
        found = {}
        lists: dict[Key, dict[str, str]] = {}
        for path, output in tracked.items():
            key, size = Key(output.algorithm, output.md5, output.remote, output.project), output.size
            if output.folder:
                if path == output.path:
                    raise Refused(
                        "path-contained", f"{path} is a folder, not a file", f"{source.where}@{commit[:7]}",
                        "name the files in it",
                    )  # fmt: skip
                if key not in lists:
                    lists[key] = _listed(source, commit, key, output)
                md5 = lists[key].get(path[len(output.path) + 1 :])
                if md5 is None:
                    continue
                key, size = key._replace(md5=md5), None
            found[path] = Held(path, str(key), size, NAME)
        return found

    def opening(self, source: Source, commit: str, held: Sequence[Held]) -> Opening:
        """Read the commit's small DVC files, and connect to each remote once."""
        keys = {one.key: parse_key(one.key, source.where) for one in held}
        source.bring(commit)
        places = dict.fromkeys((key.project, key.remote) for key in keys.values())
        with _installed(source.where):
            remotes = {place: remote_at(source, commit, *place) for place in places}

        @contextmanager
        def opened(one: Held, offset: int) -> Iterator[Stream]:
            key = keys[one.key]
            with _opened(remotes[key.project, key.remote], key, one, offset) as stream:
                yield stream

        return opened


def parse_key(text: str, where: str) -> Key:
    """Parse a key that a link wrote down. Raises `Refused` (`revision-pinned`, `path-contained`)."""
    said = _KEY.fullmatch(text)
    options = dict(parse_qsl(said[3] or "")) if said else {}
    if said is None or options.keys() - {"remote", "project"}:
        raise Refused(
            "revision-pinned", f"not a key of DVC: {text[:80]!r}", where, "write the link again with `registry link`"
        )
    project = options.get("project", "")
    return Key(said[1], said[2], options.get("remote"), contained(project, "the DVC project", where) if project else "")


def _listed(source: Source, commit: str, key: Key, folder: Output) -> dict[str, str]:
    """MD5 of each file of a tracked folder, by its path in it: DVC's `.dir` object, verified."""
    where = f"{source.where}@{commit[:7]}:{folder.path}"
    with _installed(where):
        remote = remote_at(source, commit, key.project, key.remote)
    data = bytearray()
    with _opened(remote, key, Held(f"the list of {folder.path}", "", None, NAME), 0, ".dir") as stream:
        while block := stream.source.read(1 << 20):
            data += block
            if len(data) > LIST_LIMIT:
                raise RegistryError(f"the folder's list has more than {LIST_LIMIT} bytes", where, "track fewer files")
    try:
        listed = [(str(each["relpath"]), str(each["md5"])) for each in json.loads(bytes(data))]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RegistryError("the folder's list is none of DVC's", where, "push the folder again: `dvc push`") from None
    found = dict(listed)
    if len(found) < len(listed):
        raise Refused("digest-matches", "the folder's list names a file twice", where, "write it again: `dvc add`")
    return {contained(path, "a file of the folder", where): md5 for path, md5 in found.items() if _MD5.fullmatch(md5)}


@contextmanager
def _opened(remote: Remote, key: Key, one: Held, offset: int, suffix: str = "") -> Iterator[Stream]:
    where = f"DVC remote {remote.name!r}, {remote.url}"
    with ExitStack() as stack:
        with _told(one.path, key, where):  # not around what the caller does with the bytes
            path = remote.path(key.algorithm, key.md5 + suffix)
            stream, begun = stack.enter_context(remote.open(path, offset))
        yield Stream(_Reading(stream, one, key, where) if not begun else _Rest(stream, one, key, where), begun)


class _Rest:
    """The bytes from somewhere in the middle."""

    def __init__(self, stream: Any, one: Held, key: Key, where: str) -> None:
        self._stream, self._one, self._key, self._where = stream, one, key, where
        self._failure: RegistryError | None = None

    def read(self, size: int, /) -> bytes:
        """As many bytes as were asked for, fewer only at the end or before the stream breaks off."""
        parts, left = list[bytes](), size
        try:
            while left and (block := self._part(left)):
                parts.append(block)
                left -= len(block)
        except RegistryError as error:
            if not parts:
                raise
            self._failure = error  # what came is kept, so that the next try goes on behind it
        return b"".join(parts)

    def _part(self, size: int) -> bytes:
        if self._failure is not None:
            raise self._failure
        with _told(self._one.path, self._key, self._where):
            return bytes(self._stream.read(size))


class _Reading(_Rest):
    """The bytes from the beginning on, whose MD5 is held against the key at their end, as DVC computes it."""

    def __init__(self, stream: Any, one: Held, key: Key, where: str) -> None:
        from dvc_data.hashfile.hash import get_hash_stream

        super().__init__(stream, one, key, where)
        self._hashing = get_hash_stream(_Rest(stream, one, key, where), key.algorithm)
        self._length = 0

    def read(self, size: int, /) -> bytes:
        """As many bytes as were asked for. Raises `Refused` (`digest-matches`) at the end."""
        block = bytes(self._hashing.read(size))
        self._length += len(block)
        cut_off = self._one.size is not None and self._length < self._one.size
        if not block and not cut_off and self._hashing.hash_value != self._key.md5:
            raise Refused(
                "digest-matches",
                f"{self._one.path} has MD5 {self._hashing.hash_value}, the commit names {self._key.md5}",
                self._where,
                "do not use it: find out who changed it, or push the file again with `dvc push`",
            )
        return block


@contextmanager
def _told(path: str, key: Key, where: str) -> Iterator[None]:
    """Errors of the clients as what they mean: it is not there, may not be read, may pass, or none of these."""
    try:
        yield
    except RegistryError:
        raise
    except FileNotFoundError:
        raise NotFound(f"the remote does not have {path} (MD5 {key.md5})", where, "push it: `dvc push`") from None
    except PermissionError as error:
        raise RegistryError(
            f"the remote does not give {path}: {str(error)[:200]}", where, "check your credentials for it"
        ) from None
    except Exception as error:
        if not _from_client(error):
            raise
        said = f"{path} cannot be read: {type(error).__name__}: {str(error)[:200]}"
        if _may_pass(error):
            raise Transient(said, where, "try again later") from None
        raise RegistryError(said, where, "check the remote, and your credentials for it") from None


def _from_client(error: Exception) -> bool:
    return isinstance(error, OSError | asyncio.TimeoutError) or type(error).__module__.partition(".")[0] in {
        "aiobotocore", "aiohttp", "aiohttp_retry", "botocore", "dvc", "dvc_http", "dvc_objects", "dvc_s3", "fsspec",
        "s3fs",
    }  # fmt: skip


def _may_pass(error: Exception) -> bool:
    status = getattr(error, "status", None)
    if isinstance(status, int) and status:
        return status >= 500 or status in {408, 429}  # noqa: PLR2004 - HTTP's server errors, timeout, too many requests
    name = type(error).__name__
    if isinstance(error, OSError) and error.errno in {errno.EIO, errno.EBUSY, errno.EAGAIN}:
        return True  # what s3fs makes of S3's own server errors, and of being asked to slow down
    if name in {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ClientConnectorCertificateError"}:
        return False
    return isinstance(error, ConnectionError | TimeoutError | asyncio.TimeoutError) or name in {
        "ClientConnectorError", "ClientOSError", "ClientPayloadError", "ConnectionClosedError", "ConnectTimeoutError",
        "EndpointConnectionError", "FSTimeoutError", "IncompleteRead", "ReadTimeoutError", "ResponseStreamingError",
        "ServerDisconnectedError",
    }  # fmt: skip


@contextmanager
def _installed(where: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise RegistryError(
            f"the source tracks files with DVC, which is not installed here: {error}", where,
            "pip install 'git-model-registry[dvc]', for S3 'git-model-registry[dvc-s3]'",
        ) from None  # fmt: skip
