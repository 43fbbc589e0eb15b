"""Measure the registry against gto and plain git, whole processes, in one run; print a Markdown table, write JSON.

All commands of a size run one after the other in each round (interleaved), after one warm-up each, so that a busy
machine slows all of them alike; figures are medians over the rounds. Peak memory is `ru_maxrss` of wait4(2): that of
the command or of the greatest git process it waited for, whichever is more, and never less than this script's own.

    python benchmarks/run.py [--quick] [--skip-gto] [--full] [--work FOLDER] [--json FILE]
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "examples" / "demo")]

from generate import generate
from git_http import serve
from report import LARGE, ROWS, SMALL, Measured, judge, machine, table

ARTIFACT, STAGE, NEW_STAGE = "a050", "prod", "canary"
EACH_REF = "--format=%(refname) %(objectname) %(*objectname) %(taggerdate:unix)"


@dataclass(frozen=True)
class Command:
    """A process to measure. `prepare` runs before each time and is not measured."""

    argv: tuple[str, ...]
    cwd: Path
    env: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[], object] = lambda: None
    runs: int = 0
    """How often it runs, without warm-up; 0: once in every round, after one warm-up."""


class Stand:
    """A generated repository of one size with all commands that are measured on it."""

    def __init__(self, work: Path, tags: int, url: str, environment: dict[str, str]) -> None:
        self.work = work
        self.environment = environment
        self.name = f"registry-{tags}"
        self.repo = work / "served" / self.name
        self.copy = work / f"copy-{tags}"
        self.url = f"{url}/{self.name}"
        if not self.repo.exists():
            generate(self.repo, tags)

    def commands(self, *, gto: bool) -> dict[str, Command]:
        """Every command by name; the slow ones run once."""
        python, registry, repo, copied = (sys.executable, "-c"), script("registry"), self.repo, self.fresh_copy
        warm, cold = ({"REGISTRY_CACHE_DIR": str(self.work / kind)} for kind in ("warm", "cold"))
        question, version = f"{ARTIFACT}#{STAGE}", self.newest_version()
        assign = ("assign", ARTIFACT, "--version", version, "--stage", NEW_STAGE)
        remote = (*registry, "which", ARTIFACT, STAGE, "-r", self.url)
        found = {
            "python": Command((*python, "pass"), repo),
            "click": Command((*python, "import click"), repo),
            "import registry": Command((*python, "import registry"), repo),
            "which": Command((*registry, "which", ARTIFACT, STAGE), repo),
            "show": Command((*registry, "show"), repo),
            "git for-each-ref": Command(("git", "for-each-ref", EACH_REF, "refs/tags"), repo),
            "register": Command((*registry, "register", ARTIFACT), self.copy, prepare=copied),
            "assign": Command((*registry, *assign), self.copy, prepare=copied),
            "which warm": Command(remote, self.work, warm),
            "git fetch": Command(("git", "fetch", "--quiet", "--no-tags", "--prune"), self.plain_cache()),
            "which cold": Command(
                remote, self.work, cold, lambda: shutil.rmtree(self.work / "cold", ignore_errors=True)
            ),
        }
        if gto:
            program = script("gto")
            found |= {
                "gto show NAME#STAGE": Command((*program, "show", question), repo, runs=1),
                "gto register": Command((*program, "register", ARTIFACT), self.copy, prepare=copied, runs=1),
                "gto assign": Command((*program, *assign), self.copy, prepare=copied, runs=1),
                "gto show -r URL": Command((*program, "show", question, "-r", self.url), self.work, runs=1),
            }
        return found

    def fresh_copy(self) -> None:
        """Make `copy` equal to the generated repository again."""
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.repo, self.copy, symlinks=True)

    def newest_version(self) -> str:
        """The version of the artifact that was registered last and is not cancelled."""
        out = self.git("for-each-ref", "--sort=-taggerdate", "--format=%(refname:lstrip=2)", f"refs/tags/{ARTIFACT}@*")
        names = out.split()
        return next(name for name in names if not name.endswith("!") and f"{name}!" not in names).partition("@")[2]

    def plain_cache(self) -> Path:
        """A bare repository that has just fetched the artifact's tags, made with git alone."""
        path = self.work / f"plain-{self.name}.git"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        self.git("init", "--quiet", "--bare", cwd=path)
        self.git("remote", "add", "origin", self.url, cwd=path)
        self.git("config", "--unset-all", "remote.origin.fetch", cwd=path)
        for pattern in (f"refs/tags/{ARTIFACT}@*", f"refs/tags/{ARTIFACT}#*"):
            self.git("config", "--add", "remote.origin.fetch", f"+{pattern}:{pattern}", cwd=path)
        self.git("fetch", "--quiet", "--no-tags", "--depth=1", "--filter=tree:0", "origin", cwd=path)
        self.git("pack-refs", "--all", cwd=path)
        return path

    def git(self, *words: str, cwd: Path | None = None) -> str:
        """Run git in the generated repository, or in `cwd`."""
        argv = ("git", *words)
        done = subprocess.run(
            argv, cwd=cwd or self.repo, env=self.environment, check=True, capture_output=True, text=True
        )
        return done.stdout


