"""`lineage-complete`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from registry.checks.files import FILE
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject, said
from registry.errors import RegistryError
from registry.findings import WARNING, Finding
from registry.lineage import UNASKED, Certificate, but_for_runs, certificate_path, differences, dump, parse
from registry.plural import plural
from registry.provenance import collect

MOST = 10
"""Most differences that are told of one certificate."""


class LineageComplete:
    """A certificate that says other than the commit would send people to the wrong data."""

    id = "lineage-complete"
    sentence = "The birth certificate is there, says what the pinned commit says, and the chain back to the data holds."
    severity = WARNING
    remedy = "write it again with `registry link`, and commit it with the link"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding where it is missing or unreadable, else one for each difference and each break of the chain."""
        _ = subject.pins
        if subject.name is None:
            raise Unjudged("no artifact has its link at this path: see name-valid")
        path = certificate_path(subject.name)
        written = self._written(subject, path)
        if not isinstance(written, Certificate):
            yield written
            return
        found = self._anew(subject)
        unasked = [each for each in found.breaks if each.startswith(UNASKED)]
        both = (but_for_runs(written), but_for_runs(found)) if unasked else (written, found)
        unlike = list(differences(*both))
        for each in islice(unlike, MOST):
            yield subject.finding(self, each)._replace(path=path)
        if not unlike and subject.lineage is not None and subject.lineage.data != dump(written).encode():
            yield subject.finding(self, "the birth certificate is not written as `registry link` writes it")._replace(
                path=path
            )
        if len(unlike) > MOST:
            yield subject.finding(
                self, f"{plural(len(unlike) - MOST, 'more fact differs', 'more facts differ')}"
            )._replace(path=path)
        fix = "run the pipeline (`dvc repro`), commit what it wrote, tag that commit and link it"
        for each in found.breaks:
            if each not in unasked:
                yield subject.finding(self, f"the chain is broken: {each}", fix)._replace(path=path)
        for each in unasked:
            yield subject.unjudged(self, each)._replace(path=path)

    def _anew(self, subject: Subject) -> Certificate:
        """What the pinned commit says: collected when its source was asked, else now."""
        model, pins = subject.model, subject.pins
        found = subject.source.certificate(subject.file.path)
        if found is None:
            project, policy = subject.address, subject.policy
            source = subject.source.source
            return collect(source, pins.commit, model, project=project, revision=pins.rev, policy=policy)
        return found

    def _written(self, subject: Subject, path: str) -> Certificate | Finding:
        file = subject.lineage
        if file is None:
            return subject.finding(self, f"no birth certificate: no file {path}")
        if file.kind != FILE:
            return subject.finding(self, f"the birth certificate is {file.kind}")._replace(path=file.path)
        try:
            return parse(file.data, path)
        except RegistryError as error:
            return subject.finding(self, f"the birth certificate cannot be read: {said(error)}", error.fix)._replace(
                path=path
            )
