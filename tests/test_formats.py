"""Formats: verified bytes become a model; what the policy does not admit, or what is no model, is refused unexecuted."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import skops.io
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from registry import datatypes, formats, metafile
from registry.errors import Refused, RegistryError
from registry.formats import Content, File, Trust, load_model, samples, trusted_types
from registry.layout import artifact_paths
from registry.metafile import ArtifactRef, Metafile

FIXTURES = Path(__file__).parent / "fixtures" / "mlem"
MLEM = os.environ.get("REGISTRY_MLEM_PYTHON") or None
made_here = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="the fixture holds byte code and attributes of the Python 3.11 that made it"
)
TABLE = pd.DataFrame({"area": [1.0, 2.0, 3.0, 4.0], "age": [1.0, 0.0, 1.0, 0.0]})
TARGET = [0, 1, 0, 1]


@pytest.fixture(autouse=True)
def _other_versions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fixtures were pickled by the packages of their day: here only whether they can be read is asked."""
    from sklearn.exceptions import InconsistentVersionWarning

    monkeypatch.setenv("REGISTRY_REQUIREMENTS", "ignore")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        yield


def fixture(place: str) -> tuple[Metafile, dict[str, File]]:
    path = FIXTURES / place
    found = metafile.parse(path.read_bytes(), place)
    paths = artifact_paths(found, place)
    return found, {name: Content((FIXTURES / at).read_bytes()) for name, at in paths.items()}


def described(type_: str, io_: str, artifacts: Mapping[str, bytes]) -> tuple[Metafile, dict[str, File]]:
    text = f"object_type: model\nprocessors: {{model: {{type: {type_}, io: {{type: {io_}}}}}}}\n"
    found = metafile.parse(text.encode(), "m.mlem")
    references = MappingProxyType({name: ArtifactRef(name) for name in artifacts})
    return replace(found, artifacts=references), {name: Content(data) for name, data in artifacts.items()}


def skops_load(data: bytes, trust: Trust = Trust()) -> object:
    return load_model(*described("sklearn", "skops", {"data": data}), trust, "m.mlem")


class Bomb:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.path,))


class Mine(LinearRegression):
    """A type that no installed package provides."""


# --- what MLEM wrote --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "method", "given"),
    [
        ("models/linear.mlem", "predict", TABLE),
        ("models/nosample.mlem", "predict", TABLE),
        ("models/pipeline.mlem", "predict", TABLE.to_numpy()),
        ("models/processed.mlem", "predict", TABLE.to_numpy()),
        ("old/v03.mlem", "predict", TABLE),
        ("old/.mlem/model/v02.mlem", "predict", TABLE),
    ],
)
@pytest.mark.filterwarnings("ignore::registry.formats.PartialModel")
def test_a_regression_that_mlem_saved_predicts(place: str, method: str, given: object) -> None:
    model = load_model(*fixture(place), Trust())
    assert getattr(model, method)(given) == pytest.approx(TABLE["area"].to_numpy() * 3 + 1)


@made_here
def test_a_classifier_that_mlem_saved_predicts_probabilities() -> None:
    model = load_model(*fixture("models/classifier.mlem"), Trust())
    assert model.predict_proba(TABLE).shape == (4, 2)


def test_a_transformer_that_mlem_saved_transforms() -> None:
    assert load_model(*fixture("models/scaler.mlem"), Trust()).transform(TABLE).shape == (4, 2)


@made_here
def test_a_callable_that_mlem_saved_is_called() -> None:
    assert load_model(*fixture("models/callable.mlem"), Trust())(41) == 42


@made_here
def test_every_processor_has_its_own_files() -> None:
    found, files = fixture("models/processed.mlem")
    assert set(formats.processor_files(found, "preprocess", files)) == {"data.pkl"}
    assert set(formats.processor_files(found, "model", files)) == {"data"}
    loaded = formats.find("callable").load(
        found, "postprocess", formats.processor_files(found, "postprocess", files), Trust()
    )
    assert loaded(np.array([1.5])) == [1.5]


def test_objects_beside_a_callable_are_read_by_the_format_they_name() -> None:
    import dill

    class Pickler(dill.Pickler):
        def persistent_id(self, obj: object) -> str | None:
            return "u1" if isinstance(obj, LinearRegression) else None

    stream = io.BytesIO()
    Pickler(stream).dump({"inner": LinearRegression()})
    files = {
        "data.pkl": stream.getvalue(),
        "u1.io": b"mlem.core.model.SimplePickleIO",
        "u1_data": pickle.dumps("beside"),
    }
    assert load_model(*described("callable", "pickle", files), Trust()) == {"inner": "beside"}
    files["u1.io"] = b"os.system"
    with pytest.raises(RegistryError, match=r"'os\.system', which is not read here; it was not imported"):
        load_model(*described("callable", "pickle", files), Trust())


