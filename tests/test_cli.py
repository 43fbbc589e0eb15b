"""The command line: help, exit codes, JSON, completion, and what a user sees when something is wrong.

Help texts are held by `snapshots/help`; `REGISTRY_UPDATE_SNAPSHOTS=1 python -m pytest tests/test_cli.py` writes them anew.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from inprocess import registry_here
from lab import Lab, Repo, script, tag_body
from linked import make_registry, make_source

from registry.cli import main
from registry.cli.app import COMMANDS, app

SNAPSHOTS = Path(__file__).parent / "snapshots" / "help"
NAMES = [name for group in COMMANDS.values() for name in group]
UPDATE = os.environ.get("REGISTRY_UPDATE_SNAPSHOTS") == "1"


@pytest.fixture
def recorded(lab: Lab) -> Repo:
    """A registry with two versions of `m`, one in prod."""
    repo = lab.repo("reg")
    repo.commit()
    repo.tag("m@v1.0.0")
    repo.tag("m#prod#1")
    repo.commit()
    repo.tag("m@v1.1.0")
    return repo


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_is_as_reviewed(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "110")
    assert main([*([name] if name else []), "--help"]) == 0
    shown = capsys.readouterr().out
    path = SNAPSHOTS / f"{name or 'registry'}.txt"
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown)
    assert shown == path.read_text(), "run with REGISTRY_UPDATE_SNAPSHOTS=1 and review the difference"
    assert all(len(line) <= 110 for line in shown.splitlines())


def test_no_snapshot_is_left_of_a_command_that_is_gone() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {"registry", *NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself_and_gives_json(name: str) -> None:
    command = app.get_command(click.Context(app), name)
    assert command is not None
    assert command.help
    if isinstance(command, click.Group):
        for each in command.commands.values():
            explained(each, name)
    else:
        explained(command, name)


def explained(command: click.Command, name: str) -> None:
    assert command.help
    options = {option for param in command.params for option in param.opts}
    assert "--json" in options or name == "completion"
    assert all(getattr(param, "help", "") for param in command.params if isinstance(param, click.Option))


def test_done_is_zero(recorded: Repo) -> None:
    ran = recorded.registry("which", "m", "prod")
    assert (ran.code, ran.stdout, ran.stderr) == (0, "v1.0.0\n", "")


def test_nothing_found_is_one_with_a_message_on_standard_error_only(recorded: Repo) -> None:
    ran = recorded.registry("which", "m", "staging", check=False)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error: nothing of 'm' is in stage 'staging'")


def test_a_finding_that_is_an_error_is_one(recorded: Repo) -> None:
    recorded.raw_tag("m@v2.0.0", tag_body("m#prod#2", recorded.rev("HEAD")))
    ran = recorded.registry("doctor", "--json", check=False)
    assert ran.code == 1
    assert [finding["ref"] for finding in ran.json] == ["m@v2.0.0"]


@pytest.mark.parametrize(
    "words",
    [
        ("which", "m"),
        ("which", "m", "prod", "surplus"),
        ("assign", "m"),
        ("register", "m", "--version", "v2.0.0", "--bump-major"),
        ("show", "--json", "--plain"),
        ("show", "--av", "-2"),
        ("deregister", "m"),
        ("--nothing",),
        ("completion", "tcsh"),
        ("nothing",),
    ],
)
def test_wrong_usage_is_two_and_says_how_to_learn_more(recorded: Repo, words: tuple[str, ...]) -> None:
    ran = recorded.registry(*words, check=False)
    assert (ran.code, ran.stdout) == (2, "")
    assert "Usage: registry" in ran.stderr
    assert "--help" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_unknown_command_is_answered_with_the_nearest_one(recorded: Repo) -> None:
    assert "Did you mean 'register'?" in recorded.registry("registr", "m", check=False).stderr
    assert "Did you mean" not in recorded.registry("zzz", check=False).stderr


def test_without_a_command_the_help_is_shown(recorded: Repo) -> None:
    ran = recorded.registry(check=False)
    assert ran.code in {0, 2}
    assert "Record events" in ran.stdout + ran.stderr


def test_an_interruption_is_one_hundred_and_thirty(lab: Lab, recorded: Repo) -> None:
    line = [sys.executable, "-u", "-m", "registry", "predict", "m", "--data", "-"]
    with subprocess.Popen(
        line, cwd=recorded.path, env=lab.environ(), stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for_reading(process.pid)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.strip() == "interrupted"


def wait_for_reading(pid: int) -> None:
    """Wait until a process waits for its standard input."""
    import time

    for _ in range(600):
        time.sleep(0.05)
        state = Path(f"/proc/{pid}/wchan").read_text() if Path(f"/proc/{pid}/wchan").exists() else ""
        if "pipe" in state:
            return
    time.sleep(1)  # a system that does not tell: it has had half a minute


def test_a_bug_is_three_and_asks_for_a_report(
    recorded: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("registry.api.holding.which", lambda *_, **__: 1 / 0)
    assert main(["which", "m", "prod", "-r", str(recorded.path)]) == 3
    told = capsys.readouterr().err
    assert "This is a bug in git-model-registry" in told
    assert "ZeroDivisionError" in told


def test_a_reader_that_went_away_is_no_error(recorded: Repo) -> None:
    done = recorded.run("bash", "-o", "pipefail", "-c", f"{sys.executable} -m registry history --json | true")
    assert (done.code, done.stderr) == (0, "")


BAD = [
    ("which", "m", "prod", "-r", "--upload-pack=touch gone"),
    ("which", "m", "prod", "-r", "ext::sh -c touch% gone"),
    ("which", "m", "prod", "-r", "/nowhere/at/all"),
    ("which", "m", "prod", "-r", ""),
    ("which", "m", "prod", "-r", "ftp://example.org/x"),
    ("which", "m", "prod", "-r", "http://example.org/x"),
    ("which", "../m", "prod"),
    ("which", "m", "pr od"),
    ("which", "", ""),
    ("which", "m\n", "prod"),
    ("which", "ü", "prod"),
    ("latest", "nothing"),
    ("history", "m;n"),
    ("show", "m@latest@latest"),
    ("check-ref", "refs/tags/m@x"),
    ("check-ref", "--", "--help"),
    ("register", "m", "--version", "1.0"),
    ("register", "m", "nowhere"),
    ("register", "m", "--", "--force"),
    ("register", "m", "--version", "v1.0.0"),
    ("assign", "m", "--stage", "x#y"),
    ("assign", "m", "--stage", "prod", "--version", "v9.0.0"),
    ("unassign", "m", "--stage", "staging"),
    ("deregister", "m", "--version", "v9.0.0"),
    ("deprecate", "nothing"),
    ("rollback", "m", "--stage", "prod"),
    ("rollback", "m", "--stage", "prod", "--to", "latest"),
    ("link", "m", "n", "--source-project", "https://user:secret@example.org/x", "--rev", "v1"),
    ("link", "m", "n", "--source-project", "ext::sh -c id", "--rev", "v1"),
    ("link", "m", "../n", "--source-project", ".", "--rev", "v1"),
    ("check", "-r", "/nowhere"),
    ("init", "/dev/null/x"),
    ("load", "m", "--stage", "prod"),
    ("load", "m", "--stage", "prod", "--version", "v1.0.0"),
    ("predict", "m", "--stage", "prod", "--data", "/nowhere.csv"),
    ("fetch", "m", "--stage", "prod", "-o", "out"),
    ("lock", "m", "--stage", "prod"),
    ("lock", "--check"),
    ("forget", "m@v1.0.0"),
    ("forget", "m@nothing"),
    ("register", "m", "HEAD~1..HEAD"),
    ("register", "m", "-m", "x\udcff"),
]


@pytest.mark.parametrize(
    "words", BAD, ids=lambda words: " ".join(words).encode("ascii", "backslashreplace").decode()[:60]
)
def test_bad_input_is_one_error_and_changes_nothing(recorded: Repo, words: tuple[str, ...]) -> None:
    before = recorded.tags(), sorted(path for path in recorded.path.rglob("*") if ".git" not in path.parts)
    ran = recorded.registry(*words, check=False)
    assert (ran.code, ran.stdout) == (1, ""), ran.stderr
    assert ran.stderr.startswith("error: ")
    assert "Traceback" not in ran.stderr
    assert "secret" not in ran.stderr
    after = recorded.tags(), sorted(path for path in recorded.path.rglob("*") if ".git" not in path.parts)
    assert after == before


def test_a_version_that_is_not_there_shows_nothing_as_with_gto(recorded: Repo) -> None:
    ran = recorded.registry("show", "m@v9.9.9")
    assert (ran.code, ran.stdout) == (0, "nothing found for m@v9.9.9\n")
    assert recorded.registry("show", "m@v9.9.9", "--json").json == []


def test_outside_of_any_repository_the_error_says_what_to_do(lab: Lab) -> None:
    ran = lab.registry("show", check=False)
    assert ran.code == 1
    assert "git" in ran.stderr
    assert "fix:" in ran.stderr


def test_json_of_every_command_is_json(lab: Lab) -> None:
    source = make_source(lab)
    repo = make_registry(lab)
    link = repo.registry("link", "lr", "m", "--source-project", source.url, "--rev", "v1", "--json").json
    assert link["name"] == "m"
    repo.commit({}, "link")
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--message", "link")
    steps = [
        ("init",), ("check",), ("register", "m"), ("assign", "m", "--stage", "staging"),
        ("assign", "m", "--stage", "prod", "--version", "v0.0.1"), ("show",), ("show", "m"), ("which", "m", "prod"),
        ("interface", "show", "m"), ("card", "init", "m"), ("latest", "m"), ("history",), ("stages",), ("check-ref", "m@v0.0.1"), ("doctor",), ("verify",), ("request", "m", "--version", "v0.0.1", "--stage", "qa", "-m", "?"), ("approvals",), ("lineage", "m"),
        ("compare", "m", "v0.0.1", "."), ("diff", "m", "#prod", "HEAD"),
        ("impact", "--requirement", "scikit-learn>0"), ("ledger", "adopt"), ("load", "m", "--stage", "prod"),
        ("predict", "m", "--stage", "prod", "--data", "rows.csv"), ("fetch", "m", "-o", "out"), ("checkenv", "m"),
        ("lock", "m", "--stage", "prod"), ("cache", "info"), ("notify", "--tag", "m#prod#1"), ("policy", "explain"), ("consumers", "list"),
        ("gates", "m", "--version", "v0.0.1", "--stage", "prod"),
        ("server-hook", "install"), ("server-hook", "uninstall"), ("audit",), ("report",),
        ("unassign", "m", "--stage", "staging"), ("deprecate", "m"), ("deregister", "m", "--version", "v0.0.1"),
        ("revoke", "m", "--version", "v0.0.1", "--reason", "leaked"), ("archive", "m"),
    ]  # fmt: skip
    repo.write({"rows.csv": "y,x\n0,1\n"})
    answers = {words[0]: registry_here(repo.path, *words, "--json").json for words in steps}
    assert answers["init"] == []
    assert answers["predict"] == pytest.approx([1.0])
    assert answers["stages"] == ["prod", "staging"]
    assert set(NAMES) - answers.keys() == {
        "approve",  # needs a key
        "completion",
        "evaluate",
        "export",
        "forget",
        "import",
        "link",
        "rollback",
        "signers",
    }


@pytest.mark.parametrize(
    ("shell", "check"), [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])]
)
def test_completion_scripts_are_programs_of_their_shell(
    recorded: Repo, tmp_path: Path, shell: str, check: list[str]
) -> None:
    printed = recorded.registry("completion", shell).stdout
    assert "_REGISTRY_COMPLETE" in printed
    if shutil.which(check[0]):
        (tmp_path / "script").write_text(printed)
        recorded.run(*check, str(tmp_path / "script"))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("registry whi", ["which"]),
        ("registry which ", ["m"]),
        ("registry which m ", ["prod"]),
        ("registry assign m --version ", ["v1.0.0", "v1.1.0"]),
        ("registry which -r https://example.invalid/x ", []),
        ("registry which -r /nowhere ", []),
    ],
)
def test_completion_knows_commands_names_stages_and_versions(recorded: Repo, words: str, found: list[str]) -> None:
    env = {"_REGISTRY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    program = "import sys; sys.argv = ['registry']; from registry.cli import main; sys.exit(main())"
    ran = recorded.run(sys.executable, "-c", program, env=env)
    assert sorted(line.partition(",")[2] for line in ran.stdout.splitlines() if line) == found
    assert ran.stderr == ""


def test_git_registry_is_the_same_program(lab: Lab, recorded: Repo) -> None:
    folder = str(Path(script("git-registry")).parent)
    path = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    assert recorded.run("git", "registry", "which", "m", "prod", env=path).stdout == "v1.0.0\n"
    assert recorded.run("git", "registry", "-h", env=path).stdout.startswith("Usage: registry")
    assert recorded.run(script("registry"), "latest", "m").stdout == "v1.1.0\n"


def test_the_version_is_that_of_the_package(recorded: Repo) -> None:
    from importlib.metadata import version

    assert (
        recorded.run(script("registry"), "--version").stdout == f"git-model-registry {version('git-model-registry')}\n"
    )
