"""The diff of two interfaces: its laws, and generated inputs that show each breaking change to be one.

`takes` below is what the words of a metafile mean, written anew: values are plain Python (an array is its dtype and
shape with one element, a table its columns), nothing of the package judges them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from test_interface import INTERFACES, methods

from registry import interfacediff
from registry.datatypes import UNSPECIFIED, Array, DataType, Dict, DMatrix, DynamicDict, Items, Primitive, Table, Tensor
from registry.interface import Argument, Interface, Method
from registry.interfacediff import ADDITION, BREAKING, NEUTRAL, Change, Diff, diff, least_bump, least_version

# --- an oracle of its own: values, and whether a type accepts them -----------------------------------------------------


@dataclass(frozen=True)
class Values:
    """A numeric array: its shape and its elements, all alike."""

    shape: tuple[int, ...]
    element: complex


@dataclass(frozen=True)
class Frame:
    """A table of one row: column, dtype that the caller's library gave it, in order."""

    row: tuple[tuple[object, complex], ...]


INTEGERS = {f"{sign}int{bits}": (sign, bits) for sign in ("", "u") for bits in (8, 16, 32, 64)}
PRECISION = {"float16": (11, 15), "float32": (24, 127), "float64": (53, 1023)}
NUMERIC = [*INTEGERS, *PRECISION, "bool"]


def representable(value: complex, dtype: str) -> bool:
    """Whether a dtype holds a number exactly: by its range, and its digits in base two."""
    if dtype == "bool":
        return value in (0, 1)
    if dtype in INTEGERS:
        sign, bits = INTEGERS[dtype]
        low, high = (0, 2**bits) if sign else (-(2 ** (bits - 1)), 2 ** (bits - 1))
        return value == int(value.real) and low <= value < high
    digits, exponent = PRECISION[dtype]
    if value == 0:
        return True
    if isinstance(value, int):
        odd = abs(value) >> ((value & -value).bit_length() - 1)
        return odd.bit_length() <= digits and abs(value).bit_length() <= exponent + 1
    fraction, power = math.frexp(value)
    return (fraction * 2**digits).is_integer() and 2 - exponent <= power <= exponent + 1


