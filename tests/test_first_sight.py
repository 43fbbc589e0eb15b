"""The first sight of a version: on the server it may be moved, here it is refused, until somebody accepts it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from inprocess import registry_here
from lab import Lab, Repo
from linked import add, link_text, make_registry, make_source, saved, served, slope

import registry
from registry.api import firstsight
from registry.api.firstsight import NotRemembered, require_unmoved
from registry.errors import NotFound, Refused, RegistryError

Http = Callable[..., Any]


class Web(NamedTuple):
    """A registry in a clone, and where it is served: `m` v1.0.0 in prod has slope 1, v1.1.0 slope 2."""

    repo: Repo
    bare: Repo
    url: str

    def push(self, *flags: str) -> None:
        self.repo.git("push", "--quiet", "--force", *flags, str(self.bare.path), "+refs/*:refs/*")


@pytest.fixture
def web(lab: Lab, http: Http) -> Web:
    source = make_source(lab)
    source.commit(dict(saved(2.0)))
    source.tag("v2")
    server = http(served(lab, source))
    made = make_registry(lab, "web")
    add(made, f"{server.url}/source.git", stage="prod")
    add(made, f"{server.url}/source.git", rev="v2", version="v1.1.0")
    served(lab, made)
    return Web(made, Repo(lab, lab.root / "served" / "web.git"), f"{server.url}/web.git")


def moved(web: Web, *, name: str = "m", **asked: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        registry.load(name, project=web.url, **asked)
    assert caught.value.reason == "moved"
    assert f"registry forget {name}@v1.0.0 -r {web.url}" in caught.value.fix
    return caught.value


def retag(web: Web, target: str = "m@v1.1.0^{commit}") -> tuple[str, str]:
    """Point `m@v1.0.0` elsewhere by force; both ids of the tag."""
    before = web.repo.rev("refs/tags/m@v1.0.0")
    web.repo.git("tag", "--force", "--annotate", "--message", "moved", "m@v1.0.0", target)
    web.push()
    return before, web.repo.rev("refs/tags/m@v1.0.0")


def remembered(lab: Lab) -> list[Path]:
    return sorted((lab.home / ".local/state/git-model-registry/first-sight").glob("*.json"))


def test_a_version_moved_by_force_is_refused_with_both_ids(web: Web) -> None:
    ways: list[dict[str, Any]] = [{"version": "v1.0.0"}, {"version": "^1,<1.1"}, {"rev": "m@v1.0.0"}]
    for asked in ways:
        assert slope(registry.load("m", project=web.url, **asked)) == 1.0
    commits = web.repo.rev("m@v1.0.0^{commit}"), web.repo.rev("m@v1.1.0^{commit}")
    ids = retag(web)
    for asked in ways:
        error = moved(web, **asked)
        for each in (*ids, *commits):
            assert each in error.what
        assert "it pins other files than before" in error.what
    assert slope(registry.load("m", version="v1.1.0", project=web.url)) == 2.0, "the other version is not concerned"


def test_it_is_refused_by_stage_and_by_every_command(web: Web, lab: Lab) -> None:
    registry.load("m", stage="prod", project=web.url)
    retag(web)
    web.repo.tag("m#prod#9", "m@v1.0.0^{commit}", "moved\n\nVersion: v1.0.0\n")
    web.push()
    moved(web, stage="prod")
    for words in (("load", "m"), ("fetch", "m", "-o", "out"), ("predict", "m", "--data", "-"), ("lock", "m")):
        ran = registry_here(lab.root, *words, "--version", "v1.0.0", "-r", web.url)
        assert (ran.code, ran.stdout) == (1, "")
        assert "refused (moved)" in ran.stderr
    assert not (lab.root / "registry.lock").exists()


def test_other_bytes_under_the_same_version_are_refused(web: Web) -> None:
    """The whole history is rewritten: the version's own link pins other files, nothing else is different."""
    registry.load("m", version="v1.0.0", project=web.url)
    second = link_text(web.repo)
    web.repo.git("checkout", "--quiet", "--orphan", "rewritten")
    web.repo.commit({".mlem/links/m.mlem": second}, "link m")
    retag(web, "HEAD")
    assert "it pins other files than before" in moved(web, version="v1.0.0").what


def test_the_same_files_at_another_commit_are_refused_and_said_to_be_the_same(web: Web) -> None:
    registry.load("m", version="v1.0.0", project=web.url)
    web.repo.git("checkout", "--quiet", "m@v1.0.0^{commit}")
    web.repo.commit({"README.md": "rewritten\n"})
    retag(web, "HEAD")
    assert "it still pins the same files" in moved(web, version="v1.0.0").what


def test_the_same_commit_under_another_tag_object_is_refused(web: Web) -> None:
    registry.load("m", version="v1.0.0", project=web.url)
    before, now = retag(web, "m@v1.0.0^{commit}")
    error = moved(web, version="v1.0.0")
    assert f"tag m@v1.0.0 was {before}, is now {now}" in error.what
    assert "registry commit" not in error.what


