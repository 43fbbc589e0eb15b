"""The hook for self-hosted git: attacks with plain git over HTTP, each refused by the server that receives them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ledgers
import pytest
import signing_keys as keys
from governed import acts, link, mail, sign_tag, signers
from inprocess import registry_here
from lab import Lab, Ran, Repo, tag_body
from linked import Made, served

from registry.api.appending import Act, Recorder, append
from registry.api.project import open_project
from registry.git.process import environment
from registry.ledger import Entry

POLICY = """\
format: 1
version: 3
roles: {release: [eve@example.org, bob@example.org], makers: [dana@example.org]}
register: [makers]
revoke: [release]
stages:
  staging: {assign: [release]}
  prod: {assign: [release], after: [staging]}
  live: {assign: [release], ledger: true}
  gold: {assign: [release], approve: [release, makers], approvals: 1}
  shown: {assign: [release], gates: [card]}
  later: {assign: [release], after: [shown]}
"""


class World:
    """A governed registry behind the hook, served over HTTP, and a clone of it that people work in."""

    def __init__(self, lab: Lab, http: Callable[..., Any], policy: str = POLICY) -> None:
        self.lab = lab
        self.repo = _built(policy).copy(lab, "reg")
        folder = served(lab, self.repo)
        self.bare = Repo(lab, folder / "reg.git")
        self.installed = registry_here(self.bare.path, "server-hook", "install")
        self.repo.git("remote", "add", "origin", f"{http(folder).url}/reg.git")

    def act(self, who: str, key: str | None = None) -> Repo:
        return acts(self.repo, who, key)

    def push(self, *specs: str, options: tuple[str, ...] = ()) -> Ran:
        return self.repo.run("git", "push", *options, "origin", *specs, check=False)

    def assign(self, who: str, ref: str, version: str = "v1.0.0", *, key: str | None = None, more: str = "") -> None:
        message = f"Assigning\n\nVersion: {version}\n{more}"
        sign_tag(self.act(who, key), ref, message, f"m@{version}^{{commit}}")

    def refused(self, done: Ran, *words: str) -> None:
        """The push did not count, and whoever pushed reads why."""
        assert done.code != 0
        assert "remote: registry: refused" in done.stderr
        for word in words:
            assert word in done.stderr, done.stderr

    def taken(self, done: Ran, *refs: str) -> None:
        assert done.code == 0, done.stderr
        for ref in refs:
            assert ref in self.bare.tags()


@functools.cache
def _built(policy: str) -> Made:
    """Two versions of `m`, registered by Dana."""
    made = Made()
    repo = acts(made.repo, "dana")
    for version, digest in (("v1.0.0", "2"), ("v1.1.0", "3")):
        files = {"policy.yaml": policy, "allowed_signers": signers()}
        repo.commit(
            {".mlem/config.yaml": "", ".mlem/links/m.mlem": link(**{"artifact.data.sha256": digest * 64}), **files}
        )
        sign_tag(repo, f"m@{version}", f"Registering\n\nVersion: {version}\n")
    return made


@pytest.fixture
def world(lab: Lab, http: Callable[..., Any]) -> World:
    return World(lab, http)


def tag(ref: str) -> str:
    return f"refs/tags/{ref}"


def test_what_the_policy_allows_passes_and_so_do_plain_branches(world: World) -> None:
    world.assign("eve", "m#staging#1")
    world.assign("eve", "m#prod#2")
    world.taken(world.push(tag("m#staging#1"), tag("m#prod#2"), options=("--atomic",)), "m#staging#1", "m#prod#2")
    world.repo.git("switch", "--quiet", "--create", "topic")
    world.repo.commit({"notes.md": "x"})
    world.taken(world.push("topic"))
    world.repo.git("switch", "--quiet", "main")
    world.repo.commit({"notes.md": "y"})
    world.taken(world.push("main"))
    world.taken(world.push(":refs/heads/topic"))


def test_a_refusal_says_what_where_and_what_to_do(world: World) -> None:
    world.repo.tag("m#prod#1", "m@v1.0.0^{commit}", "Assigning\n\nVersion: v1.0.0\n", tagger=f"Eve <{mail('eve')}>")
    done = world.push(tag("m#prod#1"))
    world.refused(done, "remote: event-rejected", "signature-needed", "remote:   where: m#prod#1", "remote:   fix:   ")
    assert "stage-skipped" in done.stderr
    assert "pre-receive hook declined" in done.stderr
    assert world.bare.tags().keys() == {"m@v1.0.0", "m@v1.1.0"}


def test_a_moved_version_tag(world: World) -> None:
    world.act("dana").git("tag", "-d", "m@v1.0.0")
    sign_tag(world.repo, "m@v1.0.0", "Registering\n\nVersion: v1.0.0\n", "main")
    world.refused(world.push(f"+{tag('m@v1.0.0')}"), "tag-moved")


def test_a_deleted_version_tag(world: World) -> None:
    world.refused(world.push(f":{tag('m@v1.0.0')}"), "tag-deleted")


def test_a_version_moved_by_a_second_registration(world: World) -> None:
    sign_tag(world.act("dana"), "m@v1.0.0#9", "Registering\n\nVersion: v1.0.0\n", "main")
    world.refused(world.push(tag("m@v1.0.0#9")), "version-moved")


def test_an_assignment_dated_before_one_that_counts(world: World) -> None:
    world.assign("eve", "m#staging#1")
    world.taken(world.push(tag("m#staging#1")))
    message = "Assigning\n\nVersion: v1.1.0\n"
    early = world.lab.now - 5000
    commit = world.repo.rev("m@v1.1.0^{commit}")
    body = tag_body("m#staging", commit, tagger=f"Eve <{mail('eve')}>", message=message, time=early)
    world.repo.raw_tag("m#staging", body + keys.key("ed25519", "eve").sign(body))
    world.refused(world.push(tag("m#staging")), "tag-order", "m#staging#1")


def test_an_assignment_from_the_future(world: World) -> None:
    message = "Assigning\n\nVersion: v1.1.0\n"
    body = tag_body(
        "m#staging#1",
        world.repo.rev("m@v1.1.0^{commit}"),
        tagger=f"Eve <{mail('eve')}>",
        message=message,
        time=4_070_908_800,
    )
    world.repo.raw_tag("m#staging#1", body + keys.key("ed25519", "eve").sign(body))
    world.refused(world.push(tag("m#staging#1")), "tag-time")


@pytest.mark.parametrize("ref", ["other@v0.0.1", "harmless"])
def test_a_name_in_the_object_that_differs_from_the_ref(world: World, ref: str) -> None:
    body = tag_body("m#prod#7", world.repo.rev("main"), message="Assigning\n")
    world.repo.raw_tag(ref, body)
    world.refused(world.push(tag(ref)), "tag-name", "m#prod#7")


def test_a_lightweight_tag_and_one_that_is_malformed(world: World) -> None:
    world.repo.lightweight("m#prod#1", "main")
    world.refused(world.push(tag("m#prod#1")), "tag-lightweight")


@pytest.mark.parametrize(
    ("who", "key", "reason"),
    [("mallory", None, "role-needed"), ("eve", "mallory", "signature-needed")],
    ids=["wrong role", "another's name"],
)
def test_a_signature_that_does_not_count(world: World, who: str, key: str | None, reason: str) -> None:
    world.assign(who, "m#staging#1", key=key)
    world.refused(world.push(tag("m#staging#1")), reason)


def test_a_skipped_stage_and_a_version_that_is_not_registered(world: World) -> None:
    world.assign("eve", "m#prod#1")
    world.refused(world.push(tag("m#prod#1")), "stage-skipped")
    world.repo.commit({"x": "y"})
    sign_tag(world.act("eve"), "m#staging#1", "Assigning\n", "main")
    world.refused(world.push(tag("m#staging#1")), "version-standing")


def test_one_bad_tag_keeps_out_the_good_ones_that_come_with_it(world: World) -> None:
    world.assign("eve", "m#staging#1")
    world.assign("mallory", "m#staging#2", "v1.1.0")
    world.refused(world.push(tag("m#staging#1"), tag("m#staging#2")), "m#staging#2")
    assert "m#staging#1" not in world.bare.tags()


def test_a_policy_weakened_in_the_push_that_needs_it_weaker(world: World) -> None:
    world.repo.commit({"policy.yaml": POLICY.replace("version: 3", "version: 4").replace("[release]", "[makers]")})
    sign_tag(world.act("dana"), "m#staging#1", "Assigning\n\nVersion: v1.0.0\n", "m@v1.0.0^{commit}")
    world.refused(world.push("main", tag("m#staging#1")), "role-needed")
    world.taken(world.push("main"))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"policy.yaml": POLICY.replace(", after: [staging]", "")}, "policy-grows"),
        ({"policy.yaml": POLICY.replace("version: 3", "version: 2")}, "policy-grows"),
        ({"policy.yaml": None}, "policy-grows"),
        ({"policy.yaml": "format: 1\nversion: x\n"}, "policy-valid"),
        ({"allowed_signers": signers("mallory")}, "policy-grows"),
    ],
    ids=["changed", "older", "removed", "unreadable", "signers"],
)
def test_policy_and_signers_change_only_under_a_greater_version(world: World, files: Any, reason: str) -> None:
    world.repo.commit(files)
    world.refused(world.push("main"), reason)


def test_the_default_branch_is_not_deleted(world: World) -> None:
    world.bare.git("config", "receive.denyDeleteCurrent", "ignore")
    world.refused(world.push(":refs/heads/main"), "branch-deleted")


@pytest.mark.thorough
def test_a_policy_with_a_root_changes_with_the_signatures_it_asks_for(lab: Lab, http: Callable[..., Any]) -> None:
    policy = f"{POLICY}root: {{threshold: 2, principals: [dana@example.org, bob@example.org]}}\n"
    world = World(lab, http, policy)
    world.repo.commit({"policy.yaml": policy.replace("version: 3", "version: 4")})
    world.refused(world.push("main"), "policy-unsigned", "0 of 2")
    sign_tag(world.act("dana"), "policy/4/1", "Policy 4\n")
    world.refused(world.push("main", tag("policy/4/1")), "policy-unsigned", "1 of 2")
    sign_tag(world.act("mallory"), "policy/4/2", "Policy 4\n")
    world.refused(world.push("main", tag("policy/4/1"), tag("policy/4/2")), "policy-unsigned", "1 of 2")
    sign_tag(world.act("bob"), "policy/4/3", "Policy 4\n", "main~1")
    world.refused(world.push("main", tag("policy/4/1"), tag("policy/4/3")), "policy-unsigned", "1 of 2")
    world.repo.git("tag", "-d", "policy/4/3")
    sign_tag(world.act("bob"), "policy/4/3", "Policy 4\n")
    world.taken(world.push(tag("policy/4/3")), "policy/4/3")
    world.refused(world.push(f":{tag('policy/4/3')}"), "tag-deleted")
    world.taken(world.push("main", tag("policy/4/1")))


def record(world: World, who: str, ref: str, **changes: Any) -> str:
    """A signed assignment into `live` with its entry, here only; the entry may say something else."""
    world.assign(who, ref)
    oid, commit = world.repo.rev(tag(ref)), world.repo.rev(f"{tag(ref)}^{{commit}}")
    entry = Entry("assign", "", "m", "v1.0.0", "live", ref, oid, commit, principal=mail(who))
    done = append(open_project(world.repo.path), lambda _: Act([entry._replace(**changes)]), Recorder(sign=False))
    return done.head.commit


def both(world: World, ref: str) -> Ran:
    return world.push("ledger", tag(ref), options=("--atomic",))


def test_a_tag_and_its_entry_pass_together_and_neither_without_the_other(world: World) -> None:
    record(world, "eve", "m#live#1")
    world.refused(world.push(tag("m#live#1")), "ledger-entry-missing")
    world.refused(world.push("ledger"), "ledger-tag-missing")
    world.taken(both(world, "m#live#1"), "m#live#1")
    record(world, "bob", "m#live#2")
    world.taken(both(world, "m#live#2"), "m#live#2")


def test_an_entry_does_not_say_what_its_tag_does_not(world: World) -> None:
    record(world, "eve", "m#live#1", principal=mail("bob"))
    world.refused(both(world, "m#live#1"), "ledger-entry-wrong", "principal")


def test_an_entry_does_not_make_good_what_the_policy_refuses(world: World) -> None:
    record(world, "mallory", "m#live#1")
    world.refused(both(world, "m#live#1"), "role-needed")


def test_a_ledger_is_not_rewound_rewritten_or_deleted(world: World) -> None:
    record(world, "eve", "m#live#1")
    record(world, "eve", "m#live#2")
    world.taken(world.push("ledger", tag("m#live#1"), tag("m#live#2")))
    world.refused(world.push("+ledger~1:refs/heads/ledger"), "ledger-rewound")
    world.refused(world.push(":refs/heads/ledger"), "ledger-missing")
    forger = ledgers.Forger(world.repo)
    forger.amend(message=world.repo.git("cat-file", "commit", forger.tip).partition("\n\n")[2].encode() + b"\nx\n")
    world.refused(world.push("+ledger"), "ledger-rewound")


def test_a_broken_chain_or_tree_is_refused(world: World) -> None:
    record(world, "eve", "m#live#1")
    world.taken(both(world, "m#live#1"))
    tip = world.repo.rev("ledger")
    record(world, "eve", "m#live#2")
    forger = ledgers.Forger(world.repo)
    good = forger.tip
    forger.amend(tree=world.repo.rev(f"{tip}^{{tree}}"))
    world.refused(both(world, "m#live#2"), "ledger-chain", "its tree is")
    world.repo.git("update-ref", "refs/heads/ledger", good)
    forger.amend(parents=[tip, world.repo.rev("main")])
    world.refused(both(world, "m#live#2"), "ledger-chain", "its parent is")


@pytest.mark.thorough
def test_a_recorded_tag_that_is_recreated_is_refused_and_the_recorded_one_may_come_back(world: World) -> None:
    record(world, "eve", "m#live#1")
    world.taken(both(world, "m#live#1"))
    world.bare.git("tag", "-d", "m#live#1")  # by somebody on the server
    mine = world.repo.rev(tag("m#live#1"))
    world.repo.git("tag", "-d", "m#live#1")
    world.assign("eve", "m#live#1", "v1.1.0")
    world.refused(world.push(tag("m#live#1")), "ledger-tag-moved")
    world.repo.git("update-ref", tag("m#live#1"), mine)
    world.taken(world.push(tag("m#live#1")), "m#live#1")


@pytest.mark.thorough
def test_a_revocation_without_a_tag_is_judged_by_who_signed_the_ledger(world: World) -> None:
    def revoke(who: str) -> Ran:
        acts(world.repo, who)
        made = Entry("revoke", "", "m", "v1.0.0", reason="leaks")
        append(open_project(world.repo.path), lambda _: Act([made]), Recorder(sign=True))
        return world.push("ledger")

    world.refused(revoke("mallory"), "role-needed")
    world.repo.git("branch", "-D", "ledger")
    world.taken(revoke("eve"))
    world.assign("bob", "m#staging#1")
    world.refused(world.push(tag("m#staging#1")), "version-standing", "revoked")


@pytest.mark.thorough
def test_only_a_recorder_rejects(lab: Lab, http: Callable[..., Any]) -> None:
    world = World(lab, http, f"{POLICY}recorder: [bob@example.org]\n")
    oid, commit = world.repo.rev(tag("m@v1.1.0")), world.repo.rev("m@v1.1.0^{commit}")
    entry = Entry("reject", "", "m", tag="m@v1.1.0", tag_oid=oid, commit=commit, reason="x")

    def reject(who: str) -> Ran:
        acts(world.repo, who)
        append(open_project(world.repo.path), lambda _: Act([entry]), Recorder(sign=True))
        return world.push("ledger")

    world.refused(reject("eve"), "role-needed", "for a recorder")
    world.repo.git("branch", "-D", "ledger")
    world.taken(reject("bob"))
    world.taken(world.push(f":{tag('m@v1.1.0')}"))
    world.refused(world.push(tag("m@v1.1.0")), "ledger-rejected")


@pytest.mark.thorough
def test_approvals_count_once_they_are_there_and_the_author_s_own_does_not(world: World) -> None:
    world.assign("bob", "m#gold#1")
    world.refused(world.push(tag("m#gold#1")), "approvals-missing", "0 of 1")
    about = ("m", "--version", "v1.0.0", "--stage", "gold", "-m", "Fine")
    assert world.act("dana").registry("approve", *about, check=False).code == 1
    told = world.act("eve").registry("approve", *about, "--json").json
    world.taken(world.push(tag(told["tag"])), told["tag"])
    other = told["tag"].replace("/1", "/2")
    body = (
        world.repo.git("cat-file", "tag", told["tag"]).replace(told["tag"], other).partition("-----BEGIN")[0].encode()
    )
    world.repo.raw_tag(other, body)
    world.taken(world.push(tag(other)))  # readable, unsigned: it counts for nothing
    named = f"Evidence: {other.split('/')[1]}\n"
    world.assign("bob", "m#gold#2", "v1.1.0", more=named)
    world.refused(world.push(tag("m#gold#2")), "approvals-missing", "the tag names")
    world.assign("bob", "m#gold#3", more=named)
    world.taken(world.push(tag("m#gold#3")), "m#gold#3")


def test_gates_are_run_on_the_server(world: World) -> None:
    world.assign("eve", "m#shown#1")
    world.refused(world.push(tag("m#shown#1")), "gate-failed", "card")


def test_a_tag_that_rests_on_one_that_fails_its_gates_is_refused(world: World) -> None:
    world.assign("eve", "m#shown#1")
    world.bare.git(
        "fetch", "--quiet", str(world.repo.path), f"{tag('m#shown#1')}:{tag('m#shown#1')}"
    )  # before there was a hook
    world.assign("eve", "m#later#2")
    world.refused(world.push(tag("m#later#2")), "stage-skipped")


@pytest.mark.thorough
def test_what_registry_promotes_passes_with_its_entry(world: World) -> None:
    eve = world.act("eve")
    eve.registry("assign", "m", "--version", "v1.0.0", "--stage", "live", "--push")
    eve.registry("assign", "m", "--version", "v1.1.0", "--stage", "live", "--push")
    eve.registry("rollback", "m", "--stage", "live", "--push")
    eve.registry("revoke", "m", "--version", "v1.1.0", "--reason", "leaks", "--push")
    assert world.bare.registry("which", "m", "live").stdout == "v1.0.0\n"
    refused = world.act("mallory").registry(
        "assign", "m", "--version", "v1.0.0", "--stage", "live", "--push", check=False
    )
    assert refused.code == 1


def test_an_approval_is_written_once_and_must_be_readable(world: World) -> None:
    ref = f"approval/{'1' * 64}/1"
    sign_tag(world.act("eve"), ref, "Fine\n")
    world.refused(world.push(tag(ref)), "remote:   where: approval/")


def test_a_hook_that_was_there_before_runs_first_and_comes_back(world: World) -> None:
    hook = world.bare.path / "hooks" / "pre-receive"
    assert f"wrote {hook}" in world.installed.stdout
    assert registry_here(world.bare.path, "server-hook", "uninstall").code == 0
    assert not hook.exists()
    mine = '#!/bin/sh\nread old new ref; echo "mine saw $ref"; test "$ref" != refs/heads/never\n'
    hook.write_text(mine)
    hook.chmod(0o755)
    for _ in range(2):
        assert registry_here(world.bare.path, "server-hook", "install", "--bare", str(world.bare.path)).code == 0
    done = world.push("main:refs/heads/topic")
    world.taken(done)
    assert "remote: mine saw refs/heads/topic" in done.stderr
    assert world.push("main:refs/heads/never").code != 0
    world.refused(world.push(f":{tag('m@v1.0.0')}"), "tag-deleted")
    told = registry_here(world.bare.path, "server-hook", "uninstall", "--json").json
    assert told == {"hook": str(hook)}
    assert hook.read_text() == mine
    assert registry_here(world.bare.path, "server-hook", "uninstall").stdout == "there is no hook of ours\n"


def test_a_folder_of_hooks_outside_is_not_written_to(world: World, tmp_path: Path) -> None:
    world.bare.git("config", "core.hooksPath", str(tmp_path))
    done = registry_here(world.bare.path, "server-hook", "install")
    assert done.code == 1
    assert "core.hooksPath" in done.stderr
    assert not list(tmp_path.glob("pre-receive"))


def test_a_push_that_cannot_be_judged_is_refused(world: World) -> None:
    ran = world.bare.registry("server-hook", "run", input="nonsense\n", check=False)
    assert ran.code == 1
    assert "not what git tells pre-receive" in ran.stderr
    zeros = "0" * 40
    line = f"{world.bare.rev(tag('m@v1.0.0'))} {zeros} {tag('m@v1.0.0')}\n"
    found = world.bare.registry("server-hook", "run", "--json", input=line, check=False)
    assert [each["id"] for each in found.json] == ["tag-deleted"]


def test_no_other_command_follows_git_into_a_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"):
        monkeypatch.setenv(name, "/elsewhere")
        assert name not in environment("none")
