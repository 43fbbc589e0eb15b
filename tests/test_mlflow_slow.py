"""Models of a real MLflow server on SQLite: linked, checked and loaded, and what happens when the server changes.

`make test-slow` runs it: the server and the full package take their time to start. What it holds for `tracking_http`
too is that a real server answers as that one does.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import pytest
from lab import Lab, Repo
from linked import ROWS, commit_version, link_of, make_registry

import registry
from registry.api.mlflow_export import export_mlflow
from registry.api.mlflow_import import import_mlflow
from registry.errors import Refused
from registry.formats.calling import InvalidArguments

mlflow = pytest.importorskip("mlflow", reason="pip install mlflow")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LOG = """
import sys, json
import mlflow, numpy, pandas, sklearn, xgboost
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression
mlflow.set_tracking_uri(sys.argv[1])
rows = pandas.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 0.0, 1.0, 2.0]})
class Twice(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return numpy.asarray(model_input["x"]) * 2
made = {}
for slope in (1.0, 2.0):
    model = LinearRegression(fit_intercept=False).fit(rows, rows["x"] * slope)
    signature = infer_signature(rows, model.predict(rows))
    with mlflow.start_run() as run:
        mlflow.log_params({"slope": slope})
        mlflow.log_metrics({"r2": slope / 2})
        mlflow.set_tag("mlflow.source.git.commit", "c" * 40)
        mlflow.log_input(mlflow.data.from_pandas(rows, name="rows"), context="training")
        options = {"signature": signature, "pip_requirements": [f"scikit-learn=={sklearn.__version__}"], "input_example": rows}
        made[f"sklearn{slope:.0f}"] = run.info.run_id
        mlflow.sklearn.log_model(model, name="model", registered_model_name="cost", **options)
        mlflow.sklearn.log_model(model, name="pickled", serialization_format="cloudpickle", **options)
        if slope == 1.0:
            booster = xgboost.train({"eta": 1.0}, xgboost.DMatrix(rows, rows["x"]), 3)
            mlflow.xgboost.log_model(booster, name="booster", signature=infer_signature(rows), pip_requirements=["xgboost"])
            mlflow.pyfunc.log_model(name="twice", python_model=Twice(), pip_requirements=["numpy"])
            mlflow.sklearn.save_model(model, sys.argv[2], signature=signature, pip_requirements=["scikit-learn"])
            mlflow.log_artifacts(sys.argv[2], "old/model")
mlflow.MlflowClient().set_registered_model_alias("cost", "champion", 1)
print(json.dumps(made))
"""


class Real(NamedTuple):
    """A running server."""

    url: str
    runs: dict[str, str]
    artifacts: Path

    @property
    def source(self) -> str:
        return f"mlflow+{self.url}"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "HOME": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    options = ["--backend-store-uri", f"sqlite:///{folder}/db.sqlite", "--artifacts-destination", str(folder / "art")]
    argv = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*argv, *options], stdout=log, stderr=log, env=env, cwd=folder, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait(f"{url}/health", folder / "log")
        argv = [sys.executable, "-c", LOG, url, str(folder / "saved")]
        done = subprocess.run(argv, env=env, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        yield Real(url, json.loads(done.stdout.splitlines()[-1]), folder / "art")
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def wait(url: str, log: Path) -> None:
    for _ in range(900):
        try:
            with urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-3000:])


def client(real: Real) -> Any:
    return mlflow.MlflowClient(tracking_uri=real.url)


def linked(lab: Lab, real: Real, path: str) -> Repo:
    reg = make_registry(lab)
    registry.link(path, "m", source_project=real.source, project=reg.path)
    commit_version(reg, "v1.0.0")
    return reg


def load(reg: Repo) -> Any:
    return registry.load("m", project=reg.path)


def emptied() -> None:
    """A machine that has nothing of the model."""
    shutil.rmtree(Path(os.environ["REGISTRY_CACHE_DIR"]) / "sha256", ignore_errors=True)


def test_a_logged_model_is_linked_checked_loaded_and_called(lab: Lab, real: Real) -> None:
    run = real.runs["sklearn1"]
    reg = linked(lab, real, f"runs/{run}/model")
    assert link_of(reg).rev == run
    assert {each.severity for each in registry.check(reg.path).findings} <= {"skip"}
    emptied()
    model = load(reg)
    assert type(model).__name__ == "LinearRegression"
    assert model.predict(ROWS)[1] == pytest.approx(1.0)
    served = registry.load_model("m", project=reg.path, offline=True)
    assert served.predict(ROWS)[2] == pytest.approx(2.0)
    with pytest.raises(InvalidArguments, match="y"):
        served.predict(ROWS[["x"]])
    assert registry.checkenv("m", project=reg.path).loads
    registry.fetch("m", project=reg.path, to=lab.root / "out")
    assert mlflow.sklearn.load_model(str(lab.root / "out")).predict(ROWS)[1] == pytest.approx(1.0)


def test_boosters_pickled_models_and_functions_of_mlflow(lab: Lab, real: Real) -> None:
    run = real.runs["sklearn1"]
    reg = make_registry(lab)
    for name in ("booster", "pickled", "twice"):
        registry.link(f"runs/{run}/{name}", name, source_project=real.source, project=reg.path)
        commit_version(reg, "v1.0.0", name=name)
    import xgboost

    booster = registry.load("booster", project=reg.path)
    assert isinstance(booster, xgboost.Booster)
    served = registry.load_model("booster", project=reg.path)
    assert list(served.predict(ROWS)) == pytest.approx(list(booster.predict(xgboost.DMatrix(ROWS))))
    assert type(registry.load("pickled", project=reg.path)).__name__ == "LinearRegression"
    assert list(registry.load("twice", project=reg.path).predict(ROWS)) == [0.0, 2.0, 4.0, 6.0]
    reg.commit({"policy.yaml": "format: 1\nversion: 1\nformats: {pickle: never}\n"})
    for name in ("pickled", "twice"):
        with pytest.raises(Refused) as refused:
            registry.load(name, project=reg.path)
        assert refused.value.reason == "format-allowed"
    registry.load("booster", project=reg.path)
    assert {each.artifact for each in registry.check(reg.path).findings if each.id == "format-allowed"} == {
        "pickled",
        "twice",
    }


def test_artifacts_of_a_run_as_before_mlflow_3(lab: Lab, real: Real) -> None:
    reg = linked(lab, real, f"runs/{real.runs['sklearn1']}/old/model")
    assert load(reg).predict(ROWS)[1] == pytest.approx(1.0)


def test_an_alias_that_moves_changes_nothing(lab: Lab, real: Real) -> None:
    reg = linked(lab, real, "models/cost@champion")
    client(real).set_registered_model_alias("cost", "champion", 2)
    try:
        emptied()
        assert load(reg).predict(ROWS)[1] == pytest.approx(1.0)
    finally:
        client(real).set_registered_model_alias("cost", "champion", 1)


def test_bytes_that_were_swapped_at_the_server_are_refused(lab: Lab, real: Real) -> None:
    reg = linked(lab, real, "models/cost/1")
    key = link_of(reg).artifacts["model.skops"].key or ""
    path = real.artifacts / key.removeprefix("mlflow-artifacts:/")
    before = path.read_bytes()
    path.write_bytes(before[:-1] + b"x")
    try:
        emptied()
        with pytest.raises(Refused) as refused:
            load(reg)
        assert refused.value.reason == "digest-matches"
        assert {each.id for each in registry.check(reg.path).findings if each.severity == "error"} == {"digest-matches"}
    finally:
        path.write_bytes(before)


def test_a_version_that_was_deleted_and_whose_number_was_given_to_another_run_is_refused(lab: Lab, real: Real) -> None:
    api = client(real)
    api.create_registered_model("again")

    def create(run: str) -> None:
        model = next(
            each for each in api.search_logged_models(["0"])
            if each.name == "model" and each.source_run_id == real.runs[run]
        )  # fmt: skip
        made = api.create_model_version("again", f"models:/{model.model_id}", real.runs[run], model_id=model.model_id)
        assert int(made.version) == 1

    create("sklearn1")
    reg = linked(lab, real, "models/again/1")
    api.delete_registered_model("again")
    api.create_registered_model("again")
    create("sklearn2")
    emptied()
    with pytest.raises(Refused) as refused:
        load(reg)
    assert refused.value.reason == "tag-moved"
    assert "commit-reachable" in {each.id for each in registry.check(reg.path).findings if each.severity == "error"}


def test_a_deleted_run_is_refused_until_it_is_restored(lab: Lab, real: Real) -> None:
    reg = linked(lab, real, "models/cost/2")
    client(real).delete_run(real.runs["sklearn2"])
    emptied()
    try:
        with pytest.raises(Refused, match="is deleted"):
            load(reg)
    finally:
        client(real).restore_run(real.runs["sklearn2"])
    assert load(reg).predict(ROWS)[1] == pytest.approx(2.0)


def test_what_a_run_says_stands_in_the_certificate(lab: Lab, real: Real) -> None:
    reg = linked(lab, real, "models/cost/2")
    made = registry.lineage_of("m", reg.path).certificate
    assert made.section("parameters")["slope"].value == "2.0"
    assert made.section("metrics")["r2"].value == 1.0
    assert made.section("tracking")["mlflow.commit"].value == "c" * 40
    assert made.section("identity")["author"].value
    assert made.section("identity")["time"].key == "info.end_time"
    assert made.section("framework")["package"].value == "sklearn"
    data = made.section("data")["rows"].value
    assert isinstance(data, dict)
    assert data["context"] == "training"
    assert data["digest"]
    assert made.breaks == ()
    client(real).log_metric(real.runs["sklearn2"], "r2", 0.25)
    try:
        found = [each.message for each in registry.check(reg.path).findings if each.id == "lineage-complete"]
        assert [each.partition(" (")[0] for each in found] == ["metrics r2 is 1.0, the run says 0.25"]
    finally:
        client(real).log_metric(real.runs["sklearn2"], "r2", 1.0)


def test_registered_models_are_taken_over_with_stages_and_aliases_and_mirrored(lab: Lab, real: Real) -> None:
    api = client(real)
    api.transition_model_version_stage("cost", "1", "Staging")
    api.transition_model_version_stage("cost", "2", "Production")
    reg = make_registry(lab)
    dry = import_mlflow(real.url, project=reg.path, models=["cost"], dry_run=True)
    done = import_mlflow(real.url, project=reg.path, models=["cost"])
    assert (
        [each.version for each in done.registered] == [each.version for each in dry.registered] == ["v1.0.0", "v2.0.0"]
    )
    assert {(each.stage, each.version) for each in done.assigned} == {
        ("staging", "v1.0.0"), ("production", "v2.0.0"), ("champion", "v1.0.0"),
    }  # fmt: skip
    assert done.left_out == []
    reg.git("merge", "--quiet", "import/mlflow")
    emptied()
    for stage, slope in (("champion", 1.0), ("staging", 1.0), ("production", 2.0)):
        assert registry.load("cost", stage=stage, project=reg.path).predict(ROWS)[1] == pytest.approx(slope)
    assert {each.severity for each in registry.check(reg.path).findings} <= {"skip"}
    again = import_mlflow(real.url, project=reg.path, models=["cost"])
    assert (again.registered, again.assigned, again.known) == ([], [], 2)
    registry.assign("cost", "champion", version="v2.0.0", project=reg.path)
    mirrored = export_mlflow(real.url, project=reg.path)
    assert {(each.stage, each.number, each.before) for each in mirrored.set} == {
        ("champion", 2, 1), ("production", 2, None), ("staging", 1, None),
    }  # fmt: skip
    assert int(api.get_model_version_by_alias("cost", "champion").version) == 2
    assert export_mlflow(real.url, project=reg.path).set == []
    for alias in ("production", "staging"):
        api.delete_registered_model_alias("cost", alias)
    api.set_registered_model_alias("cost", "champion", 1)


def test_every_registered_model_of_a_real_server_is_listed(lab: Lab, real: Real) -> None:
    api = client(real)
    api.create_registered_model("no artifact name")
    api.create_registered_model("empty")
    done = import_mlflow(real.url, project=make_registry(lab).path, dry_run=True)
    assert {each.artifact for each in done.registered} >= {"cost"}
    assert {each.what for each in done.left_out} == {"no artifact name"}
