"""`card`: the card of the version's commit says what the gate requires."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.model_card import ModelCard
from registry.findings import Finding
from registry.gates import Case, as_failed, passed
from registry.policygates import CardRules


def run(gate: CardRules, case: Case) -> Iterator[Finding]:
    """Findings of `model-card`. Raises `Unjudged`."""
    found = list(ModelCard().run(case.under(case.subject, card=gate)))
    yield from as_failed(gate, case, found, "write it into the card, and register a version with it")
    if not found:
        yield passed(gate, case, f"it has {', '.join(gate.required) or 'what every card has'}")
