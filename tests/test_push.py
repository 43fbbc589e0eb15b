"""`--push` and `-r URL`: the remote decides, over real HTTP; what it rejects leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from git_http import GitServer
from lab import Lab, Ran, Repo, tag_body

Http = Callable[..., GitServer]


class World:
    """A served bare repository, its server, and clones."""

    def __init__(self, lab: Lab, http: Http) -> None:
        self.lab = lab
        seed = lab.repo("seed")
        for n in range(4):
            seed.commit({"train.py": f"seed = {n}\n"})
        (lab.root / "served").mkdir()
        self.origin = seed.bare_clone("served/models.git")
        self.server = http(self.origin.path.parent)
        self.url = f"{self.server.url}/models.git"

    def clone(self, name: str = "", *options: str) -> Repo:
        return self.lab.clone(self.url, name, *options)

    def hook(self, name: str, text: str) -> None:
        path = self.origin.path / "hooks" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)


@pytest.fixture
def world(lab: Lab, http: Http) -> World:
    return World(lab, http)


def refs(repo: Repo) -> str:
    return repo.git("for-each-ref")


def act(repo: Repo, line: str, **options: Any) -> Ran:
    return repo.registry(*line.split(), "--push", **options)


def refused(repo: Repo, line: str, world: World, **options: Any) -> str:
    """A push that must fail without a trace here or there; what it said."""
    before = refs(repo), refs(world.origin)
    ran = act(repo, line, check=False, **options)
    assert (ran.code, ran.stdout) == (1, ""), ran
    assert (refs(repo), refs(world.origin)) == before
    assert not list(repo.git_dir.rglob("*.lock"))
    return ran.stderr


def test_an_event_is_at_the_remote_and_here_with_one_object_id(world: World) -> None:
    clone = world.clone()
    assert act(clone, "register m HEAD~1").stdout == "Pushed git tag 'm@v0.0.1' that registers version v0.0.1\n"
    assert act(clone, "assign m HEAD --stage prod --json").json[1]["pushed"] is True
    assert clone.tags() == world.origin.tags()
    assert sorted(clone.tags()) == ["m#prod#1", "m@v0.0.1", "m@v0.0.2"]
    for line in (
        "rollback m --stage prod --to v0.0.1",
        "unassign m --stage prod",
        "deregister m --version v0.0.1",
        "deprecate m",
    ):
        act(clone, line)
    assert clone.tags() == world.origin.tags()
    assert clone.registry("show", "--json").json == clone.gto("show", "--json").json


def test_a_lost_number_is_taken_anew(world: World) -> None:
    first, second = world.clone(), world.clone()
    act(first, "register m HEAD~1")
    assert "m@v0.0.2" in act(second, "register m HEAD").stdout
    assert second.tags() == world.origin.tags()


def test_a_number_that_is_lost_during_the_push_is_taken_anew(world: World) -> None:
    """Another clone pushes between our fetch and our push: our own pre-push hook does it."""
    first, second = world.clone("first"), world.clone("second")
    hook = second.git_dir / "hooks" / "pre-push"
    hook.write_text(
        f'#!/bin/sh\nrm "$0"\nunset GIT_DIR\ncd "{first.path}" && git tag -a -m other m@v0.0.1 HEAD~1 && git push -q origin m@v0.0.1\n'
    )
    hook.chmod(0o755)
    ran = act(second, "register m HEAD")
    assert ran.stdout == "Pushed git tag 'm@v0.0.2' that registers version v0.0.2\n"
    assert ran.stderr == ""
    assert second.tags() == world.origin.tags()
    assert len(world.origin.tags()) == 2


def test_a_stage_that_moved_during_the_push_stops_and_names_who_was_first(world: World) -> None:
    first, second = world.clone("first"), world.clone("second")
    act(first, "register m HEAD~1")
    act(first, "register m HEAD")
    hook = second.git_dir / "hooks" / "pre-push"
    hook.write_text(
        f'#!/bin/sh\nrm "$0"\nunset GIT_DIR\ncd "{first.path}" && git -c user.name=Bo -c user.email=bo@example.org tag -a -m x "m#prod#1" HEAD~1'
        ' && git push -q origin "m#prod#1"\n'
    )
    hook.chmod(0o755)
    ran = act(second, "assign m --version v0.0.2 --stage prod", check=False)
    assert ran.code == 1
    assert "Bo <bo@example.org> was first: assignment of version v0.0.1 in stage 'prod' by m#prod#1" in ran.stderr
    assert second.tags() == world.origin.tags()
    assert "m#prod#2" not in second.tags()


@pytest.mark.parametrize("prune", [False, True])
def test_a_stale_tag_gives_way_with_a_warning_and_unpublished_ones_stay(world: World, prune: bool) -> None:
    first, second = world.clone(), world.clone()
    act(first, "assign m HEAD --stage prod")
    stale = second.tag("m#prod#1", "HEAD~1")
    mine = second.tag("m#dev#1", "HEAD~2")
    second.git("config", "fetch.prune", str(prune).lower())
    second.git("config", "fetch.pruneTags", str(prune).lower())
    ran = act(second, "assign m HEAD --stage qa")
    assert ran.stderr == f"warning: tag m#prod#1 here differed from the remote's and was replaced (it was {stale})\n"
    assert second.tags() == {**world.origin.tags(), "m#dev#1": mine}
    assert second.git("cat-file", "-t", stale) == "tag"


def test_the_warning_is_given_also_when_the_event_is_refused(world: World) -> None:
    first, second = world.clone(), world.clone()
    act(first, "assign m HEAD --stage prod")
    stale = second.tag("m#prod#1", "HEAD~1")
    ran = act(second, "assign m HEAD --stage prod", check=False)
    assert ran.code == 1
    assert "in stage 'prod' already" in ran.stderr
    assert f"was replaced (it was {stale})" in ran.stderr
    assert second.tags() == world.origin.tags()


def test_a_version_that_was_registered_here_only_is_published_with_its_assignment(world: World) -> None:
    clone = world.clone()
    clone.registry("register", "m")
    clone.registry("deregister", "m", "--version", "v0.0.1")
    clone.registry("register", "m")
    act(clone, "assign m --version v0.0.1 --stage prod")
    assert clone.tags() == world.origin.tags()
    assert world.lab.registry("which", "m", "prod", "-r", world.url).stdout == "v0.0.1\n"


def test_other_unpublished_tags_are_not_pushed_along(world: World) -> None:
    clone = world.clone()
    clone.git("config", "push.followTags", "true")
    clone.tag("release-1")
    clone.registry("register", "other")
    act(clone, "register m")
    assert list(world.origin.tags()) == ["m@v0.0.1"]


def test_a_commit_that_the_remote_lacks_goes_along_with_its_tag(world: World) -> None:
    clone = world.clone()
    commit = clone.commit({"new.py": ""})
    act(clone, "register m")
    assert world.origin.rev("m@v0.0.1^{commit}") == commit
    assert world.origin.rev("main") != commit


def test_a_number_that_a_malformed_tag_of_the_remote_holds_is_not_taken(world: World) -> None:
    clone = world.clone()
    world.origin.raw_tag("m@v0.0.1", tag_body("m@v0.0.1", world.origin.rev("main"), time=99_999_999_999))
    world.origin.lightweight("m@v0.0.2", "main")
    clone.git("config", "transfer.fsckObjects", "true")
    assert "m@v0.0.3" in act(clone, "register m").stdout


@pytest.mark.parametrize("name", ["pre-receive", "update"])
def test_a_hook_of_the_server_refuses_with_its_own_words(world: World, name: str) -> None:
    clone = world.clone()
    act(clone, "register m HEAD~1")
    world.hook(name, 'echo "only CI may record events, see wiki/42" >&2\nexit 1')
    said = refused(clone, "assign m --version v0.0.1 --stage prod", world)
    assert "the remote rejected the push: m#prod#1: [remote rejected]" in said
    assert "only CI may record events, see wiki/42" in said
    assert "nothing was recorded" in said
    refused(clone, "assign m HEAD --stage prod", world)


def test_a_server_whose_own_transaction_hook_refuses_leaves_nothing(world: World) -> None:
    """There git itself hangs up on the client, without a word."""
    clone = world.clone()
    world.hook("reference-transaction", "exit 1")
    assert "git push failed" in refused(clone, "register m", world)


def test_of_two_tags_the_server_takes_both_or_none(world: World) -> None:
    clone = world.clone()
    world.hook("update", 'case "$1" in *"#"*) echo no stages >&2; exit 1;; esac')
    assert "no stages" in refused(clone, "assign m HEAD --stage prod", world)
    act(clone, "register m")


def test_a_server_that_takes_no_pushes(world: World, http: Http) -> None:
    clone = world.clone()
    closed = http(world.origin.path.parent, pushes=False)
    clone.git("remote", "set-url", "origin", f"{closed.url}/models.git")
    assert "git push failed" in refused(clone, "register m", world)


def test_without_a_network_nothing_is_recorded(world: World) -> None:
    clone = world.clone()
    world.server.close()
    said = refused(clone, "register m", world)
    assert "git fetch failed" in said
    assert "check that the server is up and reachable" in said


def test_a_connection_that_breaks_during_the_push_leaves_nothing(world: World) -> None:
    clone = world.clone()
    world.hook("pre-receive", "kill -9 $PPID")
    assert "git push failed" in refused(clone, "register m", world)


def test_a_clone_without_an_origin_says_so(lab: Lab, world: World) -> None:
    lone = lab.repo("lone")
    lone.commit({"a": ""})
    said = refused(lone, "register m", world)
    assert "'origin' does not appear to be a git repository" in said
    assert "git remote add origin URL" in said


def test_a_remote_that_is_a_folder_works_as_well(lab: Lab, world: World) -> None:
    clone = lab.clone(world.origin, "from-folder")
    act(clone, "assign m HEAD --stage prod")
    assert clone.tags() == world.origin.tags()


def test_a_transport_helper_as_remote_is_not_started(world: World, tmp_path: Path) -> None:
    clone = world.clone()
    trace = tmp_path / "trace"
    clone.git("remote", "set-url", "origin", f"ext::sh -c touch% {trace}")
    clone.git("config", "protocol.ext.allow", "always")
    refused(clone, "register m", world)
    assert not trace.exists()


def test_a_shallow_partial_single_branch_clone_pushes_as_well(world: World) -> None:
    clone = world.clone("thin", "--depth=1", "--filter=blob:none", "--no-tags", "--single-branch")
    act(clone, "assign m HEAD --stage prod")
    assert clone.tags() == world.origin.tags()


def test_a_stage_with_a_slash_and_an_artifact_in_a_folder_are_brought_up_to_date(world: World) -> None:
    first, second = world.clone(), world.clone()
    act(first, "assign models:churn/eu HEAD --stage prod/eu/west")
    ran = act(second, "assign models:churn/eu HEAD --stage prod/eu/west", check=False)
    assert "already, by models=churn/eu#prod/eu/west#1" in ran.stderr
    assert second.tags() == world.origin.tags()


# --- without a clone


def test_events_on_a_url_need_no_clone(world: World) -> None:
    def url(line: str) -> Ran:
        return world.lab.registry(*line.split(), "-r", world.url)

    assert url("register m").stdout == "Pushed git tag 'm@v0.0.1' that registers version v0.0.1\n"
    assert url("assign m --stage dev").stdout == "Pushed git tag 'm#dev#1' that assigns stage dev to version v0.0.1\n"
    url("assign m --version v0.0.1 --stage prod --author Eve --author-email eve@example.org")
    assert url("which m prod").stdout == "v0.0.1\n"
    line = world.origin.git(
        "for-each-ref", "--format=%(taggername) %(taggeremail)", "refs/tags/m#prod#2", "refs/tags/m@v0.0.1"
    )
    assert line.splitlines() == ["Eve <eve@example.org>", "Dana <dana@example.org>"]
    assert world.origin.rev("m@v0.0.1^{commit}") == world.origin.rev("main")
    url("unassign m --stage prod")
    url("deregister m --version v0.0.1")
    assert {"m#prod#2", "m#prod!#3", "m@v0.0.1!"} <= world.origin.tags().keys()


def test_a_branch_of_a_url_may_be_registered(world: World) -> None:
    world.origin.git("branch", "dev", "main~2")
    world.lab.registry("register", "m", "dev", "-r", world.url)
    assert world.origin.rev("m@v0.0.1^{commit}") == world.origin.rev("dev")


def test_the_stages_and_links_of_a_url_are_those_of_its_default_branch_from_the_first_command_on(world: World) -> None:
    clone = world.clone()
    clone.commit({".gto": "stages: [dev]\n", ".mlem/config.yaml": "", ".mlem/links/m.mlem": "object_type: link\n"})
    clone.git("push", "--quiet", "origin", "main")
    before = refs(world.origin)
    for line, said in (
        ("assign m --stage prod", "'prod' is not one of dev"),
        ("register other", "has no model 'other'"),
    ):
        ran = world.lab.registry(*line.split(), "-r", world.url, check=False)
        assert ran.code == 1
        assert said in ran.stderr
        shutil.rmtree(world.lab.cache)
    assert refs(world.origin) == before
    world.lab.registry("assign", "m", "--stage", "dev", "-r", world.url)
    link = world.origin.rev("main:.mlem/links/m.mlem")
    assert f"Link: {link}" in world.origin.git("cat-file", "tag", "m#dev#1")


def test_a_url_without_such_a_repository_or_server(world: World) -> None:
    for url in (f"{world.server.url}/missing.git", "http://127.0.0.1:9/models.git"):
        ran = world.lab.registry("register", "m", "-r", url, check=False)
        assert (ran.code, ran.stdout) == (1, "")
        assert "error: git" in ran.stderr
        assert "Traceback" not in ran.stderr


def test_a_hook_of_the_server_refuses_a_url_too(world: World) -> None:
    world.hook("pre-receive", "echo closed on Fridays >&2; exit 1")
    ran = world.lab.registry("register", "m", "-r", world.url, check=False)
    assert ran.code == 1
    assert "closed on Fridays" in ran.stderr
    assert world.origin.tags() == {}
    assert json.loads(world.lab.registry("show", "--json", "-r", world.url).stdout) == {}
