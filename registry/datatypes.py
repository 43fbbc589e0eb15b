"""The data types of a model's arguments and results, in MLEM's vocabulary.

Source: `mlem.core.data_type` and the contrib modules of MLEM 0.4.14 (https://github.com/iterative/mlem). A type is read
from and written to the mapping that MLEM keeps in a metafile, with MLEM's defaults omitted. Nothing is imported or
executed: `ptype` and `dtype` are text. A type, or a field of a type, that is not known here is kept as `Opaque`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias, Union

from registry.document import Place, label, thaw


@dataclass(frozen=True)
class Unspecified:
    """Not recorded: the model was saved without sample data."""

    type = "unspecified"


@dataclass(frozen=True)
class Binary:
    """Raw bytes."""

    type = "binary"


@dataclass(frozen=True)
class Primitive:
    """A value of a Python builtin: int, str, bool, complex, float or NoneType."""

    ptype: str
    """Name of the builtin; never looked up."""
    type = "primitive"


@dataclass(frozen=True)
class Number:
    """A numpy scalar."""

    dtype: str
    type = "number"


@dataclass(frozen=True)
class Array:
    """A list whose elements have one type."""

    dtype: DataType
    size: int | None = None
    """Length; None means any."""
    type = "array"


@dataclass(frozen=True)
class Items:
    """A `list` or `tuple` with one type for each element."""

    type: str
    items: tuple[DataType, ...]


@dataclass(frozen=True)
class Dict:
    """A dict with fixed keys."""

    item_types: Mapping[str | int, DataType]
    type = "dict"


@dataclass(frozen=True)
class DynamicDict:
    """A dict with any keys of one type and values of one type."""

    key_type: DataType
    value_type: DataType
    type = "d_dict"


@dataclass(frozen=True)
class Tensor:
    """A numeric array: `ndarray`, `torch`, `tf_tensor` or the sparse `csr_matrix`."""

    type: str
    shape: tuple[int | None, ...] | None
    """Length of each dimension, None for any length; None as a whole for any shape."""
    dtype: str


@dataclass(frozen=True)
class Table:
    """A pandas `dataframe` or `series`: columns in order, each with its dtype."""

    type: str
    columns: tuple[str | int, ...]
    dtypes: tuple[str, ...]
    index_cols: tuple[str | int, ...] = ()
    """Columns (named above as well) that form the index."""


@dataclass(frozen=True)
class DMatrix:
    """An `xgboost.DMatrix`."""

    is_from_list: bool
    feature_type_names: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    type = "xgboost_dmatrix"


@dataclass(frozen=True)
class LightGBM:
    """A `lightgbm.Dataset`."""

    inner: DataType
    labels: DataType | None = None
    type = "lightgbm"


@dataclass(frozen=True)
class Opaque:
    """A type that is not known here, with its fields as they were read."""

    type: str
    raw: Mapping[str, Any]


DataType: TypeAlias = Union[  # noqa: UP007 - evaluated at run time, where names are still strings
    Unspecified, Binary, Primitive, Number, Array, Items, Dict, DynamicDict, Tensor, Table, DMatrix, LightGBM, Opaque
]

UNSPECIFIED = Unspecified()


def read(place: Place, *, strict: bool = False) -> DataType:
    """Read the data type at `place`; with `strict` an unknown field of a known type is an error, else it is opaque."""
    if isinstance(place.value, str):  # MLEM's shorthand: the name alone
        place = Place({"type": place.value}, place.where, place.trail, place.fix)
    type_ = place.need("type").text()
    if type_ not in _READERS:
        return Opaque(type_, place.rest(("type",)))
    fields, reader = _READERS[type_]
    if place.rest(("type", *fields), strict=strict):
        return Opaque(type_, place.rest(("type",)))
    return reader(type_, place, strict)


def to_dict(data_type: DataType) -> dict[str, Any]:
    """The type in MLEM's layout, defaults omitted, in fresh dicts and lists."""
    found: dict[str, Any] = {"type": data_type.type}
    if isinstance(data_type, Opaque):
        return {**thaw(data_type.raw), **found}
    for field in _READERS[data_type.type][0]:
        value = getattr(data_type, field)
        if value is not None:
            found[field] = _plain(value)
    return found


def describe(data_type: DataType) -> str:
    """The type as a person reads it in a message, such as `ndarray of float64 [*, 10]`."""
    match data_type:
        case Primitive(ptype):
            return ptype
        case Number(dtype):
            return f"number of {dtype}"
        case Tensor(type_, shape, dtype):
            return f"{type_} of {dtype} {describe_shape(shape)}"
        case Array(dtype, size):
            return f"array of {describe(dtype)} [{'*' if size is None else size}]"
        case Items(type_, items):
            return f"{type_} of {len(items)} items"
        case Table(type_, columns):
            return f"{type_} of {len(columns)} columns"
        case _:
            return data_type.type


