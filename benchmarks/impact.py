"""Measure `registry impact` against git itself reading the same certificates; print seconds and ratios.

    python benchmarks/impact.py [FOLDER] [--versions 10000] [--rounds 7]

FOLDER keeps the generated repository for the next run: versions of 100 artifacts, each on a commit of its own with a
birth certificate of its own of about 10 KB, written by `git fast-import`, packed. In each round take turns: the whole
process `registry impact`; one `git cat-file --batch` of the same blobs, output thrown away (the floor: nothing that
reads them all through one git can be faster); `registry impact` where all versions share one certificate per artifact.
Wall and CPU seconds (of the process and its git processes) are medians; the ratio is that of the same run.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from registry.lineage import Certificate, Fact, certificate_path, dump

ARTIFACTS = 100
DANA = b"Dana <dana@example.org>"
START = 1_600_000_000
MD5 = "0123456789abcdef0123456789abcdef"
"""What is asked for; every 500th certificate has it."""


class Spent(NamedTuple):
    """What one run took, in seconds."""

    wall: float
    cpu: float


def certificate(number: int) -> str:
    """One of about 10 KB whose facts are its own."""
    rand = random.Random(number)

    def digest(length: int) -> str:
        return f"{rand.getrandbits(length * 4):0{length}x}"

    lock, meta, params, commit = (digest(40) for _ in range(4))
    data = {}
    for file in range(12):
        md5 = MD5 if file == 5 and number % 500 == 0 else digest(32)
        value = {"md5": md5, "read_by": "prepare", "size": rand.randrange(10**9), "raw": True, "sha256": digest(64)}
        data[f"data/part-{file:02}.csv"] = Fact(value, "dvc.lock", f"stages.prepare.deps.data/part-{file:02}.csv", lock)
    return dump(
        Certificate(
            commit,
            "models/model.mlem",
            {
                "identity": {"source": Fact(f"https://git.example.org/team/s{number % 50}", "", "project", "")},
                "data": data,
                "parameters": {
                    f"params.yaml:train.p{at}": Fact(rand.random(), "params.yaml", f"train.p{at}", params)
                    for at in range(8)
                },
                "metrics": {f"m{at}": Fact(rand.random(), "metrics.json", f"m{at}", params) for at in range(6)},
                "environment": {
                    f"package:p{at}": Fact(
                        f"1.{rand.randrange(40)}.0", "models/model.mlem", f"requirements.{at}.version", meta
                    )
                    for at in range(10)
                },
            },
        )
    )


def stream(versions: int, *, shared: bool) -> Iterator[bytes]:
    """What `git fast-import` reads."""
    yield b"feature done\n"
    for number in range(versions):
        name, when = f"a{number % ARTIFACTS:03}", START + number * 60
        text = certificate(number % ARTIFACTS if shared else number).encode()
        at = b"%d +0000" % when
        yield b"commit refs/heads/main\nmark :%d\ncommitter %b %b\ndata 4\nlink\n" % (number + 1, DANA, at)
        for path, body in ((".mlem/config.yaml", b""), (certificate_path(name), text)):
            yield b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(body), body)
        version = f"v1.{number // ARTIFACTS}.0"
        yield b"tag %b@%b\nfrom :%d\ntagger %b %b\ndata 1\n.\n" % (
            name.encode(), version.encode(), number + 1, DANA, at,
        )  # fmt: skip
    yield b"done\n"


def generate(target: Path, versions: int, *, shared: bool) -> None:
    """Write the repository, once."""
    if target.exists():
        return
    subprocess.run(["git", "init", "-q", "-b", "main", target], check=True)
    with subprocess.Popen(["git", "-C", target, "fast-import", "--quiet"], stdin=subprocess.PIPE) as importing:
        assert importing.stdin is not None
        importing.stdin.writelines(stream(versions, shared=shared))
        importing.stdin.close()
    subprocess.run(["git", "-C", target, "reset", "-q", "--hard"], check=True)
    subprocess.run(["git", "-C", target, "pack-refs", "--all"], check=True)
    subprocess.run(["git", "-C", target, "gc", "-q"], check=True)


def blobs(repo: Path) -> bytes:
    """Ids of all certificates, a line each."""
    listed = subprocess.run(
        ["git", "-C", repo, "rev-list", "--objects", "--filter=object:type=blob", "--all"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    rows = [line.partition(" ") for line in listed.splitlines()]
    return "".join(f"{oid}\n" for oid, _, path in rows if path.endswith(".json")).encode()


def timed(argv: list[str | Path], stdin: bytes = b"") -> Spent:
    """Run a process; its wall seconds, and its CPU seconds with those of its children."""
    before, begun = os.times(), time.perf_counter()
    subprocess.run(argv, check=True, input=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, os.times()
    return Spent(
        wall,
        after.children_user + after.children_system - before.children_user - before.children_system,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = asked.folder or Path(made)
        own, shared = folder / f"own-{asked.versions}", folder / f"shared-{asked.versions}"
        generate(own, asked.versions, shared=False)
        generate(shared, asked.versions, shared=True)
        names = blobs(own)
        ask: list[str | Path] = [sys.executable, "-m", "registry", "impact", "--json", "--data-md5", MD5, "-r"]
        os.environ |= {
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "",  # an installed package is compiled; the round that does not count does it
            "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "registry-benchmark-bytecode"),
        }
        runs: dict[str, tuple[list[str | Path], bytes]] = {
            "registry impact": ([*ask, own], b""),
            "git cat-file --batch": (["git", "-C", own, "cat-file", "--buffer", "--batch"], names),
            "registry impact, shared": ([*ask, shared], b""),
        }
        spent: dict[str, list[Spent]] = {name: [] for name in runs}
        for round_ in range(asked.rounds + 1):
            for name, (argv, stdin) in runs.items():
                took = timed(argv, stdin)
                if round_:
                    spent[name].append(took)
    wall = {name: statistics.median(each.wall for each in found) for name, found in spent.items()}
    cpu = {name: statistics.median(each.cpu for each in found) for name, found in spent.items()}
    best = {name: min(each.wall for each in found) for name, found in spent.items()}
    floor = "git cat-file --batch"
    print(
        f"{asked.versions} versions, {names.count(chr(10).encode())} certificates, medians of {asked.rounds} rounds\n"
    )
    print("| what | wall s | best s | CPU s | wall / git | CPU / git |\n| --- | --- | --- | --- | --- | --- |")
    for name in runs:
        ratios = f"{wall[name] / wall[floor]:.2f} | {cpu[name] / cpu[floor]:.2f}"
        print(f"| {name} | {wall[name]:.2f} | {best[name]:.2f} | {cpu[name]:.2f} | {ratios} |")


if __name__ == "__main__":
    main()
