"""`notify`: tell the channels of the default branch's policy what happened."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from os import PathLike

from registry.api.deltas import metrics_between
from registry.api.governing import current_policy
from registry.api.project import Project, open_project
from registry.channels import Channel
from registry.errors import NotFound
from registry.notice import TEST, Notice
from registry.notifying.events import Metrics, address_of, of_tags
from registry.notifying.events import since as happened
from registry.notifying.sending import Delivery, preview, send
from registry.policy import PATH


def notify(
    project: str | PathLike[str] = ".",
    *,
    tags: Iterable[str] = (),
    since: str | None = None,
    notices: Iterable[Notice] = (),
    test: str | None = None,
    dry_run: bool = False,
    metrics: Metrics | None = None,
    environ: Mapping[str, str] | None = None,
) -> list[Delivery]:
    """Tell what tags did, what happened `since`, or the `notices` given; with `test` only try the channel of that name.

    What could not be sent is a `Delivery` with its reason, no error: an event never fails because of a message. Raises
    `NotFound` for a tag, time or channel that is not there, and `Refused` (`policy-valid`). `metrics` gives those of a
    version and of the one before, by default from reports and birth certificates; secrets are read from `environ`, by
    default the process's.
    """
    opened = open_project(project)
    opened.refresh_head()
    channels = current_policy(opened).notify
    if test is not None:
        channels, told = _named(test, channels, opened), [_trial(opened)]
    elif not channels:
        return []
    else:
        ask = metrics or (lambda *asked: metrics_between(opened, *asked))
        told = [*of_tags(tags, opened, ask), *(happened(since, opened, ask) if since is not None else [])]
        told = [*{each.id: each for each in [*told, *notices]}.values()]
    return preview(told, channels) if dry_run else send(told, channels, environ)


def _named(name: str, channels: tuple[Channel, ...], project: Project) -> tuple[Channel, ...]:
    found = tuple(channel for channel in channels if channel.name == name)
    if not found:
        names = ", ".join(channel.name for channel in channels) or "none"
        raise NotFound(f"no channel {name[:100]!r}; there are: {names}", f"{project.where}: {PATH}", "name one of them")
    return found


def _trial(project: Project) -> Notice:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Notice(id=f"test-{secrets.token_hex(8)}", kind=TEST, model="", time=now, project=address_of(project))
