"""What gates look at: one version as its registry commit has it, the default branch, and what the stage holds now.

The link and the card are those of the version's commit, which its tag names; suites, reports, metric functions, the
contract and custom checks those of the default branch, so that no version brings the rules it is judged by. The source
is asked only by gates that look at the model itself, and once.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from registry.cache.files import VerifiedFile
from registry.checks import Check
from registry.checks.files import FILE
from registry.checks.listing import Listing
from registry.checks.past import Past
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject, said
from registry.errors import RegistryError
from registry.lineage import Certificate, parse
from registry.linkfile import Link


@dataclass(frozen=True)
class Bytes:
    """The bytes that a model is, by its link's pins."""

    metafile: str
    """SHA-256."""
    artifacts: Mapping[str, str]
    """SHA-256 by the name the metafile gives it."""

    @classmethod
    def of(cls, link: Link) -> Bytes | None:
        """Those that a link pins; none where a pin is missing."""
        if link.metafile is None or not link.artifacts:
            return None
        return cls(link.metafile.sha256, {name: pin.sha256 for name, pin in link.artifacts.items()})


@dataclass(frozen=True)
class Holder:
    """What the stage holds now."""

    label: str
    """Its version, or the commit's object id where it has none."""
    bytes: Bytes | None
    """What it is; none where its link cannot be read."""
    past: Callable[[], Past] = field(compare=False)
    """The same as the checks compare with it; brings its metafile."""


@dataclass(frozen=True)
class Case:
    """One version before a stage."""

    name: str
    version: str
    stage: str
    link: Link
    subject: Subject
    """The link at the version's commit; its source was not asked. Its contract is that of the default branch."""
    ground: Listing
    """The default branch: suites, and reports on this artifact."""
    functions: Mapping[str, str]
    """SHA-256 of the default branch's metric functions, by path."""
    holder: Holder | None
    """What the stage holds; none where it is empty."""
    ask: Callable[[Subject], None]
    """Asks the subject's source. Raises nothing."""
    files: Callable[[], Mapping[str, VerifiedFile]]
    """The model's verified files by artifact; brings them. Raises `RegistryError`."""
    checks: Callable[[], Mapping[str, Check]]
    """Every check of a link by its id, those of the registry's own and of packages among them."""

    @cached_property
    def bytes(self) -> Bytes:
        """What the version is. Raises `Unjudged`."""
        found = Bytes.of(self.link)
        if found is None:
            raise Unjudged("the link does not pin the model's files: see revision-pinned")
        return found

    @cached_property
    def asked(self) -> Subject:
        """The link, with its source asked."""
        self.ask(self.subject)
        return self.subject

    def under(self, subject: Subject, **policy: Any) -> Subject:
        """The same under a policy in which some keys are others."""
        found = copy.copy(subject)
        found.policy = replace(subject.policy, **policy)
        return found

    @cached_property
    def model(self) -> Subject:
        """The link, with its source asked and a metafile that is the pinned one. Raises `Unjudged`."""
        subject = self.asked
        if hashlib.sha256(subject.model.data).hexdigest() != subject.pins.metafile.sha256:
            raise Unjudged("the metafile at the pinned commit is not the one that the link pins: see digest-matches")
        return subject

    @cached_property
    def certificate(self) -> Certificate:
        """The birth certificate of the version's commit. Raises `Unjudged`."""
        file = self.subject.lineage
        if file is None or file.kind != FILE:
            raise Unjudged("the version has no birth certificate" if file is None else f"{file.path} is {file.kind}")
        try:
            found = parse(file.data, file.path)
        except RegistryError as error:
            raise Unjudged(f"the birth certificate cannot be read: {said(error)}") from None
        if found.commit != self.link.commit:
            raise Unjudged("the birth certificate is of another commit than the link pins: see lineage-complete")
        return found
