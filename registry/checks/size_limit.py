"""`size-limit`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.elsewhere import stated_size
from registry.checks.subject import Subject
from registry.findings import WARNING, Finding
from registry.stores import GIT


class SizeLimit:
    """Git hashes large files slowly and keeps them for ever."""

    id = "size-limit"
    sentence = "No model is larger than the policy's size_limit, which is 100 MB where it says nothing."
    severity = WARNING
    remedy = "make the model smaller, or have size_limit in policy.yaml raised"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding where all files of the model together are larger."""
        source, limit = subject.source, subject.policy.size_limit
        pins = subject.pins.artifacts
        size = sum(
            source.digests(held.key).size if held.store == GIT else stated_size(held, pins.get(name))
            for name, held in subject.model.files.items()
        )
        if size > limit:
            yield subject.finding(self, f"the model has {size:,} bytes, the limit is {limit:,}", key="path")
