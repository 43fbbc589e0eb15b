"""How long `registry rollback NAME --stage S --push` takes, from a clone, against a local HTTP remote.

Three registries: without a policy, under one that asks for a role and a signature, and with the ledger as well. Each
has a stage that held several versions; each rollback goes one further back. Prints the least and the median time of a
whole process of the command, start of Python included, beside a bare `git push` of one signed tag, and how many
processes of git one rollback starts:

    PYTHONPATH=.:examples/demo python benchmarks/rollback.py --rounds 5
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from git_http import serve

EMAIL = "dana@example.org"
POLICY = """\
format: 1
version: 1
roles: {release: [dana@example.org]}
register: [release]
stages:
  prod: {assign: [release], rollback: [release]%s}
"""
KINDS = {"no policy": "", "policy, signed": POLICY % "", "policy, signed, ledger": POLICY % ", ledger: true"}


class Stand:
    """A served registry and a clone of it."""

    def __init__(self, folder: Path, policy: str, rounds: int) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "HOME": str(folder),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "REGISTRY_CACHE_DIR": str(folder / "cache" / "registry"),
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "registry-benchmark-bytecode"),
        }
        self.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key"))
        settings = {"user.name": "Dana", "user.email": EMAIL, "gpg.format": "ssh", "user.signingKey": folder / "key"}
        for name, value in {**settings, "init.defaultBranch": "main"}.items():
            self.run("git", "config", "--file", str(folder / "gitconfig"), name, str(value))
        self.seed = folder / "seed"
        self.run("git", "init", "--quiet", str(self.seed))
        if policy:
            (self.seed / "policy.yaml").write_text(policy)
            (self.seed / "allowed_signers").write_text(f"{EMAIL} {(folder / 'key.pub').read_text()}")
        self.run("git", "add", "--all", at=self.seed)
        self.run("git", "commit", "--quiet", "--allow-empty", "-m", "begin", at=self.seed)
        for number in range(rounds + 2):
            self.run("git", "commit", "--quiet", "--allow-empty", "-m", f"{number}", at=self.seed)
            self.registry("register", "m", at=self.seed)
            self.registry("assign", "m", "--stage", "prod", at=self.seed)
        self.run("git", "clone", "--quiet", "--mirror", str(self.seed), str(folder / "served" / "models.git"))

    def run(self, *line: str, at: Path | None = None, **env: str) -> str:
        """Run a program to its end."""
        done = subprocess.run(line, cwd=at or self.folder, env={**self.env, **env}, capture_output=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(line)}: {done.stderr.decode()}")
        return done.stdout.decode()

    def registry(self, *args: str, at: Path, **env: str) -> str:
        """Run the command line."""
        return self.run(sys.executable, "-m", "registry", *args, at=at, **env)


def seconds(work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start


def measure(policy: str, rounds: int) -> tuple[list[float], list[float], int]:
    """Seconds of rollbacks and of bare pushes, and the processes of git that one rollback starts."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        stand = Stand(root, policy, rounds)
        with serve(root / "served") as server:
            clone = root / "clone"
            stand.run("git", "clone", "--quiet", f"{server.url}/models.git", str(clone))
            back = ("rollback", "m", "--stage", "prod", "--push")
            trace = root / "trace"
            stand.registry(*back, at=clone, GIT_TRACE2_EVENT=str(trace))
            events = [json.loads(line) for line in trace.read_text().splitlines()]
            ours = [each for each in events if each["event"] == "start" and "/" not in each["sid"]]
            taken, pushes = [], []
            for number in range(rounds):
                taken.append(seconds(lambda: stand.registry(*back, at=clone)))
                stand.run("git", "tag", "-s", "-m", "one", f"bare-{number}", at=clone)
                line = ("git", "push", "--quiet", "origin", f"refs/tags/bare-{number}")
                pushes.append(seconds(lambda line=line: stand.run(*line, at=clone)))
            return taken, pushes, len(ours)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{'registry':24} {'rollback':>15} {'git push':>10} {'git processes':>14}")
    for kind, policy in KINDS.items():
        taken, pushes, processes = measure(policy, rounds)
        rollback = f"{min(taken):5.3f} {statistics.median(taken):7.3f} s"
        print(f"{kind:24} {rollback} {statistics.median(pushes):8.3f} s {processes:14}")


if __name__ == "__main__":
    main()
