"""The warm path of a small model: in a running process, with a check at the remote, among many models."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

from git_http import serve
from load_stand import NAME, STAGE, Line, Stand, clear, git, in_turns, ms

import registry

MLEM = """
import json, os, subprocess, sys, time
import pandas as pd
from mlem.api import init, link, load, save
from sklearn.linear_model import LinearRegression
work = sys.argv[1]
rows = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 0.0, 1.0, 2.0]})
for name in ("source", "registry"):
    os.makedirs(f"{work}/{name}")
    os.chdir(f"{work}/{name}")
    subprocess.run(["git", "init", "--quiet"], check=True)
    init(".")
    if name == "source":
        save(LinearRegression().fit(rows, rows["x"]), "lr", sample_data=rows)
    else:
        link("lr", source_project=f"{work}/source", target="m")
    subprocess.run("git add --all && git commit --quiet -m x", shell=True, check=True)
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    load("m", project=f"{work}/registry")
    print(json.dumps(time.perf_counter() - began), flush=True)
"""
LINK = ".mlem/links/{}.mlem"
MODEL, FILE = "a00004", "a00005"
"""Of the artifacts of a large registry, a scikit-learn model and a plain file, which no framework is imported for."""


def model() -> tuple[Any, Any]:
    """A linear regression and the rows that it was fitted on."""
    import pandas as pd
    from sklearn.linear_model import LinearRegression

    rows = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 0.0, 1.0, 2.0]})
    return LinearRegression().fit(rows, rows["x"]), rows


def make_small(stand: Stand, url: str) -> tuple[Path, bytes]:
    """The small model's registry, and the model's bytes (skops)."""
    source = stand.repository("source")
    fitted, rows = model()
    registry.save(fitted, source / "lr", sample_data=rows)
    stand.commit(source, "v1")
    return stand.linked("registry", "lr", f"{url}/source"), (source / "lr").read_bytes()


def warm(stand: Stand, rounds: int) -> list[Line]:
    """`load` by stage, offline and locked, against skops, MLflow and MLEM."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(stand.served))
        _, data = make_small(stand, server.url)
        project, lock = f"{server.url}/registry", stand.work / "registry.lock"
        registry.lock(NAME, stage=STAGE, project=project, lock=lock)
        calls: dict[str, Callable[[], object]] = {
            "raw": raw_load(data),
            "offline": lambda: registry.load(NAME, stage=STAGE, project=project, offline=True),
            "locked": lambda: registry.load(NAME, stage=STAGE, project=project, locked=True, lock=lock),
        }
        calls["online"] = lambda: registry.load(NAME, stage=STAGE, project=project)
        processes = {name: git_processes(stand, call) for name, call in calls.items()}
        del calls["online"]
        skipped = {}
        for name, other in (("mlflow", mlflow_load), ("mlem", mlem_load)):
            try:
                calls[name] = stack.enter_context(other(stand))
            except (ImportError, LookupError) as error:
                skipped[name] = str(error)
        found = in_turns(calls, rounds, {"mlflow": 4, "mlem": max(rounds // 5, 1)})
    return [line for ours in ("offline", "locked") for line in warm_lines(ours, found, processes, skipped)]


def warm_lines(
    ours: str, found: dict[str, list[float]], processes: dict[str, int], skipped: dict[str, str]
) -> Iterator[Line]:
    """The lines of one way to load."""
    middle = {name: statistics.median(seconds) for name, seconds in found.items()}
    allowed = 1.3 * middle["raw"] + 0.0005
    raw = {"seconds": found, "best": {name: min(seconds) for name, seconds in found.items()}, "skipped": skipped}
    yield Line(
        "warm", f"`load`, {ours}, vs `skops.io.loads`", ms(found[ours]), ms(found["raw"]),
        f"{middle[ours] / middle['raw']:.2f}x; {(middle[ours] - middle['raw']) * 1000:.2f} ms more",
        f"at most 1.3x + 0.5 ms = {allowed * 1000:.2f} ms", middle[ours] <= allowed, raw,
    )  # fmt: skip
    yield Line(
        "warm", f"git processes of it ({processes['online']} with a check at the remote)", str(processes[ours]), "-",
        str(processes[ours]), "none", processes[ours] == 0 and processes["online"] > 0,
    )  # fmt: skip
    names = {"mlflow": ("`mlflow.sklearn.load_model`, SQLite", 8), "mlem": ("`mlem.api.load` by a local link", 50)}
    for name, (said, least) in names.items():
        if name in found:
            ratio = middle[name] / middle[ours]
            cells = (ms(found[ours]), ms(found[name]), f"{ratio:,.0f}x")
            yield Line("warm", f"`load`, {ours}, vs {said}", *cells, f"at least {least}x faster", ratio >= least)
        else:
            cells = (ms(found[ours]), "-", skipped[name][:90])
            yield Line("warm", f"`load`, {ours}, vs {said}", *cells, f"at least {least}x faster")


def raw_load(data: bytes) -> Callable[[], object]:
    """The deserialisation alone."""
    import skops.io

    named = skops.io.get_untrusted_types(data=data)
    return lambda: skops.io.loads(data, trusted=named)


def git_processes(stand: Stand, call: Callable[[], object]) -> int:
    """How many git processes a call starts, their own children included, when it is made for the second time."""
    call()
    with tempfile.TemporaryDirectory(dir=stand.work) as folder:
        os.environ["GIT_TRACE2_EVENT"] = folder
        try:
            call()
        finally:
            del os.environ["GIT_TRACE2_EVENT"]
        return len(list(Path(folder).iterdir()))


@contextlib.contextmanager
def mlflow_load(stand: Stand) -> Iterator[Callable[[], object]]:
    """`mlflow.sklearn.load_model` of a registered model's alias, tracking and registry in SQLite."""
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    import logging

    import mlflow
    import mlflow.sklearn

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(f"sqlite:///{stand.work / 'mlflow.db'}")
    experiment = mlflow.create_experiment("bench", artifact_location=(stand.work / "mlruns").as_uri())
    fitted, rows = model()
    with mlflow.start_run(experiment_id=experiment):
        mlflow.sklearn.log_model(fitted, name="model", registered_model_name="m", input_example=rows)
    mlflow.MlflowClient().set_registered_model_alias("m", "champion", "1")
    yield lambda: mlflow.sklearn.load_model("models:/m@champion")


@contextlib.contextmanager
def mlem_load(stand: Stand) -> Iterator[Callable[[], object]]:
    """`mlem.api.load` in a process of MLEM's own, which times each call itself."""
    python = os.environ.get("REGISTRY_MLEM_PYTHON")
    if not python:
        raise LookupError("REGISTRY_MLEM_PYTHON names no interpreter with mlem")
    env = {**os.environ, "MLEM_NO_ANALYTICS": "true", "MLEM_TESTS": "true"}
    env.pop("PYTHONPATH", None)
    line = [python, "-W", "ignore", "-c", MLEM, str(stand.work / "mlem")]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = ""
        while said != "ready\n":
            said = process.stdout.readline()
            if not said:
                raise LookupError("MLEM could not save, link and load a model")

        def load() -> float:
            process.stdin.write("\n")
            process.stdin.flush()
            return float(json.loads(process.stdout.readline()))

        try:
            yield load
        finally:
            process.stdin.close()


def remote(stand: Stand, rounds: int) -> list[Line]:
    """The warm `load` that asks the registry first, against a plain fetch of the same prefixes."""
    with serve(stand.served) as server:
        make_small(stand, server.url)
        project, plain = f"{server.url}/registry", stand.work / "plain.git"
        plain.mkdir()
        git(plain, "init", "--quiet", "--bare")
        specs = [f"+{ref}:{ref}" for ref in (f"refs/tags/{NAME}@*", f"refs/tags/{NAME}#*")]
        fetch = ("fetch", "--quiet", "--no-tags", "--prune", project, *specs)
        found = in_turns(
            {
                "fetch": lambda: git(plain, *fetch),
                "load": lambda: registry.load(NAME, stage=STAGE, project=project),
            },
            rounds,
            {},
        )
    middle = {name: statistics.median(seconds) for name, seconds in found.items()}
    more = (middle["load"] - middle["fetch"]) * 1000
    cells = (ms(found["load"]), ms(found["fetch"]), f"{more:+.1f} ms")
    said = "`load` with a check at the remote, vs `git fetch` of the same prefix"
    return [Line("remote", said, *cells, "at most 10 ms more", more <= 10, {"seconds": found})]


def many(stand: Stand, rounds: int, count: int) -> list[Line]:
    """A model among many, against the same among ten."""
    with serve(stand.served) as server:
        folder, _ = make_small(stand, server.url)
        links = [(folder / LINK.format(NAME)).read_bytes(), link_file(stand, folder, f"{server.url}/file")]
        sizes = {"ten": 10, "many": count}
        for name, size in sizes.items():
            fill(stand.repository(name), links, size)
        urls = {name: f"{server.url}/{name}" for name in sizes}
        memoised = in_turns(
            {
                name: lambda url=url: registry.load(MODEL, stage=STAGE, project=url, offline=True)  # type: ignore[misc]
                for name, url in urls.items()
                if registry.load(MODEL, stage=STAGE, project=url)
            },
            rounds,
            {},
        )
        whole = in_turns(
            {
                f"{kind} {name}": lambda place=place: load_whole(FILE, place)  # type: ignore[misc]
                for name in sizes
                for kind, place in (("folder", str(stand.served / name)), ("URL", urls[name]))
            },
            max(rounds // 10, 5),
            {},
        )
    pairs = [("memoised `load`", memoised["many"], memoised["ten"], 1.2)]
    pairs += [
        (f"whole process, {kind}", whole[f"{kind} many"], whole[f"{kind} ten"], 1.3) for kind in ("folder", "URL")
    ]
    return [many_line(count, *pair) for pair in pairs]


def many_line(count: int, said: str, ours: list[float], base: list[float], most: float) -> Line:
    """One comparison of two registries."""
    ratio = statistics.median(ours) / statistics.median(base)
    best = min(ours) / min(base)
    cells = (ms(ours), ms(base), f"{ratio:.2f}x (best of each: {best:.2f}x)")
    figure = f"{said}, {count:,} models vs ten"
    return Line("many", figure, *cells, f"at most {most:g}x", ratio <= most, {"many": ours, "ten": base})


def link_file(stand: Stand, folder: Path, url: str) -> bytes:
    """The link to a plain file."""
    source = stand.repository("file")
    (stand.work / "rules").write_text("if x then y")
    registry.save(stand.work / "rules", source / "rules")
    stand.commit(source, "v1")
    return registry.link("rules", "rules", source_project=url, rev="v1", project=folder).path.read_bytes()


def load_whole(name: str, project: str) -> None:
    """Load in a new process."""
    code = "import sys, registry; registry.load(sys.argv[1], stage='prod', project=sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, name, project], check=True)


def fill(folder: Path, links: list[bytes], count: int) -> None:
    """Make a registry of many models, each with a version in the stage, whose links are these by turns."""
    names = [f"a{number:05}" for number in range(count)]
    who = b"Dana <dana@example.org> 1600000000 +0000"
    stream = b"commit refs/heads/main\nmark :1\ncommitter " + who + b"\ndata 1\nx\n"
    for path, data in ((".mlem/config.yaml", b""), *zip(map(LINK.format, names), cycle(links), strict=False)):
        stream += b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data)
    for name in names:
        for tag in (f"{name}@v1.0.0", f"{name}#{STAGE}#1"):
            stream += b"tag %s\nfrom :1\ntagger %s\ndata 1\nx\n" % (tag.encode(), who)
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], input=stream, check=True)
    git(folder, "reset", "--quiet", "--hard", "main")
    git(folder, "pack-refs", "--all")
    clear(folder / ".git" / "hooks")
