"""Named arrays as safetensors: a header of JSON and the numbers, no code.

Model type `safetensors` is numpy's arrays by name; torch's weights are of type `torch` and stored alike. Not MLEM's: it
has neither. The library bounds the header (100 MB) and refuses offsets outside the file, holes and overlaps; see
https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.errors import RegistryError
from registry.formats import File, Saved, Trust, only_file, pickles, unknown_io
from registry.formats.reading import calling, reading
from registry.metafile import Metafile, Processor

EXTRA = "safetensors"
IO = "safetensors"


class Safetensors:
    """The format of model type `safetensors`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The arrays by name; raises `RegistryError`."""
        if metafile.processors[processor].io != IO:
            raise unknown_io(metafile.processors[processor], (IO,))
        return read(only_file(files, "data").read(), metafile, "numpy")

    def accepts(self, model: object) -> bool:
        """Whether it is a dict of numpy's arrays by name."""
        return holds(model, "numpy", "ndarray")

    def save(self, model: Any, sample_data: object, format: str | None) -> Saved:
        """The arrays' bytes; they offer no method."""
        from registry.formats import requirements

        if format not in {None, "safetensors"} or sample_data is not None:
            raise RegistryError(
                "arrays are saved as safetensors and have no methods", "", "leave format and sample_data out"
            )
        needs, local = requirements.collect({"safetensors", "numpy"})
        return Saved(Processor("safetensors", IO), {"data": write(model, "numpy")}, needs, local=local)


def holds(model: object, package: str, *names: str) -> bool:
    """Whether it is a dict, not empty, of one package's values by name; nothing is imported."""
    from registry.formats.reading import made_by

    return (
        isinstance(model, Mapping)
        and bool(model)
        and all(isinstance(key, str) and made_by(value, package, *names) for key, value in model.items())
    )


def read(data: bytes, metafile: Metafile, framework: str) -> dict[str, Any]:
    """The tensors by name, as those of `numpy` or `torch`; raises `RegistryError`."""
    pickles.needed(framework, EXTRA if framework == "numpy" else framework)
    module = pickles.needed(f"safetensors.{framework}", EXTRA)
    with reading("safetensors", metafile):
        return dict(module.load(data))


def write(tensors: Mapping[str, Any], framework: str) -> bytes:
    """The bytes; the same tensors give the same bytes."""
    module = pickles.needed(f"safetensors.{framework}", EXTRA)
    with calling("safetensors cannot store these", 'save torch\'s weights with format="state_dict"'):
        return bytes(module.save({name: tensors[name] for name in sorted(tensors)}))
