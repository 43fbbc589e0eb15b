"""`import mlflow`: what an MLflow server has registered, as links, versions and stages.

Rules: version N becomes `vN.0.0`, with a commit of its own that holds its link, made as `registry link` makes one: run
and every digest are pinned. Legacy stages (in lower case) and then aliases become stages; MLflow keeps no history of
them, so versions of one legacy stage are assigned in the order in which they were last changed. Tags are made now;
who and when MLflow says stands in their trailers. Done again it adds what is new: a version that stands is never made
again, and a stage is assigned only where MLflow says another version than it said at the last import. What cannot be
taken over is told and left out; what was taken over before that stays, whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from registry.api import registering
from registry.api.adoption import Adopted, Taken, tracking_server
from registry.api.governing import current_policy
from registry.api.linking import link
from registry.api.links import read_link
from registry.api.mlflow_stages import Run, Stages, catch_up, said
from registry.api.modelreading import read_model
from registry.api.project import open_project
from registry.api.recording import Options
from registry.api.writing import registry_root
from registry.cache.transfer import Step, Transient
from registry.checks.format_allowed import PICKLES
from registry.errors import Refused, RegistryError, Unreachable
from registry.git import worktree
from registry.lineage import certificate_path
from registry.linkfile import parse_link
from registry.names import link_paths, require_artifact
from registry.offline import Offline
from registry.stores.mlflow import TrackedSource
from registry.stores.mlflow_models import ModelVersion, RegisteredModel, registered_models
from registry.urls import Address

LONGEST = 256
"""Longest name of a registered model, in characters, as MLflow has it."""
BRANCH = "import/mlflow"
"""The branch that gets the commits, where no other is named."""


def import_mlflow(
    tracking_uri: str,
    *,
    project: str | PathLike[str] = ".",
    models: Mapping[str, str] | Sequence[str] = (),
    branch: str = BRANCH,
    commit: bool = False,
    dry_run: bool = False,
    step: Step | None = None,
) -> Adopted:
    """Take over the registered models of a server, or those named in `models` (a mapping gives the artifacts' names).

    Commits are made on `branch`, or with `commit` on what is checked out; nothing is pushed. With `dry_run` the server
    is asked and nothing is written. Raises `RegistryError` where the server cannot be asked at all, `Refused`.
    """
    root = registry_root(project)
    opened = open_project(root)
    server = tracking_server(tracking_uri, opened)
    found = registered_models(server, tuple(models))
    names = models if isinstance(models, Mapping) else {}
    done = Adopted(server.where, worktree.checked_out(root) if commit else branch)
    with _place(root, branch, commit=commit, dry_run=dry_run) as folder:
        run = Run(root, folder, opened, server, current_policy(opened), done, step, dry_run)
        taken: dict[str, str] = {}
        for model in found:
            name = names.get(model.name, model.name)
            try:
                require_artifact(name)
                _require_plain(model.name)
                _require_free(name, model.name, taken)
                one = _Model(run, model, name)
                one.versions()
                Stages(run, model, name, one.own).adopt()
            except (Offline, Transient, Unreachable) as error:
                done.leave(f"{model.name} and what follows", error)
                break
            except RegistryError as error:
                done.leave(model.name, error)
    return done


@contextmanager
def _place(root: Path, branch: str, *, commit: bool, dry_run: bool) -> Iterator[Path]:
    if commit or dry_run:
        yield root
        return
    with worktree.on_branch(root, branch) as folder:
        yield folder


def _require_plain(model: str) -> None:
    if not model.isprintable() or len(model) > LONGEST:
        raise RegistryError("its name is too long, or holds what cannot be printed", "", "rename it at the server")


def _require_free(name: str, model: str, taken: dict[str, str]) -> None:
    other = taken.setdefault(name.lower(), model)
    if other != model:
        raise RegistryError(f"{name!r} is the name of {other!r} already", "", f"--models '{model}=ANOTHER_NAME'")


class _Model:
    """One registered model on its way."""

    def __init__(self, run: Run, model: RegisteredModel, name: str) -> None:
        self.run, self.model, self.name = run, model, name
        self.paths = (link_paths(name)[0], certificate_path(name))
        self.own: dict[str, int] = {}
        """Versions of this model with MLflow's number: those that stood, and those registered now (or planned)."""

    def versions(self) -> None:
        """Register every version that is not registered yet, each at a commit of its own."""
        self._require_own_link()
        added = False
        for version in self.model.versions:
            label = f"v{version.number}.0.0"
            try:
                if self._stands(version, label):
                    self.run.done.known += 1
                    self.own[label] = version.number
                    continue
                self._require_adoptable(version)
                commit = None if self.run.dry_run else self._register(version, label)
                self.run.done.registered.append(Taken(version.path, self.name, label, commit))
                self.own[label] = version.number
                added = True
            except (Offline, Transient, Unreachable):
                raise
            except RegistryError as error:
                self.run.done.leave(version.path, error)
        if added and not self.run.dry_run:
            self._leave_newest()

    def _require_own_link(self) -> None:
        """The link that stands is one of this model at this server, or none."""
        if not self.run.dry_run:
            worktree.require_clean(self.run.folder, self.paths)
        path = self.run.folder / self.paths[0]
        if not path.is_file():
            return
        found = parse_link(path.read_bytes(), self.paths[0])
        if found.project != self.run.server.where or not found.path.startswith(f"models/{self.model.name}/"):
            raise RegistryError(
                f"{self.name!r} is linked to something else: {found.project} {found.path}",
                self.paths[0],
                f"import it under another name: --models '{self.model.name}=ANOTHER_NAME'",
            )

    def _stands(self, version: ModelVersion, label: str) -> bool:
        """Whether a version was taken over before. Raises `RegistryError` where its number means another model."""
        known = self.run.artifact(self.name).versions.get(label)
        if known is None:
            return False
        _, _, found = read_link(self.run.project, self.name, known.commit)
        if (found.project, found.path, found.rev) != (self.run.server.where, version.path, version.run_id):
            raise RegistryError(
                f"{label} of {self.name!r} is registered already, of {found.project} {found.path}, run {found.rev}",
                "",
                "a number is never given out again: link it by hand under a new one",
            )
        return True

    def _require_adoptable(self, version: ModelVersion) -> None:
        """Ask for the model's own file: it must be there, ready, and of a format that the policy admits."""
        if version.status not in {"READY", ""}:
            raise RegistryError(f"it is {version.status[:40]}", "", "wait until the server says READY")
        source = TrackedSource(Address(self.run.server.where, local=False), version.path)
        source.bring(source.run_id)
        found = read_model(source, source.run_id, version.path).metafile
        if found.io in PICKLES and self.run.policy.formats.pickle != "pinned":
            raise Refused(
                "format-allowed",
                f"it is stored as {found.io}, which runs code: formats.pickle is {self.run.policy.formats.pickle!r}",
                "",
                "log it in a safe format, or have formats.pickle in policy.yaml changed",
            )

    def _register(self, version: ModelVersion, label: str) -> str:
        link(
            version.path,
            self.name,
            source_project=self.run.server.where,
            rev=version.run_id,
            project=self.run.folder,
            progress=self.run.step,
        )
        story = f"Source: {self.run.server.where}\nModel: {version.path}\nRun: {version.run_id}\n"
        try:
            commit = worktree.commit(self.run.folder, self.paths, f"Import {self.name} {label} from MLflow\n\n{story}")
        except RegistryError:
            worktree.restore(self.run.folder, "HEAD", self._committed("HEAD"))
            raise
        catch_up(self.run.artifact(self.name))
        registering.register(
            self.name,
            commit,
            project=self.run.root,
            version=label,
            options=Options(trailers=said(version, version.created) | {"Mlflow-Run": version.run_id}),
        )
        return commit

    def _leave_newest(self) -> None:
        """The link that stands in the end is that of the greatest number, whatever was added late."""
        standing = [
            each for each in self.run.artifact(self.name).versions.values() if each.label in self.own and each.active
        ]
        newest = max(standing, key=lambda each: self.own[each.label])
        worktree.restore(self.run.folder, newest.commit, self._committed(newest.commit))
        worktree.commit(self.run.folder, self.paths, f"Link {self.name} {newest.label} again, the newest of MLflow\n")

    def _committed(self, revision: str) -> list[str]:
        return worktree.present(self.run.folder, revision, self.paths)