def extremes(dtype: str) -> list[Any]:
    """Numbers of a dtype that narrower ones do not have."""
    if dtype == "bool":
        return [0, 1]
    if dtype in INTEGERS:
        sign, bits = INTEGERS[dtype]
        return [2**bits - 1, 0] if sign else [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
    digits, exponent = PRECISION[dtype]
    return [1 + 2.0 ** (1 - digits), 2.0**exponent, 0.5]


PYTHON = {"bool": (bool,), "int": (bool, int), "float": (bool, int, float), "str": (str,), "NoneType": (type(None),)}
"""What a type checker lets through for each (PEP 484)."""
PLAIN: dict[str, list[Any]] = {"bool": [True], "int": [3, False], "float": [0.5, 2], "str": ["a"], "NoneType": [None]}


def takes(type_: DataType, value: Any) -> bool:  # noqa: C901 - a table
    """Whether a method that says it takes `type_` accepts `value`."""
    match type_:
        case Primitive(ptype):
            return type(value) in PYTHON[ptype]
        case Tensor(_, shape, dtype):
            fits = isinstance(value, Values) and representable(value.element, dtype)
            return fits and (shape is None or matches(shape, value.shape))
        case Table(_, columns, dtypes):
            if not isinstance(value, Frame) or columns != tuple(name for name, _ in value.row):
                return False
            return all(representable(each, dtype) for dtype, (_, each) in zip(dtypes, value.row, strict=True))
        case Array(inner, size):
            return isinstance(value, list) and size in (None, len(value)) and all(takes(inner, each) for each in value)
        case Items("list", items):
            if not isinstance(value, list) or len(value) != len(items):
                return False
            return all(map(takes, items, value))
        case Dict(items):
            if not isinstance(value, dict) or value.keys() != items.keys():
                return False
            return all(takes(inner, value[key]) for key, inner in items.items())
        case DynamicDict(keys, values):
            return isinstance(value, dict) and all(takes(keys, k) and takes(values, v) for k, v in value.items())
    raise NotImplementedError(type_)


def matches(shape: tuple[int | None, ...], concrete: tuple[int, ...]) -> bool:
    return len(shape) == len(concrete) and all(want in (None, has) for want, has in zip(shape, concrete, strict=True))


def samples(type_: DataType) -> list[Any]:
    """Values that `type_` accepts, chosen so that whatever is narrower refuses one of them."""
    match type_:
        case Primitive(ptype):
            return PLAIN[ptype]
        case Tensor(_, shape, dtype):
            sizes = [()] if shape is None else [tuple(n if size is None else size for size in shape) for n in (7, 8)]
            shapes = [*sizes, *([(7,), (8, 9)] if shape is None else [])]
            return [Values(each, element) for each in shapes for element in extremes(dtype)]
        case Table(_, columns, dtypes):
            rows = [[extremes(dtype)[0] for dtype in dtypes]]
            for number, dtype in enumerate(dtypes):
                rows += [[*rows[0][:number], each, *rows[0][number + 1 :]] for each in extremes(dtype)]
            return [Frame(tuple(zip(columns, row, strict=True))) for row in rows]
        case Array(inner, size):
            return [[each] * n for each in samples(inner) for n in ((1, 5, 6, 0) if size is None else (size,))]
        case Items("list", items):
            return varied([samples(item) for item in items])
        case Dict(items):
            keys = list(items)
            return [dict(zip(keys, row, strict=True)) for row in varied([samples(item) for item in items.values()])]
        case DynamicDict(keys, values):
            return [{k: v} for k in samples(keys) for v in samples(values)]
    raise NotImplementedError(type_)


def varied(columns: list[list[Any]]) -> list[list[Any]]:
    """The first of each, and with each other one in its place."""
    first = [column[0] for column in columns]
    return [first, *([*first[:n], each, *first[n + 1 :]] for n, column in enumerate(columns) for each in column)]


SHAPES = st.none() | st.lists(st.none() | st.integers(0, 3), max_size=2).map(tuple)
COLUMNS = st.lists(
    st.tuples(st.sampled_from(["a", "b", 1]), st.sampled_from(NUMERIC)),
    min_size=1,
    max_size=3,
    unique_by=lambda c: str(c[0]),
)
KNOWN: st.SearchStrategy[DataType] = st.recursive(
    st.one_of(
        st.sampled_from(list(PYTHON)).map(Primitive),
        st.builds(Tensor, st.just("ndarray"), SHAPES, st.sampled_from(NUMERIC)),
        COLUMNS.map(lambda pairs: Table("dataframe", tuple(p[0] for p in pairs), tuple(p[1] for p in pairs))),
    ),
    lambda inner: st.one_of(
        st.builds(Array, inner, st.none() | st.integers(1, 3)),
        st.lists(inner, min_size=1, max_size=3).map(lambda found: Items("list", tuple(found))),
        st.dictionaries(st.sampled_from(["a", "b"]), inner, min_size=1).map(
            lambda found: Dict(MappingProxyType(found))
        ),
        st.builds(DynamicDict, st.just(Primitive("str")), inner),
    ),
    max_leaves=4,
)


@st.composite
def edited(draw: st.DrawFn, type_: DataType) -> DataType:  # noqa: C901, PLR0912 - a table
    """A type near another: most edits change one thing, so that compatible pairs are met as often as breaking ones."""
    match type_:
        case Primitive():
            return Primitive(draw(st.sampled_from(list(PYTHON))))
        case Tensor(kind, shape, dtype):
            if draw(st.booleans()):
                return Tensor(kind, shape, draw(st.sampled_from(NUMERIC)))
            return Tensor(kind, draw(st.just(None if shape is None else tuple(None for _ in shape)) | SHAPES), dtype)
        case Table(kind, columns, dtypes):
            number = draw(st.integers(0, len(columns) - 1))
            edit = draw(st.sampled_from(["dtype", "name", "drop", "add", "turn"]))
            if edit == "dtype":
                return replace(type_, dtypes=(*dtypes[:number], draw(st.sampled_from(NUMERIC)), *dtypes[number + 1 :]))
            if edit == "name":
                return replace(type_, columns=(*columns[:number], "new", *columns[number + 1 :]))
            if edit == "drop" and len(columns) > 1:
                return Table(kind, columns[:number] + columns[number + 1 :], dtypes[:number] + dtypes[number + 1 :])
            if edit == "turn":
                return replace(type_, columns=columns[::-1], dtypes=dtypes[::-1])
            return Table(kind, (*columns, "new"), (*dtypes, "int8"))
        case Array(inner, size):
            return Array(draw(edited(inner)), draw(st.sampled_from([size, None, 2])))
        case Items(kind, items):
            number = draw(st.integers(0, len(items) - 1))
            if draw(st.booleans()):
                return Array(items[0], draw(st.sampled_from([None, len(items)])))
            return Items(kind, (*items[:number], draw(edited(items[number])), *items[number + 1 :]))
        case Dict(found) if not found:
            return type_
        case Dict(found):
            key = draw(st.sampled_from(sorted(found)))
            rest = {k: v for k, v in found.items() if k != key}
            return Dict(MappingProxyType(draw(st.sampled_from([rest, {**rest, key: draw(edited(found[key]))}]))))
        case DynamicDict(keys, values):
            return DynamicDict(keys, draw(edited(values)))
    raise NotImplementedError(type_)


PAIRS = KNOWN.flatmap(lambda type_: st.tuples(st.just(type_), edited(type_) | KNOWN))


def taking(type_: DataType) -> Interface:
    return whole(Method("predict", (Argument("X", type_),)))


def giving(type_: DataType) -> Interface:
    return whole(Method("predict", returns=type_))


def whole(method: Method) -> Interface:
    return Interface(MappingProxyType({"predict": method}))


def kinds(found: Diff) -> set[str]:
    return {change.kind for change in found.changes}


@given(KNOWN)
def test_the_oracle_accepts_its_own_samples(type_: DataType) -> None:
    assert samples(type_)
    assert all(takes(type_, value) for value in samples(type_))


# --- soundness, by counterexample -------------------------------------------------------------------------------------


@given(PAIRS)
def test_an_input_that_the_diff_lets_pass_accepts_every_value_it_accepted_before(
    pair: tuple[DataType, DataType],
) -> None:
    old, new = pair
    refused = [value for value in samples(old) if not takes(new, value)]
    if refused:
        assert diff(taking(old), taking(new)).breaking, f"{refused[0]} is no longer accepted"


@given(PAIRS)
def test_every_breaking_change_of_an_input_has_a_value_that_shows_it(pair: tuple[DataType, DataType]) -> None:
    old, new = pair
    if diff(taking(old), taking(new)).breaking and not stricter_than_the_values(old, new):
        assert any(not takes(new, value) for value in samples(old)), "nothing shows that this is breaking"


def stricter_than_the_values(old: DataType, new: DataType) -> bool:
    """Whether all values pass although the words differ: kinds of containers are not taken for each other."""
    return type(old) is not type(new) or any(
        stricter_than_the_values(*each) for each in zip(inner_of(old), inner_of(new), strict=False)
    )


def inner_of(type_: DataType) -> list[DataType]:
    match type_:
        case Array(inner, _):
            return [inner]
        case Items(_, items):
            return list(items)
        case Dict(items):
            return [items[key] for key in sorted(items)]
        case DynamicDict(_, values):
            return [values]
    return []


@given(PAIRS)
def test_a_result_that_the_diff_lets_pass_is_one_that_was_promised_before(pair: tuple[DataType, DataType]) -> None:
    old, new = pair
    unexpected = [value for value in samples(new) if not takes(old, value)]
    if unexpected:
        assert diff(giving(old), giving(new)).breaking, f"{unexpected[0]} was never promised"


@dataclass(frozen=True)
class Call:
    """A call of a method: how many arguments by position, which by name."""

    positional: int
    named: frozenset[str]

    def binds(self, method: Method) -> dict[str, str] | None:
        """Which argument each given one becomes, by Python's rules; none where the call fails."""
        places = [each.name for each in method.args if not each.kw_only]
        bound = {f"#{n}": places[n] if n < len(places) else f"*{n - len(places)}" for n in range(self.positional)}
        if self.positional > len(places) and method.varargs is None:
            return None
        names = {each.name for each in method.args}
        for name in self.named:
            if name in bound.values() or (name not in names and method.varkw is None):
                return None
            bound[name] = name
        if any(each.required and each.name not in bound.values() for each in method.args):
            return None
        return bound


CALLS = st.builds(Call, st.integers(0, 5), st.frozensets(st.sampled_from(["a", "b", "c", "other"])))


@st.composite
def signatures(draw: st.DrawFn) -> Method:
    names = draw(st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True))
    kw_only = sorted(draw(st.booleans()) for _ in names)
    optional = sorted(draw(st.booleans()) for _ in names)
    args = [
        Argument(n, UNSPECIFIED, not o, 1 if o else None, k) for n, o, k in zip(names, optional, kw_only, strict=True)
    ]
    return Method(
        "predict",
        tuple(args),
        UNSPECIFIED,
        draw(st.sampled_from([None, "args"])),
        draw(st.sampled_from([None, "kwargs"])),
    )


