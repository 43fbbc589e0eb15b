"""`path-contained`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.containment import contained
from registry.errors import Refused, RegistryError
from registry.findings import ERROR, Finding


class PathContained:
    """A path out of the folder, or a symlink, makes a reader open a file that nobody reviewed."""

    id = "path-contained"
    sentence = "Links, metafiles and artifacts are plain files, and no path in them leaves the metafile's folder."
    severity = ERROR
    remedy = "commit plain files that lie beside the metafile or below it"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for the first path that leaves."""
        if not subject.file.plain:
            yield subject.finding(self, f"{subject.file.path} is {subject.file.kind}, not a file")
            return
        try:
            contained(subject.link.path, "the link's path", subject.file.path)
        except Refused as error:
            yield subject.failure(self, error, "path")
            return
        found = subject.offered
        if isinstance(found, Refused) and found.reason == self.id:
            yield subject.failure(self, found, "path")
        elif isinstance(found, RegistryError):
            raise Unjudged("the model cannot be read: see model-readable")
