"""The remote of a DVC project, by its `.dvc/config` at a commit: data from outside, of which little is honoured.

Of a remote its `url`, and of S3 the `region`, `endpointurl` and `allow_anonymous_login`; everything else (keys,
passwords, profiles, paths of files, commands) is left aside. Credentials are the user's own, from where the clients
look for them (`AWS_…`, `~/.aws`, `~/.netrc`). DVC's settings of the user and of the system are not read: they go by a
remote's name, and names are the source's choice. A folder is a remote only of a source that is itself a folder of this
machine; plain `http` only goes to this machine. DVC's own class knows the layout of a remote
(`dvc.data_cloud.Remote`).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from registry import offline
from registry.errors import NotFound, Refused, RegistryError
from registry.git.objects import file_entry
from registry.git.source import Source
from registry.stores.dvc_outputs import LEGACY
from registry.urls import has_credentials, is_loopback, redacted

LIMIT = 1 << 16
"""Largest `.dvc/config` that is read, in bytes."""
BLOCK = 1 << 23
"""Bytes that S3 is asked for at once."""

_HONOURED = {"s3": ("region", "endpointurl", "allow_anonymous_login"), "http": (), "https": ()}
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_FIX = "correct it with `dvc remote`, commit, and link the new revision"


class Remote(NamedTuple):
    """Where DVC keeps the bytes of a project."""

    name: str
    url: str
    """For messages."""
    known: Any
    """DVC's own `Remote`."""

    def path(self, algorithm: str, md5: str) -> str:
        """Where the remote keeps the bytes with an MD5: the folders of DVC 3, or of DVC before it."""
        odb = self.known.legacy_odb if algorithm == LEGACY else self.known.odb
        return str(odb.oid_to_path(md5))

    @contextmanager
    def open(self, path: str, offset: int) -> Iterator[tuple[Any, int]]:
        """A stream of the bytes there, and the offset it really begins at. Raises what the client raises."""
        fs = self.known.fs
        if fs.protocol in {"http", "https"}:
            with _http(fs, path, offset) as opened:
                yield opened
            return
        options = {"block_size": BLOCK, "cache_type": "readahead"} if fs.protocol == "s3" else {}
        with fs.open(path, "rb", **options) as stream:
            if offset:
                stream.seek(offset)
            yield stream, offset


@contextmanager
def _http(fs: Any, path: str, offset: int) -> Iterator[tuple[Any, int]]:
    from aiohttp import ClientResponseError
    from fsspec.asyn import sync

    def start(first: int) -> Any:
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={first}-"} if first else {})
        return fs.open(path, "rb", block_size=0, size=1, headers=headers)

    fs = type(fs)(**fs.config)  # with a session of its own, which is closed with the stream
    try:
        try:
            stream = start(offset)
        except ClientResponseError as error:
            if not offset or error.status != 416:  # noqa: PLR2004 - not satisfiable: what is here is no beginning of it
                raise
            stream = start(0)
        with stream:
            for answer in (*stream.r.history, stream.r):
                require_encrypted(str(answer.url), path)
            ranged = stream.r.headers.get("Content-Range", "").startswith(f"bytes {offset}-")
            yield stream, offset if stream.r.status == 206 and ranged else 0  # noqa: PLR2004 - partial content
    finally:
        sync(fs.fs.loop, sync(fs.fs.loop, fs.fs.set_session).close)


def remote_at(source: Source, commit: str, project: str, name: str | None) -> Remote:
    """The remote of a DVC project at a commit that was brought: the one named, or its default one.

    Raises `Refused` (`source-url`, `secrets`) for one that may not be used, `NotFound`, `RegistryError`.
    """
    path = f"{project}/.dvc/config" if project else ".dvc/config"
    where = f"{source.where}@{commit[:7]}:{path}"
    entry = file_entry(source.entries(commit, [path]).get(path), path, where)
    source.bring_blobs([entry.oid])
    config = parse_config(source.read(entry.oid, LIMIT, where), where)
    name = (name or str(_section(config, "core").get("remote", ""))).lower()
    if not name:
        raise NotFound("the DVC project names no default remote", where, "set one: `dvc remote default NAME`, and push")
    said = _section(_section(config, "remote"), name)
    url = said.get("url")
    if not isinstance(url, str) or not url:
        raise NotFound(f"the DVC project has no remote {name[:80]!r} with a url", where, "commit it: `dvc remote add`")
    if _true(said.get("version_aware")) or _true(said.get("worktree")):
        raise RegistryError(
            f"remote {name!r} is cloud-versioned: it keeps no files by their MD5", where, "push to an ordinary remote"
        )
    base = os.path.join(source.address.text, project, ".dvc") if source.address.local else None
    return _connected(name, settings(url, said, base, where), where)


