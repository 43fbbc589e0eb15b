"""The demo runs, can fail, and leaves nothing behind but its folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from lab import ROOT, Lab, script

DEMO = ROOT / "examples" / "demo"


@pytest.fixture
def environment(lab: Lab) -> Mapping[str, str]:
    """What a user has; the clock is the real one, as the demo's processes share none."""
    script("gto")
    kept = {key: value for key, value in lab.environ().items() if not key.endswith("_DATE") and key != "LAB_CLOCK"}
    return kept | {"GIT_AUTHOR_NAME": "Somebody Else", "GIT_DIR": "/nonexistent"}


def serves(url: str) -> bool:
    """Whether somebody still listens there."""
    host, port = re.fullmatch(r"http://([\d.]+):(\d+)", url).groups()
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def served_at(told: str) -> str:
    return re.search(r"git is served at (\S+)", told)[1]


def altered(folder: Path, name: str, old: str, new: str) -> Path:
    """A copy of the demo in which one file differs."""
    copy = shutil.copytree(DEMO, folder / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new))
    return copy / "demo.py"


def run(demo: Path, output: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(demo), str(output)], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.thorough
def test_the_main_job_runs_from_training_to_refusal(lab: Lab, environment: Mapping[str, str]) -> None:
    before = sorted(path.relative_to(lab.home) for path in lab.home.rglob("*"))
    settings = (lab.home / ".gitconfig").read_bytes()
    done = run(DEMO / "demo.py", lab.root / "out", environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert re.findall(r"^(\d)\. ", done.stdout, re.MULTILINE) == ["1", "2", "3", "4", "5", "6"]
    assert "refused (" in done.stdout
    assert "Traceback" not in done.stdout
    assert not serves(served_at(done.stdout))
    assert sorted(path.relative_to(lab.home) for path in lab.home.rglob("*")) == before
    assert (lab.home / ".gitconfig").read_bytes() == settings
    assert not lab.cache.exists()
    links = (lab.root / "out" / "clones" / "model-registry" / ".mlem" / "links").iterdir()
    assert [path.name for path in links] == ["cost_predictor.mlem"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("train.py", "registry.save(", "sys.exit(7)  # ", "python train.py linear_regression ended with 7"),
        ("train.py", "print(f", "print('no', f", "linear_regression.mlem describes the model"),
        ("chapters.py", '"--rev", tag', '"--rev", "v9"', "the source has no tag or branch 'v9'"),
    ],
)
def test_a_step_that_does_not_hold_ends_it_with_one(
    lab: Lab, environment: Mapping[str, str], name: str, old: str, new: str, told: str
) -> None:
    done = run(altered(lab.root, name, old, new), lab.root / "out", environment)
    assert done.returncode == 1, done.stdout + done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not serves(served_at(done.stdout))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_told_and_leaves_no_server(
    lab: Lab, environment: Mapping[str, str], number: signal.Signals
) -> None:
    line = [sys.executable, "-u", str(DEMO / "demo.py"), str(lab.root / "out")]
    with subprocess.Popen(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        url = served_at(demo.stdout.readline())
        assert serves(url)
        os.killpg(demo.pid, number) if number == signal.SIGINT else demo.send_signal(number)
        _, errors = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert errors.strip().splitlines()[-1] == "interrupted"
    assert "Traceback" not in errors
    assert not serves(url)
