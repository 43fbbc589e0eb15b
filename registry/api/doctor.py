"""Looking a registry over: which tags are skipped and why, what is doubtful, which settings cannot be read."""

from __future__ import annotations

from os import PathLike

from registry.annotations import CONFIG, LIMIT, Config, parse_index
from registry.api.accepting import EVENT_REJECTED, accept_all
from registry.api.project import Project, open_project
from registry.api.questions import read_config
from registry.errors import Refused, RegistryError
from registry.findings import ERROR, Finding
from registry.git.tagscan import Scan, loose_refs
from registry.state import fold
from registry.tagrules import artifact_findings, loose_findings, name_findings, removal, tag_findings


def doctor(project: str | PathLike[str] = ".") -> list[Finding]:
    """All that is wrong in a registry, by tag, then by artifact. Raises `RegistryError` where no registry is."""
    opened = open_project(project)
    opened.refresh(head=True)
    scan = opened.scan()
    artifacts = fold(scan.events)
    found = [*_settings(opened), *tag_findings(scan.bad), *rejections(opened, scan)]
    for artifact in artifacts.values():
        found += artifact_findings(artifact)
    found += name_findings(artifacts)
    return found + loose_findings(loose_refs(opened.path) if opened.mirror is None else 0)


def rejections(project: Project, scan: Scan) -> list[Finding]:
    """What the policy does not accept, where one governs; of a registry that was brought up to date.

    `event-rejected` is an event that counts for nothing; a stage without an answer is told by why it is refused.
    """
    try:
        answers = accept_all(project, scan)
    except Refused as error:
        return [Finding(error.reason, ERROR, error.what, error.fix, path=error.where or None)]
    found: list[Finding] = []
    for name, each in answers.items():
        for turned in each.rejected.values():
            fix = f"{turned.reasons[0].fix}; or {removal(turned.event.ref)}"
            found.append(Finding(EVENT_REJECTED, ERROR, str(turned), fix, name, ref=turned.event.ref))
        for stage, refused in each.refusals():
            found.append(Finding(refused.reason, ERROR, f"stage {stage!r}: {refused.what}", refused.fix, name))
    return found


def _settings(project: Project) -> list[Finding]:
    found: list[Finding] = []
    config = Config()
    try:
        config = read_config(project)
    except RegistryError as error:
        found.append(_unreadable("gto-config", CONFIG, error))
    try:
        _read_index(project, config.index)
    except RegistryError as error:
        found.append(_unreadable("gto-index", config.index, error))
    return found


def _read_index(project: Project, name: str) -> None:
    data = project.file_at_head(name, LIMIT)
    if data is not None:
        parse_index(data, f"{project.where}: {name}")


def _unreadable(rule: str, path: str, error: RegistryError) -> Finding:
    fix = error.fix or "correct the file"
    return Finding(rule, ERROR, f"{path} cannot be read: {error.what} ({error.where})", fix, path=path)
