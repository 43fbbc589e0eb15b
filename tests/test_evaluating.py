"""`registry evaluate`: real models on locked data, compared, in a process of its own."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from inprocess import registry_here
from lab import Lab, Repo
from lfs_http import serve_lfs
from linked import add, make_registry, make_source, served
from sklearn.linear_model import LogisticRegression

import registry
from registry import Refused, RegistryError
from registry.api.confining import Limits
from registry.api.evaluated import measured
from registry.evaluation import Evaluation, format_report, parse_report
from registry.render.evaluation import as_markdown

SUITE = "evaluations/quality.yaml"
REPORT = "evaluations/reports/m/v2.0.0/quality.json"
FEATURES = ["age", "income"]


@functools.cache
def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"age": rng.uniform(18, 80, 200).round(), "income": rng.normal(0, 1, 200).round(3)})
    frame["sex"] = np.where(rng.random(200) < 0.5, "f", "m")
    frame["bought"] = ((frame["income"] + (frame["age"] - 50) / 30 + rng.normal(0, 0.4, 200)) > 0).astype(int)
    return frame


@functools.cache
def csv() -> bytes:
    return table().to_csv(index=False).encode()


@functools.cache
def classifier(columns: int) -> dict[str, bytes]:
    """The files of a classifier that looks at so many columns."""
    import tempfile

    frame = table()[FEATURES]
    model = LogisticRegression(max_iter=500).fit(
        frame.assign(income=frame["income"] * (columns > 1)), table()["bought"]
    )
    with tempfile.TemporaryDirectory() as folder:
        registry.save(model, Path(folder) / "lr", sample_data=frame.head())
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def data() -> dict[str, str]:
    sha256 = hashlib.sha256(csv()).hexdigest()
    return {"path": "data/test.csv", "sha256": sha256, "format": "csv", "target": "bought"}


def suite(**changed: Any) -> str:
    found: dict[str, Any] = {
        "format": 1,
        "task": "classification",
        "data": data(),
        "metrics": ["accuracy", "roc_auc"],
        "bootstrap": {"resamples": 20},
        "limits": {"seconds": 60},
        **changed,
    }
    return json.dumps({key: value for key, value in found.items() if value is not None})


@pytest.fixture
def reg(lab: Lab) -> Repo:
    """A registry with a weak classifier in prod, v1.0.0, and a better one after it, v2.0.0."""
    source = make_source(lab, files=classifier(1))
    made = make_registry(lab)
    add(made, source.url, stage="prod")
    source.write(classifier(2))
    source.git("add", "--all")
    source.commit()
    source.tag("v2")
    made.write({"data/test.csv": csv(), SUITE: suite()})
    add(made, source.url, rev="v2", version="v2.0.0")
    return made


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work of the process in this one: the same function, without the seconds that importing scikit-learn takes."""

    def work(module: str, request: dict[str, Any], limits: Limits, step: Any = None) -> Any:
        assert module == "registry.api.evaluated"
        return json.loads(json.dumps(measured(json.loads(json.dumps(request)), lambda *_: None)))

    monkeypatch.setattr("registry.api.evaluating.confined", work)


def evaluated(repo: Repo, *args: str, code: int = 0) -> Any:
    ran = registry_here(repo.path, "evaluate", "m", "--suite", SUITE, *args)
    assert ran.code == code, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran


def without_timings(path: Path) -> str:
    found = json.loads(path.read_text())
    del found["timings"]
    return json.dumps(found)


def test_a_candidate_is_compared_with_the_stage_and_the_same_inputs_give_the_same_report(
    reg: Repo, request: pytest.FixtureRequest
) -> None:
    full = suite(
        slices=[{"column": "sex"}, {"column": "age", "bins": [30, 60]}],
        fairness={"columns": ["sex"]},
        latency={"batches": [1, 300], "repeats": 5},
        against="prod",
        metrics=["accuracy", "roc_auc", "scripts/metrics/cost.py:kept"],
    )
    reg.commit(
        {"scripts/metrics/cost.py": "def kept(truth, said):\n    print('noise')\n    return (truth == said).mean()\n"}
    )
    taken = "raise SystemExit('a module of the folder one stands in was imported')"
    reg.write({SUITE: full, "numpy.py": taken, "pandas.py": taken})
    ran = evaluated(reg, "--custom-metrics")
    path = reg.path / REPORT
    assert "m@v2.0.0 by quality against m@v1.0.0 (prod)" in ran.stdout
    assert f"wrote {REPORT}" in ran.stdout
    first = without_timings(path)
    report = parse_report(path.read_bytes(), str(path))
    request.getfixturevalue("here")
    assert "noise" in evaluated(reg, "--custom-metrics").stdout
    assert without_timings(path) == first, "another process, the same inputs: the same report"
    holds_what_was_measured(report, full)
    shown = as_markdown(report)
    assert "| metric | candidate | current | difference | 95% interval |" in shown
    assert "age&#61;&#60; 30" in shown
    assert reg.git("status", "--porcelain", "--", "evaluations/reports").startswith("??"), "written, never committed"
    (judged,) = registry.compare("m", "prod", ".", reg.path).evaluations
    assert (judged.kind, len(judged.scores), len(judged.slices)) == ("paired", 3, len(report.results.slices))
    compared = report.results.comparison
    assert compared is not None
    assert judged.scores[0].difference == pytest.approx(compared.differences["accuracy"].difference)


