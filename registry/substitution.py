"""Whether a model may stand in for what a contract promises.

Rule (Liskov & Wing, "A Behavioral Notion of Subtyping", 1994): every call the contract allows must be accepted by the
model, and every result the model gives must be one the contract allows: inputs may be wider, outputs narrower.

- What a contract leaves unspecified it does not ask for; what a model leaves unspecified is not known to fit.
- An input dtype may widen where no value changes (`float32` to `float64`, not `int64` to `float64`). An output's dtype
  must be the same: a caller's own code (JSON, buffers) sees it. Other outputs narrow by shape and size.
- A new argument that `**kwargs` of the contract would have carried must accept their type.
- Columns are compared by name and order, and an extra or a missing one counts: scikit-learn and MLEM refuse both.
- `csr_matrix` carries the sample's row count, which is no promise: its first dimension is not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from registry.datatypes import (
    Array,
    DataType,
    Dict,
    DMatrix,
    DynamicDict,
    Items,
    LightGBM,
    Number,
    Primitive,
    Table,
    Tensor,
    Unspecified,
    describe,
    describe_shape,
    to_dict,
)
from registry.document import same, thaw
from registry.interface import Argument, Interface, Method


class Difference(NamedTuple):
    """One reason why a model is no substitute for a contract."""

    method: str
    place: str
    """Argument, column or item, such as `argument X, column 'age'`; empty for the method as a whole."""
    expected: str
    """What the contract asks for."""
    actual: str
    """What the model has."""

    def __str__(self) -> str:
        place = f", {self.place}" if self.place else ""
        return f"method {self.method}{place}: expected {self.expected}, actual {self.actual}"


UNRECORDED = "unspecified (save the model with sample_data)"
"""What a model has where its metafile does not say."""

_Step = tuple[str, str, str]
"""Place below the compared value, expected, actual."""


def differences(contract: Interface, model: Interface) -> tuple[Difference, ...]:
    """Every reason why `model` cannot stand in for `contract`, in the contract's order; empty when it can."""
    found: list[Difference] = []
    for name, expected in contract.methods.items():
        actual = model.methods.get(name)
        if actual is None:
            found.append(Difference(name, "", "a method of this name", f"only {_names(model.methods)}"))
        else:
            found.extend(Difference(name, *step) for step in _method(expected, actual))
    return tuple(found)


def accepts(expected: DataType, actual: DataType) -> Iterator[tuple[str, str, str]]:
    """Where an input of type `expected` (contract) is not accepted as `actual` (model): place, expected, actual."""
    return _compare(expected, actual, takes=True)


def returns(expected: DataType, actual: DataType) -> Iterator[tuple[str, str, str]]:
    """Where a result of type `actual` (model) is not a result of type `expected` (contract)."""
    return _compare(expected, actual, takes=False)


def _method(expected: Method, actual: Method) -> Iterator[_Step]:
    have = {argument.name: argument for argument in actual.args}
    for argument in expected.args:
        place = f"argument {argument.name}"
        if argument.name not in have:
            yield place, "an argument of this name", f"only {_names(have)}"
            continue
        yield from _below(place, _argument(argument, have[argument.name]))
    asked = {argument.name for argument in expected.args}
    for argument in actual.args:
        if argument.name not in asked:
            yield from _further(expected, argument)
    yield from _positions(expected, actual)
    for what, kind in (("varargs", "further positional arguments"), ("varkw", "further keyword arguments")):
        if getattr(expected, what) is None:
            continue
        if getattr(actual, what) is None:
            yield what, f"{kind} accepted", "not accepted"
            continue
        asked_type, have_type = getattr(expected, f"{what}_type"), getattr(actual, f"{what}_type")
        if asked_type is not None:
            yield from _below(what, accepts(asked_type, have_type or Unspecified()))
    yield from _below("returns", returns(expected.returns, actual.returns))


def _argument(expected: Argument, actual: Argument) -> Iterator[_Step]:
    if not expected.required and actual.required:
        yield "", "optional", "required"
    elif not expected.required and not same(expected.default, actual.default):
        yield "", f"default {thaw(expected.default)!r}", f"default {thaw(actual.default)!r}"
    if actual.kw_only and not expected.kw_only:
        yield "", "positional or keyword", "keyword only"
    yield from accepts(expected.type_, actual.type_)


