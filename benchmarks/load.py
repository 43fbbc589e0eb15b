"""Measure `registry.load` in one run against skops, MLflow on SQLite, real MLEM, git and curl; print Markdown.

    python benchmarks/load.py                          # all parts, 2 GB artifacts: some minutes
    python benchmarks/load.py --part warm --part many  # these alone
    python benchmarks/load.py --quick                  # small artifacts, few rounds
    REGISTRY_MLEM_PYTHON=.venv-mlem/bin/python python benchmarks/load.py --json results.json

What is compared runs in turns. A part whose programs are not installed is left out with the reason. It ends with 1 when
a load failed; a missed target is told, not an error.
"""

from __future__ import annotations

import argparse
import compileall
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "examples" / "demo")]

import load_large
import load_small
from load_stand import Line, Stand
from report import machine

PARTS: dict[str, Callable[[Stand, argparse.Namespace], list[Line]]] = {
    "warm": lambda stand, given: load_small.warm(stand, given.rounds),
    "remote": lambda stand, given: load_small.remote(stand, max(given.rounds // 2, 10)),
    "many": lambda stand, given: load_small.many(stand, given.rounds, given.models),
    "first": lambda stand, given: load_large.first(stand, given.history),
    "url": lambda stand, given: load_large.url(stand, given.bytes, given.repeat),
    "s3": lambda stand, given: load_large.s3(stand, given.bytes, given.repeat),
    "blob": lambda stand, given: load_large.blob(stand, given.bytes, 1),
}
"""What is measured, each in a folder of its own that goes away."""


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", action="append", choices=PARTS, help="measure this part alone; may be repeated")
    parser.add_argument("--size", type=float, default=2.0, help="gigabytes of the large artifact (default 2)")
    parser.add_argument("--history", type=int, default=500, help="megabytes of history (default 500)")
    parser.add_argument("--models", type=int, default=10_000, help="models of the large registry (default 10,000)")
    parser.add_argument("--rounds", type=int, default=100, help="rounds of what takes milliseconds (default 100)")
    parser.add_argument("--repeat", type=int, default=5, help="cold loads of the large artifact (default 5)")
    parser.add_argument("--quick", action="store_true", help="100 MB, 20 MB of history, 1,000 models, few rounds")
    parser.add_argument("--work", type=Path, help="write below this folder, which needs three times --size")
    parser.add_argument("--json", type=Path, help="write results and machine to this file")
    given = parser.parse_args()
    if given.quick:
        given.size, given.history, given.models, given.rounds, given.repeat = 0.1, 20, 1000, 20, 3
    given.bytes = int(given.size * 1e9)
    return given


def main() -> int:
    """Measure, print and write."""
    given = options()
    compileall.compile_dir(ROOT / "registry", quiet=1)  # as pip does when it installs a package
    warnings.simplefilter("ignore")
    lines: list[Line] = []
    print("| figure | registry | compared with | result | target | reached |\n| --- | ---: | ---: | --- | --- | --- |")
    for part in given.part or PARTS:
        with tempfile.TemporaryDirectory(prefix="registry-load-", dir=given.work, ignore_cleanup_errors=True) as work:
            began = time.perf_counter()
            found = PARTS[part](Stand(Path(work).resolve()), given)
            print("\n".join(line.row() for line in found), flush=True)
            print(f"{part}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
            lines += found
    print("\n" + ", ".join(f"{key} {value}" for key, value in machine().items()))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"machine": machine(), "lines": [asdict(line) for line in lines]}
        given.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
