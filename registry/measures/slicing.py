"""Slices: the rows of each value of a column, or of each bin of a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from registry.errors import RegistryError
from registry.measures.rows import require_columns
from registry.suite import Slice

MOST = 50
"""Values that a column may have without bins."""
WORST = 5
"""How many slices are named as the worst."""


class Rows(NamedTuple):
    """One slice."""

    column: str
    value: str
    numbers: Any
    """The numbers of its rows, ascending."""


def labels(frame: Any, wanted: Slice, where: str) -> Any:
    """For each row, the slice of this column it is in. Raises `RegistryError`."""
    import numpy as np

    require_columns(frame, [wanted.column], where)
    column = frame[wanted.column]
    if not wanted.bins:
        found = np.array([_named(value) for value in column.tolist()], dtype=object)
        if len(set(found)) > MOST:
            raise RegistryError(
                f"column {wanted.column!r} has {len(set(found))} values, at most {MOST} are sliced",
                where,
                "give it bins",
            )
        return found
    try:
        numbers = column.to_numpy(dtype=float, na_value=float("nan"))
    except (TypeError, ValueError):
        raise RegistryError(f"column {wanted.column!r} is not of numbers", where, "leave its bins out") from None
    names = [
        f"< {wanted.bins[0]:g}",
        *(f"{low:g} to {high:g}" for low, high in zip(wanted.bins, wanted.bins[1:], strict=False)),
        f">= {wanted.bins[-1]:g}",
    ]
    places = np.searchsorted(wanted.bins, numbers, side="right")
    return np.array(
        ["missing" if np.isnan(number) else names[at] for number, at in zip(numbers, places, strict=True)], dtype=object
    )


def cut(frame: Any, wanted: Sequence[Slice], where: str) -> Iterator[Rows]:
    """The slices of all columns, in the suite's order, those of a column by value."""
    import numpy as np

    for each in wanted:
        found = labels(frame, each, where)
        for value in sorted(set(found)):
            yield Rows(each.column, value, np.flatnonzero(found == value))


def _named(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - only nan differs from itself
        return "missing"
    return str(value)[:100]
