"""What check.yml runs on a pull request: judge what it changes, and end with 1 where a finding is an error.

Policy, contracts and custom checks are those of the base (`BASE`, a commit): a pull request cannot relax its own gate.
Without `BASE` every link in this folder is judged. What a change does to each model, against its base and against what
the first protected stage holds, is added to the job's summary and written with plots as a page; it judges nothing.
Findings and comparison are written as Markdown too, for the comment that another job of the workflow makes of it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tell import append, tell

import registry
from registry.api.candidates import Candidate
from registry.api.comparing import series
from registry.plural import plural
from registry.render.comparison_html import as_html
from registry.render.comparison_markdown import candidates_as_markdown
from registry.render.github import data
from registry.render.markdown import LONGEST, as_markdown, escaped

PAGE, COMMENT = "comparison.html", "comment.md"


def main() -> int:
    """Check the registry in the present folder."""
    base = os.environ.get("BASE") or None
    for made in (PAGE, COMMENT):  # nobody is to take one of the pull request's own for ours
        Path(made).unlink(missing_ok=True)
    try:
        report = registry.check(".", base=base)
    except registry.RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        write(COMMENT, f"### ❌ Nothing is judged\n\n{escaped(str(error))}\n")
        return 1
    nothing = f"{plural(report.links, 'link')} checked, no findings"
    tell(report.findings, title="Registry", nothing=nothing, notes=report.notes)
    if base is not None:
        found = compare(base)
        text = as_markdown(report.findings, nothing, report.notes)
        write(COMMENT, f"{text}\n{candidates_as_markdown(found, LONGEST - len(text))}" if found else text)
    return 0 if report.passed else 1


def compare(base: str) -> list[Candidate]:
    """Show what the change does to each model it links."""
    try:
        found = registry.candidates(".", base=base)
        history = {each.name: series(each.name, ".") for each in found if each.comparisons}
    except registry.RegistryError as error:
        print(data(f"warning: nothing is compared: {error}"), file=sys.stderr)
        return []
    if found:
        append("GITHUB_STEP_SUMMARY", candidates_as_markdown(found))
        page, _ = as_html([each for one in found for each in one.comparisons], history)
        write(PAGE, page)
    return found


def write(path: str, text: str) -> None:
    """Write a file that the workflow keeps."""
    Path(path).write_text(text, encoding="utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main())