@pytest.mark.parametrize("io_", ["simple_pickle", "joblib"])
def test_pickle_and_joblib_are_read(io_: str) -> None:
    import joblib

    stream = io.BytesIO()
    (pickle if io_ == "simple_pickle" else joblib).dump(LinearRegression(fit_intercept=False), stream)
    model = load_model(*described("sklearn", io_, {"data": stream.getvalue()}), Trust())
    assert model.fit_intercept is False


# --- policy -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "io_", "name"),
    [
        ("sklearn", "simple_pickle", "data"),
        ("sklearn", "pickle", "data.pkl"),
        ("sklearn", "joblib", "data"),
        ("callable", "pickle", "data.pkl"),
    ],
)
@pytest.mark.parametrize("trust", [Trust("never"), Trust("signed"), Trust("nonsense"), Trust("never", signed=True)])
def test_a_pickle_that_policy_does_not_admit_is_never_read(
    tmp_path: Path, type_: str, io_: str, name: str, trust: Trust
) -> None:
    struck = tmp_path / "struck"
    with pytest.raises(Refused, match=r"formats\.pickle") as caught:
        load_model(*described(type_, io_, {name: pickle.dumps(Bomb(struck))}), trust, "m.mlem")
    assert (caught.value.reason, caught.value.where) == ("format-allowed", "m.mlem")
    assert not struck.exists()


def test_the_bomb_does_strike_where_policy_admits_it(tmp_path: Path) -> None:
    """Otherwise the test above could not fail."""
    load_model(*described("sklearn", "simple_pickle", {"data": pickle.dumps(Bomb(tmp_path / "struck"))}), Trust())
    assert (tmp_path / "struck").exists()


@made_here
def test_signed_admits_a_pickle_whose_chain_is_signed() -> None:
    assert load_model(*fixture("models/callable.mlem"), Trust("signed", signed=True))(1) == 2


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(3),
        GradientBoostingRegressor(n_estimators=3),
        HistGradientBoostingClassifier(max_iter=2),
        KNeighborsClassifier(1, algorithm="ball_tree"),
        MLPClassifier((3,), max_iter=5, solver="lbfgs"),
        SVC(),
        GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2, scoring="accuracy"),
        make_pipeline(SelectKBest(f_classif, k=1), StandardScaler(), FunctionTransformer(np.abs), LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_skops_files_of_scikit_learns_own_types_load_without_a_list(model: LogisticRegression) -> None:
    model.fit(TABLE, TARGET)
    assert list(skops_load(skops.io.dumps(model)).predict(TABLE)) == list(model.predict(TABLE))


def test_a_skops_file_with_a_foreign_type_is_refused_and_named() -> None:
    data = skops.io.dumps(Mine().fit(TABLE, TARGET))
    name = f"{Mine.__module__}.Mine"
    with pytest.raises(Refused, match=rf"not trusted: {re.escape(name)}") as caught:
        skops_load(data)
    assert caught.value.reason == "format-allowed"
    assert "formats.skops_trusted" in caught.value.fix
    assert isinstance(skops_load(data, Trust(skops_trusted=(name,))), Mine)
    assert isinstance(skops_load(data, Trust("never", (name,))), Mine)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "numpy.f2py.compile",
        "numpy.testing._private.utils.runstring",
        "numpy.lib._datasource.DataSource",
        "numpy.memmap",
        "numpy.load",
        "numpy.fromfile",
        "numpy.random.os",
        "scipy.io.netcdf_file",
        "scipy.stats._continuous_distns.norm_gen",
        "scipy._lib._bunch._make_tuple_bunch",
        "sklearn.datasets.fetch_openml",
        "sklearn.utils._testing.TempMemmap",
        "sklearn.utils.estimator_checks.check_estimator",
        "sklearn.externals._packaging.version.Version",
        "sklearn.metrics._scorer.partial",
        "sklearn.base.clone",
        "sklearnx.linear_model.LinearRegression",
        "sklearn",
        "",
        "sklearn..x",
        "sklearn.nothing.Here",
    ],
)
def test_names_that_could_do_more_than_hold_numbers_are_not_trusted(name: str) -> None:
    assert not trusted_types.is_trusted(name)


