"""`source-trusted`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.offer import Offer
from registry.checks.subject import Subject
from registry.findings import WARNING, Finding
from registry.urls import file_url


class SourceTrusted:
    """Where the policy names its sources, `registry.load` refuses every other."""

    id = "source-trusted"
    sentence = "Every source is one of the policy's trusted_sources, where it names any."
    severity = WARNING
    remedy = "link a trusted source, or have trusted_sources in policy.yaml changed in a pull request of its own"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for a source that no pattern means."""
        if subject.policy.trusted_sources is None:
            return
        names: tuple[str, ...] = (subject.address,)
        if isinstance(subject.opened, Offer):
            address = subject.opened.source.address
            names = (address.text, file_url(address.text)) if address.local else (address.text,)
        if not subject.policy.trusts(*names):
            message = "the source is none of the policy's trusted_sources: registry.load refuses it"
            yield subject.finding(self, message, key="project")