def _further(expected: Method, argument: Argument) -> Iterator[_Step]:
    """A new argument takes its name away from `**kwargs`, so it must accept what they accepted."""
    if argument.required:
        yield f"argument {argument.name}", "no further required argument", "required"
    elif expected.varkw is not None and expected.varkw_type is not None:
        yield from _below(f"varkw, argument {argument.name}", accepts(expected.varkw_type, argument.type_))


def _positions(expected: Method, actual: Method) -> Iterator[_Step]:
    """Positional arguments keep their places; new ones come after, and nowhere before `*args`."""
    have = {argument.name for argument in actual.args}
    asked = [argument.name for argument in expected.args if not argument.kw_only and argument.name in have]
    given = [argument.name for argument in actual.args if not argument.kw_only]
    common = [name for name in given if name in asked]
    exact = expected.varargs is not None
    if common != [name for name in asked if name in given] or (given if exact else given[: len(common)]) != common:
        yield "order of arguments", f"({', '.join(asked)}{', *' if exact else ''})", f"({', '.join(given)})"


def _compare(expected: DataType, actual: DataType, *, takes: bool) -> Iterator[_Step]:  # noqa: C901, PLR0912 - a table
    """The steps at which the two types do not fit; `takes` for inputs, else for results."""
    match expected, actual:
        case Unspecified(), _:
            return
        case _, Unspecified():
            yield "", describe(expected), UNRECORDED
        case Primitive(one), Primitive(two):
            if one != two and not (takes and two in _TOWER.get(one, ())):
                yield "", one, two
        case Number(one), Number(two):
            yield from _dtype(one, two, takes=takes)
        case Array(), Array():
            yield from _size(expected.size, actual.size, takes=takes)
            yield from _below("elements", _compare(expected.dtype, actual.dtype, takes=takes))
        case (Items("list", items), Array() as array) if takes:
            yield from _items_as_array(items, array, takes=takes)
        case (Array() as array, Items("list", items)) if not takes:
            yield from _items_as_array(items, array, takes=takes)
        case Items(one, items), Items(two, others) if one == two and len(items) == len(others):
            for number, (item, other) in enumerate(zip(items, others, strict=True)):
                yield from _below(f"item {number}", _compare(item, other, takes=takes))
        case Dict(), Dict():
            yield from _dict(expected, actual, takes=takes)
        case DynamicDict(), DynamicDict():
            yield from _below("keys", _compare(expected.key_type, actual.key_type, takes=takes))
            yield from _below("values", _compare(expected.value_type, actual.value_type, takes=takes))
        case Tensor(one), Tensor(two) if one == two:
            yield from _dtype(expected.dtype, actual.dtype, takes=takes)
            yield from _shape(expected, actual, takes=takes)
        case Table(one), Table(two) if one == two:
            yield from _table(expected, actual, takes=takes)
        case DMatrix(), DMatrix():
            yield from _dmatrix(expected, actual, takes=takes)
        case LightGBM(), LightGBM():
            yield from _lightgbm(expected, actual, takes=takes)
        case _ if not same(to_dict(expected), to_dict(actual)):
            alike = describe(expected) == describe(actual)
            yield "", describe(expected), describe(actual) + (" with other fields" if alike else "")


def _items_as_array(items: tuple[DataType, ...], array: Array, *, takes: bool) -> Iterator[_Step]:
    """A list of fixed items is a narrower array: MLEM infers one or the other from the sample's length."""
    if array.size not in {None, len(items)}:
        expected, actual = (len(items), array.size) if takes else (array.size, len(items))
        yield "length", str(expected), str(actual)
    for number, item in enumerate(items):
        pair = (item, array.dtype) if takes else (array.dtype, item)
        yield from _below(f"item {number}", _compare(*pair, takes=takes))


def _dict(expected: Dict, actual: Dict, *, takes: bool) -> Iterator[_Step]:
    for key in dict.fromkeys((*expected.item_types, *actual.item_types)):
        if key not in actual.item_types:
            yield f"key {key!r}", "this key", "no such key"
        elif key not in expected.item_types:
            yield f"key {key!r}", "no such key", describe(actual.item_types[key])
        else:
            steps = _compare(expected.item_types[key], actual.item_types[key], takes=takes)
            yield from _below(f"key {key!r}", steps)


