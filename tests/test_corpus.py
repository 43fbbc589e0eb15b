"""Histories of public registries answer as gto answered on the originals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from lab import Lab, Repo

CORPUS = sorted((Path(__file__).parent / "fixtures" / "corpus").glob("*.json"))


@pytest.fixture(params=CORPUS, ids=lambda path: path.stem)
def history(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.param.read_text())
    return found


@pytest.fixture
def rebuilt(lab: Lab, history: dict[str, Any]) -> Repo:
    repo = lab.repo("rebuilt")
    commits = {}
    for label, time in sorted(history["commits"].items(), key=lambda item: item[1]):
        commits[label] = repo.commit(message=label, time=time)
    if "artifacts_yaml_at_head" in history:
        repo.commit({"artifacts.yaml": yaml.safe_dump(history["artifacts_yaml_at_head"])})
    for tag in history["tags"]:
        if tag["annotated"]:
            repo.tag(tag["name"], commits[tag["target"]], time=tag["tagger_time"])
        else:
            repo.lightweight(tag["name"], commits[tag["target"]])
    return repo


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) == 3


def test_gto_still_answers_a_rebuilt_history_as_it_answered_the_original(
    rebuilt: Repo, history: dict[str, Any]
) -> None:
    assert rebuilt.gto("show", "--json").json == history["gto_show"]


def test_show_answers_as_gto_did(rebuilt: Repo, history: dict[str, Any]) -> None:
    assert rebuilt.registry("show", "--json").json == history["gto_show"]


def test_show_asked_from_a_bare_clone_answers_as_gto_did(rebuilt: Repo, history: dict[str, Any]) -> None:
    bare = rebuilt.bare_clone()
    assert rebuilt.lab.registry("show", "--json", "-r", bare.url).json == history["gto_show"]
