"""`registry.load_model`: a model behind its interface, with pre- and postprocessing, every call checked."""

from __future__ import annotations

import inspect
import json
import pickle
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from inprocess import registry_here
from lab import Lab, Repo
from linked import ROWS, add, commit_version, link_text, make_registry, make_source, saved
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

import registry
from registry import InvalidArguments, InvalidResult, Refused, RegistryError, metafile
from registry.api.loading import Fetched, bring
from registry.api.serving import serve
from registry.datatypes import Primitive
from registry.formats.calling import Call
from registry.formats.unfit import Fit
from registry.interface import Argument, Method
from registry.metafile import ArtifactRef

FIXTURES = Path(__file__).parent / "fixtures" / "mlem" / "chains"
ANSWERS = json.loads((FIXTURES / "answers.json").read_text())
ARRAY = np.array([[1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [4.0, 0.0]])
TEXT = json.dumps(ARRAY.tolist())
made_here = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the fixture holds byte code of the Python 3.11 that made it"
)


class Bomb:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


def files_of(folder: Path, name: str) -> dict[str, bytes]:
    """A model's files by their path in a source."""
    found = {path for path in folder.rglob("*") if path.is_file()}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in found
        if path.relative_to(folder).parts[0].partition(".")[0] == name
    }


def linked(lab: Lab, name: str, files: dict[str, bytes], extra: dict[str, str] | None = None) -> Repo:
    """A registry whose artifact `m` is the model `name` of a source with these files."""
    source = make_source(lab, files=files)
    reg = make_registry(lab)
    if extra:
        reg.commit(extra)
    registry.link(name, "m", source_project=source.url, rev="v1", project=reg.path)
    commit_version(reg, "v1.0.0", "prod")
    return reg


@pytest.fixture
def reg(lab: Lab) -> Repo:
    made = make_registry(lab)
    add(made, make_source(lab).url, stage="prod")
    return made


