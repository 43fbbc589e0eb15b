"""Plots of a comparison as SVG, drawn by matplotlib (https://matplotlib.org).

Rules: the same values give the same bytes (a fixed salt for ids, no date). Text is drawn as outlines and never read as
mathematics; what is not printable ASCII is escaped and what is long is cut, since names come from models and reports.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from registry.api.comparing import Series
from registry.direction import UNKNOWN
from registry.errors import RegistryError
from registry.reportdiff import Judgement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SERIES, MOST_VERSIONS, MOST_SLICES, MOST_METRICS = 12, 50, 40, 3
"""How much one plot shows."""
_LONGEST = 40
_LARGEST = 1e100
"""Numbers beyond are not drawn: the width of an axis must be a number too."""
_BEFORE, _AFTER, _LINE, _BAND = "#8a8f98", "#0b62c4", "#1b1f24", "#bcd6f2"
_SETTINGS = {"svg.hashsalt": "registry", "svg.fonttype": "path", "text.parse_math": False, "font.size": 9}


def over_versions(found: Sequence[Series]) -> str:
    """Each metric over the last versions, a panel each."""
    shown = found[:MOST_SERIES]

    def draw(figure: Figure) -> None:
        for panel, each in zip(_grid(figure, len(shown)), shown, strict=False):
            points = [(_safe(label), value) for label, value in each.values[-MOST_VERSIONS:] if _drawable(value)]
            panel.plot(range(len(points)), [value for _, value in points], marker="o", color=_AFTER)
            panel.set_xticks(range(len(points)), [label for label, _ in points], rotation=45, ha="right")
            towards = "direction unknown" if each.direction == UNKNOWN else f"{each.direction} is better"
            panel.set_title(f"{_safe(each.name)} ({towards})")

    return _svg(draw, 3.2 * ((len(shown) + 1) // 2)) if shown else ""


def by_metric(judgement: Judgement) -> str:
    """How much better the second model is by each metric, with its bootstrap interval where there is one."""
    shown = [each for each in judgement.scores if _drawable(each.difference)][:MOST_SERIES]

    def draw(figure: Figure) -> None:
        for panel, each in zip(_grid(figure, len(shown), columns=1), shown, strict=False):
            panel.axvline(0, color=_LINE, linewidth=0.8)
            if _drawable(each.low) and _drawable(each.high):
                panel.plot([each.low, each.high], [0, 0], color=_AFTER, linewidth=2, marker="|")
            panel.plot([each.difference], [0], marker="o", color=_AFTER)
            panel.set_yticks([0], [_safe(each.name)])
        figure.suptitle(f"{_safe(judgement.suite)}: difference, more than 0 is better")

    return _svg(draw, 0.6 + 0.6 * len(shown)) if shown else ""


def by_slice(judgement: Judgement) -> str:
    """Both models on each slice, a panel for each of the first metrics; a band where the second may well be."""
    names = [each.name for each in judgement.scores][:MOST_METRICS]
    shown = judgement.slices[:MOST_SLICES]

    def draw(figure: Figure) -> None:
        for panel, name in zip(_grid(figure, len(names), columns=1), names, strict=False):
            for place, each in enumerate(shown):
                was, now = each.before.get(name), each.after.get(name)
                _band(panel, place, was, each.interval(name))
                if _drawable(was) and _drawable(now):
                    panel.plot([was, now], [place, place], color=_LINE, linewidth=0.8)
                for value, color in ((was, _BEFORE), (now, _AFTER)):
                    if _drawable(value):
                        panel.plot([value], [place], marker="o", color=color)
            labels = [f"{_safe(f'{each.column}={each.value}')} ({each.rows})" for each in shown]
            panel.set_yticks(range(len(shown)), labels)
            panel.set_ylim(len(shown) - 0.5, -0.5)
            bands = ", band: its interval" if any(each.interval(name) for each in shown) else ""
            panel.set_title(f"{_safe(name)} by slice: grey before, blue after{bands}")

    return _svg(draw, (1.2 + 0.25 * len(shown)) * len(names)) if shown and names else ""


def _band(panel: Any, place: int, was: float | None, interval: tuple[float, float] | None) -> None:
    """The interval of a difference, laid from where the first model is."""
    if was is not None and interval is not None and all(map(_drawable, (was, *interval))):
        panel.plot([was + each for each in interval], [place, place], color=_BAND, linewidth=5, solid_capstyle="butt")


def _grid(figure: Figure, count: int, columns: int = 2) -> list[Any]:
    columns = min(columns, count)
    rows = -(-count // columns)
    return [figure.add_subplot(rows, columns, place + 1) for place in range(count)]


def _svg(draw: Any, height: float) -> str:
    """One drawing. Raises `RegistryError` where matplotlib is not installed."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise RegistryError(
            "matplotlib is not installed, so there are no plots", "", 'pip install "git-model-registry[plots]"'
        ) from None

    stream = io.StringIO()
    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a layout too narrow for its labels
        figure = Figure(figsize=(9, height), layout="constrained")
        draw(figure)
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", metadata=nothing)
    text = stream.getvalue()
    return text[text.index("<svg") :].strip()


def _drawable(value: float | None) -> bool:
    return value is not None and abs(value) <= _LARGEST


def _safe(text: str) -> str:
    plain = "".join(char if " " <= char <= "~" else repr(char)[1:-1] for char in text)
    plain = plain.encode("ascii", "backslashreplace").decode()
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 3]}..."
