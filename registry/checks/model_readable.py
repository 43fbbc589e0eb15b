"""`model-readable`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.errors import Refused, RegistryError
from registry.findings import ERROR, Finding


class ModelReadable:
    """The metafile is read as data: nothing that it names is imported or run."""

    id = "model-readable"
    sentence = "The pinned commit holds a well-formed metafile at the link's path, and every file that it names."
    severity = ERROR
    remedy = "save the model with registry.save, commit it with its files, and link that revision"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding where the model cannot be read."""
        found = subject.offered
        if isinstance(found, Refused) and found.reason == "path-contained":
            raise Unjudged("the model cannot be read: see path-contained")
        if isinstance(found, RegistryError):
            yield subject.failure(self, found, "path")
