"""The large frameworks, and every framework against real MLEM: `make test-slow`.

`REGISTRY_MLEM_PYTHON` names an interpreter with mlem and the packages of `tests/mlem-frameworks.txt`.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import FIXTURES, ROWS, TARGET, again, answered, broken, call, fixture, with_bytes
from lab import Lab

import registry
from registry import datatypes
from registry.api.save import save
from registry.errors import Refused, RegistryError
from registry.formats import Trust, load_model

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch", reason="pip install torch==2.13.0")
catboost = pytest.importorskip("catboost", reason="pip install catboost")
MLEM = os.environ.get("REGISTRY_MLEM_PYTHON") or None
needs_mlem = pytest.mark.skipif(MLEM is None, reason="REGISTRY_MLEM_PYTHON names no interpreter with mlem")
OPEN = Trust(torch_weights_only=False)
"""A policy that admits whole pickled modules."""
TENSOR = torch.tensor(ROWS)


def module() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1)).eval()


class Bomb:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


# --- CatBoost -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "method"), [("catboost/regressor", "predict"), ("catboost/classifier", "predict_proba")]
)
def test_a_catboost_model_that_mlem_saved_answers_the_same(place: str, method: str) -> None:
    found, files = fixture(place)
    model = load_model(found, files, Trust("never"))
    assert type(model).__name__ == {"predict": "CatBoostRegressor", "predict_proba": "CatBoostClassifier"}[method]
    assert call(found, model, method, ROWS) == pytest.approx(np.array(answered(place)), abs=1e-5)


def test_catboost_models_are_saved_as_cbm(tmp_path: Path) -> None:
    options = {"iterations": 3, "depth": 2, "verbose": 0, "allow_writing_files": False}
    for model in (
        catboost.CatBoostRegressor(**options).fit(ROWS, TARGET),
        catboost.CatBoostClassifier(**options).fit(ROWS, TARGET > 1),
    ):
        found, back = again(model, tmp_path, Trust("never"), sample_data=ROWS)
        assert type(back) is type(model)
        assert (back.predict(ROWS) == model.predict(ROWS)).all()
        assert ("predict_proba" in found.interface.methods) == isinstance(model, catboost.CatBoostClassifier)


@pytest.mark.parametrize("case", broken(b""))
def test_bytes_that_are_no_catboost_model_are_one_error(case: str) -> None:
    data = broken(fixture("catboost/regressor")[1]["data"].read())[case]
    with pytest.raises(RegistryError, match="could not be read as catboost"):
        load_model(*with_bytes("catboost/regressor", data), Trust())


# --- torch --------------------------------------------------------------------------------------------------------------


def test_a_script_that_mlem_saved_answers_the_same_where_pickles_are_admitted() -> None:
    found, files = fixture("torch/script")
    model = load_model(found, files, Trust())
    assert call(found, model, "__call__", TENSOR) == pytest.approx(np.array(answered("torch/script")), abs=1e-5)
    with pytest.raises(Refused, match=r"formats\.pickle"):
        load_model(found, files, Trust("never"))


def test_a_module_that_mlem_pickled_needs_the_policy_s_word() -> None:
    found, files = fixture("torch/module")
    with pytest.raises(Refused, match=r"more than tensors: .*Sequential.*formats\.torch_weights_only") as caught:
        load_model(found, files, Trust())
    assert caught.value.reason == "format-allowed"
    model = load_model(found, files, OPEN)
    assert call(found, model, "__call__", TENSOR) == pytest.approx(np.array(answered("torch/module")), abs=1e-5)
    with pytest.raises(Refused, match=r"formats\.pickle"):
        load_model(found, files, Trust("never", torch_weights_only=False))


@pytest.mark.parametrize("protocol", ["zip", "legacy", "plain"])
def test_a_hostile_torch_pickle_is_not_run_unless_the_policy_says_so(tmp_path: Path, protocol: str) -> None:
    struck, stream = tmp_path / "struck", io.BytesIO()
    if protocol == "plain":
        stream.write(pickle.dumps(Bomb(struck)))
    else:
        torch.save(Bomb(struck), stream, _use_new_zipfile_serialization=protocol == "zip")
    found, files = with_bytes("torch/module", stream.getvalue())
    with pytest.raises(RegistryError):
        load_model(found, files, Trust())
    assert not struck.exists()
    if protocol == "zip":
        load_model(found, files, OPEN)
        assert struck.exists(), "otherwise the test above could not fail"


def test_weights_are_saved_as_safetensors_and_load_whatever_the_policy_says(tmp_path: Path) -> None:
    model = module()
    for given in (model, model.state_dict()):
        found, back = again(given, tmp_path, Trust("never"))
        assert (found.model_type, found.io) == ("torch", "safetensors")
        assert all(torch.equal(back[name], each) for name, each in model.state_dict().items())
    with pytest.raises(RegistryError, match="weights alone cannot be called"):
        call(found, back, "__call__", TENSOR)


@pytest.mark.parametrize(("kind", "trust"), [("jit", Trust()), ("export", OPEN), ("pickle", OPEN)])
def test_modules_are_saved_so_that_they_can_be_called(tmp_path: Path, kind: str, trust: Trust) -> None:
    model = module()
    found, back = again(model, tmp_path, trust, sample_data=TENSOR, format=kind)
    assert call(found, back, "__call__", TENSOR[:5]) == pytest.approx(model(TENSOR[:5]).detach().numpy(), abs=1e-5)
    method = found.interface.methods["__call__"]
    assert method.varargs_type == datatypes.Tensor("torch", (None, 2), "float32")
    assert method.returns == datatypes.Tensor("torch", (None, 1), "float32")
    assert {each.module: each.version for each in found.requirements}["torch"] == torch.__version__.partition("+")[0]
    if trust is OPEN:
        with pytest.raises(Refused, match=r"formats\.torch_weights_only"):
            again(model, tmp_path, sample_data=TENSOR, format=kind)


def test_a_state_dict_is_read_with_weights_only(tmp_path: Path) -> None:
    found, back = again(module(), tmp_path, format="state_dict")
    assert (found.io, dict(found.main.io_options), len(back)) == ("torch_io", {}, 4)


@pytest.mark.parametrize("place", ["torch/module", "torch/script"])
@pytest.mark.parametrize("case", broken(b""))
@pytest.mark.parametrize("trust", [Trust(), OPEN], ids=["weights", "open"])
def test_bytes_that_are_no_torch_file_are_one_error(place: str, case: str, trust: Trust) -> None:
    data = broken(fixture(place)[1]["data"].read())[case]
    with pytest.raises(RegistryError):
        load_model(*with_bytes(place, data), trust)


def test_a_torch_archive_that_would_unfold_to_much_more_is_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", bytes(200 << 20))
    with pytest.raises(RegistryError, match="would unfold"):
        load_model(*with_bytes("torch/script", stream.getvalue()), Trust())


def test_the_policy_s_key_reaches_the_loader(lab: Lab) -> None:
    from linked import commit_version, make_registry, make_source

    files = {
        "lr.mlem": (FIXTURES / "torch" / "module.mlem").read_bytes(),
        "module": (FIXTURES / "torch" / "module").read_bytes(),
    }
    source, reg = make_source(lab, files=files), make_registry(lab)
    registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    commit_version(reg, "v1.0.0")
    with pytest.raises(Refused, match=r"formats\.torch_weights_only"):
        registry.load("m", project=reg.path)
    reg.commit({"policy.yaml": "format: 1\nversion: 1\nformats: {torch_weights_only: false}\n"})
    assert isinstance(registry.load("m", project=reg.path), torch.nn.Module)


# --- real MLEM ----------------------------------------------------------------------------------------------------------

READ = """
import json, sys
import numpy as np
from mlem.api import load_meta
from mlem.core.objects import MlemModel
rows = np.array(json.loads(sys.argv[1]), dtype="float32")
told = {}
for name, method in json.loads(sys.argv[2]).items():
    found = load_meta(name, force_type=MlemModel)
    found.load_value()
    given = rows
    if name == "script":
        import torch
        given = torch.tensor(rows)
    answer = found.model_type.call_method(method, given)
    answer = answer[0] if isinstance(answer, list) else answer
    answer = answer.detach().numpy() if hasattr(answer, "detach") else answer
    told[name] = np.asarray(answer, dtype="float64").tolist()
