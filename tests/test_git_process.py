"""The wrapper that runs git: what of the caller's environment reaches git, and how its failures are told."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

import pytest
from lab import Lab, Repo, tag_body

from registry.api.questions import Registry
from registry.errors import GitError, RegistryError
from registry.git import process
from registry.git.process import LOCAL, NETWORK, OFFLINE, environment, pipeline, reader, run

KEPT = {"GIT_CONFIG_COUNT", "GIT_NO_REPLACE_OBJECTS", "GIT_GRAFT_FILE"}
"""Of the variables that git itself calls local to a repository: the user's settings stay, replace refs are always off."""


@pytest.fixture
def repo(lab: Lab) -> Repo:
    made = lab.repo("models")
    made.commit({"a": "1"})
    made.commit({"a": "2"})
    return made


@pytest.fixture
def other(lab: Lab) -> Repo:
    """A repository that misleading variables point at."""
    made = lab.repo("other")
    made.commit({"b": "1"})
    made.tag("m@v6.6.6")
    return made


def misleading(other: Repo) -> dict[str, str]:
    git = str(other.git_dir)
    return {
        "GIT_DIR": git,
        "GIT_WORK_TREE": str(other.path),
        "GIT_INDEX_FILE": f"{git}/index",
        "GIT_OBJECT_DIRECTORY": f"{git}/objects",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{git}/objects",
        "GIT_COMMON_DIR": git,
        "GIT_NAMESPACE": "elsewhere",
        "GIT_CONFIG": f"{git}/config",
        "GIT_CONFIG_PARAMETERS": "'tag.gpgsign'='true' 'gpg.format'='ssh'",
        "GIT_GRAFT_FILE": f"{git}/grafts",
        "GIT_SHALLOW_FILE": f"{git}/shallow",
        "GIT_REPLACE_REF_BASE": "refs/heads/",
        "GIT_PREFIX": "sub/",
        "GIT_QUARANTINE_PATH": git,
        "GIT_LITERAL_PATHSPECS": "0",
        "GIT_GLOB_PATHSPECS": "1",
        "GIT_ICASE_PATHSPECS": "1",
        "GIT_ALLOW_PROTOCOL": "ext",
    }


def test_variables_that_point_elsewhere_mislead_no_command(lab: Lab, repo: Repo, other: Repo) -> None:
    env = misleading(other)
    before = other.git("for-each-ref")
    assert "m@v0.0.1" in repo.registry("register", "m", "HEAD~1", env=env).stdout
    repo.registry("assign", "m", "HEAD", "--stage", "prod", env=env)
    assert repo.registry("which", "m", "prod", env=env).stdout == "v0.0.2\n"
    assert sorted(repo.tags()) == ["m#prod#1", "m@v0.0.1", "m@v0.0.2"]
    bare = repo.bare_clone()
    lab.registry("register", "n", "-r", str(bare.path), env=env)
    assert "n@v0.0.1" in bare.tags()
    assert other.git("for-each-ref") == before


