"""What a channel needs from the environment, and keeping it out of all that is printed.

Rules: no error repeats the value of a variable. A log line of the HTTP library names the path that it asked for, which
in Slack's case is the secret: while something is sent those lines are rewritten.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote, unquote, urlsplit

from registry.cache.transfer import Transient
from registry.errors import RegistryError

HIDDEN = "***"
_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "requests.sessions")
_LEAST = 6
"""Characters of a part of an address that may be a secret by itself."""


def variable(environ: Mapping[str, str], name: str, where: str) -> str:
    """The value of an environment variable. Raises `RegistryError` where there is none, or one of several lines."""
    value = environ.get(name, "").strip()
    if not value:
        raise RegistryError(
            f"the environment variable {name} is not set", where, f"set {name}; in a workflow from a secret"
        )
    if not value.isprintable():
        raise RegistryError(f"the environment variable {name} holds a control character", where, f"set {name} again")
    return value


def of_url(url: str) -> list[str]:
    """The parts of an address that may be secrets."""
    try:
        parts = urlsplit(url)
        found = [url, parts.path, parts.query, parts.username or "", parts.password or ""]
    except ValueError:
        found = [url]
    return [*found, *re.split(r"[/?&=#]", url.partition("://")[2].partition("/")[2])]


def again(error: RegistryError, what: str, where: str, fix: str) -> RegistryError:
    """A new error for one that a library's was the reason of; `Transient` still where that one was."""
    return (Transient if isinstance(error, Transient) else RegistryError)(what, where, fix)


def hidden(text: str, secrets: Iterable[str]) -> str:
    """The text without secrets, as they are and as a URL writes them."""
    forms = {form for secret in secrets for form in (secret, quote(secret), quote(secret, safe=""), unquote(secret))}
    for form in sorted(forms, key=len, reverse=True):
        if len(form) >= _LEAST:
            text = text.replace(form, HIDDEN)
    return text


class _Hiding(logging.Filter):
    """Rewrites records that hold a secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        clean = hidden(text, self._secrets)
        if clean != text:
            record.msg, record.args = clean, ()
        record.exc_info = record.exc_text = None
        return True


@contextmanager
def unlogged(secrets: Iterable[str]) -> Iterator[None]:
    """Keep secrets out of what the HTTP library logs in the block."""
    hiding = _Hiding(secrets)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(hiding)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hiding)
