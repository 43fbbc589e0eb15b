"""How long one signed tag takes to verify: natively, with `ssh-keygen -Y verify`, and with `git verify-tag`.

A tag is signed by git with a new key of each type; each figure is the median of rounds in which all three take turns.
Needs git and ssh-keygen:

    PYTHONPATH=. python benchmarks/signatures.py --rounds 200
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from registry.signature import split_tag
from registry.signing.allowed_signers import parse
from registry.signing.verifying import verify_tag

KEYS = {
    "ed25519": ("ed25519",),
    "ecdsa nistp256": ("ecdsa", "-b", "256"),
    "ecdsa nistp384": ("ecdsa", "-b", "384"),
    "ecdsa nistp521": ("ecdsa", "-b", "521"),
    "rsa 3072": ("rsa", "-b", "3072"),
}
WHO = "dana@example.org"
NOW = int(time.time())
PROCESSES = 20
"""How many of the rounds start the other programs: they take a hundred times as long."""


def run(*argv: str, cwd: Path, data: bytes = b"") -> bytes:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(argv, cwd=cwd, input=data, env=env, capture_output=True, check=True).stdout


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def measure(folder: Path, options: tuple[str, ...], rounds: int) -> tuple[float, float, float]:
    """Medians of the native verification, ssh-keygen's and git's, in ms."""
    run("ssh-keygen", "-q", "-t", *options, "-N", "", "-f", str(folder / "key"), cwd=folder)
    signers = f"{WHO} {(folder / 'key.pub').read_text()}"
    (folder / "signers").write_text(signers)
    run("git", "init", "--quiet", ".", cwd=folder)
    settings = {"gpg.format": "ssh", "user.signingKey": str(folder / "key"), "user.name": "Dana", "user.email": WHO}
    for name, value in {**settings, "gpg.ssh.allowedSignersFile": str(folder / "signers")}.items():
        run("git", "config", name, value, cwd=folder)
    run("git", "commit", "--quiet", "--allow-empty", "-m", "commit", cwd=folder)
    run("git", "tag", "-s", "-m", "Registering artifact m version v1.0.0\n\nVersion: v1.0.0", "m@v1.0.0", cwd=folder)
    body = run("git", "cat-file", "tag", "m@v1.0.0", cwd=folder)
    signed = split_tag(body)
    (folder / "signature").write_bytes(signed.signature)
    allowed = parse(signers.encode())
    assert verify_tag(body, allowed, NOW).good
    asked = ("ssh-keygen", "-Y", "verify", "-f", "signers", "-I", WHO, "-n", "git", "-s", "signature")
    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    for each in range(rounds):
        times[0].append(milliseconds(lambda: verify_tag(body, allowed, NOW)))
        if each < PROCESSES:
            times[1].append(milliseconds(lambda: run(*asked, cwd=folder, data=signed.payload)))
            times[2].append(milliseconds(lambda: run("git", "verify-tag", "m@v1.0.0", cwd=folder)))
    return statistics.median(times[0]), statistics.median(times[1]), statistics.median(times[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    print("| key | native | ssh-keygen | git verify-tag |\n| --- | --- | --- | --- |")
    for name, options in KEYS.items():
        with tempfile.TemporaryDirectory() as folder:
            native, keygen, git = measure(Path(folder), options, rounds)
        print(f"| {name} | {native:.2f} ms | {keygen:.1f} ms | {git:.1f} ms |")


if __name__ == "__main__":
    main()
