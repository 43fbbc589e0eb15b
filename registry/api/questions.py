"""Questions about a registry: what is registered, what runs where, who put it there. Nothing is written."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

from registry.annotations import CONFIG, LIMIT, Config
from registry.api.accepting import EVENT_REJECTED, Accepted, accept_all, read_accepted
from registry.api.project import Project, open_project, read_artifact
from registry.commit import Commit
from registry.errors import NotFound, Refused, RegistryError
from registry.names import require_artifact, require_stage
from registry.state import Artifact, fold
from registry.tags import Event
from registry.versions import require as require_version
from registry.views import Annotations, Selection

if TYPE_CHECKING:
    from registry.git.tagscan import Scan

Where = str | PathLike[str]


class Registry:
    """The whole state of a registry, read once: under a policy that governs, what is accepted of it.

    With `as_gto` every event counts, as for gto.
    """

    def __init__(self, project: Where = ".", *, as_gto: bool = False) -> None:
        self.project = open_project(project)
        self.project.refresh(head=True)
        scan = self.project.scan()
        self.accepted: dict[str, Accepted] = {} if as_gto else accept_all(self.project, scan)
        self.artifacts: dict[str, Artifact] = (
            fold(scan.events) if as_gto else {name: each.artifact for name, each in self.accepted.items()}
        )
        self.bad = scan.bad
        self.refs = scan.refs
        self.warnings: list[str] = []
        """What could not be read and was left out, or is not accepted, for a person."""
        for each in self.accepted.values():
            self.warnings += each.warnings()

    def config(self) -> Config:
        """What `.gto` settles. Raises `RegistryError` where it cannot be read."""
        return read_config(self.project)

    def stages(self, config: Config | None = None, *, used: bool = False) -> list[str]:
        """Stages of the registry: those `.gto` lists, else (or with `used`) those that hold something."""
        from registry.views import used_stages

        listed = None if used else (config or self.config()).stages
        return used_stages(self.artifacts.values()) if listed is None else listed

    def annotations(self, config: Config) -> Annotations:
        """What `artifacts.yaml` of the newest commit lists; a file that cannot be read is left out with a warning."""
        head = self.project.head()
        listed = self._indexes([head], config.index)[head] if head else {}
        if head is None or not listed:
            return Annotations()
        return Annotations(self._commits([head]).get(head), listed)

    def full_annotations(self, config: Config, artifact: Artifact | None) -> Annotations:
        """The same, with the commit and file of each version of one artifact, as `show NAME --json` lists them."""
        base = self.annotations(config)
        commits = list(dict.fromkeys(v.commit for v in artifact.versions.values())) if artifact else []
        if base.head and base.head.oid not in commits:
            commits.append(base.head.oid)
        return Annotations(base.head, base.listed, self._commits(commits), self._indexes(commits, config.index))

    def show(self, chosen: Selection = Selection()) -> dict[str, Any]:
        """`show --json`: version, stages and flags of every artifact."""
        from registry.views import registry_view

        config = self.config()
        return registry_view(self.artifacts, self.stages(config), self.annotations(config), chosen)

    def show_artifact(self, text: str, chosen: Selection = Selection()) -> list[dict[str, Any]]:
        """`show NAME --json`: one object a version; `NAME@vX.Y.Z`, `NAME@latest` and `NAME#STAGE` narrow it, as in gto.

        Raises `NotFound` where the artifact is unknown.
        """
        from registry.views import artifact_view

        name, mark, rest = _shortcut(text)
        artifact = self.artifacts.get(name)
        config = self.config()
        annotations = self.full_annotations(config, artifact)
        if artifact is None and name not in annotations.listed:
            raise NotFound(f"no artifact {name!r}", self.project.where, "see `registry show` and `registry doctor`")
        views = artifact_view(artifact or Artifact(name, [], {}, {}, {}), annotations, chosen)
        if mark == "#":
            return [view for view in views if any(stage["stage"] == rest for stage in view["stages"])]
        if rest in {"latest", "greatest"}:
            return views[:1]
        return [view for view in views if view["version"] == rest] if rest else views

    def history(self, name: str | None = None, *, ascending: bool = False) -> list[dict[str, Any]]:
        """`history --json`: every event of the registry or of one artifact, newest first."""
        from registry.views import history_view

        if name is not None and require_artifact(name) not in self.artifacts:
            raise NotFound(f"no artifact {name!r}", self.project.where, "see `registry show` and `registry doctor`")
        names = self.artifacts if name is None else [name]
        chosen = (self.accepted[each].history if each in self.accepted else self.artifacts[each] for each in names)
        return history_view(chosen, ascending=ascending)

    def _indexes(self, commits: list[str], index: str) -> dict[str, dict[str, dict[str, Any]]]:
        from registry.annotations import parse_index

        found: dict[str, dict[str, dict[str, Any]]] = {commit: {} for commit in commits}
        for commit, data in self.project.files_at(commits, index, LIMIT).items():
            try:
                found[commit] = parse_index(data, f"{self.project.where}: {commit[:7]}:{index}")
            except RegistryError as error:
                self.warnings.append(str(error))
        return found

    def _commits(self, oids: list[str]) -> dict[str, Commit]:
        from registry.git.objects import read_commits

        return read_commits(self.project.objects, oids)


def read_config(project: Project) -> Config:
    """What the registry's `.gto` settles. Raises `RegistryError` where it cannot be read."""
    data = project.config_file(CONFIG, LIMIT)
    if data is None:
        return Config()
    from registry.annotations import parse_config

    return parse_config(data, f"{project.where}: {CONFIG}")


