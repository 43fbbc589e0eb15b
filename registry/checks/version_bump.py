"""`version-bump`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from registry import versions as semver
from registry.checks.past import Earlier
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject, said
from registry.errors import RegistryError
from registry.findings import NOTE, WARNING, Finding
from registry.interfacediff import Demand, allows, diff, least_version

_TOLD = 3
"""Changes that a message names."""


class VersionBump:
    """The registry's number is chosen when the link is registered; the source's tag is chosen already."""

    id = "version-bump"
    sentence = "The source's tag of a changed link is no smaller version than the change of its interface asks for."
    severity = WARNING
    remedy = "tag the source with a version that says so, and link that tag"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """A note with the least number that may come next, and a finding where the source's own number is too small."""
        past = subject.past
        latest = past.latest
        if latest is None or past.top is None or latest.same or not subject.changed:
            return
        new = subject.model.metafile.interface
        if isinstance(latest.interface, RegistryError):
            raise Unjudged(f"the interface of {latest.place} is not known: {said(latest.interface)}")
        asked = Demand(latest.label, diff(latest.interface, new))
        label, part = asked.after(past.top)
        message = f"next version at least {label} ({part}): {_why(asked)}"
        yield subject.finding(self, message)._replace(severity=NOTE, fix="")
        yield from self._tagged(subject, latest, asked)

    def _tagged(self, subject: Subject, latest: Earlier, asked: Demand) -> Iterator[Finding]:
        """Judge the tags of the two links where they are versions of one model in one source, the newer one greater."""
        before, now = latest.link, subject.link
        if before is None or (before.project, before.path) != (now.project, now.path):
            return
        old, new = _version(before.rev), _version(now.rev)
        if old is None or new is None or semver.is_prerelease(old) or semver.key(new) <= semver.key(old):
            return
        if not allows(asked.changes, old, new):
            least = least_version(asked.changes, old)
            message = (
                f"the source's tag {now.rev} is too small after {before.rev}, expected at least {least}: {_why(asked)}"
            )
            yield subject.finding(self, message, key="rev")


def _why(asked: Demand) -> str:
    told = "; ".join(asked.told(_TOLD))
    return f"since {asked.base} {told}" if told else f"its interface asks for no more since {asked.base}"


def _version(rev: str | None) -> str | None:
    """The version that a tag such as `v1.2.3`, `1.2.3` or `cost/v1.2.3` names."""
    found = re.fullmatch(r"(?:refs/tags/)?(?:.*[/@])?v?([0-9].*)", rev or "")
    label = f"v{found[1]}" if found else ""
    return label if semver.is_version(label) else None
