"""What verify-tags.yml runs: read every tag, and end with 1 where one is an error, or the pushed one is skipped."""

from __future__ import annotations

import os
import sys

from tell import tell

import registry


def main() -> int:
    """Look over the tags of the present folder, a clone with all of them."""
    try:
        findings = registry.doctor(".")
    except registry.RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    tell(findings, title="Tags", nothing="no problems found")
    pushed = os.environ.get("GITHUB_REF", "").removeprefix("refs/tags/")
    return 1 if any(finding.severity == "error" or finding.ref == pushed for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
