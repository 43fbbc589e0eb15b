"""Plain Python callables, as MLEM stores them: read only.

Source: `mlem.contrib.callable.CallableModelType`. The bytes are of the pickle family; the policy decides.
"""

from __future__ import annotations

from collections.abc import Mapping

from registry.errors import RegistryError
from registry.formats import File, Saved, Trust, pickles, unknown_io
from registry.metafile import Metafile


class Callable:
    """The format of model type `callable`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The callable; raises `Refused("format-allowed")` or `RegistryError`."""
        found = metafile.processors[processor]
        if found.io not in pickles.READERS:
            raise unknown_io(found, pickles.READERS)
        return pickles.load(found.io, metafile, files, trust)

    def accepts(self, model: object) -> bool:  # noqa: ARG002 - one shape for all formats
        """Nothing: callables are read, not saved."""
        return False

    def save(self, model: object, sample_data: object, format: str | None) -> Saved:  # noqa: A002, ARG002 - the public word; one shape
        """Refuse: callables are read, not saved."""
        raise RegistryError(
            "callables are read, not saved", "", "save it with MLEM, or as part of a scikit-learn pipeline"
        )
