"""Reading over HTTP: one streamed GET from any offset, with what may pass told apart from what will not.

Rules: https, or plain http of this machine. A redirect of a download is followed at most five times, never from https
to anything else, and to another host without any credential; RFC 9110 for ranges and `Retry-After`. Proxies and
`REQUESTS_CA_BUNDLE` of the environment are used, and for a host that it names `~/.netrc`. Bodies are taken as they are
sent: no encoding is asked for, and none is undone. No server is waited for longer than `registry.timeouts` says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from registry import offline, timeouts
from registry.cache.transfer import Stream, Transient
from registry.errors import NotFound, Refused, RegistryError
from registry.stores.headway import Headway
from registry.urls import is_loopback, redacted

CONNECT_S = 15.0
"""Seconds until a connection stands, at most; what else is waited for, `registry.timeouts` says."""
_REDIRECTS = 5
_MOVED = {301, 302, 303, 307, 308}
PASSING = {408, 425, 429, 500, 502, 503, 504, 509}
"""Codes of answers that may be others later."""
_GIVEN = {200, 206}
_PARTIAL, _UNSATISFIED = 206, 416
_PIECE = 1 << 16
_SLOW_PIECE = 1 << 14
"""What must come in `timeouts.seconds` however slow a server is: else it is given up."""
_QUICK = 16
"""The part of the time for a piece within which the next may be larger."""
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class Get(NamedTuple):
    """What is asked for."""

    url: str
    where: str
    """What is shown in its place: a URL may carry a signature."""
    headers: Mapping[str, str] = {}
    """Sent to the URL's own host only."""
    netrc: bool = True
    """Whether the user's netrc may be asked for this host."""


class Session(NamedTuple):
    """A session of requests, and what ends its connections where they make no headway."""

    requests: Any
    headway: Headway


@contextmanager
def opened(extra: str, where: str) -> Iterator[Session]:
    """A session for a few requests. Raises as `library`."""
    requests = library(extra, where)
    with requests.Session() as session, Headway(timeouts.seconds()) as headway:
        headway.mount(session)
        yield Session(session, headway)


def library(extra: str, where: str) -> Any:
    """The package `requests`. Raises `RegistryError` with the line that installs it."""
    try:
        import requests
    except ImportError:
        raise RegistryError(
            "the package requests is not installed", where, f"pip install 'git-model-registry[{extra}]'"
        ) from None
    return requests


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port: what a credential belongs to."""
    parts = urlsplit(url)
    standard = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or standard


def require_safe(url: str, where: str, *, plain: bool = False) -> None:
    """Raise `Refused` (`source-url`) for anything but https, and http of this machine (`plain`: of any)."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    safe = host and (parts.scheme == "https" or (parts.scheme == "http" and (plain or is_loopback(host))))
    if not safe or parts.username is not None or not url.isprintable() or "\\" in url:
        shown = redacted(url).partition("?")[0][:200]
        raise Refused("source-url", f"not an https URL without credentials: {shown!r}", where, "use https")


@contextmanager
def get(asked: Get, offset: int = 0, *, plain: bool = False, extra: str = "http") -> Iterator[Stream]:
    """Open the body from a byte on; a server that does not know ranges gives it from the beginning.

    Raises `Transient` for what may pass, `NotFound`, `Refused`, `RegistryError`.
    """
    library(extra, asked.where)
    offline.require("it is not in the cache", asked.where)
    with opened(extra, asked.where) as session, ExitStack() as stack:
        response = stack.enter_context(_answer(session, asked, offset, plain=plain))
        if response.status_code == _UNSATISFIED and offset:
            if _whole(response) == offset:
                yield Stream(_Nothing(), offset)
                return
            response.close()
            response = stack.enter_context(_answer(session, asked, 0, plain=plain))
        if response.status_code not in _GIVEN:
            raise failure(response, asked.where)
        yield Stream(_Body(response, session.headway, asked.where), _begin(response, offset, asked.where))


def size(asked: Get, *, extra: str = "http") -> int | None:
    """How many bytes the body has, where the server says it. Raises as `get`."""
    library(extra, asked.where)
    offline.require("its size is not known", asked.where)
    with opened(extra, asked.where) as session, _answer(session, asked, 0, method="HEAD") as response:
        if response.status_code not in _GIVEN:
            raise failure(response, asked.where)
        said = response.headers.get("Content-Length", "")
        return int(said) if said.isascii() and said.isdigit() and not response.headers.get("Content-Encoding") else None


def post(asked: Get, value: object, *, extra: str = "http") -> None:
    """Send JSON, once: it is not tried again, and no redirect is followed. Raises as `get`."""
    library(extra, asked.where)
    offline.require("nothing can be changed there", asked.where)
    require_safe(asked.url, asked.where)
    credentials = {} if asked.netrc else {"auth": _no_credentials}
    options = {"json": value, "headers": dict(asked.headers), **credentials}
    with opened(extra, asked.where) as session, send(session, "POST", asked.url, asked.where, **options) as response:
        if response.status_code not in _GIVEN:
            raise failure(response, asked.where)


