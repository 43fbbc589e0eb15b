"""xgboost's `Booster`, in its own formats UBJSON and JSON.

Source: `mlem.contrib.xgboost` and https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html. Neither format
holds code, so both load by default; `trees` looks at the bytes before xgboost's own reader, which trusts them. The
binary format before xgboost 1.0 and pickled boosters are not read. Estimators such as `XGBClassifier` are
scikit-learn's, and are saved as such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from registry.errors import RegistryError
from registry.formats import File, Saved, Trust, only_file, pickles, unknown_io
from registry.formats.reading import calling, made_by, reading
from registry.metafile import Metafile, Processor, Requirement

EXTRA = "xgboost"
IO = "xgboost_io"
LIBGOMP = Requirement(type="unix", package_name="libgomp1")
"""MLEM names this system library for xgboost and LightGBM."""
_WRITTEN = {None: "ubj", "ubj": "ubj", "json": "json"}


class XGBoost:
    """The format of model type `xgboost`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The `xgboost.Booster`; raises `RegistryError`."""
        if metafile.processors[processor].io != IO:
            raise unknown_io(metafile.processors[processor], (IO,))
        data = only_file(files, "data").read()
        xgboost = pickles.needed("xgboost", EXTRA)
        from registry.formats import xgboost_trees

        with reading("xgboost", metafile):
            xgboost_trees.require_sound(data)
            booster = xgboost.Booster()
            booster.load_model(bytearray(data))
        return booster

    def accepts(self, model: object) -> bool:
        """Whether it is a `Booster`."""
        return made_by(model, "xgboost", "Booster")

    def save(self, model: Any, sample_data: object, format: str | None) -> Saved:
        """The booster as UBJSON, or as JSON, which MLEM cannot read; `sample_data` may be a `DMatrix`."""
        from registry.formats import estimator, requirements

        if format not in _WRITTEN:
            raise RegistryError(f"unknown format {format!r}", "", "use ubj (the default) or json")
        interface = estimator.described({"predict": self.bind(model, "predict")}, sample_data)
        with calling("xgboost cannot store this model", "train it first"):
            data = bytes(model.save_raw(_WRITTEN[format]))
        needs, local = requirements.collect({"xgboost"} | requirements.of_interface(interface))
        return Saved(Processor("xgboost", IO, interface), {"data": data}, (*needs, LIBGOMP), local=local)

    def bind(self, model: Any, method: str) -> Callable[..., object]:
        """A method that takes what xgboost can make a `DMatrix` of."""
        called = getattr(model, method)
        if method != "predict":
            return called  # type: ignore[no-any-return] # xgboost has no types
        xgboost = pickles.needed("xgboost", EXTRA)

        @wraps(getattr(called, "__wrapped__", called))
        def predict(data: object, *args: object, **options: object) -> object:
            return called(data if isinstance(data, xgboost.DMatrix) else xgboost.DMatrix(data), *args, **options)

        return predict
