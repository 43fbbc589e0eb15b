"""`one-model-per-change`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.change import Change
from registry.findings import Finding
from registry.policy import OFF


class OneModelPerChange:
    """A review that is about one model can be undone for one model."""

    id = "one-model-per-change"
    sentence = "A change touches the link of one artifact only."
    severity = OFF
    remedy = "open a pull request for each artifact"

    def run(self, change: Change) -> Iterator[Finding]:
        """One finding where it touches more."""
        if len(change.artifacts) > 1:
            message = f"the change touches {len(change.artifacts)} artifacts: {', '.join(change.artifacts)[:500]}"
            yield Finding(self.id, self.severity, message, self.remedy)
