"""Files that belong to a model and that MLEM does not name in its metafile: the external data of ONNX. Pure.

MLEM 0.4 stores an ONNX model as `model.onnx` and its tensors beside it as `tensors`, and lists only the former
(`mlem.contrib.onnx.ModelProtoIO`). Where the source holds such a file it is pinned and brought as an artifact.
"""

from __future__ import annotations

import posixpath
from collections.abc import Container
from dataclasses import replace
from types import MappingProxyType

from registry.metafile import MAIN, ArtifactRef, Metafile

_IO, _MODEL, _DATA = "model_proto", "model.onnx", "tensors"


def unnamed(metafile: Metafile) -> dict[str, ArtifactRef]:
    """The files that may lie beside those that the metafile names, by the artifact name they would have."""
    found = {}
    for name, processor in metafile.processors.items():
        prefix = "" if set(metafile.processors) == {MAIN} else f"{name}/"
        model = metafile.artifacts.get(f"{prefix}data")
        if processor.io == _IO and model is not None and posixpath.basename(model.uri) == _MODEL:
            uri = posixpath.join(posixpath.dirname(model.uri), _DATA)
            if f"{prefix}{_DATA}" not in metafile.artifacts:
                found[f"{prefix}{_DATA}"] = ArtifactRef(uri)
    return found


def complete(metafile: Metafile, present: Container[str]) -> Metafile:
    """The metafile with those of the `unnamed` files whose names are `present`."""
    added = {name: reference for name, reference in unnamed(metafile).items() if name in present}
    if not added:
        return metafile
    return replace(metafile, artifacts=MappingProxyType({**metafile.artifacts, **added}))
