"""CatBoost's classifiers and regressors, in its own binary format cbm.

Source: `mlem.contrib.catboost`. A cbm file is a checked FlatBuffer and holds no code, so it loads by default. Which of
the two classes it was stands in the metafile: `io.model_type` is `clf` or `reg`, the default.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from registry.errors import RegistryError
from registry.formats import File, Saved, Trust, only_file, pickles, unknown_io
from registry.formats.reading import calling, made_by, reading
from registry.metafile import Metafile, Processor

EXTRA = "catboost"
IO = "catboost_io"
_CLASSES = {"clf": "CatBoostClassifier", "reg": "CatBoostRegressor"}


class CatBoost:
    """The format of model type `catboost`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The `CatBoostClassifier` or `CatBoostRegressor`; raises `RegistryError`."""
        found = metafile.processors[processor]
        if found.io != IO:
            raise unknown_io(found, (IO,))
        kind = str(found.io_options.get("model_type", "reg"))
        if kind not in _CLASSES:
            raise RegistryError(f"io.model_type is {kind[:80]!r}, neither clf nor reg", "", "save the model again")
        data = only_file(files, "data").read()
        catboost = pickles.needed("catboost", EXTRA)
        with reading("catboost", metafile):
            model = getattr(catboost, _CLASSES[kind])()
            model.load_model(blob=data)
        return model

    def accepts(self, model: object) -> bool:
        """Whether it is one of the two."""
        return made_by(model, "catboost", *_CLASSES.values())

    def save(self, model: Any, sample_data: object, format: str | None) -> Saved:
        """The model as cbm, with `predict` and a classifier's `predict_proba`."""
        from registry.formats import estimator, requirements

        if format not in {None, "cbm"}:
            raise RegistryError(f"unknown format {format!r}", "", "use cbm (the default)")
        classifies = made_by(model, "catboost", "CatBoostClassifier")
        names = ["predict", *(["predict_proba"] if classifies else [])]
        interface = estimator.described({name: getattr(model, name) for name in names}, sample_data)
        with (
            calling("CatBoost cannot store this model", "train it first"),
            tempfile.TemporaryDirectory(prefix="registry-") as folder,
        ):
            model.save_model(f"{folder}/model", format="cbm")
            data = Path(folder, "model").read_bytes()
        needs, local = requirements.collect({"catboost"} | requirements.of_interface(interface))
        options = MappingProxyType({"model_type": "clf"} if classifies else {})
        return Saved(Processor("catboost", IO, interface, options), {"data": data}, needs, local=local)
