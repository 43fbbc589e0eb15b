"""`predict`: rows of text in, results out, through a verified model."""

from __future__ import annotations

import io
import json
from os import PathLike
from typing import Any

from registry.api.loading import bring, load_fetched
from registry.api.resolving import resolve
from registry.errors import RegistryError
from registry.formats import install_line
from registry.interface import Method


def predict(
    name: str,
    text: str,
    *,
    stage: str | None = None,
    version: str | None = None,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    method: str | None = None,
) -> Any:
    """Call a model's method on rows of CSV (with a heading) or JSON (a list of objects or of lists).

    Columns are put in the order the interface names; a missing one is an error that names it. Raises as `load`.
    """
    fetched = bring(resolve(name, stage, version, rev, project))
    methods = fetched.metafile.interface.methods
    chosen = _method(methods, method, name)
    rows = _rows(text, methods[chosen], install_line(fetched.metafile))
    model: Any = load_fetched(fetched)
    call = model if chosen == "__call__" else getattr(model, methods[chosen].name, None)
    if not callable(call):
        raise RegistryError(f"the model has no method {chosen!r}", name, f"choose one of {', '.join(sorted(methods))}")
    try:
        return _plain(call(rows))
    except (ValueError, TypeError, KeyError) as error:
        raise RegistryError(
            f"the model does not take these rows: {error}", name, "see the interface in its metafile"
        ) from None


def _method(methods: Any, asked: str | None, name: str) -> str:
    if asked is None:
        return "predict" if "predict" in methods or not methods else next(iter(methods))
    if asked not in methods:
        raise RegistryError(f"the model has no method {asked!r}", name, f"choose one of {', '.join(sorted(methods))}")
    return asked


def _rows(text: str, method: Method, install: str) -> Any:
    try:
        import pandas as pd
    except ImportError:
        raise RegistryError(
            "pandas is not installed", fix=install if "pandas" in install else "pip install pandas"
        ) from None
    try:
        frame = pd.DataFrame(json.loads(text)) if text.lstrip()[:1] in {"[", "{"} else pd.read_csv(io.StringIO(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise RegistryError(
            f"the rows cannot be read: {error}", fix="give CSV with a heading, or a JSON list"
        ) from None
    kind = method.args[0].type_ if method.args else None
    columns = [str(column) for column in getattr(kind, "columns", ())]
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise RegistryError(f"columns are missing: {', '.join(missing)}", fix=f"the model takes {', '.join(columns)}")
    if columns:
        return frame[columns]
    return frame.to_numpy()


def _plain(value: Any) -> Any:
    for convert in ("tolist", "to_list"):
        if hasattr(value, convert):
            return getattr(value, convert)()
    if hasattr(value, "to_dict"):
        return value.to_dict(orient="records")
    return value
