"""Stages and aliases of an MLflow server, as stages of the registry: see `registry.api.mlflow_import` for the rules."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from registry.api import staging
from registry.api.accepting import accept_any
from registry.api.adoption import Adopted, LeftOut, Placed, iso
from registry.api.project import Project
from registry.api.questions import read_config
from registry.api.recording import Options
from registry.cache.transfer import Step
from registry.errors import RegistryError
from registry.git.tagwrite import NEAR
from registry.lineage import scalar
from registry.names import require_stage
from registry.policy import Policy
from registry.state import Artifact
from registry.stores.mlflow_models import ModelVersion, RegisteredModel
from registry.stores.mlflow_server import Server
from registry.tags import ASSIGNMENT, trailers

MARK = "Mlflow-Model"
"""The trailer by which a tag is known as imported."""


class Run(NamedTuple):
    """What all models of one import share."""

    root: Path
    folder: Path
    """Where links are written and committed."""
    project: Project
    server: Server
    policy: Policy
    done: Adopted
    step: Step | None
    dry_run: bool

    def artifact(self, name: str) -> Artifact:
        """An artifact as it stands, as far as it is accepted."""
        return accept_any(self.project, name).history


class Stages:
    """The stages of one registered model on their way."""

    def __init__(self, run: Run, model: RegisteredModel, name: str, own: Mapping[str, int]) -> None:
        self.run, self.model, self.name = run, model, name
        self.own = own
        """The versions that are those of this model."""

    def adopt(self) -> None:
        """Assign the stages whose version is another than at the last import."""
        allowed = read_config(self.run.project).stages
        wanted: dict[str, list[_Wanted]] = {}
        for each in _wanted(self.model):
            try:
                _require_usable(each.stage, allowed)
            except RegistryError as error:
                self.run.done.leave(f"{self.model.name} {each.source}", error)
                continue
            wanted.setdefault(each.stage, []).append(each)
        for stage, ordered in wanted.items():
            for each in self._new(stage, ordered):
                self._assign(each)

    def _new(self, stage: str, ordered: list[_Wanted]) -> list[_Wanted]:
        """Those that the last import did not make, in order; the last one again, where another was made after it."""
        artifact = self.run.artifact(self.name)
        made = [
            artifact.labels[event.ref]
            for event in artifact.events
            if event.stage == stage and event.kind == ASSIGNMENT and MARK in trailers(event.message)
        ]
        new = [each for each in ordered if each.label not in made]
        if ordered[-1] not in new and made[-1:] != [ordered[-1].label]:
            new.append(ordered[-1])
        return new

    def _assign(self, each: _Wanted) -> None:
        what = f"{self.model.name} {each.source}"
        artifact = self.run.artifact(self.name)
        holder = artifact.holder(each.stage)
        if holder is not None and holder.version.label == each.label:
            return
        if each.label not in self.own:
            self.run.done.left_out.append(LeftOut(what, f"it names version {each.version.number}, which is not here"))
            return
        if not self.run.dry_run:
            catch_up(artifact)
            options = Options(trailers=said(each.version, each.time) | {each.trailer: line(each.name)})
            try:
                staging.assign(self.name, each.stage, version=each.label, project=self.run.root, options=options)
            except RegistryError as error:
                self.run.done.leave(what, error)
                return
        self.run.done.assigned.append(Placed(each.source, self.name, each.stage, each.label))


def _require_usable(stage: str, allowed: list[str] | None) -> None:
    require_stage(stage)
    if allowed is not None and stage not in allowed:
        raise RegistryError(f"stage {stage!r} is none of .gto's", "", "add it to .gto")


class _Wanted(NamedTuple):
    """A stage or alias of MLflow."""

    stage: str
    name: str
    """As MLflow has it."""
    trailer: str
    version: ModelVersion
    time: int

    @property
    def label(self) -> str:
        """The version here."""
        return f"v{self.version.number}.0.0"

    @property
    def source(self) -> str:
        """For people."""
        return f"{'alias' if self.trailer == 'Mlflow-Alias' else 'stage'} {self.name}"


def _wanted(model: RegisteredModel) -> Iterator[_Wanted]:
    """Legacy stages, the one that changed last last; then aliases, whose time nobody knows."""
    for each in sorted(model.versions, key=lambda version: (version.updated, version.number)):
        if each.stage:
            yield _Wanted(each.stage.lower(), each.stage, "Mlflow-Stage", each, each.updated)
    by_number = {version.number: version for version in model.versions}
    for alias, number in sorted(model.aliases.items()):
        if number in by_number:
            yield _Wanted(alias, alias, "Mlflow-Alias", by_number[number], 0)


def said(version: ModelVersion, when: int) -> dict[str, str]:
    """What MLflow says of who and when, as trailers."""
    found = {MARK: line(version.path)}
    if version.user:
        found["Mlflow-User"] = line(version.user)
    if when:
        found["Mlflow-Time"] = iso(when)
    return found


def line(text: str) -> str:
    """Foreign text as a trailer can hold it."""
    return str(scalar(text))[:200]


def catch_up(artifact: Artifact) -> None:
    """Wait where many tags of a moment run ahead of the clock: each stands a second after the one before."""
    ahead = max((event.time for event in artifact.events), default=0) - time.time()
    if NEAR - 10 < ahead <= 2 * NEAR:
        time.sleep(ahead - NEAR + 10)
