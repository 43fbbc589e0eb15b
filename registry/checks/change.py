"""What a change (a pull request) touches: the files that differ between its merge base with the base, and its head."""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.checks.files import File
from registry.policy import Policy


@dataclass(frozen=True)
class Change:
    """One change."""

    paths: frozenset[str]
    """Files that it adds, alters or removes."""
    artifacts: tuple[str, ...] = ()
    """Artifacts whose links it adds, alters or removes, sorted."""
    before: Policy = field(default_factory=Policy)
    """The policy of the base."""
    governed: bool = False
    """Whether the base has a policy."""
    policy: File | None = None
    """The policy file of the head."""