print(json.dumps(told))
"""


@needs_mlem
def test_mlem_reads_what_save_wrote_and_answers_the_same(lab: Lab) -> None:
    import lightgbm
    import onnx
    import xgboost

    folder = lab.root / "written"
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(ROWS, TARGET), 3)
    trees = lightgbm.train(
        {"verbose": -1, "min_data_in_leaf": 1, "min_data_in_bin": 1}, lightgbm.Dataset(ROWS, TARGET), 3
    )
    options = {"iterations": 3, "depth": 2, "verbose": 0, "allow_writing_files": False}
    classifier = catboost.CatBoostClassifier(**options).fit(ROWS, TARGET > 1)
    model = module()
    double = eval("lambda rows: booster.predict(xgboost.DMatrix(rows)) * 2", {"booster": booster, "xgboost": xgboost})
    boosted = booster.predict(xgboost.DMatrix(ROWS))
    made = {
        "booster": (booster, "predict", boosted, None),
        "trees": (trees, "predict", trees.predict(ROWS), None),
        "classifier": (classifier, "predict_proba", classifier.predict_proba(ROWS), None),
        "graph": (
            onnx.load(str(FIXTURES / "onnx/external/model.onnx")),
            "predict",
            np.array(answered("onnx/external")),
            None,
        ),
        "script": (model, "__call__", model(TENSOR).detach().numpy(), "jit"),
        "double": (double, "__call__", boosted * 2, None),
        "cloud": (double, "__call__", boosted * 2, "cloudpickle"),
    }
    for name, (each, _, _, kind) in made.items():
        save(each, folder / name, sample_data=TENSOR if name == "script" else ROWS, format=kind)
    env = {"PYTHONPATH": None, "MLEM_NO_ANALYTICS": "true", "MLEM_TESTS": "true"}
    methods = json.dumps({name: method for name, (_, method, _, _) in made.items()})
    done = lab.run(
        str(MLEM), "-W", "ignore", "-c", READ, json.dumps(ROWS.tolist()), methods, cwd=folder, env=env, check=False
    )
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"MLEM's interpreter lacks packages of tests/mlem-frameworks.txt: {done.stderr.splitlines()[-1]}")
    told = json.loads(done.stdout.strip().rpartition("\n")[2])
    for name, (_, _, wanted, _) in made.items():
        assert np.array(told[name]) == pytest.approx(np.asarray(wanted, dtype="float64"), abs=1e-5), name


@needs_mlem
def test_the_fixtures_maker_makes_what_is_read_the_same(lab: Lab) -> None:
    """Real MLEM writes anew, with the packages it has here, and every answer is equal."""
    folder, maker = lab.root / "made", FIXTURES / "make_frameworks.py"
    env = {"PYTHONPATH": None, "MLEM_NO_ANALYTICS": "true", "MLEM_TESTS": "true"}
    for framework, names in {
        "lightgbm": ["array"],
        "catboost": ["regressor"],
        "onnx": ["inline"],
        "torch": ["script"],
    }.items():
        done = lab.run(
            str(MLEM), "-W", "ignore", str(maker), str(folder), framework, cwd=lab.root, env=env, check=False
        )
        if "ModuleNotFoundError" in done.stderr:
            pytest.skip(f"MLEM's interpreter lacks {framework}: {done.stderr.splitlines()[-1]}")
        assert done.code == 0, done.stderr
        from frameworks import described

        wanted = json.loads((folder / framework / "predictions.json").read_text())
        for name in names:
            found, files = described(folder / framework / f"{name}.mlem")
            method = "__call__" if framework == "torch" else "predict"
            given = TENSOR if framework == "torch" else ROWS
            assert call(found, load_model(found, files, Trust()), method, given) == pytest.approx(
                np.array(wanted[name]), abs=1e-5
            )
