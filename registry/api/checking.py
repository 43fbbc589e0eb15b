"""`check`: the links of a registry, held against their sources, their contracts and the policy.

A folder is judged as its work tree stands now, committed or not; a bare repository or a URL by its default branch; a
change by git objects alone (`registry.api.changing`). Each source is asked once for all of its links. A check that
could not run is a finding of severity `skip` with the reason; where it is one whose findings are errors, and nothing
else says why this link fails, it is an error itself: what could not be judged never passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from os import PathLike
from threading import Event
from types import MappingProxyType
from typing import TYPE_CHECKING

from registry.api.changing import Scope, scope
from registry.api.links import link_source
from registry.api.project import Project, open_project
from registry.checks import ChangeCheck, Check, ListingCheck
from registry.checks.offer import Collect, Model, Offer
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject, said
from registry.checks.tracked import TrackedOffer
from registry.errors import RegistryError
from registry.findings import ERROR, NOTE, SKIP, WARNING, Finding
from registry.git.source import Source
from registry.policy import OFF, PATH, Policy
from registry.stores import source_of

if TYPE_CHECKING:
    from registry.lineage import Certificate

WORKERS = 8
"""How many sources, then links, are looked at side by side: each waits for git most of the time."""

_NONE: Mapping[str, str] = MappingProxyType({})

Step = Callable[[int, int, str], None]
"""Told how far the work is: done, total, name of the link."""


@dataclass(frozen=True)
class Report:
    """What `check` found."""

    findings: list[Finding]
    """Sorted by file, then by check."""
    links: int
    """How many links were judged."""
    notes: list[Finding] = field(default_factory=list)
    """What the checks have to say where nothing is wrong, such as the next version's number; sorted too."""

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return not any(finding.severity == ERROR for finding in self.findings)


def check(
    project: str | PathLike[str] = ".",
    *,
    base: str | None = None,
    head: str | None = None,
    custom: bool = False,
    progress: Step | None = None,
) -> Report:
    """Judge every link of the registry at a path or URL, or with `base` what `head` (`HEAD`) changes.

    `custom` runs the programs in `scripts/checks` of the base revision; without it they are told as not run. Raises
    `RegistryError` where the registry itself cannot be read.
    """
    opened = open_project(project)
    judged = scope(opened, base, head)
    levels = judged.policy.checks
    with ThreadPoolExecutor(WORKERS) as asking, ThreadPoolExecutor(WORKERS) as judging:
        try:
            subjects, asked = _asked(opened, judged.subjects(), asking)
            from registry.api.earlier import Recall  # what judges is imported while the sources are asked
            from registry.checks.builtin import LINK_CHECKS
            from registry.checks.custom import from_files, from_packages

            Recall(opened, subjects, lambda: [each.result() for each in asked.values()], judged.base).attach()
            own = [*from_packages(), *from_files(judged.scripts, run=custom)]
            builtin = catalogue()  # of which no other takes an id
            every = [*LINK_CHECKS, *(each for each in own if each.id not in builtin)]
            checks = [each for each in every if levels.get(each.id, each.severity) != OFF]
            findings = [*_of_all(judged), *_unprovided(judged.policy, {*builtin, *(each.id for each in own)})]
            told = judging.map(lambda each: judge(_waited(each, asked), checks, levels), subjects)
            for done, (subject, found) in enumerate(zip(subjects, told, strict=True), 1):
                findings += found
                if progress is not None:
                    progress(done, len(subjects), subject.name or subject.file.path)
        finally:
            asking.shutdown(cancel_futures=True)
    notes = [each for each in findings if each.severity == NOTE]
    return Report(_sorted(each for each in findings if each.severity != NOTE), len(subjects), _sorted(notes))


def judge(subject: Subject, checks: Sequence[Check], levels: Mapping[str, str] = _NONE) -> list[Finding]:
    """Findings of all checks for one link whose source was asked; `levels` is the policy's severity by id."""
    found: list[Finding] = []
    for each in checks:
        try:
            found += (_levelled(finding, levels) for finding in each.run(subject))
        except Unjudged as missing:
            found.append(subject.unjudged(each, missing.reason))
        except RegistryError as error:
            found.append(subject.unjudged(each, said(error)))
    told = levels.get("source-unreachable", ERROR) == ERROR
    unreachable = told and isinstance(subject.opened, Offer) and subject.opened.error is not None
    if unreachable or any(finding.severity == ERROR for finding in found):
        return found
    if not found:
        return found
    required = {each.id: each.remedy for each in checks if levels.get(each.id, each.severity) == ERROR}
    return [
        finding._replace(severity=ERROR, fix=required[finding.id])
        if finding.severity == SKIP and finding.id in required
        else finding
        for finding in found
    ]


def _levelled(finding: Finding, levels: Mapping[str, str]) -> Finding:
    level = levels.get(finding.id)
    return finding if level is None or finding.severity in {SKIP, NOTE} else finding._replace(severity=level)


