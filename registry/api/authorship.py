"""Who made a version: the principals of its registration, as far as they are known.

A registration that is signed by its tagger has that principal for its author, and every other name that the signers'
file gives the same key. An unsigned one has the tagger it claims, where the policy asks for no signature there. One
with a signature that does not count has no author: whoever made it said what is not so.

A person's name at GitHub stands in the same line of the signers' file as their e-mail, `dana@x,github:dana`: so one
person is one principal, wherever they approve.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from registry.api.project import Project
from registry.api.signatures import verdicts
from registry.policy import Policy
from registry.signature import UNSIGNED, Verdict, principal_of
from registry.signing.allowed_signers import AllowedSigners
from registry.state import Version
from registry.tags import REGISTRATION, Event

GITHUB: Final = "github:"
"""What a principal begins with that names a person as GitHub does."""
_PATTERN = re.compile(r"[*?!]")


class Authorship(NamedTuple):
    """Who made a version."""

    principals: tuple[str, ...] = ()
    """Sorted; nobody where nobody is known."""
    keys: frozenset[str] = frozenset()
    """Fingerprints of the keys that signed."""


def authorship(
    project: Project, version: Version, policy: Policy, signers: AllowedSigners | None, at: int | None = None
) -> Authorship:
    """The authors of a version, of all its registrations together; signatures are judged by `at`, by default now."""
    events = [each for each in version.events if each.kind == REGISTRATION]
    judged = (
        {}
        if signers is None
        else verdicts(project, events, signers, None if at is None else lambda _: at, policy.compromised)
    )
    return authors(events, judged, policy)


def authors(events: Iterable[Event], judged: Mapping[str, Verdict], policy: Policy) -> Authorship:
    """The same, of registrations whose signatures were judged; verdicts by the tag object's id."""
    asked = policy.signed if policy.signed is not None else policy.register is not None
    names: set[str] = set()
    keys: set[str] = set()
    for event in events:
        verdict = judged.get(event.oid, Verdict(UNSIGNED, "there is no allowed_signers"))
        if principal_of(verdict, event.email) is not None:
            names |= {event.email, *named(verdict)}
            keys.add(verdict.fingerprint)
        elif verdict.state == UNSIGNED and not asked and event.email:
            names.add(event.email)
    return Authorship(tuple(sorted(names)), frozenset(keys))


def named(verdict: Verdict) -> set[str]:
    """The principals that a key's lines name without patterns."""
    return {each for line in verdict.principals for each in _people(line)}


def _people(principals: str) -> list[str]:
    found = (each for each in principals.split(",") if each and not _PATTERN.search(each))
    return [each for each in found if not each.lower().startswith(GITHUB)]


def reviewer(signers: AllowedSigners, login: str, at: int) -> str | None:
    """The principal whose line of the signers' file names a person of GitHub too, as `dana@x,github:dana`.

    None where no line that is valid at the time does, or lines of several people.
    """
    wanted = f"{GITHUB}{login.lower()}"
    lines = (each for each in signers.signers if wanted in each.principals.lower().split(",") and not each.unused)
    valid = (each for each in lines if (each.after or 0) <= at and (each.before is None or at <= each.before))
    names = {names[0] for each in valid if (names := _people(each.principals))}
    return names.pop() if len(names) == 1 else None
