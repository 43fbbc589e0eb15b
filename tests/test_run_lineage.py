"""What runs of MLflow say in birth certificates: of models linked there, and of runs that a source's `lineage.yaml` names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import Lab, Repo
from linked import commit_version, make_registry, make_source
from test_mlflow_store import FILES
from tracking_http import COMMIT, OTHER_RUN, RUN, Tracking, serve_tracking

import registry
from registry.api.checking import check
from registry.cache import transfer
from registry.findings import ERROR, SKIP
from registry.lineage import Certificate, parse

CERTIFICATE = ".mlem/lineage/m.json"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE_S", 0.001)
    for name in ("URI", "TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


@pytest.fixture
def server() -> Iterator[Tracking]:
    with serve_tracking() as made:
        yield made


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_registry(lab)


def told(reg: Repo) -> list[tuple[str, str]]:
    return [(each.severity, each.message) for each in check(reg.path).findings if each.id == "lineage-complete"]


def written(reg: Repo) -> Certificate:
    return parse((reg.path / CERTIFICATE).read_bytes(), CERTIFICATE)


# --- models that are linked at the server ---------------------------------------------------------------------------


@pytest.fixture
def tracked(reg: Repo, server: Tracking) -> Repo:
    server.run(r2=0.91, alpha="0.5")
    server.register("cost", "1", f"models:/{server.log_model('model', FILES)}")
    registry.link("models/cost/1", "m", source_project=server.source, project=reg.path)
    return reg


def test_a_link_to_mlflow_has_a_certificate_with_where_each_fact_was_read(tracked: Repo, server: Tracking) -> None:
    made = written(tracked)
    assert (made.commit, made.model, made.breaks) == (RUN, "models/cost/1", ())
    place = f"runs/get?run_id={RUN}"
    assert made.section("parameters")["alpha"] == ("0.5", place, "data.params.alpha", "")
    assert made.section("metrics")["r2"] == (0.91, place, "data.metrics.r2", "")
    assert made.section("tracking")["mlflow.commit"] == (COMMIT, place, "data.tags.mlflow.source.git.commit", "")
    values = {s: {name: fact.value for name, fact in facts.items()} for s, facts in made.facts.items()}
    assert values["identity"]["author"] == "dana"
    assert values["identity"]["time"] == "2023-11-14T22:14:20Z"
    assert values["identity"]["source"] == server.source
    assert values["training"] == {"script": "train.py"}
    assert values["framework"] == {"type": "mlflow", "format": "skops", "package": "sklearn", "version": "1.9.1"}
    assert values["features"] == {"predict.data.x": "float64", "predict.data.y": "float64"}
    assert values["environment"] == {"package:scikit-learn": "0.1"}
    version = made.section("tracking")["mlflow.model_version"]
    assert version.value == {"name": "cost", "version": "1", "source": f"models:/m-{0:032x}"}
    assert (version.path, version.key) == ("model-versions/get?name=cost&version=1", "model_version.source")
    data = values["data"]["sales"]
    assert isinstance(data, dict)
    assert (data["digest"], data["context"], data["source"]) == ("1a2b3c4d", "training", "s3://lake/sales.csv")
    assert told(tracked) == []


def test_what_the_run_says_otherwise_later_is_found(tracked: Repo, server: Tracking) -> None:
    server.run(r2=0.99, alpha="0.5")
    server.runs[RUN]["outputs"]["model_outputs"].append({"model_id": f"m-{0:032x}"})
    assert told(tracked) == [
        ("warning", f"metrics r2 is 0.91, the run says 0.99 (runs/get?run_id={RUN}:data.metrics.r2)")
    ]


def test_a_run_that_has_not_ended_is_a_break(reg: Repo, server: Tracking) -> None:
    server.register("cost", "1", f"models:/{server.log_model('model', FILES)}")
    server.runs[RUN]["info"]["status"] = "RUNNING"
    done = registry.link("models/cost/1", "m", source_project=server.source, project=reg.path)
    assert done.certificate is not None
    assert done.certificate.breaks == (f"the MLflow run {RUN} is RUNNING, not FINISHED: what it says may still change",)


def test_lineage_and_impact_know_tracked_models(tracked: Repo, server: Tracking) -> None:
    commit_version(tracked, "v1.0.0", "prod")
    assert f"r2: 0.91  (runs/get?run_id={RUN}:data.metrics.r2)" in tracked.registry("lineage", "m#prod").stdout
    assert "sales" in tracked.registry("lineage", "m#prod", "--format", "mermaid").stdout
    for asked in ({"commit": COMMIT}, {"source": server.source}, {"requirement": "scikit-learn<1"}):
        (found,) = registry.impact(tracked.path, **asked).touched
        assert (found.version, found.stages) == ("v1.0.0", ("prod",))


def test_a_certificate_of_a_tracked_model_is_left_out_or_missed(tracked: Repo, server: Tracking) -> None:
    tracked.write({CERTIFICATE: None})
    assert told(tracked) == [("warning", f"no birth certificate: no file {CERTIFICATE}")]


# --- runs that a source names ---------------------------------------------------------------------------------------


def source_with(lab: Lab, server: Tracking, more: str = "", metrics: str = '{"r2": 0.91}') -> Repo:
    """A source whose commit, tagged `v2`, names the run and has numbers of its own."""
    repo = make_source(lab)
    text = f'mlflow: {{tracking_uri: "{server.url}", run_id: {RUN}{more}}}\n'
    repo.commit({"lineage.yaml": text, "metrics.json": metrics, "params.yaml": "train: {alpha: 0.5}\n"})
    repo.tag("v2")
    return repo


def link(reg: Repo, source: Repo) -> Certificate:
    done = registry.link("lr", "m", source_project=source.url, rev="v2", project=reg.path)
    assert done.certificate is not None
    return done.certificate


def test_the_run_is_asked_for_parameters_and_metrics(lab: Lab, reg: Repo, server: Tracking) -> None:
    source = source_with(lab, server)
    server.run(commit=source.rev("v1^{commit}"), r2=0.91, depth="3", **{"train.alpha": "0.50"})
    made = link(reg, source)
    assert made.breaks == ()
    assert made.section("metrics")["mlflow:r2"][:2] == (0.91, f"runs/get?run_id={RUN}")
    assert made.section("metrics")["r2"].path == "metrics.json"
    assert made.section("parameters")["mlflow:depth"].value == "3"
    assert made.section("tracking")["mlflow.run_id"].path == "lineage.yaml", "what the source says stays"
    assert told(reg) == []


def test_a_run_that_says_otherwise_breaks_the_chain(lab: Lab, reg: Repo, server: Tracking) -> None:
    source = source_with(lab, server, more=f", commit: {'d' * 40}")
    server.run(r2=0.5, **{"train.alpha": "0.7"})
    said = " | ".join(link(reg, source).breaks)
    assert f"the MLflow run was made at commit {COMMIT}, which is neither" in said
    assert f"the MLflow run says commit {COMMIT}, lineage.yaml says {'d' * 40}" in said
    assert "the MLflow run says metrics r2 0.5, metrics.json:r2 says 0.91" in said
    assert "the MLflow run says parameters train.alpha 0.7, params.yaml:train.alpha says 0.5" in said
    assert {severity for severity, _ in told(reg)} == {"warning"}


def test_a_run_that_is_gone_breaks_the_chain(lab: Lab, reg: Repo, server: Tracking) -> None:
    source = source_with(lab, server)
    del server.runs[RUN]
    assert link(reg, source).breaks == (f"the MLflow run {RUN} is not known to {server.url}",)
    server.run()
    server.runs[RUN]["info"]["lifecycle_stage"] = "deleted"
    assert link(reg, source).breaks == (f"the MLflow run {RUN} is not known to {server.url}",)
    server.runs[RUN] = server.runs.pop(RUN) | {"info": {"run_id": OTHER_RUN, "lifecycle_stage": "active"}}
    assert link(reg, source).breaks[0].startswith("the MLflow run was not asked: the server answered with another run")


def test_what_cannot_be_asked_is_said_and_never_passes(
    lab: Lab, reg: Repo, server: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_with(lab, server)
    server.run(commit=None, r2=0.91)
    link(reg, source)
    server.password = "Basic x"
    ((severity, message),) = told(reg)
    assert severity == SKIP
    assert message.startswith("not judged: the MLflow run was not asked: the server answered 401")
    reg.commit({"policy.yaml": "format: 1\nversion: 1\nchecks: {lineage-complete: error}\n"})
    assert [severity for severity, _ in told(reg)] == [ERROR]
    ran = reg.registry("link", "--source-project", source.url, "--rev", "v2", "lr", "m")
    assert "warning: the MLflow run was not asked: the server answered 401" in ran.stderr
    server.password = ""
    assert ("error", "metrics mlflow:r2 is missing, the commit says 0.91") in told(reg), "linked while it was silent"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://tracking.example.org", "plain http"),
        ("sqlite:///mlflow.db", "not the URL"),
        ("databricks", "address"),
    ],
)
def test_no_other_server_is_asked(lab: Lab, reg: Repo, uri: str, reason: str) -> None:
    repo = make_source(lab)
    repo.commit({"lineage.yaml": f'mlflow: {{tracking_uri: "{uri}", run_id: {RUN}}}\n'})
    repo.tag("v2")
    (said,) = link(reg, repo).breaks
    assert said.startswith("the MLflow run was not asked: ")
    assert reason in said


def test_credentials_in_lineage_yaml_are_neither_told_nor_used(lab: Lab, reg: Repo, server: Tracking) -> None:
    repo = make_source(lab)
    uri = server.url.replace("//", "//dana:secret@")
    repo.commit({"lineage.yaml": f'mlflow: {{tracking_uri: "{uri}", run_id: {RUN}}}\n'})
    repo.tag("v2")
    link(reg, repo)
    assert "secret" not in (reg.path / CERTIFICATE).read_text()
    assert all("Authorization" not in headers for _, headers in server.asked)
    assert server.asked


def test_a_server_that_the_policy_does_not_trust_is_not_asked(lab: Lab, reg: Repo, server: Tracking) -> None:
    source = source_with(lab, server)
    reg.commit({"policy.yaml": f'format: 1\nversion: 1\ntrusted_sources: ["{source.url}"]\n'})
    (said,) = link(reg, source).breaks
    assert "none of the policy's trusted_sources" in said
    assert server.asked == []
