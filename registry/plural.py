"""Counts as a person reads them: `1 link`, `2 links`. Pure."""

from __future__ import annotations


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun; `many` where the plural is more than an `s`."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"
