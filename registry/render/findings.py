"""Findings as text."""

from __future__ import annotations

from collections.abc import Sequence

from registry.findings import ERROR, SKIP, WARNING, Finding
from registry.plural import plural
from registry.render.line import one_line

_ORDER = (ERROR, WARNING, SKIP)


def as_text(findings: Sequence[Finding], nothing: str, notes: Sequence[Finding] = ()) -> str:
    """Each finding with its place and remedy, the gravest first; the notes, one line each; and a line that counts."""
    told = [*map(_block, by_gravity(findings)), *map(_note, notes)]
    return "\n".join([*told, counted(findings) if findings else nothing])


def by_gravity(findings: Sequence[Finding]) -> list[Finding]:
    """The gravest first, otherwise in their order."""
    return sorted(findings, key=lambda finding: _ORDER.index(finding.severity))


def counted(findings: Sequence[Finding]) -> str:
    """How many there are of each severity."""
    words = ((word, sum(finding.severity == word for finding in findings)) for word in _ORDER)
    return ", ".join(plural(n, word) for word, n in words if n)


def _block(finding: Finding) -> str:
    place = finding.path or finding.ref or finding.artifact or ""
    if finding.path and finding.line:
        place = f"{finding.path}:{finding.line}"
    lines = [f"{finding.severity}[{finding.id}] {one_line(place)}".rstrip(), f"  {one_line(finding.message)}"]
    if finding.fix:
        lines.append(f"  fix: {one_line(finding.fix)}")
    return "\n".join(lines)


def _note(note: Finding) -> str:
    return f"note[{note.id}] {one_line(note.artifact or note.path or '')}: {one_line(note.message)}"
