"""Interfaces and contracts: reading, writing, and which model is a compatible substitute."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from registry import datatypes, interface, substitution
from registry.datatypes import (
    UNSPECIFIED,
    Array,
    Binary,
    DataType,
    Dict,
    DMatrix,
    DynamicDict,
    Items,
    LightGBM,
    Number,
    Opaque,
    Primitive,
    Table,
    Tensor,
)
from registry.document import freeze
from registry.errors import RegistryError
from registry.interface import Argument, Interface, Method
from registry.substitution import differences

NUMERIC = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
DTYPES = st.sampled_from([*NUMERIC, "object", "category", "datetime64[ns]", "str"])
NAMES = st.text(alphabet="abcXY_é", min_size=1, max_size=4)
LABELS = st.one_of(NAMES, st.integers(0, 9))
SHAPES = st.none() | st.lists(st.none() | st.integers(0, 5), max_size=3).map(tuple)


def mismatches(contract: Interface, model: Interface) -> tuple[str, ...]:
    """Why a model is no substitute, one sentence each."""
    return tuple(map(str, differences(contract, model)))


def tables() -> st.SearchStrategy[DataType]:
    columns = st.lists(st.tuples(LABELS, DTYPES), min_size=1, max_size=4, unique_by=lambda pair: str(pair[0]))
    return st.builds(
        lambda kind, pairs: Table(kind, tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)),
        st.sampled_from(["dataframe", "series"]),
        columns,
    )


LEAVES = st.one_of(
    st.just(Binary()),
    st.sampled_from(["int", "float", "str", "bool", "complex", "NoneType"]).map(Primitive),
    DTYPES.map(Number),
    st.builds(Tensor, st.sampled_from(["ndarray", "torch", "tf_tensor"]), SHAPES, DTYPES),
    st.builds(Tensor, st.just("csr_matrix"), st.tuples(st.integers(0, 9), st.integers(0, 9)), DTYPES),
    tables(),
    st.builds(DMatrix, st.booleans(), st.none(), st.none() | st.lists(NAMES, max_size=3).map(tuple)),
    st.builds(
        Opaque,
        st.just("hologram"),
        st.dictionaries(NAMES, st.integers() | st.floats() | st.text(max_size=3), max_size=2).map(freeze),
    ),
)
TYPES: st.SearchStrategy[DataType] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Array, inner, st.none() | st.integers(0, 5)),
        st.builds(Items, st.sampled_from(["list", "tuple"]), st.lists(inner, max_size=3).map(tuple)),
        st.dictionaries(LABELS, inner, max_size=3).map(lambda items: Dict(MappingProxyType(items))),
        st.builds(DynamicDict, st.just(Primitive("str")), inner),
        st.builds(LightGBM, inner, st.none() | inner),
    ),
    max_leaves=4,
)
DEFAULTS = (
    st.none()
    | st.integers()
    | st.booleans()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2).map(tuple)
)


@st.composite
def methods(draw: st.DrawFn) -> Method:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    kw_only = sorted(draw(st.booleans()) for _ in names)
    required = [draw(st.booleans()) for _ in names]
    args = tuple(
        Argument(name, draw(TYPES | st.just(UNSPECIFIED)), needed, None if needed else draw(DEFAULTS), only)
        for name, needed, only in zip(names, required, kw_only, strict=True)
    )
    return Method("run", args, draw(TYPES | st.just(UNSPECIFIED)), draw(st.none() | NAMES), draw(st.none() | NAMES))


INTERFACES = st.dictionaries(st.sampled_from(["predict", "predict_proba", "transform"]), methods(), min_size=1).map(
    lambda found: Interface(MappingProxyType(found))
)


def one(*args: Argument, returns: DataType = UNSPECIFIED, **rest: object) -> Interface:
    return Interface(MappingProxyType({"predict": Method("predict", args, returns, **rest)}))


def taking(type_: DataType) -> Interface:
    return one(Argument("X", type_))


def giving(type_: DataType) -> Interface:
    return one(returns=type_)


FRAME = Table("dataframe", ("age", "area"), ("int64", "float64"))


# --- reading and writing ----------------------------------------------------------------------------------------------


@given(INTERFACES)
def test_a_contract_reads_back_as_it_was_written(found: Interface) -> None:
    again = interface.parse_contract(interface.dump_contract(found).encode(), "c.yaml")
    assert interface.dump_contract(again) == interface.dump_contract(found)
    assert mismatches(found, again) == ()


@given(TYPES)
def test_a_data_type_survives_its_own_layout(type_: DataType) -> None:
    again = datatypes.read(substitution_place(datatypes.to_dict(type_)))
    assert datatypes.to_dict(again).keys() == datatypes.to_dict(type_).keys()
    assert mismatches(taking(type_), taking(again)) == ()


def substitution_place(value: object) -> datatypes.Place:
    return datatypes.Place(value, "here")


def test_integer_and_text_keys_are_told_apart() -> None:
    table = Table("dataframe", (1, "1e5", "2"), ("int64", "int64", "int64"))
    text = interface.dump_contract(taking(table))
    assert interface.parse_contract(text.encode(), "c").methods["predict"].args[0].type_ == table


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("methods:\n  predict:\n    name: predict\n    argz: []\n", 4, "unknown key 'argz'"),
        ("version: 1\nmethods: {p: {name: p}}\n", 1, "unknown key 'version'"),
        ("methods:\n  p:\n    args:\n    - name: X\n      typ: int\n", 5, "unknown key 'typ'"),
        (
            "methods:\n  p:\n    args:\n    - name: X\n      type_:\n        type: ndarray\n        dtype: int8\n        rank: 2\n",
            8,
            "unknown key 'rank'",
        ),
        ("methods:\n  p:\n    returns:\n      type: ndarray\n", 4, "'dtype' is missing"),
        ("methods:\n  p:\n    args:\n    - name: X\n    - name: X\n", 4, "named twice"),
        ("methods:\n  p:\n    args:\n    - name: X\n      required: maybe\n", 5, "expected true or false"),
        ("methods:\n  p:\n    returns: {type: ndarray, dtype: f, shape: [a]}\n", 3, "expected a whole number"),
        ("methods:\n  p:\n    returns: {type: dataframe, columns: [a, a], dtypes: [f, f]}\n", 3, "named twice"),
        ("methods:\n  p:\n    args: 3\n", 3, "expected a list"),
        ("methods: {}\n", 1, "at least one method"),
        ("{}\n", 0, "'methods' is missing"),
        ("- a\n", 1, "expected a mapping"),
    ],
)
def test_a_contract_is_strict_and_names_the_line(text: str, line: int, said: str) -> None:
    with pytest.raises(RegistryError) as caught:
        interface.parse_contract(text.encode(), "interfaces/m.yaml")
    assert said in caught.value.what
    assert caught.value.where == (f"interfaces/m.yaml, line {line}" if line else "interfaces/m.yaml")
    assert caught.value.fix


@given(st.binary(max_size=200))
def test_any_bytes_are_a_contract_or_one_registry_error(data: bytes) -> None:
    try:
        interface.parse_contract(data, "c.yaml")
    except RegistryError as error:
        assert error.where.startswith("c.yaml")  # noqa: PT017 - either outcome is right


# --- substitution -----------------------------------------------------------------------------------------------------


@given(INTERFACES)
def test_every_model_substitutes_for_itself(found: Interface) -> None:
    assert mismatches(found, found) == ()


@given(INTERFACES)
def test_dropping_any_method_is_caught(found: Interface) -> None:
    for name in found.methods:
        less = Interface(MappingProxyType({key: value for key, value in found.methods.items() if key != name}))
        assert any(f"method {name}" in said for said in mismatches(found, less))
        assert mismatches(less, found) == ()


@given(methods())
def test_breaking_edits_of_arguments_are_caught(method: Method) -> None:  # noqa: C901 - one line an edit
    contract = Interface(MappingProxyType({"predict": method}))

    def caught(**changes: object) -> tuple[str, ...]:
        return mismatches(contract, Interface(MappingProxyType({"predict": replace(method, **changes)})))

    assert caught(args=(*method.args, Argument("brand_new", required=True)))
    assert caught(args=(*method.args, Argument("brand_new", required=True, kw_only=True)))
    for number, argument in enumerate(method.args):

        def edited(number: int = number, **changes: object) -> tuple[str, ...]:
            changed = replace(method.args[number], **changes)
            return caught(args=(*method.args[:number], changed, *method.args[number + 1 :]))

        assert caught(args=(*method.args[:number], *method.args[number + 1 :]))
        assert edited(name="renamed")
        if not argument.required:
            assert edited(required=True)
            assert edited(default="quite another default")
        if not argument.kw_only:
            assert edited(kw_only=True)
        if argument.type_ != UNSPECIFIED:
            assert edited(type_=UNSPECIFIED)
            assert edited(type_=Opaque("another", MappingProxyType({})))
    positional = [argument for argument in method.args if not argument.kw_only]
    if len(positional) > 1:
        assert caught(args=(positional[1], positional[0], *positional[2:], *(a for a in method.args if a.kw_only)))
    if method.returns != UNSPECIFIED:
        assert caught(returns=UNSPECIFIED)
        assert caught(returns=Opaque("another", MappingProxyType({})))
    if method.varargs is not None:
        assert caught(varargs=None)
    if method.varkw is not None:
        assert caught(varkw=None)


@given(methods())
def test_compatible_edits_are_not_reported(method: Method) -> None:
    contract = Interface(MappingProxyType({"predict": method}))
    wider = replace(
        method,
        args=(
            *(replace(a, required=False, default=a.default) for a in method.args),
            Argument("extra", required=False, kw_only=True),
        ),
        varargs=method.varargs or "args",
        varkw=method.varkw or "kwargs",
    )
    model = Interface(MappingProxyType({"predict": wider, "another": Method("another")}))
    assert mismatches(contract, model) == ()


@given(tables(), st.data())
def test_any_edit_of_a_tables_columns_is_caught_in_and_out(table: Table, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(table.columns) - 1))

    def cut(values: tuple[str, ...]) -> tuple[str, ...]:
        return (*values[:number], *values[number + 1 :])

    edits = [
        replace(table, columns=cut(table.columns), dtypes=cut(table.dtypes)),
        replace(table, columns=(*table.columns, "brand new"), dtypes=(*table.dtypes, "int8")),
        replace(table, columns=(*table.columns[:number], "renamed!", *table.columns[number + 1 :])),
        replace(table, dtypes=(*table.dtypes[:number], "timedelta64[ns]", *table.dtypes[number + 1 :])),
        replace(table, index_cols=(table.columns[0],)),
    ]
    if len(table.columns) > 1:
        edits.append(replace(table, columns=table.columns[::-1], dtypes=table.dtypes[::-1]))
    for edit in edits:
        assert mismatches(taking(table), taking(edit))
        assert mismatches(giving(table), giving(edit))


@given(TYPES, TYPES, TYPES)
def test_substitution_of_types_is_transitive(a: DataType, b: DataType, c: DataType) -> None:
    for side in (taking, giving):
        if not mismatches(side(a), side(b)) and not mismatches(side(b), side(c)):
            assert mismatches(side(a), side(c)) == ()


@given(SHAPES, SHAPES)
def test_shapes_agree_with_the_sets_of_arrays_they_describe(one_shape: tuple | None, other: tuple | None) -> None:
    """A shape fits when every concrete shape of the narrow one is one of the wide one's (tried by counterexample)."""

    def holds(shape: tuple | None, concrete: tuple) -> bool:
        return shape is None or (
            len(shape) == len(concrete) and all(s in (None, c) for s, c in zip(shape, concrete, strict=True))
        )

    contract, model = Tensor("ndarray", one_shape, "float64"), Tensor("ndarray", other, "float64")
    samples = [
        tuple(size + d if n is None else n for n in shape)
        for shape in (one_shape, other)
        if shape is not None
        for size, d in ((0, 0), (7, 0), (7, 1))
    ]
    samples += [(11,) * rank for rank in range(5)]
    accepted = all(holds(other, sample) for sample in samples if holds(one_shape, sample))
    assert (mismatches(taking(contract), taking(model)) == ()) == accepted
    given_back = all(holds(one_shape, sample) for sample in samples if holds(other, sample))
    assert (mismatches(giving(contract), giving(model)) == ()) == given_back