def check_ref(ref: str, project: Where = ".", *, as_gto: bool = False) -> tuple[Artifact, Event]:
    """The event a tag made, with its artifact's state.

    With `as_gto` every event counts, as for gto. Raises `NotFound` where the tag is none, or is skipped, and `Refused`
    (`event-rejected`) where the policy does not accept it.
    """
    opened = open_project(project)
    if as_gto:
        asked = read_artifact(opened, _named(ref))
        return asked.artifact, _event(ref, asked.scan, opened)
    accepted, event = asked_ref(opened, ref)
    rejection = accepted.rejected.get(event.ref)
    if rejection is not None:
        where = f"{accepted.where}: tag {event.ref}"
        raise Refused(EVENT_REJECTED, str(rejection), where, rejection.reasons[0].fix)
    return accepted.history, event


def asked_ref(opened: Project, ref: str) -> tuple[Accepted, Event]:
    """The event a tag made, accepted or not, with what is accepted of its artifact. Raises `NotFound`."""
    accepted = read_accepted(opened, _named(ref))
    return accepted, _event(ref, accepted.scan, opened)


def _named(ref: str) -> str:
    """The artifact that a tag is about."""
    from registry.tags import BadTag, parse_name

    ref = ref.removeprefix("refs/tags/")
    name = parse_name(ref)
    if isinstance(name, BadTag):
        raise NotFound(f"{ref!r} is not a registry tag: {name.detail}", fix="see `registry history`")
    return name.artifact


def _event(ref: str, scan: Scan, opened: Project) -> Event:
    ref = ref.removeprefix("refs/tags/")
    for event in scan.events:
        if event.ref == ref:
            return event
    for bad in scan.bad:
        if bad.ref == ref:
            raise RegistryError(f"tag {ref!r} is skipped: {bad.detail}", opened.where, "see `registry doctor`")
    raise NotFound(f"no tag {ref!r}", opened.where, "see `registry history`")


def _shortcut(text: str) -> tuple[str, str, str]:
    for mark in "#@":
        name, found, rest = text.partition(mark)
        if found:
            if mark == "#":
                require_stage(rest)
            elif rest not in {"latest", "greatest"}:
                require_version(rest)
            return require_artifact(name), mark, rest
    return require_artifact(text), "", ""
