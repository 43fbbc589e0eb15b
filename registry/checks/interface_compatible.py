"""`interface-compatible`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.subject import Subject, said
from registry.errors import RegistryError
from registry.findings import WARNING, Finding
from registry.interfacediff import BREAKING, diff


class InterfaceCompatible:
    """Whoever calls what a stage holds, or the release before, must be served by the model that follows it."""

    id = "interface-compatible"
    sentence = "Every model serves the callers of what its stages hold now, and of its latest release."
    severity = WARNING
    remedy = "keep what callers rely on, or tell them before this version is promoted"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for each breaking change, naming the versions it breaks; what cannot be read is told."""
        for stage, why in subject.past.unclear:
            yield subject.unjudged(self, f"it is not known what stage {stage} holds: {said(why)}")
        others = [each for each in subject.past.versions if not each.same]
        if not others:
            return
        new = subject.model.metafile.interface
        broken: dict[str, list[str]] = {}
        for each in others:
            if isinstance(each.interface, RegistryError):
                yield subject.unjudged(self, f"the interface of {each.place} is not known: {said(each.interface)}")
                continue
            for change in diff(each.interface, new).of(BREAKING):
                broken.setdefault(str(change), []).append(each.place)
        for what, places in broken.items():
            yield subject.finding(self, f"{what}: breaks callers of {', '.join(places)}", key="path")
