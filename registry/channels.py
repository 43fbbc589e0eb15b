"""Where notices go: the entries of `notify` in `policy.yaml`. Pure.

    notify:
      - slack: SLACK_WEBHOOK_URL               # the NAME of an environment variable: such an address is a secret
        on: [assign, rollback, revoke]         # kinds of events; all without the key
        stages: [prod]                         # events that concern one of these stages; all without the key
        models: ["team/*"]                     # `*` is any part of one segment, `**` any number of segments
      - webhook: https://hooks.example.org/registry     # or the name of an environment variable that holds it
        secret: REGISTRY_WEBHOOK_SECRET
        name: warehouse                        # for `registry notify --test`; by default the first value
      - email: [ml@example.org]
        server: REGISTRY_SMTP_URL              # of smtp://user:password@host:587 or smtps://…:465
        from: registry@example.org

Rules: no secret stands in the file, and a message never repeats what stands where a name was expected. A kind of event
that is not known is an error, since a word that is misspelt would be silence. Names of channels differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from registry.document import Place
from registry.names import NAME as STAGE
from registry.names import is_artifact
from registry.notice import KINDS, TEST, Notice, plain

KEY: Final = "notify"
MOST: Final = 50
"""Channels, and recipients of one, that are believed."""
_KEYS: Final = {
    "slack": {"slack"},
    "webhook": {"webhook", "secret"},
    "email": {"email", "server", "from"},
}
"""Kinds of channels, and the keys of each beside those of all."""
_COMMON: Final = {"name", "on", "stages", "models"}
_VARIABLE: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@:/+-]{0,99}")
_PATTERN: Final = re.compile(r"[A-Za-z0-9*._/:=-]{1,200}")


@dataclass(frozen=True)
class Channel:
    """One place that is told of events."""

    name: str
    """What people call it."""
    kind: Literal["slack", "webhook", "email"]
    address: str
    """Of Slack the environment variable that holds the address, of a webhook that or a URL, of e-mail the sender."""
    credential: str = ""
    """The environment variable with the webhook's secret, or with the mail server's URL."""
    to: tuple[str, ...] = ()
    """Recipients of e-mail."""
    on: frozenset[str] = frozenset()
    """Kinds of events; empty for all."""
    stages: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()
    """Patterns of names; empty for all."""

    def wants(self, notice: Notice) -> bool:
        """Whether it is told of this event."""
        if notice.kind == TEST:
            return True
        concerned = {*notice.stages, *([notice.stage] if notice.stage else [])}
        return (
            (not self.on or notice.kind in self.on)
            and (not self.stages or not self.stages.isdisjoint(concerned))
            and (not self.models or any(named(pattern, notice.model) for pattern in self.models))
        )

    @property
    def label(self) -> str:
        """What stands in messages."""
        return f"{self.kind} channel {self.name!r}"


def parse_channels(place: Place | None) -> tuple[Channel, ...]:
    """Read the list, where there is one. Raises `RegistryError` that names file, line and entry."""
    if place is None:
        return ()
    if isinstance(place.value, str):
        place.fail("expected a list of channels")
    found = tuple(_channel(each) for each in place.elements())
    if len(found) > MOST:
        place.fail(f"{len(found)} channels, at most {MOST} are told")
    names = [channel.name for channel in found]
    for name in names:
        if names.count(name) > 1:
            place.fail(f"two channels are called {name!r}; tell them apart with `name`")
    return found


def named(pattern: str, model: str) -> bool:
    """Whether a model's name is one of a pattern."""
    wild = {"*": r"[^/:]*", "**": r".*"}
    parts = (wild.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*)", pattern))
    return re.fullmatch("".join(parts), model) is not None


def is_variable(text: str) -> bool:
    """Whether a text names an environment variable."""
    return _VARIABLE.fullmatch(text) is not None


def schema() -> dict[str, Any]:
    """JSON Schema of the list, for editors; `parse_channels` refuses more."""
    variable = {"type": "string", "pattern": f"^{_VARIABLE.pattern}$", "description": "An environment variable."}
    mailbox = {"type": "string", "pattern": f"^{_ADDRESS.pattern}$"}
    url = {"type": "string", "pattern": "^https?://[^@?#\\s]+$"}
    common = {
        "name": {"type": "string", "pattern": f"^{_NAME.pattern}$"},
        "on": {"type": "array", "minItems": 1, "items": {"enum": list(KINDS)}},
        "stages": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "models": {"type": "array", "minItems": 1, "items": {"type": "string"}},
    }
    kinds: tuple[dict[str, Any], ...] = (
        {"slack": variable},
        {"webhook": {"anyOf": [url, variable]}, "secret": variable},
        {"email": {"type": "array", "minItems": 1, "items": mailbox}, "server": variable, "from": mailbox},
    )
    entries = [
        {"type": "object", "properties": {**own, **common}, "required": list(own), "additionalProperties": False}
        for own in kinds
    ]
    return {"type": "array", "maxItems": MOST, "items": {"oneOf": entries}}


