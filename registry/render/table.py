"""Rows as an aligned table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from registry.render.line import one_line


def table(rows: Sequence[Mapping[str, str | None]], *, plain: bool = False, empty: str = "") -> str:
    """Columns padded to their widest cell, a heading above; `plain` leaves the heading out for grep."""
    if not rows:
        return empty
    keys = list(rows[0])
    cells = [[one_line(row[key] or "-") for key in keys] for row in rows]
    if plain:
        return "\n".join(" ".join(line) for line in cells)
    widths = [max(len(key), *(len(line[i]) for line in cells)) for i, key in enumerate(keys)]
    lines = [keys, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
