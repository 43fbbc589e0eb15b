"""`name-valid`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.findings import ERROR, Finding
from registry.names import is_artifact, link_paths


class NameValid:
    """The path of a link gives a name that tags can carry and that leads back to this path."""

    id = "name-valid"
    sentence = "The path of every link file gives an artifact name that tags can carry."
    severity = ERROR
    remedy = "move it to .mlem/links/NAME.mlem; a name has letters, digits, '-', '_' and '/'"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding where no artifact has its link here."""
        if subject.name is None and not subject.file.plain:
            raise Unjudged(f"what stands here is {subject.file.kind}: see path-contained")
        if subject.name is None:
            yield subject.finding(self, "the file has no name")
        elif not is_artifact(subject.name):
            yield subject.finding(self, f"not an artifact name: {subject.name[:200]!r}")
        elif subject.file.path not in link_paths(subject.name):
            yield subject.finding(self, f"no artifact has its link here: {subject.name!r} is looked for elsewhere")
