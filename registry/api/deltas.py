"""The metrics of a version beside those of another: what a message tells of a promotion.

Rules: of a suite those of reports on exactly the versions' bytes, as `registry.reportdiff` pairs them, under
`SUITE/METRIC`; then the numbers of the birth certificates at the versions' commits. Only what the later version has is
told, and a number before only where both were measured on the same. Nothing is loaded, and no source is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from registry.api.project import Project
from registry.api.resolving import read_at
from registry.api.sides import certificate_of, judging, reports_at
from registry.checks.listing import about
from registry.comparison import Side
from registry.errors import RegistryError
from registry.lineage import METRICS
from registry.notice import Change
from registry.reportdiff import APART, judgements
from registry.state import fold_artifact
from registry.strictyaml import LIMIT

MOST = 20
"""Metrics that are told."""


def metrics_between(project: Project, name: str, version: str, before: str | None) -> Mapping[str, Change] | None:
    """Metrics of a version, each beside that of the version `before`; none where nothing is known.

    Versions are labels of the registry as it is here. Raises `RegistryError` where it cannot be read.
    """
    artifact = fold_artifact(name, project.scan(name).events)
    known = {label: artifact.versions[label].commit for label in (version, before) if label in artifact.versions}
    if version not in known:
        return None
    head = project.head()
    reports = tuple(reports_at(project, name, head)) if head else ()
    now = _side(project, name, known[version], reports)
    was = _side(project, name, known[before], reports) if before in known else Side("")
    found = dict([*_measured(was, now), *_certified(was, now)])
    return {key: found[key] for key in [*found][:MOST]} or None


def _side(project: Project, name: str, commit: str, reports: tuple[tuple[str, bytes], ...]) -> Side:
    """What is known of a version without its source: the link, the certificate, the reports."""
    path = about(name)[1]
    try:
        link = read_at(project, name, commit).link
    except RegistryError:  # a version of before may have none that can be read
        return Side("")
    data = project.read_at([(commit, path)], LIMIT).get((commit, path))
    side = Side("", commit=commit, link=link)
    try:
        certificate = certificate_of(link, data[1] if data else None, path)
    except RegistryError:
        certificate = None
    return Side("", commit=commit, link=link, certificate=certificate, reports=judging(side, name, reports))


def _measured(was: Side, now: Side) -> Iterator[tuple[str, Change]]:
    """Of the suites."""
    told = set()
    for each in judgements(was.bytes, now.bytes, (was.reports, now.reports)):
        for score in each.scores:
            if score.after is not None:
                told.add(each.suite)
                yield f"{each.suite}/{score.name}", Change(None if each.kind == APART else score.before, score.after)
    for report in now.reports:
        if report.suite not in told:
            told.add(report.suite)
            metrics = sorted(report.results.metrics.items())
            yield from ((f"{report.suite}/{key}", Change(None, value)) for key, value in metrics if value is not None)


def _certified(was: Side, now: Side) -> Iterator[tuple[str, Change]]:
    """Of the birth certificates."""
    before, after = (_numbers(side) for side in (was, now))
    yield from ((key, Change(before.get(key), value)) for key, value in sorted(after.items()))


def _numbers(side: Side) -> dict[str, float]:
    facts = side.facts(METRICS)
    numbers = {key: fact.value for key, fact in facts.items() if not isinstance(fact.value, bool)}
    return {key: float(value) for key, value in numbers.items() if isinstance(value, (int, float))}
