"""`format-allowed`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.subject import Subject
from registry.findings import WARNING, Finding

PICKLES = frozenset({"simple_pickle", "pickle", "joblib", "torch_io", "torch_export"})
"""How a metafile names the bytes that run code when they are read."""


class FormatAllowed:
    """The metafile says how bytes are stored. Which types a skops file holds only a load sees: it reads the file."""

    id = "format-allowed"
    sentence = "Every model is stored in a format that the policy's formats admit."
    severity = WARNING
    remedy = "save the model with registry.save (skops), or have formats.pickle in policy.yaml changed"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for each processor of the pickle family, where the policy does not admit all that are pinned."""
        admitted = subject.policy.formats.pickle
        if admitted == "pinned":
            return
        for name, processor in subject.model.metafile.processors.items():
            if processor.io in PICKLES:
                until = " until its events are signed" if admitted == "signed" else ""
                message = (
                    f"{name[:80]!r} is stored as {processor.io}, which runs code, and formats.pickle is {admitted!r}"
                )
                yield subject.finding(self, f"{message}: registry.load refuses it{until}", key="path")
