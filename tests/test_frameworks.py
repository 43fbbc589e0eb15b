"""Frameworks beyond scikit-learn: what real MLEM wrote answers the same here, and hostile bytes are one error."""

from __future__ import annotations

import json
import re
import struct
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import lightgbm
import numpy as np
import onnx
import pytest
import xgboost
from frameworks import FIXTURES, ROWS, TARGET, again, answered, broken, call, described, fixture, with_bytes
from lab import Lab
from linked import commit_version, make_registry, make_source

import registry
from registry import datatypes
from registry.api.predicting import predict
from registry.api.save import save
from registry.errors import Refused, RegistryError
from registry.formats import Content, Trust, load_model, xgboost_trees
from registry.interface import Interface


@pytest.fixture
def booster() -> Any:
    return xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(ROWS, TARGET), 3)


@pytest.fixture
def trees() -> Any:
    options = {"verbose": -1, "min_data_in_leaf": 1, "min_data_in_bin": 1, "num_threads": 1}
    return lightgbm.train(options, lightgbm.Dataset(ROWS, TARGET, free_raw_data=False), 3)


def linear(weights: object = ((3.0,), (0.5,))) -> Any:
    """An ONNX model that multiplies by raw weights."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    data = np.asarray(weights, "float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["X", "W"], ["Y"])],
        "g",
        [helper.make_tensor_value_info("X", kind, [None, 2])],
        [helper.make_tensor_value_info("Y", kind, [None, 1])],
        [helper.make_tensor("W", kind, data.shape, data.tobytes(), raw=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def taken(interface: Interface, method: str = "predict") -> object:
    return interface.methods[method].args[0].type_


# --- what MLEM wrote, and what save writes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place", ["xgboost/array", "xgboost/matrix", "lightgbm/array", "lightgbm/dataset", "onnx/inline"]
)
@pytest.mark.parametrize("trust", [Trust(), Trust("never")], ids=["pinned", "never"])
def test_a_model_that_mlem_saved_answers_the_same_whatever_the_policy_says_of_pickles(place: str, trust: Trust) -> None:
    found, files = fixture(place)
    assert call(found, load_model(found, files, trust), "predict", ROWS) == pytest.approx(
        np.array(answered(place)), abs=1e-5
    )


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the fixture holds byte code of the Python 3.11 that made it"
)
def test_a_callable_with_a_booster_beside_it_answers_as_in_mlem() -> None:
    found, files = fixture("functions/referring")
    assert "3fbcc007-9df7-4f83-be2b-ca42a69179d8.io" in files
    assert load_model(found, files, Trust())(ROWS) == pytest.approx(np.array(answered("functions/referring")), abs=1e-5)
    with pytest.raises(Refused, match=r"formats\.pickle"):
        load_model(found, files, Trust("never"))


@pytest.mark.parametrize("kind", [None, "json"])
def test_a_booster_of_xgboost_is_saved_in_its_own_format(tmp_path: Path, booster: Any, kind: str | None) -> None:
    found, back = again(booster, tmp_path, Trust("never"), sample_data=ROWS, format=kind)
    assert isinstance(back, xgboost.Booster)
    assert call(found, back, "predict", ROWS) == pytest.approx(booster.predict(xgboost.DMatrix(ROWS)))
    assert taken(found.interface) == datatypes.Tensor("ndarray", (None, 2), "float32")
    assert found.interface.methods["predict"].returns == datatypes.Tensor("ndarray", (None,), "float32")


def test_matrices_of_xgboost_and_lightgbm_are_described_as_in_mlem(tmp_path: Path, booster: Any, trees: Any) -> None:
    found, _ = again(booster, tmp_path, sample_data=xgboost.DMatrix(ROWS))
    assert (
        taken(found.interface) == taken(fixture("xgboost/matrix")[0].interface) == datatypes.DMatrix(is_from_list=True)
    )
    data = lightgbm.Dataset(ROWS, TARGET, free_raw_data=False)
    found, back = again(trees, tmp_path, sample_data=data)
    assert taken(found.interface) == taken(fixture("lightgbm/dataset")[0].interface)
    assert call(found, back, "predict", data) == pytest.approx(trees.predict(ROWS))


def test_an_onnx_model_is_one_file_or_two(tmp_path: Path) -> None:
    for kind, names in ((None, {"data"}), ("external", {"data", "tensors"})):
        found, back = again(linear(), tmp_path / str(kind), Trust("never"), sample_data=ROWS, format=kind)
        assert set(found.artifacts) == names
        assert call(found, back, "predict", ROWS) == pytest.approx(ROWS @ [[3.0], [0.5]], abs=1e-5)
        assert datatypes.describe(found.interface.methods["predict"].returns) == "list of 1 items"


@pytest.mark.parametrize("kind", [None, "cloudpickle"])
def test_a_callable_is_saved_with_what_it_refers_to(tmp_path: Path, booster: Any, kind: str | None) -> None:
    scope = {"booster": booster, "xgboost": xgboost}
    double = eval("lambda rows: booster.predict(xgboost.DMatrix(rows)) * 2", scope)
    found, back = again(double, tmp_path, sample_data=ROWS, format=kind)
    assert back(ROWS) == pytest.approx(double(ROWS))
    assert set(found.artifacts) == ({"data"} if kind else {"data.pkl", "r0.io", "r0_data"})
    assert {"xgboost", "numpy", kind or "dill"} <= {each.module for each in found.requirements}
    assert taken(found.interface, "__call__") == datatypes.Tensor("ndarray", (None, 2), "float32")


def test_arrays_are_saved_as_safetensors(tmp_path: Path) -> None:
    found, back = again({"b": ROWS, "a": np.arange(3)}, tmp_path, Trust("never"))
    assert (found.model_type, found.io, sorted(back)) == ("safetensors", "safetensors", ["a", "b"])
    assert (back["b"] == ROWS).all()


def test_plain_files_are_loaded_as_paths_and_fetched_under_their_names(lab: Lab, tmp_path: Path) -> None:
    """Model types of our own, through a real link: what is loaded is what the cache holds, read-only."""
    folder = tmp_path / "given"
    (folder / "sub").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"\x00\x01")
    (folder / "sub" / "config.json").write_text("{}")
    made = lab.repo("files")
    save(folder, made.path / "lr")
    made.git("add", "--all")
    made.commit()
    made.tag("v1")
    reg = make_registry(lab)
    registry.link("lr", "m", source_project=made.url, rev="v1", project=reg.path)
    commit_version(reg, "v1.0.0")
    paths = registry.load("m", project=reg.path)
    assert {name: path.read_bytes() for name, path in paths.items()} == {
        "weights.bin": b"\x00\x01",
        "sub/config.json": b"{}",
    }
    fetched = registry.fetch("m", project=reg.path)
    assert (fetched / "lr" / "sub" / "config.json").read_text() == "{}"


def test_one_plain_file_is_one_path_and_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"1")
    found, _ = described(save(tmp_path / "one", tmp_path / "m").metafile)
    assert load_model(found, {"data": Content(b"1", tmp_path / "one")}, Trust()) == tmp_path / "one"
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(RegistryError, match="symbolic link"):
        save(tmp_path / "folder", tmp_path / "n")


def linked(lab: Lab, model: object, **options: Any) -> Any:
    """A registry whose `m` is this model."""
    made = lab.repo(f"made-{type(model).__name__}")
    save(model, made.path / "lr", **options)
    made.git("add", "--all")
    made.commit()
    made.tag("v1")
    reg = make_registry(lab, f"reg-{type(model).__name__}")
    registry.link("lr", "m", source_project=made.url, rev="v1", project=reg.path)
    commit_version(reg, "v1.0.0")
    return reg


def test_rows_are_predicted_by_a_booster_and_refused_by_files(lab: Lab, booster: Any, tmp_path: Path) -> None:
    reg = linked(lab, booster, sample_data=ROWS)
    answer = predict("m", json.dumps(ROWS[:3].tolist()), project=reg.path)
    assert answer == pytest.approx(booster.predict(xgboost.DMatrix(ROWS[:3])).tolist())
    with pytest.raises(RegistryError, match="expected ndarray of float32"):
        predict("m", "[[1, 2, 3]]", project=reg.path)
    (tmp_path / "one").write_bytes(b"1")
    files = linked(lab, tmp_path / "one")
    with pytest.raises(RegistryError, match="has no method"):
        predict("m", "[[1, 2]]", project=files.path)


# --- ONNX: external data -----------------------------------------------------------------------------------------------


def test_external_data_that_mlem_wrote_and_did_not_name_is_pinned_and_brought(lab: Lab) -> None:
    names = ("external.mlem", "external/model.onnx", "external/tensors")
    source = make_source(
        lab, files={each.replace("external.mlem", "lr.mlem"): (FIXTURES / "onnx" / each).read_bytes() for each in names}
    )
    reg = make_registry(lab)
    done = registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    assert set(done.link.artifacts) == {"data", "tensors"}
    commit_version(reg, "v1.0.0")
    found, _ = fixture("onnx/external")
    assert call(found, registry.load("m", project=reg.path), "predict", ROWS) == pytest.approx(
        np.array(answered("onnx/external")), abs=1e-5
    )


def pointing(location: str, **more: str) -> Any:
    """An ONNX model whose weights are said to lie at `location`."""
    model = linear()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return model


@pytest.mark.parametrize(
    "location",
    ["../../etc/passwd", "/etc/passwd", "tensors/../../secret", "file:///etc/passwd", "C:\\secret", "", "secret", "model.onnx",
     "*/_ORT_MEM_ADDR_/*", "./.git/config", "te\x00nsors"],
)  # fmt: skip
def test_external_data_is_read_from_pinned_artifacts_only(
    tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(bytes(8))
    monkeypatch.chdir(tmp_path)
    found, files = fixture("onnx/external")
    files = {"data": Content(pointing(location).SerializeToString())}
    with pytest.raises(RegistryError, match=r"none of its pinned artifacts|a location of external data"):
        load_model(found, files, Trust())


@pytest.mark.parametrize(
    "more",
    [
        {"offset": "-1"},
        {"offset": "9"},
        {"length": "9"},
        {"offset": "4", "length": "5"},
        {"offset": "x"},
        {"length": "9" * 30},
    ],
)
def test_external_data_outside_its_file_is_refused(more: dict[str, str]) -> None:
    text = b"object_type: model\nartifacts: {data: {uri: m/data}, tensors: {uri: m/tensors}}\nprocessors: {model: {type: onnx}}\n"
    found = registry.metafile.parse(text, "m.mlem")
    good = {"data": Content(pointing("tensors").SerializeToString()), "tensors": Content(bytes(8))}
    load_model(found, good, Trust())
    with pytest.raises(RegistryError, match=r"ends before|no place"):
        load_model(found, {**good, "data": Content(pointing("tensors", **more).SerializeToString())}, Trust())


def test_external_data_hidden_in_an_attribute_of_a_subgraph_is_found() -> None:
    model = linear()
    inner = onnx.helper.make_graph(
        [onnx.helper.make_node("Constant", [], ["c"], value=pointing("../secret").graph.initializer[0])], "i", [], []
    )
    model.graph.node.append(onnx.helper.make_node("If", ["X"], [], then_branch=inner))
    with pytest.raises(Refused, match="leaves the metafile's folder") as caught:
        load_model(fixture("onnx/inline")[0], {"data": Content(model.SerializeToString())}, Trust())
    assert caught.value.reason == "path-contained"


# --- hostile bytes ------------------------------------------------------------------------------------------------------

BROKEN = broken(b"")


@pytest.mark.parametrize("place", ["xgboost/array", "lightgbm/array", "onnx/inline"])
@pytest.mark.parametrize("case", BROKEN)
def test_bytes_that_are_no_model_are_one_error(place: str, case: str) -> None:
    data = broken(fixture(place)[1]["data"].read())[case]
    with pytest.raises(RegistryError, match="could not be read as"):
        load_model(*with_bytes(place, data), Trust())


@pytest.mark.parametrize("place", ["xgboost/array", "lightgbm/array"])
def test_altered_bytes_never_end_the_process(place: str) -> None:
    """Without our look at them many of these do: both libraries trust what they read."""
    chance = np.random.default_rng(1)
    good = fixture(place)[1]["data"].read()
    refused = 0
    for _ in range(150):
        data = bytearray(good)
        for at in chance.integers(0, len(data), 3):
            data[at] = chance.integers(0, 256)
        try:
            found, files = with_bytes(place, bytes(data))
            call(found, load_model(found, files, Trust()), "predict", ROWS)
        except RegistryError:
            refused += 1
        except (ValueError, lightgbm.basic.LightGBMError, xgboost.core.XGBoostError):
            pass  # such as a feature's name that became another
    assert refused > 50


@pytest.mark.parametrize(
    ("path", "value"),
    [("left_children", 999), ("left_children", -7), ("left_children", 0), ("parents", 10**6), ("split_indices", 2), ("right_children", 1)],
)  # fmt: skip
def test_a_tree_that_leads_out_of_itself_is_refused(booster: Any, path: str, value: int) -> None:
    document = json.loads(bytes(booster.save_raw("json")))
    document["learner"]["gradient_booster"]["model"]["trees"][0][path][0 if path != "parents" else 1] = value
    with pytest.raises(RegistryError, match="could not be read as xgboost"):
        load_model(*with_bytes("xgboost/array", json.dumps(document).encode()), Trust())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("left_child=1 ", "left_child=9 "), ("split_feature=0", "split_feature=7"), ("num_leaves=4", "num_leaves=400"),
        ("tree_sizes=4", "tree_sizes=5"), ("leaf_value=-", "leaf_value=x-"), ("\n[boosting: gbdt]", "\n[boosting"),
        ("Tree=1\n", "Tree=9\n"), ("max_feature_idx=1", "max_feature_idx=99999999"), ("left_child=1 ", "left_child=0 "),
    ],
)  # fmt: skip
def test_a_lightgbm_text_that_does_not_hold_together_is_refused(old: str, new: str) -> None:
    good = fixture("lightgbm/array")[1]["data"].read().decode()
    assert old in good
    with pytest.raises(RegistryError, match="could not be read as lightgbm"):
        load_model(*with_bytes("lightgbm/array", good.replace(old, new, 1).encode()), Trust())


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "multi:softprob", "num_class": 3}, {"booster": "dart", "rate_drop": 0.5}, {"booster": "gblinear"},
        {"gamma": 2.0, "max_depth": 6, "tree_method": "exact"}, {"num_parallel_tree": 2}, {"gamma": 1000.0},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_every_kind_of_booster_is_found_sound(options: dict[str, Any]) -> None:
    rows = np.random.default_rng(2).random((60, 3))
    model = xgboost.train({"nthread": 1, **options}, xgboost.DMatrix(rows, (rows[:, 0] * 3).astype(int)), 3)
    for kind in ("ubj", "json"):
        xgboost_trees.require_sound(bytes(model.save_raw(kind)))


@pytest.mark.parametrize(
    "options",
    [
        {"linear_tree": True},
        {"objective": "multiclass", "num_class": 3},
        {"boosting": "dart"},
        {"categorical_feature": [2], "min_data_per_group": 1},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_every_kind_of_lightgbm_model_is_found_sound(tmp_path: Path, options: dict[str, Any]) -> None:
    chance = np.random.default_rng(2)
    rows = np.column_stack([chance.random((60, 2)), chance.integers(0, 5, 60)])
    model = lightgbm.train(
        {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 2, **options},
        lightgbm.Dataset(rows, (rows[:, 0] * 3).astype(int)),
        3,
    )
    _, back = again(model, tmp_path)
    assert back.predict(rows) == pytest.approx(model.predict(rows))


def _safetensors(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode() if not isinstance(header, bytes) else header
    return struct.pack("<Q", len(text)) + text + body


SPAN = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "data",
    [
        *BROKEN.values(),
        _safetensors({"a": SPAN}),
        _safetensors({"a": {**SPAN, "data_offsets": [0, 400]}}, bytes(4)),
        _safetensors({"a": {**SPAN, "shape": [2**62]}}, bytes(4)),
        _safetensors({"a": SPAN, "b": SPAN}, bytes(4)),
        _safetensors({"a": {**SPAN, "dtype": "os.system"}}, bytes(4)),
        _safetensors(b"[" * 100_000),
        struct.pack("<Q", 100_000_001) + bytes(10),
    ],
)  # fmt: skip
def test_safetensors_that_do_not_hold_together_are_refused(data: bytes) -> None:
    found = registry.metafile.parse(
        b"object_type: model\nartifacts: {data: {uri: m}}\nprocessors: {model: {type: safetensors, io: safetensors}}\n",
        "m",
    )
    with pytest.raises(RegistryError, match="could not be read as safetensors"):
        load_model(found, {"data": Content(data)}, Trust())


# --- what is not known ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", ["xgboost", "lightgbm", "catboost", "onnx", "torch", "safetensors", "file", "files"])
def test_an_unknown_io_is_an_error_that_names_the_known_ones(type_: str) -> None:
    text = f"object_type: model\nartifacts: {{data: {{uri: m}}}}\nprocessors: {{model: {{type: {type_}, io: os.system}}}}\n"
    with pytest.raises(RegistryError, match=r"stored as 'os\.system'; read are "):
        load_model(registry.metafile.parse(text.encode(), "m"), MappingProxyType({"data": Content(b"")}), Trust())


@pytest.mark.parametrize(("type_", "io_", "module"), [("xgboost", "xgboost_io", "xgboost"), ("lightgbm", "lightgbm_io", "lightgbm"), ("catboost", "catboost_io", "catboost"), ("onnx", "model_proto", "onnx"), ("torch", "torch_io", "torch")])  # fmt: skip
def test_a_missing_framework_is_one_error_with_the_line_that_installs_it(
    type_: str, io_: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    text = f"object_type: model\nartifacts: {{data: {{uri: m}}}}\nprocessors: {{model: {{type: {type_}, io: {io_}}}}}\n"
    with pytest.raises(RegistryError, match=re.escape(module)) as caught:
        load_model(registry.metafile.parse(text.encode(), "m"), {"data": Content(b"")}, Trust())
    assert caught.value.fix == f"pip install 'git-model-registry[{type_}]'"