def _table(expected: Table, actual: Table, *, takes: bool) -> Iterator[_Step]:
    asked = dict(zip(expected.columns, expected.dtypes, strict=True))
    have = dict(zip(actual.columns, actual.dtypes, strict=True))
    for column, dtype in asked.items():
        if column not in have:
            yield f"column {column!r}", dtype, "no such column"
        else:
            yield from _below(f"column {column!r}", _dtype(dtype, have[column], takes=takes))
    for column, dtype in have.items():
        if column not in asked:
            yield f"column {column!r}", "no such column", dtype
    if asked.keys() == have.keys() and expected.columns != actual.columns:
        yield "order of columns", _names(expected.columns), _names(actual.columns)
    if expected.index_cols != actual.index_cols:
        yield "index columns", _names(expected.index_cols), _names(actual.index_cols)


def _dmatrix(expected: DMatrix, actual: DMatrix, *, takes: bool) -> Iterator[_Step]:
    for field in ("is_from_list", "feature_names", "feature_type_names"):
        one, two = getattr(expected, field), getattr(actual, field)
        wide = two if takes else one
        if wide is not None and one != two:  # no names: any matrix
            yield field.replace("_", " "), _named(one), _named(two)


def _lightgbm(expected: LightGBM, actual: LightGBM, *, takes: bool) -> Iterator[_Step]:
    yield from _below("data", _compare(expected.inner, actual.inner, takes=takes))
    asked, have = expected.labels or Unspecified(), actual.labels or Unspecified()
    yield from _below("labels", _compare(asked, have, takes=takes))


def _shape(expected: Tensor, actual: Tensor, *, takes: bool) -> Iterator[_Step]:
    one, two = expected.shape, actual.shape
    if expected.type == "csr_matrix":
        one, two = (None if shape is None else (None, *shape[1:]) for shape in (one, two))
    wide, narrow = (two, one) if takes else (one, two)
    if wide is None:
        return
    fits = narrow is not None and len(wide) == len(narrow)
    if not fits or any(w not in {None, n} for w, n in zip(wide, narrow or (), strict=False)):
        yield "shape", describe_shape(one), describe_shape(two)


def _size(expected: int | None, actual: int | None, *, takes: bool) -> Iterator[_Step]:
    wide, narrow = (actual, expected) if takes else (expected, actual)
    if wide is not None and wide != narrow:
        yield "length", _length(expected), _length(actual)


def _dtype(expected: str, actual: str, *, takes: bool) -> Iterator[_Step]:
    if expected != actual and not (takes and _embeds(expected, actual)):
        yield "", expected, actual


_TOWER = {"bool": ("int", "float", "complex"), "int": ("float", "complex"), "float": ("complex",)}
"""Python's numeric tower: where the key is expected, these also take it (PEP 484)."""
_NUMERIC = re.compile(r"(u?int|float|complex)(8|16|32|64|128)")
_MANTISSA = {"float16": 11, "float32": 24, "float64": 53, "complex64": 24, "complex128": 53}


def _embeds(narrow: str, wide: str) -> bool:
    """Whether every value of one numpy dtype is exactly a value of another."""
    to = _NUMERIC.fullmatch(wide)
    if to is None:
        return False
    if narrow == "bool":
        return True
    of = _NUMERIC.fullmatch(narrow)
    if of is None:
        return False
    kind, bits, target, room = of[1], int(of[2]), to[1], int(to[2])
    if kind in {"int", "uint"}:
        digits = bits - (kind == "int")
        if target in {"int", "uint"}:
            return digits <= room - (target == "int") and (kind == "uint" or target == "int")
        return digits <= _MANTISSA.get(wide, 0)
    if kind == "complex" and target != "complex":
        return False
    return target in {"float", "complex"} and 0 < _MANTISSA.get(narrow, 0) <= _MANTISSA.get(wide, 0)


def _below(place: str, steps: Iterator[_Step]) -> Iterator[_Step]:
    for inner, expected, actual in steps:
        yield (f"{place}, {inner}" if inner else place), expected, actual


def _length(size: int | None) -> str:
    return "any" if size is None else str(size)


def _named(value: object) -> str:
    return _names(value) if isinstance(value, tuple) else str(value)


def _names(names: Iterable[object]) -> str:
    return ", ".join(map(str, names)) or "none"
