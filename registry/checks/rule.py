"""What every check says of itself, and how it says that it could not judge."""

from __future__ import annotations

from typing import Protocol


class Rule(Protocol):
    """What a check holds."""

    id: str
    """Kebab-case id; the heading in `docs/checks.md`."""
    sentence: str
    """What it holds, in one sentence; the first line below that heading."""
    severity: str
    """`error`, `warning`, or `off`: what it is until the policy says otherwise."""
    remedy: str
    """What to do about a finding, where the finding itself does not say it better."""


class Unjudged(Exception):
    """The check could not run; `reason` says why and, where another check reports the cause, which one."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
