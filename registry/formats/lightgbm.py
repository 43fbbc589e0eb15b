"""LightGBM's `Booster`, in its own text format.

Source: `mlem.contrib.lightgbm`. The text holds no code, so it loads by default; `lightgbm_text` looks at it before
LightGBM's own reader, which trusts it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from registry.errors import RegistryError
from registry.formats import File, Saved, Trust, only_file, pickles, unknown_io
from registry.formats.reading import calling, made_by, reading
from registry.formats.xgboost import LIBGOMP
from registry.metafile import Metafile, Processor

EXTRA = "lightgbm"
IO = "lightgbm_io"


class LightGBM:
    """The format of model type `lightgbm`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The `lightgbm.Booster`; raises `RegistryError`."""
        if metafile.processors[processor].io != IO:
            raise unknown_io(metafile.processors[processor], (IO,))
        data = only_file(files, "data").read()
        lightgbm = pickles.needed("lightgbm", EXTRA)
        from registry.formats import lightgbm_text

        with reading("lightgbm", metafile):
            text = data.decode("utf-8")
            lightgbm_text.require_sound(text)
            return lightgbm.Booster(model_str=text)

    def accepts(self, model: object) -> bool:
        """Whether it is a `Booster`."""
        return made_by(model, "lightgbm", "Booster")

    def save(self, model: Any, sample_data: object, format: str | None) -> Saved:
        """The booster's text; `sample_data` may be a `Dataset` that still holds its data."""
        from registry.formats import estimator, requirements

        if format not in {None, "text"}:
            raise RegistryError(f"unknown format {format!r}", "", "use text (the default)")
        interface = estimator.described({"predict": self.bind(model, "predict")}, sample_data)
        with calling("LightGBM cannot store this model", "train it first"):
            data = model.model_to_string().encode("utf-8")
        needs, local = requirements.collect({"lightgbm"} | requirements.of_interface(interface))
        return Saved(Processor("lightgbm", IO, interface), {"data": data}, (*needs, LIBGOMP), local=local)

    def bind(self, model: Any, method: str) -> Callable[..., object]:
        """A method that takes a `Dataset` too, as MLEM's does."""
        called = getattr(model, method)
        if method != "predict":
            return called  # type: ignore[no-any-return] # lightgbm has no types
        lightgbm = pickles.needed("lightgbm", EXTRA)

        @wraps(called)
        def predict(data: Any, *args: object, **options: object) -> object:
            return called(data.data if isinstance(data, lightgbm.Dataset) else data, *args, **options)

        return predict
