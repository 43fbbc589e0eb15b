"""Comparisons as one HTML page of its own, with plots.

Rules, as for cards: the page has no script and loads nothing, and a policy in its head forbids both. Every text is
escaped, since certificates, cards and reports hold what a source or a pull request says. The same comparisons give the
same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import TypeVar

from registry.api.comparing import Series
from registry.comparison import Comparison
from registry.errors import RegistryError
from registry.render.comparison import asked, judged, rows, score_rows, slice_rows, slices_told, title, trial
from registry.render.page import READING, page
from registry.render.plots import by_metric, by_slice, over_versions

T = TypeVar("T")
MOST, MOST_PLOTS = 500, 24
"""Rows of one table, and plots of the page: each takes about a second."""
_STYLE = f"""\
{READING.format(width=64)}
td {{ overflow-wrap: anywhere; }}
svg {{ max-width: 100%; height: auto; }}"""


def as_html(found: Sequence[Comparison], series: Mapping[str, Sequence[Series]]) -> tuple[str, str | None]:
    """The page, and why it has no plots where it has none; `series` are the metrics of all versions, by artifact."""
    plots = _Plots()
    parts = [part for each in found for part in _comparison(each, plots)]
    parts += [part for name, each in series.items() for part in _history(name, each, plots)]
    if plots.fault is not None:
        parts.append(f"<p>{escape(plots.fault)}</p>")
    heading = ", ".join(dict.fromkeys(each.name for each in found)) or "comparison"
    body = "\n".join(parts) or "<p>Nothing to compare.</p>"
    return page(heading, body, _STYLE), plots.fault


class _Plots:
    """Draws what it can."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.drawn = 0

    def of(self, draw: Callable[[T], str], value: T) -> Iterator[str]:
        """The drawing, or nothing where it is empty or cannot be made."""
        if self.fault is not None or self.drawn == MOST_PLOTS:
            return
        try:
            drawn = draw(value)
        except RegistryError as error:
            self.fault = f"{error.what}: {error.fix}"
            return
        if drawn:
            self.drawn += 1
            yield drawn


def _comparison(found: Comparison, plots: _Plots) -> Iterator[str]:
    yield f"<h1>{escape(title(found))}</h1>"
    told = rows(found)
    yield from _table(["", "what", "before", "after", "change"], told)
    if found.interface is not None:
        yield "<h2>Interface</h2>"
        changes = found.interface.diff.changes
        yield from _table(
            ["change", "method", "where", "before", "after"],
            ((each.kind, each.method, each.place, each.before, each.after) for each in changes),
        )
        yield f"<p>{escape(asked(found.interface))}</p>"
    for each in found.evaluations:
        yield f"<h2>{escape(judged(each, 'Suite'))}</h2>"
        yield from _dicts(score_rows(each))
        yield f"<p>{escape(trial(each))}</p>"
        yield from plots.of(by_metric, each)
        yield from _dicts(slice_rows(each))
        if bands := slices_told(each):
            yield f"<p>{escape(bands)}</p>"
        yield from plots.of(by_slice, each)
    if found.empty:
        yield "<p>No differences.</p>"
    if found.missing:
        yield "<h2>Not compared</h2>"
        yield f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in found.missing)}</ul>"


def _history(name: str, series: Sequence[Series], plots: _Plots) -> Iterator[str]:
    if series:
        yield f"<h1>{escape(f'{name}: metrics over versions')}</h1>"
        yield from _table(
            ["metric", "better is", "versions"],
            (
                (each.name, each.direction, ", ".join(f"{label} {value:.4g}" for label, value in each.values))
                for each in series
            ),
        )
        yield from plots.of(over_versions, series)


def _dicts(found: Sequence[Mapping[str, str | None]]) -> Iterator[str]:
    if found:
        yield from _table(list(found[0]), ([value or "-" for value in row.values()] for row in found))


def _table(heading: Sequence[str], cells: Iterable[Sequence[str]]) -> Iterator[str]:
    found = list(cells)
    if not found:
        return
    yield "<table>"
    yield f"<tr>{''.join(f'<th>{escape(each)}</th>' for each in heading)}</tr>"
    yield from (f"<tr>{''.join(f'<td>{escape(each)}</td>' for each in row)}</tr>" for row in found[:MOST])
    yield "</table>"
    if len(found) > MOST:
        yield f"<p>… and {len(found) - MOST} more: `registry compare` tells all of them.</p>"
