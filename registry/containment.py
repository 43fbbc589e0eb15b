"""Paths found in a file must stay inside a folder of the repository, and URLs name nothing but where bytes are.

Rule: a relative path in POSIX form, without `..`, that names a file: no URL, drive, backslash or control character, and
nothing in `.git`. Symlinks are the reader's concern: files are read from git objects, where a link is only text.
Rule: a URL has a scheme of `SCHEMES` and a host or bucket; nothing before the host, no query and no fragment, since a
signed URL is a credential and expires; plain http is for this machine only.
"""

from __future__ import annotations

import posixpath
import re

from registry.errors import Refused

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
SCHEMES = ("az", "gs", "https", "http", "s3")
"""Schemes of URLs that an artifact may have."""
_URL = re.compile(r"(?P<scheme>[a-z0-9]+)://(?P<host>[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]*)/(?P<path>[!-~]+)")
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?")
_LONGEST = 1024
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


def contained_url(uri: str, what: str, where: str) -> str:
    """The URL as it is; raises `Refused("path-contained")` that names `what` and `where`."""
    match = _URL.fullmatch(uri) if len(uri) <= _LONGEST else None
    parts = match["path"].split("/") if match else []
    fault = (
        "carries credentials" if "@" in uri.partition("://")[2].partition("/")[0]
        else "has a query or a fragment" if re.search(r"[?#]", uri)
        else "is no URL of an object" if match is None or parts[-1] == "" or "\\" in uri
        else "has a scheme that is not used" if match["scheme"] not in SCHEMES
        else "has `..` in it" if {".", ".."} & set(parts)
        else "is plain http" if match["scheme"] == "http" and not _LOOPBACK.fullmatch(match["host"])
        else ""
    )  # fmt: skip
    if fault:
        shown = re.sub(r"(?<=://)[^/]*@", "***@", uri).partition("?")[0][:200]
        raise Refused(
            "path-contained",
            f"{what} {fault}: {shown!r}; expected {', '.join(f'{each}://' for each in SCHEMES)} and nothing but a path",
            where,
            "name the object by a plain URL; credentials come from each user's own environment",
        )
    return uri
