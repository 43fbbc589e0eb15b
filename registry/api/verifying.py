"""`verify`: a whole registry, its links and its tags."""

from __future__ import annotations

from os import PathLike

from registry.api.checking import Report, Step, check
from registry.api.doctor import doctor


def verify(project: str | PathLike[str] = ".", *, progress: Step | None = None) -> Report:
    """The findings of `check`, then those of `doctor`. Raises `RegistryError` where no registry can be read."""
    report = check(project, progress=progress)
    return Report([*report.findings, *doctor(project)], report.links)
