"""What register.yml runs after a merge: judge again, then give each link that changed its next version, pushed.

A link with an error is not registered; the others are. Run twice, it registers nothing more.
"""

from __future__ import annotations

import sys

from tell import append, tell

import registry
from registry.render.github import fenced
from registry.render.interface import demand_as_lines


def main() -> int:
    """Register what is new in the present folder, a clone with all tags at the default branch's tip."""
    try:
        report = registry.check(".")
        names = registry.unregistered(".")
    except registry.RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    tell(report.findings, title="Registry", nothing=f"{report.links} links checked, no findings")
    wrong = {finding.artifact for finding in report.findings if finding.severity == "error"}
    failed = None in wrong
    tags: list[str] = []
    done: list[str] = []
    why: list[str] = []
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
            print(f"error: {error}", file=sys.stderr)
    lines = "\n".join(done) or "nothing to register"
    print(lines)
    append("GITHUB_OUTPUT", f"tags={' '.join(tags)}")
    append("GITHUB_STEP_SUMMARY", fenced("Registered", "\n".join([lines, *why])))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
