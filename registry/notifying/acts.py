"""What commands tell by themselves: requests, approvals and refusals, which no tag of a version or a stage records.

Rules: a command tells only channels whose `on` names the kind, since it may run where no secret is; one without `on`
hears of these from `registry notify` and `registry.notify(notices=…)`. An approval and a request are told once their
tag is pushed. `REGISTRY_NOTIFY=off` silences commands: a workflow gives the secrets to another step, which hands over
what `--json` printed of a refusal (`registry notify --refused FILE`). What somebody wrote is data, as everywhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from os import PathLike
from pathlib import Path
from typing import Any, Final

from registry.api.approving import Approved
from registry.api.deltas import metrics_between
from registry.api.governing import current_policy
from registry.api.project import Project, open_project
from registry.errors import RegistryError
from registry.names import is_artifact
from registry.notice import Notice, identified
from registry.notifying.events import address_of, links, measured
from registry.notifying.sending import Delivery, send

VARIABLE: Final = "REGISTRY_NOTIFY"
REFUSED: Final = "refused"
KINDS: Final = frozenset({"request", "approve", REFUSED})
LIMIT: Final = 1 << 20
"""Largest file of refusals that is read, in bytes."""


def tell(project: str | PathLike[str], make: Callable[[Project], Sequence[Notice]]) -> list[Delivery]:
    """Send what `make` says to the channels that ask for it by name; `make` is asked only where there are any.

    Raises `RegistryError` where the policy or the registry cannot be read.
    """
    if os.environ.get(VARIABLE, "").strip().lower() == "off":
        return []
    opened = open_project(project)
    channels = [each for each in current_policy(opened).notify if each.on & KINDS]
    return send(make(opened), channels) if channels else []


def of_approval(done: Approved, project: Project) -> Notice:
    """An approval or a request that was made."""
    event, said = done.note.event, done.note.said
    version = event.version or said.evidence.version
    reasons = [f"Confirms: {', '.join(said.confirms)}"] if said.confirms else []
    reasons += [f"Reference: {said.reference}"] if said.reference else []
    address = address_of(project)
    return Notice(
        id=event.oid,
        kind="approve" if done.note.said.kind == "approval" else "request",
        model=event.artifact,
        time=datetime.fromtimestamp(event.time, timezone.utc).isoformat(),
        project=address,
        version=version,
        stage=event.stage,
        stages=(event.stage,) if event.stage else (),
        previous=done.holder,
        holds=done.holder,
        actor=event.tagger,
        actor_email=event.email,
        principal=done.principal if done.note.said.kind == "approval" else None,
        tag=event.ref,
        commit=event.commit,
        message=said.text,
        metrics=measured(lambda *asked: metrics_between(project, *asked), event.artifact, version, done.holder),
        links=links(address, event.commit, None),
        reasons=tuple(reasons),
    )


def of_refusal(told: Mapping[str, Any], project: Project) -> list[Notice]:
    """One notice for each act that was refused; `told` is what `--json` prints. Raises `RegistryError`."""
    acts = _acts(told)
    now, address = datetime.now(timezone.utc).isoformat(timespec="seconds"), address_of(project)
    return [
        identified(
            Notice(
                id=REFUSED,
                kind=REFUSED,
                model=name,
                time=now,
                project=address,
                version=version or None,
                stage=stage or None,
                stages=(stage,) if stage else (),
                actor=", ".join(by),
                message=act,
                reasons=tuple(reasons),
                links=links(address, "", None),
            )
        )
        for (name, act, version, stage, *by), reasons in acts.items()
    ]


def _acts(told: Mapping[str, Any]) -> dict[tuple[str, ...], list[str]]:
    """Reasons by artifact, act, version, stage and whose act it was. Raises `RegistryError`."""
    found: dict[tuple[str, ...], list[str]] = {}
    with suppress(KeyError, TypeError):
        for each in told["reasons"]:
            key = (each["artifact"], each["act"], each["version"] or "", each["stage"] or "", *each["by"])
            found.setdefault(key, []).append(f"{each['id']}: {each['message']}")
    texts = all(isinstance(word, str) for key in found for word in key)
    if not found or not texts or not all(is_artifact(key[0]) for key in found):
        raise RegistryError("this is no refusal", fix="hand over what a command printed with --json")
    return found


def read_refusals(path: str, project: Project) -> list[Notice]:
    """What a file says was refused; none where it is not there or tells of no refusal. Raises `RegistryError`."""
    try:
        data = Path(path).read_bytes()
        said = json.loads(data) if len(data) <= LIMIT else None
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError) as error:
        raise RegistryError(f"{path} cannot be read: {type(error).__name__}") from None
    found = said if isinstance(said, list) else [said]
    return [
        notice for each in found if isinstance(each, dict) and REFUSED in each for notice in of_refusal(each, project)
    ]
