"""A folder whose policy is older than what this machine saw: rolled back in place, or never pulled."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
from attacked import change_policy, make_governed, policy
from git_http import GitServer
from inprocess import registry_here
from lab import Lab, Repo
from test_attacks import published

import registry
from registry.api.rewound import RewoundPolicy
from registry.errors import Refused

Http = Callable[..., GitServer]


def quiet(repo: Repo, stage: str = "prod") -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RewoundPolicy)
        return registry.resolve("m", stage=stage, project=repo.path).version


def test_a_folder_that_was_rolled_back_in_place_is_told_until_that_is_accepted(lab: Lab) -> None:
    reg = make_governed(lab)
    change_policy(reg, policy(2))
    assert quiet(reg) == "v1.0.0"
    reg.git("reset", "--quiet", "--hard", "HEAD~1")
    with pytest.warns(RewoundPolicy, match=r"has version 1.*has seen version 2 in this folder"):
        assert registry.resolve("m", stage="prod", project=reg.path).version == "v1.0.0"
    assert registry_here(lab.root, "forget", "--policy", "-r", str(reg.path)).code == 0
    assert quiet(reg) == "v1.0.0"


def test_a_clone_that_is_older_than_what_its_origin_served_answers_no_stage(lab: Lab, http: Http) -> None:
    reg = make_governed(lab)
    change_policy(reg, policy(2))
    url = published(lab, http, reg)
    lab.run("git", "clone", "--quiet", url, "clone")
    clone = Repo(lab, lab.root / "clone")
    clone.git("reset", "--quiet", "--hard", "HEAD~1")
    assert quiet(clone) == "v1.0.0", "nothing newer was seen"
    assert registry.resolve("m", stage="prod", project=url).version == "v1.0.0"
    with pytest.raises(Refused, match="policy-older") as refused:
        registry.resolve("m", stage="prod", project=clone.path)
    assert "git pull" in refused.value.fix
    assert registry.resolve("m", version="v1.0.0", project=clone.path).version == "v1.0.0", "a version is named"
    clone.git("checkout", "--quiet", "--detach")
    with pytest.warns(RewoundPolicy, match="at its origin"):
        assert registry.resolve("m", stage="prod", project=clone.path).version == "v1.0.0"
    clone.git("checkout", "--quiet", "-B", "main", "origin/main")
    assert quiet(clone) == "v1.0.0"
