"""A model in a source repository, and a registry that links it: what tests of links and loading begin with."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lab import START, Lab, Repo
from sklearn.linear_model import LinearRegression

import registry
from registry.api.checking import Report
from registry.linkfile import Link, parse_link

COLUMNS = ["x", "y"]
ROWS = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 0.0, 1.0, 2.0]})
LARGE = 1 << 17
"""Coefficients of the large model: 1 MiB."""


@functools.cache
def saved(slope: float = 1.0, kind: str | None = None) -> dict[str, bytes]:
    """The files of a linear model whose prediction for x = 1, y = 0 is `slope`."""
    model = LinearRegression(fit_intercept=False).fit(ROWS, ROWS["x"] * slope)
    return _files(model, sample_data=ROWS, format=kind)


@functools.cache
def saved_large() -> dict[str, bytes]:
    """The files of a model of 1 MiB, which cannot be compressed."""
    model = LinearRegression()
    model.coef_, model.intercept_ = np.random.default_rng(7).random(LARGE), 0.0
    model.n_features_in_ = LARGE
    return _files(model)


def _files(model: object, **options: Any) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        registry.save(model, Path(folder) / "lr", **options)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def slope(model: Any) -> float:
    """What a loaded model predicts for x = 1, y = 0."""
    return round(float(model.predict(pd.DataFrame({"x": [1.0], "y": [0.0]}))[0]), 6)


class Made:
    """A repository made once, by git, in a folder of its own that goes away with this process; tests get copies."""

    def __init__(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="registry-tests-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        self.lab = Lab(folder / "lab")
        self.repo = self.lab.repo("made")

    def copy(self, lab: Lab, name: str) -> Repo:
        """A copy in a lab, whose clock goes on as if it had been made there."""
        shutil.copytree(self.repo.path, lab.root / name, symlinks=True)
        lab.tick(self.lab.now - START)
        return Repo(lab, lab.root / name)


@functools.cache
def _source(files: frozenset[tuple[str, bytes]]) -> Made:
    made = Made()
    made.repo.commit({"README.md": "a model\n", **dict(files)})
    made.repo.tag("v1")
    return made


def _initialised() -> Made:
    made = Made()
    registry.init(made.repo.path)
    made.repo.commit({"README.md": "a registry\n"})
    return made


_registry = functools.cache(_initialised)


@functools.cache
def _promoted() -> Made:
    made = _initialised()
    source, repo = make_source(made.lab), made.repo
    add(repo, str(source.path), stage="prod")
    source.commit(dict(saved(2.0)))
    source.tag("v2")
    add(repo, str(source.path), rev="v2", version="v1.1.0", stage="staging")
    return made


def make_promoted(lab: Lab, name: str = "reg") -> Repo:
    """A registry with v1.0.0 of `m` (slope 1) in prod, v1.1.0 (slope 2) in staging; their source is for reading only."""
    return _promoted().copy(lab, name)


def make_source(lab: Lab, name: str = "source", files: dict[str, bytes] | None = None) -> Repo:
    """A repository with the model `lr`, tagged `v1`."""
    return _source(frozenset((saved() if files is None else files).items())).copy(lab, name)


def make_registry(lab: Lab, name: str = "reg") -> Repo:
    """A repository that `init` made a registry."""
    return _registry().copy(lab, name)


def add(repo: Repo, source: str, *, rev: str = "v1", version: str = "v1.0.0", stage: str = "", name: str = "m") -> Link:
    """Link the model `lr` of `source`, commit, and register (and assign) it as `name`."""
    done = registry.link("lr", name, source_project=source, rev=rev, project=repo.path)
    commit_version(repo, version, stage, name)
    return done.link


def add_text(repo: Repo, text: str | bytes, *, version: str = "v1.0.0", name: str = "m") -> str:
    """Commit any text as the link `name` and register it; the commit."""
    repo.write({f".mlem/links/{name}.mlem": text})
    return commit_version(repo, version, "", name)


def commit_version(repo: Repo, version: str, stage: str = "", name: str = "m") -> str:
    """Commit everything and tag it as a version of `name`, assigned to a stage where one is given."""
    repo.git("add", "--all")
    commit = repo.commit(message=f"link {name}")
    repo.tag(f"{name}@{version}")
    if stage:
        repo.tag(f"{name}#{stage}#{sum('#' in tag for tag in repo.tags()) + 1}")
    return commit


def check(*args: Any, **options: Any) -> Report:
    """What `registry.check` finds, but for birth certificates, where links are edited: `test_lineage.py` is about those."""
    report = registry.check(*args, **options)
    return replace(report, findings=[each for each in report.findings if each.id != "lineage-complete"])


def link_text(repo: Repo, name: str = "m") -> str:
    """The link file of an artifact in the work tree."""
    return (repo.path / f".mlem/links/{name}.mlem").read_text()


def link_of(repo: Repo, name: str = "m") -> Link:
    """The link of an artifact in the work tree."""
    return parse_link(link_text(repo, name).encode(), name)


def edit_link(repo: Repo, old: str, new: str, *, version: str = "v9.0.0", name: str = "m") -> None:
    """Replace text in a link file and register what came out."""
    text = link_text(repo, name)
    assert old in text, f"{old!r} is not in {text}"
    add_text(repo, text.replace(old, new), version=version, name=name)


def served(lab: Lab, *repos: Repo) -> Path:
    """A folder with a bare copy of each repository, to be served over HTTP."""
    folder = lab.root / "served"
    folder.mkdir(exist_ok=True)
    for repo in repos:
        repo.bare_clone(f"served/{repo.path.name}.git")
    return folder


def files_below(path: Path) -> dict[str, bytes]:
    """Every file below a folder, to see whether something was written or lost."""
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}