@pytest.fixture
def _fixtures_versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The fixtures were made with the packages of their day."""
    from sklearn.exceptions import InconsistentVersionWarning

    monkeypatch.setenv("REGISTRY_REQUIREMENTS", "ignore")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        yield


# --- the wrapper --------------------------------------------------------------------------------------------------------


def test_a_model_has_exactly_the_methods_of_its_interface(reg: Repo) -> None:
    model: Any = registry.load_model("m", stage="prod", project=reg.path)
    assert list(model.predict(ROWS)) == pytest.approx(ROWS["x"])
    assert dir(model) == ["predict"]
    assert not callable(model)
    assert str(inspect.signature(model.predict)).startswith("(X: 'dataframe of 2 columns') -> 'ndarray of float64 [*]'")
    assert "predict(X: dataframe of 2 columns)" in repr(model)
    for name in ("fit", "coef_", "score", "__wrapped__"):
        assert not hasattr(model, name)
    with pytest.raises(AttributeError, match="no method 'fit'; it has predict"):
        _ = model.fit
    assert (registry.resolved_of(model).version, registry.resolved_of(model).stage) == ("v1.0.0", "prod")
    with pytest.raises(TypeError, match="not copied or pickled"):
        pickle.dumps(model)


def test_a_call_that_the_interface_does_not_allow_never_reaches_the_model(reg: Repo) -> None:
    model: Any = registry.load_model("m", project=reg.path)
    for call, said in [
        (model.predict, "missing: argument X"),
        (lambda: model.predict(ROWS, 1), "takes 1 positional arguments, 2 were given"),
        (lambda: model.predict(ROWS, X=ROWS), "given twice: argument X"),
        (lambda: model.predict(ROWS, x=1), "unknown: argument x"),
        (lambda: model.predict(Y=ROWS), "unknown: argument Y"),
        (lambda: model.predict(ROWS.to_numpy()), "argument X: expected dataframe of 2 columns, found ndarray"),
        (lambda: model.predict(ROWS[["x"]]), "argument X, column 'y': expected float64, found no such column"),
        (lambda: model.predict(ROWS.assign(z=1)), "argument X, column 'z': expected no such column"),
        (lambda: model.predict(ROWS.assign(y="a")), "argument X, column 'y': expected float64, found str"),
    ]:
        with pytest.raises(InvalidArguments) as caught:
            call()
        assert caught.value.what.startswith("predict: ")
        assert said.replace("found str", "found") in caught.value.what
        assert caught.value.where == "m@v1.0.0"
        assert "predict(X: dataframe of 2 columns)" in caught.value.fix
    assert list(model.predict(X=ROWS[["y", "x"]].astype("int64"))) == pytest.approx(ROWS["x"])


def test_extra_columns_are_dropped_and_results_unseen_where_that_is_asked_for(lab: Lab, reg: Repo) -> None:
    model: Any = registry.load_model("m", project=reg.path, extra_columns="drop")
    assert list(model.predict(ROWS.assign(z=1))) == pytest.approx(ROWS["x"])
    with pytest.raises(RegistryError, match="extra_columns='keep'"):
        registry.load_model("m", project=reg.path, extra_columns="keep")


def test_a_result_that_the_interface_does_not_promise_is_told(lab: Lab) -> None:
    described = saved()["lr.mlem"].replace(b"dtype: float64", b"dtype: float32")
    reg = linked(lab, "lr", {**saved(), "lr.mlem": described})
    model: Any = registry.load_model("m", project=reg.path)
    with pytest.raises(InvalidResult, match="predict: result, dtype: expected float32, found float64") as caught:
        model.predict(ROWS)
    assert "check_results=False" in caught.value.fix
    model = registry.load_model("m", project=reg.path, check_results=False)
    assert list(model.predict(ROWS)) == pytest.approx(ROWS["x"])


def test_arguments_follow_the_rules_of_a_python_call() -> None:
    arguments = (
        Argument("X", Primitive("float")),
        Argument("n", Primitive("int"), required=False, default=1),
        Argument("how", Primitive("NoneType"), required=False, kw_only=True),
    )
    method = Method("predict", arguments, Primitive("str"), varkw="rest", varkw_type=Primitive("int"))
    call = Call("predict", method, (lambda *args, **kwargs: repr((args, kwargs)),), "m@v1", Fit())
    assert call(1) == "((1,), {})", "what is left out is left to the model's own default"
    assert call(1.5, n=2, how="any", k=3) == "((1.5,), {'n': 2, 'how': 'any', 'k': 3})"
    for args, kwargs, said in [
        ((1.0, "a"), {}, "argument n: expected int, found str"),
        ((1.0, 2, 3), {}, "takes 2 positional arguments, 3 were given"),
        ((1.0,), {"k": "x"}, "argument k: expected int, found str"),
        ((), {"n": 1}, "missing: argument X"),
    ]:
        with pytest.raises(InvalidArguments, match=said):
            call(*args, **kwargs)


# --- chains -------------------------------------------------------------------------------------------------------------


def chained(lab: Lab, tmp_path: Path, policy: str = "", **options: Any) -> Repo:
    model = LinearRegression().fit(ARRAY, ARRAY[:, 0] * 3 + 1)
    registry.save(model, tmp_path / "made" / "lr", sample_data=TEXT, preprocess=json.loads, postprocess=list, **options)
    files = files_of(tmp_path / "made", "lr")
    return linked(lab, "lr", files, {"policy.yaml": policy} if policy else None)


@pytest.mark.parametrize("kind", [None, "pickle"])
def test_a_chain_that_was_saved_is_applied_and_load_says_that_it_leaves_it_out(
    lab: Lab, tmp_path: Path, kind: str | None
) -> None:
    reg = chained(lab, tmp_path, format=kind)
    model: Any = registry.load_model("m", project=reg.path)
    assert model.predict(TEXT) == pytest.approx([4.0, 7.0, 10.0, 13.0])
    assert model.predict(json.dumps(ARRAY[:1].tolist())) == pytest.approx([4.0])
    with pytest.raises(InvalidArguments, match="argument s: expected str, found ndarray"):
        model.predict(ARRAY)
    with pytest.warns(registry.PartialModel, match=r"registry\.load_model applies them") as caught:
        main: Any = registry.load("m", project=reg.path)
    assert caught[0].filename == __file__
    assert main.predict(ARRAY) == pytest.approx([4.0, 7.0, 10.0, 13.0])
    (reg.path / "rows").write_text(json.dumps(TEXT))
    ran = registry_here(reg.path, "predict", "m", "--data", "rows", "--json")
    assert (ran.code, ran.json) == (0, pytest.approx([4.0, 7.0, 10.0, 13.0]))


def test_what_a_processor_raises_is_the_callers_and_one_error_on_the_command_line(lab: Lab, tmp_path: Path) -> None:
    reg = chained(lab, tmp_path)
    model: Any = registry.load_model("m", project=reg.path)
    with pytest.raises(json.JSONDecodeError):
        model.predict("[")
    (reg.path / "rows").write_text('"["')
    ran = registry_here(reg.path, "predict", "m", "--data", "rows")
    assert ran.code == 1
    assert "does not take these rows: JSONDecodeError" in ran.stderr


@pytest.mark.parametrize("policy", ["never", "signed"])
def test_a_pickle_among_the_processors_is_never_read_where_policy_forbids_it(
    lab: Lab, tmp_path: Path, policy: str
) -> None:
    """The model itself is skops, which policy admits: the attack is the preprocessor beside it."""
    struck = tmp_path / "struck"
    folder = tmp_path / "made"
    registry.save(LinearRegression().fit(ARRAY, ARRAY[:, 0]), folder / "lr", sample_data=TEXT, preprocess=json.loads)
    bomb = pickle.dumps(Bomb(struck))
    (folder / "lr" / "preprocess").write_bytes(bomb)
    reg = linked(
        lab,
        "lr",
        _unsigned(files_of(folder, "lr")),
        {"policy.yaml": f"format: 1\nversion: 1\nformats: {{pickle: {policy}}}\n"},
    )
    with pytest.raises(Refused, match=r"formats\.pickle") as caught:
        registry.load_model("m", project=reg.path)
    assert caught.value.reason == "format-allowed"
    assert not struck.exists()
    assert not registry.checkenv("m", project=reg.path).loads
    with pytest.warns(registry.PartialModel):
        assert isinstance(registry.load("m", project=reg.path), LinearRegression)
    assert not struck.exists()
    fetched = bring(registry.resolve("m", project=reg.path))
    open_minded = type(fetched.resolved)(**{**vars(fetched.resolved), "policy": type(fetched.resolved.policy)()})
    with pytest.raises(RegistryError):  # what came of the bomb is no callable
        serve(Fetched(open_minded, fetched.metafile, fetched.files, fetched.metafile_file))
    assert struck.exists(), "the bomb does strike where policy admits it: the test above can fail"


def _unsigned(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same files with a metafile that says nothing of their bytes: the link pins them as they are."""
    found = metafile.parse(files["lr.mlem"], "lr.mlem")
    bare = MappingProxyType({name: ArtifactRef(ref.uri) for name, ref in found.artifacts.items()})
    return {**files, "lr.mlem": metafile.dump(replace(found, artifacts=bare, params={})).encode()}


