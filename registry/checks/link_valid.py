"""`link-valid`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.errors import RegistryError
from registry.findings import ERROR, Finding


class LinkValid:
    """The file says strictly what a link says: nothing else, nothing twice."""

    id = "link-valid"
    sentence = "Every link file is strict YAML in the link format and links a model."
    severity = ERROR
    remedy = "write the link again with `registry link`"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding where the file is no link."""
        if not subject.file.plain:
            raise Unjudged(f"the link file is {subject.file.kind}: see path-contained")
        if isinstance(subject.parsed, RegistryError):
            yield subject.failure(self, subject.parsed)
