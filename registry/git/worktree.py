"""Commits in a person's repository: in what is checked out, or in a work tree of its own on another branch.

Only the files that are named are committed, whatever else is staged or altered. Their hooks and their signing hold.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from registry.errors import RegistryError
from registry.git.process import run


def require_clean(root: Path, paths: Sequence[str]) -> None:
    """Raise `RegistryError` where one of the files is altered and not committed."""
    said = run(root, ["status", "--porcelain", "--untracked-files=all", "--", *paths]).out.decode("utf-8", "replace")
    if said.strip():
        changed = ", ".join(sorted(line[3:] for line in said.splitlines()))
        raise RegistryError(f"not committed: {changed}", str(root), "commit it, or put it aside")


def commit(folder: Path, paths: Sequence[str], message: str) -> str:
    """Commit these files together; the commit that is there where nothing of them changed."""
    run(folder, ["add", "--force", "--", *paths])
    if run(folder, ["status", "--porcelain", "--untracked-files=no", "--", *paths]).out.strip():
        line = ["commit", "--quiet", "--file", "-", "--cleanup=verbatim", "--", *paths]
        run(folder, line, stdin=message.encode(), hooks=True)
    return tip(folder, "HEAD") or ""


def restore(folder: Path, commit: str, paths: Sequence[str]) -> None:
    """Make these files what they were at a commit."""
    run(folder, ["checkout", "--quiet", commit, "--", *paths])


def tip(root: Path, revision: str) -> str | None:
    """The commit a revision names; none where it names none."""
    out = run(
        root, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"], accept=(0, 1)
    ).out
    return out.decode().strip() or None


def checked_out(root: Path) -> str | None:
    """The branch that is checked out; none where a commit is."""
    out = run(root, ["symbolic-ref", "--quiet", "--short", "HEAD"], accept=(0, 1)).out
    return out.decode("utf-8", "replace").strip() or None


@contextmanager
def on_branch(root: Path, branch: str) -> Iterator[Path]:
    """A work tree of its own at a branch, or at HEAD where it is new or merged; commits made there become the branch.

    That holds also where the block fails. Raises `RegistryError` where the branch is checked out, or nothing is
    committed yet.
    """
    ref = f"refs/heads/{branch}"
    if run(root, ["check-ref-format", ref], accept=(0, 1)).code or branch.startswith("-"):
        raise RegistryError(f"not the name of a branch: {branch[:80]!r}", str(root), "name another with --branch")
    if checked_out(root) == branch:
        raise RegistryError(f"branch {branch} is checked out", str(root), "commit there with --commit")
    before = tip(root, ref)
    head = tip(root, "HEAD")
    if head is None:
        raise RegistryError("the repository has no commit yet", str(root), "commit what `registry init` wrote first")
    merged = before is not None and not run(root, ["merge-base", "--is-ancestor", before, head], accept=(0, 1)).code
    start = head if before is None or merged else before
    with tempfile.TemporaryDirectory(prefix="registry-branch-") as above:
        folder = Path(above) / "tree"
        run(root, ["worktree", "add", "--quiet", "--detach", str(folder), start])
        try:
            yield folder
        finally:
            after = tip(folder, "HEAD")
            if after is not None and after != start:
                run(root, ["update-ref", ref, after, before or "0" * len(after)], hooks=True)
            run(root, ["worktree", "remove", "--force", str(folder)])


def present(folder: Path, revision: str, paths: Sequence[str]) -> list[str]:
    """Those of the files that a commit holds."""
    out = run(folder, ["ls-tree", "-z", "--name-only", revision, "--", *paths]).out
    return [name.decode("utf-8", "surrogateescape") for name in out.split(b"\0") if name]
