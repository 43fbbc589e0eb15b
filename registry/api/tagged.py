"""What a registry's tags say of some artifacts, as far as it is accepted, for the checks of their links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from registry import versions as semver
from registry.api.project import Project
from registry.errors import NotFound, RegistryError
from registry.git.process import run
from registry.state import Artifact, fold, fold_artifact
from registry.tags import Event, TagName, parse_name

if TYPE_CHECKING:
    from registry.api.rules import Rules
    from registry.git.tagscan import Scan

Unclear = Mapping[str, Sequence[tuple[str, RegistryError]]]
"""Of each artifact the stages without an answer, and why."""


class Tagged(NamedTuple):
    """What the tags say."""

    artifacts: Mapping[str, Artifact]
    """As far as they are accepted, where a policy governs."""
    unclear: Unclear
    tops: Mapping[str, str | None]
    """The greatest number that some tag, well-formed or not, ever named."""

    def named(self, name: str) -> object:
        """All that this says of one artifact, as values that are equal only where it says the same."""
        artifact = self.artifacts[name]
        held = [(stage, each.version.label) for stage in sorted(artifact.stages) if (each := artifact.holder(stage))]
        unclear = [(stage, error.what) for stage, error in self.unclear[name]]
        return sorted((event.ref, event.oid) for event in artifact.events), held, unclear, self.tops[name]


def read_tagged(project: Project, names: set[str], base: str | None, *, governed: bool) -> Tagged:
    """Read all tags in one scan; where there is a policy (`governed`) they count by that of `base`, or as it is now.

    Raises `RegistryError`, also in a shallow clone without any tag: that is how a clone looks that was made without.
    """
    rules = _rules(project, base) if governed else None
    only = next(iter(names)) if len(names) == 1 else None
    project.refresh(only, head=rules is not None and rules.needs_ledger)
    scan = project.scan(only)
    if not scan.refs:
        _require_whole(project)
    given: dict[str, set[str]] = {name: set() for name in names}
    for name in (*scan.events, *(parse_name(bad.ref) for bad in scan.bad)):
        if isinstance(name, (Event, TagName)) and name.version and name.artifact in given:
            given[name.artifact].add(name.version)
    tops = {name: max(found, key=semver.key, default=None) for name, found in given.items()}
    return Tagged(*_state(project, names, rules, scan), tops)


def _rules(project: Project, base: str | None) -> Rules | None:
    from registry.api.rules import read_rules, rules_at

    found = read_rules(project) if base is None else rules_at(project, base)
    return found if found.governs else None


def _state(
    project: Project, names: set[str], rules: Rules | None, scan: Scan
) -> tuple[Mapping[str, Artifact], Unclear]:
    artifacts = {name: fold_artifact(name, []) for name in names}
    unclear: dict[str, list[tuple[str, RegistryError]]] = {name: [] for name in names}
    mine = scan._replace(events=[event for event in scan.events if event.artifact in names])
    if rules is None:
        return artifacts | fold(mine.events), unclear
    from registry.api.accepting import accept_all

    for name, accepted in accept_all(project, mine, rules=rules).items():
        artifacts[name] = accepted.artifact
        unclear[name] += [each for each in accepted.refusals() if each[1].reason != "revoked"]
    return artifacts, unclear


def _require_whole(project: Project) -> None:
    if project.mirror is not None:
        return
    shallow = run(project.path, ["rev-parse", "--is-shallow-repository"]).out.strip() == b"true"
    if shallow and not run(project.path, ["for-each-ref", "--count=1", "refs/tags"]).out:
        raise NotFound("this clone is shallow and has no tags", project.where, "fetch all tags, then check")
