"""The audit line: who used what and why it was allowed, one for each model loaded or fetched, or refused.

Logger `registry.audit`, level INFO; the message is one JSON object, whose keys `docs/lockfile.md` lists, and the same
mapping is the record's attribute `registry`. It holds no credentials, and no failure in writing it fails a load.
Nothing is put together where the logger does not take INFO.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from functools import cache, wraps
from os import PathLike
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from registry.errors import Refused
from registry.offline import is_offline
from registry.urls import redacted

if TYPE_CHECKING:
    from registry.api.resolving import Resolved

LOGGER = logging.getLogger("registry.audit")
SCHEMA = 1

LOAD, FETCH, REFUSED = "load", "fetch", "refused"
"""The events."""

KEYS = (
    "schema", "time", "event", "reason", "message", "name", "project", "version", "stage", "rev", "tag", "tag_id",
    "commit", "link", "link_id", "source", "source_rev", "source_commit", "digests", "allowed", "offline", "user",
    "host", "pid",
)  # fmt: skip
"""Every line has all of these; what was not known when it was written is null."""

First = TypeVar("First")
Rest = ParamSpec("Rest")
Answer = TypeVar("Answer")


@contextmanager
def refusals(
    name: str, stage: str | None, version: str | None, rev: str | None, project: str | PathLike[str]
) -> Iterator[None]:
    """Write the line of what is refused in the block, before or after it was resolved."""
    try:
        yield
    except Refused as error:
        _write(REFUSED, error.resolved, _asked(name, stage, version, rev, project), error)
        raise


def audited(
    event: str | None = None,
) -> Callable[[Callable[Concatenate[First, Rest], Answer]], Callable[Concatenate[First, Rest], Answer]]:
    """Write a line when the function is done (none without `event`) or refuses; it takes a `Resolved` or `Fetched`."""

    def decorate(function: Callable[Concatenate[First, Rest], Answer]) -> Callable[Concatenate[First, Rest], Answer]:
        @wraps(function)
        def told(first: First, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Answer:
            resolved = getattr(first, "resolved", first)
            try:
                answer = function(first, *args, **kwargs)
            except Refused as error:
                _write(REFUSED, resolved, {}, error)
                raise
            if event is not None:
                _write(event, resolved, {}, None)
            return answer

        return told

    return decorate


def _write(event: str, resolved: Any, asked: dict[str, Any], error: Refused | None) -> None:
    with suppress(Exception):
        if not LOGGER.isEnabledFor(logging.INFO):
            return
        import json

        told = _line(event, resolved, asked, error)
        LOGGER.info("%s", json.dumps(told, ensure_ascii=True), extra={"registry": told})


def _line(event: str, resolved: Resolved | None, asked: dict[str, Any], error: Refused | None) -> dict[str, Any]:
    return {
        **dict.fromkeys(KEYS),
        "schema": SCHEMA,
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "event": event,
        "reason": error.reason if error else None,
        "message": error.what if error else None,
        **(asked if resolved is None else _found(resolved)),
        "offline": is_offline(),
        **_who(os.getpid()),
    }


def _asked(
    name: str, stage: str | None, version: str | None, rev: str | None, project: str | PathLike[str]
) -> dict[str, Any]:
    return {"name": name, "project": redacted(os.fspath(project)), "version": version, "stage": stage, "rev": rev}


def _found(resolved: Resolved) -> dict[str, Any]:
    return {
        "name": resolved.name,
        "project": resolved.project,
        "version": resolved.version,
        "stage": resolved.stage,
        "tag": resolved.tag,
        "tag_id": resolved.tag_oid,
        "commit": resolved.commit,
        "link": resolved.link_path,
        "link_id": resolved.link_blob,
        "source": str(resolved.source),
        "source_rev": resolved.link.rev,
        "source_commit": resolved.source_commit,
        "digests": {
            "metafile": resolved.metafile.sha256,
            **{f"artifacts.{name}": pin.sha256 for name, pin in resolved.artifacts.items()},
        },
        "allowed": {
            "stages": list(resolved.stages),
            "allowed_stages": os.environ.get("REGISTRY_ALLOWED_STAGES"),
            "locked": resolved.locked,
            "policy_version": resolved.policy.version,
        },
    }


@cache
def _who(pid: int) -> dict[str, Any]:
    """Who runs this process; read once in each, since a fork has another id."""
    import getpass
    import platform

    user = None
    with suppress(Exception):  # a user id without a name, as in many containers
        user = getpass.getuser()
    return {"user": user or str(getattr(os, "getuid", lambda: "")()), "host": platform.node(), "pid": pid}
