"""`requirements-resolvable`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from registry.checks.files import FILE
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.errors import RegistryError
from registry.findings import WARNING, Finding
from registry.interface import contract_requirements
from registry.metafile import Metafile

_INSTALLABLE = "installable"


class RequirementsResolvable:
    """What is written is parsed and compared; no package index is asked."""

    id = "requirements-resolvable"
    sentence = "Every package a model needs is named once, at one version, and one that the contract's callers admit."
    severity = WARNING
    remedy = "save the model in an environment that its callers can have, with every package at one version"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding that names all that is wrong."""
        pins, faults = _pins(subject.model.metafile)
        faults += [
            f"{wanted.name} {pins[name]} does not fit the contract's {wanted}"
            for wanted in _contract(subject)
            if (name := canonicalize_name(wanted.name)) in pins
            and (wanted.marker is None or wanted.marker.evaluate({"extra": ""}))
            and not wanted.specifier.contains(pins[name], prereleases=True)
        ]
        if faults:
            yield subject.finding(self, f"requirements: {'; '.join(faults)[:1000]}", key="path")


@lru_cache(maxsize=1 << 10)
def _name(package: str) -> str:
    """The name of a package as an index knows it; models of one registry name the same ones again and again."""
    return canonicalize_name(Requirement(package).name)


@lru_cache(maxsize=1 << 10)
def _version(text: str) -> Version:
    return Version(text)


def _pins(metafile: Metafile) -> tuple[dict[str, Version], list[str]]:
    found: dict[str, Version] = {}
    faults = []
    for each in metafile.requirements:
        if each.type != _INSTALLABLE or each.package is None:
            continue
        package = each.package[:80]
        try:
            name = _name(each.package)
            version = _version(each.version or "")
        except InvalidRequirement:
            faults.append(f"{package!r} is no package's name")
            continue
        except InvalidVersion:
            said = f"has {each.version[:80]!r} for a version" if each.version else "has no version"
            faults.append(f"{package!r} {said}")
            continue
        if found.setdefault(name, version) != version:
            faults.append(f"{package!r} is asked for at {found[name]} and at {version}")
    return found, faults


def _contract(subject: Subject) -> Iterator[Requirement]:
    file = subject.contract
    if file is None or file.kind != FILE:
        return
    try:
        texts = contract_requirements(file.data, file.path)
    except RegistryError:  # told by interface-matches
        return
    for text in texts:
        try:
            yield Requirement(text)
        except InvalidRequirement:
            raise Unjudged(f"the contract's requirement {text[:80]!r} cannot be parsed") from None
