"""What audit.yml runs: `registry verify`, its findings written to two files, their number given to the next step.

The first is the text of an issue, cut where it is longer than GitHub takes; the second is JSON and whole.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tell import append, tell

import registry
from registry.render.findings import as_text
from registry.render.github import fenced

LONGEST = 60_000
"""Characters of an issue's text; GitHub takes 65,536."""


def main(issue: str, whole: str) -> int:
    """Verify the registry in the present folder; findings are no failure here, since the next step tells them."""
    try:
        findings = registry.verify(".").findings
    except registry.RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    tell(findings, title="Audit", nothing="no problems found")
    text = as_text(findings, nothing="no problems found")
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut: `registry verify` prints all"
    Path(whole).write_text(json.dumps([each.json() for each in findings], indent=2), encoding="utf-8")
    Path(issue).write_text(fenced("`registry verify`", cut), encoding="utf-8", errors="replace")
    append("GITHUB_OUTPUT", f"findings={len(findings)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
