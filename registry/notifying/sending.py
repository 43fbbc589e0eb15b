"""Sending notices to channels, side by side; what became of each is a value, never an exception."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, Final, Literal

from registry.cache.transfer import Transient
from registry.channels import Channel
from registry.errors import RegistryError
from registry.notice import Notice
from registry.notifying.secrets import variable

SENT: Final = "sent"
FAILED: Final = "failed"
DRY: Final = "dry-run"
_WORKERS: Final = 8

Speaker = Callable[[Notice], None]
"""Says one thing to one channel. Raises `RegistryError`."""


@dataclass(frozen=True)
class Delivery:
    """What became of one notice on one channel."""

    channel: str
    """Its name in the policy."""
    notice: Notice
    state: Literal["sent", "failed", "dry-run"]
    what: str = ""
    """Why it failed."""
    fix: str = ""
    message: Any = None
    """What would be sent, of a dry run."""

    def json(self) -> dict[str, Any]:
        """The same for programs."""
        found = {"channel": self.channel, "id": self.notice.id, "event": self.notice.kind, "state": self.state}
        told = {"what": self.what, "fix": self.fix, "message": self.message}
        return {**found, **{key: value for key, value in told.items() if value}}


def send(
    notices: Sequence[Notice], channels: Sequence[Channel], environ: Mapping[str, str] | None = None
) -> list[Delivery]:
    """Send each channel what it wants to know, in order; a channel that cannot be reached is not tried again."""
    wanted = _wanted(notices, channels)
    if not wanted:
        return []
    with ThreadPoolExecutor(min(len(wanted), _WORKERS)) as pool:
        given = os.environ if environ is None else environ
        jobs = [pool.submit(copy_context().run, _deliver, each, told, given) for each, told in wanted]
        return [delivery for job in jobs for delivery in job.result()]


def preview(notices: Sequence[Notice], channels: Sequence[Channel]) -> list[Delivery]:
    """What `send` would say, without the environment and the network."""
    return [
        Delivery(channel.name, notice, DRY, message=_shown(channel, notice))
        for channel, told in _wanted(notices, channels)
        for notice in told
    ]


def _wanted(notices: Sequence[Notice], channels: Sequence[Channel]) -> list[tuple[Channel, list[Notice]]]:
    found = [(channel, [each for each in notices if channel.wants(each)]) for channel in channels]
    return [(channel, told) for channel, told in found if told]


def _shown(channel: Channel, notice: Notice) -> Any:
    if channel.kind == "slack":
        from registry.notifying.slack import payload

        return payload(notice)
    if channel.kind == "webhook":
        return notice.body()
    from registry.notifying.mail import message

    return message(notice, channel).as_string()


def _deliver(channel: Channel, notices: Sequence[Notice], environ: Mapping[str, str]) -> list[Delivery]:
    found: list[Delivery] = []
    given_up: RegistryError | None = None
    for notice in notices:
        failed = given_up or _failure(channel, notice, environ)
        if failed is None:
            found.append(Delivery(channel.name, notice, SENT))
            continue
        given_up = failed if isinstance(failed, Transient) else None
        what = f"{failed.what} ({failed.where})" if failed.where else failed.what
        found.append(Delivery(channel.name, notice, FAILED, what, failed.fix))
    return found


def _failure(channel: Channel, notice: Notice, environ: Mapping[str, str]) -> RegistryError | None:
    """Say one thing; why that failed."""
    try:
        _speaker(channel, environ)(notice)
    except RegistryError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a message must not fail a promotion; its text may hold a secret
        name = type(error).__name__
    else:
        return None
    return RegistryError(f"a bug: {name}", channel.label, "report it; the event itself is recorded")


def _speaker(channel: Channel, environ: Mapping[str, str]) -> Speaker:
    """How to speak to a channel. Raises `RegistryError` where the environment lacks something."""
    where = channel.label
    if channel.kind == "email":
        from registry.notifying import mail

        server = mail.server(variable(environ, channel.credential, where), channel)
        return lambda notice: mail.deliver(notice, channel, server)
    from registry.channels import is_variable
    from registry.notifying import slack, webhook
    from registry.notifying.posting import post

    named = is_variable(channel.address)
    address = variable(environ, channel.address, where) if named else channel.address
    if channel.kind == "slack":
        slacks = slack.target(channel, address)
        return lambda notice: post(slacks, lambda: slack.body(notice))
    secret = variable(environ, channel.credential, where)
    target = webhook.target(channel, address, secret)
    return lambda notice: post(target, lambda: webhook.body(notice, secret))
