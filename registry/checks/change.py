"""What a change (a pull request) touches: the files that differ between its merge base with the base, and its head."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from registry.checks.files import File
from registry.policy import Policy


class Moved(NamedTuple):
    """A stage that would answer otherwise."""

    artifact: str
    stage: str
    held: str
    """The version it answers with."""
    now: str | None
    """The one it would answer with."""
    why: str


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
    moved: tuple[Moved, ...] = ()
    """Stages that would answer otherwise by the rules of the head."""
