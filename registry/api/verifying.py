"""`verify`: a whole registry, its links, its tags and their signatures, and its ledger."""

from __future__ import annotations

from os import PathLike

from registry.api.checking import Report, Step, check
from registry.api.doctor import doctor
from registry.api.ledgercheck import ledger_findings
from registry.api.signatures import findings as signatures


def verify(project: str | PathLike[str] = ".", *, progress: Step | None = None) -> Report:
    """The findings of `check`, those of `doctor`, of the tags' signatures, and of `ledger verify`.

    The last two where the registry has `allowed_signers`, and where it has a ledger.

    Raises `RegistryError` where no registry can be read.
    """
    report = check(project, progress=progress)
    found = [*report.findings, *doctor(project), *signatures(project), *ledger_findings(project)]
    return Report(found, report.links)
