"""Findings as Markdown, for a job summary or a comment on a pull request.

What comes from a repository is text there, never markup: HTML and Markdown characters become entities, mentions, issue
numbers and links are broken by a zero-width space, and a table cell is one line. A comment on GitHub has at most
65,536 characters, so a long list is cut and says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from registry.findings import ERROR, SKIP, WARNING, Finding
from registry.render.findings import by_gravity, counted

LONGEST = 60_000
_BREAK = "&#8203;"
_MARKUP = re.compile(r"[&<>|`*_\[\]\\~!\"'(){}$^=]")
_SIGNS = {ERROR: "❌ error", WARNING: "⚠️ warning", SKIP: "❔ not judged"}


def as_markdown(findings: Sequence[Finding], nothing: str, notes: Sequence[Finding] = ()) -> str:
    """A heading with the count, a table with the gravest first, and a list of the notes."""
    found = f"### ✅ {escaped(nothing)}\n" if not findings else _table(findings)
    lines = [f"- 📦 {escaped(note.artifact or note.path or '')}: {escaped(note.message)}" for note in notes]
    room = LONGEST - len(found)
    shown = [line for at, line in enumerate(lines) if sum(map(len, lines[: at + 1])) + at < room]
    if len(shown) < len(lines):
        shown.append(f"- … and {len(lines) - len(shown)} more: `registry check` tells all of them.")
    return found + "".join(f"{line}\n" for line in ("", *shown) if shown)


def _table(findings: Sequence[Finding]) -> str:
    sign = "❌" if any(each.severity == ERROR for each in findings) else "⚠️"
    lines = [
        f"### {sign} {counted(findings)}",
        "",
        "| | check | where | what | fix |",
        "| --- | --- | --- | --- | --- |",
    ]
    room = LONGEST - sum(map(len, lines))
    for done, finding in enumerate(by_gravity(findings)):
        row = _row(finding)
        room -= len(row) + 1
        if room < 0:
            lines += ["", f"… and {len(findings) - done} more: `registry check` tells all of them."]
            break
        lines.append(row)
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    plain = "".join(c if c.isprintable() else " " for c in text.encode("utf-8", "replace").decode())
    safe = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", plain)
    safe = re.sub(r"(?<!&)#", f"#{_BREAK}", safe).replace("@", f"@{_BREAK}").replace("://", f":{_BREAK}//")
    return re.sub(r"(?i)www\.", f"www{_BREAK}.", safe)


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table, every cell escaped."""
    yield _cells(map(escaped, heading))
    yield _cells(["---"] * len(heading))
    yield from (_cells(map(escaped, row)) for row in rows)


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(finding: Finding) -> str:
    place = finding.path or finding.ref or finding.artifact or ""
    if finding.path and finding.line:
        place = f"{finding.path}:{finding.line}"
    cells = (_SIGNS[finding.severity], *map(escaped, (finding.id, place, finding.message, finding.fix)))
    return _cells(cells)
