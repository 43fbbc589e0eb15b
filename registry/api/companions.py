"""What a person wrote about an artifact, its card and its lineage, taken along into the pull request of its link.

Taken is what the work tree holds and is new or another than where the person's branch left the default one: a clone
that is merely behind brings nothing back. What both sides altered is for a person to merge, so it is refused; and what
the gate would refuse once everybody can read it (a credential, `secrets`) never leaves this machine.
"""

from __future__ import annotations

from pathlib import Path

from registry.api.writing import require_inside
from registry.checks.listing import about
from registry.checks.secrets import credentials
from registry.errors import Refused, RegistryError
from registry.git.objects import entries, merge_bases
from registry.git.process import run
from registry.strictyaml import LIMIT

_LABELS = ("Card", "Lineage")
"""What the files that `about` names are called, in its order."""


def companions(root: Path, name: str, trunk: str) -> dict[str, bytes]:
    """The files about an artifact that are new or altered, by path; `trunk` is the remote's default branch.

    Raises `RegistryError`, `Refused`.
    """
    paths = about(name)
    bases = merge_bases(root, "HEAD", trunk)
    theirs = _blobs(root, trunk, paths)
    before = _blobs(root, bases[0], paths) if bases else {}
    found = {}
    for path in paths:
        data = _read(root, path)
        mine = None if data is None else _blob(root, path)
        if data is None or mine in {theirs.get(path), before.get(path)}:
            continue
        if theirs.get(path) != before.get(path):
            raise RegistryError(
                f"{path} was altered here and on the default branch too",
                str(root / path),
                "merge the default branch into yours first",
            )
        found[path] = data
    return found


def labelled(name: str, paths: frozenset[str]) -> list[str]:
    """A line for each of the files, as the commit and the pull request name them."""
    return [f"{label}: {path}" for label, path in zip(_LABELS, about(name), strict=True) if path in paths]


def put(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files into another work tree, through no symlink in it."""
    for path, data in files.items():
        there = folder / path
        require_inside(folder, there)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.unlink(missing_ok=True)
        there.write_bytes(data)


def _read(root: Path, path: str) -> bytes | None:
    there = root / path
    if there.is_symlink():
        raise Refused("path-contained", f"{path} is a symlink", str(there), "make it a plain file")
    require_inside(root, there)
    if not there.is_file():
        return None
    data = there.read_bytes()
    if len(data) > LIMIT:
        raise RegistryError(f"{path} has {len(data)} bytes, expected at most {LIMIT}", str(there), "make it smaller")
    for number, kind in credentials(data):
        raise Refused("secrets", f"the file carries {kind}", f"{there}, line {number}", "take it out, and revoke it")
    return data


def _blob(root: Path, path: str) -> str:
    """The git object id that the file would have, through the person's own filters."""
    return run(root, ["hash-object", f"--path={path}", "--", path]).out.decode().strip()


def _blobs(root: Path, commit: str, paths: tuple[str, ...]) -> dict[str, str]:
    return {path: entry.oid for path, entry in entries(root, commit, paths).items()}