# --- what MLEM wrote ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_fixtures_versions")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("text", marks=made_here),
        pytest.param("nosample", marks=made_here),
        pytest.param("by_method", marks=made_here),
        "scaled",
        "root",
    ],
)
def test_a_chain_that_mlem_wrote_answers_what_mlem_answers(lab: Lab, name: str) -> None:
    reg = linked(lab, name, files_of(FIXTURES, name))
    model: Any = registry.load_model("m", project=reg.path)
    assert set(dir(model)) == set(ANSWERS[name])
    for method, answer in ANSWERS[name].items():
        given = {"text": TEXT, "nosample": TEXT, "root": 17.0}.get(name, ARRAY)
        call = model if method == "__call__" else getattr(model, method)
        assert np.asarray(call(given)) == pytest.approx(np.asarray(answer))
    assert callable(model) == (name == "root")


def test_a_transformer_before_the_model_is_kept_by_its_own_format(tmp_path: Path, lab: Lab) -> None:
    scaler = StandardScaler().fit(ARRAY)
    model = LinearRegression().fit(scaler.transform(ARRAY), ARRAY[:, 1])
    registry.save(model, tmp_path / "made" / "lr", sample_data=ARRAY, preprocess=scaler)
    assert b"pickle" not in (tmp_path / "made" / "lr.mlem").read_bytes()
    reg = linked(
        lab,
        "lr",
        files_of(tmp_path / "made", "lr"),
        {"policy.yaml": "format: 1\nversion: 1\nformats: {pickle: never}\n"},
    )
    served: Any = registry.load_model("m", project=reg.path)
    assert served.predict(ARRAY) == pytest.approx(ARRAY[:, 1])
    assert "artifact.preprocess/data.sha256" in link_text(reg)


def test_a_frame_that_is_converted_is_what_the_model_sees(lab: Lab, reg: Repo) -> None:
    model: Any = registry.load_model("m", project=reg.path)
    ints = pd.DataFrame({"y": [0], "x": [3], "z": ["left out"]})
    assert registry.load_model("m", project=reg.path, extra_columns="drop").predict(ints) == pytest.approx([3.0])
    assert model.predict(ints[["y", "x"]]).dtype == np.float64
