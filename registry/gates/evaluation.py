"""`evaluation`: there is a report of each suite, on exactly the version's bytes and the locked data.

The suites are those of the default branch: the ones that the gate names, else all that concern the artifact, of which
there must be one.
"""

from __future__ import annotations

from collections.abc import Iterator

from registry.errors import RegistryError
from registry.findings import Finding
from registry.gates import Case, failed, passed, reports
from registry.policygates import Evaluation


def run(gate: Evaluation, case: Case) -> Iterator[Finding]:
    """One finding for each suite without a report that counts, or that cannot be read. Raises `Unjudged`."""
    seen: set[str] = set()
    for known in reports.suites(case):
        if isinstance(known.suite, RegistryError):
            if not gate.suites or reports.name_of(known.path) in gate.suites:
                yield failed(gate, case, reports.unreadable(known), known.suite.fix or "correct the suite", known.path)
            continue
        if gate.suites and known.suite.name not in gate.suites:
            continue
        seen.add(known.suite.name)
        found = reports.of(case, known.suite, known.sha256, case.bytes)
        if found.counting:
            yield passed(gate, case, f"{known.suite.name}: {found.counting[0][0]}")
        else:
            yield reports.missing(gate, case, known.suite, known.path, found)
    for name in sorted(set(gate.suites) - seen):
        message = f"the default branch has no suite {name} for {case.name}"
        yield failed(gate, case, message, "add evaluations/SUITE.yaml, or correct the policy")
    if not gate.suites and not seen:
        yield failed(gate, case, f"the default branch has no suite for {case.name}", "add one: evaluations/SUITE.yaml")
