"""`verify`: a whole registry, its links, its tags and their signatures."""

from __future__ import annotations

from os import PathLike

from registry.api.checking import Report, Step, check
from registry.api.doctor import doctor
from registry.api.signatures import findings as signatures


def verify(project: str | PathLike[str] = ".", *, progress: Step | None = None) -> Report:
    """The findings of `check`, those of `doctor`, then those of the tags' signatures where `allowed_signers` stands.

    Raises `RegistryError` where no registry can be read.
    """
    report = check(project, progress=progress)
    return Report([*report.findings, *doctor(project), *signatures(project)], report.links)
