"""Pushing refs, several atomically, judged by the flags of `git push --porcelain` (git-push(1)), never by its text.

Nothing is forced; what is deleted is what was seen. Hooks and credentials are the user's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Final, NamedTuple

from registry.git.process import failure, run

CREATED: Final = "*"
DELETED: Final = "-"
FORWARDED: Final = " "
"""The remote's branch was an ancestor and moved on."""


class Pushed(NamedTuple):
    """What the remote said of one ref."""

    flag: str
    """`*` created, ` ` moved on, `=` existed already, `!` rejected, as git-push(1) lists them."""
    reason: str
    told: str
    """What the remote's hooks wrote, each line with git's `remote:` before it; of the whole push."""


def push_refs(
    path: str | PathLike[str],
    remote: str,
    refs: Mapping[str, str],
    protocols: str,
    *,
    answered: Iterable[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> dict[str, Pushed]:
    """Push objects to refs (full names) of the remote, several atomically; what it said of each.

    Raises `GitError` where it said nothing of those that must be `answered`, by default all (network, credentials, a
    hook that stopped it).
    """
    specs = [f"{oid}:{ref}" for ref, oid in refs.items()]
    flags = ["--porcelain", "--no-follow-tags", "--no-recurse-submodules"] + (["--atomic"] if len(specs) > 1 else [])
    line = ["push", *flags, "--end-of-options", remote, *specs]
    done = run(path, line, protocols=protocols, hooks=True, accept=range(256), env=env)
    told = "\n".join(text.rstrip() for text in done.err.splitlines() if text.startswith("remote:"))
    said = {}
    for text in done.out.decode("utf-8", "replace").splitlines():
        fields = text.split("\t")
        if len(fields) == 3 and len(fields[0]) == 1:  # noqa: PLR2004 - flag, refs, summary
            said[fields[1].rpartition(":")[2]] = Pushed(fields[0], fields[2], told)
    if any(ref not in said for ref in (refs if answered is None else answered)):
        raise failure(path, line, done)
    return said


def delete_ref(path: str | PathLike[str], remote: str, ref: str, oid: str, protocols: str) -> Pushed:
    """Delete a ref (full name) of the remote, only where it still names this object; what the remote said.

    Raises `GitError` where it said nothing.
    """
    line = ["push", "--porcelain", f"--force-with-lease={ref}:{oid}", "--end-of-options", remote, f":{ref}"]
    done = run(path, line, protocols=protocols, hooks=True, accept=range(256))
    for text in done.out.decode("utf-8", "replace").splitlines():
        fields = text.split("\t")
        if len(fields) == 3 and fields[1] == f":{ref}":  # noqa: PLR2004 - flag, refs, summary
            told = "\n".join(each.rstrip() for each in done.err.splitlines() if each.startswith("remote:"))
            return Pushed(fields[0], fields[2], told)
    raise failure(path, line, done)
