"""Writing into a registry's folder: whole files, never through a symlink, and never committed."""

from __future__ import annotations

import os
import tempfile
from os import PathLike
from pathlib import Path

from registry.api.project import open_project
from registry.errors import Refused, RegistryError


def registry_root(project: str | PathLike[str]) -> Path:
    """The folder of a registry that links can be written into. Raises `RegistryError`."""
    opened = open_project(project)
    if not opened.address.local:
        raise RegistryError("links are written into a folder, not a URL", opened.where, "clone the registry first")
    root = Path(opened.address.text)
    if not (root / ".mlem").is_dir():
        raise RegistryError("this folder is not a registry: it has no .mlem", str(root), "run `registry init` first")
    if not (root / ".git").exists():
        raise RegistryError(
            "a registry is the root of a git repository", str(root), "name the repository's root folder"
        )
    return root


def require_inside(root: Path, path: Path) -> None:
    """Raise `Refused` where a folder between `root` and `path` is a symlink."""
    for parent in path.parents:
        if parent.is_symlink() and root in parent.parents:
            raise Refused("path-contained", f"{parent} is a symlink", str(path), "make it a plain folder")


def write_file(path: Path, text: str) -> None:
    """Write a text file whole or not at all, never through a symlink in its place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise RegistryError(
            f"the file cannot be written: {error.strerror}", str(path), "check the folder and its rights"
        ) from None
