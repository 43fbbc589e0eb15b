"""`custom`: no finding of a check is an error; one of the registry's own, of a package, or one that is built in."""

from __future__ import annotations

from collections.abc import Iterator

from registry.findings import ERROR, NOTE, SKIP, Finding
from registry.gates import Case, as_failed, failed, passed
from registry.plural import plural
from registry.policy import OFF
from registry.policygates import Custom


def run(gate: Custom, case: Case) -> Iterator[Finding]:
    """Its findings that are errors, by the policy's `checks` where that names it. Raises `Unjudged`."""
    check = case.checks().get(gate.check)
    if check is None:
        message = f"nothing here provides the check {gate.check}"
        yield failed(gate, case, message, "correct its id in policy.yaml, or install the package it is in")
        return
    level = case.subject.policy.checks.get(gate.check, OFF)  # `off` is for the gate of pull requests, not for this one
    found = [each for each in check.run(case.asked) if each.severity != NOTE]
    bad = [each for each in found if each.severity == SKIP or (each.severity if level == OFF else level) == ERROR]
    yield from as_failed(gate, case, bad, check.remedy)
    if not bad:
        yield passed(gate, case, f"{plural(len(found), 'finding')}, none an error" if found else "no finding")
