"""Whether a number keeps a limit of the policy. Pure.

Rules: a number that is missing or not finite keeps none; limits hold at their border; `tolerance` is by how much it may
be worse than what it is compared with, in the direction of `better`. Numbers are compared as they are written, in
decimal: 0.8 is worse than 0.9 by exactly 0.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from decimal import Context, Decimal

from registry.policygates import Metric

_EXACT = Context(prec=800, Emax=10_000, Emin=-10_000)
"""Enough digits for the difference of any two floats as Python writes them."""


def is_number(value: object) -> bool:
    """Whether a value is a finite number; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def worse_by(value: float, current: float, better: str) -> Decimal:
    """By how much a value is worse than another; negative where it is better."""
    best, worst = (current, value) if better == "greater" else (value, current)
    return _EXACT.subtract(_decimal(best), _decimal(worst))


def broken(limit: Metric, value: object, current: Iterable[object] = ()) -> Iterator[str]:
    """What a value breaks, a sentence each; `current` are the numbers of what the stage holds now."""
    if not is_number(value) or not isinstance(value, (int, float)):
        yield f"is {_told(value)}, no finite number"
        return
    if limit.at_least is not None and _decimal(value) < _decimal(limit.at_least):
        yield f"is {value}, expected at least {limit.at_least}"
    if limit.at_most is not None and _decimal(value) > _decimal(limit.at_most):
        yield f"is {value}, expected at most {limit.at_most}"
    for each in current if limit.tolerance is not None else ():
        if not is_number(each) or not isinstance(each, (int, float)):
            yield f"cannot be compared: that of the stage is {_told(each)}, no finite number"
            continue
        worse = worse_by(value, each, limit.better)
        if limit.tolerance is not None and worse > _decimal(limit.tolerance):
            yield f"is {value}, worse than the stage's {each} by {float(worse):.6g}, admitted is {limit.tolerance}"


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))


def _told(value: object) -> str:
    return "not defined" if value is None else repr(value)[:80]