def script(name: str) -> tuple[str, ...]:
    """The installed console script beside this Python, else the same call by hand."""
    path = Path(sys.executable).parent / name
    if path.exists():
        return (str(path),)
    module = {"registry": "registry.cli:main", "gto": "gto.cli:app"}[name].partition(":")
    return (sys.executable, "-c", f"import sys; from {module[0]} import {module[2]}; sys.exit({module[2]}())")


def run_once(command: Command, environment: dict[str, str]) -> tuple[float, int]:
    """Run a command to its end: seconds and peak bytes; raises CalledProcessError."""
    command.prepare()
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(
            command.argv, cwd=command.cwd, env=environment | command.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            text = errors.read().decode("utf-8", "replace").strip()
            raise subprocess.CalledProcessError(process.returncode, command.argv, stderr=text[-300:])
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measure(commands: dict[str, Command], rounds: int, environment: dict[str, str]) -> dict[str, Measured]:
    """Warm up, then run all commands in every round; one that fails is left out from then on."""
    found = {name: Measured() for name in commands}
    for number in range(-1, rounds):  # round -1 warms up
        for name, command in commands.items():
            measured, warm_up = found[name], number < 0
            if measured.error or (command.runs and not 0 <= number < command.runs):
                continue
            try:
                seconds, peak = run_once(command, environment)
            except (subprocess.CalledProcessError, OSError) as error:
                measured.error = f"{error} {getattr(error, 'stderr', '')}".strip()
                print(f"{name}: {measured.error}", file=sys.stderr)
                continue
            if not warm_up:
                measured.seconds.append(seconds)
                measured.peak.append(peak)
    return found


def same_answers(stand: Stand, environment: dict[str, str]) -> bool:
    """Whether `show --json` of registry and gto are equal on the generated history."""
    argvs = ((*script(name), "show", "--json") for name in ("registry", "gto"))
    outs = [subprocess.run(argv, cwd=stand.repo, env=environment, capture_output=True, check=False) for argv in argvs]
    return all(out.returncode == 0 for out in outs) and json.loads(outs[0].stdout) == json.loads(outs[1].stdout)


def environment_for(work: Path) -> dict[str, str]:
    """The environment of all commands: a home of their own, no settings of the caller's."""
    (work / "home").mkdir(exist_ok=True)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "XDG_", "REGISTRY_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    kept |= {"HOME": str(work / "home"), "GIT_CONFIG_NOSYSTEM": "1", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    return kept | {"REGISTRY_CACHE_DIR": str(work / "cache")}


def run(work: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure every size and judge every row."""
    environment = environment_for(work)
    compileall.compile_dir(ROOT / "registry", quiet=1)  # as pip does when it installs a package
    sizes = (SMALL,) if options.quick else (SMALL, LARGE)
    rounds = 5 if options.quick else 15
    (work / "served").mkdir(exist_ok=True)
    results: dict[int, dict[str, Measured]] = {}
    agree = None
    with serve(work / "served") as server:
        for tags in sizes:
            stand = Stand(work, tags, server.url, environment)
            gto = not options.skip_gto and tags == SMALL
            commands = stand.commands(gto=gto or options.full)
            wanted = {name for row in ROWS if row.tags == tags for name in (row.ours, *row.baseline)}
            results[tags] = measure({k: v for k, v in commands.items() if k in wanted}, rounds, environment)
            agree = same_answers(stand, environment) if gto else agree
    lines = [judge(row, results[row.tags]) for row in ROWS if row.tags in results]
    raw = {str(tags): {name: asdict(found) for name, found in by_name.items()} for tags, by_name in results.items()}
    return {"machine": machine(), "rounds": rounds, "same_answers_as_gto": agree, "rows": lines, "commands": raw}


def main() -> int:
    """Measure, print and write; 1 where a command failed or an answer differs from gto's."""
    parser = argparse.ArgumentParser(description="Measure the registry against gto and plain git.")
    parser.add_argument("--quick", action="store_true", help="10,000 tags only, few rounds")
    parser.add_argument("--skip-gto", action="store_true", help="leave out gto, which needs minutes")
    parser.add_argument("--full", action="store_true", help="ask gto at 100,000 tags too: many more minutes")
    parser.add_argument("--work", type=Path, help="keep the generated repositories here and use them again")
    parser.add_argument("--json", type=Path, help="write results and machine to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="registry-benchmark-") as temporary:
        work = (options.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        report = run(work, options)
    print("\n".join(table(report["rows"])))
    print("\n" + ", ".join(f"{key} {value}" for key, value in report["machine"].items()))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    failed = any(found["error"] for by_name in report["commands"].values() for found in by_name.values())
    return int(failed or report["same_answers_as_gto"] is False)


if __name__ == "__main__":
    sys.exit(main())