def holds_what_was_measured(report: Evaluation, text: str) -> None:
    """Every number is what scikit-learn says of the same models and rows."""
    import skops.io
    from fairlearn.metrics import demographic_parity_difference
    from scipy.stats import binomtest
    from sklearn.metrics import accuracy_score, roc_auc_score

    frame, results = table(), report.results
    files = (next(body for name, body in classifier(columns).items() if name != "lr.mlem") for columns in (2, 1))
    new, old = (skops.io.loads(body) for body in files)
    said, was, truth = new.predict(frame[FEATURES]), old.predict(frame[FEATURES]), frame["bought"].to_numpy()
    assert results.metrics["accuracy"] == pytest.approx(accuracy_score(truth, said))
    assert results.metrics["roc_auc"] == pytest.approx(roc_auc_score(truth, new.predict_proba(frame[FEATURES])[:, 1]))
    compared = results.comparison
    assert compared is not None
    assert compared.metrics["accuracy"] == pytest.approx(accuracy_score(truth, was))
    worse, better = np.flatnonzero((was == truth) & (said != truth)), int(((said == truth) & (was != truth)).sum())
    assert (compared.worse, compared.better, compared.test) == (len(worse), better, "mcnemar-exact")
    assert compared.p_value == pytest.approx(binomtest(better, better + len(worse)).pvalue)
    assert [each.row for each in compared.misses] == list(worse[:10])
    gained = compared.differences["accuracy"]
    assert gained.low is not None
    assert gained.high is not None
    assert gained.low <= accuracy_score(truth, said) - accuracy_score(truth, was) <= gained.high
    sliced = {(each.column, each.value): each for each in results.slices}
    assert sum(each.rows for each in results.slices if each.column == "age") == len(frame)
    young = frame["age"] < 30
    assert sliced["age", "< 30"].rows == young.sum()
    assert sliced["age", "< 30"].candidate["accuracy"] == pytest.approx(accuracy_score(truth[young], said[young]))
    women, gain = (frame["sex"] == "f").to_numpy(), (said == truth).astype(float) - (was == truth)
    told = (sliced["sex", "f"].differences or {})["accuracy"]
    assert told.difference == pytest.approx(gain[women].mean())
    assert told.low is not None
    assert told.high is not None
    assert told.low <= gain[women].mean() <= told.high
    assert compared.slice_resamples == 20
    lowest = min(results.slices, key=lambda each: each.candidate["accuracy"] or 0)
    assert results.worst[0] == f"{lowest.column}={lowest.value}"
    gap = demographic_parity_difference(truth, said, sensitive_features=frame["sex"])
    assert results.fairness[0].measures["demographic_parity_difference"] == pytest.approx(gap)
    assert [each.batch for each in report.timings.latency] == [1, 300]
    assert all(0 < each.p50_ms <= each.p95_ms <= each.p99_ms for each in report.timings.latency)
    assert report.timings.peak_memory_mb > 10
    assert report.inputs.suite_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert report.inputs.packages["scikit-learn"]
    body = next(body for name, body in classifier(2).items() if name != "lr.mlem")
    assert list(report.candidate.artifacts.values()) == [hashlib.sha256(body).hexdigest()]
    assert report.candidate.size == len(body)


@pytest.mark.usefixtures("here")
def test_data_that_is_not_the_locked_one_is_refused_before_anything_runs(reg: Repo) -> None:
    reg.write({"data/test.csv": csv() + b"99,0,f,1\n"})
    ran = evaluated(reg, code=1)
    assert "refused (data-locked)" in ran.stderr
    assert not (reg.path / REPORT).exists()
    with pytest.raises(Refused) as caught:
        registry.evaluate("m", SUITE, reg.path)
    assert caught.value.reason == "data-locked"


