"""`revision-pinned`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks import pins
from registry.checks.subject import Subject
from registry.findings import ERROR, Finding


class RevisionPinned:
    """A link that names a revision alone may mean other bytes tomorrow."""

    id = "revision-pinned"
    sentence = "Every link names a source, a rev, the commit it resolved to, and the digests of the model's files."
    severity = ERROR
    remedy = "write it again with `registry link … --source-project URL --rev TAG`"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding that names all that is missing."""
        faults = list(pins.faults(subject.link)) if subject.pinned is None else []
        if faults:
            said = "; ".join(sentence for _, sentence in faults)
            line = next((line for key, _ in faults if (line := subject.line(key))), None)
            yield subject.finding(self, f"the link is not pinned: {said}")._replace(line=line)
