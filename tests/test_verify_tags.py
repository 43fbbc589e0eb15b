"""verify-tags.yml: tags that somebody made without `registry` are recorded by the recorder, or rejected and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import governed
import pytest
import signing_keys as keys
from governed import PEOPLE, acts, sign_tag, signers
from inprocess import registry_here
from lab import ROOT, Lab, Repo
from linked import served
from receivers import receiver
from workflows import Host, Outcome

from registry.api.ledgers import Logged, ledger_log
from registry.api.project import open_project
from registry.api.signatures import commit_verdicts, require_signers
from registry.signature import principal_of

POLICY = """\
format: 1
version: 3
roles: {release: [eve@example.org, bob@example.org], makers: [dana@example.org]}
register: [makers]
recorder: [ci@example.org]
stages:
  staging: {ledger: true}
  prod: {assign: [release], after: [staging], ledger: true}
"""
BOT = "github-actions[bot] <41898282+github-actions[bot]@users.noreply.github.com>"


class World:
    """A governed registry on a host with the workflow, its tags adopted, and a clone of it."""

    def __init__(self, lab: Lab, http: Callable[..., Any], policy: str = POLICY) -> None:
        self.lab = lab
        made = governed.governed(lab, policy)
        names = ["tell.py", "verify_tags.py", "issue.sh"]
        files: dict[str, bytes | str | None] = {
            f"scripts/{name}": (ROOT / "scripts" / name).read_text() for name in names
        }
        workflow = ".github/workflows/verify-tags.yml"
        made.commit({workflow: (ROOT / workflow).read_text(), **files, "allowed_signers": signers(*PEOPLE, "ci")})
        made.registry("ledger", "adopt")
        folder = served(lab, made)
        self.bare = Repo(lab, folder / "reg.git")
        self.host = Host(lab, http, self.bare)
        private = keys.key("ed25519", "ci").private
        assert isinstance(private, Path)
        self.host.secrets["REGISTRY_RECORDER_KEY"] = private.read_text()
        self.person = lab.clone(self.bare, "person")
        self.issue = Path(f"{self.host.notes}.issue")

    def verify(self, tag: str | None = None) -> Outcome:
        event = self.host.schedule() if tag is None else self.host.dispatch({"tag": tag})
        return self.host.run("verify-tags", event)

    def push(self, *tags: str) -> None:
        self.person.git("push", "--quiet", "origin", *(f"refs/tags/{tag}" for tag in tags))

    def said(self) -> list[Logged]:
        """The ledger's entries after the adopted ones, oldest first."""
        return [each for each in ledger_log(self.bare.path) if each.entry.kind != "adopt"][::-1]


@pytest.fixture
def world(lab: Lab, http: Callable[..., Any]) -> World:
    return World(lab, http)


def test_the_push_of_a_tag_only_asks_for_a_run_on_the_default_branch(world: World) -> None:
    world.person.tag("m#staging#1", "m@v1.0.0^{commit}")
    world.person.git("push", "--quiet", "origin", "HEAD:refs/heads/tagged")
    sign_tag(acts(world.person, "eve"), "m#staging#2", "x\n")
    world.push("m#staging#2")
    world.host.secrets.clear()  # they are of the environment, which a tag's run does not enter
    assert world.host.run("verify-tags", world.host.tag_push("m#staging#2")).passed
    assert "gh workflow run verify-tags.yml --ref main --raw-field tag=m#staging#2" in world.host.notes.read_text()
    assert world.said() == []


def test_a_plain_gto_assign_that_the_policy_admits_is_recorded_and_signed_by_the_recorder(world: World) -> None:
    world.person.gto("assign", "m", "--version", "v1.0.0", "--stage", "staging")
    world.push("m#staging#1")
    done = world.verify("m#staging#1")
    assert done.passed, done.errors
    assert "1 entry recorded" in done.log
    (said,) = world.said()
    entry = said.entry
    assert (entry.kind, entry.version, entry.stage, entry.tag) == ("assign", "v1.0.0", "staging", "m#staging#1")
    assert (entry.principal, entry.policy_version) == (None, 3)
    assert entry.link is not None
    project = open_project(world.bare.path)
    verdict = commit_verdicts(project, [said.commit.oid], require_signers(project))[said.commit.oid]
    assert principal_of(verdict, "ci@example.org") == "ci@example.org"
    assert not world.issue.exists()
    assert world.verify().log.count("0 entries recorded") == 1
    assert registry_here(world.bare.path, "ledger", "verify").code == 0


