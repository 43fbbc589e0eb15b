"""What register.yml runs after a merge: judge again, then give each link that changed its next version, pushed.

A link with an error is not registered; the others are. Run twice, it registers nothing more.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tell import append, tell

import registry
from registry.api.denial import Denied
from registry.plural import plural
from registry.render.github import fenced
from registry.render.interface import demand_as_lines

REFUSED = "refused.json"
"""What the policy refused, for the step that notifies."""


def main() -> int:
    """Register what is new in the present folder, a clone with all tags at the default branch's tip."""
    Path(REFUSED).unlink(missing_ok=True)  # one of the registry's own is none of ours
    try:
        report = registry.check(".")
        names = registry.unregistered(".")
    except registry.RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    tell(report.findings, title="Registry", nothing=f"{plural(report.links, 'link')} checked, no findings")
    wrong = {finding.artifact for finding in report.findings if finding.severity == "error"}
    failed = None in wrong
    tags: list[str] = []
    done: list[str] = []
    why: list[str] = []
    refused: list[dict[str, object]] = []
    for name in [] if failed else names:
        if name in wrong:
            failed = True
            continue
        try:
            made = registry.register(name, options=registry.Options(push=True))
            tags += [event.ref for event in made.events]
            done += [f"registered {event.ref}" for event in made.events]
            why += demand_as_lines(made.why, made.events[0].ref) if made.why else []
        except registry.RegistryError as error:
            failed = True
            refused += [error.json()] if isinstance(error, Denied) else []
            print(f"error: {error}", file=sys.stderr)
    Path(REFUSED).write_text(json.dumps(refused), encoding="utf-8")
    lines = "\n".join(done) or "nothing to register"
    print(lines)
    append("GITHUB_OUTPUT", f"tags={' '.join(tags)}")
    append("GITHUB_STEP_SUMMARY", fenced("Registered", "\n".join([lines, *why])))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