@pytest.mark.usefixtures("here")
def test_data_behind_a_url_comes_through_the_cache_and_other_bytes_are_refused(
    reg: Repo, lab: Lab, http: Callable[..., Any]
) -> None:
    with serve_lfs(lab.root) as web:
        web.objects["rows"] = csv()
        url = f"{web.url}/lfs/rows"
        data = {"url": url, "sha256": hashlib.sha256(csv()).hexdigest(), "format": "csv", "target": "bought"}
        reg.write({SUITE: suite(data={**data, "sha256": "0" * 64})})
        with pytest.raises(Refused, match="the suite locks 0000") as caught:
            registry.evaluate("m", SUITE, reg.path)
        assert caught.value.reason == "data-locked"
        reg.write({SUITE: suite(data=data)})
        found = registry.evaluate("m", SUITE, reg.path)
        assert found.report.inputs.data == url
        web.asked.clear()
        # The registry and its suite may be behind a URL too; then nothing is written.
        server = http(served(lab, Repo(lab, lab.root / "source")))
        add(reg, f"{server.url}/source.git", rev="v2", version="v3.0.0")
        served(lab, reg)
        again = registry.evaluate("m", SUITE, f"{server.url}/reg.git")
        assert (again.path, again.report.results) == (None, found.report.results)
        assert not web.asked, "the data is in the cache"


@pytest.mark.usefixtures("here")
def test_metrics_of_the_registry_run_only_when_asked_for_and_only_from_the_default_branch(reg: Repo) -> None:
    metric = "scripts/metrics/cost.py:kept"
    reg.write({SUITE: suite(metrics=["accuracy", metric]), "scripts/metrics/cost.py": "boom"})
    assert "--custom-metrics" in evaluated(reg, code=1).stderr
    assert "default branch has no such file" in evaluated(reg, "--custom-metrics", code=1).stderr
    reg.commit({"scripts/metrics/cost.py": "def kept(truth, said):\n    return (truth == said).mean()\n"})
    reg.write({"scripts/metrics/cost.py": "raise SystemExit(0)\n"})
    found = evaluated(reg, "--custom-metrics", "--json").json
    assert found["results"]["metrics"][metric] == found["results"]["metrics"]["accuracy"]
    assert list(found["inputs"]["functions"]) == ["scripts/metrics/cost.py"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("body", "limits", "said"),
    [
        ("def kept(a, b):\n    while True: pass\n", {"seconds": 6}, "took more than 6 seconds"),
        ("def kept(a, b):\n    return len(bytearray(3 << 30))\n", {"memory_mb": 2048}, "needed more than 2048 MB"),
        ("import os\ndef kept(a, b):\n    os.abort()\n", {"seconds": 60}, "was ended by signal 6"),
        ("def kept(a, b):\n    return 1 / 0\n", {"seconds": 60}, "ZeroDivisionError"),
    ],
    ids=["time", "memory", "crash", "error"],
)
def test_what_runs_away_is_ended_and_told(reg: Repo, body: str, limits: dict[str, int], said: str) -> None:
    reg.commit({"scripts/metrics/cost.py": body})
    reg.write({SUITE: suite(metrics=["scripts/metrics/cost.py:kept"], limits=limits)})
    ran = evaluated(reg, "--custom-metrics", code=1)
    assert said in ran.stderr
    assert not (reg.path / REPORT).exists()


