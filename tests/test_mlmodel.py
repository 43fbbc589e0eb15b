"""The file `MLmodel`, read as data: what it says of a model, and what it may not say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.datatypes import UNSPECIFIED, Dict, Table, Tensor
from registry.errors import Refused, RegistryError
from registry.formats import Content, Trust, load_processors
from registry.metafile import parse
from registry.mlmodel import complete, parse_mlmodel, requirements_of

SKLEARN = """
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.skops
    predict_fn: predict
  sklearn:
    code: null
    pickled_model: model.skops
    serialization_format: skops
    skops_trusted_types: [os.system]
mlflow_version: 3.17.2
run_id: 11111111111111111111111111111111
utc_time_created: 2026-11-21 10:49:47
"""
COLUMN, TENSOR = {"type": "double", "name": "x", "required": True}, {"dtype": "float32", "shape": [-1, 3]}


def parsed(text: str = SKLEARN) -> Any:
    return parse_mlmodel(text.encode(), "MLmodel")


def signed(inputs: object, outputs: object = None, more: str = "") -> Any:
    said = {"inputs": inputs, "outputs": outputs}
    lines = [f"  {key}: '{json.dumps(value)}'" for key, value in said.items() if value is not None]
    return parsed("\n".join([SKLEARN, "signature:", *lines, more])).interface.methods["predict"]


def test_a_model_is_mlflow_s_and_has_the_method_predict() -> None:
    found = parsed()
    assert (found.model_type, found.io) == ("mlflow", "skops")
    (argument,) = found.interface.methods["predict"].args
    assert (argument.name, argument.type_) == ("data", UNSPECIFIED)


def test_a_signature_of_named_columns_is_a_dataframe_and_one_tensor_an_array() -> None:
    columns = [COLUMN, {"type": "long", "name": "n"}, {"type": "string", "name": "city", "required": True}]
    method = signed(columns, [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}])
    assert method.args[0].type_ == Table("dataframe", ("x", "n", "city"), ("float64", "int64", "str"))
    assert method.returns == Tensor("ndarray", (None,), "float64")
    assert signed([{"type": "tensor", "tensor-spec": TENSOR}]).args[0].type_ == Tensor("ndarray", (None, 3), "float32")
    several = [{"type": "tensor", "tensor-spec": TENSOR, "name": name} for name in "ab"]
    assert isinstance(signed(several).args[0].type_, Dict)
    assert [each.name for each in signed([COLUMN], None, "  params: '[]'").args] == ["data", "params"]


@pytest.mark.parametrize(
    "inputs",
    [
        [{**COLUMN, "required": False}],
        [COLUMN, COLUMN],
        [COLUMN, {"type": "double"}],
        [{**COLUMN, "type": "datetime"}],
        [{**COLUMN, "type": ["double"]}],
        [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-2]}}],
        [{"type": "tensor", "tensor-spec": {"dtype": 1, "shape": "[1]"}}],
        [],
    ],
)
def test_what_does_not_mean_the_same_is_not_recorded(inputs: object) -> None:
    assert signed(inputs).args[0].type_ == UNSPECIFIED


@pytest.mark.parametrize("text", ["7", "[1]", "{}", "[", "[" * 5000])
def test_a_signature_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(RegistryError, match="JSON list"):
        parsed(f"{SKLEARN}\nsignature:\n  inputs: '{text}'")


@pytest.mark.parametrize(
    ("old", "new", "io"),
    [
        ("", "", "skops"),
        ("serialization_format: skops", "serialization_format: cloudpickle", "pickle"),
        ("code: null", "code: code", "pickle"),
        ("    predict_fn", "    code: code\n    predict_fn", "pickle"),
        ("    model_path: model.skops", "    model_path: sub/model.skops", "pickle"),
        ("loader_module: mlflow.sklearn", "loader_module: mlflow.pyfunc.model", "pickle"),
    ],
)
def test_whatever_may_run_code_counts_as_pickle(old: str, new: str, io: str) -> None:
    assert old in SKLEARN
    assert parsed(SKLEARN.replace(old, new)).io == io


def test_a_booster_is_safe_only_as_a_class_of_its_own_library() -> None:
    text = """
flavors:
  python_function: {loader_module: mlflow.xgboost, data: model.ubj}
  xgboost: {data: model.ubj, model_class: xgboost.core.Booster, model_format: ubj}
