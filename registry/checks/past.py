"""What the registry's tags say of an artifact before the link that is judged: the versions it is compared with. Pure.

- Protected is every stage that holds a version now. Where a policy governs that is what it accepts
  (docs/security.md), and so are the versions; a stage without an answer is told.
- The version before is the greatest active release, as `registry register` takes it: prereleases and cancelled versions
  promise nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.errors import RegistryError

if TYPE_CHECKING:
    from registry.interface import Interface
    from registry.linkfile import Link


@dataclass(frozen=True)
class Earlier:
    """One version that the artifact has."""

    label: str
    """`vX.Y.Z`, or the commit's object id where a stage holds one without a version."""
    stages: tuple[str, ...]
    """Protected stages that hold it."""
    latest: bool
    """Whether it is the latest release."""
    link: Link | None
    """Its link, where it can be read."""
    same: bool
    """Whether its link is the one that is judged, byte for byte."""
    interface: Interface | RegistryError
    """What it offers, or why that is not known."""

    @property
    def place(self) -> str:
        """What it is, for a message."""
        name = self.label if self.label.startswith("v") else f"commit {self.label[:7]}"
        held = f"in stage {', '.join(self.stages)}" if self.stages else ""
        return f"{name} ({', '.join(filter(None, (held, 'latest release' if self.latest else '')))})"


@dataclass(frozen=True)
class Past:
    """The versions an artifact has, as far as a new link is compared with them."""

    versions: tuple[Earlier, ...] = ()
    """What the protected stages hold, and the latest release."""
    top: str | None = None
    """The greatest number that was ever given out, by whomever."""
    unclear: tuple[tuple[str, RegistryError], ...] = ()
    """Stages of which it is not known what they hold, and why."""

    @property
    def latest(self) -> Earlier | None:
        """The latest release."""
        return next((each for each in self.versions if each.latest), None)
