"""The data types of xgboost's and LightGBM's own containers, as MLEM 0.4 infers them (its contrib modules)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from registry.datatypes import DataType, DMatrix, LightGBM


def infer(value: Any, inner: Callable[[object], DataType]) -> DataType | None:
    """The data type of a `DMatrix` or a `Dataset`, else None; `inner` infers what the latter holds."""
    xgboost = sys.modules.get("xgboost")
    if xgboost is not None and isinstance(value, xgboost.DMatrix):
        names, types = value.feature_names, value.feature_types
        return DMatrix(names is None, tuple(types) if types else None, tuple(names) if names else None)
    lightgbm = sys.modules.get("lightgbm")
    if lightgbm is not None and isinstance(value, lightgbm.Dataset):
        return LightGBM(inner(value.data), None if value.label is None else inner(value.label))
    return None
