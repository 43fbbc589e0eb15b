"""`verify`: a whole registry, its links, its tags and their signatures, approvals, and its ledger."""

from __future__ import annotations

from contextlib import suppress
from os import PathLike

from registry.api.approvals import findings as approvals
from registry.api.checking import Report, Step, check
from registry.api.doctor import doctor
from registry.api.ledgercheck import ledger_findings
from registry.api.signatures import findings as signatures
from registry.errors import Refused


def verify(project: str | PathLike[str] = ".", *, progress: Step | None = None) -> Report:
    """The findings of `check`, those of `doctor`, of the tags' signatures, of approvals, and of `ledger verify`.

    All links are judged anew. The last three are told where the registry has `allowed_signers`, a policy that governs,
    and a ledger. A policy that cannot be read is told by the first ones.

    Raises `RegistryError` where no registry can be read.
    """
    report = check(project, anew=True, progress=progress)
    found = [*report.findings, *doctor(project), *signatures(project)]
    with suppress(Refused):
        found += approvals(project)
    return Report([*found, *ledger_findings(project)], report.links)
