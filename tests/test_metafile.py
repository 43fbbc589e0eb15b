"""The metafile reader and writer: MLEM's own files, the forms before 0.4, and hostile ones."""

from __future__ import annotations

import posixpath
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry import metafile
from registry.datatypes import Opaque, Primitive, Table, Tensor
from registry.errors import Refused, RegistryError
from registry.layout import artifact_paths
from registry.metafile import ArtifactRef

FIXTURES = Path(__file__).parent / "fixtures" / "mlem"
MADE = sorted((FIXTURES / "models").glob("*.mlem"))
OLD = [FIXTURES / "old" / "v03.mlem", FIXTURES / "old" / ".mlem" / "model" / "v02.mlem"]


def read(path: Path) -> metafile.Metafile:
    return metafile.parse(path.read_bytes(), path.name)


def made(name: str) -> metafile.Metafile:
    return read(FIXTURES / "models" / f"{name}.mlem")


def minimal(**changes: object) -> bytes:
    document = {
        "object_type": "model",
        "artifacts": {"data": {"uri": "m", "size": 1, "hash": "0" * 32}},
        "processors": {
            "model": {
                "type": "sklearn",
                "methods": {"predict": {"name": "predict", "args": [], "returns": {"type": "binary"}}},
            }
        },
        "call_orders": {"predict": [["model", "predict"]]},
    }
    document.update(changes)
    return yaml.safe_dump({key: value for key, value in document.items() if value is not None}).encode()


def refusal(data: bytes) -> str:
    with pytest.raises(RegistryError) as caught:
        metafile.parse(data, "m.mlem")
    assert caught.value.where.startswith("m.mlem")
    assert caught.value.fix
    return f"{caught.value.what} ({caught.value.where})"


# --- what MLEM writes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MADE, ids=lambda path: path.stem)
def test_what_mlem_wrote_is_written_back_the_same(path: Path) -> None:
    assert yaml.safe_load(metafile.dump(read(path))) == yaml.safe_load(path.read_bytes())


@pytest.mark.parametrize("path", [*MADE, *OLD], ids=lambda path: path.stem)
def test_writing_is_stable(path: Path) -> None:
    once = metafile.dump(read(path))
    assert metafile.dump(metafile.parse(once.encode(), "again")) == once


@pytest.mark.parametrize("path", [*MADE, *OLD], ids=lambda path: path.stem)
def test_artifacts_that_mlem_wrote_lie_where_the_metafile_says(path: Path) -> None:
    found = read(path)
    for name, place in artifact_paths(found, path.relative_to(FIXTURES).as_posix()).items():
        assert (FIXTURES / place).stat().st_size == found.artifacts[name].size


def test_type_io_and_interface_of_a_dataframe_regression() -> None:
    found = made("linear")
    assert (found.model_type, found.io) == ("sklearn", "simple_pickle")
    (argument,) = found.interface.methods["predict"].args
    assert argument.type_ == Table("dataframe", ("area", "age"), ("float64", "float64"))
    assert found.interface.methods["predict"].returns == Tensor("ndarray", (None,), "float64")
    assert found.params == {"alpha": 1}
    assert [(each.module, each.package) for each in found.requirements if each.module == "sklearn"] == [
        ("sklearn", "scikit-learn")
    ]


def test_io_of_a_callable_is_pickle() -> None:
    assert (made("callable").model_type, made("callable").io) == ("callable", "pickle")


def test_interface_takes_arguments_from_the_first_and_result_from_the_last_called() -> None:
    found = made("processed")
    method = found.interface.methods["predict"]
    assert method.args == found.processors["preprocess"].interface.methods["__call__"].args
    assert method.returns == found.processors["postprocess"].interface.methods["__call__"].returns
    assert method.name == "predict"


def test_both_methods_of_a_classifier_are_offered() -> None:
    assert set(made("classifier").interface.methods) == {"predict", "predict_proba"}


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_before_04_the_model_type_is_the_one_processor(path: Path) -> None:
    found = read(path)
    assert (set(found.processors), found.model_type, found.io) == ({"model"}, "sklearn", "simple_pickle")
    assert found.call_orders["predict"] == (("model", "predict"),)
    assert "processors" in metafile.dump(found)
    assert "model_type" not in metafile.dump(found)


def test_before_028_description_and_labels_are_kept() -> None:
    assert read(OLD[1]).extra == {"description": "Linear regression", "labels": ("linear", "regression")}


