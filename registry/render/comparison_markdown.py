"""Comparisons as Markdown, for the comment or the summary of a pull request. Escaped, and cut where it grows too long.

GitHub takes 65,536 characters of a comment; what is over the room that is given is left out line by line and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from registry.api.candidates import Candidate
from registry.comparison import Comparison
from registry.render.comparison import asked, judged, rows, score_rows, slice_rows, slices_told, title, trial
from registry.render.evaluation import as_markdown as report_as_markdown
from registry.render.markdown import LONGEST, escaped, table

MOST = 40
"""Rows of one section that are shown."""
_CUT = "… cut: `registry compare` tells all of it."


def as_markdown(found: Comparison, room: int = LONGEST) -> str:
    """One comparison."""
    return within(_comparison(found), room)


def candidates_as_markdown(found: Sequence[Candidate], room: int = LONGEST) -> str:
    """Each link of a change: against its base, against a stage, and the reports on what it links."""
    return within((line for each in found for line in _candidate(each)), room)


def within(lines: Iterable[str], room: int) -> str:
    """As many whole lines as there is room for, and a word where some are left out."""
    kept, room = list[str](), room - len(_CUT) - 2
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            return "\n".join([*kept, "", _CUT]) + "\n"
        kept.append(line)
    return "\n".join(kept).rstrip() + "\n" if kept else ""


def _candidate(each: Candidate) -> Iterator[str]:
    if each.fault is not None:
        yield from (f"### ⚖️ {escaped(each.name)}", "", escaped(each.fault), "")
    if each.change is not None:
        yield from _comparison(each.change, suites=False)
    elif each.fault is None:
        yield from (f"### ⚖️ {escaped(each.name)} is new", "", "Its base has nothing to compare with.", "")
    if each.against is not None:
        yield from _comparison(each.against, suites=False)
    for report in each.reports:
        yield from report_as_markdown(report).splitlines()
        yield ""


def _comparison(found: Comparison, *, suites: bool = True) -> Iterator[str]:
    """The lines of one comparison; `suites` where the reports themselves are not shown."""
    yield from (f"### ⚖️ {escaped(title(found))}", "")
    yield from _changes(found)
    if found.interface is not None:
        yield from _interface(found)
    for each in found.evaluations if suites else ():
        yield from (f"#### {escaped(judged(each))}", "")
        shown = [{key: value or "-" for key, value in row.items()} for row in score_rows(each)]
        yield from _table(shown)
        yield from (escaped(trial(each)), "", *_table(slice_rows(each)))
        if told := slices_told(each):
            yield from (escaped(told), "")
    if found.empty:
        yield from ("No differences.", "")
    for missing in found.missing:
        yield f"- not compared: {escaped(missing)}"
    if found.missing:
        yield ""


def _changes(found: Comparison) -> Iterator[str]:
    told = rows(found)
    sections = dict.fromkeys(row.section for row in told)
    shown = [row for section in sections for row in [each for each in told if each.section == section][:MOST]]
    if shown:
        yield from table(["", "what", "before", "after", "change"], shown)
        yield ""
    if len(shown) < len(told):
        yield from (f"… and {len(told) - len(shown)} more: `registry compare` tells all of them.", "")


def _interface(found: Comparison) -> Iterator[str]:
    if found.interface is None:
        return
    changes = found.interface.diff.changes
    yield from table(
        ["interface", "where", "before", "after"],
        (
            (each.kind, ", ".join(part for part in (each.method, each.place) if part), each.before, each.after)
            for each in changes[:MOST]
        ),
    )
    yield from ("", f"{escaped(asked(found.interface))}.", "")


def _table(found: Sequence[dict[str, str]]) -> Iterator[str]:
    if found:
        yield from table(list(found[0]), (list(row.values()) for row in found[:MOST]))
        yield ""
    if len(found) > MOST:
        yield from (f"… and {len(found) - MOST} more.", "")
