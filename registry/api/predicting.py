"""`predict`: rows of text in, results out, through a verified model."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from os import PathLike
from typing import Any

from registry.api.loading import bring
from registry.api.resolving import resolve
from registry.api.serving import serve
from registry.cache.transfer import Step
from registry.datatypes import UNSPECIFIED, DataType, DMatrix, LightGBM, Opaque, Table, Tensor, Unspecified
from registry.errors import RegistryError
from registry.formats import install_line
from registry.formats.unfit import DROP
from registry.interface import Method

_TEXT = {"str", "object", "string"}
_FROM_TEXT = ("float", "Float", "category", "datetime", "timedelta")
"""Dtypes that text is read as without a loss; whole numbers are converted, and refused, by the call itself."""


def predict(
    name: str,
    text: str,
    *,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    method: str | None = None,
    progress: Step | None = None,
) -> Any:
    """Call a model's method on rows of CSV (with a heading) or JSON (a list of objects or of lists).

    Columns are put in the order the interface names, others are left out; a missing one is an error that names it. A
    method that takes lists, dicts or plain values is given the JSON as it is. Raises as `load_model`.
    """
    fetched = bring(resolve(name, stage, version, rev, project), step=progress)
    methods = fetched.metafile.interface.methods
    chosen = _method(methods, method, name)
    rows = _rows(text, methods[chosen], install_line(fetched.metafile))
    model = serve(fetched, extra_columns=DROP)
    try:
        return _plain(getattr(model, chosen)(rows))
    except RegistryError:
        raise
    except Exception as error:  # noqa: BLE001 - the model's and its processors' code may raise anything for odd rows
        raise RegistryError(
            f"the model does not take these rows: {type(error).__name__}: {str(error)[:500]}",
            name,
            "see the interface in its metafile",
        ) from None


def _method(methods: Mapping[str, Method], asked: str | None, name: str) -> str:
    chosen = asked or ("predict" if "predict" in methods else next(iter(methods), "predict"))
    if chosen not in methods:
        raise RegistryError(
            f"the model has no method {chosen!r}", name, f"choose one of {', '.join(sorted(methods)) or 'none'}"
        )
    return chosen


def _rows(text: str, method: Method, install: str) -> Any:
    """What the method's first argument takes: a table, an array, or JSON as it is."""
    kind = method.args[0].type_ if method.args else UNSPECIFIED
    if not isinstance(kind, (Table, Tensor, Unspecified, DMatrix, LightGBM, Opaque)):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RegistryError(f"the data cannot be read: {error}", fix="give JSON") from None
    return arguments(_frame(text, kind, install), kind)


def arguments(frame: Any, kind: DataType) -> Any:
    """A table as the argument that a method takes: its columns by name, or an array of all columns in order.

    Raises `RegistryError` that names the columns that are missing.
    """
    if isinstance(kind, Table):
        return _columns(frame, kind)
    return _typed(frame.to_numpy(), kind.dtype) if isinstance(kind, Tensor) else frame.to_numpy()


def _frame(text: str, kind: DataType, install: str) -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise RegistryError(
            "pandas is not installed", fix=install if "pandas" in install else "pip install pandas"
        ) from None
    columns = zip(kind.columns, kind.dtypes, strict=True) if isinstance(kind, Table) else ()
    texts: Any = {str(column): str for column, dtype in columns if dtype in _TEXT}
    try:
        if text.lstrip()[:1] in {"[", "{"}:
            return pd.DataFrame(json.loads(text))
        return pd.read_csv(io.StringIO(text), dtype=texts)
    except (ValueError, TypeError, RecursionError) as error:
        raise RegistryError(
            f"the rows cannot be read: {error}", fix="give CSV with a heading, or a JSON list"
        ) from None


def _columns(frame: Any, kind: Table) -> Any:
    """The table's columns, by name; text has no dtypes, so numbers become those of the interface."""
    dtypes = dict(zip(kind.columns, kind.dtypes, strict=True))
    dtypes.pop("", None)  # row labels without a name
    frame = frame.rename(columns={str(column): column for column in dtypes})
    missing = [str(column) for column in dtypes if column not in frame.columns]
    if missing:
        raise RegistryError(
            f"columns are missing: {', '.join(missing)}", fix=f"the model takes {', '.join(map(str, dtypes))}"
        )
    frame = frame[[*dtypes]].copy()
    for column, dtype in dtypes.items():
        frame[column] = _typed(frame[column], dtype)
    index = [column for column in kind.index_cols if column != ""]
    frame = frame.set_index(index) if index else frame
    if kind.type == "series":
        return frame.iloc[:, 0]
    return frame


def _typed(values: Any, dtype: str) -> Any:
    """Numbers of text in the interface's precision, categories and times; whatever cannot be is told by the call."""
    if not dtype.startswith(_FROM_TEXT) or values.dtype.name == dtype:
        return values
    try:
        return values.astype(dtype)
    except (TypeError, ValueError):
        return values


def _plain(value: Any) -> Any:
    for convert in ("tolist", "to_list"):
        if hasattr(value, convert):
            return getattr(value, convert)()
    if hasattr(value, "to_dict"):
        return value.to_dict(orient="records")
    return value
