"""`commit-reachable`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.subject import Subject
from registry.findings import ERROR, Finding


class CommitReachable:
    """Hosts also serve commits of forks, and commits that no ref holds any more: an id proves content, not origin."""

    id = "commit-reachable"
    sentence = "Every pinned commit is held by a branch or tag of its source."
    severity = ERROR
    remedy = "restore the tag and its history at the source, or link a revision that a branch or tag of it holds"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding where the commit is absent, or of unknown origin."""
        source, commit = subject.source, subject.pins.commit
        absent = source.absent(commit)
        if absent is not None:
            yield subject.failure(self, absent, "params.commit")
        elif not source.reaches(commit):
            message = f"no branch or tag of the source holds commit {commit} ({source.source.where})"
            yield subject.finding(self, message, key="params.commit")
