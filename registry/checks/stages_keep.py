"""`stages-keep`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.change import Change
from registry.checks.files import POLICY
from registry.findings import WARNING, Finding


class StagesKeep:
    """What runs is judged by the rules that hold now: who changes them is told what that stops."""

    id = "stages-keep"
    sentence = "After a change of policy, signers, contracts or evaluations each stage answers as before."
    severity = WARNING
    remedy = "promote again by the new rules what should stay, or have a recorder vouch for it (`ledger: true`)"

    def run(self, change: Change) -> Iterator[Finding]:
        """One finding for each stage that would answer otherwise."""
        for each in change.moved:
            now = f"answer with {each.now}" if each.now else "have no answer"
            message = f"stage {each.stage!r} of {each.artifact!r} holds {each.held} and would {now}: {each.why}"
            yield Finding(self.id, self.severity, message, self.remedy, path=POLICY, artifact=each.artifact)