def test_input_dtypes_widen_exactly_where_numpy_keeps_every_value() -> None:  # noqa: C901 - an oracle of its own
    import numpy as np

    def extremes(dtype: str) -> list[object]:
        kind = np.dtype(dtype)
        if kind.kind == "b":
            return [np.bool_(0), np.bool_(1)]
        if kind.kind in "iu":
            info = np.iinfo(kind)
            return [kind.type(value) for value in (info.min, info.max, info.max - 1)]
        info = np.finfo(kind)
        real = [info.max, info.min, info.tiny, 1 + info.eps]
        return [kind.type(value) for value in real] + ([kind.type(1j)] if kind.kind == "c" else [])

    def keeps(narrow: str, wide: str) -> bool:
        with np.errstate(all="ignore"):
            if np.dtype(narrow).kind == "c" and np.dtype(wide).kind != "c":
                return False
            if np.dtype(narrow).kind in "fc" and np.dtype(wide).kind in "iub":
                return False
            for value in extremes(narrow):
                there = np.asarray(value).astype(wide)
                if there.item() != value.item():
                    return False
        return True

    for narrow in NUMERIC:
        for wide in NUMERIC:
            fits = mismatches(taking(Tensor("ndarray", None, narrow)), taking(Tensor("ndarray", None, wide))) == ()
            assert fits == keeps(narrow, wide), (narrow, wide)


