"""The locked data set of a suite: a file of the registry or behind a URL, whose bytes have the SHA-256 of the suite.

A file is read where it lies, below the registry's folder and through no symlink; what a URL names comes through the
cache. Whoever reads it hashes what it reads.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from registry.api.project import Project
from registry.cache.files import VerifiedFile, kept, sha256_of
from registry.cache.transfer import Step, Wanted, transfer
from registry.errors import NotFound, Refused, RegistryError
from registry.git.source import Source
from registry.stores import URL, Held, find
from registry.stores.url import Urls
from registry.suite import Data

REASON = "data-locked"
_FIX = "find out who changed it; or lock the new data: put its SHA-256 into the suite, in a pull request"


def locked(data: Data, project: Project, step: Step | None = None) -> VerifiedFile:
    """The data's file. Raises `Refused` (`data-locked`) where it is another, `NotFound`, `RegistryError`."""
    if not data.remote:
        return VerifiedFile(_in_folder(data, project), data.sha256, always=True)
    path = kept(data.sha256)
    if path is None:
        held = Held(data.address, data.address, Urls().size(Held(data.address, data.address)), URL)
        opening = find(URL).opening(Source(project.address), "", [held])
        wanted = Wanted(data.sha256, partial(opening, held), "the data", data.address, held.size)
        try:
            path = transfer([wanted], step)[data.sha256]
        except Refused as error:
            if error.reason != "digest-matches":
                raise
            said = error.what.replace("the link pins", "the suite locks")
            raise Refused(REASON, said, error.where, _FIX) from None
    return VerifiedFile(path, data.sha256, always=True)


def _in_folder(data: Data, project: Project) -> Path:
    if project.mirror is not None:
        raise RegistryError(
            f"the suite's data is a file of the registry's folder: {data.address}", project.where, "use a clone of it"
        )
    root = Path(project.address.text)
    path = root / data.address
    if any(each.is_symlink() for each in (path, *path.parents) if root in each.parents):
        raise Refused("path-contained", f"{data.address} leads through a symlink", str(root), "name the file itself")
    if not path.is_file():
        raise NotFound("there is no such file", str(path), "bring the data there, or correct `data.path` of the suite")
    try:
        found = sha256_of(path)
    except OSError as error:
        raise RegistryError(f"the data cannot be read: {error.strerror}", str(path), "correct its rights") from None
    if found != data.sha256:
        raise Refused(REASON, f"the data has SHA-256 {found}, the suite locks {data.sha256}", str(path), _FIX)
    return path
