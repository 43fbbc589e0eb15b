"""Objects behind a URL, which a metafile names instead of a file: artifacts of MLEM's type `fsspec`.

Rules: the URL says where bytes are and nothing else (`registry.containment`); credentials, endpoints and options are
those of the user's environment, as each cloud's own tools read them, and fsspec's (`FSSPEC_S3_ENDPOINT_URL` and the
like). https is read by one streamed GET; so is s3, by a URL that s3fs signs here for an hour, since that is as fast as
the server is. gs and az are read through gcsfs and adlfs in bounded pieces. What has no size, neither in the metafile
nor at the server, is not linked: nothing could tell when it has sent enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from registry import offline
from registry.cache.transfer import Stream, Transient
from registry.containment import contained_url
from registry.errors import NotFound, Refused, RegistryError
from registry.git.source import Source
from registry.stores import URL, Held, Opening
from registry.stores.http import Get, get
from registry.stores.http import size as http_size

PIECE = 1 << 23
"""Bytes that one request asks for where there are many."""
_SIGNED_S = 3600
_WEB = ("https", "http")
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}


class Urls:
    """The store of URLs; a key is the URL itself."""

    def locate(self, source: Source, commit: str, paths: Sequence[str]) -> Mapping[str, Held]:  # noqa: ARG002 - the URL says it all
        """Those of the paths that are URLs. Nothing is asked yet."""
        return {path: Held(path, path, None, URL) for path in paths if "://" in path}

    def opening(self, source: Source, commit: str, held: Sequence[Held]) -> Opening:  # noqa: ARG002 - the same
        """Each object by itself; its package is looked for now."""
        for one in held:
            contained_url(one.key, "the link's key", source.where)
            scheme = urlsplit(one.key).scheme
            if scheme not in _WEB:
                _filesystem(scheme, one.key)
        return _opened

    def size(self, held: Held) -> int:
        """Bytes of an object as its server says. Raises `Refused` where it says nothing, `NotFound`, `Transient`."""
        contained_url(held.key, "the artifact's URL", "")
        scheme = urlsplit(held.key).scheme
        if scheme in _WEB:
            found = http_size(Get(held.key, held.key))
        else:
            offline.require("its size is not known", held.key)
            filesystem = _filesystem(scheme, held.key)
            with _explained(held.key):
                found = filesystem.info(_key(held.key))["size"]
        if found is None:
            raise Refused(
                "size-limit",
                "the server does not say how large it is",
                held.key,
                "save the model again so that its metafile names sizes, or serve it with a Content-Length",
            )
        return int(found)


@contextmanager
def _opened(held: Held, offset: int) -> Iterator[Stream]:
    scheme = urlsplit(held.key).scheme
    if scheme in _WEB:
        with get(Get(held.key, held.key), offset) as stream:
            yield stream
        return
    offline.require("it is not in the cache", held.key)
    filesystem = _filesystem(scheme, held.key)
    if scheme == "s3":
        with _explained(held.key):
            signed = filesystem.url(_key(held.key), expires=_SIGNED_S)
        with get(Get(signed, held.key, netrc=False), offset, plain=True, extra="s3") as stream:
            yield stream
    else:
        yield Stream(Pieces(filesystem, _key(held.key), held.key, offset), offset)


def _key(url: str) -> str:
    """Bucket and object."""
    return url.partition("://")[2]


def _filesystem(scheme: str, where: str) -> Any:
    """The filesystem of a scheme with the user's settings. Raises `RegistryError` with what installs it."""
    try:
        import fsspec

        found = fsspec.get_filesystem_class(scheme)
    except ImportError:
        raise RegistryError(
            f"the package {_PACKAGES[scheme]} is not installed", where, f"pip install 'git-model-registry[{scheme}]'"
        ) from None
    with _explained(where):
        return found(asynchronous=False, use_listings_cache=False, skip_instance_cache=True)


class Pieces:
    """An object of any filesystem, read in requests of a bounded size, with no cache of fsspec's."""

    def __init__(self, filesystem: Any, key: str, where: str, offset: int) -> None:
        self._filesystem, self._key, self._where, self._at = filesystem, key, where, offset
        self._size: int | None = None
        self._piece = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes. Raises `Transient`, `NotFound`, `RegistryError`."""
        if not self._piece:
            with _explained(self._where):
                if self._size is None:
                    self._size = int(self._filesystem.info(self._key)["size"])
                end = min(self._at + PIECE, self._size)
                found = self._filesystem.cat_file(self._key, start=self._at, end=end) if end > self._at else b""
            self._at += len(found)
            self._piece = memoryview(found)
        given, self._piece = self._piece[:size], self._piece[size:]
        return bytes(given)


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """What clouds' libraries raise, as errors of ours; what may pass as `Transient`."""
    try:
        yield
    except RegistryError:
        raise
    except FileNotFoundError:
        raise NotFound("there is no such object", where, "restore it, or link another revision") from None
    except PermissionError as error:
        raise RegistryError(f"not allowed: {_said(error)}", where, _RIGHTS) from None
    except (TimeoutError, ConnectionError, OSError) as error:
        raise Transient(f"no answer: {_said(error)}", where, "check the network and that the server is up") from None
    except Exception as error:  # noqa: BLE001 - each cloud's library has errors of its own
        kind = type(error).__name__
        passing = any(word in kind for word in ("Connect", "Timeout", "ServerDisconnected", "Throttl"))
        cause = Transient if passing else RegistryError
        raise cause(f"{kind}: {_said(error)}", where, _RIGHTS) from None


_RIGHTS = "check the credentials and settings for this cloud in your environment"


def _said(error: Exception) -> str:
    return " ".join(str(error).split()).partition("?")[0][:200] or type(error).__name__
