"""`governance-files`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from registry.checks.change import Change
from registry.findings import WARNING, Finding

FOLDERS = (".github/", "scripts/", "interfaces/")
SUITES = re.compile(r"evaluations/[^/]+\.ya?ml")
FILES = ("policy.yaml", "allowed_signers", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab-ci.yml")


class GovernanceFiles:
    """Who changes these changes what the gate asks of the next change."""

    id = "governance-files"
    sentence = (
        "A change leaves the policy, the workflows, the scripts, the signers, the contracts and the suites as they are."
    )
    severity = WARNING
    remedy = "have its owners review it; on the host, CODEOWNERS and a branch rule ask for that"

    def run(self, change: Change) -> Iterator[Finding]:
        """One finding for each such file."""
        for path in sorted(change.paths):
            named = path in FILES or SUITES.fullmatch(path) is not None
            if named or path.startswith(FOLDERS) or any(f"{path}/" == each for each in FOLDERS):
                yield Finding(self.id, self.severity, "a change of this file needs its owners", self.remedy, path=path)
