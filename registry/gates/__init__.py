"""Gates: what a policy asks of a version before it enters a stage, one file a kind.

A gate takes its entry in the policy and a `Case`, and yields findings. One of severity `error` means that the version
does not pass; one of severity `note` says what was found good. What could not be judged is raised as `Unjudged`, and
never passes. `registry.gates.table` names all kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from registry.checks.rule import Unjudged
from registry.findings import ERROR, NOTE, Finding
from registry.gates.case import Case
from registry.policygates import Gate

Run = Callable[[Any, Case], Iterator[Finding]]
"""Judges one entry of its kind. Raises `Unjudged` and `RegistryError`."""


def finding_id(gate: Gate) -> str:
    """The id of a gate's findings, and its heading in `docs/gates.md`."""
    return f"gate-{gate.id}"


def failed(gate: Gate, case: Case, message: str, fix: str, path: str | None = None) -> Finding:
    """A finding that the version does not pass."""
    return Finding(finding_id(gate), ERROR, message, fix, case.name, path)


def passed(gate: Gate, case: Case, message: str) -> Finding:
    """What was found good."""
    return Finding(finding_id(gate), NOTE, message, "", case.name)


def as_failed(gate: Gate, case: Case, findings: Iterable[Finding], fix: str) -> Iterator[Finding]:
    """Findings of a check as those of a gate: each of them, also what was not judged, means that it does not pass."""
    for each in findings:
        if each.severity != NOTE:
            yield each._replace(id=finding_id(gate), severity=ERROR, fix=each.fix or fix, artifact=case.name)


__all__ = ["Case", "Run", "Unjudged", "as_failed", "failed", "finding_id", "passed"]
