"""The data type of a value, as MLEM 0.4 infers it (`mlem.core.data_type.DataAnalyzer` and the contrib modules).

A library is asked only when it is already imported: a value of it cannot exist otherwise. Where MLEM has no type for a
value, this raises one `RegistryError`.
"""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import Any

from registry.datatypes import Array, Binary, DataType, Dict, Items, Number, Primitive, Table, Tensor
from registry.errors import RegistryError
from registry.formats import matrices

_PRIMITIVES = (int, str, bool, complex, float, type(None))


def infer(value: object) -> DataType:
    """The data type of `value`; the first dimension of arrays and tensors is left open, as MLEM does."""
    if type(value) in _PRIMITIVES:
        return Primitive(type(value).__name__)
    if isinstance(value, (list, tuple)):
        return _sequence(value)
    if isinstance(value, dict):
        return _dict(value)
    if isinstance(value, bytes):
        return Binary()
    found = _numpy(value) or _pandas(value) or _scipy(value) or _torch(value) or matrices.infer(value, infer)
    if found is None:
        raise _unknown(f"a {type(value).__module__}.{type(value).__qualname__}")
    return found


def _sequence(value: list[Any] | tuple[Any, ...]) -> DataType:
    if isinstance(value, tuple):
        return Items("tuple", tuple(map(infer, value)))
    kinds = {type(item) for item in value}
    if len(value) <= 1 or len(kinds) > 1:
        return Items("list", tuple(map(infer, value)))
    if kinds.issubset(_PRIMITIVES):
        return Array(infer(value[0]), len(value))
    found = tuple(map(infer, value))
    return Array(found[0], len(value)) if all(item == found[0] for item in found) else Items("list", found)


def _dict(value: dict[Any, Any]) -> DataType:
    for key in value:
        if type(key) not in {str, int}:
            raise _unknown(f"a dict with the key {key!r}")
    return Dict(MappingProxyType({key: infer(item) for key, item in value.items()}))


def _numpy(value: Any) -> DataType | None:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(value, numpy.number):
        return Number(value.dtype.name)
    if isinstance(value, numpy.ndarray):
        return Tensor("ndarray", (None, *value.shape[1:]), value.dtype.name)
    return None


def _pandas(value: Any) -> DataType | None:
    pandas = sys.modules.get("pandas")
    if pandas is None or not hasattr(pandas, "DataFrame"):
        return None
    if isinstance(value, pandas.DataFrame):
        return _table("dataframe", value.head(0), pandas)
    if isinstance(value, pandas.Series):
        return _table("series", pandas.DataFrame(value).head(0), pandas)
    return None


def _table(type_: str, frame: Any, pandas: Any) -> Table:
    """Columns with their dtypes; an index that is more than a row number becomes columns, unnamed ones ''."""
    index: tuple[Any, ...] = ()
    if not isinstance(frame.index, pandas.RangeIndex):
        name, columns = frame.index.name or "", set(frame.columns)
        try:
            frame = frame.reset_index()
        except ValueError as error:
            raise _unknown(f"a {type_} whose index cannot be named beside its columns ({error})") from error
        index = tuple(column for column in frame.columns if column not in columns)
        if len(index) == 1:
            frame, index = frame.rename({index[0]: name}, axis=1), (name,)
    for column in frame.columns:
        if type(column) not in {str, int}:
            raise _unknown(f"a {type_} with the column {column!r}")
    if len(set(frame.columns)) != len(frame.columns):
        raise _unknown(f"a {type_} with two columns of one name")
    return Table(type_, tuple(frame.columns), tuple(dtype.name for dtype in frame.dtypes), index)


def _scipy(value: Any) -> DataType | None:
    sparse = sys.modules.get("scipy.sparse")
    if sparse is None or not sparse.issparse(value):
        return None
    return Tensor("csr_matrix", tuple(value.shape), value.dtype.name)


def _torch(value: Any) -> DataType | None:
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(value, torch.Tensor):
        return None
    return Tensor("torch", (None, *value.shape[1:]), str(value.dtype).removeprefix("torch."))


def _unknown(what: str) -> RegistryError:
    return RegistryError(
        f"sample data holds {what}, which has no data type",
        "",
        "pass numpy arrays, pandas data with columns named by text or whole numbers, or plain Python values",
    )
