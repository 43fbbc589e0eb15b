"""`revision-is-tag`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.errors import RegistryError
from registry.findings import WARNING, Finding
from registry.git.source import RUN, TAG


class RevisionIsTag:
    """A branch names another commit tomorrow, and a commit id tells a person nothing."""

    id = "revision-is-tag"
    sentence = "The rev of every link is a tag of its source."
    severity = WARNING
    remedy = "tag the commit at the source and link the tag"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for a rev that is a branch or a commit id."""
        rev = subject.pins.rev
        try:
            kind = subject.source.source.resolve(rev).kind
        except RegistryError:
            raise Unjudged("the rev names nothing at the source: see tag-moved") from None
        if kind == RUN:
            raise Unjudged("a run of MLflow has no tags in git")
        if kind != TAG:
            yield subject.finding(self, f"rev {rev!r} is a {kind} of the source, not a tag", key="rev")