def test_unknown_keys_are_kept_at_every_level() -> None:
    document = yaml.safe_load(minimal())
    document["future"] = {"a": [1, None]}
    document["artifacts"]["data"]["mirror"] = "x"
    document["processors"]["model"] |= {"hint": 1, "io": {"type": "torch_io", "is_jit": True}}
    document["processors"]["model"]["methods"]["predict"] |= {
        "doc": "text",
        "returns": {"type": "hologram", "depth": 3},
    }
    document["requirements"] = [{"type": "conda", "package_name": "x", "conda_type": "conda"}]
    found = metafile.parse(yaml.safe_dump(document).encode(), "m.mlem")
    assert yaml.safe_load(metafile.dump(found)) == document
    assert found.interface.methods["predict"].returns == Opaque("hologram", MappingProxyType({"depth": 3}))


def test_text_fields_stay_text() -> None:
    data = b"object_type: model\nartifacts: {data: {uri: m, hash: 12e4}}\nprocessors: {model: {type: sklearn}}\nrequirements: [{module: x, version: 1.10}]\n"
    found = metafile.parse(data, "m.mlem")
    assert (found.artifacts["data"].hash, found.requirements[0].version) == ("12e4", "1.10")


# --- nothing in it is executed ------------------------------------------------------------------------------------------