def test_forgetting_accepts_what_is_there_now_and_nothing_else(web: Web, lab: Lab) -> None:
    for version in ("v1.0.0", "v1.1.0"):
        registry.load("m", version=version, project=web.url)
    retag(web)
    moved(web, version="v1.0.0")
    old = web.repo.rev("m@v1.1.0^{commit}~1")
    ran = registry_here(lab.root, "forget", "m@v1.0.0", "-r", web.url)
    assert ran.stdout.startswith(f"forgot m@v1.0.0: commit {old}, link ")
    assert slope(registry.load("m", version="v1.0.0", project=web.url)) == 2.0
    retag(web, "m@v1.1.0^{commit}~1")
    moved(web, version="v1.0.0")
    assert registry_here(lab.root, "forget", "m", "-r", web.url, "--json").json.keys() == {"v1.0.0", "v1.1.0"}
    with pytest.raises(NotFound, match="no first sight of 'm' is remembered"):
        registry.forget("m", project=web.url)


def test_a_version_registered_again_at_its_commit_is_no_move(web: Web) -> None:
    registry.load("m", version="v1.0.0", project=web.url)
    for tag in ("m@v1.0.0!", "m@v1.0.0#2"):
        web.repo.tag(tag, "m@v1.0.0^{commit}")
    web.push()
    assert slope(registry.load("m", version="v1.0.0", project=web.url)) == 1.0
    web.repo.git("tag", "--force", "--annotate", "--message", "again", "m@v1.0.0#2", "m@v1.0.0^{commit}")
    web.push()
    assert "tag m@v1.0.0#2 was" in moved(web, version="v1.0.0").what


def test_memory_is_apart_from_the_cache_and_outlives_processes(web: Web, lab: Lab) -> None:
    registry.load("m", version="v1.0.0", project=web.url)
    shutil.rmtree(lab.cache)
    retag(web)
    words = ("fetch", "m", "--version", "v1.0.0", "-r", web.url, "-o", str(lab.root / "out"))
    ran = lab.registry(*words, check=False)
    assert ran.code == 1
    assert "refused (moved)" in ran.stderr
    named = {"REGISTRY_STATE_DIR": str(lab.root / "elsewhere")}
    assert lab.registry(*words, env=named).code == 0
    assert (lab.root / "elsewhere" / "first-sight").is_dir()


def test_a_commit_named_by_its_id_is_its_own_pin(web: Web) -> None:
    registry.load("m", version="v1.0.0", project=web.url)
    retag(web)
    assert slope(registry.load("m", rev=web.repo.rev("m@v1.1.0^{commit}"), project=web.url)) == 2.0


def test_folders_are_not_remembered(lab: Lab, web: Web) -> None:
    source = make_source(lab, "beside")
    repo = make_registry(lab)
    add(repo, str(source.path))
    add(repo, str(source.path), version="v1.1.0")
    for project in (repo.path, repo.url):
        registry.load("m", version="v1.0.0", project=project)
        repo.git("tag", "--force", "--annotate", "--message", "rebased", "m@v1.0.0", "HEAD")
        assert slope(registry.load("m", version="v1.0.0", project=project)) == 1.0
    assert remembered(lab) == []


def test_two_threads_that_see_different_things_first_do_not_both_win(web: Web, lab: Lab) -> None:
    first, second = (registry.resolve("m", version=version, project=web.url) for version in ("v1.0.0", "v1.1.0"))
    registry.forget("m", project=web.url)
    other = replace(second, version="v1.0.0", registered={"v1.0.0": {"m@v1.0.0": "f" * 40}})

    def see(found: registry.Resolved) -> bool:
        try:
            require_unmoved(found)
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(see, [first, other] * 8))
    assert {tuple(seen[0::2]), tuple(seen[1::2])} == {(True,) * 8, (False,) * 8}
    assert len(remembered(lab)) == 1


def test_a_state_folder_that_cannot_be_written_is_a_warning(
    web: Web, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_STATE_DIR", "/dev/null/state")
    with pytest.warns(NotRemembered, match="not remembered"):
        assert slope(registry.load("m", version="v1.0.0", project=web.url)) == 1.0
    registry.load("m", version="v1.0.0", project=web.url)  # warned once
    retag(web)
    moved(web, version="v1.0.0")  # this process remembers for itself
    assert registry.forget("m", "v1.0.0", web.url).keys() == {"v1.0.0"}
    with pytest.warns(NotRemembered):
        assert slope(registry.load("m", version="v1.0.0", project=web.url)) == 2.0


def test_damaged_memory_refuses_rather_than_forgets(web: Web, lab: Lab) -> None:
    found = registry.resolve("m", version="v1.0.0", project=web.url)
    (path,) = remembered(lab)
    assert json.loads(path.read_text())["project"] == web.url
    for text in (
        "", "{", "[]", '{"format": 2, "versions": {}}', '{"format": 1, "versions": {"v1.0.0": {}}}', "[" * 100_000,
        '{"format": 1, "versions": {"v1.0.0": {"commit": 1, "link": "", "pins": "", "tags": {}}}}',
    ):  # fmt: skip
        firstsight._approved.clear()
        path.write_text(text)
        with pytest.raises(RegistryError, match="damaged"):
            require_unmoved(found)
        assert path.read_text() == text


def test_a_second_look_costs_next_to_nothing(web: Web) -> None:
    found = registry.resolve("m", version="v1.0.0", project=web.url)
    begin = time.perf_counter()
    for _ in range(1000):
        require_unmoved(found)
    assert time.perf_counter() - begin < 0.5, "half a millisecond each"