"""
    assert parsed(text).io == "xgboost_io"
    assert parsed(text.replace("xgboost.core.Booster", "os.system")).io == "pickle"
    lightgbm = text.replace("xgboost", "lightgbm").replace("core", "basic")
    assert parsed(lightgbm).io == "lightgbm_io"
    assert parsed(lightgbm.replace("lightgbm.basic.Booster", "lightgbm.sklearn.LGBMModel")).io == "pickle"


@pytest.mark.parametrize("module", ["os", "evil", "mlflowevil.x", "mlflow", "mlflow..x", "mlflow.a b", "mlflow.x\n"])
def test_only_mlflow_s_own_modules_load(module: str) -> None:
    with pytest.raises(Refused, match="none of MLflow's own") as refused:
        parsed(SKLEARN.replace("loader_module: mlflow.sklearn", f"loader_module: {json.dumps(module)}"))
    assert refused.value.reason == "format-allowed"


@pytest.mark.parametrize(
    "path", ["../up.skops", "/etc/passwd", "a/../../b", "~/x", "C:\\x", "..\\x", "file:/x", "s3://b/x"]
)
def test_no_path_leaves_the_model_s_folder(path: str) -> None:
    with pytest.raises(Refused, match="leaves the model's folder") as refused:
        parsed(SKLEARN.replace("model.skops", json.dumps(path)))
    assert refused.value.reason == "path-contained"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "flavors: 7",
        "flavors: {sklearn: {}}",
        "flavors: {python_function: {}}",
        "flavors: {python_function: 7}",
        "flavors: {python_function: {loader_module: [a]}}",
        "a: !!python/object/apply:os.system ['true']",
        "a: &a [*a]",
        "\n".join(["a0: &a0 [x]", *(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(9))]),
        "[" * 2000,
        "\x00",
    ],
)
def test_a_hostile_file_is_one_error(text: str) -> None:
    with pytest.raises(RegistryError):
        parsed(text)


def test_an_alias_is_written_out() -> None:
    text = SKLEARN.replace("model_path: model.skops", "model_path: &path model.skops").replace(
        "pickled_model: model.skops", "pickled_model: *path"
    )
    assert parsed(text).io == "skops"


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_model_or_an_error(text: str) -> None:
    with pytest.raises(RegistryError):
        parsed(text)


def test_requirements_are_what_pip_would_install() -> None:
    text = b"""mlflow==3.17.2
# a comment
--extra-index-url https://example.org/simple
scikit-learn==1.9.1  # why
uvicorn[standard]==0.30.1; python_version > "3.8"
pandas<3
-e .
tool @ https://example.org/tool.whl
"""
    found = [(each.type, each.package, each.version) for each in requirements_of(text)]
    assert found == [
        ("installable", "mlflow", "3.17.2"),
        ("installable", "scikit-learn", "1.9.1"),
        ("installable", "uvicorn", "0.30.1"),
        ("pip", "pandas", None),
        ("pip", "tool", None),
    ]


def test_a_model_that_runs_code_needs_the_policy_and_mlflow_is_not_imported_before() -> None:
    text = SKLEARN.replace("serialization_format: skops", "serialization_format: pickle")
    found = complete(parsed(text), ("model.skops",), None)
    with pytest.raises(Refused, match=r"formats\.pickle") as refused:
        load_processors(found, {"model.skops": Content(b"")}, Trust(pickle="never"))
    assert refused.value.reason == "format-allowed"


def test_a_model_s_own_list_of_trusted_types_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from registry.formats import mlflow, sklearn

    asked: list[str] = []
    monkeypatch.setattr(mlflow, "_mlflow", object)
    monkeypatch.setattr(mlflow, "_loaded", lambda *_: asked.append("MLflow"))
    monkeypatch.setattr(sklearn, "_types_in", lambda *_: ["os.system"])
    found = complete(parsed(), ("model.skops",), None)
    with pytest.raises(Refused, match=r"not trusted: os\.system"):
        load_processors(found, {"model.skops": Content(b"x")}, Trust())
    assert asked == [], "types are judged before MLflow sees the file"


def test_another_metafile_that_claims_to_be_mlflow_s_is_held_to_the_same_rules() -> None:
    text = """
object_type: model
artifacts: {data: {uri: data}}
processors:
  model:
    type: mlflow
    io: {type: skops, mlmodel: {flavors: {python_function: {loader_module: os}}}}
"""
    with pytest.raises(Refused, match="none of MLflow's own"):
        load_processors(parse(text.encode(), "m.mlem"), {"data": Content(b"x")}, Trust())
    with pytest.raises(RegistryError, match="stored as 'skops'"):
        load_processors(parse(text.replace("mlmodel", "other").encode(), "m.mlem"), {"data": Content(b"x")}, Trust())


def test_without_mlflow_one_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(RegistryError, match=r"pip install 'git-model-registry\[mlflow\]'"):
        load_processors(complete(parsed(), ("model.skops",), None), {"model.skops": Content(b"x")}, Trust())
