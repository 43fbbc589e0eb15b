"""Findings as annotations of GitHub Actions: one workflow command a finding.

Escapes are those of the runner (`@actions/core`, `command.ts`): `%`, CR and LF in the message; `:` and `,` too in
properties. So no name or message can end a command and begin another. GitHub shows ten annotations of a kind for a
step; the job summary (`registry.render.markdown`) has all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from registry.findings import ERROR, NOTE, SKIP, WARNING, Finding
from registry.render.findings import by_gravity

_COMMANDS = {ERROR: "error", WARNING: "warning", SKIP: "notice", NOTE: "notice"}


def as_github(findings: Sequence[Finding], nothing: str, notes: Sequence[Finding] = ()) -> str:
    """One line a finding, the gravest first, then the notes; `nothing` where there is no finding."""
    lines = [_command(each) for each in (*by_gravity(findings), *notes)]
    return "\n".join(lines if findings else [*lines, data(nothing)])


def data(text: str) -> str:
    """A message as it may stand behind `::`."""
    known = text.encode("utf-8", "replace").decode()
    return known.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return data(text).replace(":", "%3A").replace(",", "%2C")


def _command(finding: Finding) -> str:
    named = {
        "file": finding.path,
        "line": str(finding.line) if finding.path and finding.line else None,
        "title": f"{finding.id}: {finding.artifact}" if finding.artifact else finding.id,
    }
    properties = ",".join(f"{key}={_property(value)}" for key, value in named.items() if value)
    said = f"{finding.message}\nfix: {finding.fix}" if finding.fix else finding.message
    return f"::{_COMMANDS[finding.severity]} {properties}::{data(said)}"


def fenced(title: str, text: str) -> str:
    """Markdown that shows text as it is, whatever stands in it, under a heading."""
    longest = max((len(run) for run in re.findall(r"~+", text)), default=0)
    fence = "~" * max(3, longest + 1)
    return f"## {title}\n\n{fence}text\n{text}\n{fence}\n"
