"""`check`: the links of a registry, held against their sources, their contracts and the policy.

A folder is judged as its work tree stands now, committed or not; a bare repository or a URL by its default branch; a
change by git objects alone (`registry.api.changing`). Each source is asked once for all of its links. A check that
could not run is a finding of severity `skip` with the reason; where it is one whose findings are errors, and nothing
else says why this link fails, it is an error itself: what could not be judged never passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from os import PathLike
from types import MappingProxyType

from registry.api.asking import Asking
from registry.api.changing import Scope, scope
from registry.api.project import open_project
from registry.api.settled import Settled
from registry.checks import ChangeCheck, Check, ListingCheck
from registry.checks.files import File
from registry.checks.offer import Offer
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject, said
from registry.errors import RegistryError
from registry.findings import ERROR, NOTE, SKIP, WARNING, Finding
from registry.policy import OFF, PATH, Policy

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
    anew: bool = False,
    progress: Step | None = None,
) -> Report:
    """Judge every link of the registry at a path or URL, or with `base` what `head` (`HEAD`) changes.

    `custom` runs the programs in `scripts/checks` of the base revision; without it they are told as not run. `anew` has
    also judged what this machine found sound before. Raises `RegistryError` where the registry itself cannot be read.
    """
    opened = open_project(project)
    judged = scope(opened, base, head)
    levels = judged.policy.checks
    with ThreadPoolExecutor(WORKERS) as pool, ThreadPoolExecutor(WORKERS) as judging:
        asking = Asking(opened, pool)
        try:
            subjects = asking.begin(judged.subjects())
            from registry.api.earlier import Recall  # what judges is imported while the sources are asked
            from registry.checks.overall import IDS

            recall, own = Recall(opened, subjects, asking.wait, judged.base), _own(judged.scripts, run=custom)
            recall.attach()
            settled = Settled(opened, judged, recall.named, believed=not (anew or judged.change or own))
            asking.go_on(settled.holds)
            findings = [*_of_all(judged), *_unprovided(judged.policy, {*IDS, *(each.id for each in own)})]
            checks = _Checks([each for each in own if each.id not in IDS], levels)  # none takes a built-in's id
            if settled.empty:
                checks.every()
            told = _in_order(judging, lambda each: checks.judge(asking.waited(each)), subjects)
            for done, (subject, found) in enumerate(zip(subjects, told, strict=True), 1):
                findings += found
                settled.learn(subject, found)
                if progress is not None:
                    progress(done, len(subjects), subject.name or subject.file.path)
        finally:
            asking.stop()
    settled.save()
    notes = [each for each in findings if each.severity == NOTE]
    return Report(_sorted(each for each in findings if each.severity != NOTE), len(subjects), _sorted(notes))


def _in_order(
    pool: Executor, judged: Callable[[Subject], list[Finding]], subjects: Sequence[Subject]
) -> Iterator[list[Finding]]:
    """The findings of each link; of many links some are judged at a time, since a task costs as much as a link."""
    size = 1 + len(subjects) // (WORKERS * WORKERS)
    some = [subjects[start : start + size] for start in range(0, len(subjects), size)]
    for each in pool.map(lambda links: [judged(link) for link in links], some):
        yield from each


class _Checks:
    """The checks of single links, imported once a link is to be judged."""

    def __init__(self, own: Sequence[Check], levels: Mapping[str, str]) -> None:
        self._own = own
        self._levels = levels
        self._every: list[Check] | None = None

    def every(self) -> list[Check]:
        """Those that the policy does not turn off."""
        if self._every is None:
            from registry.checks.builtin import LINK_CHECKS

            every = (*LINK_CHECKS, *self._own)
            self._every = [each for each in every if self._levels.get(each.id, each.severity) != OFF]
        return self._every

    def judge(self, subject: Subject) -> list[Finding]:
        """Findings for one link whose source was asked."""
        return [] if subject.settled else judge(subject, self.every(), self._levels)


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
    from registry.checks.overall import CHANGE_CHECKS, LISTING_CHECKS

    levels, change = judged.policy.checks, judged.change
    if judged.unreadable is not None:
        message = (
            f"the base's policy cannot be read, so nothing says what this change must hold: {said(judged.unreadable)}"
        )
        yield Finding("policy-valid", ERROR, message, judged.unreadable.fix, path=PATH)
    for check in LISTING_CHECKS:
        if levels.get(check.id, check.severity) != OFF:
            told = list(check.run(judged.found))
            old = set(check.run(judged.before)) if told and judged.before is not None else set()
            for found in told:
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


def _own(scripts: Iterable[File], *, run: bool) -> list[Check]:
    """The checks that installed packages and the registry itself bring."""
    from registry.checks.custom import from_files, from_packages

    return [*from_packages(), *from_files(scripts, run=run)]


def _sorted(findings: Iterable[Finding]) -> list[Finding]:
    from registry.checks.overall import IDS

    order = {id_: number for number, id_ in enumerate(IDS)}
    return sorted(findings, key=lambda each: (each.path or "", order.get(each.id, len(order)), each.line or 0))


def catalogue() -> Mapping[str, Check | ListingCheck | ChangeCheck]:
    """Every built-in check by its id, in the order in which findings are told."""
    from registry.checks.builtin import CHANGE_CHECKS, LINK_CHECKS, LISTING_CHECKS

    found: dict[str, Check | ListingCheck | ChangeCheck] = {}
    every: tuple[Check | ListingCheck | ChangeCheck, ...] = (*LINK_CHECKS, *LISTING_CHECKS, *CHANGE_CHECKS)
    for each in every:
        found.setdefault(each.id, each)
    return found
