"""`tag-moved`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.subject import Subject
from registry.errors import NotFound, RegistryError
from registry.findings import ERROR, WARNING, Finding
from registry.git.objects import is_oid


class TagMoved:
    """A person reviewed what `rev` named; where it names another commit now, the two no longer agree.

    A change that leaves the link as it was is warned only: what moved is not its doing.
    """

    id = "tag-moved"
    sentence = "The rev of every link still names the pinned commit at the source."
    severity = ERROR
    remedy = "find out who moved it; restore it at the source, or link the new commit in a pull request of its own"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding where it moved or is gone; none for a rev that is a commit id, which cannot move."""
        for found in self._judged(subject):
            yield found if subject.changed else found._replace(severity=WARNING)

    def _judged(self, subject: Subject) -> Iterator[Finding]:
        pins, source = subject.pins, subject.source.source
        if is_oid(pins.rev):
            return
        try:
            now = source.resolve(pins.rev)
        except NotFound:
            message = (
                f"the source has no tag or branch {pins.rev!r} any more, the link pins {pins.commit} ({source.where})"
            )
            yield subject.finding(self, message, key="rev")
            return
        except RegistryError as error:
            yield subject.failure(self, error, "rev")
            return
        if now.commit != pins.commit:
            message = f"{now.kind} {pins.rev!r} names {now.commit} now, the link pins {pins.commit} ({source.where})"
            yield subject.finding(self, message, key="rev")