def send(session: Session, method: str, url: str, where: str, **options: Any) -> Any:
    """One request, its body not yet read and no redirect followed. Raises `Transient` where there is no answer."""
    import requests

    seconds = session.headway.seconds
    options |= {"stream": True, "allow_redirects": False, "timeout": (min(CONNECT_S, seconds), seconds)}
    try:
        with session.headway.expected():
            return session.requests.request(method, url, **options)
    except requests.exceptions.SSLError as error:
        raise RegistryError(f"the server's certificate is not trusted: {_short(error)}", where, _CERTIFICATE) from None
    except requests.exceptions.InvalidHeader:
        raise RegistryError("a header is malformed", where, "check the credentials for this host") from None
    except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
        said = f" in {seconds:g} s" if session.headway.ended else f": {_short(error)}"
        raise Transient(f"no answer{said}", where, "check the network and that the server is up") from None
    except (requests.exceptions.RequestException, ValueError) as error:
        raise RegistryError(f"the request failed: {_short(error)}", where, "check the URL") from None


_CERTIFICATE = "check the server's certificate; name your own authority with REQUESTS_CA_BUNDLE"


def failure(response: Any, where: str) -> RegistryError:
    """The error for an answer that is none of success: `Transient` where it may pass."""
    code = response.status_code
    said = f"the server answered {code} {response.reason or ''}".rstrip()
    if code in PASSING:
        return Transient(said, where, "try again later", after=_wait(response.headers.get("Retry-After", "")))
    if code in _MOVED:
        return RegistryError(f"{said}: this redirect is not followed", where, "use the final URL")
    if code in {404, 410}:
        return NotFound(said, where, "it is not there (or not for you): restore it, or link another revision")
    fixes = {
        401: "give credentials for this host: git's credential helpers for Git LFS, ~/.netrc for https URLs",
        403: "ask for the right to read it, and check which credentials are used for this host",
    }
    return RegistryError(said, where, fixes.get(code, "check the URL and the server"))


def _answer(session: Session, asked: Get, offset: int, *, method: str = "GET", plain: bool = False) -> Any:
    """The answer behind redirects."""
    url, own = asked.url, True
    for _ in range(_REDIRECTS + 1):
        require_safe(url, asked.where, plain=plain and own)
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        headers |= asked.headers if own else {}
        credentials = {} if own and asked.netrc else {"auth": _no_credentials}
        response = send(session, method, url, asked.where, headers=headers, **credentials)
        target = response.headers.get("Location")
        if response.status_code not in _MOVED or not target:
            return response
        response.close()
        before, url = url, urljoin(url, target)
        if before.startswith("https:") and not url.startswith("https:"):
            raise Refused("source-url", "a redirect leads away from https", asked.where, "use the final URL")
        own = own and origin(url) == origin(asked.url)
        session.requests.cookies.clear()
    raise RegistryError(f"more than {_REDIRECTS} redirects", asked.where, "use the final URL")


def _no_credentials(request: Any) -> Any:
    """Sends a request as it is: without this, requests would ask netrc."""
    return request


def _whole(response: Any) -> int | None:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(match[2]) if match and match[2] != "*" else None


def _begin(response: Any, offset: int, where: str) -> int:
    """Where the body begins."""
    if response.status_code != _PARTIAL:
        return 0
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not match or match[1] is None or int(match[1]) != offset:
        raise RegistryError("the server sent another range than was asked for", where, "try again, or tell its owner")
    return offset


def _wait(said: str) -> float:
    """Seconds that `Retry-After` asks for, a number or a date; no more than anything is waited for."""
    from email.utils import parsedate_to_datetime

    try:
        seconds = float(said) if said.strip().isdigit() else parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), timeouts.seconds())


def _short(error: BaseException) -> str:
    """The innermost reason of a nested error of requests, without addresses in memory."""
    while True:
        inner = getattr(error, "reason", None) or next((a for a in error.args if isinstance(a, BaseException)), None)
        if not isinstance(inner, BaseException) or inner is error:
            text = re.sub(r"<[^>]* at 0x[0-9a-f]+>:? ?|\bHTTPS?Connection\([^)]*\):? ?", "", str(error))
            return redacted(text).partition("?")[0][:200] or type(error).__name__
        error = inner


class _Body:
    """The bytes of an answer, in pieces that grow with what came: a connection that breaks off loses one at most.

    Each piece must come in time. Where that took long the next one is small, so that a slow line is no stalled one.
    """

    def __init__(self, response: Any, headway: Headway, where: str) -> None:
        self._raw, self._headway, self._where = response.raw, headway, where
        self._came = 0
        self._most = _SLOW_PIECE

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes. Raises `Transient` where the connection broke off or makes no headway."""
        import urllib3

        amount, begun = min(size, self._most, max(_PIECE, self._came // 4)), time.monotonic()
        try:
            with self._headway.expected():
                piece: bytes = self._raw.read(amount, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broken(f"the connection broke off: {_short(error)}") from None
        if self._headway.ended:  # without a length, that looks like the end
            raise self._broken("")
        quick = time.monotonic() - begun < self._headway.seconds / _QUICK
        self._most = self._most * 2 if quick else _SLOW_PIECE
        self._came += len(piece)
        return piece

    def _broken(self, what: str) -> Transient:
        if self._headway.ended:
            what = f"less than {_SLOW_PIECE} bytes came in {self._headway.seconds:g} s"
            return Transient(what, self._where, f"try again later, or give it longer with {timeouts.VARIABLE}")
        return Transient(what, self._where, "try again later")


class _Nothing:
    """What is left of a file that is here as a whole."""

    def read(self, size: int, /) -> bytes:  # noqa: ARG002 - there is none
        """No byte."""
        return b""
