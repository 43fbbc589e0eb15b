"""The rows of the table, how they are judged, and the Markdown that shows them."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SMALL, LARGE = 10_000, 100_000
AT_MOST, AT_LEAST, MILLISECONDS, MEBIBYTES = (
    "at most {:g}x",
    "at least {:g}x faster",
    "at most {:g} ms",
    "at most {:g} MB",
)


@dataclass(frozen=True)
class Row:
    """One line of the table: a command, what it is compared with, and the figure to reach."""

    question: str
    tags: int
    ours: str
    baseline: tuple[str, ...]
    """Commands whose times add up; none for a memory row."""
    kind: str
    target: float


ROWS = (
    Row("`which`, vs `python -c 'import click'`", SMALL, "which", ("click",), AT_MOST, 2.2),
    Row("`which`, vs `python -c 'import click'`", LARGE, "which", ("click",), AT_MOST, 2.2),
    Row("`which`, vs gto", SMALL, "which", ("gto show NAME#STAGE",), AT_LEAST, 150),
    Row("`which`, vs gto", LARGE, "which", ("gto show NAME#STAGE",), AT_LEAST, 2000),
    Row("`show`, vs `git for-each-ref`", SMALL, "show", ("git for-each-ref",), AT_MOST, 4),
    Row("`show`, vs `git for-each-ref`", LARGE, "show", ("git for-each-ref",), AT_MOST, 1.8),
    Row("`register`, vs gto", SMALL, "register", ("gto register",), AT_LEAST, 150),
    Row("`assign`, vs gto", SMALL, "assign", ("gto assign",), AT_LEAST, 150),
    Row("`which -r http://…` warm, vs `git fetch` + click", SMALL, "which warm", ("git fetch", "click"), AT_MOST, 1.5),
    Row("`which -r http://…` warm, vs `git fetch` + click", LARGE, "which warm", ("git fetch", "click"), AT_MOST, 1.5),
    Row("`which -r http://…` cold, vs gto", SMALL, "which cold", ("gto show -r URL",), AT_LEAST, 150),
    Row("`import registry`, over bare python", SMALL, "import registry", ("python",), MILLISECONDS, 60),
    Row("peak memory of `show`", LARGE, "show", (), MEBIBYTES, 180),
)


@dataclass
class Measured:
    """What was seen of a command: seconds and peak bytes of each run, or why there are none."""

    seconds: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    error: str = ""

    @property
    def median(self) -> float | None:
        """Median of the seconds, where all runs went well."""
        return statistics.median(self.seconds) if self.seconds and not self.error else None


def judge(row: Row, measured: dict[str, Measured]) -> dict[str, Any]:
    """One line of the results: medians, the ratio or figure, and whether the target is reached (None: not run)."""
    line = {**asdict(row), "kind": row.kind.format(row.target), "value": None, "reached": None, "skipped": ""}
    wanted = [row.ours, *row.baseline]
    missing = [name for name in wanted if name not in measured or measured[name].median is None]
    if missing:
        option = "asked with --full only" if row.tags == LARGE else "left out by --skip-gto"
        reasons = [f"{name}: {measured[name].error if name in measured else option}" for name in missing]
        return line | {"skipped": "; ".join(reasons)}
    ours = measured[row.ours].median or 0.0
    base = sum(measured[name].median or 0.0 for name in row.baseline)
    line |= {"ours_seconds": ours, "base_seconds": base}
    value = {
        AT_MOST: lambda: ours / base,
        AT_LEAST: lambda: base / ours,
        MILLISECONDS: lambda: (ours - base) * 1000,
        MEBIBYTES: lambda: max(measured[row.ours].peak) / 1e6,
    }[row.kind]()
    return line | {"value": value, "reached": value >= row.target if row.kind == AT_LEAST else value <= row.target}


def table(lines: list[dict[str, Any]]) -> Iterator[str]:
    """The results as a Markdown table."""
    yield "| question | tags | registry | baseline | result | target | reached |"
    yield "| --- | ---: | ---: | ---: | ---: | --- | --- |"
    for line in lines:
        unit = {"ms": " ms", "MB": " MB"}.get(line["kind"].split()[-1], "x")
        if line["value"] is None:
            cells = ["-", "-", "-", line["kind"], f"not run ({line['skipped'].splitlines()[0][:90]})"]
        else:
            times = [f"{line[key] * 1000:,.0f} ms" if line[key] else "-" for key in ("ours_seconds", "base_seconds")]
            figure = f"{line['value']:,.0f}" if line["value"] >= 50 else f"{line['value']:.2f}"
            cells = [*times, f"{figure}{unit}", line["kind"], "yes" if line["reached"] else "**no**"]
        yield f"| {line['question']} | {line['tags']:,} | {' | '.join(cells)} |"


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    model = next((line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    git = subprocess.run(["git", "--version"], check=True, capture_output=True, text=True).stdout.split()[2]
    gto = importlib.metadata.version("gto") if importlib.util.find_spec("gto") else None
    return {
        "system": platform.system(), "cores": os.cpu_count(), "cpu": model or platform.machine(),
        "memory_gb": round(memory / 1e9, 1), "python": platform.python_version(), "git": git, "gto": gto,
    }  # fmt: skip


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
