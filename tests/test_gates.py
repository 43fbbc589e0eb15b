"""Gates: what a policy asks of a version, run on real registries, with reports that `registry evaluate` wrote."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attacked import PEOPLE, sign_tag, signers
from hypothesis import given, settings
from hypothesis import strategies as st
from inprocess import registry_here
from lab import ROOT, Lab, Repo
from linked import add, commit_version, make_registry, make_source, saved, served
from sklearn.base import BaseEstimator
from test_evaluating import classifier, csv, suite
from test_mlflow_store import FILES, MLMODEL
from tracking_http import serve_tracking

import registry
from registry import NotFound
from registry.api.adopting import adopt
from registry.api.evaluated import measured
from registry.api.gating import Gated, run_gates
from registry.api.project import open_project
from registry.findings import ERROR
from registry.gates.limits import broken, worse_by
from registry.gates.table import RUNS
from registry.policy import Policy, parse_policy
from registry.policygates import GATES, Gate, Metric
from registry.policystages import Stage

SUITE = "evaluations/quality.yaml"
REPORTS = "evaluations/reports/m"
V1, V2 = f"{REPORTS}/v1.0.0/quality.json", f"{REPORTS}/v2.0.0/quality.json"
SLICED = suite(slices=[{"column": "sex"}], metrics=["accuracy", "roc_auc", "neg_log_loss"], against="prod")


def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work of the process that evaluates, in this one."""

    def work(_: str, request: dict[str, Any], *__: Any) -> Any:
        return json.loads(json.dumps(measured(json.loads(json.dumps(request)), lambda *_: None)))

    monkeypatch.setattr("registry.api.evaluating.confined", work)


_REPORTS: dict[str, bytes] = {}
"""Reports on the two models, written once: they are the same wherever the registry stands."""