def _channel(place: Place) -> Channel:
    if not isinstance(place.value, Mapping):
        place.fail("expected a mapping such as {slack: SLACK_WEBHOOK_URL}")
    kinds = [kind for kind in _KEYS if kind in place.mapping()]
    if len(kinds) != 1:
        place.fail(f"a channel has one of the keys {', '.join(_KEYS)}, this one has {len(kinds)}")
    kind: Any = kinds[0]
    known = _COMMON | _KEYS[kind]
    for key in map(str, place.mapping()):
        if key not in known:
            said = repr(key) if re.fullmatch(r"[a-z_-]{1,30}", key) else "of another form"
            place.fail(f"unknown key {said}; a {kind} channel knows {', '.join(sorted(known))}", key)
        place.need(key)
    given = _TARGETS[kind](place)
    name = _name(place.find("name")) or given.pop("default")
    return Channel(name=name, kind=kind, **{k: v for k, v in given.items() if k != "default"}, **_filters(place))


def _slack(place: Place) -> dict[str, Any]:
    variable = _variable(place.need("slack"), "an address of Slack is a secret")
    return {"address": variable, "default": variable}


def _webhook(place: Place) -> dict[str, Any]:
    at = place.need("webhook")
    address = at.text()
    if not is_variable(address):
        _require_url(at, address)
    secret = _variable(place.need("secret"), "what signs the body is a secret")
    return {"address": address, "credential": secret, "default": address if is_variable(address) else _host(address)}


def _email(place: Place) -> dict[str, Any]:
    to = tuple(_mailbox(each) for each in place.need("email").elements())
    if not 1 <= len(to) <= MOST:
        place.fail(f"{len(to)} recipients; name 1 to {MOST}")
    server = _variable(place.need("server"), "the server's URL holds a password")
    return {"address": _mailbox(place.need("from")), "credential": server, "to": to, "default": to[0]}


_TARGETS: Final = {"slack": _slack, "webhook": _webhook, "email": _email}


def _filters(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (kinds := place.find("on")) is not None:
        found["on"] = frozenset(_one(each, KINDS) for each in _some(kinds))
    if (stages := place.find("stages")) is not None:
        found["stages"] = frozenset(_stage(each) for each in _some(stages))
    if (models := place.find("models")) is not None:
        found["models"] = tuple(_pattern(each) for each in _some(models))
    return found


def _some(place: Place) -> list[Place]:
    """An empty list would tell nothing or all, as one reads it: it has to be left out."""
    found = list(place.elements())
    if not found:
        place.fail("an empty list; leave the key out for all")
    return found


def _one(place: Place, known: Iterable[str]) -> str:
    text = place.text()
    if text not in known:
        place.fail(f"{plain(text, 40)!r} is none of {', '.join(known)}")
    return text


def _stage(place: Place) -> str:
    text = place.text()
    if not re.fullmatch(STAGE, text):
        place.fail(f"{plain(text, 40)!r} is no stage's name")
    return text


def _pattern(place: Place) -> str:
    text = place.text()
    if not _PATTERN.fullmatch(text) or "***" in text or not is_artifact(text.replace("*", "a")):
        place.fail(f"{plain(text, 40)!r} is no pattern of artifacts, such as team/*")
    return text


def _variable(place: Place, why: str) -> str:
    text = place.text()
    if not is_variable(text):
        place.fail(f"{why}: name the environment variable that holds it, in capitals")
    return text


def _mailbox(place: Place) -> str:
    text = place.text()
    if not _ADDRESS.fullmatch(text):
        place.fail(f"{plain(text, 80)!r} is no address such as ml@example.org")
    return text


def _name(place: Place | None) -> str:
    if place is None:
        return ""
    if not _NAME.fullmatch(place.text()):
        place.fail("a name is letters, digits, blanks and any of . _ @ : / + -")
    return place.text()


def _require_url(place: Place, text: str) -> None:
    host = _host(text)
    parts = urlsplit(text) if host else None
    if parts is None or parts.scheme not in {"https", "http"} or not text.isascii() or not text.isprintable():
        place.fail("neither an https URL nor the name of an environment variable")
    if parts.username is not None or parts.query or parts.fragment or "\\" in text or " " in text:
        place.fail("a URL here has no credentials, query or fragment: name an environment variable that holds it")


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return ""
    return host
