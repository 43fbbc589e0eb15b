"""A value that is not of the type an interface records, and how strictly values are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from registry.datatypes import describe
from registry.errors import RegistryError
from registry.formats.samples import infer

REFUSE, DROP = EXTRA_COLUMNS = ("refuse", "drop")
"""What becomes of columns that the interface does not name."""
PRIMITIVES = {each.__name__: each for each in (int, str, bool, complex, float, type(None))}
"""Python's builtins by the name MLEM writes down."""
_TOLD = 8
"""So many faults are named in one message."""


class Unfit(Exception):
    """Where a value is not of its type: (place, expected, actual), the place empty for the value as a whole."""

    def __init__(self, *steps: tuple[str, str, str]) -> None:
        super().__init__(*steps)
        self.steps = steps

    def told(self, place: str) -> str:
        """One sentence that names every place."""
        lines = [f"{', '.join(filter(None, (place, at)))}: expected {one}, found {two}" for at, one, two in self.steps]
        more = f"; and {len(lines) - _TOLD} more" if len(lines) > _TOLD else ""
        return "; ".join(lines[:_TOLD]) + more


@dataclass(frozen=True)
class Fit:
    """How strictly values are taken."""

    extra_columns: str = REFUSE
    """`refuse` or `drop`."""
    result: bool = False
    """Whether it is a result, which is never converted."""
    rows: bool = True
    """Whether the outermost list's length is held against the interface."""

    def inside(self) -> Fit:
        """How the elements of a list are taken: their lengths are no number of rows."""
        return self if self.rows else Fit(self.extra_columns, self.result)


def fail(place: str, expected: str, actual: str) -> NoReturn:
    """Raise `Unfit` for one place."""
    raise Unfit((place, expected, actual))


def seen(value: object) -> str:
    """A value's type as a message names it."""
    try:
        return describe(infer(value))
    except (RegistryError, RecursionError):
        return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
