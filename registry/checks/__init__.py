"""Checks: one file each, with a kebab-case id, one sentence, a severity, a remedy, and a heading in `docs/checks.md`.

A check takes a `Subject` (one link and what its source offers), the `Listing` of all links, or a `Change`, and returns
findings; it never prints, exits, or raises for a bad model. What it could not judge it raises as `Unjudged`, which
becomes a finding of severity `skip` with the reason; what has severity `note` is told beside the findings.
`registry.checks.builtin` names the built-in ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from registry.checks.change import Change
from registry.checks.listing import Listing
from registry.checks.rule import Rule
from registry.checks.subject import Subject
from registry.findings import Finding


class Check(Rule, Protocol):
    """A check of one link."""

    def run(self, subject: Subject) -> Iterable[Finding]:
        """Findings for one link. Raises `Unjudged`."""
        ...


class ListingCheck(Rule, Protocol):
    """A check of all links together."""

    def run(self, listing: Listing) -> Iterable[Finding]:
        """Findings for the whole registry."""
        ...


class ChangeCheck(Rule, Protocol):
    """A check of a change: what a pull request touches."""

    def run(self, change: Change) -> Iterable[Finding]:
        """Findings for the change as a whole."""
        ...
