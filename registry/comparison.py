"""Two links of an artifact, side by side: what changed from the first to the second. Pure.

Rules: only what both sides know is compared; what one of them does not say is told as missing, never as added or
removed. Facts are those of the birth certificates; a side without one has those of its metafile (framework, features,
packages). Interfaces are judged by `registry.interfacediff`, reports of evaluations by `registry.reportdiff`. Equal
sides give nothing, and exchanging the sides exchanges before and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from registry import carddiff, lineage
from registry import versions as semver
from registry.card import Card
from registry.direction import direction, verdict
from registry.errors import RegistryError
from registry.evaluation import Evaluation, finite
from registry.interface import Interface
from registry.interfacediff import Diff, allows, diff, least_bump, least_version
from registry.lineage import Certificate, Fact, Facts, shown
from registry.linkfile import Link
from registry.reportdiff import Bytes, Judgement, judgements

LINK, BYTES, SIZE, BREAKS, CARD = "link", "bytes", "size", "breaks", "card"
ORDER = (
    LINK, BYTES, lineage.PARAMETERS, lineage.FEATURES, lineage.FRAMEWORK, lineage.ENVIRONMENT, lineage.DATA,
    lineage.TRAINING, lineage.DECLARED, lineage.TRACKING, lineage.IDENTITY, BREAKS, CARD,
)  # fmt: skip
"""Sections in the order in which people read them; `metrics` and `size` are numbers of their own."""
_PACKAGE = "package:"
_OF_LINK = frozenset({"commit", "revision", "source"})
"""Facts of the identity that the link says too."""


@dataclass(frozen=True)
class Side:
    """One link, and what is known of its model."""

    label: str
    """What was asked for: a version, `#STAGE`, a revision, `working tree`."""
    version: str | None = None
    stages: tuple[str, ...] = ()
    commit: str | None = None
    """The registry's commit; none of the work tree."""
    link: Link | None = None
    certificate: Certificate | None = None
    derived: Facts = field(default_factory=dict)
    """What the metafile says, where there is no certificate."""
    interface: Interface | None = None
    size: int | None = None
    """Bytes of all artifacts."""
    card: Card | RegistryError | None = None
    reports: tuple[Evaluation, ...] = ()
    """Those that are about its bytes."""
    missing: tuple[str, ...] = ()
    """What is not known, and why: a sentence each."""

    @property
    def bytes(self) -> Bytes | None:
        """What its model is, bit by bit."""
        if self.link is None or self.link.metafile is None:
            return None
        return self.link.metafile.sha256, {name: pin.sha256 for name, pin in sorted(self.link.artifacts.items())}

    def facts(self, section: str) -> Mapping[str, Fact]:
        """The facts of a section."""
        return self.certificate.section(section) if self.certificate else self.derived.get(section, {})


class Change(NamedTuple):
    """One thing that is there, gone or other."""

    name: str
    before: str | None
    """None where there was nothing."""
    after: str | None

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


class Measure(NamedTuple):
    """A number that changed."""

    name: str
    before: float | None
    after: float | None
    direction: str
    """`greater`, `less` or `unknown`."""

    @property
    def difference(self) -> float | None:
        """After minus before."""
        return None if self.before is None or self.after is None else finite(self.after - self.before)

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `unknown`."""
        return verdict(self.difference, self.direction)


@dataclass(frozen=True)
class Contract:
    """What changed in the interface, and what semver asks for."""

    diff: Diff
    bump: str
    """The least part to raise."""
    least: str | None
    """The least version after the first, where that is a version."""
    allowed: bool | None
    """Whether the second's version is at least that; none where either is no version, or the second is no later one."""


@dataclass(frozen=True)
class Comparison:
    """What changed from `before` to `after`."""

    name: str
    before: Side
    after: Side
    metrics: tuple[Measure, ...] = ()
    """Of the certificates."""
    size: Measure | None = None
    sections: Mapping[str, tuple[Change, ...]] = field(default_factory=dict)
    """By section, in `ORDER`; sections without a change are left out."""
    interface: Contract | None = None
    """None where it is the same, or not known of both."""
    evaluations: tuple[Judgement, ...] = ()
    missing: tuple[str, ...] = ()
    """What could not be compared, and why."""

    @property
    def empty(self) -> bool:
        """Whether nothing that is known differs."""
        return not (self.metrics or self.size or self.sections or self.interface or self.evaluations)