def describe_shape(shape: tuple[int | None, ...] | None) -> str:
    """A shape as a person reads it: `*` is any length."""
    return "of any shape" if shape is None else "[" + ", ".join("*" if n is None else str(n) for n in shape) + "]"


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return to_dict(value) if hasattr(value, "type") else value


_Reader: TypeAlias = Callable[[str, Place, bool], DataType]


def _read_array(_type: str, place: Place, strict: bool) -> DataType:
    size = place.find("size")
    return Array(read(place.need("dtype"), strict=strict), size.integer() if size else None)


def _read_items(type_: str, place: Place, strict: bool) -> DataType:
    return Items(type_, tuple(read(item, strict=strict) for item in place.need("items").elements()))


def _read_dict(_type: str, place: Place, strict: bool) -> DataType:
    types = place.need("item_types")
    read_items = [read(item, strict=strict) for _, item in types.items()]
    return Dict(MappingProxyType(dict(zip(map(label, types.mapping()), read_items, strict=True))))


def _read_dynamic(_type: str, place: Place, strict: bool) -> DataType:
    return DynamicDict(read(place.need("key_type"), strict=strict), read(place.need("value_type"), strict=strict))


def _read_tensor(type_: str, place: Place, _strict: bool) -> DataType:
    shape = place.find("shape")
    sizes = None if shape is None else tuple(_size(item) for item in shape.elements())
    return Tensor(type_, sizes, place.need("dtype").text())


def _read_table(type_: str, place: Place, _strict: bool) -> DataType:
    columns = _labels(place.need("columns"))
    dtypes = _texts(place.need("dtypes")) or ()
    if len(columns) != len(dtypes):
        place.fail(f"{len(columns)} columns but {len(dtypes)} dtypes")
    if len(set(columns)) != len(columns):
        place.fail("a column is named twice")
    index = place.find("index_cols")
    return Table(type_, columns, dtypes, _labels(index) if index else ())


def _read_dmatrix(_type: str, place: Place, _strict: bool) -> DataType:
    types, names = place.find("feature_type_names"), place.find("feature_names")
    return DMatrix(
        place.need("is_from_list").boolean(),
        None if types is None else _texts(types),
        None if names is None else _texts(names),
    )


def _read_lightgbm(_type: str, place: Place, strict: bool) -> DataType:
    labels = place.find("labels")
    return LightGBM(read(place.need("inner"), strict=strict), read(labels, strict=strict) if labels else None)


def _size(place: Place) -> int | None:
    return None if place.plain() is None else place.integer()


def _labels(place: Place) -> tuple[str | int, ...]:
    return tuple(label(item.value) for item in map(_scalar, place.elements()))


def _texts(place: Place) -> tuple[str, ...]:
    return tuple(item.text() for item in place.elements())


def _scalar(place: Place) -> Place:
    if not isinstance(place.value, (str, int)) or isinstance(place.value, bool):
        place.text()
    return place


_TENSOR: tuple[tuple[str, ...], _Reader] = (("shape", "dtype"), _read_tensor)
_TABLE: tuple[tuple[str, ...], _Reader] = (("columns", "dtypes", "index_cols"), _read_table)
_READERS: dict[str, tuple[tuple[str, ...], _Reader]] = {
    "unspecified": ((), lambda _type, _place, _strict: UNSPECIFIED),
    "binary": ((), lambda _type, _place, _strict: Binary()),
    "primitive": (("ptype",), lambda _type, place, _strict: Primitive(place.need("ptype").text())),
    "number": (("dtype",), lambda _type, place, _strict: Number(place.need("dtype").text())),
    "array": (("dtype", "size"), _read_array),
    "list": (("items",), _read_items),
    "tuple": (("items",), _read_items),
    "dict": (("item_types",), _read_dict),
    "d_dict": (("key_type", "value_type"), _read_dynamic),
    "ndarray": _TENSOR,
    "torch": _TENSOR,
    "tf_tensor": _TENSOR,
    "csr_matrix": _TENSOR,
    "dataframe": _TABLE,
    "series": _TABLE,
    "xgboost_dmatrix": (("is_from_list", "feature_type_names", "feature_names"), _read_dmatrix),
    "lightgbm": (("inner", "labels"), _read_lightgbm),
}
