"""What a repository's address may be. Pure but for one question: whether a path exists.

Accepted: a path, `file://`, `https://`, `ssh://`, `user@host:path` (git-clone(1)), and `http://` for a loopback host or
where whoever asks says that this very URL may be read so (of a source: where the policy names it).
Anything else git would understand (`ext::`, `fd::`, `git://`, an option) is refused before git sees it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import NamedTuple

from registry.errors import NotFound, Refused

LONGEST = 2048
TRACKED = "mlflow+"
"""What stands before the https URL of an MLflow tracking server, which only a source may be."""

_HOST = r"[A-Za-z0-9_\[:][A-Za-z0-9_.:\-\]]*"
_SCP = r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.\-]*)@)?(?P<host>[A-Za-z0-9_\[][A-Za-z0-9_.\-:\]]*?):(?P<path>[^:].*)"
_CONTROL = r"[\x00-\x1f\x7f]"
_HELPER = r"[A-Za-z0-9][A-Za-z0-9+.\-]*::"
_FIX = "use https://…, ssh://…, user@host:path, or a path"
_TRACKING = "use mlflow+https://host"
_PLAIN = "use https; of a source, policy.yaml may name an http:// pattern among its trusted_sources"


class Address(NamedTuple):
    """Where a repository is."""

    text: str
    """The URL, or the absolute path."""
    local: bool
    """Whether it is a folder of this machine, read in place."""

    @property
    def tracked(self) -> bool:
        """Whether it is a tracking server of MLflow instead of a repository."""
        return is_tracked(self.text)

    def __str__(self) -> str:
        return redacted(self.text)


def is_tracked(url: str) -> bool:
    """Whether an address means a tracking server of MLflow: `mlflow+https://…`."""
    return url.lower().startswith(TRACKED) and "://" in url


def redacted(url: str) -> str:
    """The URL without a password or token, for messages."""
    return re.sub(r"(?<=://)[^/]*@", "***@", url)


def has_credentials(url: str) -> bool:
    """Whether a URL carries a secret: anything before the host of an http(s) URL, a password in one of ssh."""
    scheme, mark, rest = url.partition("://")
    before, at, _ = rest.partition("/")[0].rpartition("@")
    return bool(mark and at) and (scheme.lower().removeprefix(TRACKED) in {"http", "https"} or ":" in before)


def without_credentials(url: str) -> str:
    """The URL as it may be written down: no user of an http(s) URL, no password of another; else the same."""
    if not has_credentials(url):
        return url
    scheme, mark, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    before, _, host = authority.rpartition("@")
    user = "" if scheme.lower().removeprefix(TRACKED) in {"http", "https"} else f"{before.partition(':')[0]}@"
    return f"{scheme}{mark}{user}{host}{slash}{path}"


def file_url(path: str) -> str:
    """The `file://` URL of an absolute path."""
    from urllib.parse import quote

    return f"file://{quote(os.fsencode(path))}"


def parse_source(text: str, base: str = "", plain: Callable[[str], bool] | None = None) -> Address:
    """The same of a source, which may also be a tracking server of MLflow: over https, or http of this machine."""
    if not is_tracked(text):
        return parse(text, base, plain)
    url = text[len(TRACKED) :]
    if url.partition("://")[0].lower() not in {"https", "http"} or re.search(r"[?#]", url):
        raise Refused("source-url", f"not the URL of a tracking server: {redacted(text)[:80]!r}", fix=_TRACKING)
    return Address(f"{TRACKED}{parse(url).text}", local=False)


def parse(text: str, base: str = "", plain: Callable[[str], bool] | None = None) -> Address:
    """Parse an address; a relative path counts from `base` (this folder by default).

    `plain` says whether a URL of another machine may be asked over plain http; none may without it. Raises `Refused`
    (`source-url`) for what may not be used, `NotFound` for a path that does not exist.
    """
    if not text or len(text) > LONGEST or text.startswith("-") or re.search(_CONTROL, text):
        raise Refused("source-url", f"not a repository address: {redacted(text)[:80]!r}", fix=_FIX)
    if re.match(_HELPER, text):
        raise Refused("source-url", f"git's transport helpers are not used: {redacted(text)[:80]!r}", fix=_FIX)
    if "://" in text:
        return _parse_url(text, plain)
    path = os.path.join(base, text) if base else text
    if os.path.exists(path):
        return Address(os.path.realpath(path), local=True)
    scp = re.fullmatch(_SCP, text)
    if scp and "/" not in scp["host"] and not scp["path"].startswith("-"):
        return Address(text, local=False)
    raise NotFound(f"no such folder: {text!r}", fix="name a git repository: a path or a URL")


def _parse_url(text: str, plain: Callable[[str], bool] | None) -> Address:
    from urllib.parse import unquote_to_bytes, urlsplit

    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:  # what it could not split may be a password, so neither the text nor the reason is shown
        raise Refused("source-url", f"not a URL: '{text.partition('://')[0]}://…'", fix=_FIX) from None
    scheme = parts.scheme.lower()
    if scheme == "file":
        if host not in {"", "localhost"}:
            raise Refused("source-url", f"file URL of another host: {redacted(text)!r}", fix=_FIX)
        path = os.fsdecode(unquote_to_bytes(parts.path))
        if "\0" in path or not os.path.exists(path):
            raise NotFound(f"no such folder: {path!r}", fix="name a git repository: a path or a URL")
        return Address(os.path.realpath(path), local=True)
    if scheme not in {"https", "http", "ssh"}:
        raise Refused("source-url", f"scheme {scheme!r} is not used: {redacted(text)!r}", fix=_FIX)
    odd = "\\" in parts.netloc or parts.netloc.count("@") > 1
    odd = odd or parts.path.startswith("/-") or (parts.username or "").startswith("-")
    if odd or not re.fullmatch(_HOST, host):
        raise Refused("source-url", f"not a URL: {redacted(text)!r}", fix=_FIX)
    if scheme == "http" and not is_loopback(host) and (plain is None or not plain(text)):
        raise Refused("source-url", f"plain http is only for this machine: {redacted(text)!r}", fix=_PLAIN)
    return Address(text.rstrip("/"), local=False)


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine."""
    if host.lower() in {"localhost", "127.0.0.1", "::1"}:
        return True
    from ipaddress import ip_address

    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
