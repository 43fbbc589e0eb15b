"""What is common to the formats that a framework's own reader loads: its failures as one error, and the size of a zip.

A zip may unfold to thousands of times its size, and several of its entries may share their bytes, so what all entries
claim together is bounded before a reader looks at them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import RegistryError
from registry.formats import install_line
from registry.metafile import Metafile

_FACTOR, _FLOOR = 4, 64 << 20
"""A torch archive holds tensors as they are and packs only its source text."""


@contextmanager
def reading(kind: str, metafile: Metafile) -> Iterator[None]:
    """Turn whatever a reader raises for bytes it cannot read into one `RegistryError`."""
    try:
        yield
    except RegistryError:
        raise
    except ModuleNotFoundError as error:
        raise RegistryError(
            f"the model needs module {error.name!r}, which is not installed", "", install_line(metafile)
        ) from error
    except Exception as error:
        raise RegistryError(
            f"the artifact could not be read as {kind}: {type(error).__name__}: {str(error)[:300]}",
            "",
            f"load with the versions it was saved with: {install_line(metafile)}",
        ) from error


@contextmanager
def calling(what: str, fix: str) -> Iterator[None]:
    """Turn whatever a framework raises while it saves into one `RegistryError`."""
    try:
        yield
    except RegistryError:
        raise
    except Exception as error:
        raise RegistryError(f"{what}: {type(error).__name__}: {str(error)[:300]}", "", fix) from error


def require_bounded_zip(data: bytes) -> None:
    """Raise `RegistryError` for an archive that would unfold to far more than its own size."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        claimed = sum(entry.file_size for entry in archive.infolist())
    if claimed > _FACTOR * len(data) + _FLOOR:
        raise RegistryError(
            f"an archive of {len(data)} bytes would unfold to {claimed}", "", "do not use it: find out who made it"
        )


def made_by(model: object, package: str, *names: str) -> bool:
    """Whether the model's class, or one it inherits from, has one of the names in a package; nothing is imported."""
    return any(each.__name__ in names and each.__module__.partition(".")[0] == package for each in type(model).__mro__)
