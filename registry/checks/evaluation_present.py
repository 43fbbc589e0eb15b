"""`evaluation-present`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from registry.checks.files import FILE, File
from registry.checks.listing import Listing, artifact_of
from registry.checks.subject import line_of, said
from registry.errors import RegistryError
from registry.findings import WARNING, Finding
from registry.linkfile import Link, parse_link
from registry.names import in_tag
from registry.suite import REPORTS, Suite, parse_suite

if TYPE_CHECKING:
    from registry.evaluation import Evaluation


class EvaluationPresent:
    """The suites are those of the base, so that no change drops the one it would not pass; reports are the head's."""

    id = "evaluation-present"
    sentence = "For every suite that is for a linked model there is a report on exactly its bytes."
    severity = WARNING
    remedy = "run `registry evaluate NAME@HEAD --suite …` and commit the report"

    def run(self, listing: Listing) -> Iterator[Finding]:
        """One finding for each link and suite without a report, and for each suite that cannot be read."""
        suites: list[tuple[Suite, str, str]] = []
        for file in listing.suites:
            try:
                suites.append((read_suite(file), file.path, hashlib.sha256(file.data).hexdigest()))
            except RegistryError as error:
                message = f"the suite cannot be read: {said(error)}"
                yield Finding(
                    self.id, self.severity, message, error.fix or self.remedy, path=file.path, line=line_of(error)
                )
        for file in listing.links if suites else ():
            name, link = artifact_of(file.path), _link(file)
            if name is None or link is None or link.metafile is None:
                continue  # told by link-valid, name-valid or revision-pinned
            pins = {each: pin.sha256 for each, pin in link.artifacts.items()}
            for suite, path, sha256 in suites:
                if suite.concerns(name) and not any(
                    report.judges(link.metafile.sha256, pins, sha256) and report.inputs.data_sha256 == suite.data.sha256
                    for report in _reports(listing, name, suite.name)
                ):
                    message = f"no report of suite {suite.name} on the linked model"
                    command = f"registry evaluate {name}@HEAD --suite {path}"
                    fix = f"run `{command}` and commit the report"
                    yield Finding(self.id, self.severity, message, fix, name, file.path)


def read_suite(file: File) -> Suite:
    """The suite in a file of the registry. Raises `RegistryError`."""
    if file.kind != FILE:
        raise RegistryError(f"it is {file.kind}", file.path, "make it a plain file")
    return parse_suite(file.data, file.path)


def _link(file: File) -> Link | None:
    try:
        return parse_link(file.data, file.path) if file.kind == FILE else None
    except RegistryError:
        return None


def _reports(listing: Listing, name: str, suite: str) -> Iterator[Evaluation]:
    """The reports of one suite on one artifact; one that cannot be read counts for nothing."""
    for _, found in reports(listing, name, suite):
        if not isinstance(found, RegistryError) and found.candidate.name == name and found.suite == suite:
            yield found


def reports(listing: Listing, name: str, suite: str) -> Iterator[tuple[str, Evaluation | RegistryError]]:
    """What stands where the reports of one suite on one artifact stand, by path."""
    from registry.evaluation import parse_report  # few registries have any

    folder, end = f"{REPORTS}/{in_tag(name)}/", f"/{suite}.json"
    for file in listing.reports:
        if file.path.startswith(folder) and file.path.endswith(end):
            try:
                yield file.path, parse_report(file.data, file.path) if file.kind == FILE else _no_file(file)
            except RegistryError as error:
                yield file.path, error


def _no_file(file: File) -> RegistryError:
    return RegistryError(f"it is {file.kind}", file.path, "make it a plain file")
