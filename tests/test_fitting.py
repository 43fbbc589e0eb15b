"""Values against the data types of an interface: what is taken, what is converted, and how a misfit is named."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import registry
from registry.datatypes import Array, Binary, DataType, Dict, DynamicDict, Items, Number, Primitive, Table, Tensor
from registry.formats.fitting import fit
from registry.formats.samples import infer
from registry.formats.unfit import DROP, Fit, Unfit

FRAME = pd.DataFrame({"age": [1.5, 2.5], "n": [1, 2], "city": ["a", "b"], "ok": [True, False]})
TABLE = infer(FRAME)
RESULT = Fit(result=True, rows=False)


def misfit(type_: DataType, value: object, how: Fit = Fit()) -> str:  # noqa: B008 - a frozen value
    with pytest.raises(Unfit) as caught:
        fit(type_, value, how)
    return caught.value.told("argument X")


def test_a_frame_of_the_very_columns_is_handed_on_as_it_is() -> None:
    assert fit(TABLE, FRAME) is FRAME


def test_columns_in_another_order_are_put_in_the_interfaces() -> None:
    found = fit(TABLE, FRAME[["ok", "city", "n", "age"]])
    pd.testing.assert_frame_equal(found, FRAME)


def test_missing_and_extra_columns_are_all_named() -> None:
    said = misfit(TABLE, FRAME.drop(columns=["age", "ok"]).assign(agee=1.0))
    assert said == (
        "argument X, column 'age': expected float64, found no such column; "
        "argument X, column 'ok': expected bool, found no such column; "
        "argument X, column 'agee': expected no such column, found this column"
    )


def test_extra_columns_are_dropped_where_that_is_asked_for_and_missing_ones_never_forgiven() -> None:
    wide = FRAME.assign(note="x")
    pd.testing.assert_frame_equal(fit(TABLE, wide, Fit(DROP)), FRAME)
    assert "column 'age'" in misfit(TABLE, wide.drop(columns="age"), Fit(DROP))


def test_a_column_of_which_there_are_two_is_named() -> None:
    twice = pd.concat([FRAME, FRAME[["n"]]], axis=1)
    assert "column 'n': expected one column, found several" in misfit(TABLE, twice)
    assert "column 'n': expected one column, found several" in misfit(TABLE, twice, Fit(DROP))


@pytest.mark.parametrize(
    ("column", "values", "dtype"),
    [
        ("age", [1, 2], "int64"),
        ("age", [1.5, 2.5], "float32"),
        ("age", [True, False], "bool"),
        ("n", [1, 2], "int8"),
        ("n", [1, 2], "uint64"),
        ("n", [1, 2], "Int64"),
    ],
)
def test_a_narrower_column_is_converted_and_the_callers_frame_left_alone(
    column: str, values: list[object], dtype: str
) -> None:
    frame = FRAME.assign(**{column: pd.array(values, dtype=dtype)})
    found = fit(TABLE, frame)
    assert list(found.dtypes) == list(FRAME.dtypes)
    assert list(found[column]) == values
    assert frame[column].dtype.name == dtype


@pytest.mark.parametrize(
    ("column", "values", "dtype"),
    [
        ("age", [2**53 + 1, 2], "int64"),
        ("age", ["1.5", "2.5"], None),
        ("n", [1.0, 2.0], "float64"),
        ("n", [2**63, 1], "uint64"),
        ("n", [1, None], "Int64"),
        ("city", [1, 2], "int64"),
        ("city", ["a", 1], "object"),
        ("ok", [1, 0], "int64"),
    ],
)
def test_a_column_that_would_lose_a_value_is_refused_by_name(column: str, values: list[object], dtype: str) -> None:
    said = misfit(TABLE, FRAME.assign(**{column: pd.Series(values, dtype=dtype)}))
    assert said.startswith(f"argument X, column '{column}': expected {FRAME[column].dtype.name}, found ")
    assert ";" not in said


def test_text_may_be_of_either_dtype_that_pandas_gives_it() -> None:
    fit(TABLE, FRAME.astype({"city": "object"}))
    fit(Table("dataframe", ("city",), ("object",)), FRAME[["city"]].astype("string"))


def test_row_labels_are_no_data_and_a_named_index_is() -> None:
    odd = FRAME.set_axis([7, 3])
    assert fit(TABLE, odd) is odd
    fit(infer(odd), FRAME)
    indexed = FRAME.set_index("city")
    assert fit(infer(indexed), indexed) is indexed
    assert misfit(infer(indexed), FRAME.drop(columns="city")) == (
        "argument X, index: expected city, found row labels without a name"
    )
    aged = FRAME.set_index("age")
    assert "index 'age': expected float64, found str" in misfit(
        infer(aged), aged.set_axis(pd.Index(["a", "b"], name="age"))
    )


@pytest.mark.parametrize("value", [FRAME[["age"]].to_numpy(), [[1.0]], {"age": 1.5}, None, "age", 3, FRAME["age"]])
def test_what_is_no_frame_is_told_by_its_type(value: object) -> None:
    assert misfit(TABLE, value).startswith("argument X: expected dataframe of 4 columns, found ")


def test_an_array_is_told_with_its_shape() -> None:
    said = misfit(TABLE, np.zeros((3, 2)))
    assert said == "argument X: expected dataframe of 4 columns, found ndarray of float64 [*, 2]"


@pytest.mark.parametrize(
    ("type_", "value", "said"),
    [
        (Tensor("ndarray", (None, 2), "float64"), np.zeros((3, 3)), "float64 [*, 2], found ndarray of float64 [3, 3]"),
        (Tensor("ndarray", (None, 2), "float64"), np.zeros(2), "found ndarray of float64 [2]"),
        (Tensor("ndarray", (None,), "float64"), np.array(["a"]), "dtype: expected float64, found str"),
        (Tensor("ndarray", (None,), "float32"), np.array([0.1]), "dtype: expected float32, found float64"),
        (Tensor("ndarray", (None,), "int8"), np.array([300]), "dtype: expected int8, found int64"),
        (Tensor("ndarray", (None, 2), "float64"), FRAME, "found dataframe of 4 columns"),
        (Tensor("ndarray", (None, 2), "float64"), [[1.0, 2.0]], "found list of 1 items"),
        (Tensor("csr_matrix", (9, 2), "float64"), np.eye(2), "found ndarray of float64"),
        (Tensor("torch", (None, 2), "float32"), np.eye(2), "torch of float32 [*, 2], found ndarray"),
        (Primitive("int"), True, None),
        (Primitive("float"), 3, None),
        (Primitive("float"), "3", "expected float, found str"),
        (Primitive("int"), 3.0, "expected int, found float"),
        (Primitive("str"), b"x", "expected str, found binary"),
        (Primitive("NoneType"), 0, "expected NoneType, found int"),
        (Binary(), "x", "expected bytes, found str"),
        (Number("float64"), 3, None),
        (Number("float64"), 2**53 + 1, "expected float64, found int64"),
        (Number("int32"), 2.5, "expected int32, found float64"),
        (Number("int32"), "2", "number of int32, found str"),
        (Array(Primitive("float"), 3), [1.0, 2.0], "length: expected 3, found 2"),
        (Array(Primitive("float")), [1.0, "a", 2, None], "item 1: expected float, found str"),
        (Array(Primitive("float")), (1.0,), "array of float [*], found tuple"),
        (Items("tuple", (Primitive("int"), Primitive("str"))), (1, "a"), None),
        (Items("tuple", (Primitive("int"), Primitive("str"))), ("a", 1), "item 0: expected int, found str"),
        (Items("tuple", (Primitive("int"),)), [1], "tuple of 1 items, found"),
        (Items("list", (Primitive("int"), Primitive("str"))), [1], "length: expected 2, found 1"),
        (Dict({"a": Primitive("int")}), {"a": 1}, None),
        (Dict({"a": Primitive("int")}), {"b": 1}, "key 'a': expected int, found no such key"),
        (Dict({"a": Primitive("int")}), {"a": 1, "b": 1}, "key 'b': expected no such key"),
        (Dict({"a": Array(Primitive("int"))}), {"a": [1, "x"]}, "key 'a', item 1: expected int, found str"),
        (DynamicDict(Primitive("str"), Primitive("int")), {"a": 1}, None),
        (DynamicDict(Primitive("str"), Primitive("int")), {1: 1}, "key '1': expected str, found int"),
        (DynamicDict(Primitive("str"), Primitive("int")), {"a": "b"}, "key 'a': expected int, found str"),
    ],
)
def test_each_type_takes_its_values_and_names_the_place_of_others(
    type_: DataType, value: object, said: str | None
) -> None:
    if said is None:
        assert fit(type_, value) == value
    else:
        assert said in misfit(type_, value)


def test_arrays_are_converted_where_nothing_is_lost() -> None:
    found = fit(Tensor("ndarray", (None, 2), "float64"), np.array([[1, 2]]))
    assert (found.dtype.name, found.tolist()) == ("float64", [[1.0, 2.0]])
    assert fit(Tensor("csr_matrix", (9, 2), "float64"), scipy.sparse.csr_matrix(np.eye(2, dtype="int8"))).shape == (
        2,
        2,
    )
    assert fit(Number("float32"), 3).dtype.name == "float32"


def test_results_are_not_converted_and_their_number_of_rows_is_free() -> None:
    assert fit(Array(Primitive("float"), 12), [1.0], RESULT) == [1.0]
    assert fit(Items("list", (Primitive("float"),)), [1.0, 2.0], RESULT) == [1.0, 2.0]
    rows = Array(Array(Primitive("float"), 2), 12)
    assert fit(rows, [[1.0, 2.0]], RESULT)
    assert "item 0, length: expected 2, found 3" in misfit(rows, [[1.0, 2.0, 3.0]], RESULT)
    assert "dtype: expected float64, found int64" in misfit(
        Tensor("ndarray", (None,), "float64"), np.array([1]), RESULT
    )
    assert fit(Tensor("ndarray", (None,), "str64"), np.array(["no", "perhaps"]), RESULT) is not None
    assert "order of columns" in misfit(TABLE, FRAME[["n", "age", "city", "ok"]], RESULT)


def test_one_message_names_the_first_faults_and_counts_the_rest() -> None:
    said = misfit(Array(Primitive("float")), ["x"] * 1000)
    assert said.count("expected float") == 8
    assert "more" in said


VALUES = st.recursive(
    st.integers() | st.text(max_size=5) | st.booleans() | st.floats() | st.none() | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
def test_every_value_is_of_its_own_type_and_handed_on_unchanged(value: object) -> None:
    assert fit(infer(value), value) is value
    fit(infer(value), value, RESULT)


@given(VALUES, VALUES)
def test_any_value_against_any_type_fits_or_is_unfit_and_nothing_else_is_raised(one: object, two: object) -> None:
    for type_ in (infer(one), TABLE, Tensor("ndarray", (None,), "float64"), Number("int64")):
        with contextlib.suppress(Unfit):
            fit(type_, two)


def test_a_typical_frame_costs_less_than_a_millisecond() -> None:
    frame = pd.DataFrame(np.zeros((1000, 30)), columns=[f"c{n}" for n in range(30)])
    type_ = infer(frame)
    costs = []
    for _ in range(50):
        begun = time.perf_counter()
        fit(type_, frame)
        costs.append(time.perf_counter() - begun)
    assert min(costs) < 0.001


def test_checking_plain_values_imports_no_library() -> None:
    code = (
        "import sys; from registry.formats.fitting import fit; from registry.formats.unfit import Unfit\n"
        "from registry.datatypes import Table, Tensor\n"
        "for t in (Table('dataframe', ('a',), ('int64',)), Tensor('ndarray', (None,), 'float64'), Tensor('torch', None, 'float32')):\n"
        "    try: fit(t, [1])\n"
        "    except Unfit: pass\n"
        "print([m for m in ('numpy', 'pandas', 'scipy', 'torch') if m in sys.modules])"
    )
    root = str(Path(registry.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