def test_reading_imports_no_framework_and_nothing_the_file_names(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    document = yaml.safe_load((FIXTURES / "models" / "callable.mlem").read_bytes())
    document["processors"]["model"]["type"] = "evil.Model"
    document["processors"]["model"]["methods"]["__call__"]["returns"] = {"type": "primitive", "ptype": "exec"}
    (tmp_path / "m.mlem").write_text(yaml.safe_dump(document))
    code = (
        "import sys; sys.path.insert(0, '.'); from registry import metafile;"
        "found = metafile.parse(open('m.mlem', 'rb').read(), 'm'); assert found.model_type == 'evil.Model';"
        "found.interface; metafile.dump(found); print([m for m in ('evil', 'numpy', 'pandas', 'sklearn', 'mlem', 'pickle') if m in sys.modules])"
    )
    environment = {"PYTHONPATH": str(Path(metafile.__file__).parents[1])}
    if metafile.__file__ != str(Path(metafile.__file__).resolve()):
        environment["PYTHONPATH"] = str(Path(metafile.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("object_type", ["os.system", "mlem.core.objects.MlemModel", "data", "Model", "__main__"])
def test_another_object_type_is_refused_and_not_imported(object_type: str) -> None:
    assert "expected 'model'" in refusal(minimal(object_type=object_type))


def test_a_link_is_told_from_a_model() -> None:
    assert "'link'" in refusal(b"object_type: link\npath: m.mlem\nlink_type: model\n")


def test_exec_as_builtin_type_is_only_text() -> None:
    document = yaml.safe_load(minimal())
    document["processors"]["model"]["methods"]["predict"]["returns"] = {"type": "primitive", "ptype": "exec"}
    assert metafile.parse(yaml.safe_dump(document).encode(), "m").interface.methods["predict"].returns == Primitive(
        "exec"
    )


# --- malformed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected a mapping at the top"),
        (b"- a\n", "expected a mapping at the top"),
        (b"just text", "expected a mapping at the top"),
        (b"artifacts: {}\n", "'object_type' is missing"),
        (b"object_type: model\n", "'model_type' is missing"),
        (b"object_type: model\nprocessors: {pre: {type: callable}}\n", "processor 'model' is missing"),
        (b"object_type: model\nprocessors: []\n", "expected a mapping"),
        (b"object_type: model\nprocessors: {model: 3}\n", "expected a mapping"),
        (b"object_type: model\nprocessors: {model: {}}\n", "'type' is missing"),
        (b"object_type: model\nprocessors: {model: {type: hologram}}\n", "'io' is missing"),
        (b"object_type: model\nprocessors: {model: {type: [a]}}\n", "expected text"),
        (minimal(artifacts={"data": {}}), "'uri' is missing"),
        (minimal(artifacts={"data": "m"}), "expected a mapping"),
        (minimal(artifacts={"data": {"uri": "m", "size": "big"}}), "expected a whole number"),
        (minimal(artifacts={"data": {"uri": "m", "size": -1}}), "at least 0"),
        (minimal(call_orders={"predict": [["model", "fit"]]}), "no method 'fit'"),
        (minimal(call_orders={"predict": [["pre", "predict"]]}), "no method 'predict' of a processor 'pre'"),
        (minimal(call_orders={"predict": [["model"]]}), "expected a processor and its method"),
        (minimal(call_orders={"predict": []}), "at least one processor"),
        (minimal(requirements={"a": 1}), "expected a list"),
        (b"object_type: model\nobject_type: data\n", "duplicate key"),
        (b"a: &x [1]\nb: *x\n", "anchor"),
        (b"a: !!python/object/apply:os.system [ls]\n", "tag"),
        (b"a: {<<: {b: 1}}\n", "merge key"),
        (b"a: " + b"[" * 100 + b"]" * 100, "nested deeper"),
        (b"a: " + b"x" * (1 << 20), "bytes"),
        (b"a: \xff\n", "not UTF-8"),
        (b"a: [\n", "not valid YAML"),
    ],
)
def test_malformed_files_are_one_error_that_names_file_and_reason(data: bytes, said: str) -> None:
    assert said in refusal(data)


def test_the_message_names_line_and_keys() -> None:
    data = b"object_type: model\nprocessors:\n  model:\n    type: sklearn\n    methods:\n      predict:\n        args:\n        - name: [X]\n"
    said = refusal(data)
    assert "line 8" in said
    assert "processors.model.methods.predict.args.0.name" in said


def test_columns_and_dtypes_of_different_length_are_refused() -> None:
    document = yaml.safe_load(minimal())
    document["processors"]["model"]["methods"]["predict"]["returns"] = {
        "type": "dataframe",
        "columns": ["a"],
        "dtypes": [],
        "index_cols": [],
    }
    assert "1 columns but 0 dtypes" in refusal(yaml.safe_dump(document).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_one_registry_error(data: bytes) -> None:
    try:
        metafile.parse(data, "m.mlem")
    except RegistryError as error:
        assert error.where.startswith("m.mlem")  # noqa: PT017 - either outcome is right


# --- containment --------------------------------------------------------------------------------------------------------


def paths(uri: str, metafile_path: str = "models/m.mlem") -> dict[str, str]:
    found = replace(made("nosample"), artifacts=MappingProxyType({"data": ArtifactRef(uri)}))
    return artifact_paths(found, metafile_path)


@pytest.mark.parametrize(
    "uri",
    [
        "", " ", ".", "./", "..", "../secret", "a/../../secret", "a/..", "/etc/passwd", "//host/share", "a/", "a\\b", "..\\secret",
        "C:\\x", "c:x", "http://example.org/m", "s3://bucket/m", "file:///etc/passwd", "file:/etc/passwd", "data:,x", "ext::sh", "a\0b", "a\nb",
        ".git/config", "a/.GIT/config", "./../x",
    ],
)  # fmt: skip
def test_uris_that_leave_the_metafiles_folder_are_refused(uri: str) -> None:
    with pytest.raises(Refused) as caught:
        paths(uri)
    assert caught.value.reason == "path-contained"
    assert caught.value.where == "models/m.mlem"


@pytest.mark.parametrize("place", ["/abs/m.mlem", "../m.mlem", "C:/m.mlem", "https://example.org/m.mlem", ""])
def test_a_metafiles_own_path_must_stay_in_the_repository(place: str) -> None:
    with pytest.raises(Refused):
        paths("m", place)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("m", "models/m"),
        ("./m", "models/m"),
        ("m/data.pkl", "models/m/data.pkl"),
        ("a//b", "models/a/b"),
        ("..m", "models/..m"),
        ("-x", "models/-x"),
    ],
)
def test_uris_are_relative_to_the_metafiles_folder(uri: str, expected: str) -> None:
    assert paths(uri) == {"data": expected}


def test_a_metafile_at_the_root_has_its_artifacts_at_the_root() -> None:
    assert paths("m", "m.mlem") == {"data": "m"}


@given(st.text(alphabet=st.sampled_from("a./\\:~ \0\n"), max_size=12))
def test_whatever_is_allowed_stays_below_the_folder(uri: str) -> None:
    try:
        (place,) = paths(uri).values()
    except Refused:
        return
    assert posixpath.normpath(place) == place
    assert place.startswith("models/")
    assert not re.search(r"[\x00-\x1f\\]|(^|/)\.\.(/|$)", place)
