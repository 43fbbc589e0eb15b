"""Birth certificates: what `link` writes of a real DVC pipeline, what `check` finds, `lineage` and `impact`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from dvc_lab import copied, make_pipeline, make_tracked
from git_http import GitServer
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import Lab, Repo
from linked import commit_version, make_registry, make_source, saved

import registry
from registry import lineage
from registry.api.checking import check
from registry.errors import NotFound, Refused, RegistryError
from registry.findings import WARNING
from registry.lineage import Certificate, Fact, dump, parse

CERTIFICATE = ".mlem/lineage/m.json"


@pytest.fixture
def pipeline(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Repo:
    template = make_pipeline(tmp_path_factory.getbasetemp())
    shutil.copytree(template, lab.root / "pipeline", symlinks=True)
    lab.tick(100)
    return Repo(lab, lab.root / "pipeline")


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_registry(lab)


def link(reg: Repo, source: str, rev: str = "v1", **options: Any) -> Certificate:
    """Link the model `lr`; its certificate, as it was written."""
    registry.link("lr", "m", source_project=source, rev=rev, project=reg.path, **options)
    return certificate(reg)


def certificate(reg: Repo) -> Certificate:
    return parse((reg.path / CERTIFICATE).read_bytes(), "")


def found(reg: Repo) -> list[str]:
    """What `lineage-complete` says."""
    findings = [each for each in check(reg.path).findings if each.id == "lineage-complete"]
    assert {each.severity for each in findings} <= {WARNING}
    return [each.message for each in findings]


def again(pipeline: Repo, files: dict[str, bytes | str | None]) -> None:
    pipeline.commit(files)
    pipeline.tag("v2")


def test_the_certificate_says_how_the_model_was_made_and_where_each_fact_was_read(pipeline: Repo, reg: Repo) -> None:
    made = link(reg, pipeline.url)
    values = {section: {name: fact.value for name, fact in facts.items()} for section, facts in made.facts.items()}
    assert made.breaks == ()
    assert made.commit == pipeline.rev("v1^{commit}")
    assert values["identity"]["author"] == "Dana <dana@example.org>"
    assert values["identity"]["revision"] == "v1"
    assert values["identity"]["source"] == pipeline.url
    assert values["framework"]["package"] == "scikit-learn"
    assert values["framework"]["version"]
    assert values["parameters"] == {
        "params.yaml:train.alpha": 0.5,
        "params.yaml:train.layers.0": 1,
        "params.yaml:train.layers.1": 2,
        "params.yaml:seed": 7,
    }
    assert values["features"]["predict.X.x"] == "float64"
    assert values["metrics"] == {"r2": 0.91, "by.north": 0.9}
    assert values["training"]["stage"] == "train"
    assert values["training"]["command"] == "cp base/lr lr"
    assert values["training"]["command:prepare"] == "sort data/raw.csv > data/clean.csv"
    assert {"code:train.py", "code:prepare.py"} <= values["training"].keys()
    assert values["declared"]["delta:sales"] == {"uri": "s3://lake/sales", "version": "12"}
    assert "secret" not in str(values)
    assert values["environment"]["package:pandas"]
    assert str(values["environment"]["container"]).startswith("registry.example.org/train@sha256:")
    assert values["tracking"]["mlflow.tracking_uri"] == "https://mlflow.example.org"
    alpha = made.section("parameters")["params.yaml:train.alpha"]
    assert alpha[1:] == ("dvc.lock", "stages.train.params.params.yaml.train.alpha", pipeline.rev("v1:dvc.lock"))
    assert made.section("parameters")["params.yaml:seed"][1:] == ("params.yaml", "seed", pipeline.rev("v1:params.yaml"))


def test_data_is_followed_back_to_what_was_not_made(pipeline: Repo, reg: Repo) -> None:
    data = link(reg, pipeline.url).section("data")
    assert data.keys() == {"data/raw.csv", "data/clean.csv", "base/lr"}
    raw, clean = data["data/raw.csv"].value, data["data/clean.csv"].value
    assert isinstance(raw, dict)
    assert isinstance(clean, dict)
    assert (raw["raw"], raw["read_by"], raw["size"]) == (True, "prepare", 8)
    assert raw["md5"] in pipeline.git("show", "v1:data/raw.csv.dvc")
    assert (clean["raw"], clean["made_by"], clean["read_by"]) == (False, "prepare", "train")
    held = data["base/lr"].value
    assert isinstance(held, dict)
    assert held["sha256"], "what git holds has a SHA-256 too"


def test_the_same_commit_gives_the_same_bytes_and_a_good_certificate_is_no_finding(pipeline: Repo, reg: Repo) -> None:
    link(reg, pipeline.url)
    first = (reg.path / CERTIFICATE).read_bytes()
    link(reg, pipeline.url)
    assert (reg.path / CERTIFICATE).read_bytes() == first
    assert found(reg) == []


def test_a_model_that_dvc_tracks_has_its_stage(lab: Lab, tmp_path_factory: pytest.TempPathFactory, reg: Repo) -> None:
    repo = copied(make_tracked(tmp_path_factory.getbasetemp()), lab)
    done = registry.link("trained", "m", source_project=repo.url, rev="v1", project=reg.path)
    assert done.certificate is not None
    assert done.certificate.breaks == ()
    assert done.certificate.section("training")["command"].value == "cp lr trained"
    assert done.certificate.section("data")["lr"].path == "pipeline/dvc.lock"
    assert found(reg) == []


def test_without_lineage_only_the_link_is_written_and_check_misses_it(pipeline: Repo, reg: Repo) -> None:
    reg.registry("link", "--no-lineage", "--source-project", pipeline.url, "--rev", "v1", "lr", "m")
    assert reg.git("status", "--porcelain", "-uall") == "?? .mlem/links/m.mlem"
    assert found(reg) == [f"no birth certificate: no file {CERTIFICATE}"]


def test_facts_that_differ_from_the_commit_are_found(pipeline: Repo, reg: Repo) -> None:
    link(reg, pipeline.url)
    text = (reg.path / CERTIFICATE).read_text()
    reg.write({CERTIFICATE: text.replace("0.91", "0.99")})
    assert found(reg) == ["metrics r2 is 0.99, the commit says 0.91 (metrics.json:r2)"]
    reg.write({CERTIFICATE: text.replace(pipeline.rev("v1:metrics.json"), "0" * 40)})
    assert any("metrics r2 is said to be read at" in each for each in found(reg))


def test_a_certificate_that_was_laid_out_otherwise_is_found_and_searched_all_the_same(
    pipeline: Repo, reg: Repo
) -> None:
    link(reg, pipeline.url)
    said = json.loads((reg.path / CERTIFICATE).read_bytes())
    reg.write({CERTIFICATE: json.dumps(said)})
    assert found(reg) == ["the birth certificate is not written as `registry link` writes it"]
    commit_version(reg, "v1.0.0")
    assert len(registry.impact(reg.path, source=pipeline.url).touched) == 1


def test_a_certificate_of_another_commit_is_found(pipeline: Repo, reg: Repo) -> None:
    link(reg, pipeline.url)
    old = (reg.path / CERTIFICATE).read_text()
    again(pipeline, {"README.md": "more\n"})
    link(reg, pipeline.url, rev="v2")
    reg.write({CERTIFICATE: old})
    (said,) = found(reg)
    assert said == f"it is of commit {pipeline.rev('v1^{commit}')}, the link pins {pipeline.rev('v2^{commit}')}"


BROKEN = {
    "train.py": ("# trains otherwise\n", "stage train read train.py of MD5"),
    "params.yaml": (
        "train: {alpha: 0.7, layers: [1, 2]}\n",
        "ran with params.yaml:train.alpha 0.5, the commit says 0.7",
    ),
    "metrics.json": ('{"r2": 1.0}\n', "stage evaluate wrote metrics.json of MD5"),
    "dvc.lock": ("stages: nonsense\n", "dvc.lock cannot be read"),
    "lineage.yaml": (f"mlflow: {{commit: {'1' * 40}}}\n", "the MLflow run was made at commit 1111"),
    "data/raw.csv.dvc": (
        f"outs:\n- md5: {'2' * 32}\n  hash: md5\n  path: raw.csv\n",
        "stage prepare read data/raw.csv",
    ),
}


@pytest.mark.parametrize("path", BROKEN)
def test_a_broken_chain_is_in_the_certificate_and_found(pipeline: Repo, reg: Repo, path: str) -> None:
    text, said = BROKEN[path]
    again(pipeline, {path: text})
    assert any(said in each for each in link(reg, pipeline.url, rev="v2").breaks)
    messages = found(reg)
    assert messages
    assert all(each.startswith("the chain is broken: ") for each in messages)
    assert any(said in each for each in messages)


def test_a_broken_chain_is_told_when_it_is_linked(pipeline: Repo, reg: Repo) -> None:
    text, said = BROKEN["train.py"]
    again(pipeline, {"train.py": text})
    ran = reg.registry("link", "--source-project", pipeline.url, "--rev", "v2", "lr", "m")
    assert said in ran.stderr


def test_a_pipeline_is_read_over_http_in_as_many_requests_however_many_files_it_has(
    lab: Lab, pipeline: Repo, reg: Repo, http: Callable[..., GitServer]
) -> None:
    here = link(reg, pipeline.url)
    pipeline.commit(
        {f"data/more-{number}.csv.dvc": f"outs:\n- md5: a{number:031}\n  path: x\n" for number in range(40)}
    )
    pipeline.tag("v2")
    served = lab.root / "served"
    lab.run("git", "clone", "--quiet", "--bare", str(pipeline.path), str(served / "pipeline"))
    server = http(served)
    counts = []
    for rev in ("v1", "v2"):
        before = len(server.requests)
        made = link(reg, f"{server.url}/pipeline", rev=rev)
        counts.append(len(server.requests) - before)
        assert {name: fact.value for name, fact in made.section("data").items()} == {
            name: fact.value for name, fact in here.section("data").items()
        }
        assert made.breaks == ()
    before = len(server.requests)
    assert found(reg) == []
    assert len(server.requests) - before <= 4, "what was collected is here"
    assert counts[1] <= counts[0] <= 20


def test_what_was_installed_is_also_read_beside_the_model(lab: Lab, reg: Repo) -> None:
    source = make_source(lab)
    files = saved()
    again(
        source,
        {
            "models/lr": files["lr"],
            "models/lr.mlem": files["lr.mlem"],
            "models/requirements.txt": "left-pad==1.3.0\nrequests==2.0\n",
            "requirements.txt": "requests==1.0\n",
        },
    )
    registry.link("models/lr", "m", source_project=source.url, rev="v2", project=reg.path)
    said = certificate(reg).section("environment")
    assert said["package:left-pad"][:3] == ("1.3.0", "models/requirements.txt", "left-pad")
    assert said["package:requests"].value == "2.0", "what stands beside the model comes first"
    assert {"requirements.txt", "models/requirements.txt"} <= said.keys()
    assert found(reg) == []


def test_outputs_that_the_next_stage_did_not_read_and_a_model_of_another_run_are_found(
    pipeline: Repo, reg: Repo
) -> None:
    lock = pipeline.git("show", "v1:dvc.lock")
    clean = lock.index("  - path: data/clean.csv", lock.index("outs:", lock.index("prepare:")))
    md5 = lock.index("md5: ", lock.index("hash:", clean)) + 5
    again(pipeline, {"dvc.lock": f"{lock[:md5]}{'3' * 32}{lock[md5 + 32 :]}\n"})
    (said,) = link(reg, pipeline.url, rev="v2").breaks
    assert said.endswith(f"stage prepare wrote one of MD5 {'3' * 32}")
    out = lock.index("  - path: lr", lock.index("outs:", lock.index("train:")))
    md5 = lock.index("md5: ", lock.index("hash:", out)) + 5
    pipeline.commit({"dvc.lock": f"{lock[:md5]}{'4' * 32}{lock[md5 + 32 :]}\n"})
    pipeline.tag("v3")
    breaks = link(reg, pipeline.url, rev="v3").breaks
    assert any(f"stage train wrote lr of MD5 {'4' * 32}, the model has MD5" in each for each in breaks)


def test_a_source_without_dvc_has_a_certificate_and_no_finding(lab: Lab, reg: Repo) -> None:
    made = link(reg, make_source(lab).url)
    assert made.section("data") == {}
    assert made.section("framework")["type"].value == "sklearn"
    assert found(reg) == []


@pytest.mark.parametrize(
    "text", ["nonsense: 1\n", "container: python:3\n", "delta: [1]\n", "mlflow: {a: b}\n", "a: &b c\n", "\xff"]
)
def test_a_hostile_lineage_yaml_is_a_break_and_no_error(lab: Lab, reg: Repo, text: str) -> None:
    source = make_source(lab)
    again(source, {"lineage.yaml": text.encode("latin-1")})
    (said,) = link(reg, source.url, rev="v2").breaks
    assert said.startswith("lineage.yaml cannot be read: ")


def test_a_credential_in_a_fact_is_refused_and_nothing_is_written(lab: Lab, reg: Repo) -> None:
    source = make_source(lab)
    again(source, {"params.yaml": f"token: ghp_{'a1B2' * 9}\n"})
    with pytest.raises(Refused) as caught:
        link(reg, source.url, rev="v2")
    assert caught.value.reason == "secrets"
    assert reg.git("status", "--porcelain", "-uall") == ""
    assert link_only(reg, source)


def link_only(reg: Repo, source: Repo) -> bool:
    registry.link("lr", "m", source_project=source.url, rev="v2", project=reg.path, lineage=False)
    return not (reg.path / CERTIFICATE).exists()


# --- lineage and impact ---------------------------------------------------------------------------------------------


@pytest.fixture
def registered(pipeline: Repo, reg: Repo) -> Repo:
    link(reg, pipeline.url)
    commit_version(reg, "v1.0.0", "prod")
    again(pipeline, {"README.md": "more\n"})
    link(reg, pipeline.url, rev="v2")
    commit_version(reg, "v1.1.0")
    registry.link("lr", "m", source_project=pipeline.url, rev="v1", project=reg.path, lineage=False)
    reg.write({CERTIFICATE: None})
    commit_version(reg, "v1.2.0")
    return reg


def test_lineage_prints_the_tree_of_a_version_or_stage(registered: Repo) -> None:
    text = registered.registry("lineage", "m#prod").stdout
    assert text.startswith("m v1.0.0\n├── identity\n")
    assert "│   ├── command: cp base/lr lr  (dvc.lock:stages.train.cmd)" in text
    said = registered.registry("lineage", "m@v1.1.0", "--format", "json").json
    assert (said["name"], said["version"], said["certificate"]["format"]) == ("m", "v1.1.0", 1)
    mermaid = registered.registry("lineage", "m#prod", "--format", "mermaid").stdout
    assert mermaid.startswith('flowchart LR\n    n0["m v1.0.0"]\n')
    assert '["stage prepare"]' in mermaid
    dot = registered.registry("lineage", "m#prod", "--format", "dot").stdout
    assert dot.startswith("digraph lineage {")
    assert dot.count(" -> ") == mermaid.count(" --> ") == 7
    missing = registered.registry("lineage", "m", check=False)
    assert missing.code == 1
    assert "m v1.2.0 has no birth certificate" in missing.stderr


def test_impact_names_every_version_and_stage_made_with_it(registered: Repo, pipeline: Repo) -> None:
    md5 = pipeline.git("show", "v1:data/raw.csv.dvc").split("md5: ")[1][:32]
    both = registry.impact(registered.path, data_md5=md5)
    assert [(each.version, each.stages) for each in both.touched] == [("v1.0.0", ("prod",)), ("v1.1.0", ())]
    assert both.touched[0].facts == ("data data/raw.csv",)
    assert (both.versions, both.uncertified) == (3, ["m@v1.2.0"])
    first = pipeline.rev("v1^{commit}")
    asked: list[tuple[dict[str, str], list[str]]] = [
        ({"commit": first[:9]}, ["v1.0.0"]),
        ({"source": pipeline.url + "/"}, ["v1.0.0", "v1.1.0"]),
        ({"requirement": "scikit-learn>0.1"}, ["v1.0.0", "v1.1.0"]),
        ({"requirement": "scikit_learn<0.1"}, []),
        ({"data_md5": "0" * 32}, []),
        ({"commit": first, "data_md5": md5}, ["v1.0.0"]),
    ]
    for question, versions in asked:
        assert [each.version for each in registry.impact(registered.path, **question).touched] == versions, question
    ran = registered.registry("impact", "--data-md5", md5)
    assert "v1.0.0" in ran.stdout
    assert "nothing is known of 1 of 3 versions" in ran.stderr
    assert registered.registry("impact", check=False).code == 2


def test_impact_finds_data_in_git_by_its_sha256(registered: Repo, pipeline: Repo) -> None:
    import hashlib

    sha256 = hashlib.sha256((pipeline.path / "base/lr").read_bytes()).hexdigest()
    assert len(registry.impact(registered.path, data=f"sha256:{sha256}").touched) == 2


@pytest.mark.parametrize("wrong", [{"data": "md5:1"}, {"commit": "HEAD"}, {"requirement": "a b c"}, {}])
def test_what_cannot_be_asked_is_one_error(reg: Repo, wrong: dict[str, str]) -> None:
    with pytest.raises(RegistryError):
        registry.impact(reg.path, **wrong)


def test_impact_starts_as_many_processes_for_many_versions_as_for_one(
    lab: Lab, pipeline: Repo, reg: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.git import objects, process

    link(reg, pipeline.url)
    commit_version(reg, "v1.0.0")
    started: list[int] = []
    start = process._start

    def counted(*args: Any, **options: Any) -> Any:
        started.append(1)
        return start(*args, **options)

    monkeypatch.setattr(process, "_start", counted)
    counts = []
    for first in (1, 21):
        started.clear()
        found = registry.impact(reg.path, source=pipeline.url)
        assert found.touched
        counts.append(len(started))
        for number in range(first, 21):
            reg.write({"note": str(number), CERTIFICATE: (reg.path / CERTIFICATE).read_text() + "\n" * (number % 3)})
            commit_version(reg, f"v1.0.{number}")
    assert counts[0] == counts[1]
    assert 1 <= counts[1] <= 8

    monkeypatch.setattr(objects, "MANY", 2)  # of many two gits give ids, and two give certificates, each a half
    monkeypatch.setattr(objects, "READERS", 2)
    started.clear()
    assert registry.impact(reg.path, source=pipeline.url) == found
    assert len(started) == counts[1] + 2


def test_impact_of_a_remote_registry_starts_no_process_for_each_version(
    lab: Lab, reg: Repo, http: Callable[..., GitServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry.git import process

    source = make_source(lab)
    link(reg, source.url)
    started: list[int] = []
    start = process._start

    def counted(*args: Any, **options: Any) -> Any:
        started.append(1)
        return start(*args, **options)

    monkeypatch.setattr(process, "_start", counted)
    (lab.root / "served").mkdir()
    server = http(lab.root / "served")
    counts = []
    for count in (2, 12):  # of one version its tree came with the policy's
        for number in range(count):
            reg.write({"note": f"{count} {number}"})
            commit_version(reg, f"v{count}.0.{number}")
        lab.run("git", "clone", "--quiet", "--bare", str(reg.path), str(lab.root / "served" / str(count)))
        started.clear()
        found = registry.impact(f"{server.url}/{count}", source=source.url)
        assert len(found.touched) == found.versions >= count
        counts.append(len(started))
    assert counts[0] == counts[1]


def test_a_version_without_a_certificate_says_so(lab: Lab, reg: Repo) -> None:
    registry.link("lr", "m", source_project=make_source(lab).url, rev="v1", project=reg.path, lineage=False)
    commit_version(reg, "v1.0.0")
    with pytest.raises(NotFound) as caught:
        registry.lineage_of("m", reg.path)
    assert "registry link" in caught.value.fix


# --- the format -----------------------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=40).map(lambda text: str(lineage.scalar(text))),
)
NAMES = st.text(max_size=20).map(lambda text: str(lineage.scalar(text)))
FACTS = st.builds(
    Fact, st.one_of(SCALARS, st.dictionaries(NAMES, SCALARS, max_size=3)), NAMES, NAMES, st.sampled_from(["", "a" * 40])
)
SECTIONS = st.dictionaries(
    st.sampled_from(lineage.SECTIONS), st.dictionaries(NAMES, FACTS, min_size=1, max_size=3), max_size=4
)
CERTIFICATES = st.builds(Certificate, st.just("c" * 40), NAMES, SECTIONS, st.lists(NAMES, max_size=2).map(tuple))


@settings(max_examples=50)
@given(CERTIFICATES)
def test_what_is_written_is_read_back(made: Certificate) -> None:
    text = dump(made)
    assert parse(text.encode(), "") == made
    assert dump(parse(text.encode(), "")) == text
    assert list(lineage.differences(made, made)) == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_value_becomes_a_scalar_that_can_be_written(value: object) -> None:
    made = Certificate("c" * 40, "m", {"metrics": {"a": Fact(lineage.scalar(value), "", "", "")}})
    assert parse(dump(made).encode(), "").commit == made.commit


GOOD = dump(Certificate("c" * 40, "m", {"metrics": {"a": Fact(1, "p", "k", "b" * 40)}}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        GOOD.replace('"format": 1', '"format": 2'),
        GOOD.replace('"format": 1', '"format": true'),
        GOOD.replace('"format": 1', '"format": 1, "more": 1'),
        GOOD.replace('"metrics"', '"other"'),
        GOOD.replace('"value": 1', '"value": [1]'),
        GOOD.replace('"value": 1', '"value": NaN'),
        GOOD.replace('"value": 1', '"value": {"a": {"b": 1}}'),
        GOOD.replace('"value": 1', '"value": 1, "value": 2'),
        GOOD.replace('"value": 1', f'"value": 1{"0" * 5000}'),
        GOOD.replace('"value": 1', '"value": "\\u001b[31m"'),
        GOOD.replace('"value": 1', '"value": "\\ud800"'),
        GOOD.replace("b" * 40, "HEAD"),
        GOOD.replace("c" * 40, "c" * 39),
        "[" * 100_000,
        '{"a":' * 100_000,
        " " * (1 << 20) + "{}",
    ],
)
def test_a_certificate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RegistryError) as caught:
        parse(text.encode(), "m.json")
    assert caught.value.where == "m.json"
    assert caught.value.fix


def test_what_the_source_says_is_no_markup(lab: Lab) -> None:
    from registry.render.lineage import as_dot, as_mermaid

    evil = 'a"]; click n0 "javascript:x" <script>#'
    made = Certificate("c" * 40, "m", {"data": {evil: Fact({"read_by": evil}, "p", "k", "b" * 40)}})
    mermaid = as_mermaid("m", made)
    assert evil not in mermaid
    assert all(line.count('"') in {0, 2} for line in mermaid.splitlines())
    assert '\\"' in as_dot("m", made)