@pytest.fixture
def reg(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A weak classifier in prod, v1.0.0, a better one, v2.0.0, and reports on both on the default branch."""
    source = make_source(lab, files=classifier(1))
    made = make_registry(lab)
    add(made, source.url, stage="prod")
    source.write(classifier(2))
    source.git("add", "--all")
    source.commit()
    source.tag("v2")
    made.write({"data/test.csv": csv(), SUITE: SLICED})
    add(made, source.url, rev="v2", version="v2.0.0")
    if not _REPORTS:
        here(monkeypatch)
        for path, version, against in ((V1, "v1.0.0", "none"), (V2, "v2.0.0", "prod")):
            registry.evaluate(f"m@{version}", SUITE, made.path, against=against)
            _REPORTS[path] = (made.path / path).read_bytes()
    made.commit(dict(_REPORTS))
    return made


def report(path: str = V2) -> Any:
    return json.loads(_REPORTS[path])


def altered(path: str = V2, **changed: Any) -> dict[str, bytes | str | None]:
    """A report with values changed, by dotted key with `__` between."""
    found = report(path)
    for key, value in changed.items():
        *folders, last = key.split("__")
        functools.reduce(lambda place, name: place[name], folders, found)[last] = value
    return {path: json.dumps(found)}


def judged(
    repo: Repo, *wanted: Any, version: str = "v2.0.0", options: Any = None, top: Any = None, **stage: Any
) -> Gated:
    """The gates of a policy that is given, without its being committed."""
    text = {"format": 1, "version": 1, "stages": {"prod": {"gates": list(wanted), **stage}}, **(top or {})}
    policy = parse_policy(json.dumps(text).encode(), "")
    return run_gates(open_project(repo.path), "m", version, "prod", policy, **(options or {}))


def only(repo: Repo, wanted: Any, **more: Any) -> tuple[bool, str]:
    found = judged(repo, wanted, **more)
    assert all(each.severity == ERROR and each.fix and each.artifact == "m" for each in found.findings)
    assert found.passed is not bool(found.findings)
    (result,) = found.results
    return result.passed, result.message


def metric(**limit: Any) -> dict[str, Any]:
    return {"metric": {"name": "accuracy", **limit}}


# --- the number itself ----------------------------------------------------------------------------------------------


def test_a_limit_holds_at_its_border_and_names_what_it_found(reg: Repo) -> None:
    value = report()["results"]["metrics"]["accuracy"]
    assert only(reg, metric(at_least=value, at_most=value)) == (True, f"accuracy (quality) is {value}")
    passed, said = only(reg, metric(at_least=0.99))
    assert (passed, said) == (False, f"accuracy (quality) is {value}, expected at least 0.99")
    assert not only(reg, metric(at_most=0.5))[0]
    assert not only(reg, metric(at_least=value), version="v1.0.0")[0], "a version's own reports alone count"


def test_a_tolerance_compares_with_what_the_stage_holds_now(reg: Repo) -> None:
    new, old = (report(path)["results"]["metrics"] for path in (V2, V1))
    passed, said = only(reg, metric(tolerance=0))
    assert (passed, f"prod {old['accuracy']}" in said) == (True, True)
    gained = round(new["accuracy"] - old["accuracy"], 6)
    reg.tag("m#prod#2", "m@v2.0.0^{commit}")
    assert only(reg, metric(tolerance=gained), version="v1.0.0")[0], "worse by exactly the tolerance"
    passed, said = only(reg, metric(tolerance=gained / 2), version="v1.0.0")
    assert (passed, "worse than the stage's" in said) == (False, True)
    assert only(reg, metric(tolerance=0, better="smaller"), version="v1.0.0")[0]
    assert only(reg, metric(tolerance=0), version="v2.0.0")[0], "no worse than itself"
    assert only(reg, metric(tolerance=0), version="v1.0.0", options={"holds": "v1.0.0"})[0], "as the caller knows it"
    assert only(reg, metric(tolerance=0), version="v1.0.0", options={"holds": None})[0], "an empty stage"


def test_an_assignment_that_nobody_accepted_lowers_no_limit_and_is_no_time_of_holding(reg: Repo) -> None:
    """Somebody without a role puts the worse model into prod, and into staging long ago, so that it would pass."""
    held = {"held": {"stage": "staging", "minimum": "1m"}}
    stages = {"staging": {"assign": ["release"]}, "prod": {"assign": ["release"], "gates": [metric(tolerance=0), held]}}
    policy = {"format": 1, "version": 1, "roles": {"release": [PEOPLE["bo"]]}, "stages": stages}
    reg.commit({"policy.yaml": json.dumps(policy), "allowed_signers": signers()})
    sign_tag(reg, "m#staging#2", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    reg.lab.tick(60)
    sign_tag(reg, "m#prod#3", "bo", "m@v2.0.0^{commit}", "Version: v2.0.0")
    reg.tag("m#prod#4", "m@v1.0.0^{commit}")
    reg.tag("m#staging#5", "m@v1.0.0^{commit}")
    found = registry.check_gates("m", "v1.0.0", "prod", reg.path)
    assert [each.passed for each in found.results] == [False, False]
    assert "worse than the stage's" in found.results[0].message
    assert found.results[1].message == "held for 0s"
    with pytest.raises(registry.Refused) as refused:
        registry.assign("m", stage="prod", version="v1.0.0", project=reg.path)
    assert "worse than the stage's" in refused.value.what
    sign_tag(reg, "m#staging#6", "bo", "m@v1.0.0^{commit}", "Version: v1.0.0")
    assert registry.check_gates("m", "v1.0.0", "prod", reg.path).results[1].passed, "who may is believed"


def test_a_stage_without_an_answer_is_nothing_to_be_better_than(reg: Repo) -> None:
    stages = {"prod": {"ledger": True, "gates": [metric(tolerance=0), metric(at_least=0)]}}
    reg.commit({"policy.yaml": json.dumps({"format": 1, "version": 1, "stages": stages})})
    adopt(reg.path)
    assert registry.check_gates("m", "v2.0.0", "prod", reg.path).passed
    reg.git("tag", "-d", "m#prod#1")
    found = registry.check_gates("m", "v1.0.0", "prod", reg.path)
    assert [each.passed for each in found.results] == [False, True]
    assert "it is not known what prod holds: " in found.results[0].message


def test_only_reports_on_the_same_suite_and_data_are_compared(reg: Repo) -> None:
    reg.commit({V1: None})
    assert only(reg, metric(tolerance=0))[0], "its own comparison was with exactly what the stage holds"
    reg.commit(altered(current__metafile="0" * 64))
    passed, said = only(reg, metric(tolerance=0))
    assert (passed, "there is no report on v1.0.0 in prod to compare with" in said) == (False, True)
    reg.commit(altered(V1, inputs__data_sha256="0" * 64))
    assert not only(reg, metric(tolerance=0))[0]
    reg.commit({V1: _REPORTS[V1]})
    assert only(reg, metric(tolerance=0))[0]


def test_a_better_report_on_what_the_stage_holds_is_not_hidden_by_the_candidates_own(reg: Repo) -> None:
    reg.commit(altered(results__comparison__metrics={"accuracy": 0.0, "roc_auc": 0.0, "neg_log_loss": -9.0}))
    reg.commit(altered(V1, results__metrics={"accuracy": 0.999, "roc_auc": 0.9, "neg_log_loss": -1.0}))
    assert not only(reg, metric(tolerance=0))[0]


def test_a_slice_is_judged_by_its_own_numbers(reg: Repo) -> None:
    found = next(each for each in report()["results"]["slices"] if each["value"] == "f")
    value, gained = found["candidate"]["accuracy"], found["differences"]["accuracy"]
    between = f" (95% interval of the difference: {gained['low']:.4g} to {gained['high']:.4g})"
    assert only(reg, metric(slice="sex=f", at_least=value, tolerance=0)) == (
        True,
        f"accuracy on sex=f (quality) is {value}, prod {found['current']['accuracy']}{between}",
    )
    assert not only(reg, metric(slice="sex=f", at_least=value + 0.001))[0]
    passed, said = only(reg, metric(slice="sex=x", at_least=0))
    assert (passed, "the report has no such slice or metric" in said) == (False, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (lambda: altered(results__metrics={"accuracy": None, "roc_auc": 1.0, "neg_log_loss": 0.0}), "is not defined"),
        (lambda: altered(results__metrics={"roc_auc": 1.0}), "the report has no such metric"),
        (lambda: {V2: _REPORTS[V2].replace(b'"accuracy": 0', b'"accuracy": NaN, "x": 0')}, "NaN is no JSON"),
        (lambda: altered(results__metrics={"accuracy": "0.99"}), "not a report"),
    ],
    ids=["null", "missing", "NaN", "text"],
)
def test_a_number_that_is_missing_or_not_finite_fails_and_says_so(
    reg: Repo, text: Callable[[], dict[str, bytes | str | None]], said: str
) -> None:
    reg.commit(text())
    passed, told = only(reg, metric(at_least=0))
    assert (passed, said in told) == (False, True), told


# --- which reports count --------------------------------------------------------------------------------------------


def swapped() -> dict[str, bytes | str | None]:
    """The report of the good model, said to be of the weak one's version."""
    return {V1: _REPORTS[V2].replace(b"v2.0.0", b"v1.0.0")}


@pytest.mark.parametrize(
    ("attack", "version", "said"),
    [
        (swapped, "v1.0.0", "is on other bytes"),
        (lambda: altered(candidate__artifacts={"data": "0" * 64}), "v2.0.0", "is on other bytes"),
        (lambda: altered(candidate__name="other"), "v2.0.0", "is of 'other'"),
        (lambda: altered(inputs__data_sha256="0" * 64), "v2.0.0", "is on other data than the suite locks"),
        (lambda: altered(inputs__suite_sha256="0" * 64), "v2.0.0", "is by another suite"),
        (lambda: {SUITE: SLICED.replace("neg_log_loss", "f1")}, "v2.0.0", "is by another suite"),
        (lambda: altered(inputs__functions={"scripts/metrics/a.py": "0" * 64}), "v2.0.0", "other metric functions"),
        (lambda: {V2: "{}"}, "v2.0.0", "cannot be read"),
        (lambda: {V2: None}, "v2.0.0", "no report of suite quality counts"),
    ],
)
def test_a_report_on_anything_else_counts_for_nothing(
    reg: Repo, attack: Callable[[], dict[str, bytes | str | None]], version: str, said: str
) -> None:
    reg.commit(attack())
    for gate in (metric(at_least=0.8), "evaluation"):
        passed, told = only(reg, gate, version=version)
        assert (passed, said in told) == (False, True), told
    if version == "v2.0.0" and "functions" not in said:  # the link in the work tree; what a check can know
        assert "evaluation-present" in {each.id for each in registry.check(reg.path).findings}


def test_a_report_that_nobody_merged_and_a_suite_that_nobody_merged_are_none(reg: Repo) -> None:
    reg.commit({V2: None})
    reg.write({V2: _REPORTS[V2], SUITE: suite(models=["other"])})
    assert not only(reg, metric(at_least=0))[0]
    assert not only(reg, "evaluation")[0]
    before = reg.rev("HEAD~1")
    assert only(reg, "evaluation", options={"head": before})[0], "the default branch is what the caller says it is"


def test_a_second_report_or_suite_does_not_hide_a_bad_one(reg: Repo) -> None:
    worse = altered(results__metrics={"accuracy": 0.1, "roc_auc": 0.1, "neg_log_loss": -9.0})[V2]
    for label in ("a", "z"):
        reg.commit({f"{REPORTS}/{label}/quality.json": worse})
        assert not only(reg, metric(at_least=0.5))[0]
        reg.commit({f"{REPORTS}/{label}/quality.json": None})
    reg.commit({"evaluations/strict.yaml": SLICED})
    passed, said = only(reg, metric(at_least=0.5))
    assert (passed, "no report of suite strict" in said) == (False, True)
    assert only(reg, metric(at_least=0.5, suite="quality"))[0]
    reg.commit({"evaluations/strict.yaml": "format: 1\nformat: 1\n"})
    assert "evaluations/strict.yaml cannot be read" in only(reg, metric(at_least=0.5))[1]
    assert "evaluations/strict.yaml cannot be read" in only(reg, "evaluation")[1]
    assert only(reg, {"evaluation": {"suites": ["quality"]}})[0]
    assert "no suite other" in only(reg, {"evaluation": {"suites": ["other"]}})[1]


def test_a_suite_that_is_asked_for_must_be_there_and_measure_it(reg: Repo) -> None:
    assert "has not suite other" in only(reg, metric(suite="other", at_least=0))[1]
    assert "measures f1" in only(reg, {"metric": {"name": "f1", "suite": "quality", "at_least": 0}})[1]
    assert "measures f1" in only(reg, {"metric": {"name": "f1", "slice": "sex=f", "at_least": 0}})[1]
    reg.commit({SUITE: suite(models=["other"])})
    assert "has no suite for m" in only(reg, "evaluation")[1]


def test_metric_functions_are_those_of_the_default_branch(reg: Repo) -> None:
    path = "scripts/metrics/cost.py"
    text, body = suite(metrics=[f"{path}:kept"]), b"def kept(a, b):\n    return 1.0\n"
    changed = {
        "inputs__suite_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "inputs__functions": {path: hashlib.sha256(body).hexdigest()},
        "results__metrics": {f"{path}:kept": 1.0},
    }
    reg.commit({SUITE: text, path: body, **altered(**changed)})
    wanted = {"metric": {"name": f"{path}:kept", "at_least": 1}}
    assert only(reg, wanted)[0]
    reg.commit({path: body.replace(b"1.0", b"2.0")})
    assert "other metric functions" in only(reg, wanted)[1]


# --- what waives approvals ------------------------------------------------------------------------------------------


def test_approvals_are_waived_where_all_limits_are_met(reg: Repo) -> None:
    good, bad = {"name": "accuracy", "at_least": 0.8}, {"name": "roc_auc", "at_least": 0.999}
    assert judged(reg).waived is False, "no limits, nothing waived"
    found = judged(reg, waive=[good])
    assert (found.waived, [each.passed for each in found.limits]) == (True, [True])
    found = judged(reg, waive=[good, bad])
    assert (found.waived, [each.passed for each in found.limits], found.findings) == (False, [True, False], [])


def test_a_comparison_with_nothing_waives_nothing(reg: Repo) -> None:
    empty = {"holds": None}
    assert not judged(reg, waive=[{"name": "accuracy", "tolerance": 1}], options=empty).waived
    assert judged(reg, waive=[{"name": "accuracy", "tolerance": 1, "at_least": 0.5}], options=empty).waived
    assert judged(reg, metric(tolerance=1), options=empty).passed


# --- the birth certificate ------------------------------------------------------------------------------------------


def test_where_no_suite_measures_it_the_birth_certificate_does_and_waives_nothing(lab: Lab) -> None:
    source = make_source(lab)
    source.commit({"metrics.json": '{"mae": 0.5, "odd": "NaN"}'})
    source.tag("v2")
    repo = make_registry(lab)
    add(repo, source.url, rev="v2")
    wanted = {"metric": {"name": "mae", "at_most": 0.5}}
    assert only(repo, wanted, version="v1.0.0") == (True, "mae (birth certificate) is 0.5")
    assert not only(repo, {"metric": {"name": "mae", "at_most": 0.4}}, version="v1.0.0")[0]
    assert "no finite number" in only(repo, {"metric": {"name": "odd", "at_most": 1}}, version="v1.0.0")[1]
    assert "has no such metric" in only(repo, {"metric": {"name": "mse", "at_most": 1}}, version="v1.0.0")[1]
    assert "cannot be compared" in only(repo, {"metric": {"name": "mae", "tolerance": 1}}, version="v1.0.0")[1]
    assert not judged(repo, version="v1.0.0", waive=[wanted["metric"]]).waived
    path = ".mlem/lineage/m.json"
    text = (repo.path / path).read_text()
    repo.write({path: text.replace('"value": 0.5', '"value": 0.1')})
    commit_version(repo, "v1.1.0")
    assert "the pinned commit does not" in only(repo, wanted, version="v1.1.0")[1]
    repo.write({path: None})
    commit_version(repo, "v1.2.0")
    assert "no birth certificate" in only(repo, wanted, version="v1.2.0")[1]
    assert only(repo, wanted, version="v1.0.0")[0], "of the version's commit"


# --- the model itself -----------------------------------------------------------------------------------------------


def test_size_and_format_are_those_of_the_pinned_model(lab: Lab) -> None:
    source = make_source(lab, files=saved(kind="pickle"))
    repo = make_registry(lab)
    add(repo, source.url)
    size = sum(len(body) for name, body in saved(kind="pickle").items() if name != "lr.mlem")
    assert only(repo, {"size": {"limit": size}}, version="v1.0.0")[0]
    passed, said = only(repo, {"size": {"limit": size - 1}}, version="v1.0.0")
    assert (passed, f"the limit is {size - 1:,}" in said) == (False, True)
    assert only(repo, "format", version="v1.0.0")[0]
    assert "runs code" in only(repo, {"format": {"pickle": "never"}}, version="v1.0.0")[1]
    found = judged(repo, version="v1.0.0", formats={"pickle": "never"})
    assert [each.passed for each in found.results] == [False], "the stage's own key is a gate too"
    link = (repo.path / ".mlem/links/m.mlem").read_text()
    pin = hashlib.sha256(saved(kind="pickle")["lr.mlem"]).hexdigest()
    repo.write({".mlem/links/m.mlem": link.replace(pin, "0" * 64)})
    commit_version(repo, "v1.1.0")
    for each in ("format", {"size": {"limit": "1 GB"}}):
        passed, said = only(repo, each, version="v1.1.0")
        assert (passed, "is not the one that the link pins" in said) == (False, True)


class Mine(BaseEstimator):
    """A type that is neither scikit-learn's nor numpy's."""

    def fit(self, rows: object) -> Mine:
        return self

    def predict(self, rows: Any) -> Any:
        return rows


def test_a_stage_may_admit_fewer_types_than_the_policy(lab: Lab, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="skops_trusted"):
        registry.save(Mine(), tmp_path / "lr")
    source = make_source(lab, files={each.name: each.read_bytes() for each in tmp_path.iterdir() if each.is_file()})
    repo = make_registry(lab)
    add(repo, source.url)
    mine = {"skops_trusted": [f"{__name__}.Mine"]}
    assert only(repo, {"format": mine}, version="v1.0.0", top={"formats": mine})[0]
    passed, said = only(repo, "format", version="v1.0.0", top={"formats": mine})
    assert (passed, "types that are not trusted" in said) == (False, True)
    assert only(repo, "format", version="v1.0.0")[0], "the loader refuses it then, wherever it is"


def test_a_model_of_mlflow_is_judged_by_how_it_is_stored(lab: Lab) -> None:
    types = {"formats": {"skops_trusted": ["x.Y"]}}
    with serve_tracking() as server:
        repo = make_registry(lab)
        for number, files in enumerate(
            (FILES, {**FILES, "MLmodel": MLMODEL.replace(b"format: skops", b"format: pickle")}), 1
        ):
            server.register("cost", str(number), f"models:/{server.log_model('model', files)}")
            registry.link(f"models/cost/{number}", "m", source_project=server.source, project=repo.path)
            commit_version(repo, f"v{number}.0.0")
        gate = {"format": {"pickle": "never"}}
        assert only(repo, gate, version="v1.0.0", top=types)[0]
        passed, said = only(repo, gate, version="v2.0.0", top=types)
        assert (passed, "stored as pickle, which runs code" in said) == (False, True)
        assert only(repo, {"size": {"limit": "1 MB"}}, version="v1.0.0")[0]


def test_a_metafile_cannot_call_a_pickle_of_mlflow_something_else(lab: Lab) -> None:
    flavors = "{python_function: {loader_module: mlflow.sklearn}, sklearn: {pickled_model: lr}}"
    said = f"    io: {{type: skops, mlmodel: {{flavors: {flavors}}}}}\n    type: mlflow\n".encode()
    honest = saved(kind="pickle")
    files = {**honest, "lr.mlem": honest["lr.mlem"].replace(b"    type: sklearn\n", said)}
    assert said in files["lr.mlem"]
    source = make_source(lab, files=files)
    repo = make_registry(lab)
    add(repo, source.url)
    assert "says skops, and is stored as pickle" in only(repo, {"format": {"pickle": "never"}}, version="v1.0.0")[1]


def test_what_only_a_load_sees_of_a_torch_archive_passes_no_gate(lab: Lab) -> None:
    metafile = saved(kind="pickle")["lr.mlem"]
    files = {
        **saved(kind="pickle"),
        "lr.mlem": metafile.replace(b"    type: sklearn\n", b"    io: {type: torch_io}\n    type: sklearn\n"),
    }
    source = make_source(lab, files=files)
    repo = make_registry(lab)
    add(repo, source.url)
    whole = {"formats": {"torch_weights_only": False}}
    assert "only a load sees" in only(repo, "format", version="v1.0.0", top=whole)[1]
    assert only(repo, {"format": {"torch_weights_only": False}}, version="v1.0.0", top=whole)[0]
    assert only(repo, "format", version="v1.0.0")[0]


def test_artifacts_that_are_not_the_pinned_ones_have_no_size(lab: Lab) -> None:
    source = make_source(lab)
    repo = make_registry(lab)
    link = add(repo, source.url)
    text = (repo.path / ".mlem/links/m.mlem").read_text()
    repo.write({".mlem/links/m.mlem": text.replace(next(iter(link.artifacts.values())).sha256, "0" * 64)})
    commit_version(repo, "v1.1.0")
    assert "the link pins 0000" in only(repo, {"size": {"limit": "1 GB"}}, version="v1.1.0")[1]


def test_the_interface_is_held_against_the_contract_of_the_default_branch_and_what_the_stage_holds(reg: Repo) -> None:
    assert only(reg, "interface") == (True, "there is no contract; judged by v1.0.0 in prod")
    passed, said = only(reg, {"interface": {"against": "contract"}})
    assert (passed, "has no contract interfaces/m.yaml" in said) == (False, True)
    assert [each.passed for each in judged(reg, contract=True).results] == [False]
    exported = registry_here(reg.path, "interface", "export", "m@v1.0.0")
    assert exported.code == 0, exported.stderr
    assert not only(reg, {"interface": {"against": "contract"}})[0], "nobody merged it"
    reg.git("add", "--all")
    reg.commit(message="keep it")
    assert only(reg, "interface")[0]
    contract = (reg.path / "interfaces/m.yaml").read_text()
    reg.commit({"interfaces/m.yaml": contract.replace("predict_proba", "predict_all")})
    assert "predict_all" in only(reg, {"interface": {"against": "contract"}})[1]
    assert only(reg, {"interface": {"against": "stage"}})[0]


def test_a_model_that_breaks_the_callers_of_its_stage_does_not_pass(lab: Lab) -> None:
    source = make_source(lab)
    repo = make_registry(lab)
    add(repo, source.url, stage="prod")
    source.commit(dict(classifier(2)))
    source.tag("v2")
    add(repo, source.url, rev="v2", version="v2.0.0", stage="dev")
    passed, said = only(repo, {"interface": {"against": "stage"}})
    assert (passed, "breaks callers of v1.0.0 (in stage prod)" in said) == (False, True)
    assert only(repo, {"interface": {"against": "stage"}}, options={"holds": "v2.0.0"})[0]
    repo.git("rm", "--quiet", ".mlem/links/m.mlem")
    commit_version(repo, "v3.0.0", stage="prod")
    passed, said = only(repo, {"interface": {"against": "stage"}})
    assert (passed, "is not known" in said) == (False, True), "what cannot be read is not taken to be served"
    (result,) = judged(repo, "interface", version="v3.0.0").results
    assert "has no link" in result.message


CARD = "---\nlicense: {}\n---\n## Owner\n\nteam@example.org\n"


def test_card_and_license_are_those_of_the_versions_own_commit(lab: Lab) -> None:
    source = make_source(lab)
    repo = make_registry(lab)
    add(repo, source.url)
    repo.write({"cards/m.md": CARD.format("Apache-2.0")})
    commit_version(repo, "v1.1.0")
    rules = {"license": {"allowed": ["apache-2.0", "MIT"]}}
    card = {"card": {"required": ["owner", "license"]}}
    for gate in (rules, card):
        assert "no card cards/m.md" in only(repo, gate, version="v1.0.0")[1]
        assert only(repo, gate, version="v1.1.0")[0]
    assert "no section 'Limitations'" in only(repo, "card", version="v1.1.0")[1]
    for text, said in (
        ("gpl-3.0", "'gpl-3.0' is none of apache-2.0, MIT"),
        ("[mit, gpl-3.0]", "'gpl-3.0' is none of"),
        ("mit OR gpl-3.0", "is none of"),
        ("unknown", "'unknown' is none of"),
        ("[]", "names no license"),
        ("{a: b}", "not judged"),
    ):
        repo.write({"cards/m.md": CARD.format(text)})
        version = f"v2.0.{len(repo.tags())}"
        commit_version(repo, version)
        passed, told = only(repo, rules, version=version)
        assert (passed, said in told) == (False, True), told


CHECK = """
from registry.findings import Finding

class Check:
    id = "no-fridays"
    sentence = "No model of a Friday."
    severity = "{}"
    remedy = "train it again"

    def run(self, subject):
        if subject.model.metafile.artifacts:
            yield subject.finding(self, "it is a model of a Friday")
"""


def test_a_custom_check_is_run_only_where_it_is_admitted_and_from_the_default_branch(lab: Lab) -> None:
    source = make_source(lab)
    repo = make_registry(lab)
    add(repo, source.url)
    gate, path, admitted = {"custom": {"check": "no-fridays"}}, "scripts/checks/no_fridays.py", {"custom": True}
    repo.write({path: CHECK.format("warning")})
    assert "nothing here provides" in only(repo, gate, version="v1.0.0", options=admitted)[1]
    repo.commit({path: CHECK.format("error")})
    assert "ask for it with --custom-checks" in only(repo, gate, version="v1.0.0")[1]
    passed, said = only(repo, gate, version="v1.0.0", options=admitted)
    assert (passed, said) == (False, "it is a model of a Friday")
    repo.commit({path: CHECK.format("warning")})
    assert only(repo, gate, version="v1.0.0", options=admitted) == (True, "1 finding, none an error")
    for level, expected in (("error", False), ("off", True)):
        told = only(repo, gate, version="v1.0.0", options=admitted, top={"checks": {"no-fridays": level}})
        assert told[0] is expected
    repo.commit({path: CHECK.format("error")})
    told = only(repo, gate, version="v1.0.0", options=admitted, top={"checks": {"no-fridays": "off"}})
    assert not told[0], "who asks for it as a gate means it"
    repo.commit({path: CHECK.format("warning") + "        1 / 0\n"})
    assert "ZeroDivisionError" in only(repo, gate, version="v1.0.0", options=admitted)[1], "broken, so not passed"
    assert only(repo, {"custom": {"check": "digest-matches"}}, version="v1.0.0")[0], "one that is built in"


def test_a_source_that_is_not_trusted_is_not_asked(lab: Lab) -> None:
    source = make_source(lab)
    repo = make_registry(lab)
    add(repo, source.url)
    text = {"format": 1, "version": 1, "trusted_sources": [], "stages": {"prod": {"gates": ["format"]}}}
    found = run_gates(open_project(repo.path), "m", "v1.0.0", "prod", parse_policy(json.dumps(text).encode(), ""))
    assert found.results[0].message == "not judged: the source was not opened: see source-trusted"


def test_a_source_that_is_gone_lets_nothing_pass(lab: Lab) -> None:
    source = make_source(lab)
    repo = make_registry(lab)
    add(repo, source.url)
    source.path.rename(source.path.with_name("elsewhere"))
    assert "not judged" in only(repo, "format", version="v1.0.0")[1]
    assert "not judged" in only(repo, {"size": {"limit": "1 GB"}}, version="v1.0.0")[1]


def test_a_model_in_the_registry_itself_is_judged_too(lab: Lab) -> None:
    repo = make_registry(lab)
    repo.commit(dict(saved()))
    repo.write({"artifacts.yaml": "m: {type: model, path: lr}\n"})
    commit_version(repo, "v1.0.0")
    found = judged(repo, "format", {"size": {"limit": "1 MB"}}, "interface", version="v1.0.0")
    assert [each.passed for each in found.results] == [True, True, True], found.results
    assert not only(repo, {"size": {"limit": 10}}, version="v1.0.0")[0]


def test_a_version_without_a_model_passes_no_gate_that_looks_at_one(lab: Lab) -> None:
    repo = make_registry(lab)
    repo.tag("m@v1.0.0")
    found = judged(repo, "card", "evaluation", metric(at_least=0), version="v1.0.0")
    assert [each.passed for each in found.results] == [False] * 3
    assert judged(repo, version="v1.0.0").passed, "no gates"


def test_held_is_told_as_the_tags_have_it(reg: Repo) -> None:
    gate = {"held": {"stage": "prod", "minimum": "1h"}}
    assert not only(reg, gate)[0]
    assert only(reg, gate, version="v1.0.0")[0]


# --- the whole ------------------------------------------------------------------------------------------------------


def test_every_gate_of_the_policy_is_run_and_has_its_heading() -> None:
    assert set(RUNS) | {"held"} == set(GATES.kinds)
    text = (ROOT / "docs" / "gates.md").read_text(encoding="utf-8")
    for each in GATES.kinds:
        assert f"\n### gate-{each}\n" in text


@dataclass(frozen=True)
class Odd(Gate):
    id: ClassVar[str] = "odd"


def test_a_gate_that_nothing_here_knows_does_not_pass(reg: Repo) -> None:
    policy = Policy(version=1, stages={"prod": Stage("prod", gates=(Odd(),))})
    found = run_gates(open_project(reg.path), "m", "v1.0.0", "prod", policy)
    assert [(each.key, each.passed) for each in found.results] == [("odd", False)]
    assert found.findings[0].message == "this version knows no gate odd"


def test_what_is_unknown_is_an_error(reg: Repo) -> None:
    reg.commit({"policy.yaml": '{"format": 1, "version": 1, "stages": {"prod": {}}}'})
    for words in (("m", "v9.0.0", "prod"), ("m", "v1.0.0", "nowhere"), ("other", "v1.0.0", "prod")):
        with pytest.raises(NotFound):
            registry.check_gates(*words, reg.path)


def test_a_registry_behind_a_url_gives_the_same_answers(reg: Repo, lab: Lab, http: Callable[..., Any]) -> None:
    server = http(served(lab, Repo(lab, lab.root / "source")))
    text = (reg.path / ".mlem/links/m.mlem").read_text()
    source = Repo(lab, lab.root / "source").url
    reg.write(
        {".mlem/links/m.mlem": text.replace(source, f"{server.url}/source.git"), "cards/m.md": CARD.format("mit")}
    )
    commit_version(reg, "v3.0.0")
    wanted = [metric(at_least=0.6, tolerance=0), "interface", "evaluation", "format"]
    policy = {"format": 1, "version": 1, "stages": {"prod": {"gates": wanted}}}
    reg.commit({"policy.yaml": json.dumps(policy)})
    served(lab, reg)
    found = registry.check_gates("m", "v3.0.0", "prod", f"{server.url}/reg.git")
    told = [each.passed for each in found.results]
    assert told == [True, False, True, True], found.results
    assert "names a folder of this machine" in found.results[1].message, "v1.0.0 cannot be read from a URL"
    steps: list[tuple[int, int, str]] = []
    registry.check_gates("m", "v3.0.0", "prod", f"{server.url}/reg.git", progress=lambda *step: steps.append(step))
    assert steps[:2] == [(0, 4, "metric"), (1, 4, "interface")]


def test_the_command_tells_each_gate_and_fails_where_one_does(reg: Repo) -> None:
    wanted = [metric(at_least=0.6, tolerance=0.01), {"size": {"limit": 10}}]
    limit = {"name": "accuracy", "at_least": 0.5}
    policy = {"format": 1, "version": 1, "stages": {"prod": {"gates": wanted, "waive": [limit]}, "dev": {}}}
    reg.commit({"policy.yaml": json.dumps(policy)})
    words = ("gates", "m", "--version", "v2.0.0", "--stage")
    ran = registry_here(reg.path, *words, "prod")
    assert ran.code == 1
    assert "passed  metric: name accuracy, at_least 0.6, tolerance 0.01, better greater" in ran.stdout
    assert "FAILED  size: limit 10" in ran.stdout
    assert "1 of 2 gates failed\nwaive: met: " in ran.stdout
    found = registry_here(reg.path, *words, "prod", "--json")
    assert (found.code, [each["passed"] for each in found.json["gates"]]) == (1, [True, False])
    assert (found.json["waived"], [each["id"] for each in found.json["findings"]]) == (True, ["gate-size"])
    value = {path: report(path)["results"]["metrics"]["accuracy"] for path in (V1, V2)}
    assert found.json["metrics"]["quality/accuracy"] == {"before": value[V1], "after": value[V2]}
    ran = registry_here(reg.path, *words, "dev")
    assert (ran.code, ran.stdout) == (0, "m v2.0.0 for dev\nthe stage asks for no gate\n")
    assert registry_here(reg.path, *words, "nowhere").code == 1


def test_simulate_runs_the_gates(reg: Repo) -> None:
    stage = {"gates": [metric(at_least=0.8)], "waive": [{"name": "accuracy", "at_least": 0.8}], "approvals": 1}
    policy = {"format": 1, "version": 1, "stages": {"prod": stage}}
    reg.commit({"policy.yaml": json.dumps(policy)})
    words = ("policy", "simulate", "m", "--stage", "prod", "--as", "dana@example.org", "--version")
    told = registry_here(reg.path, *words, "v2.0.0", "--json").json
    assert (told["allowed"], told["waived"], [each["passed"] for each in told["gates"]]) == (True, True, [True])
    ran = registry_here(reg.path, *words, "v1.0.0")
    assert (ran.code, "gate-failed: metric" in ran.stdout, "approvals-missing" in ran.stdout) == (1, True, True)
    assert "FAILED  metric" in ran.stdout


# --- limits, pure ---------------------------------------------------------------------------------------------------

numbers = st.floats(allow_nan=False, allow_infinity=False)
small = st.integers(-(10**6), 10**6).map(lambda each: each / 1000)
limits = st.builds(
    Metric,
    name=st.just("x"),
    at_least=st.none() | small,
    at_most=st.none() | small,
    tolerance=st.none() | small.map(abs),
    better=st.sampled_from(["greater", "smaller"]),
)


@settings(max_examples=30)
@given(limits, st.sampled_from([None, math.nan, math.inf, -math.inf, "0.9", True, {}]), st.lists(small, max_size=2))
def test_what_is_no_finite_number_keeps_no_limit(limit: Metric, value: Any, current: list[float]) -> None:
    assert list(broken(limit, value, current))


@given(limits, small, st.lists(small, max_size=3))
def test_a_limit_is_what_it_says(limit: Metric, value: float, current: list[float]) -> None:
    def thousands(number: float) -> int:
        return round(number * 1000)

    sign = 1 if limit.better == "greater" else -1
    worse = [sign * (thousands(each) - thousands(value)) for each in current]
    expected = [
        limit.at_least is not None and thousands(value) < thousands(limit.at_least),
        limit.at_most is not None and thousands(value) > thousands(limit.at_most),
        *(limit.tolerance is not None and each > thousands(limit.tolerance) for each in worse),
    ]
    assert len(list(broken(limit, value, current))) == sum(expected)


@given(numbers, numbers)
def test_one_is_worse_by_what_the_other_is_better(one: float, other: float) -> None:
    assert worse_by(one, other, "greater") == worse_by(other, one, "greater").copy_negate()
    assert worse_by(one, other, "greater") == worse_by(other, one, "smaller")
    assert (worse_by(one, other, "greater") > 0) is (one < other)


@given(numbers, st.lists(st.none() | st.just(math.nan), min_size=1))
def test_nothing_is_compared_with_what_is_no_number(value: float, current: list[Any]) -> None:
    assert len(list(broken(Metric(name="x", tolerance=1e9), value, current))) == len(current)
