"""What `load.py` measures with: repositories, servers, a new process for each cold load, and the lines of the table."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

import registry

MB = 1_000_000
PIECE = 1 << 20
NAME, STAGE, VERSION = "m", "prod", "v0.0.1"
GITCONFIG = "[user]\n\tname = Dana\n\temail = dana@example.org\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n"
WORKER = """
import json, os, resource, sys, time
import registry
began = time.perf_counter()
registry.load("m", stage="prod", project=sys.argv[1])
seconds = time.perf_counter() - began
try:
    with open("/proc/self/status") as stream:
        peak = next(int(line.split()[1]) * 1024 for line in stream if line.startswith("VmHWM"))
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"seconds": seconds, "peak": peak}))
"""
"""A cold load: its seconds from call to return, and the greatest resident set of its own process."""


@dataclass
class Line:
    """One line of the table."""

    part: str
    figure: str
    ours: str
    baseline: str
    result: str
    target: str = ""
    reached: bool | None = None
    """None: nothing to reach, or not run."""
    raw: dict[str, Any] = field(default_factory=dict)

    def row(self) -> str:
        """As Markdown."""
        reached = {True: "yes", False: "**no**", None: "-" if not self.target else "not run"}[self.reached]
        return f"| {self.figure} | {self.ours} | {self.baseline} | {self.result} | {self.target} | {reached} |"


class Stand:
    """A folder with a source, a registry of the model `m` in `prod`, and an environment of their own."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.served = work / "served"
        self.environment = environment(work)
        for folder in (work / "home", self.served):
            folder.mkdir(parents=True, exist_ok=True)
        (work / "home" / ".gitconfig").write_text(GITCONFIG)

    def repository(self, name: str) -> Path:
        """A new empty repository among those that are served."""
        folder = self.served / name
        folder.mkdir(parents=True)
        git(folder, "init", "--quiet")
        return folder

    def commit(self, folder: Path, tag: str = "") -> None:
        """Commit everything in a repository."""
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message=x")
        if tag:
            git(folder, "tag", tag)

    def linked(self, name: str, model: str, source: str) -> Path:
        """A registry whose stage holds the model of a source's tag `v1`."""
        folder = self.repository(name)
        registry.init(folder)
        registry.link(model, NAME, source_project=source, rev="v1", project=folder)
        self.commit(folder)
        registry.register(NAME, project=folder)
        registry.assign(NAME, stage=STAGE, version=VERSION, project=folder)
        return folder

    def cold(self, project: str) -> dict[str, float]:
        """Load in a new process on an empty cache; seconds, its peak memory, and that of it with its children."""
        clear(self.work / "cold")
        env = {**os.environ, "REGISTRY_CACHE_DIR": str(self.work / "cold"), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, project], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with sampled(process.pid) as tree:
            out, err = process.communicate()
        if process.returncode:
            raise SystemExit(err[-2000:])
        clear(self.work / "cold")
        return {**json.loads(out), "tree": tree[0]}


def environment(work: Path) -> dict[str, str]:
    """Set this process's environment: a home, a cache and a memory of its own, no settings of the caller's."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_", "REGISTRY_", "AWS_", "FSSPEC_"))]:
        if name != "REGISTRY_MLEM_PYTHON":
            del os.environ[name]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ |= {
        "HOME": str(work / "home"), "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1",
        "REGISTRY_CACHE_DIR": str(work / "cache"), "REGISTRY_STATE_DIR": str(work / "state"),
    }  # fmt: skip
    return dict(os.environ)


def git(folder: Path, *words: str) -> str:
    """Run git in a folder."""
    done = subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True)
    return done.stdout


def clear(folder: Path) -> None:
    """Remove a folder."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def in_turns(calls: dict[str, Callable[[], object]], rounds: int, rare: dict[str, int]) -> dict[str, list[float]]:
    """Seconds of each call, all of them in every round (a `rare` one in each N-th), after one warm-up each."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(-1, rounds):
        for name, call in calls.items():
            if number % rare.get(name, 1) and number >= 0:
                continue
            began = time.perf_counter()
            said = call()
            seconds = said if isinstance(said, float) else time.perf_counter() - began
            if number >= 0:
                found[name].append(seconds)
    return found


def ms(seconds: list[float]) -> str:
    """A median in milliseconds."""
    return f"{statistics.median(seconds) * 1000:.2f} ms"


@contextlib.contextmanager
def sampled(pid: int) -> Iterator[list[int]]:
    """The greatest sum of resident sets of a process and its children during the block, in bytes (Linux, else 0)."""
    most, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            most[0] = max(most[0], _tree(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()


def _tree(root: int) -> int:
    parents, sizes = {}, {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            told = dict(re.findall(r"^(PPid|VmRSS):\s*(\d+)", status.read_text(), re.MULTILINE))
            parents[int(status.parent.name)] = int(told.get("PPid", 0))
            sizes[int(status.parent.name)] = int(told.get("VmRSS", 0)) * 1024
    wanted, found = [root], 0
    while wanted:
        pid = wanted.pop()
        found += sizes.get(pid, 0)
        wanted += [child for child, parent in parents.items() if parent == pid]
    return found


def write_random(path: Path, size: int) -> tuple[str, str]:
    """Write a file that cannot be compressed; its MD5 and SHA-256."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with path.open("wb") as stream:
        for start in range(0, size, PIECE):
            block = os.urandom(min(PIECE, size - start))
            md5.update(block)
            sha256.update(block)
            stream.write(block)
    return md5.hexdigest(), sha256.hexdigest()


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files by sendfile(2): the server costs next to nothing."""

    protocol_version = "HTTP/1.1"

    def copyfile(self, source: Any, outputfile: Any) -> None:
        outputfile.flush()
        with contextlib.suppress(OSError):
            self.connection.sendfile(source)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's signature
        """Print nothing."""


@contextlib.contextmanager
def files_served(folder: Path) -> Iterator[str]:
    """Serve a folder over plain HTTP on 127.0.0.1; its URL."""

    def handler(*args: Any) -> _Files:
        return _Files(*args, directory=str(folder))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