@pytest.mark.parametrize(
    ("contract", "model", "fits"),
    [
        (taking(UNSPECIFIED), taking(FRAME), True),
        (taking(FRAME), taking(UNSPECIFIED), False),
        (giving(FRAME), giving(UNSPECIFIED), False),
        (taking(FRAME), taking(replace(FRAME, dtypes=("float64", "float64"))), False),
        (
            taking(replace(FRAME, dtypes=("int32", "float32"))),
            taking(replace(FRAME, dtypes=("int64", "float64"))),
            True,
        ),
        (giving(Tensor("ndarray", (None,), "float64")), giving(Tensor("ndarray", (None,), "float32")), False),
        (taking(Primitive("int")), taking(Primitive("float")), True),
        (taking(Primitive("float")), taking(Primitive("int")), False),
        (giving(Primitive("int")), giving(Primitive("float")), False),
        (taking(Primitive("int")), taking(Number("int64")), False),
        (taking(Array(Primitive("int"), 3)), taking(Array(Primitive("int"))), True),
        (taking(Array(Primitive("int"))), taking(Array(Primitive("int"), 3)), False),
        (giving(Array(Primitive("int"))), giving(Array(Primitive("int"), 3)), True),
        (taking(Items("list", (Primitive("int"),))), taking(Array(Primitive("int"))), True),
        (giving(Array(Primitive("int"))), giving(Items("list", (Primitive("int"),))), True),
        (giving(Array(Primitive("int"), 2)), giving(Items("list", (Primitive("int"),))), False),
        (taking(Array(Primitive("int"))), taking(Items("list", (Primitive("int"),))), False),
        (giving(Items("list", (Primitive("int"),))), giving(Array(Primitive("int"))), False),
        (taking(Tensor("csr_matrix", (5, 3), "float64")), taking(Tensor("csr_matrix", (9, 3), "float64")), True),
        (taking(Tensor("csr_matrix", (5, 3), "float64")), taking(Tensor("csr_matrix", (5, 4), "float64")), False),
        (taking(Tensor("ndarray", None, "int8")), taking(Tensor("torch", None, "int8")), False),
    ],
)
def test_known_pairs(contract: Interface, model: Interface, fits: bool) -> None:
    assert (mismatches(contract, model) == ()) == fits


