"""`source-unreachable`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.offer import Offer
from registry.checks.subject import Subject
from registry.errors import Refused, RegistryError
from registry.findings import ERROR, Finding


class SourceUnreachable:
    """What could not be asked is not passed: one error for the source, and `skip` for each check that needed it."""

    id = "source-unreachable"
    sentence = "Every source can be asked for its branches and tags."
    severity = ERROR
    remedy = "check the URL, the network and the credentials git has for this host, and check again"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for each source, at the first link that names it."""
        _ = subject.address
        found = subject.opened
        if isinstance(found, RegistryError) and not isinstance(found, Refused):
            yield subject.failure(self, found, "project")
        elif isinstance(found, Offer) and found.error and found.links[0] == subject.file.path:
            more = f"; nor can {len(found.links) - 1} more of its links be judged" if len(found.links) > 1 else ""
            error = RegistryError(found.error.what + more, found.source.where, found.error.fix)
            yield subject.failure(self, error, "project")
