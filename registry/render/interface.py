"""Interfaces and their differences as text. Names come from models: what a terminal would obey is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from registry.interface import Interface, signature
from registry.interfacediff import Change, Demand, Diff
from registry.render.line import one_line


def as_text(interface: Interface) -> str:
    """One line a method, as it is called, and below it the columns of each table and the keys of each dict."""
    lines = []
    for name, method in interface.methods.items():
        lines.append(f"{name}{signature(method)}")
        typed = [*((argument.name, argument.type_) for argument in method.args), ("returns", method.returns)]
        for place, type_ in typed:
            columns, dtypes = getattr(type_, "columns", ()), getattr(type_, "dtypes", ())
            lines += [f"  {place}[{column!r}]: {dtype}" for column, dtype in zip(columns, dtypes, strict=True)]
    return _safe(lines) or "no methods"


def diff_as_text(diff: Diff) -> str:
    """One line a change, its kind before it."""
    return _safe([_line(change) for change in diff.changes]) or "no changes"


_MOST = 5
"""Changes that are named for one number."""


def demand_as_lines(demand: Demand, of: str = "its interface") -> list[str]:
    """Why a registration got its number, below the line that tells it."""
    told = demand.told(_MOST)
    asked = f"at least a {demand.bump} bump" if told else "no more than a patch"
    lines = [f"  {of} asks for {asked} since {demand.base}", *(f"    {line}" for line in told)]
    return [_safe([line]) for line in lines]


def _line(change: Change) -> str:
    place = f", {change.place}" if change.place else ""
    return f"{change.kind:<8}  method {change.method}{place}: {change.before} -> {change.after}"


def _safe(lines: Sequence[str]) -> str:
    return "\n".join(map(one_line, lines))
