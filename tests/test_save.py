"""`registry.save`: the artifact, its metafile in MLEM's layout, and what a loader makes of them."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from registry import datatypes, formats, metafile
from registry.api import save as save_module
from registry.api.save import SavedModel, save
from registry.errors import Refused, RegistryError
from registry.formats import Content, Trust
from registry.layout import artifact_paths

MLEM = os.environ.get("REGISTRY_MLEM_PYTHON") or None
needs_mlem = pytest.mark.skipif(MLEM is None, reason="REGISTRY_MLEM_PYTHON names no interpreter with mlem")
TABLE = pd.DataFrame({"area": [1.0, 2.0, 3.0, 4.0], "age": [1.0, 0.0, 1.0, 0.0]})
TARGET = [0, 1, 0, 1]


class Mine(BaseEstimator, TransformerMixin):
    """A type that no installed package provides."""

    def fit(self, X: object, y: object = None) -> Mine:  # noqa: N803 - scikit-learn's own name
        self.fitted_ = True
        return self

    def transform(self, X: object) -> object:  # noqa: N803 - as above
        return X


def linear() -> LinearRegression:
    return LinearRegression().fit(TABLE, TARGET)


def document(saved: SavedModel) -> dict:
    return yaml.safe_load(saved.metafile.read_text(encoding="utf-8"))


def loaded(saved: SavedModel, trust: Trust = Trust()) -> object:
    found = metafile.parse(saved.metafile.read_bytes(), saved.metafile.name)
    files = {name: saved.metafile.parent / place for name, place in artifact_paths(found, saved.metafile.name).items()}
    return formats.load_model(found, {name: Content(path.read_bytes()) for name, path in files.items()}, trust)


# --- what is written ----------------------------------------------------------------------------------------------------


def test_the_metafile_stands_beside_the_artifact_and_names_its_digests(tmp_path: Path) -> None:
    saved = save(linear(), tmp_path / "models" / "deep" / "linear")
    data = (tmp_path / "models" / "deep" / "linear").read_bytes()
    assert saved == SavedModel(
        tmp_path / "models" / "deep" / "linear.mlem", {"data": tmp_path / "models" / "deep" / "linear"}
    )
    assert document(saved)["artifacts"] == {
        "data": {"uri": "linear", "size": len(data), "hash": hashlib.md5(data).hexdigest()}
    }
    assert document(saved)["params"] == {"artifact.data.sha256": hashlib.sha256(data).hexdigest()}


def test_skops_is_the_default_and_pickle_leaves_mlems_default_out(tmp_path: Path) -> None:
    assert document(save(linear(), tmp_path / "a"))["processors"]["model"]["io"] == {"type": "skops"}
    assert "io" not in document(save(linear(), tmp_path / "b", format="pickle"))["processors"]["model"]
    assert (tmp_path / "b").read_bytes() == pickle.dumps(linear())


@pytest.mark.parametrize("format_", [None, "skops", "pickle", "joblib"])
def test_what_was_saved_loads_and_predicts_the_same(tmp_path: Path, format_: str | None) -> None:
    model = linear()
    saved = save(model, tmp_path / "m", sample_data=TABLE, format=format_)
    assert np.array_equal(loaded(saved).predict(TABLE), model.predict(TABLE))


def test_skops_loads_where_policy_forbids_pickle_and_pickle_does_not(tmp_path: Path) -> None:
    loaded(save(linear(), tmp_path / "a"), Trust("never"))
    with pytest.raises(Refused):
        loaded(save(linear(), tmp_path / "b", format="pickle"), Trust("never"))


def test_keys_are_sorted_and_defaults_left_out(tmp_path: Path) -> None:
    text = save(linear(), tmp_path / "m", sample_data=TABLE, params={"b": 1, "a": "x"}).metafile.read_text()
    assert text == yaml.safe_dump(yaml.safe_load(text), sort_keys=True, width=1 << 16)
    assert "null" not in text.replace("- null", "")
    assert "required" not in text
    assert list(yaml.safe_load(text)["params"]) == ["a", "artifact.data.sha256", "b"]


def test_requirements_name_packages_and_versions(tmp_path: Path) -> None:
    import sklearn

    found = {
        each["module"]: each for each in document(save(linear(), tmp_path / "m", sample_data=TABLE))["requirements"]
    }
    assert found["sklearn"] == {"module": "sklearn", "package_name": "scikit-learn", "version": sklearn.__version__}
    assert set(found) == {"numpy", "pandas", "skops", "sklearn"}
    assert {each["module"] for each in document(save(linear(), tmp_path / "n"))["requirements"]} == {"skops", "sklearn"}


def test_the_interface_is_that_of_the_sample(tmp_path: Path) -> None:
    model = RandomForestClassifier(2).fit(TABLE, TARGET)
    methods = document(save(model, tmp_path / "m", sample_data=TABLE))["processors"]["model"]["methods"]
    assert methods["predict"]["args"] == [
        {
            "name": "X",
            "type_": {"type": "dataframe", "columns": ["area", "age"], "dtypes": ["float64"] * 2, "index_cols": []},
        }
    ]
    assert methods["predict_proba"]["returns"] == {"type": "ndarray", "shape": [None, 2], "dtype": "float64"}


def test_the_same_model_and_bytes_give_the_same_metafile(tmp_path: Path) -> None:
    first = save(linear(), tmp_path / "a" / "m", sample_data=TABLE, format="pickle", params={"x": [1, {"y": None}]})
    second = save(linear(), tmp_path / "b" / "m", sample_data=TABLE, format="pickle", params={"x": [1, {"y": None}]})
    assert first.metafile.read_bytes() == second.metafile.read_bytes()


def test_a_path_with_the_metafiles_ending_is_the_same_model(tmp_path: Path) -> None:
    assert save(linear(), str(tmp_path / "m.mlem")).metafile == tmp_path / "m.mlem"
    assert (tmp_path / "m").is_file()


def test_saving_again_replaces_both_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    save(linear(), tmp_path / "m", format="pickle")
    saved = save(LogisticRegression().fit(TABLE, TARGET), tmp_path / "m")
    assert isinstance(loaded(saved), LogisticRegression)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m", "m.mlem"]


# --- what a loader would refuse -------------------------------------------------------------------------------------------


def test_types_that_a_loader_refuses_are_named_with_the_policy_key(tmp_path: Path) -> None:
    name = f"{Mine.__module__}.Mine"
    with pytest.warns(UserWarning, match=rf"formats\.skops_trusted.*{name}"):
        saved = save(make_pipeline(Mine(), LinearRegression()).fit(TABLE, TARGET), tmp_path / "m")
    assert saved.untrusted == (name,)
    assert saved.local == (Mine.__module__,)
    with pytest.raises(Refused, match=name):
        loaded(saved)
    loaded(saved, Trust(skops_trusted=saved.untrusted))


def test_a_pickle_that_needs_a_module_of_no_package_is_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=Mine.__module__):
        saved = save(make_pipeline(Mine(), LinearRegression()).fit(TABLE, TARGET), tmp_path / "m", format="pickle")
    assert saved.local == (Mine.__module__,)


# --- pre- and postprocessors ----------------------------------------------------------------------------------------------


def halves(values: np.ndarray) -> list[float]:
    return [float(value) / 2 for value in values]


def test_a_chain_lies_in_a_folder_as_mlem_lays_it_out(tmp_path: Path) -> None:
    model = LinearRegression().fit(TABLE.to_numpy(), TARGET)
    sample = json.dumps(TABLE.to_numpy().tolist())
    saved = save(model, tmp_path / "m", sample_data=sample, preprocess=json.loads, postprocess=np.mean)
    found = document(saved)
    assert found["call_orders"] == {
        "predict": [["preprocess", "__call__"], ["model", "predict"], ["postprocess", "__call__"]]
    }
    assert {name: ref["uri"] for name, ref in found["artifacts"].items()} == {
        "model/data": "m/model", "preprocess/data.pkl": "m/preprocess", "postprocess/data.pkl": "m/postprocess",
    }  # fmt: skip
    assert set(saved.artifacts) == set(found["artifacts"])
    for name, path in saved.artifacts.items():
        assert found["params"][f"artifact.{name}.sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    offered = metafile.parse(saved.metafile.read_bytes(), "m").interface.methods["predict"]
    assert datatypes.describe(offered.args[0].type_) == "str"
    assert datatypes.describe(offered.returns) == "number of float64"


def test_processors_by_method_are_called_for_their_method_alone(tmp_path: Path) -> None:
    model = LogisticRegression().fit(TABLE.to_numpy(), TARGET)
    saved = save(model, tmp_path / "m", sample_data=TABLE.to_numpy(), postprocess={"predict_proba": np.ravel})
    assert document(saved)["call_orders"] == {
        "predict": [["model", "predict"]],
        "predict_proba": [["model", "predict_proba"], ["postprocess_predict_proba", "__call__"]],
    }


def test_a_chain_without_sample_data_is_saved_without_types(tmp_path: Path) -> None:
    saved = save(linear(), tmp_path / "m", preprocess=json.loads)
    found = metafile.parse(saved.metafile.read_bytes(), "m").interface.methods["predict"]
    assert datatypes.describe(found.args[0].type_) == "unspecified"


def test_a_function_of_the_tests_own_module_is_stored_by_name_and_told_to_be_local(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="no installed package provides: test_save"):
        saved = save(linear(), tmp_path / "m", sample_data=TABLE, postprocess=halves)
    assert saved.local == ("test_save",)
    assert (tmp_path / "m" / "postprocess").read_bytes() == pickle.dumps(halves)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"preprocess": lambda x: x}, "cannot be stored by its name"),
        ({"postprocess": {"fit": np.ravel}}, "names methods that the model has not: fit"),
        ({"preprocess": 3}, "no format saves a builtins.int"),
        ({"preprocess": LogisticRegression().fit(TABLE, TARGET)}, "a processor has exactly one"),
    ],
)
def test_processors_that_cannot_be_used_are_refused_and_nothing_is_written(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    with pytest.raises(RegistryError, match=said) as caught:
        save(linear(), tmp_path / "m", **options)
    assert caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_a_function_of_the_program_itself_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys, registry; from sklearn.linear_model import LinearRegression\n"
        "def own(x): return x\n"
        "try: registry.save(LinearRegression(), sys.argv[1], preprocess=own)\n"
        "except registry.RegistryError as error: print(error.what)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(formats.__file__).parents[2])}
    argument = [sys.executable, "-c", code, str(tmp_path / "m")]
    done = subprocess.run(argument, capture_output=True, text=True, check=False, env=env)
    assert "preprocess is defined in the program that was started" in done.stdout, done.stderr


def test_a_file_is_never_replaced_by_the_folder_of_a_chain(tmp_path: Path) -> None:
    save(linear(), tmp_path / "m")
    with pytest.raises(RegistryError, match="a file stands where the folder"):
        save(linear(), tmp_path / "m", preprocess=json.loads)


# --- refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"artifact.data.sha256": "x"},
        {"artifact.": 1},
        {1: "x"},
        {"x": object()},
        {"x": np.float64(1)},
        {"x": {1: 2}},
        {"x": [{1, 2}]},
    ],
)
def test_reserved_and_unwritable_params_are_refused_and_nothing_is_written(tmp_path: Path, params: dict) -> None:
    with pytest.raises(RegistryError) as caught:
        save(linear(), tmp_path / "m", params=params)
    assert caught.value.fix
    assert list(tmp_path.iterdir()) == []


def test_params_that_hold_themselves_are_refused(tmp_path: Path) -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(RegistryError):
        save(linear(), tmp_path / "m", params={"x": endless})


@pytest.mark.parametrize("name", ["m", "m.mlem"])
def test_a_folder_is_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "kept").touch()
    with pytest.raises(RegistryError, match="folder"):
        save(linear(), tmp_path / "m")
    assert (tmp_path / name / "kept").exists()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["..", "", "a:b", "x\ny", "back\\slash", ".mlem"])
def test_names_that_a_reader_would_refuse_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(RegistryError):
        save(linear(), f"{tmp_path}/sub/{name}" if name else "")
    assert not (tmp_path / "sub").exists()


def test_a_file_in_the_way_of_a_folder_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RegistryError, match="cannot write"):
        save(linear(), tmp_path / "file" / "m")


def test_a_write_that_fails_keeps_the_old_files_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = save(linear(), tmp_path / "m").metafile.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(save_module.os, "fsync", full)
    with pytest.raises(RegistryError, match="No space left"):
        save(linear(), tmp_path / "m", params={"x": 1})
    assert (tmp_path / "m.mlem").read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["m", "m.mlem"]


@pytest.mark.parametrize(
    "model",
    [object(), LinearRegression, "text", None, {"a": 1}],
    ids=["object", "class", "text", "none", "dict"],
)
def test_what_no_format_knows_is_refused(tmp_path: Path, model: object) -> None:
    with pytest.raises(RegistryError, match="no format saves"):
        save(model, tmp_path / "m")


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="unknown format 'onnx'"):
        save(linear(), tmp_path / "m", format="onnx")


@pytest.mark.filterwarnings("ignore")
def test_sample_data_that_does_not_fit_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="predict failed on the sample data"):
        save(linear(), tmp_path / "m", sample_data=np.zeros((2, 7)))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_was_not_fitted_is_one_error_with_a_sample(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="NotFittedError"):
        save(LinearRegression(), tmp_path / "m", sample_data=TABLE)


@pytest.mark.parametrize("format_", ["skops", "pickle"])
def test_a_function_that_cannot_be_stored_is_one_error(tmp_path: Path, format_: str) -> None:
    model = make_pipeline(FunctionTransformer(lambda x: x), LinearRegression()).fit(TABLE, TARGET)
    with pytest.raises(RegistryError) as caught:
        loaded(save(model, tmp_path / "m", format=format_))
    assert caught.value.fix


# --- with real MLEM -------------------------------------------------------------------------------------------------------


def mlem(code: str, *argv: object) -> object:
    env = {**os.environ, "MLEM_TESTS": "true", "MLEM_NO_ANALYTICS": "true"}  # else it writes to the home folder
    argument = [str(MLEM), "-c", code, *map(str, argv)]
    done = subprocess.run(argument, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition("ANSWER ")[2])


MODELS = {
    "regression": (linear(), TABLE),
    "forest": (RandomForestClassifier(2, random_state=0).fit(TABLE, TARGET), TABLE),
    "pipeline": (make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE.to_numpy(), TARGET), TABLE.to_numpy()),
    "with defaults": (BayesianRidge().fit(TABLE, TARGET), TABLE),
    "outliers": (IsolationForest(n_estimators=2, random_state=0).fit(TABLE), TABLE),
    "scaler": (StandardScaler().fit(TABLE), TABLE),
    "clusters": (KMeans(2, n_init=1, random_state=0).fit(TABLE), TABLE),
}


@needs_mlem
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "with defaults" else pytest.mark.thorough) for name in MODELS]
)
def test_mlem_loads_what_was_saved_as_pickle_and_describes_the_model_the_same(tmp_path: Path, name: str) -> None:
    model, sample = MODELS[name]
    saved = save(model, tmp_path / "m", sample_data=sample, format="pickle", params={"alpha": 1})
    with (tmp_path / "sample").open("wb") as stream:
        pickle.dump((model, sample), stream)
    code = (
        "import sys, json, pickle; from mlem.api import load, load_meta, save\n"
        "model, sample = pickle.load(open(sys.argv[2], 'rb')); found = load_meta(sys.argv[1]); found.load_value(); call = next(iter(sorted(found.call_orders)))\n"
        "theirs = save(model, sys.argv[1] + '_theirs', sample_data=sample)\n"
        "print('ANSWER', json.dumps([found.params, getattr(found, call)(sample).tolist(), getattr(load(sys.argv[1]), call)(sample).tolist(), found.dict(), theirs.dict()]))"
    )
    params, answers, direct, ours, theirs = mlem(code, tmp_path / "m", tmp_path / "sample")
    call = min(document(saved)["call_orders"])
    assert answers == direct == getattr(model, call)(sample).tolist()
    assert params["alpha"] == 1
    assert ours["processors"] == theirs["processors"]
    assert ours["call_orders"] == theirs["call_orders"]
    assert [each for each in ours["requirements"] if each["module"] == "sklearn"] == [
        each for each in theirs["requirements"] if each["module"] == "sklearn"
    ]


@needs_mlem
@pytest.mark.thorough
def test_mlem_loads_a_chain_that_was_saved_as_pickle_and_describes_it_the_same(tmp_path: Path) -> None:
    scaler = StandardScaler().fit(TABLE.to_numpy())
    model = LinearRegression().fit(scaler.transform(TABLE.to_numpy()), TARGET)
    cases = {
        "text": {"sample_data": json.dumps(TABLE.to_numpy().tolist()), "preprocess": json.loads},
        "scaled": {"sample_data": TABLE.to_numpy(), "preprocess": scaler, "postprocess": statistics.fmean},
    }
    for name, options in cases.items():
        save(model, tmp_path / name, format="pickle", **options)
    with (tmp_path / "cases").open("wb") as stream:
        pickle.dump((model, cases), stream)
    code = (
        "import sys, json, pickle; from mlem.api import load_meta, save\n"
        "model, cases = pickle.load(open(sys.argv[1] + '/cases', 'rb')); answers = []\n"
        "for name, options in cases.items():\n"
        "    ours = load_meta(sys.argv[1] + '/' + name); ours.load_value()\n"
        "    theirs = save(model, sys.argv[1] + '/theirs_' + name, **options)\n"
        "    one, two = ours.predict(options['sample_data']), theirs.predict(options['sample_data'])\n"
        "    held_here = ours.processors_raw\n"
        "    for held in held_here.values():\n"
        "        for call in held['methods'].values(): [each.pop('kw_only', None) for each in call['args']]  # MLEM leaves it out\n"
        "    answers.append([getattr(one, 'tolist', lambda: one)(), getattr(two, 'tolist', lambda: two)(), held_here, theirs.processors_raw, ours.call_orders == theirs.call_orders])\n"
        "print('ANSWER', json.dumps(answers))"
    )
    for ours, theirs, our_processors, their_processors, orders in mlem(code, tmp_path):
        assert ours == pytest.approx(theirs)
        assert our_processors == their_processors
        assert orders


@needs_mlem
@pytest.mark.thorough
def test_mlem_reads_a_metafile_that_it_wrote_and_we_wrote_again(tmp_path: Path) -> None:
    fixtures = Path(__file__).parent / "fixtures" / "mlem" / "models"
    for path in fixtures.glob("*.mlem"):
        (tmp_path / path.name).write_text(metafile.dump(metafile.parse(path.read_bytes(), path.name)))
    code = (
        "import sys, json, pathlib; from mlem.api import load_meta\n"
        "same = [load_meta(str(p)).dict() == load_meta(str(pathlib.Path(sys.argv[2]) / p.name)).dict() for p in pathlib.Path(sys.argv[1]).glob('*.mlem')]\n"
        "print('ANSWER', json.dumps(same))"
    )
    assert mlem(code, fixtures, tmp_path) == [True] * 7


@needs_mlem
def test_mlem_reads_the_metafile_of_a_skops_model_as_data(tmp_path: Path) -> None:
    saved = save(linear(), tmp_path / "m", sample_data=TABLE)
    code = "import sys, json; from mlem.api import load_meta; found = load_meta(sys.argv[1]); print('ANSWER', json.dumps([sorted(found.call_orders), found.processors_raw['model']['io']]))"
    assert mlem(code, saved.metafile) == [["predict"], {"type": "skops"}]
