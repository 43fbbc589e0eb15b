"""`interface-matches`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.files import FILE, File
from registry.checks.subject import Subject, line_of, said
from registry.errors import RegistryError
from registry.findings import ERROR, Finding
from registry.interface import parse_contract
from registry.substitution import differences


class InterfaceMatches:
    """Whoever calls the artifact by its contract must be served by every model linked as it."""

    id = "interface-matches"
    sentence = "Where interfaces/NAME.yaml stands, the model is a compatible substitute for what it promises."
    severity = ERROR
    remedy = "link a model that keeps the contract, or change the contract in a pull request of its own"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for each difference; none without a contract. A contract that is proposed must be readable."""
        yield from self._proposed(subject)
        file = subject.contract
        if file is None:
            return
        if file.kind != FILE:
            yield subject.finding(self, f"the contract is {file.kind}, not a file")._replace(path=file.path)
            return
        try:
            contract = parse_contract(file.data, file.path)
        except RegistryError as error:
            yield self._unreadable(subject, file, error)
            return
        for found in differences(contract, subject.model.metafile.interface):
            yield subject.finding(self, f"{found} (contract {file.path})", key="path")

    def _proposed(self, subject: Subject) -> Iterator[Finding]:
        file = subject.proposed
        if file is None or file == subject.contract:
            return
        if file.kind != FILE:
            yield subject.finding(self, f"the proposed contract is {file.kind}, not a file")._replace(path=file.path)
            return
        try:
            parse_contract(file.data, file.path)
        except RegistryError as error:
            yield self._unreadable(subject, file, error)

    def _unreadable(self, subject: Subject, file: File, error: RegistryError) -> Finding:
        found = subject.finding(self, f"the contract cannot be read: {said(error)}", error.fix)
        return found._replace(path=file.path, line=line_of(error))
