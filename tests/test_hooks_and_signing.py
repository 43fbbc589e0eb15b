"""Writing keeps the user's hooks and signing; reading runs nothing that a repository brings along."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from git_http import GitServer
from lab import Lab, Repo

Http = Callable[..., GitServer]
VETO = (
    '#!/bin/sh\n[ "$1" = prepared ] && grep -q "refs/tags/m" && { echo "frozen until Monday" >&2; exit 1; }\nexit 0\n'
)


@pytest.fixture
def repo(lab: Lab) -> Repo:
    made = lab.repo("models")
    made.commit({"a": "1"})
    made.commit({"a": "2"})
    return made


def hook(repo: Repo, name: str, text: str) -> Path:
    path = repo.git_dir / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def refs(repo: Repo) -> str:
    return repo.git("for-each-ref")


def sign_with_ssh(lab: Lab, repo: Repo, name: str = "dana") -> Path:
    """Let git sign tags here with a new key; the allowed-signers file that knows it."""
    key = lab.root / f"key-{name}"
    lab.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key))
    kind, blob, _ = key.with_suffix(".pub").read_text().split()
    allowed = lab.root / f"allowed-{name}"
    allowed.write_text(f"dana@example.org {kind} {blob}\n")
    for setting, value in {"gpg.format": "ssh", "user.signingKey": str(key), "tag.gpgSign": "true"}.items():
        repo.git("config", setting, value)
    return allowed


# --- hooks of the user


def test_a_reference_transaction_hook_stops_an_event(repo: Repo) -> None:
    hook(repo, "reference-transaction", VETO)
    before = refs(repo)
    ran = repo.registry("assign", "m", "--stage", "prod", check=False)
    assert (ran.code, ran.stdout) == (1, "")
    assert "frozen until Monday" in ran.stderr
    assert refs(repo) == before
    repo.registry("register", "other")


def test_a_reference_transaction_hook_stops_an_event_before_it_is_pushed(lab: Lab, repo: Repo, http: Http) -> None:
    bare = repo.bare_clone("served.git")
    clone = lab.clone(f"{http(lab.root).url}/served.git")
    hook(clone, "reference-transaction", VETO)
    before = refs(clone), refs(bare)
    ran = clone.registry("assign", "m", "--stage", "prod", "--push", check=False)
    assert ran.code == 1
    assert "frozen until Monday" in ran.stderr
    assert (refs(clone), refs(bare)) == before
    assert not list(clone.git_dir.rglob("*.lock"))


def test_a_hook_that_fails_after_the_remote_took_the_tag_is_told_with_the_remedy(lab: Lab, repo: Repo) -> None:
    bare = repo.bare_clone("served.git")
    clone = lab.clone(bare)
    count = lab.root / "count"
    hook(
        clone,
        "reference-transaction",
        f'#!/bin/sh\n[ "$1" = prepared ] || exit 0\n[ -e "{count}" ] && exit 1\ntouch "{count}"\n',
    )
    ran = clone.registry("register", "m", "--push", check=False)
    assert ran.code == 1
    assert "the remote took m@v0.0.1, but this clone did not" in ran.stderr
    assert "git fetch origin 'refs/tags/m@v0.0.1:refs/tags/m@v0.0.1'" in ran.stderr
    assert list(bare.tags()) == ["m@v0.0.1"]


def test_the_hook_sees_each_ref_that_is_made_and_nothing_else(lab: Lab, repo: Repo) -> None:
    sign_with_ssh(lab, repo)
    log = lab.root / "log"
    hook(repo, "reference-transaction", f'#!/bin/sh\n[ "$1" = committed ] && cat >>"{log}"\nexit 0\n')
    repo.registry("assign", "m", "--stage", "prod")
    assert sorted(line.split()[2] for line in log.read_text().splitlines()) == [
        "refs/tags/m#prod#1",
        "refs/tags/m@v0.0.1",
    ]


def test_a_pre_push_hook_stops_a_push_and_nothing_is_left(lab: Lab, repo: Repo, http: Http) -> None:
    bare = repo.bare_clone("served.git")
    clone = lab.clone(f"{http(lab.root).url}/served.git")
    seen = lab.root / "seen"
    path = hook(clone, "pre-push", f'#!/bin/sh\ncat >>"{seen}"\necho "tests are red" >&2\nexit 1\n')
    before = refs(clone), refs(bare)
    ran = clone.registry("register", "m", "--push", check=False)
    assert ran.code == 1
    assert "tests are red" in ran.stderr
    assert (refs(clone), refs(bare)) == before
    assert seen.read_text().split()[2] == "refs/tags/m@v0.0.1"
    path.unlink()
    assert "m@v0.0.1" in clone.registry("register", "m", "--push").stdout


def test_hooks_in_a_configured_folder_are_honoured_too(repo: Repo, lab: Lab) -> None:
    folder = lab.root / "hooks"
    folder.mkdir()
    (folder / "reference-transaction").write_text(VETO)
    (folder / "reference-transaction").chmod(0o755)
    repo.git("config", "core.hooksPath", str(folder))
    assert "frozen until Monday" in repo.registry("register", "m", check=False).stderr


# --- signing


@pytest.mark.parametrize("setting", ["tag.gpgSign", "tag.forceSignAnnotated"])
def test_tags_are_signed_where_the_user_has_tags_signed(lab: Lab, repo: Repo, setting: str) -> None:
    allowed = sign_with_ssh(lab, repo)
    repo.git("config", "--unset", "tag.gpgSign")
    repo.git("config", setting, "true")
    repo.registry("assign", "m", "HEAD~1", "--stage", "prod", "-m", "First\n\nwith a body", "--author", "Eve")
    repo.registry("assign", "m", "HEAD", "--stage", "prod")
    repo.registry("rollback", "m", "--stage", "prod")
    for tag in repo.tags():
        done = repo.run("git", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-tag", "--", tag)
        assert 'Good "git" signature for dana@example.org' in done.stderr
    assert len(repo.tags()) == 5
    assert repo.registry("which", "m", "prod").stdout == "v0.0.1\n"
    shown = repo.registry("history", "m", "--json").json
    assert {event["version"] for event in shown} == {"v0.0.1", "v0.0.2"}
    assert repo.git("for-each-ref", "--format=%(taggername)", "refs/tags/m#prod#1") == "Eve"
    assert repo.registry("show", "--json").json == repo.gto("show", "--json").json
    assert not [path.name for path in repo.git_dir.iterdir() if path.name.startswith("registry-sign")]


def test_without_the_setting_nothing_is_signed(lab: Lab, repo: Repo) -> None:
    sign_with_ssh(lab, repo)
    repo.git("config", "tag.gpgSign", "false")
    repo.registry("register", "m")
    assert "SIGNATURE" not in repo.git("cat-file", "tag", "m@v0.0.1")


def test_a_signature_that_cannot_be_made_is_an_error_and_nothing_is_left(lab: Lab, repo: Repo) -> None:
    sign_with_ssh(lab, repo)
    (lab.root / "key-dana").unlink()
    (lab.root / "key-dana.pub").unlink()
    before = refs(repo)
    ran = repo.registry("assign", "m", "--stage", "prod", check=False)
    assert (ran.code, ran.stdout) == (1, "")
    assert "git tag failed" in ran.stderr
    assert "key-dana" in ran.stderr
    assert refs(repo) == before
    assert not [path.name for path in repo.git_dir.iterdir() if path.name.startswith("registry-sign")]


def test_signed_events_are_pushed_from_a_clone_a_worktree_and_without_either(lab: Lab, repo: Repo, http: Http) -> None:
    bare = repo.bare_clone("served.git")
    url = f"{http(lab.root).url}/served.git"
    clone = lab.clone(url)
    allowed = sign_with_ssh(lab, clone)
    clone.registry("register", "m", "HEAD~1", "--push")
    clone.git("worktree", "add", "--quiet", "--detach", str(lab.root / "tree"))
    lab.registry("register", "m", "--push", cwd=lab.root / "tree")
    settings = {"gpg.format": "ssh", "user.signingKey": str(lab.root / "key-dana"), "tag.gpgSign": "true"}
    for name, value in settings.items():
        lab.run("git", "config", "--file", lab.env["GIT_CONFIG_GLOBAL"], name, value)
    lab.registry("assign", "m", "--version", "v0.0.1", "--stage", "prod", "-r", url)
    assert sorted(bare.tags()) == ["m#prod#1", "m@v0.0.1", "m@v0.0.2"]
    for tag in bare.tags():
        bare.run("git", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-tag", "--", tag)


def test_a_repository_with_sha256_object_ids_is_signed_as_well(lab: Lab) -> None:
    lab.run("git", "init", "--quiet", "--object-format=sha256", str(lab.root / "modern"))
    repo = Repo(lab, lab.root / "modern")
    repo.commit({"a": "1"})
    allowed = sign_with_ssh(lab, repo)
    repo.registry("assign", "m", "--stage", "prod")
    assert repo.registry("which", "m", "prod").stdout == "v0.0.1\n"
    repo.git("-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-tag", "--", "m#prod#1")


# --- reading a hostile repository


@pytest.fixture
def hostile(lab: Lab, repo: Repo) -> tuple[Repo, Path]:
    """A repository whose settings and hooks name a script that leaves a trace, and the trace."""
    repo.registry("assign", "m", "--stage", "prod")
    trace = lab.root / "trace"
    script = lab.root / "evil"
    script.write_text(f'#!/bin/sh\necho "$0 $*" >>"{trace}"\nexit 0\n')
    script.chmod(0o755)
    folder = lab.root / "evil-hooks"
    folder.mkdir()
    names = [
        "post-checkout",
        "reference-transaction",
        "pre-push",
        "post-index-change",
        "fsmonitor-watchman",
        "pre-commit",
        "post-merge",
        "update",
    ]
    for name in names:
        (folder / name).symlink_to(script)
        (repo.git_dir / "hooks" / name).unlink(missing_ok=True)
        (repo.git_dir / "hooks" / name).symlink_to(script)
    settings = {
        "core.hooksPath": str(folder), "core.fsmonitor": str(script), "core.pager": str(script), "core.editor": str(script),
        "core.sshCommand": str(script), "core.alternateRefsCommand": str(script), "diff.external": str(script),
        "credential.helper": f"!{script}", "gpg.program": str(script), "gpg.ssh.program": str(script), "pager.log": "true",
        "alias.for-each-ref": f"!{script}", "alias.cat-file": f"!{script}", "filter.x.smudge": str(script), "filter.x.clean": str(script),
    }  # fmt: skip
    for name, value in settings.items():
        lab.run("git", "config", "--file", str(repo.git_dir / "config"), name, value)
    (repo.path / ".gitattributes").write_text("* filter=x diff=x\n")
    return repo, trace


READING = (
    "show", "show m", "show --json", "which m prod", "latest m", "history", "stages", "check-ref m#prod#1", "doctor",
)  # fmt: skip


def test_the_script_would_leave_its_trace(hostile: tuple[Repo, Path]) -> None:
    repo, trace = hostile
    repo.git("tag", "x")
    assert trace.exists()


@pytest.mark.parametrize("line", READING)
def test_reading_runs_nothing_of_a_hostile_repository(hostile: tuple[Repo, Path], line: str) -> None:
    repo, trace = hostile
    ran = repo.registry(*line.split(), check=False)
    assert ran.code in {0, 1}, ran
    assert ran.stdout
    assert not trace.exists(), trace.read_text()


def test_reading_fetches_nothing_that_a_partial_clone_lacks(hostile: tuple[Repo, Path], lab: Lab) -> None:
    repo, trace = hostile
    config = repo.git_dir / "config"
    config.write_text(
        config.read_text().replace("repositoryformatversion = 0", "repositoryformatversion = 1")
        + f'[extensions]\n\tpartialClone = origin\n[remote "origin"]\n\turl = ext::{lab.root / "evil"}\n\tpromisor = true\n'
        f'\tuploadpack = {lab.root / "evil"}\n[protocol "ext"]\n\tallow = always\n'
    )
    missing = "1" * 40
    (repo.git_dir / "refs" / "tags" / "m@v9.0.0").write_text(f"{missing}\n")
    for line in READING:
        assert repo.registry(*line.split(), check=False).code in {0, 1}
        assert not trace.exists(), f"{line}: {trace.read_text()}"
    assert repo.registry("which", "m", "prod").stdout == "v0.0.1\n"


def test_a_url_is_read_without_running_a_hook_of_the_users_either(
    hostile: tuple[Repo, Path], lab: Lab, http: Http
) -> None:
    repo, trace = hostile
    bare = lab.root / "served.git"
    lab.run("cp", "-r", str(repo.git_dir), str(bare))
    lab.run("git", "config", "--file", str(bare / "config"), "core.bare", "true")
    lab.run("git", "config", "--file", lab.env["GIT_CONFIG_GLOBAL"], "core.hooksPath", str(lab.root / "evil-hooks"))
    url = f"{http(lab.root).url}/served.git"
    for _ in range(2):
        assert lab.registry("which", "m", "prod", "-r", url).stdout == "v0.0.1\n"
    assert not trace.exists(), trace.read_text()
    assert os.access(lab.root / "evil", os.X_OK)