@given(signatures(), signatures(), st.lists(CALLS, min_size=1, max_size=30))
def test_a_call_that_worked_works_and_means_the_same_where_the_diff_lets_it_pass(
    old: Method, new: Method, calls: list[Call]
) -> None:
    """Every call the old signature binds is bound alike by the new one; `**kwargs` only pass names on."""
    if diff(whole(old), whole(new)).breaking:
        return
    for call in calls:
        before = call.binds(old)
        if before is not None:
            assert call.binds(new) == before, f"{call} worked before"


@given(signatures(), st.data())
def test_a_call_shows_that_a_dropped_or_newly_required_argument_is_breaking(
    method: Method, data: st.DataObject
) -> None:
    assume(method.args)
    number = data.draw(st.integers(0, len(method.args) - 1))
    dropped = replace(method, args=(*method.args[:number], *method.args[number + 1 :]), varkw=None)
    call = Call(0, frozenset(each.name for each in method.args))
    assert call.binds(method) is not None
    assert call.binds(dropped) is None
    assert diff(whole(method), whole(dropped)).breaking
    needed = replace(method, args=(*method.args, Argument("brand_new", kw_only=True)))
    assert call.binds(needed) is None
    assert diff(whole(method), whole(needed)).breaking


@given(signatures(), st.data())
def test_a_call_by_position_shows_that_another_order_is_breaking(method: Method, data: st.DataObject) -> None:
    positional = [each for each in method.args if not each.kw_only]
    rest = [each for each in method.args if each.kw_only]
    turned = replace(method, args=(*data.draw(st.permutations(positional)), *rest))
    call = Call(len(positional), frozenset(each.name for each in rest))
    assert call.binds(method) is not None
    assert diff(whole(method), whole(turned)).breaking == (call.binds(turned) != call.binds(method))


