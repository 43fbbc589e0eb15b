"""Paths found in a file must stay inside a folder of the repository.

Rule: a relative path in POSIX form, without `..`, that names a file: no URL, drive, backslash or control character, and
nothing in `.git`. Symlinks are the reader's concern: files are read from git objects, where a link is only text.
"""

from __future__ import annotations

import posixpath
import re

from registry.errors import Refused

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def contained(uri: str, what: str, where: str) -> str:
    """The path in its shortest form; raises `Refused("path-contained")` that names `what` and `where`."""
    parts = uri.split("/")
    fault = (
        "is empty" if not uri.strip()
        else "holds a control character" if _CONTROL.search(uri)
        else "holds a backslash" if "\\" in uri
        else "is absolute" if uri.startswith("/")
        else "is a URL or begins with a drive" if _SCHEME.match(uri)
        else "leaves the metafile's folder" if ".." in parts
        else "names a folder" if parts[-1] in {"", "."}
        else "lies in .git" if any(part.lower() == ".git" for part in parts)
        else ""
    )  # fmt: skip
    if fault:
        raise Refused(
            "path-contained",
            f"{what} {fault}: {uri[:200]!r}; expected a relative path to a file beside the metafile or below",
            where,
            "save the model again so that its files lie beside its metafile",
        )
    return posixpath.normpath(uri)
