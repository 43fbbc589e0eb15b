"""Models that are just files: model type `file` is one, `files` are those of a folder.

Not MLEM's: it has no such type. Nothing is read and nothing runs; a load gives verified paths, read-only and owned by
the cache. `registry.fetch` lays the files of a folder out under their own names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from registry.containment import contained
from registry.errors import RegistryError
from registry.formats import File, Saved, Trust, only_file, unknown_io
from registry.metafile import Metafile, Processor

IO = "file"


class Files:
    """The format of model types `file` and `files`."""

    def load(self, metafile: Metafile, processor: str, files: Mapping[str, File], trust: Trust) -> object:
        """The path of a `file`, the paths of `files` by name; raises `RegistryError`."""
        found = metafile.processors[processor]
        if found.io != IO:
            raise unknown_io(found, (IO,))
        if found.type == "file":
            return _path(only_file(files, "data"))
        return MappingProxyType({name: _path(file) for name, file in files.items()})

    def accepts(self, model: object) -> bool:
        """Whether it is a `pathlib.Path`."""
        return isinstance(model, Path)

    def save(self, model: Path, sample_data: object, format: str | None) -> Saved:
        """The bytes of the file, or of every file below the folder, by path within it; links are refused."""
        if format is not None or sample_data is not None:
            raise RegistryError("plain files have no format and no methods", "", "leave format and sample_data out")
        try:
            if not model.is_dir():
                return Saved(Processor("file", IO), {"data": model.read_bytes()})
            found = {}
            for path in sorted(model.rglob("*")):
                name = path.relative_to(model).as_posix()
                if path.is_symlink():
                    raise RegistryError(f"{name!r} is a symbolic link", str(model), "put the file itself there")
                if path.is_file():
                    found[contained(name, "the file's name", str(model))] = path.read_bytes()
        except OSError as error:
            raise RegistryError(
                f"cannot read: {error.strerror or error}", str(model), "name a file or folder"
            ) from error
        if not found:
            raise RegistryError("the folder holds no file", str(model), "name a file, or a folder with files")
        return Saved(Processor("files", IO), found)


def _path(file: File) -> Path:
    if file.path is None:
        raise RegistryError("the file is in memory only and has no path", "", "load it with registry.load")
    file.open().close()  # a file that changed since it was brought is told here
    return file.path