@given(COLUMNS, st.data())
def test_a_row_shows_that_another_order_of_columns_is_breaking(
    columns: list[tuple[str | int, str]], data: st.DataObject
) -> None:
    turned = data.draw(st.permutations(columns))
    old, new = (Table("dataframe", tuple(n for n, _ in each), tuple(d for _, d in each)) for each in (columns, turned))
    refused = any(not takes(new, value) for value in samples(old))
    assert diff(taking(old), taking(new)).breaking == diff(giving(old), giving(new)).breaking == refused


def test_a_new_argument_may_not_take_its_name_from_kwargs_of_another_type() -> None:
    """`predict(n="a")` reached `**options` before; now it is the number `n`."""
    old = Method("predict", varkw="options", varkw_type=Primitive("str"))
    narrow = replace(old, args=(Argument("n", Primitive("int"), required=False, default=1),))
    alike = replace(old, args=(Argument("n", Primitive("str"), required=False, default=""),))
    assert Change("predict", "varkw, argument n", "str", "int", BREAKING) in diff(whole(old), whole(narrow)).changes
    assert not diff(whole(old), whole(alike)).breaking


def test_an_input_matrix_of_any_features_may_not_become_one_of_named_features() -> None:
    any_, named = DMatrix(True), DMatrix(True, feature_names=("a", "b"))
    assert diff(taking(any_), taking(named)).breaking
    assert kinds(diff(taking(named), taking(any_))) == {ADDITION}
    assert diff(giving(named), giving(any_)).breaking


