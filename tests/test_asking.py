"""What `check` asks of a source on a server: little, all at once, and no bad pin stands in another link's way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from git_http import GitServer
from lab import Lab, Repo
from linked import make_registry, make_source, saved, served

import registry
from registry.api.checking import check

NAMES = ["a", "b", "c"]


@pytest.fixture
def server(lab: Lab, http: Callable[..., GitServer]) -> GitServer:
    """A source with a model of its own at each of three tags."""
    source = make_source(lab)
    for number in (2, 3):
        source.commit(saved(float(number)))
        source.tag(f"v{number}")
    return http(served(lab, source))


@pytest.fixture
def reg(lab: Lab, server: GitServer) -> Repo:
    made = make_registry(lab)
    for number, name in enumerate(NAMES, 1):
        registry.link("lr", name, source_project=f"{server.url}/source.git", rev=f"v{number}", project=made.path)
    return made


def link_of(reg: Repo, name: str) -> Path:
    return reg.path / f".mlem/links/{name}.mlem"


def errors(reg: Repo) -> list[tuple[str | None, str]]:
    return [(each.artifact, each.id) for each in check(reg.path).findings if each.severity == "error"]


def requests(server: GitServer, act: Callable[[], Any]) -> int:
    before = len(server.requests)
    act()
    return len(server.requests) - before


def test_a_source_costs_two_requests_for_its_refs_and_two_for_all_pins(
    reg: Repo, server: GitServer, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_CACHE_DIR", str(lab.root / "fresh"))
    assert requests(server, lambda: errors(reg)) == 4
    assert requests(server, lambda: errors(reg)) == 2


@pytest.mark.parametrize("fresh", [True, False], ids=["cold", "warm"])
@pytest.mark.parametrize("key", ["metafile.blob", "artifact.data.blob", "commit"])
def test_a_pin_that_the_source_lacks_is_an_error_of_its_own_link_alone(
    reg: Repo, lab: Lab, monkeypatch: pytest.MonkeyPatch, key: str, *, fresh: bool
) -> None:
    text = link_of(reg, "b").read_text()
    old = next(line.split(": ")[1] for line in text.splitlines() if line.strip().startswith(f"{key}: "))
    link_of(reg, "b").write_text(text.replace(f"{key}: {old}", f"{key}: '{'1' * 40}'"))
    if fresh:
        monkeypatch.setenv("REGISTRY_CACHE_DIR", str(lab.root / "fresh"))
    expected = "commit-reachable" if key == "commit" else "digest-matches"
    assert ("b", expected) in errors(reg)
    assert {name for name, _ in errors(reg)} == {"b"}


def test_a_pin_of_another_file_of_the_source_is_no_model(reg: Repo) -> None:
    texts = [link_of(reg, name).read_text() for name in ("a", "b")]
    pins = [next(line for line in text.splitlines() if "artifact.data.blob" in line) for text in texts]
    assert pins[0] != pins[1]
    link_of(reg, "b").write_text(texts[1].replace(pins[1], pins[0]))
    assert errors(reg) == [("b", "digest-matches")]
