"""What check.yml runs on a pull request: judge what it changes, and end with 1 where a finding is an error.

Policy, contracts and custom checks are those of the base (`BASE`, a commit): a pull request cannot relax its own gate.
Without `BASE` every link in this folder is judged. What a change does to each model, against its base and against what
the first protected stage holds, is added to the job's summary and written with plots as a page; it judges nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tell import append, tell

import registry
from registry.api.comparing import series
from registry.render.comparison_html import as_html
from registry.render.comparison_markdown import candidates_as_markdown
from registry.render.github import data

PAGE = "comparison.html"


def main() -> int:
    """Check the registry in the present folder."""
    base = os.environ.get("BASE") or None
    Path(PAGE).unlink(missing_ok=True)  # nobody is to take a page of the pull request's own for ours
    try:
        report = registry.check(".", base=base)
    except registry.RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    nothing = f"{report.links} links checked, no findings"
    tell(report.findings, title="Registry", nothing=nothing, notes=report.notes)
    if base is not None:
        compare(base)
    return 0 if report.passed else 1


def compare(base: str) -> None:
    """Show what the change does to each model it links."""
    try:
        found = registry.candidates(".", base=base)
        history = {each.name: series(each.name, ".") for each in found}
    except registry.RegistryError as error:
        print(data(f"warning: nothing is compared: {error}"), file=sys.stderr)
        return
    if found:
        append("GITHUB_STEP_SUMMARY", candidates_as_markdown(found))
        page, _ = as_html([each for one in found for each in one.comparisons], history)
        Path(PAGE).write_text(page, encoding="utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main())
