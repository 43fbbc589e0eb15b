"""From one dtype to another without losing a value.

Rule: what the interface diff calls an input's widening (`registry.substitution`) is converted; so are whole numbers,
where each of these very values is exactly one of the wanted dtype. Everything else is refused.
"""

from __future__ import annotations

import re
import sys
from typing import Any

from registry import substitution
from registry.datatypes import DataType, Number
from registry.formats.unfit import fail

_EXACT = {"float16": 11, "float32": 24, "float64": 53, "complex64": 24, "complex128": 53}
"""Whole numbers up to 2 to this power are exact."""
_INTEGER = re.compile(r"([uU]?)[iI]nt(8|16|32|64)")


def narrower(one: DataType, two: DataType) -> bool:
    """Whether every value of one type is one of another."""
    return next(substitution.accepts(one, two), None) is None


def widens(have: str, wanted: str) -> bool:
    """Whether every value of a dtype is one of another; pandas' nullable `Int64` takes what `int64` does."""
    plain = {"boolean": "bool"}.get(wanted, wanted.lower() if wanted[:1] in {"I", "U", "F"} else wanted)
    return have == plain or narrower(Number(have), Number(plain))


def converted(value: Any, have: str, wanted: str, place: str) -> Any:
    """The value in the wanted dtype; raises `Unfit` where that would change it."""
    if not widens(have, wanted) and not _whole(value, have, wanted):
        fail(place, wanted, have)
    if not hasattr(value, "astype"):
        return value.to(getattr(sys.modules["torch"], wanted))
    try:
        return value.astype(wanted)
    except (TypeError, ValueError):  # missing values among whole numbers, a dtype that is not known here
        fail(place, wanted, have)


def _whole(value: Any, have: str, wanted: str) -> bool:
    limits = _limits(wanted)
    if limits is None or not _INTEGER.fullmatch(have) or not hasattr(value, "min"):
        return False
    if 0 in value.shape:
        return True
    try:
        return limits[0] <= int(value.min()) and int(value.max()) <= limits[1]
    except (TypeError, ValueError):  # nothing but missing values
        return False


def _limits(wanted: str) -> tuple[int, int] | None:
    """Between these all whole numbers are exact."""
    to = _INTEGER.fullmatch(wanted)
    if to is not None:
        bits = int(to[2])
        return (0, 2**bits - 1) if to[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    digits = _EXACT.get(wanted.lower())
    return None if digits is None else (-(2**digits), 2**digits)