# --- laws -------------------------------------------------------------------------------------------------------------


@given(INTERFACES)
def test_nothing_changed_between_an_interface_and_itself(found: Interface) -> None:
    assert diff(found, found) == Diff()


@given(INTERFACES, INTERFACES, INTERFACES)
def test_compatible_after_compatible_is_compatible(a: Interface, b: Interface, c: Interface) -> None:
    if not diff(a, b).breaking and not diff(b, c).breaking:
        assert not diff(a, c).breaking


@given(KNOWN, st.data())
def test_compatible_edits_of_a_type_add_up_to_a_compatible_one(type_: DataType, data: st.DataObject) -> None:
    one = data.draw(edited(type_))
    two = data.draw(edited(one))
    for side in (taking, giving):
        if not diff(side(type_), side(one)).breaking and not diff(side(one), side(two)).breaking:
            assert not diff(side(type_), side(two)).breaking


@given(signatures(), signatures(), signatures())
def test_compatible_signatures_add_up_to_a_compatible_one(a: Method, b: Method, c: Method) -> None:
    if not diff(whole(a), whole(b)).breaking and not diff(whole(b), whole(c)).breaking:
        assert not diff(whole(a), whole(c)).breaking


@given(INTERFACES, INTERFACES)
def test_an_addition_is_what_going_back_would_break(old: Interface, new: Interface) -> None:
    there, back = diff(old, new), diff(new, old)
    if not there.breaking:
        assert bool(there.of(ADDITION)) == back.breaking
    assert bool(there.changes) == bool(back.changes)


@given(methods(), methods())
def test_a_change_says_what_was_before_and_after(old: Method, new: Method) -> None:
    for change in diff(whole(old), whole(new)).changes:
        assert change.before
        assert change.after
        assert change.before != change.after
        assert change.kind in interfacediff.KINDS


# --- the table of docs/interfaces.md ----------------------------------------------------------------------------------

FLOATS = Tensor("ndarray", (None, 3), "float32")
FRAME = Table("dataframe", ("age", "area"), ("int64", "float64"))
BASE = Method("predict", (Argument("X", FLOATS),), Tensor("ndarray", (None,), "float64"))
OPTIONAL = Argument("n", Primitive("int"), required=False, default=1)


@pytest.mark.parametrize(
    ("new", "change"),
    [
        (replace(BASE, args=()), ("argument X", "required X: ndarray of float32 [*, 3]", "none", BREAKING)),
        (replace(BASE, args=(*BASE.args, OPTIONAL)), ("argument n", "none", "optional n: int = 1", ADDITION)),
        (replace(BASE, args=(*BASE.args, replace(OPTIONAL, required=True))), ("argument n", "none", "required n: int", BREAKING)),
        (replace(BASE, args=(replace(BASE.args[0], required=False),)), ("argument X", "required", "optional", ADDITION)),
        (replace(BASE, args=(replace(BASE.args[0], kw_only=True),)), ("argument X", "positional or keyword", "keyword only", BREAKING)),
        (replace(BASE, args=(Argument("X", replace(FLOATS, dtype="float64")),)), ("argument X", "float32", "float64", ADDITION)),
        (replace(BASE, args=(Argument("X", replace(FLOATS, dtype="int64")),)), ("argument X", "float32", "int64", BREAKING)),
        (replace(BASE, args=(Argument("X", replace(FLOATS, shape=(None, 4))),)), ("argument X, shape", "[*, 3]", "[*, 4]", BREAKING)),
        (replace(BASE, args=(Argument("X", replace(FLOATS, shape=(None, None))),)), ("argument X, shape", "[*, 3]", "[*, *]", ADDITION)),
        (replace(BASE, returns=Tensor("ndarray", (None,), "float32")), ("returns", "float64", "float32", BREAKING)),
        (replace(BASE, returns=Tensor("ndarray", (5,), "float64")), ("returns, shape", "[*]", "[5]", ADDITION)),
        (replace(BASE, varkw="options"), ("varkw", "not accepted", "further keyword arguments accepted", ADDITION)),
        (replace(BASE, name="run"), ("", "predict", "run", NEUTRAL)),
    ],
)  # fmt: skip
def test_a_known_change_of_a_method(new: Method, change: tuple[str, ...]) -> None:
    assert diff(whole(BASE), whole(new)).changes == (Change("predict", *change),)


