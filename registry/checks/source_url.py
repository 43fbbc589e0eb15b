"""`source-url`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.subject import Subject
from registry.errors import Refused
from registry.findings import ERROR, Finding


class SourceUrl:
    """Git understands addresses that run programs; a folder's path means nothing on another machine."""

    id = "source-url"
    sentence = "Every link names its source by an https or ssh URL; in a registry on this machine also by a path."
    severity = ERROR
    remedy = "use https://…, ssh://… or user@host:path"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding where the address may not be used."""
        _ = subject.address
        if isinstance(subject.opened, Refused) and subject.opened.reason == self.id:
            yield subject.failure(self, subject.opened, "project")
