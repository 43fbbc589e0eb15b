"""Moments as a person types them: ISO 8601 with or without a zone, a date, or how long ago. Pure.

Rules: without a zone it is UTC; a date alone is its first second, and its last where an end is asked for; `90m`, `12h`,
`7d` and `2w` are so long before now. Nothing else is read (ISO 8601 has forms that few people read alike).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final

from registry.errors import RegistryError
from registry.policytimes import UNITS

DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_AGO: Final = re.compile(r"([0-9]{1,5})([mhdw])")
_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)?"
    r" ?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2}))?)?"
)
_FIX: Final = "write 2026-03-01, 2026-03-01T12:00Z, 2026-03-01T12:00:00+01:00, or 7d for seven days ago"


def parse_moment(text: str, now: int, *, end: bool = False) -> int:
    """Seconds since 1970-01-01 UTC. Raises `RegistryError` that shows how a moment is written."""
    ago = _AGO.fullmatch(text)
    if ago:
        return now - int(ago[1]) * UNITS[ago[2]]
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise RegistryError(f"not a moment: {text[:60]!r}", fix=_FIX)
    day, clock, second, _, sign, hours, minutes = match.groups()
    try:
        found = datetime.strptime(f"{day} {clock or '00:00'}:{second or '00'} +0000", "%Y-%m-%d %H:%M:%S %z")
    except ValueError as error:
        raise RegistryError(f"not a moment: {text!r} ({error})", fix=_FIX) from None
    seconds = (found - _EPOCH) // timedelta(seconds=1)
    if sign:
        shift = int(hours) * 3600 + int(minutes) * 60
        if shift >= DAY or int(minutes) > 59:  # noqa: PLR2004 - minutes of an hour
            raise RegistryError(f"not a moment: {text!r} has no such zone", fix=_FIX)
        seconds -= shift if sign == "+" else -shift
    return seconds + (DAY - 1 if end and clock is None else 0)


def parse_days(text: str) -> int:
    """Whole seconds of `90m`, `12h`, `7d` or `2w`. Raises `RegistryError`."""
    match = _AGO.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise RegistryError(f"not a length of time: {text[:60]!r}", fix="write 12h, 30d or 26w")
    return int(match[1]) * UNITS[match[2]]
