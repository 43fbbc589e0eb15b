"""`registry audit`: everything that was done to a registry, and what its stages held, from one clone and offline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from registry.api.gathering import Gathered, gather
from registry.api.project import open_project
from registry.holdings import Holding, holdings
from registry.moments import parse_moment
from registry.names import is_artifact
from registry.trail import Row, Selection

Where = str | PathLike[str]
When = str | int | None
"""A moment as a person types it (`registry.moments`), or seconds since 1970-01-01 UTC."""


@dataclass(frozen=True)
class Trail:
    """What was done to a registry."""

    where: str
    now: int
    """When it was read, in seconds since 1970-01-01 UTC."""
    rows: Sequence[Row]
    """Those asked for, oldest first."""
    remarks: Sequence[str] = ()
    """What could not be told, and why."""


@dataclass(frozen=True)
class Standing:
    """What was in every stage at one moment."""

    where: str
    moment: int
    held: Sequence[Holding]
    remarks: Sequence[str] = ()

    def json(self) -> dict[str, Any]:
        """As `--format json` prints it; times in seconds."""
        held = [each.json() for each in self.held]
        return {"registry": self.where, "at": self.moment, "holdings": held, "remarks": list(self.remarks)}


def audit(
    project: Where = ".",
    *,
    since: When = None,
    until: When = None,
    model: str | None = None,
    stage: str | None = None,
    actor: str | None = None,
) -> Trail:
    """Every event of a registry, or those asked for; `model`, `stage` and `actor` are patterns with `*` and `?`.

    Raises `RegistryError` for a moment that is none, `Refused` where policy, signers or ledger cannot be believed.
    """
    now = int(time.time())
    chosen = Selection(seconds(since, now), seconds(until, now, end=True), model, stage, actor)
    name = model if model is not None and is_artifact(model) else None
    found = gather(open_project(project), now, name)
    return Trail(found.project.where, now, chosen.chosen(found.rows), found.remarks)


def audit_at(
    moment: str | int, project: Where = ".", *, model: str | None = None, stage: str | None = None
) -> Standing:
    """What was in every stage at a moment, as far as it was accepted. Raises as `audit`."""
    now = int(time.time())
    place = seconds(moment, now)
    found = gather(open_project(project), now)
    held = standing(found, now if place is None else place)
    chosen = Selection(model=model, stage=stage).chosen(
        Row(None, "", each.name, each.version, each.stage, tag=str(number)) for number, each in enumerate(held)
    )
    kept = [held[int(row.tag or 0)] for row in chosen]
    return Standing(found.project.where, now if place is None else place, kept, found.remarks)


def standing(found: Gathered, moment: int) -> list[Holding]:
    """What was in every stage at a moment."""
    return holdings(found.events, moment, _marks(found, moment))


def _marks(found: Gathered, moment: int) -> dict[tuple[str, str], str]:
    """What the ledger says beside the stages: revoked versions, archived artifacts that nothing followed."""
    marks: dict[tuple[str, str], str] = {}
    for each in found.ledger:
        entry = each.entry
        if entry.time > moment or entry.name is None:
            continue
        if entry.kind == "revoke" and entry.version:
            marks[entry.name, entry.version] = "revoked"
        elif entry.kind == "archive":
            marks[entry.name, ""] = "archived"
        elif entry.kind in {"register", "assign", "rollback", "override"}:
            marks.pop((entry.name, ""), None)
    return marks


def seconds(when: When, now: int, *, end: bool = False) -> int | None:
    """A moment in seconds. Raises `RegistryError`."""
    return parse_moment(when, now, end=end) if isinstance(when, str) else when
