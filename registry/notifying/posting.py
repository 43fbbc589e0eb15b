"""One POST of JSON that says something once: tried again where that may help, never sent on to another address.

Rules: https, or plain http of this machine; a redirect is an error, since a body and its signature are for one address;
`Retry-After` is obeyed as far as `registry.timeouts` allows; no credentials of netrc are sent. Of the answer only the
code is told, and words of a list: all else is the server's text, which may repeat what it was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from registry import offline
from registry.cache.transfer import Transient, retrying
from registry.errors import RegistryError
from registry.notifying.secrets import again, hidden, of_url, unlogged
from registry.stores.http import failure, library, opened, require_safe, send

EXTRA: Final = "http"
_SAID: Final = 256
"""Bytes of an answer that are looked at."""
_DONE: Final = range(200, 300)
_MOVED: Final = range(300, 400)


class Body(NamedTuple):
    """What is sent in one try."""

    data: bytes
    headers: Mapping[str, str]


class Target(NamedTuple):
    """Where to."""

    url: str
    where: str
    """What messages say instead."""
    setting: str
    """What to correct where the address is wrong."""
    secrets: tuple[str, ...] = ()
    words: Collection[str] = ()
    """What the server may say and we repeat."""


def post(target: Target, made: Callable[[], Body]) -> None:
    """Send what `made` gives, made anew for each try. Raises `RegistryError`."""
    if not _safe(target.url):
        raise RegistryError("the address is no https URL without credentials", target.where, target.setting)
    library(EXTRA, target.where)
    offline.require("nothing can be sent", target.where)
    secrets = (*of_url(target.url), *target.secrets)
    failed: RegistryError | None = None
    with unlogged(secrets):
        try:
            retrying(lambda: _once(target, made()), lambda: 0)
        except RegistryError as error:
            failed = error
    if failed is not None:  # outside of the handler: no traceback leads to what a library raised
        raise again(failed, hidden(failed.what, secrets), target.where, hidden(failed.fix, secrets))


def _once(target: Target, body: Body) -> None:
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", **body.headers}
    with (
        opened(EXTRA, target.where) as session,
        send(session, "POST", target.url, target.where, data=body.data, headers=headers, auth=_as_it_is) as answer,
    ):
        if session.headway.ended:  # cut off in its headers, an answer looks like a whole one
            raise Transient(f"no answer in {session.headway.seconds:g} s", target.where, "send it again later")
        if answer.status_code in _DONE:
            return
        raise _refusal(answer, session, target)


def _refusal(answer: Any, session: Any, target: Target) -> RegistryError:
    code = answer.status_code
    found = failure(answer, target.where)
    if isinstance(found, Transient):
        return Transient(f"the server answered {code}", target.where, "send it again later", after=found.after)
    if code in _MOVED:
        return RegistryError(f"the server answered {code}: a redirect is not followed", target.where, target.setting)
    word = _word(answer, session, target.words)
    return RegistryError(f"the server answered {code}{f' ({word})' if word else ''}", target.where, target.setting)


def _word(answer: Any, session: Any, words: Collection[str]) -> str:
    """What the server said, where that is a word of the list."""
    if not words:
        return ""
    try:
        with session.headway.expected():
            said = answer.raw.read(_SAID, decode_content=False).decode("ascii", "replace").strip()
    except Exception:  # noqa: BLE001 - whatever it is: the code says enough
        return ""
    return said if said in words else ""


def _safe(url: str) -> bool:
    try:
        require_safe(url, "")
    except RegistryError:
        return False
    return True


def _as_it_is(request: Any) -> Any:
    """Sends a request without credentials: else requests would ask netrc."""
    return request