def _of_all(judged: Scope) -> Iterator[Finding]:
    """Findings that concern no single link; of a change only those that it brings."""
    from registry.checks.builtin import CHANGE_CHECKS, LISTING_CHECKS

    levels, change = judged.policy.checks, judged.change
    if judged.unreadable is not None:
        message = (
            f"the base's policy cannot be read, so nothing says what this change must hold: {said(judged.unreadable)}"
        )
        yield Finding("policy-valid", ERROR, message, judged.unreadable.fix, path=PATH)
    for check in LISTING_CHECKS:
        if levels.get(check.id, check.severity) != OFF:
            old = set(check.run(judged.before)) if judged.before is not None else set()
            for found in check.run(judged.found):
                if change is None or found.path in change.paths or found not in old:
                    yield _levelled(found, levels)
    for each in CHANGE_CHECKS if change is not None else ():
        if change is not None and levels.get(each.id, each.severity) != OFF:
            yield from (_levelled(found, levels) for found in each.run(change))


def _unprovided(policy: Policy, ids: set[str]) -> Iterator[Finding]:
    """Checks that the policy names and nothing provides: where it requires one, it counts as failed."""
    for name in sorted(policy.checks.keys() - ids):
        severity = ERROR if policy.checks[name] == ERROR else WARNING
        message = f"the policy names a check {name[:80]!r}, and nothing here provides it"
        yield Finding("policy-valid", severity, message, "correct its id, or install the package it is in", path=PATH)


def _asked(
    project: Project, subjects: Iterable[Subject], pool: Executor
) -> tuple[list[Subject], dict[Offer, Future[None]]]:
    """Ask the sources of all pinned links, each once; their refs are read while further links are."""
    kept: list[Subject] = []
    offers: dict[str, Offer] = {}
    asked: dict[Offer, Future[None]] = {}
    complete = Event()
    try:
        for subject in subjects:
            kept.append(subject)
            offer = _offer(project, subject, offers)
            if offer is not None and offer not in asked:
                asked[offer] = pool.submit(offer.ask, complete)
    finally:
        complete.set()
    return kept, asked


def _offer(project: Project, subject: Subject, known: dict[str, Offer]) -> Offer | None:
    """The source of a pinned link, opened where it is not `known` yet, and told what the link names."""
    link, pins = subject.parsed, subject.pinned
    if isinstance(link, RegistryError) or link.project is None:
        return None
    try:
        address = link_source(link, project, subject.file.path, subject.policy)
    except RegistryError as error:
        subject.opened = error
        return None
    if pins is None:
        return None
    key = f"{address.text} {link.path}" if address.tracked else address.text
    if key not in known:
        made = TrackedOffer if address.tracked else Offer
        known[key] = made(source_of(address, link.path), _read)
    subject.opened = offer = known[key]
    blobs = (pin.blob for pin in pins.artifacts.values() if pin.blob)
    beside, collect = _certified(subject, pins.commit), _collector(subject, offer.source)
    offer.expect(subject.file.path, (pins.commit, link.path), pins.metafile.blob, blobs, beside, collect)
    return offer


def _collector(subject: Subject, source: Source) -> Collect | None:
    """Makes the birth certificate anew while the source's objects are at hand, where there is one to compare."""
    file, pins, said = subject.lineage, subject.pins, subject.address
    if file is None or not file.plain or subject.policy.checks.get("lineage-complete") == OFF:
        return None

    def collected(model: Model) -> Certificate:
        from registry.provenance import collect

        return collect(source, pins.commit, model, project=said, revision=pins.rev, policy=subject.policy)

    return collected


def open_source(project: Project, subject: Subject) -> None:
    """Ask the source of one link, which its policy trusts, now. Raises nothing: what fails stands in `opened`."""
    offer = _offer(project, subject, {})
    if offer is not None:
        complete = Event()
        complete.set()
        offer.ask(complete)


def _certified(subject: Subject, commit: str) -> set[str]:
    """The files that a link's birth certificate was read from, so that they come with the first request."""
    if subject.lineage is None or subject.policy.checks.get("lineage-complete") == OFF:
        return set()
    from registry.lineage import parse as parse_certificate

    try:
        found = parse_certificate(subject.lineage.data, subject.lineage.path)
    except RegistryError:
        return set()  # told by lineage-complete
    blobs = {fact.blob for facts in found.facts.values() for fact in facts.values()}
    return blobs - {"", commit} if found.commit == commit else set()


def _read(source: Source, commit: str, path: str) -> Model:
    from registry.api.modelreading import read_model  # what reads models is imported while their sources are asked

    return read_model(source, commit, path)


def _waited(subject: Subject, asked: Mapping[Offer, Future[None]]) -> Subject:
    """The subject, once its source was asked."""
    if isinstance(subject.opened, Offer):
        asked[subject.opened].result()
    return subject


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    order = {id_: number for number, id_ in enumerate(catalogue())}
    return sorted(findings, key=lambda each: (each.path or "", order.get(each.id, len(order)), each.line or 0))


def catalogue() -> Mapping[str, Check | ListingCheck | ChangeCheck]:
    """Every built-in check by its id, in the order in which findings are told."""
    from registry.checks.builtin import CHANGE_CHECKS, LINK_CHECKS, LISTING_CHECKS

    found: dict[str, Check | ListingCheck | ChangeCheck] = {}
    every: tuple[Check | ListingCheck | ChangeCheck, ...] = (*LINK_CHECKS, *LISTING_CHECKS, *CHANGE_CHECKS)
    for each in every:
        found.setdefault(each.id, each)
    return found
