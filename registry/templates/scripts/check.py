"""What check.yml runs on a pull request: judge what it changes, and end with 1 where a finding is an error.

Policy, contracts and custom checks are those of the base (`BASE`, a commit): a pull request cannot relax its own gate.
Without `BASE` every link in this folder is judged.
"""

from __future__ import annotations

import os
import sys

from tell import tell

import registry


def main() -> int:
    """Check the registry in the present folder."""
    try:
        report = registry.check(".", base=os.environ.get("BASE") or None)
    except registry.RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    nothing = f"{report.links} links checked, no findings"
    tell(report.findings, title="Registry", nothing=nothing, notes=report.notes)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
