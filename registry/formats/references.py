"""Objects of other frameworks beside a pickled callable: MLEM's persistent references.

Source: `mlem.contrib.callable.PickleModelIO`. `<id>.io` names the class of MLEM that wrote it, `<id>_<name>` are its
files. The name is looked up in the table below, never imported. Only what MLEM reads back the same way without
further options is written so; a CatBoost classifier or a script, say, is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from registry import formats
from registry.errors import RegistryError
from registry.metafile import DEFAULT_IO, MAIN, ArtifactRef, Metafile, Processor, Requirement

if TYPE_CHECKING:
    from registry.formats import File, Trust

SUFFIX = ".io"
FRAMEWORKS = {
    "mlem.contrib.xgboost.XGBoostModelIO": "xgboost",
    "mlem.contrib.lightgbm.LightGBMModelIO": "lightgbm",
    "mlem.contrib.catboost.CatBoostModelIO": "catboost",
    "mlem.contrib.onnx.ModelProtoIO": "onnx",
    "mlem.contrib.torch.TorchModelIO": "torch",
}
"""MLEM's classes by the name they write down, and the model type each stores."""
PICKLED = ("mlem.core.model.SimplePickleIO", "mlem.contrib.callable.PickleModelIO")
_WRITTEN = ("xgboost", "lightgbm", "onnx")


def read(files: Mapping[str, File], writer: str, trust: Trust, requirements: tuple[Requirement, ...]) -> object:
    """The object that one of MLEM's `FRAMEWORKS` wrote to these files; raises `RegistryError`."""
    if writer not in FRAMEWORKS:
        raise RegistryError(
            f"a part of the model was written by {writer!r}, which is not read here; it was not imported",
            "",
            f"save the model again; read are {', '.join(sorted((*FRAMEWORKS, *PICKLED)))}",
        )
    type_ = FRAMEWORKS[writer]
    metafile = Metafile(
        MappingProxyType({name: ArtifactRef(name) for name in files}),
        MappingProxyType({MAIN: Processor(type_, DEFAULT_IO[type_])}),
        requirements=requirements,
    )
    return formats.find(type_).load(metafile, MAIN, files, trust)


def write(obj: object, key: str) -> dict[str, bytes] | None:
    """The artifacts of an object that has a framework's own format, else None; asked without importing anything."""
    for writer, type_ in FRAMEWORKS.items():
        if type_ in _WRITTEN:
            found = formats.find(type_)
            if found.accepts(obj):
                saved = found.save(obj, None, None)
                return {
                    f"{key}{SUFFIX}": writer.encode(),
                    **{f"{key}_{name}": data for name, data in saved.artifacts.items()},
                }
    return None