@pytest.mark.parametrize(
    "name",
    [
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "numpy.random._mt19937.MT19937",
        "numpy.abs",
        "numpy.mean",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
        "scipy.special._ufuncs.expit",
        "sklearn.feature_selection._univariate_selection.f_classif",
    ],
)
def test_estimators_containers_and_scores_are_trusted(name: str) -> None:
    assert trusted_types.is_trusted(name)


def test_judging_a_name_imports_nothing_outside_the_three_packages(tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    code = "import sys; sys.path.insert(0, '.'); from registry.formats.trusted_types import is_trusted; print(is_trusted('evil.Type'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=_environment()
    )
    assert (done.stdout.strip(), done.returncode) == ("False", 0), done.stderr


def test_a_scipy_distribution_that_carries_source_text_is_refused_unexecuted(tmp_path: Path) -> None:
    """`rv_generic.__setstate__` runs `_parse_arg_template`: with all of scipy trusted this writes the file at load."""
    import scipy.stats

    struck = tmp_path / "struck"
    distribution = scipy.stats.norm.__class__(name="norm")
    distribution._parse_arg_template = f"open({str(struck)!r}, 'w').close()\n" + distribution._parse_arg_template
    data = skops.io.dumps(FunctionTransformer(kw_args={"d": distribution}))
    with pytest.raises(Refused, match=r"scipy\.stats"):
        skops_load(data)
    assert not struck.exists()
    skops.io.loads(data, trusted=skops.io.get_untrusted_types(data=data))
    assert struck.exists(), "skops itself executes it: the rule above is what holds it back"


def test_what_skops_says_of_a_file_is_asked_once_for_the_very_bytes_and_judged_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []
    real = skops.io.get_untrusted_types
    monkeypatch.setattr(skops.io, "get_untrusted_types", lambda *, data: asked.append(data) or real(data=data))
    good, foreign = skops.io.dumps(RandomForestClassifier(1).fit(TABLE, TARGET)), skops.io.dumps(Mine())
    for _ in range(3):
        skops_load(good)
        with pytest.raises(Refused, match="not trusted"):
            skops_load(foreign)
    assert asked == [good, foreign]
    assert isinstance(skops_load(foreign, Trust(skops_trusted=(f"{Mine.__module__}.Mine",))), Mine)


def test_the_format_s_own_hook_gives_a_method_that_the_object_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert formats.bound("sklearn", len, "__call__") is len
    with pytest.raises(RegistryError, match="has no method 'score_all'"):
        formats.bound("sklearn", LinearRegression(), "score_all")

    class Hooked:
        def bind(self, model: object, method: str) -> object:
            return (lambda x: (model, x)) if method == "score_all" else None

    monkeypatch.setattr(formats, "find", lambda _type: Hooked())
    assert formats.bound("hooked", 1, "score_all")(2) == (1, 2)
    assert formats.bound("hooked", "text", "upper")() == "TEXT"


# --- broken -------------------------------------------------------------------------------------------------------------


