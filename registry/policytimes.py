"""Times in a policy: moments, durations, and windows in which nothing is promoted. Pure; all of it is UTC.

A moment is `2026-03-01T00:00:00Z` (RFC 3339, section 5.6, without fractions and other zones), a duration `90m`, `12h`,
`7d` or `2w`. A window is between two moments, or comes back every week: on some days, from one time of day until
another, and where the second is not after the first until that time of the next day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from registry.shape import Key, Listed, OneOf, Record, Text
from registry.shapechoice import ByKey

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds of each unit of a duration."""
_DAY_S = 86_400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - written with Z
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_MOMENT = r"20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"


@dataclass(frozen=True)
class Window:
    """When nothing is promoted."""

    begin: int = 0
    """Seconds since 1970-01-01; of a weekly window since midnight."""
    end: int = _DAY_S
    days: tuple[str, ...] = ()
    """Days on which it begins, of a weekly one."""
    stages: tuple[str, ...] = ()
    """Stages that it concerns; all where it names none."""
    why: str = ""

    def covers(self, now: int, stage: str | None = None) -> bool:
        """Whether it holds at `now`, for a stage."""
        if self.stages and stage not in self.stages:
            return False
        if not self.days:
            return self.begin <= now < self.end
        clock, day = now % _DAY_S, (now // _DAY_S + 3) % 7  # 1970-01-01 was a Thursday
        if self.begin < self.end:
            return DAYS[day] in self.days and self.begin <= clock < self.end
        return (DAYS[day] in self.days and clock >= self.begin) or (DAYS[day - 1] in self.days and clock < self.end)

    def __str__(self) -> str:
        if self.days:
            text = f"{', '.join(self.days)} from {_clock(self.begin)} until {_clock(self.end)} UTC"
        else:
            text = f"from {moment(self.begin)} until {moment(self.end)}"
        return f"{text} ({self.why})" if self.why else text


def moment(seconds: int) -> str:
    """A moment as a policy writes it."""
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}Z"


def duration(seconds: int) -> str:
    """A duration as a policy writes it, in the largest unit that divides it; else in seconds."""
    unit = next((unit for unit in reversed(UNITS) if seconds and seconds % UNITS[unit] == 0), None)
    return f"{seconds // UNITS[unit]}{unit}" if unit else f"{seconds}s"


def _seconds_of(text: str) -> int:
    found = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)  # ValueError: no such day
    return int(found.timestamp())


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}"


def _clock_of(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def _duration_of(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


MOMENT = Text(_MOMENT, "a moment such as 2026-03-01T00:00:00Z", _seconds_of)
DURATION = Text(r"[1-9][0-9]{0,4}[mhdw]", "a duration such as 90m, 12h, 7d or 2w", _duration_of)
SENTENCE = Text(r"[^\x00-\x1f\x7f]{1,200}", "a line of at most 200 characters")
_CLOCK_TEXT = Text(_CLOCK, "a time of day such as 16:00", _clock_of)
_UNTIL_TEXT = Text(f"{_CLOCK}|24:00", "a time of day such as 16:00", _clock_of)


def windows(stage: Text | None) -> Listed:
    """The shape of a list of windows; with `stage`, the shape of a stage's name, each may name the stages it is for."""
    common = {"why": Key(SENTENCE, "What to tell whoever is stopped by it.")}
    if stage is not None:
        common["stages"] = Key(Listed(stage, 1), "The stages it is for; all without the key.")
    renamed: Any = {"from": "begin", "until": "end"}
    weekly = {
        "days": Key(Listed(OneOf(DAYS), 1), "The days of the week on which it begins.", required=True),
        "from": Key(_CLOCK_TEXT, "When it begins, in UTC; midnight without the key."),
        "until": Key(
            _UNTIL_TEXT, "When it ends, in UTC; if not after `from`, on the next day; midnight without the key."
        ),
    }
    dated = {
        "from": Key(MOMENT, "When it begins.", required=True),
        "until": Key(MOMENT, "When it ends.", required=True),
    }
    return Listed(
        ByKey("days", Record(Window, weekly | common, renamed=renamed), Record(Window, dated | common, renamed=renamed))
    )