def compare(name: str, before: Side, after: Side) -> Comparison:
    """What changed from one side to the other."""
    found = {section: tuple(_changes(section, before, after)) for section in ORDER}
    numbers, others = _metrics(before, after)
    if others:
        found = {lineage.METRICS: others, **found}
    return Comparison(
        name,
        before,
        after,
        numbers,
        _size(before, after),
        {section: changes for section, changes in found.items() if changes},
        _contract(before, after),
        judgements(before.bytes, after.bytes, (before.reports, after.reports)),
        tuple(f"{side.label}: {each}" for side in (before, after) for each in side.missing),
    )


def _changes(section: str, before: Side, after: Side) -> Iterator[Change]:
    if section == CARD:
        yield from (Change(*each) for each in carddiff.differences(before.card, after.card))
    elif section == LINK:
        if before.link is not None and after.link is not None:
            yield from _texts(_named(before.link), _named(after.link))
    elif section == BYTES:
        if before.bytes is not None and after.bytes is not None:
            yield from _texts(_digests(before.bytes), _digests(after.bytes))
    elif section == BREAKS:
        if before.certificate and after.certificate:
            sides = ({each: each for each in side.certificate.breaks} for side in (before, after) if side.certificate)
            yield from _texts(*sides)
    elif _known(section, before, after):
        sides = (_said(_comparable(section, before, after, side)) for side in (before, after))
        yield from _texts(*sides)


def _known(section: str, before: Side, after: Side) -> bool:
    return all(side.certificate is not None or section in side.derived for side in (before, after))


def _comparable(section: str, before: Side, after: Side, side: Side) -> Mapping[str, Fact]:
    """A section's facts but those of the link; where one side has no certificate only what its metafile says too."""
    facts = side.facts(section)
    if section == lineage.IDENTITY:
        return {name: fact for name, fact in facts.items() if name not in _OF_LINK}
    if section != lineage.ENVIRONMENT or (before.certificate and after.certificate):
        return facts
    return {name: fact for name, fact in facts.items() if name.startswith(_PACKAGE)}


def _said(facts: Mapping[str, Fact]) -> dict[str, str]:
    return {name: shown(fact.value) for name, fact in facts.items()}


def _texts(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            yield Change(name, one.get(name), other.get(name))


def _named(link: Link) -> dict[str, str]:
    """What a link names: the source, the revision that a person reads, and the commit that is loaded."""
    said = {"project": link.project, "path": link.path, "rev": link.rev, "commit": link.pinned, "type": link.link_type}
    return {name: value for name, value in said.items() if value is not None}


def _digests(of: Bytes) -> dict[str, str]:
    return {"metafile": of[0], **{f"artifact {name}": sha256 for name, sha256 in of[1].items()}}


def _metrics(before: Side, after: Side) -> tuple[tuple[Measure, ...], tuple[Change, ...]]:
    """Numbers that changed, and what is no number."""
    if not _known(lineage.METRICS, before, after):
        return (), ()
    measured = {name for side in (before, after) for report in side.reports for name in report.results.metrics}
    one, other = before.facts(lineage.METRICS), after.facts(lineage.METRICS)
    numbers, texts = list[Measure](), list[Change]()
    for name in sorted(one.keys() | other.keys()):
        pair = [side[name].value if name in side else None for side in (one, other)]
        values = [_number(value) for value in pair]
        if any(value is not None and number is None for value, number in zip(pair, values, strict=True)):
            texts += _texts(_said(_only(one, name)), _said(_only(other, name)))
        elif values[0] != values[1]:
            numbers.append(Measure(name, values[0], values[1], direction(name, measured)))
    return tuple(numbers), tuple(texts)


def _only(facts: Mapping[str, Fact], name: str) -> dict[str, Fact]:
    return {name: facts[name]} if name in facts else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _size(before: Side, after: Side) -> Measure | None:
    if before.size is None or after.size is None or before.size == after.size:
        return None
    return Measure(SIZE, float(before.size), float(after.size), "unknown")


def _contract(before: Side, after: Side) -> Contract | None:
    if before.interface is None or after.interface is None:
        return None
    found = diff(before.interface, after.interface)
    if not found.changes:
        return None
    base, later = before.version, after.version
    if base is None:
        return Contract(found, found.bump, None, None)
    follows = later is not None and semver.key(later) > semver.key(base)
    allowed = allows(found, base, later) if follows and later is not None else None
    return Contract(found, least_bump(found, base), least_version(found, base), allowed)
