"""The newest policy that a machine saw of a remote registry: a host that shows an older one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from inprocess import registry_here
from lab import Lab, Repo
from linked import add, make_registry, make_source, served

import registry
from registry.api import newestpolicy, unchanged
from registry.api.newestpolicy import PolicyNotRemembered, forget_policy
from registry.errors import NotFound, Refused, RegistryError


class Web(NamedTuple):
    """A registry with a policy of version 2, and where it is served."""

    repo: Repo
    bare: Repo
    url: str

    def push(self) -> None:
        self.repo.git("push", "--quiet", "--force", str(self.bare.path), "+refs/*:refs/*")

    def govern(self, version: int, more: str = "") -> None:
        self.repo.commit({"policy.yaml": f"format: 1\nversion: {version}\n{more}"})
        self.push()

    def refused(self) -> Refused:
        another_process()
        with pytest.raises(Refused) as caught:
            registry.resolve("m", project=self.url)
        assert f"registry forget --policy -r {self.url}" in caught.value.fix
        return caught.value


def another_process() -> None:
    """Forget what only this process knows."""
    newestpolicy._seen.clear()
    unchanged._answers.clear()


@pytest.fixture
def web(lab: Lab, http: Callable[..., Any]) -> Web:
    source = make_source(lab)
    server = http(served(lab, source))
    made = make_registry(lab, "web")
    add(made, f"{server.url}/source.git", stage="prod")
    made.commit({"policy.yaml": "format: 1\nversion: 2\n"})
    served(lab, made)
    return Web(made, Repo(lab, lab.root / "served" / "web.git"), f"{server.url}/web.git")


def state(lab: Lab) -> Path:
    return next((lab.home / ".local/state/git-model-registry/policies").glob("*.json"))


def test_an_older_policy_is_refused_until_somebody_accepts_it(web: Web, lab: Lab) -> None:
    registry.resolve("m", project=web.url)
    web.govern(3, "size_limit: 1 MB\n")
    assert registry.resolve("m", project=web.url).policy.version == 3
    web.repo.git("reset", "--quiet", "--hard", "HEAD~1")
    web.push()
    error = web.refused()
    assert error.reason == "policy-older"
    assert "has version 2, and this machine has seen version 3" in error.what
    ran = registry_here(lab.root, "load", "m", "--stage", "prod", "-r", web.url)
    assert (ran.code, "refused (policy-older)" in ran.stderr) == (1, True)
    told = registry_here(lab.root, "forget", "--policy", "-r", web.url)
    assert (told.code, told.stdout.startswith("forgot policy version 3, SHA-256 ")) == (0, True)
    assert registry.resolve("m", project=web.url).policy.version == 2


def test_an_answer_from_before_is_not_given_again_under_a_newer_policy(web: Web) -> None:
    registry.resolve("m", stage="prod", project=web.url)
    web.govern(3)
    registry.resolve("m", project=web.url)
    web.repo.git("reset", "--quiet", "--hard", "HEAD~1")
    web.push()
    with pytest.raises(Refused, match="policy-older"):
        registry.resolve("m", stage="prod", project=web.url)


def test_a_policy_that_is_gone_is_older(web: Web) -> None:
    registry.resolve("m", project=web.url)
    web.repo.git("rm", "--quiet", "policy.yaml")
    web.repo.commit()
    web.push()
    error = web.refused()
    assert error.reason == "policy-older"
    assert "is gone, and this machine has seen version 2" in error.what


def test_another_policy_of_the_same_version_is_refused(web: Web) -> None:
    registry.resolve("m", project=web.url)
    web.govern(2, "formats: {pickle: pinned}\n")
    error = web.refused()
    assert error.reason == "policy-changed"
    assert "under its version 2" in error.what
    with pytest.raises(Refused, match="policy-changed"):
        registry.resolve("m", project=web.url)


def test_the_policy_that_was_seen_first_is_trusted_and_a_registry_may_begin_one(web: Web) -> None:
    web.repo.git("rm", "--quiet", "policy.yaml")
    web.repo.commit()
    web.push()
    assert registry.resolve("m", project=web.url).policy.version == 0
    web.govern(1)
    assert registry.resolve("m", project=web.url).policy.version == 1


def test_a_process_that_cannot_remember_says_so_and_remembers_for_itself(web: Web, lab: Lab, tmp_path: Path) -> None:
    registry.resolve("m", project=web.url)
    forget_policy(web.url)
    another_process()
    folder = state(lab).parent
    folder.rename(tmp_path / "kept")
    folder.write_text("no folder\n")
    with pytest.warns(PolicyNotRemembered, match="not a folder|Not a directory|cannot be written|exists"):
        registry.resolve("m", project=web.url)
    web.govern(1)
    with pytest.raises(Refused, match="policy-older"):
        registry.resolve("m", project=web.url)


def test_what_is_remembered_is_read_strictly(web: Web, lab: Lab) -> None:
    registry.resolve("m", project=web.url)
    path = state(lab)
    whole = json.loads(path.read_text())
    assert whole["policy"]["version"] == 2
    for text in ("", "[]", '{"format": 1}', json.dumps({**whole, "policy": {"version": "2", "sha256": "x"}})):
        path.write_text(text)
        another_process()
        with pytest.raises(RegistryError, match="damaged"):
            registry.resolve("m", project=web.url)


def test_nothing_is_remembered_of_a_folder(lab: Lab) -> None:
    reg = make_registry(lab)
    add(reg, make_source(lab).url)
    reg.commit({"policy.yaml": "format: 1\nversion: 2\n"})
    registry.resolve("m", project=reg.path)
    reg.commit({"policy.yaml": "format: 1\nversion: 1\n"})
    assert registry.resolve("m", project=reg.path).policy.version == 1
    with pytest.raises(NotFound):
        forget_policy(reg.path)


@pytest.mark.parametrize("words", [(), ("m", "--policy")])
def test_forget_asks_what_to_forget(lab: Lab, words: tuple[str, ...]) -> None:
    assert registry_here(lab.root, "forget", *words).code == 2
