"""Which reports of the default branch count for a version, and why the others do not.

A report counts where it is of this artifact and suite, on exactly the version's bytes, by the suite and the metric
functions as the default branch has them, on the data that the suite locks. Who wrote it nobody signs: it was merged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from registry.checks.evaluation_present import read_suite, reports
from registry.checks.subject import said
from registry.errors import RegistryError
from registry.findings import Finding
from registry.gates import failed
from registry.gates.case import Bytes, Case
from registry.policygates import Gate
from registry.suite import PATH, Suite

if TYPE_CHECKING:
    from registry.evaluation import Evaluation


class Known(NamedTuple):
    """A suite of the default branch, as far as it can be read."""

    path: str
    sha256: str
    suite: Suite | RegistryError


class Found(NamedTuple):
    """What there is of reports of one suite."""

    counting: tuple[tuple[str, Evaluation], ...]
    """By path."""
    others: tuple[str, ...]
    """Why the others do not count, a sentence each."""


def suites(case: Case) -> Iterator[Known]:
    """The suites of the default branch that concern the artifact, and those that cannot be read."""
    for file in case.ground.suites:
        try:
            suite: Suite | RegistryError = read_suite(file)
        except RegistryError as error:
            suite = error
        if isinstance(suite, RegistryError) or suite.concerns(case.name):
            yield Known(file.path, hashlib.sha256(file.data).hexdigest(), suite)


def unreadable(known: Known) -> str:
    """What is told of a suite that cannot be read."""
    why = f": {said(known.suite)}" if isinstance(known.suite, RegistryError) else ""
    return f"the suite {known.path} cannot be read{why}"


def of(case: Case, suite: Suite, sha256: str, bytes: Bytes) -> Found:  # noqa: A002 - named as its type - what a model is
    """The reports of a suite on a model of the artifact."""
    counting: list[tuple[str, Evaluation]] = []
    others: list[str] = []
    for path, report in reports(case.ground, case.name, suite.name):
        why = f"cannot be read: {said(report)}" if isinstance(report, RegistryError) else None
        if not isinstance(report, RegistryError):
            why = _why_not(report, case, suite, sha256, bytes)
            if why is None:
                counting.append((path, report))
        if why is not None:
            others.append(f"{path} {why}")
    return Found(tuple(counting), tuple(others))


def missing(gate: Gate, case: Case, suite: Suite, path: str, found: Found) -> Finding:
    """The finding that no report of a suite counts."""
    others = f"; {'; '.join(found.others[:3])}" if found.others else ""
    fix = f"registry evaluate {case.name}@{case.version} --suite {path}, and commit the report"
    return failed(gate, case, f"no report of suite {suite.name} counts for this version{others}", fix, path)


def name_of(path: str) -> str:
    """The name of the suite at a path."""
    found = PATH.fullmatch(path)
    return found[1] if found else ""


def is_of(judged: Bytes, metafile: str, artifacts: object) -> bool:
    """Whether a model of a report is one that a link pins."""
    return (judged.metafile, judged.artifacts) == (metafile, artifacts)


def _why_not(report: Evaluation, case: Case, suite: Suite, sha256: str, bytes: Bytes) -> str | None:  # noqa: A002 - named as its type
    """Why a report counts for nothing; none where it counts."""
    found = report.candidate
    if found.name != case.name or report.suite != suite.name:
        return f"is of {found.name[:80]!r} and suite {report.suite[:80]!r}"
    if not is_of(bytes, found.metafile, dict(found.artifacts)):
        return "is on other bytes"
    if report.inputs.suite_sha256 != sha256:
        return "is by another suite than the default branch has now"
    if report.inputs.data_sha256 != suite.data.sha256:
        return "is on other data than the suite locks"
    wanted = {each.file: case.functions.get(each.file) for each in suite.metrics if each.file}
    if dict(report.inputs.functions) != wanted:
        return "is by other metric functions than the default branch has now"
    return None
