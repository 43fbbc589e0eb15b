"""`export mlflow`: stages as aliases of an MLflow server.

Rules: what a stage holds is what is accepted (`registry.api.accepting`). An alias is set to the version that the link
of the stage's version names at that very server, where the server still has it as a version of the pinned run.
Nothing is created that the server lacks, and no alias is taken away.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import NamedTuple

from registry.api.accepting import accept_all
from registry.api.adoption import LeftOut, tracking_server
from registry.api.links import read_link
from registry.api.project import Project, open_project
from registry.errors import NotFound, RegistryError
from registry.names import require_artifact
from registry.state import Artifact, Assignment
from registry.stores.mlflow import TrackedSource
from registry.stores.mlflow_models import aliases, set_alias
from registry.stores.mlflow_server import Server
from registry.urls import Address

_ALIAS = re.compile(r"(?!v?[0-9]+\Z|latest\Z)[A-Za-z0-9_-]{1,255}", re.IGNORECASE)
"""What MLflow takes as an alias: no `/`, no `v1`, not `latest`."""
_VERSION = re.compile(r"models/([^/:@]+)/([1-9][0-9]{0,9})")


class Mirrored(NamedTuple):
    """A stage that is an alias now."""

    artifact: str
    stage: str
    version: str
    model: str
    number: int
    before: int | None
    """The version that the alias named before."""


@dataclass
class Exported:
    """What an export did."""

    server: str
    set: list[Mirrored] = field(default_factory=list)
    unchanged: list[Mirrored] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def export_mlflow(
    tracking_uri: str,
    names: Sequence[str] = (),
    *,
    project: str | PathLike[str] = ".",
    dry_run: bool = False,
) -> Exported:
    """Mirror the stages of the artifacts `names`, or of all, as aliases. With `dry_run` nothing is changed.

    Raises `NotFound` for an artifact that is not here, `Refused` for a server that the policy does not trust.
    """
    opened = open_project(project)
    opened.refresh(head=True)
    server = tracking_server(tracking_uri, opened)
    accepted = accept_all(opened, opened.scan())
    artifacts = {name: each.artifact for name, each in accepted.items()}
    for name in names:
        if require_artifact(name) not in artifacts:
            raise NotFound(f"no artifact {name!r}", opened.where, "see `registry show`")
    done = Exported(server.where)
    known: dict[str, dict[str, int]] = {}
    for name in names or artifacts:
        accepted[name].require_believed()
        for stage, refused in accepted[name].refusals():
            done.left_out.append(LeftOut(f"{name}#{stage}", " ".join(refused.what.split()), refused.fix))
        for stage in sorted(artifacts[name].stages):
            holder = artifacts[name].holder(stage)
            if holder is not None:
                try:
                    _mirror(opened, server, artifacts[name], holder, known, done, dry_run=dry_run)
                except RegistryError as error:
                    what = " ".join(error.what.split())
                    done.left_out.append(LeftOut(f"{name}#{stage}", what, error.fix))
    return done


def _mirror(
    project: Project,
    server: Server,
    artifact: Artifact,
    holder: Assignment,
    known: dict[str, dict[str, int]],
    done: Exported,
    *,
    dry_run: bool,
) -> None:
    if not _ALIAS.fullmatch(holder.stage):
        raise RegistryError(f"MLflow takes no alias {holder.stage!r}", "", "letters, digits, '-' and '_' are taken")
    model, number = _version_there(project, server, artifact.name, holder)
    if model not in known:
        known[model] = aliases(server, model)
    before = known[model].get(holder.stage)
    found = Mirrored(artifact.name, holder.stage, holder.version.label, model, number, before)
    if before == number:
        done.unchanged.append(found)
        return
    if not dry_run:
        set_alias(server, model, holder.stage, number)
    known[model][holder.stage] = number
    done.set.append(found)


def _version_there(project: Project, server: Server, name: str, holder: Assignment) -> tuple[str, int]:
    """The model and number that the link names. Raises `RegistryError` where that is not what was pinned any more."""
    _, _, link = read_link(project, name, holder.version.commit, holder.event)
    match = _VERSION.fullmatch(link.path)
    if link.project != server.where or link.pinned is None:
        raise RegistryError(f"{holder.version.label} is linked from {link.project}, not from this server")
    if match is None:
        raise RegistryError(f"{holder.version.label} is linked by its run, not as a registered version: {link.path}")
    TrackedSource(Address(server.where, local=False), link.path).bring(link.pinned)
    return match[1], int(match[2])
