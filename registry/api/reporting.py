"""`registry report`: the compliance report of a registry, of its trail and of what its stages hold now."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from os import PathLike

from registry.api.gathering import gather
from registry.api.project import Project, open_project
from registry.api.trails import When, seconds, standing
from registry.checks.listing import about
from registry.compliance import Compliance, Covered, Window, comply
from registry.errors import RegistryError
from registry.git.objects import entries
from registry.holdings import Holding
from registry.linkfile import Link, parse_link
from registry.moments import parse_days
from registry.names import link_paths
from registry.strictyaml import LIMIT
from registry.suite import REPORTS

_FILES = frozenset({"100644", "100755", "100664"})


def report(project: str | PathLike[str] = ".", *, since: When = "7d", stale: str = "180d") -> Compliance:
    """The report from `since` until now; `stale` is how long a model may go without a change.

    Raises as `registry.api.trails.audit`.
    """
    now = int(time.time())
    begin, most = seconds(since, now), parse_days(stale)
    found = gather(open_project(project), now)
    held = standing(found, now)
    covered = coverage(found.project, found.head, held)
    window = Window(found.project.where, begin or 0, now, most)
    return comply(window, found.rows, held, covered, found.remarks)


def coverage(project: Project, head: str | None, held: Iterable[Holding]) -> list[Covered]:
    """What the versions that stages hold have: cards and certificates at their commits, reports on the branch now."""
    stages: dict[tuple[str, str, str], list[str]] = {}
    for each in held:
        stages.setdefault((each.name, each.version, each.commit), []).append(each.stage)
    places = [(commit, path) for name, _, commit in stages for path in (*about(name), *link_paths(name))]
    files = project.read_at(places, LIMIT) if places else {}
    judged = _evaluated(project, head) if head is not None and places else set()
    told = []
    for (name, version, commit), where in stages.items():
        card, lineage = ((commit, path) in files for path in about(name)[:2])
        link = next((files[commit, path][1] for path in link_paths(name) if (commit, path) in files), None)
        known = None if link is None else _bytes_of(name, link)
        told.append(Covered(name, version, tuple(where), card, lineage, known is not None and known in judged))
    return told


Bytes = tuple[str, str, frozenset[tuple[str, str]]]
"""A model's name, and the SHA-256 of its metafile and of each of its files."""


def _bytes_of(name: str, data: bytes) -> Bytes | None:
    try:
        link: Link = parse_link(data, name)
        if link.metafile is None or not link.artifacts:
            return None
        return _key(name, link.metafile.sha256, {each: pin.sha256 for each, pin in link.artifacts.items()})
    except RegistryError:
        return None


def _key(name: str, metafile: str, pins: Mapping[str, str]) -> Bytes:
    return name, metafile, frozenset(pins.items())


def _evaluated(project: Project, head: str) -> set[Bytes]:
    """What some report of the default branch is about; one that cannot be read is about nothing."""
    if REPORTS not in project.tree(head, [REPORTS]):
        return set()
    from registry.evaluation import LIMIT as LARGEST
    from registry.evaluation import parse_report

    found = entries(project.objects, head, [REPORTS], deep=True)
    paths = [path for path, each in found.items() if each.mode in _FILES and path.endswith(".json")]
    judged = set()
    for (_, path), (_, data) in project.read_at([(head, path) for path in paths], LARGEST).items():
        try:
            candidate = parse_report(data, path).candidate
        except RegistryError:
            continue
        judged.add(_key(candidate.name, candidate.metafile, dict(candidate.artifacts)))
    return judged
