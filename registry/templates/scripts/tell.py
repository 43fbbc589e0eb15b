"""How the programs of this folder tell findings: in a workflow as annotations and in the job's summary, else as text.

Findings quote what others wrote. A workflow reads commands from the log, so there only escaped annotations are printed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from registry import Finding
from registry.render.findings import as_text
from registry.render.github import as_github, fenced


def tell(findings: Sequence[Finding], *, title: str, nothing: str, notes: Sequence[Finding] = ()) -> None:
    """Print the findings and notes, and add them to the job's summary where there is one."""
    text = as_text(findings, nothing, notes)
    in_workflow = os.environ.get("GITHUB_ACTIONS") == "true"
    print(as_github(findings, nothing, notes) if in_workflow else text)
    append("GITHUB_STEP_SUMMARY", fenced(title, text))


def append(variable: str, text: str) -> None:
    """Add text to the file that an environment variable of the workflow names, where it does."""
    if path := os.environ.get(variable):
        with Path(path).open("a", encoding="utf-8", errors="replace") as stream:
            stream.write(f"{text}\n")
