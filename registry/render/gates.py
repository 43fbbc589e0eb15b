"""What became of the gates of a stage, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from registry.governance import GateResult
from registry.render.line import one_line

if TYPE_CHECKING:
    from registry.api.gating import Gated


def lines(found: Gated, name: str, version: str, stage: str) -> Iterator[str]:
    """Each gate with its verdict and reason, and a line that counts."""
    yield f"{name} {version} for {stage}"
    if not found.results:
        yield "the stage asks for no gate"
        return
    for each in found.results:
        yield from verdict_lines(each)
        for fix in dict.fromkeys(finding.fix for finding in found.reasons.get(each.key, ())):
            yield f"          fix: {one_line(fix)}"
    bad = sum(not each.passed for each in found.results)
    count = len(found.results)
    yield f"{bad} of {count} gates failed" if bad else f"all {count} gates passed" if count > 1 else "the gate passed"
    for each in found.limits:
        yield f"waive: {'met' if each.passed else 'not met'}: {one_line(each.message)}"
    if found.limits:
        yield "approvals are waived" if found.waived else "approvals are not waived"


def verdict_lines(result: GateResult) -> Iterator[str]:
    """One gate, and why."""
    yield f"  {'passed' if result.passed else 'FAILED'}  {one_line(result.key)}"
    if result.message:
        yield f"          {one_line(result.message)}"


def results_json(results: Sequence[GateResult]) -> list[dict[str, Any]]:
    """Results as objects."""
    return [{"gate": each.key, "passed": each.passed, "message": each.message} for each in results]


def as_json(found: Gated, name: str, version: str, stage: str) -> dict[str, Any]:
    """The same as an object."""
    return {
        "name": name,
        "version": version,
        "stage": stage,
        "passed": found.passed,
        "waived": found.waived,
        "gates": results_json(found.results),
        "limits": results_json(found.limits),
        "metrics": {key: change.json() for key, change in found.metrics.items()},
        "findings": [each.json() for each in found.findings],
    }
