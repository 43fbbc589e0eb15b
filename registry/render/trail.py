"""The audit trail, and what the stages held, as sheets for every form of output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from registry.policytimes import moment
from registry.render.sheet import Cell, Sheet
from registry.trail import Row

if TYPE_CHECKING:
    from registry.holdings import Holding

FORMS = ("table", "json", "csv", "markdown", "html")
COLUMNS = (
    "time", "event", "model", "version", "stage", "actor", "principal", "signature", "approvals", "approved by",
    "evidence", "policy", "decision", "why", "reason", "exceptions", "tag", "tag id", "commit", "claimed time", "entry",
    "recorder",
)  # fmt: skip
SHORT = (
    "time", "event", "model", "version", "stage", "actor", "signature", "approved by", "policy", "decision",
    "exceptions",
)  # fmt: skip
"""Columns of the table for a terminal."""
HELD = ("model", "stage", "version", "commit", "since", "by", "tag", "marks")
_DIGITS = 12


def cells(row: Row) -> list[Cell]:
    """One cell for each of `COLUMNS`."""
    return [
        time_of(row.time),
        row.kind,
        row.name,
        row.version,
        row.stage,
        row.actor,
        row.principal,
        f"{row.signature}: {row.signature_reason}" if row.signature_reason else row.signature,
        " ".join(row.approvals),
        ", ".join(row.approvers),
        row.evidence,
        None if row.policy is None else str(row.policy),
        row.decision,
        row.why,
        row.reason,
        " ".join(row.exceptions),
        row.tag,
        row.tag_oid,
        row.commit,
        time_of(row.claimed),
        None if row.sequence is None else str(row.sequence),
        row.recorder,
    ]


def short(row: Row) -> list[Cell]:
    """One cell for each of `SHORT`."""
    return [
        time_of(row.time),
        row.kind,
        row.name,
        row.version if row.version is None or row.version.startswith("v") else row.version[:_DIGITS],
        row.stage,
        row.principal or row.actor,
        row.signature,
        ", ".join(row.approvers) or " ".join(each[:_DIGITS] for each in row.approvals),
        None if row.policy is None else str(row.policy),
        row.decision,
        " ".join(row.exceptions),
    ]


def trail_sheet(title: str, rows: Iterable[Row], lines: Sequence[str] = (), *, whole: bool = False) -> Sheet:
    """The trail; `whole` with every column."""
    told = [cells(row) if whole else short(row) for row in rows]
    return Sheet(title, COLUMNS if whole else SHORT, told, lines, "no such event")


def held_sheet(title: str, held: Iterable[Holding], lines: Sequence[str] = ()) -> Sheet:
    """What the stages hold."""
    rows = [
        [
            each.name,
            each.stage,
            each.version,
            each.commit,
            moment(each.since),
            each.actor,
            each.tag,
            ", ".join(each.marks),
        ]
        for each in held
    ]
    return Sheet(title, HELD, rows, lines, "no stage held anything")


@lru_cache(maxsize=1 << 12)
def time_of(seconds: int | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    return None if seconds is None else moment(seconds)
