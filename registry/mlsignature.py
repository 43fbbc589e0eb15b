"""The signature of an MLflow model as an interface. Pure.

Source: `mlflow.types.schema` (https://mlflow.org/docs/latest/ml/model/signatures/): `inputs` and `outputs` are JSON
lists of columns (`type`, `name`, `required`) or tensors (`tensor-spec`: `dtype`, `shape` with -1 for any length). Rule:
only what means the same in both is mapped: named scalar columns that are all required are a dataframe, one tensor
without a name an ndarray, named tensors a dict of them. Everything else (optional columns, nested types, lists, what
results of columns come back as) is not recorded, so it is passed on to MLflow, which holds calls against it itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from registry.datatypes import UNSPECIFIED, DataType, Dict, Table, Tensor
from registry.document import Place
from registry.interface import Argument, Interface, Method

PREDICT = "predict"
"""The one method of MLflow's `python_function`."""
_DTYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "str",
}
_MOST_COLUMNS = 10_000
_MOST_DIMENSIONS = 32


def interface_of(signature: Place | None) -> Interface:
    """The interface of a model with this `signature`; without one nothing of `predict` is recorded.

    Raises `RegistryError` for one that is no signature.
    """
    inputs: DataType = UNSPECIFIED
    returns: DataType = UNSPECIFIED
    further: tuple[Argument, ...] = ()
    if signature is not None:
        inputs, returns = _schema(signature.find("inputs"), inputs=True), _schema(signature.find("outputs"))
        if signature.find("params") is not None:
            further = (Argument("params", required=False),)
    method = Method(PREDICT, (Argument("data", inputs), *further), returns)
    return Interface(MappingProxyType({PREDICT: method}))


def _schema(place: Place | None, *, inputs: bool = False) -> DataType:
    if place is None:
        return UNSPECIFIED
    try:
        found = json.loads(place.text())
    except (ValueError, RecursionError):
        place.fail("expected a JSON list of columns")
    if not isinstance(found, list) or len(found) > _MOST_COLUMNS:
        place.fail(f"expected a JSON list of at most {_MOST_COLUMNS} columns")
    columns = [each for each in found if isinstance(each, dict)]
    if len(columns) != len(found):
        place.fail("expected a JSON list of columns")
    tensors = [_tensor(each) for each in columns]
    if len(tensors) == 1 and tensors[0] is not None and columns[0].get("name") is None:
        return tensors[0]
    return (_tensors(columns, tensors) or _table(columns) or UNSPECIFIED) if inputs else UNSPECIFIED


def _table(columns: list[dict[str, Any]]) -> Table | None:
    names = [each.get("name") for each in columns]
    kinds = [each.get("type") for each in columns]
    named = all(isinstance(name, str) for name in names) and len(set(map(str, names))) == len(names)
    known = all(isinstance(kind, str) and kind in _DTYPES for kind in kinds)
    needed = all(each.get("required", True) is True and not each.get("optional") for each in columns)
    if not columns or not named or not known or not needed:
        return None
    return Table("dataframe", tuple(map(str, names)), tuple(_DTYPES[str(kind)] for kind in kinds))


def _tensors(columns: list[dict[str, Any]], tensors: list[Tensor | None]) -> Dict | None:
    found: dict[str | int, DataType] = {
        each["name"]: tensor
        for each, tensor in zip(columns, tensors, strict=True)
        if tensor is not None and isinstance(each.get("name"), str)
    }
    return Dict(MappingProxyType(found)) if found and len(found) == len(columns) else None


def _tensor(column: Mapping[str, Any]) -> Tensor | None:
    said = column.get("tensor-spec")
    if column.get("type") != "tensor" or not isinstance(said, dict):
        return None
    dtype, shape = said.get("dtype"), said.get("shape")
    if not isinstance(dtype, str) or not isinstance(shape, list) or not 0 < len(shape) <= _MOST_DIMENSIONS:
        return None
    if not all(isinstance(size, int) and not isinstance(size, bool) and size >= -1 for size in shape):
        return None
    return Tensor("ndarray", tuple(None if size == -1 else size for size in shape), dtype)