def _zip(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_json", ".json"), data)
    return stream.getvalue()


GOOD = skops.io.dumps(LinearRegression().fit(TABLE, TARGET))
BROKEN = {
    "empty": b"",
    "garbage": b"\x00garbage" * 50,
    "zip header only": b"PK\x03\x04" + b"\xff" * 40,
    "truncated": GOOD[: len(GOOD) // 2],
    "no schema": _zip(other=b"x"),
    "schema is a list": _zip(schema_json=b"[]"),
    "schema without loader": _zip(schema_json=b'{"__class__": "A", "__module__": "b", "protocol": 1}'),
    "schema is no JSON": _zip(schema_json=b"{"),
    "deep schema": _zip(schema_json=b"[" * 100_000),
    "unknown loader": _zip(
        schema_json=json.dumps(
            {"__class__": "A", "__module__": "b", "__loader__": "EvilNode", "protocol": 1, "__id__": 1}
        ).encode()
    ),
}


@pytest.mark.parametrize("io_", ["skops", "simple_pickle", "joblib"])
@pytest.mark.parametrize("case", BROKEN)
def test_bytes_that_are_no_model_are_one_error(io_: str, case: str) -> None:
    with pytest.raises(RegistryError, match="could not be read as") as caught:
        load_model(*described("sklearn", io_, {"data": BROKEN[case]}), Trust(), "m.mlem")
    assert caught.value.where == "m.mlem"
    assert caught.value.fix


@pytest.mark.filterwarnings("ignore::registry.formats.PartialModel")
def test_an_artifact_that_the_metafile_names_and_nobody_gave_is_an_error() -> None:
    found, files = fixture("models/processed.mlem")
    del files["model/data"]
    with pytest.raises(RegistryError, match="artifacts are missing: model/data"):
        load_model(found, files, Trust())


def test_a_metafile_without_artifacts_is_an_error() -> None:
    found, _ = fixture("models/linear.mlem")
    with pytest.raises(RegistryError, match="names no artifact"):
        load_model(replace(found, artifacts=MappingProxyType({})), {}, Trust())


@pytest.mark.parametrize(("type_", "name"), [("sklearn", "other"), ("callable", "data")])
def test_artifacts_of_other_names_are_an_error(type_: str, name: str) -> None:
    io_ = {"sklearn": "simple_pickle", "callable": "pickle"}[type_]
    with pytest.raises(RegistryError, match=r"expected one artifact 'data'|'data\.pkl' is missing"):
        load_model(*described(type_, io_, {name: b"x"}), Trust())


@pytest.mark.parametrize("type_", ["sklearn", "callable"])
def test_an_unknown_io_is_an_error_that_names_the_known_ones(type_: str) -> None:
    with pytest.raises(RegistryError, match=r"stored as 'os\.system'; read are .*pickle"):
        load_model(*described(type_, "os.system", {"data": b""}), Trust())


def test_an_unknown_model_type_is_refused() -> None:
    with pytest.raises(Refused, match=r"no format for model type 'os\.path'") as caught:
        load_model(*described("os.path", "pickle", {"data": b""}), Trust())
    assert caught.value.reason == "model-type-known"


def test_a_missing_module_names_it_and_the_line_that_installs_it() -> None:
    found, _ = fixture("models/linear.mlem")
    with pytest.raises(RegistryError, match="needs module 'no_such_module'") as caught:
        load_model(found, {"data": Content(b"cno_such_module\nThing\n.")}, Trust())
    assert caught.value.fix.startswith("pip install numpy==")


def test_odd_requirements_never_reach_the_install_line() -> None:
    found, _ = fixture("models/linear.mlem")
    odd = (metafile.Requirement(module="x", version="1; rm -rf ~"), metafile.Requirement(module="-r", version="1"))
    assert "rm" not in formats.install_line(replace(found, requirements=odd))
    assert "-r" not in formats.install_line(replace(found, requirements=odd))


# --- plugins ------------------------------------------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(formats.__file__).parents[2]), "PATH": os.environ["PATH"]}


def test_finding_a_format_imports_no_framework() -> None:
    code = (
        "import sys; from registry import formats; [formats.find(t) for t in formats.BUILT_IN];"
        "print([m for m in ('numpy', 'pandas', 'sklearn', 'skops', 'dill', 'joblib', 'scipy', 'importlib.metadata') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=_environment())
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_without_scikit_learn_the_error_is_the_line_that_installs_it() -> None:
    code = (
        "import sys; sys.modules.update(sklearn=None, skops=None)\n"
        "from registry import formats, metafile; from registry.errors import RegistryError\n"
        "found = metafile.parse(open(sys.argv[1], 'rb').read(), 'm')\n"
        "try: formats.load_model(found, {'data': formats.Content(b'')}, formats.Trust())\n"
        "except RegistryError as error: print(error.fix)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(FIXTURES / "models" / "linear.mlem")],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    assert (done.stdout.strip(), done.stderr) == ("pip install 'git-model-registry[sklearn]'", "")


def test_a_third_partys_format_is_found_by_model_type_and_only_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "their_format.py").write_text(
        "class Theirs:\n"
        "    def load(self, metafile, processor, files, trust): return ('theirs', files['data'].read())\n"
        "    def accepts(self, model): return False\n"
        "    def save(self, model, sample_data, format): raise NotImplementedError\n"
    )
    info = tmp_path / "their_format-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-format\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[registry.formats]\nhologram = their_format:Theirs\nbroken = no_such_module:X\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        assert load_model(*described("hologram", "disk", {"data": b"x"}), Trust()) == ("theirs", b"x")
        with pytest.raises(RegistryError, match="no_such_module"):
            formats.find("broken")
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("their_format", None)


@pytest.mark.parametrize("target", sorted(set(formats.BUILT_IN.values())))
def test_every_built_in_satisfies_the_protocol(target: str) -> None:
    found = formats._imported(target)
    for name in ("load", "accepts", "save"):
        assert callable(getattr(found, name))
    assert found.accepts(object()) is False
    with pytest.raises(RegistryError):
        found.load(described("sklearn", "nonsense", {"data": b""})[0], "model", {"data": Content(b"")}, Trust())


# --- data types of samples ------------------------------------------------------------------------------------------------

SAMPLES = """
import numpy as np, pandas as pd, scipy.sparse as sparse
frame = pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5], "c": ["x", "y"], "d": pd.Categorical(["u", "v"]), "e": pd.to_datetime(["2020-01-01", "2020-01-02"])})
SAMPLES = [
    1, 1.5, "x", True, 1j, b"x", [], [1], [1, 2], [1, 2.0], [[1, 2], [3, 4]], [[1], [2, 3]], (1, "a"), (), ((1,), [2, 3]),
    {"a": 1, "b": [1, 2]}, {1: "a"}, {}, {"x": {"y": (1, 2)}}, [None, None], [True, False],
    np.float64(1), np.int32(1), np.uint8(3), [np.float32(1), np.float32(2)],
    np.zeros((3, 2)), np.zeros(3, dtype="int8"), np.zeros((2, 3, 4), dtype=bool), np.array(["a", "bc"]), np.array([1, None]),
    np.zeros((0, 4)), np.array(5.0), [np.zeros((2, 2)), np.ones((3, 2))], [np.zeros(2), np.zeros((2, 2))],
    frame, frame[["a"]], frame.set_index("a"), frame.set_index(["a", "b"]), frame.loc[[1, 0]], frame.rename_axis("i").loc[[1, 0]],
    pd.DataFrame(np.zeros((2, 2))), pd.DataFrame({0: [1], "x": [2]}), frame.astype({"a": "Int64", "c": "category"}), frame[:0],
    pd.DataFrame({"t": pd.to_datetime(["2020-01-01"]).tz_localize("UTC"), "p": pd.period_range("2020", periods=1, freq="D")}),
    frame["a"], frame["c"], pd.Series([1, 2]), pd.Series([1, 2], index=["x", "y"], name="s"), frame.set_index("b")["a"],
    sparse.csr_matrix(np.eye(3)), sparse.csc_matrix(np.eye(2, dtype="float32")), [sparse.csr_matrix(np.eye(3))],
]
"""


def _samples() -> list[object]:
    space: dict[str, list[object]] = {}
    exec(SAMPLES, space)
    return space["SAMPLES"]


@pytest.mark.skipif(MLEM is None, reason="REGISTRY_MLEM_PYTHON names no interpreter with mlem")
def test_samples_get_the_data_types_that_mlem_gives() -> None:
    code = (
        SAMPLES
        + "import json\nfrom mlem.core.data_type import DataAnalyzer\nimport mlem.contrib.numpy, mlem.contrib.pandas, mlem.contrib.scipy\nprint('ANSWER', json.dumps([DataAnalyzer.analyze(s).dict() for s in SAMPLES]))"
    )
    env = {**os.environ, "MLEM_TESTS": "true", "MLEM_NO_ANALYTICS": "true"}  # else it writes to the home folder
    done = subprocess.run([str(MLEM), "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout.partition("ANSWER ")[2])
    ours = [json.loads(json.dumps(datatypes.to_dict(samples.infer(sample)))) for sample in _samples()]
    for sample, one, other in zip(_samples(), ours, theirs, strict=True):
        assert one == other, repr(sample)


@pytest.mark.parametrize("index", range(len(_samples())))
def test_a_samples_data_type_is_read_back(index: int) -> None:
    found = samples.infer(_samples()[index])
    assert datatypes.read(datatypes.Place(datatypes.to_dict(found), "here")) == found


@pytest.mark.parametrize(
    "sample",
    [
        object(),
        {1, 2},
        np.bool_(1),
        {(1, 2): 3},
        {True: 1},
        [object()],
        pd.DataFrame({("a", "b"): [1]}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame({"i": [1]}, index=pd.Index([3], name="i")),
        range(3),
    ],
    ids=[
        "object",
        "set",
        "numpy bool",
        "tuple key",
        "bool key",
        "list of object",
        "levels",
        "twice",
        "index name",
        "range",
    ],
)
def test_a_sample_without_a_data_type_is_one_error(sample: object) -> None:
    with pytest.raises(RegistryError, match="which has no data type"):
        samples.infer(sample)


def test_inferring_imports_no_library() -> None:
    code = "import sys; from registry.formats.samples import infer; infer([{'a': (1, b'')}]); print([m for m in ('numpy', 'pandas', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=_environment())
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_sparse_arrays_are_described_like_sparse_matrices() -> None:
    assert samples.infer(scipy.sparse.csr_array(np.eye(2))) == datatypes.Tensor("csr_matrix", (2, 2), "float64")


def test_an_encoder_is_loaded_from_skops() -> None:
    assert skops_load(skops.io.dumps(OneHotEncoder().fit(TABLE))).n_features_in_ == 2