@pytest.mark.parametrize(
    "name",
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_CONFIG_PARAMETERS", "GIT_NAMESPACE", "GIT_COMMON_DIR"],
)
def test_each_misleading_variable_alone_changes_nothing(
    repo: Repo, other: Repo, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    repo.tag("m@v1.0.0", time=1_750_000_500)
    monkeypatch.setenv(name, misleading(other)[name])
    assert list(Registry(repo.path).artifacts["m"].versions) == ["v1.0.0"]


def test_every_variable_that_git_calls_local_to_a_repository_is_taken_away(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set(repo.git("rev-parse", "--local-env-vars").split())
    assert "GIT_DIR" in names
    for name in names:
        monkeypatch.setenv(name, "x")
    assert names & environment(OFFLINE).keys() == KEPT
    assert environment(OFFLINE)["GIT_NO_REPLACE_OBJECTS"] == "1"
    assert environment(OFFLINE)["GIT_GRAFT_FILE"] == os.devnull


def test_identity_credentials_and_the_users_own_settings_stay(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {
        "GIT_COMMITTER_NAME": "Eve", "GIT_COMMITTER_EMAIL": "eve@example.org", "GIT_SSH_COMMAND": "ssh -i key", "GIT_ASKPASS": "ask",
        "GIT_SSL_CAINFO": "ca.pem", "SSH_AUTH_SOCK": "/agent", "https_proxy": "http://proxy", "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "url.https://example.org/.insteadOf", "GIT_CONFIG_VALUE_0": "ex:",
    }  # fmt: skip
    for name, value in kept.items():
        monkeypatch.setenv(name, value)
    assert kept.items() <= environment(NETWORK).items()
    assert run(repo.path, ["var", "GIT_COMMITTER_IDENT"]).out.startswith(b"Eve <eve@example.org>")
    assert run(repo.path, ["config", "url.https://example.org/.insteadOf"]).out == b"ex:\n"


def test_the_language_of_the_caller_does_not_change_what_git_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANGUAGE", "de")
    env = environment(OFFLINE)
    assert (env["LC_ALL"], env["LANGUAGE"]) == ("C", "")


def test_replace_refs_are_ignored(repo: Repo) -> None:
    old, new = repo.rev("HEAD~1"), repo.rev("HEAD")
    repo.git("replace", old, new)
    assert run(repo.path, ["rev-parse", f"{old}^{{tree}}"]).out.decode().strip() != repo.rev("HEAD^{tree}")
    tag = repo.tag("m@v1.0.0", old, time=1_750_000_500)
    fake = repo.git("mktag", input=tag_body("m@v1.0.0", new, message="Version: v9.9.9\n"))
    repo.git("replace", tag, fake)
    assert repo.registry("show", "m", "--json").json[0]["commit_hexsha"] == old


def test_no_transport_is_used_but_those_named(repo: Repo, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for protocols in (OFFLINE, NETWORK, LOCAL):
        with pytest.raises(GitError, match="transport 'ext' not allowed"):
            run(
                repo.path,
                ["-c", "protocol.ext.allow=always", "fetch", f"ext::sh -c touch% {trace}"],
                protocols=protocols,
            )
    with pytest.raises(GitError, match="transport 'file' not allowed"):
        run(repo.path, ["fetch", repo.url], protocols=NETWORK)
    run(repo.path, ["fetch", repo.url], protocols=LOCAL)
    assert not trace.exists()


def test_hooks_run_only_where_they_are_asked_for(repo: Repo, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hook = repo.git_dir / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\ntouch "{trace}"\n')
    hook.chmod(0o755)
    run(repo.path, ["update-ref", "refs/heads/quiet", "HEAD"])
    assert not trace.exists()
    run(repo.path, ["update-ref", "refs/heads/loud", "HEAD"], hooks=True)
    assert trace.exists()


def test_a_failure_tells_gits_words_the_place_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(GitError) as caught:
        run(tmp_path, ["-c", "core.abbrev=9", "rev-parse", "HEAD"])
    assert caught.value.what.startswith("git rev-parse failed: fatal: not a git repository")
    assert caught.value.where == str(tmp_path)
    assert "git init" in caught.value.fix


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="No such file or directory"):
        run(tmp_path / "nowhere", ["status"])


def test_git_missing_from_path_is_a_clear_error(lab: Lab, repo: Repo, tmp_path: Path) -> None:
    for command in (["which", "m", "prod"], ["register", "m"], ["show"], ["show", "-r", "https://example.org/x"]):
        ran = repo.registry(*command, check=False, env={"PATH": str(tmp_path)})
        assert (ran.code, ran.stdout) == (1, "")
        assert "error: the program `git` was not found" in ran.stderr
        assert "install git" in ran.stderr
    (tmp_path / "git").write_text("no program")
    ran = repo.registry("which", "m", "prod", check=False, env={"PATH": str(tmp_path)})
    assert ran.code == 1
    assert "git` was not" in ran.stderr


@pytest.fixture
def slow(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A repository with a command that takes seconds, and a wrapper without patience."""
    repo.git("config", "alias.hang", "!exec sleep 4")
    repo.git("config", "alias.loud", "!head -c 3000000 /dev/zero | tr '\\0' x >&2; echo done")
    monkeypatch.setattr(process, "TIMEOUT", 0.2)
    return repo


def test_what_takes_too_long_is_ended_and_told(slow: Repo) -> None:
    began = time.monotonic()
    with pytest.raises(GitError, match=r"git hang did not end within 0\.2 s"):
        run(slow.path, ["hang"])
    assert time.monotonic() - began < 3


def test_a_stream_that_does_not_end_is_ended_and_told(slow: Repo) -> None:
    with pytest.raises(GitError, match="did not end within"), reader(slow.path, ["hang"]):
        pass
    with pytest.raises(GitError, match="did not end within"), pipeline(slow.path, slow.path, ["hang"], ["version"]):
        pass


def test_a_git_that_is_ended_leaves_no_lock(slow: Repo) -> None:
    hook = slow.git_dir / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\n[ "$1" = prepared ] && exec sleep 4\nexit 0\n')
    hook.chmod(0o755)
    with pytest.raises(GitError, match="did not end"):
        run(slow.path, ["update-ref", "refs/heads/late", slow.rev("HEAD")], hooks=True)
    assert not list(slow.git_dir.rglob("*.lock"))


def test_megabytes_of_complaints_do_not_block(slow: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "TIMEOUT", 20.0)
    done = run(slow.path, ["loud"])
    assert done.out == b"done\n"
    assert len(done.err) == 3_000_000
    with reader(slow.path, ["loud"]) as stream:
        assert stream.read() == b"done\n"
    with pipeline(slow.path, slow.path, ["loud"], ["cat-file", "--batch-check"]) as stream:
        assert stream.read() == b"done missing\n"


def test_thousands_of_broken_refs_do_not_block_a_question(repo: Repo) -> None:
    repo.tag("m@v1.0.0", time=1_750_000_500)
    for n in range(3000):
        (repo.git_dir / "refs" / "tags" / f"{'x' * 60}{n}@v1.0.0").write_text("rubbish\n")
    ended = threading.Event()

    def ask() -> None:
        assert repo.registry("latest", "m").stdout == "v1.0.0\n"
        assert repo.registry("show", "--json").json["m"]["version"] == "v1.0.0"
        ended.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(60)
    assert ended.is_set()


def test_leaving_a_stream_early_ends_git(repo: Repo) -> None:
    def first_line(stream: IO[bytes]) -> None:
        raise EOFError(stream.readline())

    repo.git("config", "alias.endless", "!exec yes")
    with pytest.raises(EOFError, match="y"), reader(repo.path, ["endless"]) as stream:
        first_line(stream)
    sink = ["cat-file", "--buffer", "--batch-check"]
    with pytest.raises(EOFError, match="y missing"), pipeline(repo.path, repo.path, ["endless"], sink) as stream:
        first_line(stream)


def test_a_stream_whose_command_fails_says_why(repo: Repo, tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not a git repository"), reader(tmp_path, ["for-each-ref"]) as stream:
        stream.read()
    with (
        pytest.raises(GitError, match="not a git repository"),
        pipeline(tmp_path, repo.path, ["for-each-ref"], ["cat-file", "--batch"]) as stream,
    ):
        stream.read()
    with (
        pytest.raises(RegistryError, match="git cat-file failed"),
        pipeline(repo.path, repo.path, ["for-each-ref"], ["cat-file", "--nonsense"]) as stream,
    ):
        stream.read()


def test_only_the_wrapper_starts_processes() -> None:
    package = Path(process.__file__).parents[1]
    users = sorted(
        str(path.relative_to(package)) for path in package.rglob("*.py") if "import subprocess" in path.read_text()
    )
    # The first starts Python and the last ssh-keygen, never git.
    assert users == ["api/confining.py", "git/gh.py", "git/process.py", "signing/keygen.py"]
    assert subprocess.run is not None
    assert os.devnull in " ".join(process.command(None, ["version"], hooks=False))