def test_known_changes_of_methods_columns_and_what_is_not_recorded() -> None:
    two = Interface(MappingProxyType({"predict": BASE, "proba": Method("proba")}))
    assert diff(two, whole(BASE)).changes == (Change("proba", "", "() -> unspecified", "none", BREAKING),)
    assert diff(whole(BASE), two).changes == (Change("proba", "", "none", "() -> unspecified", ADDITION),)
    more = Table("dataframe", ("age", "area", "bmi"), ("int64", "float64", "float64"))
    column = Change("predict", "argument X, column 'bmi'", "no such column", "float64", BREAKING)
    assert diff(taking(FRAME), taking(more)).changes == (column,)
    assert kinds(diff(taking(UNSPECIFIED), taking(FRAME))) == {ADDITION}
    assert kinds(diff(taking(FRAME), taking(UNSPECIFIED))) == {BREAKING}
    rows = [Tensor("csr_matrix", (count, 3), "float64") for count in (5, 9)]
    assert kinds(diff(taking(rows[0]), taking(rows[1]))) == {NEUTRAL}


def test_changes_of_both_kinds_are_told_apart() -> None:
    new = replace(BASE, args=(*BASE.args, OPTIONAL), returns=Primitive("int"))
    found = diff(whole(BASE), whole(new))
    assert [(change.place, change.kind) for change in found.changes] == [
        ("returns", BREAKING),
        ("argument n", ADDITION),
    ]
    assert found.bump == "major"


@pytest.mark.parametrize(
    ("kind", "base", "bump", "least"),
    [
        (BREAKING, "v1.2.3", "major", "v2.0.0"),
        (ADDITION, "v1.2.3", "minor", "v1.3.0"),
        (NEUTRAL, "v1.2.3", "patch", "v1.2.4"),
        (BREAKING, "v0.2.3", "minor", "v0.3.0"),
        (ADDITION, "v0.2.3", "patch", "v0.2.4"),
        (NEUTRAL, "v0.2.3", "patch", "v0.2.4"),
    ],
)
def test_the_least_bump(kind: str, base: str, bump: str, least: str) -> None:
    found = Diff((Change("predict", "", "a", "b", kind),))
    assert (least_bump(found, base), least_version(found, base)) == (bump, least)


@pytest.mark.parametrize(
    ("kind", "version", "may"),
    [
        (BREAKING, "v2.0.0", True),
        (BREAKING, "v3.1.0", True),
        (BREAKING, "v2.0.0-rc.1", True),
        (BREAKING, "v1.9.9", False),
        (BREAKING, "v1.3.0-rc.1", False),
        (BREAKING, "v1.2.3+build", False),
        (ADDITION, "v1.3.0", True),
        (ADDITION, "v1.2.4", False),
        (NEUTRAL, "v1.2.3+build", True),
        (NEUTRAL, "v1.2.4", True),
    ],
)
def test_which_versions_may_follow(kind: str, version: str, may: bool) -> None:
    assert interfacediff.allows(Diff((Change("predict", "", "a", "b", kind),)), "v1.2.3", version) == may
