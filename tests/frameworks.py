"""What the tests of frameworks share: models that real MLEM made, what it answered, and a round trip through `save`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from registry import formats, metafile
from registry.api.save import save
from registry.formats import Content, File, Trust, load_model
from registry.layout import artifact_paths
from registry.metafile import Metafile

FIXTURES = Path(__file__).parent / "fixtures" / "mlem"
ROWS = np.random.default_rng(0).normal(size=(12, 2)).astype("float32").round(3)
"""The rows that the fixtures' models were trained with and asked for."""
TARGET = ROWS[:, 0] * 3 + 1


def described(path: Path) -> tuple[Metafile, dict[str, File]]:
    """A metafile and its files, as they lie on disk."""
    found = metafile.parse(path.read_bytes(), path.name)
    places = artifact_paths(found, path.name)
    return found, {name: Content((path.parent / place).read_bytes()) for name, place in places.items()}


def fixture(place: str) -> tuple[Metafile, dict[str, File]]:
    """A model that real MLEM wrote, such as `xgboost/array`."""
    return described(FIXTURES / f"{place}.mlem")


def answered(place: str) -> Any:
    """What real MLEM answered for `ROWS`."""
    folder, _, name = place.partition("/")
    return json.loads((FIXTURES / folder / "predictions.json").read_text())[name]


def call(found: Metafile, model: Any, method: str, given: object) -> Any:
    """The answer of a loaded model, through the format's own way to call it."""
    format_ = formats.find(found.model_type)
    bind = getattr(format_, "bind", lambda each, name: each if name == "__call__" else getattr(each, name))
    answer = bind(model, method)(given)
    return np.asarray(answer[0] if isinstance(answer, list) else answer, dtype="float64")


def again(model: object, folder: Path, trust: Trust = Trust(), **options: Any) -> tuple[Metafile, Any]:
    """Save a model, and load what was written."""
    found, files = described(save(model, folder / "m", **options).metafile)
    return found, load_model(found, files, trust)


def with_bytes(place: str, data: bytes) -> tuple[Metafile, Mapping[str, File]]:
    """A model of MLEM whose one artifact holds other bytes."""
    return fixture(place)[0], {"data": Content(data)}


def broken(good: bytes) -> dict[str, bytes]:
    """Bytes that are no model, made of some that are."""
    return {
        "empty": b"",
        "zeros": bytes(200),
        "garbage": bytes(range(256)) * 8,
        "half": good[: len(good) // 2],
        "cut": good[: len(good) * 9 // 10],
        "deep json": b'{"a":' + b"[" * 100_000,
        "deep objects": b'{"a":' * 100_000,
        "deep ubjson": b"{L" + (1).to_bytes(8, "big") + b"a" + b"[" * 100_000,
        "huge key": b"{L" + b"\x7f" + b"\xff" * 7 + b"a",
        "huge array": b"{L" + (1).to_bytes(8, "big") + b"a[$d#L" + (1 << 40).to_bytes(8, "big"),
        "huge header": (1 << 40).to_bytes(8, "little") + b"{}",
        "zip": b"PK\x03\x04" + b"\xff" * 60,
    }
