"""Tables of what others wrote, as CSV for a spreadsheet, as Markdown, and as one HTML page.

Rules of CSV (RFC 4180): every cell is quoted, one line a row. A cell that a spreadsheet would compute gets an
apostrophe before the sign that makes it a formula, at its beginning and behind whatever some locale takes for the end
of a cell (https://owasp.org/www-community/attacks/CSV_Injection). So CSV is for people; JSON has every byte.
Rules of HTML: one file without scripts that loads nothing, and a policy in its head that forbids both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from registry.render.line import one_line
from registry.render.markdown import escaped
from registry.render.page import page
from registry.render.table import table

Cell = str | None
_FORMULA = re.compile(r"(^|[,;|\t\"'])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
_ENDS = re.compile(r"[,;|\t\"']|^\s")
_BEGINS = re.compile(r"\n[ =+\-@\uff1d\uff0b\uff0d\uff20]")
_WITHIN = ",;|\"'"
"""What of printable cells a spreadsheet might compute: how one begins behind a line break, and what one holds."""
_BETWEEN = '","'
_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
_STYLE = """\
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; }
td { overflow-wrap: anywhere; }
th { background: #f4f5f7; }"""


class Sheet(NamedTuple):
    """A table with its title, and lines that stand before it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    lines: Sequence[str] = ()
    empty: str = "none"
    """What is said where there are no rows."""


def as_text(sheets: Iterable[Sheet]) -> str:
    """For a terminal."""
    return "\n\n".join(_text(sheet) for sheet in sheets)


def _text(sheet: Sheet) -> str:
    rows = [{key: cell or None for key, cell in zip(sheet.columns, row, strict=True)} for row in sheet.rows]
    head = [sheet.title] if sheet.title else []
    body = [table(rows) if rows else sheet.empty] if sheet.columns else []
    return "\n".join([*head, *map(one_line, sheet.lines), *body])


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """For a spreadsheet, with a heading."""
    return "".join(map(_csv_line, (columns, *rows)))


def _csv_line(row: Sequence[Cell]) -> str:
    """A row; of most a few looks at the whole of it tell that every cell stands as it is."""
    cells = [cell or "" for cell in row]
    text = "\n".join(("", *cells))
    plain = "".join(cells).isprintable() and _BEGINS.search(text) is None and not any(map(text.__contains__, _WITHIN))
    if not plain:
        cells = [inert(cell).replace('"', '""') for cell in cells]
    return f'"{_BETWEEN.join(cells)}"\r\n'


def inert(text: str) -> str:
    """A cell that no spreadsheet computes."""
    if not text or (text.isprintable() and text[0] not in _SIGNS and _ENDS.search(text) is None):
        return text
    return _FORMULA.sub(r"\1\2'", one_line(text))


def as_markdown(title: str, sheets: Iterable[Sheet], longest: int | None = None) -> str:
    """For an issue or a document; nothing in it is markup but the tables.

    Rows that make it longer than about `longest` characters are counted instead.
    """
    lines = [f"# {escaped(title)}"]
    for sheet in sheets:
        lines += ["", f"## {escaped(sheet.title)}"] if sheet.title else []
        lines += [line for each in sheet.lines for line in ("", escaped(each))]
        if not sheet.columns:
            continue
        if not sheet.rows:
            lines += ["", escaped(sheet.empty)]
            continue
        lines += ["", _line(sheet.columns), f"|{' --- |' * len(sheet.columns)}"]
        room = None if longest is None else longest - sum(len(line) + 1 for line in lines)
        lines += _rows(sheet.rows, room)
    return "\n".join(lines) + "\n"


def _rows(rows: Sequence[Sequence[Cell]], room: int | None) -> Iterator[str]:
    for done, row in enumerate(rows):
        line = _line(row)
        if room is not None:
            room -= len(line) + 1
            if room < 0:
                yield ""
                yield f"… and {len(rows) - done} more, which the JSON has."
                return
        yield line


def _line(cells: Iterable[Cell]) -> str:
    return f"| {' | '.join(escaped(cell or '') for cell in cells)} |"


def as_html(title: str, sheets: Iterable[Sheet]) -> str:
    """One page by itself."""
    parts = [f"<h1>{_shown(title)}</h1>"]
    for sheet in sheets:
        parts += [f"<h2>{_shown(sheet.title)}</h2>"] if sheet.title else []
        parts += [f"<p>{_shown(each)}</p>" for each in sheet.lines]
        if not sheet.columns:
            continue
        if not sheet.rows:
            parts.append(f"<p>{_shown(sheet.empty)}</p>")
            continue
        parts += ["<table>", _tags("th", sheet.columns), *(_tags("td", row) for row in sheet.rows), "</table>"]
    return page(one_line(title), "\n".join(parts), _STYLE)


def _tags(kind: str, cells: Sequence[Cell]) -> str:
    return "<tr>" + "".join(f"<{kind}>{_shown(cell or '')}</{kind}>" for cell in cells) + "</tr>"


def _shown(text: str) -> str:
    return escape(one_line(text))