@pytest.mark.thorough
def test_the_process_has_the_callers_caches_and_lock_file(reg: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(reg.path)
    registry.lock("m", version="v1.0.0", project=reg.path)
    monkeypatch.setenv("REGISTRY_CACHE_DIR", "here/cache")
    monkeypatch.setenv("REGISTRY_STATE_DIR", "here/state")
    monkeypatch.setenv("REGISTRY_LOCKED", "1")
    assert registry.evaluate("m", SUITE).report.candidate.version == "v1.0.0"
    assert (reg.path / "here/cache").is_dir()


@pytest.mark.parametrize(
    ("changed", "args", "said"),
    [
        ({"metrics": ["acuracy"]}, (), "did you mean accuracy?"),
        ({"metrics": ["neg_mean_squared_log_error"], "task": "regression", "method": "no"}, (), "no method 'no'"),
        ({"task": "regression", "metrics": ["r2"], "data": {**data(), "target": "sex"}}, (), "'sex' is not of numbers"),
        ({"data": {**data(), "target": "sex"}}, (), "metric 'accuracy' cannot be computed"),
        ({"data": {**data(), "target": "town"}}, (), "no column town"),
        ({"data": {**data(), "format": "parquet"}}, (), "cannot be read as parquet"),
        ({"slices": [{"column": "town"}]}, (), "no column town"),
        ({"slices": [{"column": "income"}]}, (), "give it bins"),
        ({"fairness": {"columns": ["sex"], "positive": "yes"}}, (), "no row has the label 'yes'"),
        ({"models": ["other"]}, (), "the suite is for other"),
        ({"format": 2}, (), "format 1 only"),
        ({}, ("--against", "staging"), "nothing of 'm' is in stage 'staging'"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_cannot_be_evaluated_is_one_error(
    reg: Repo, changed: dict[str, Any], args: tuple[str, ...], said: str
) -> None:
    reg.write({SUITE: suite(**changed)})
    assert said in evaluated(reg, *args, code=1).stderr


@pytest.mark.parametrize("path", ["../evaluations/quality.yaml", "/etc/passwd", "policy.yaml", "evaluations/none.yaml"])
@pytest.mark.usefixtures("here")
def test_a_suite_stands_in_its_folder(reg: Repo, path: str) -> None:
    with pytest.raises(RegistryError):
        registry.evaluate("m", path, reg.path)


@pytest.mark.usefixtures("here")
def test_data_is_not_read_through_a_symlink(reg: Repo, lab: Lab) -> None:
    (lab.root / "elsewhere.csv").write_bytes(csv())
    (reg.path / "data/test.csv").unlink()
    (reg.path / "data/test.csv").symlink_to(lab.root / "elsewhere.csv")
    with pytest.raises(Refused, match="symlink"):
        registry.evaluate("m", SUITE, reg.path)


@pytest.mark.usefixtures("here")
def test_numbers_are_compared_by_their_errors_and_json_and_parquet_are_read(lab: Lab) -> None:
    from linked import ROWS

    made = make_registry(lab)
    source = make_source(lab)
    add(made, source.url, stage="prod")
    frame = ROWS.assign(answer=[0.0, 1.1, 2.1, 3.1])
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    files = {"json": frame.to_json(orient="records").encode(), "parquet": buffer.getvalue()}
    for kind, body in files.items():
        data = {"path": "rows", "sha256": hashlib.sha256(body).hexdigest(), "format": kind, "target": "answer"}
        made.write({"rows": body, SUITE: suite(task="regression", data=data, metrics=["r2"], against="v1.0.0")})
        report = registry.evaluate("m", SUITE, made.path).report
        assert report.results.metrics["r2"] == pytest.approx(1 - 0.03 / np.var(frame["answer"]) / 4)
        assert report.results.comparison is not None
        assert (report.results.comparison.test, report.results.comparison.p_value) == ("wilcoxon", 1.0)
        assert format_report(parse_report(format_report(report).encode(), "")) == format_report(report)


# --- evaluation-present ---------------------------------------------------------------------------------------------------


def missing(repo: Repo, **options: Any) -> list[tuple[str, str | None, str | None]]:
    found = registry.check(repo.path, **options).findings
    return [(each.severity, each.path, each.message) for each in found if each.id == "evaluation-present"]


LACKS = ("warning", ".mlem/links/m.mlem", "no report of suite quality on the linked model")


@pytest.mark.usefixtures("here")
def test_a_report_on_other_bytes_or_another_suite_does_not_count(reg: Repo) -> None:
    assert missing(reg) == [LACKS]
    registry.evaluate("m@v1.0.0", SUITE, reg.path)
    assert missing(reg) == [LACKS], "it is about the model before"
    registry.evaluate("m", SUITE, reg.path)
    assert missing(reg) == []
    text = (reg.path / REPORT).read_text()
    reg.write({REPORT: text.replace('"format": 1', '"format": 2')})
    assert missing(reg) == [LACKS], "a report that cannot be read is none"
    reg.write({REPORT: text, SUITE: suite(metrics=["accuracy"])})
    assert missing(reg) == [LACKS], "it is about the suite as it was"
    reg.write({SUITE: suite(models=["other"])})
    assert missing(reg) == []
    reg.write({SUITE: "format: 1\nformat: 1\n"})
    assert [(severity, path) for severity, path, _ in missing(reg)] == [("warning", SUITE)]


@pytest.mark.usefixtures("here")
def test_a_change_is_judged_by_the_suites_of_its_base(reg: Repo) -> None:
    base = reg.git("rev-parse", "HEAD").strip()
    assert missing(reg, base="m@v1.0.0") == [], "its base had no suite"
    source = Repo(reg.lab, reg.lab.root / "source")
    source.write(classifier(1))
    source.git("add", "--all")
    source.commit()
    source.tag("v3")
    registry.link("lr", "m", source_project=source.url, rev="v3", project=reg.path)
    reg.write({SUITE: None})
    reg.git("add", "--all")
    reg.commit(message="link v3, drop the suite")
    assert missing(reg, base=base) == [LACKS]
    reg.write({SUITE: suite()})
    reg.git("add", "--all")
    reg.commit(message="keep the suite")
    registry.evaluate("m@HEAD", SUITE, reg.path)
    reg.git("add", "--all")
    reg.commit(message="evaluate")
    assert missing(reg, base=base) == []
    assert missing(reg) == []