def test_a_plain_gto_assign_that_the_policy_refuses_is_rejected_told_and_counts_for_nothing(
    lab: Lab, http: Callable[..., Any]
) -> None:
    with receiver() as hook:
        channel = f"{{webhook: '{hook.url}/x', secret: REGISTRY_WEBHOOK_SECRET}}"
        world = World(lab, http, f"{POLICY}notify: [{channel}]\n")
        world.host.secrets["REGISTRY_WEBHOOK_SECRET"] = "a-secret"
        world.person.gto("assign", "m", "--version", "v1.0.0", "--stage", "prod")
        world.push("m#prod#1")
        done = world.verify()
    assert [json.loads(post.body)["event"] for post in hook.posts] == ["rejected"]
    assert not done.passed
    assert "signature-needed" in done.log
    (said,) = world.said()
    assert (said.entry.kind, said.entry.tag) == ("reject", "m#prod#1")
    assert "stage-skipped" in (said.entry.reason or "")
    assert "m#prod#1" in world.issue.read_text()
    assert "m#prod#1" in world.bare.tags()
    assert registry_here(world.bare.path, "which", "m", "prod").code == 1
    again = world.verify()
    assert not again.passed, "it stands still"
    assert len(world.said()) == 1
    world.bare.git("tag", "-d", "m#prod#1")
    assert world.verify().passed
    assert not world.issue.exists()


def test_a_bot_s_token_that_pushes_tags_by_hand_is_rejected_and_the_tag_removed_where_the_policy_says_so(
    lab: Lab, http: Callable[..., Any]
) -> None:
    world = World(lab, http, f"{POLICY}rejected: remove\n")
    message = "Registering\n\nVersion: v9.0.0\n"
    world.person.tag("m@v9.0.0", "HEAD", message, tagger=BOT)
    world.person.tag("m#prod#1", "m@v1.0.0^{commit}", "Assigning\n\nVersion: v1.0.0\n", tagger=BOT)
    world.push("m@v9.0.0", "m#prod#1")
    done = world.verify()
    assert not done.passed
    assert [each.entry.kind for each in world.said()] == ["reject", "reject"]
    assert world.bare.tags().keys() == {"m@v1.0.0"}
    assert world.verify().passed
    world.push("m#prod#1")
    assert not world.verify().passed, "what was rejected stays so"
    assert len(world.said()) == 2


def test_four_tags_at_once_which_github_tells_nobody_of_are_found_by_the_schedule(world: World) -> None:
    acts(world.person, "eve")
    for number, stage in enumerate(["staging", "prod", "staging", "prod"], 1):
        sign_tag(world.person, f"m#{stage}#{number}", "Assigning\n\nVersion: v1.0.0\n", "m@v1.0.0^{commit}")
    world.push("m#staging#1", "m#prod#2", "m#staging#3", "m#prod#4")
    done = world.verify()
    assert done.passed, done.errors
    entries = [each.entry for each in world.said()]
    assert [each.tag for each in entries] == ["m#staging#1", "m#prod#2", "m#staging#3", "m#prod#4"]
    assert {each.principal for each in entries} == {"eve@example.org"}
    assert registry_here(world.bare.path, "which", "m", "prod").stdout.strip().startswith("v1.0.0")


@pytest.mark.thorough
def test_an_override_is_what_the_stage_holds_and_says_why(lab: Lab, http: Callable[..., Any]) -> None:
    world = World(lab, http, POLICY.replace("after: [staging]", "after: [staging], override: [release]"))
    message = "Assigning\n\nVersion: v1.0.0\nOverride: the shop is down\n"
    sign_tag(acts(world.person, "eve"), "m#prod#1", message, "m@v1.0.0^{commit}")
    world.push("m#prod#1")
    assert world.verify().passed
    assert [(each.entry.kind, each.entry.reason) for each in world.said()] == [("override", "the shop is down")]
    assert registry_here(world.bare.path, "which", "m", "prod").stdout == "v1.0.0\n"
    assert registry_here(world.bare.path, "ledger", "verify").code == 0


@pytest.mark.thorough
def test_without_a_ledger_that_anything_asks_for_nothing_is_recorded(lab: Lab, http: Callable[..., Any]) -> None:
    world = World(lab, http, POLICY.replace(", ledger: true", "").replace("ledger: true", ""))
    world.bare.git("update-ref", "-d", "refs/heads/ledger")
    world.person.gto("assign", "m", "--version", "v1.0.0", "--stage", "prod")
    world.push("m#prod#1")
    done = world.verify("m#prod#1")
    assert not done.passed
    assert "stage-skipped" in done.log
    assert "0 entries recorded" in done.log
    assert (
        json.dumps(sorted(world.bare.git("for-each-ref", "--format=%(refname)", "refs/heads").split()))
        == '["refs/heads/main"]'
    )


@pytest.mark.thorough
def test_the_recorder_s_key_is_in_no_process_that_the_program_starts(world: World) -> None:
    sign_tag(acts(world.person, "eve"), "m#staging#1", "x\n\nVersion: v1.0.0\n", "m@v1.0.0^{commit}")
    world.push("m#staging#1")
    hook = world.lab.home / "hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text('#!/bin/sh\nenv > "$HOME/seen"\n')
    hook.chmod(0o755)
    world.lab.run("git", "config", "--global", "core.hooksPath", str(hook.parent))
    assert world.verify().passed
    seen = (world.lab.home / "seen").read_text()
    assert "GIT_CONFIG_VALUE" in seen
    assert "PRIVATE KEY" not in seen
