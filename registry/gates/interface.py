"""`interface`: the model serves the callers of the contract, and of what the stage holds now.

`against: contract` asks for a contract; `both` (as without the key) obeys one where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.interface_compatible import InterfaceCompatible
from registry.checks.interface_matches import InterfaceMatches
from registry.checks.listing import contract_path
from registry.findings import Finding
from registry.gates import Case, as_failed, failed, passed
from registry.policygates import Interface

CONTRACT, STAGE = "contract", "stage"


def run_committed(gate: Interface, case: Case) -> Iterator[Finding]:
    """That there is a contract where it asks for one: what the registry's own files say."""
    if gate.against == CONTRACT and case.subject.contract is None:
        yield _without(gate, case)


def run_brought(gate: Interface, case: Case) -> Iterator[Finding]:
    """Findings of `interface-matches`: what the model's own files say. Raises `Unjudged`."""
    if gate.against != STAGE and case.subject.contract is not None:
        yield from as_failed(gate, case, InterfaceMatches().run(case.model), InterfaceMatches.remedy)


def run(gate: Interface, case: Case) -> Iterator[Finding]:
    """Findings of `interface-matches` and `interface-compatible`. Raises `Unjudged`."""
    if gate.against != STAGE:
        if case.subject.contract is not None:
            yield from as_failed(gate, case, InterfaceMatches().run(case.model), InterfaceMatches.remedy)
            yield passed(gate, case, f"judged by {contract_path(case.name)}")
        elif gate.against == CONTRACT:
            yield _without(gate, case)
        else:
            yield passed(gate, case, "there is no contract")
    if gate.against != CONTRACT:
        if case.holder is None:
            yield passed(gate, case, f"{case.stage} holds nothing")
            return
        subject, past = case.under(case.model), case.holder.past
        subject.recall = lambda _: past()
        yield from as_failed(gate, case, InterfaceCompatible().run(subject), InterfaceCompatible.remedy)
        yield passed(gate, case, f"judged by {case.holder.label} in {case.stage}")


def _without(gate: Interface, case: Case) -> Finding:
    path = contract_path(case.name)
    fix = f"registry interface export {case.name}, and merge the file"
    return failed(gate, case, f"the default branch has no contract {path}", fix, path)