def parse_config(data: bytes, where: str) -> Mapping[str, Any]:
    """Parse `.dvc/config` with DVC's own reader, without its substitutions. Raises `RegistryError`."""
    from dvc.config import Config, ConfigError

    class Given:
        """As much of a file system as DVC's reader asks for."""

        def open(self, path: str) -> io.StringIO:  # noqa: ARG002 - there is one file
            return io.StringIO(text)

    try:
        text = data.decode("utf-8")
        if "%(" in text:
            raise RegistryError("the DVC configuration substitutes values: %(…)", where, "write the values out")
        return _section({"": Config.load_file(where, fs=Given())}, "")
    except (ConfigError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RegistryError(f"not a configuration of DVC: {str(error)[:200]}", where, _FIX) from None


def settings(url: str, said: Mapping[str, Any], base: str | None, where: str) -> dict[str, Any]:
    """What is honoured of a remote; a folder counts from `base`, and is refused (`source-url`) without one."""
    if len(url) > LIMIT or not url.isprintable():
        raise Refused("source-url", f"not a DVC remote: {url[:80]!r}", where, _FIX)
    if "://" not in url or url.lower().startswith("file://"):
        return {"url": _folder(url, base, where)}
    if has_credentials(url):
        raise Refused("secrets", "the DVC remote's url carries credentials", redacted(url), _FIX)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise Refused("source-url", "the DVC remote's url is none", where, _FIX) from None
    if parts.scheme not in _HONOURED:
        known = ", ".join(sorted(_HONOURED))
        raise RegistryError(
            f"DVC remotes of {parts.scheme[:20]}:// are not read; read are folders, {known}", where,
            "push the files to one of those too, and make it the default",
        )  # fmt: skip
    if parts.query or parts.fragment or "@" in parts.netloc or not host:
        raise Refused("source-url", f"not a DVC remote: {redacted(url)[:200]!r}", where, _FIX)
    taken = {key: said[key] for key in _HONOURED[parts.scheme] if key in said}
    if parts.scheme == "s3":
        _require_s3(parts.netloc, taken, where)
    else:
        require_encrypted(url, where)
    return {"url": url.rstrip("/"), **taken}


def require_encrypted(url: str, where: str) -> None:
    """Raise `Refused` (`source-url`) for anything but https, and http on this machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise Refused("source-url", f"plain http is only for this machine: {redacted(url)[:200]!r}", where, "use https")


def _require_s3(bucket: str, taken: Mapping[str, Any], where: str) -> None:
    region, endpoint = taken.get("region", "x"), taken.get("endpointurl")
    if not _BUCKET.fullmatch(bucket) or not _REGION.fullmatch(str(region)):
        raise Refused("source-url", f"not a bucket and region of S3: {bucket[:80]!r}, {region!r:.80}", where, _FIX)
    if endpoint is not None:
        if not isinstance(endpoint, str) or has_credentials(endpoint):
            raise Refused("secrets", "the DVC remote's endpointurl carries credentials", where, _FIX)
        require_encrypted(endpoint, where)


def _folder(url: str, base: str | None, where: str) -> str:
    if base is None:
        raise Refused(
            "source-url", f"the DVC remote is a folder of this machine, and its source is not: {url[:200]}", where,
            "push the files to a remote that others reach too, and make it the default",
        )  # fmt: skip
    path = url[len("file://") :] if "://" in url else os.path.expanduser(url)  # noqa: PTH111 - as DVC expands it
    return os.path.normpath(os.path.join(base, path))


def _connected(name: str, taken: Mapping[str, Any], where: str) -> Remote:
    from dvc.config import ConfigError
    from dvc.data_cloud import Remote as Known
    from dvc.fs import RemoteMissingDepsError, get_cloud_fs

    local = "://" not in taken["url"]
    if not local:
        offline.require(f"the bytes are in the DVC remote {name!r}", where)
    try:
        made, options, path = get_cloud_fs({}, **taken)
        return Remote(name, taken["url"], Known(name, path, made(**options)))
    except ConfigError as error:
        raise RegistryError(f"DVC remote {name!r}: {str(error)[:200]}", where, _FIX) from None
    except RemoteMissingDepsError as error:
        raise RegistryError(
            f"a client for the DVC remote {taken['url']} is missing: {str(error).splitlines()[0][:200]}", where,
            "pip install 'git-model-registry[dvc-s3]'",
        ) from None  # fmt: skip


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _true(value: object) -> bool:
    return str(value).lower() == "true"