def test_a_message_names_method_argument_column_expected_and_actual() -> None:
    model = taking(replace(FRAME, dtypes=("int32", "float64")))
    assert mismatches(taking(FRAME), model) == (
        "method predict, argument X, column 'age': expected int64, actual int32",
    )


def test_the_parts_of_a_difference_are_kept_apart() -> None:
    (found,) = substitution.differences(giving(Primitive("int")), giving(Primitive("str")))
    assert found == ("predict", "returns", "int", "str")


def test_a_default_that_changed_is_a_mismatch_and_true_is_not_one() -> None:
    contract = one(Argument("n", Primitive("int"), required=False, default=1))
    assert mismatches(contract, one(Argument("n", Primitive("int"), required=False, default=True)))
    assert (
        mismatches(
            one(Argument("n", Primitive("int"))), one(Argument("n", Primitive("int"), required=False, default=2))
        )
        == ()
    )


def test_varargs_forbid_a_new_positional_argument_before_them() -> None:
    contract = one(Argument("X"), varargs="rest")
    assert mismatches(contract, one(Argument("X"), Argument("Y", required=False), varargs="rest"))
    assert mismatches(one(Argument("X")), one(Argument("X"), Argument("Y", required=False))) == ()


@given(TYPES)
def test_values_are_frozen(type_: DataType) -> None:
    assume(hasattr(type_, "__dataclass_fields__"))
    with pytest.raises(AttributeError):
        type_.shape = ()
