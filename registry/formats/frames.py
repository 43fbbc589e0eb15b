"""Whether a DataFrame or a Series is what an interface records, and its columns as the interface has them.

Rules: columns are found by name and put in the interface's order, for a name says what a column is; a missing one is
refused, and an extra one unless it is to be dropped: a model of other columns may be meant. Text columns are `str` or
`object`, depending on the version of pandas: both are taken where they hold text only. An index is looked at only where
the interface names one; other row labels are no data. Cost is that of the columns, not of the rows, but where a dtype
differs.
"""

from __future__ import annotations

import sys
from typing import Any

from registry.datatypes import Table, describe
from registry.formats.conversion import converted, widens
from registry.formats.unfit import REFUSE, Fit, Unfit, fail, seen

_TEXT = {"str", "object", "string"}


def table(type_: Table, value: Any, how: Fit) -> Any:
    """The value with the interface's columns and dtypes; raises `Unfit`."""
    pandas = sys.modules.get("pandas")
    name = "DataFrame" if type_.type == "dataframe" else "Series"
    if pandas is None or not isinstance(value, getattr(pandas, name)):
        fail("", describe(type_), seen(value))
    wanted = dict(zip(type_.columns, type_.dtypes, strict=True))
    _index(value, {column: wanted.pop(column) for column in type_.index_cols if column in wanted})
    if name == "DataFrame":
        return _frame(value, wanted, how)
    dtype, have = next(iter(wanted.values()), value.dtype.name), value.dtype.name
    if have == dtype or _as_text(value, have, dtype):
        return value
    if how.result:
        fail("dtype", dtype, have)
    return converted(value, have, dtype, "dtype")


def _frame(value: Any, wanted: dict[str | int, str], how: Fit) -> Any:
    columns = list(value.columns)
    if columns != list(wanted):
        _columns(columns, wanted, how)
        value = value[list(wanted)]
    steps: list[tuple[str, str, str]] = []
    changed: dict[str | int, Any] = {}
    for column, dtype, asked in zip(wanted, value.dtypes, wanted.values(), strict=True):
        have = dtype.name
        if have == asked or _as_text(value[column], have, asked):
            continue
        place = f"column {column!r}"
        try:
            changed[column] = fail(place, asked, have) if how.result else converted(value[column], have, asked, place)
        except Unfit as unfit:
            steps.extend(unfit.steps)
    if steps:
        raise Unfit(*steps)
    if changed:
        value = value.copy(deep=False)
        for column, series in changed.items():
            value[column] = series
    return value


def _columns(columns: list[Any], wanted: dict[str | int, str], how: Fit) -> None:
    """Raise `Unfit` unless the columns are those that are asked for, in whatever order."""
    have = set(columns)
    steps = [(f"column {column!r}", dtype, "no such column") for column, dtype in wanted.items() if column not in have]
    if how.extra_columns == REFUSE or how.result:
        extra = [column for column in columns if column not in wanted]
        steps += [(f"column {str(column)[:80]!r}", "no such column", "this column") for column in extra]
    if len(have) < len(columns):
        steps += [
            (f"column {column!r}", "one column", "several of this name")
            for column in wanted
            if columns.count(column) > 1
        ]
    if not steps and how.result:
        steps = [("order of columns", ", ".join(map(str, wanted)), ", ".join(map(str, columns)))]
    if steps:
        raise Unfit(*steps)


def _as_text(series: Any, have: str, wanted: str) -> bool:
    if have not in _TEXT or wanted not in _TEXT:
        return False
    from pandas.api.types import infer_dtype

    return infer_dtype(series, skipna=True) in {"string", "empty"}


def _index(value: Any, wanted: dict[str | int, str]) -> None:
    if set(wanted) <= {""}:
        return
    index = value.index
    names = [n if n is not None else f"level_{at}" if index.nlevels > 1 else "" for at, n in enumerate(index.names)]
    if names != list(wanted):
        found = ", ".join(map(str, names)) if any(names) else "row labels without a name"
        fail("index", ", ".join(map(str, wanted)), found)
    dtypes = [index.dtype] if index.nlevels == 1 else list(index.dtypes)
    for (column, asked), dtype in zip(wanted.items(), dtypes, strict=True):
        if dtype.name != asked and not {dtype.name, asked} <= _TEXT and not widens(dtype.name, asked):
            fail(f"index {column!r}", asked, dtype.name)
