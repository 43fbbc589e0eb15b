"""What audit.yml runs: `registry verify`, its findings written to a file, their number given to the next step."""

from __future__ import annotations

import sys
from pathlib import Path

from tell import append, tell

import registry
from registry.render.findings import as_text
from registry.render.github import fenced

LONGEST = 60_000
"""Characters of an issue's text; GitHub takes 65,536."""


def main(path: str) -> int:
    """Verify the registry in the present folder; findings are no failure here, since the next step tells them."""
    try:
        findings = registry.verify(".").findings
    except registry.RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    tell(findings, title="Audit", nothing="no problems found")
    text = as_text(findings, nothing="no problems found")
    cut = text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut: `registry verify` prints all"
    Path(path).write_text(fenced("`registry verify`", cut), encoding="utf-8", errors="replace")
    append("GITHUB_OUTPUT", f"findings={len(findings)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
