"""The compliance report as sheets for every form of output."""

from __future__ import annotations

from collections.abc import Iterator

from registry.compliance import Compliance
from registry.policytimes import duration, moment
from registry.render.sheet import Cell, Sheet
from registry.render.trail import time_of
from registry.trail import EXCEPTIONS, Row

_WORDS = {"card": "model card", "lineage": "birth certificate", "evaluation": "evaluation of these bytes"}
_COLUMNS = ("time", "event", "model", "version", "stage", "by", "what", "why", "tag or commit")


def title(found: Compliance) -> str:
    """The report's heading."""
    return f"Compliance report of {found.where}"


def sheets(found: Compliance) -> Iterator[Sheet]:
    """All parts, the gravest first."""
    yield Sheet("", (), (), [f"From {moment(found.since)} until {moment(found.until)}. {_summary(found)}"])
    yield Sheet("Exceptions", _COLUMNS, [_odd(row) for row in found.exceptions])
    yield Sheet("Attempts that nobody accepted", _COLUMNS, [_odd(row) for row in found.attempts])
    changes = [
        [time_of(row.time), row.kind, row.name, row.version, row.stage, row.principal or row.actor, row.reason]
        for row in found.changes
    ]
    yield Sheet("Changes", ("time", "event", "model", "version", "stage", "by", "reason"), changes)
    actors: list[list[Cell]] = [
        [who, str(sum(each.values())), ", ".join(f"{kind} {count}" for kind, count in each.items())]
        for who, each in found.actors.items()
    ]
    yield Sheet("Who", ("who", "changes", "of which"), actors)
    stale: list[list[Cell]] = [[each.name, moment(each.last), str(each.days)] for each in found.stale]
    yield Sheet(f"Models without a change for {duration(found.stale_s)}", ("model", "last change", "days"), stale)
    lines = [f"{_WORDS[part]}: {have} of {all_}" for part, (have, all_) in found.coverage().items()]
    rows: list[list[Cell]] = [
        [each.name, each.version, ", ".join(each.stages), *(_yes(getattr(each, part)) for part in _WORDS)]
        for each in found.covered
    ]
    columns = ("model", "version", "stages", "card", "certificate", "evaluation")
    yield Sheet("What the stages hold", columns, rows, lines, "no stage holds anything")
    if found.remarks:
        yield Sheet("Not told", (), (), found.remarks)


def _summary(found: Compliance) -> str:
    parts = {
        "changes": found.changes,
        "exceptions": found.exceptions,
        "attempts that nobody accepted": found.attempts,
        "stale models": found.stale,
    }
    return ", ".join(f"{words}: {len(each)}" for words, each in parts.items()).capitalize() + "."


def _odd(row: Row) -> list[Cell]:
    said = "; ".join(f"{each}: {EXCEPTIONS[each]}" for each in row.exceptions)
    why = "; ".join(each for each in (row.why, row.signature_reason, row.reason) if each)
    who = row.principal or row.actor
    return [time_of(row.time), row.kind, row.name, row.version, row.stage, who, said, why, row.tag or row.commit]


def _yes(value: bool) -> str:
    return "yes" if value else "no"
