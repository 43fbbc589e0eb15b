"""`model-type-known`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

from registry.checks.subject import Subject
from registry.findings import WARNING, Finding
from registry.formats import BUILT_IN, GROUP


class ModelTypeKnown:
    """The format is looked up by name in a table; it is not imported, and nothing the metafile names is."""

    id = "model-type-known"
    sentence = "A format that is installed here loads the model's type."
    severity = WARNING
    remedy = f"install a package that provides an entry point of that name in the group {GROUP}"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding where no format has this name."""
        found = subject.model.metafile.model_type
        if found in BUILT_IN or entry_points(group=GROUP, name=found):
            return
        message = f"no format for model type {found[:200]!r}; known are {', '.join(sorted(BUILT_IN))}"
        yield subject.finding(self, message, key="path")
