"""The rows of a locked data set as a pandas table."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

from registry.errors import RegistryError
from registry.suite import Data

_INSTALL = "pip install 'git-model-registry[evaluate]'"


def read(body: bytes, data: Data, texts: Iterable[str] = ()) -> Any:
    """The table in the bytes of a data set; `texts` are columns of CSV that stay text.

    Raises `RegistryError` where it cannot be read, is empty, or has no complete target.
    """
    try:
        import pandas as pd
    except ImportError:
        raise RegistryError("pandas is not installed", fix=_INSTALL) from None
    try:
        if data.format == "csv":
            dtypes: Any = dict.fromkeys(texts, str)
            frame = pd.read_csv(io.BytesIO(body), dtype=dtypes)
        elif data.format == "parquet":
            frame = pd.read_parquet(io.BytesIO(body))
        else:
            frame = pd.DataFrame(json.loads(body))
    except ImportError as error:
        raise RegistryError(f"a package is missing: {str(error)[:200]}", data.address, _INSTALL) from None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - each reader has errors of its own
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise RegistryError(
            f"the data cannot be read as {data.format}: {said}", data.address, "correct `format` in the suite"
        ) from None
    require_columns(frame, (data.target, *data.features), data.address)
    if not len(frame) or frame[data.target].isna().any():
        raise RegistryError(
            f"the target {data.target!r} has no rows, or some without a value",
            data.address,
            "give every row its answer",
        )
    return frame


def require_columns(frame: Any, columns: Iterable[str], where: str) -> None:
    """Raise `RegistryError` that names the columns which are not there."""
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        known = ", ".join(map(str, frame.columns))[:300]
        raise RegistryError(f"the data has no column {', '.join(missing)[:300]}", where, f"it has {known}")


def array(values: Any) -> Any:
    """Answers as a numpy array of one dimension more than each has; text as numpy's own."""
    import numpy as np

    found = np.asarray(values)
    if found.dtype == object and all(isinstance(each, str) for each in found.flat):
        found = found.astype(str)
    return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found  # noqa: PLR2004 - a column


def plain(value: Any) -> Any:
    """One answer as JSON holds it."""
    found = value.item() if hasattr(value, "item") else value
    return found if found is None or isinstance(found, (str, int, float, bool)) else str(found)[:200]
