"""A branch made beside what a person has checked out: written in a work tree of its own, committed, pushed.

The person's files, index and branches stay as they are. It is their repository, so GitPython runs git as they would:
with their hooks, their signing and their credentials. A branch that somebody else moved meanwhile is never overwritten
(`--force-with-lease` with the tip that was seen, git-push(1)).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import GitError, RegistryError
from registry.git.process import Done, failure

if TYPE_CHECKING:
    from git import Git, Repo  # noqa: TID251 - a person's working copy is what GitPython is for

REMOTE = "origin"
_MISLEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE", "GIT_COMMON_DIR")


@dataclass(frozen=True)
class Branch:
    """A branch of the remote, opened in a work tree of its own."""

    name: str
    base: str
    """The remote's default branch."""
    remotes: tuple[str, ...]
    """The remote's address as it is written, and as `url.<base>.insteadOf` rewrites it."""
    folder: Path
    """The work tree."""
    tip: str
    """The commit the remote's branch has; empty where it has none."""
    trunk: str
    """The commit the remote's default branch has."""

    def push(self, paths: Sequence[str], message: str) -> bool:
        """Commit the files that changed, together, and push; whether the remote's branch moved."""
        git = _git(self.folder)
        _do(git, "add", "--force", "--", *paths)
        if _do(git, "status", "--porcelain", "--untracked-files=no"):
            _do(git, "commit", "--quiet", "--message", message, "--", *paths)
        if _do(git, "rev-parse", "HEAD") == self.tip:
            return False
        ref = f"refs/heads/{self.name}"
        _do(git, "push", "--quiet", "--no-follow-tags", f"--force-with-lease={ref}:{self.tip}", REMOTE, f"HEAD:{ref}")
        return True


@contextmanager
def branch(root: Path, name: str, path: str) -> Iterator[Branch]:
    """Open the remote's branch `name`, or a new one at the tip of its default branch, for a change of the file `path`.

    A branch whose file the default branch holds already was merged, in whatever way: it begins anew. Raises
    `RegistryError`; the work tree is gone afterwards in any case.
    """
    git = _git(root)
    if REMOTE not in _do(git, "remote").split():
        raise RegistryError(
            f"this clone has no remote {REMOTE!r} to push to", str(root), "add it with `git remote add origin URL`"
        )
    base = _default_branch(git, root)
    wanted = [f"refs/heads/{each}" for each in (base, name)]
    lines = (line.partition("\t") for line in _do(git, "ls-remote", REMOTE, *wanted).splitlines())
    heads = {ref: oid for oid, _, ref in lines}
    here = [ref for ref in wanted if ref in heads]
    _do(git, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", REMOTE, *here)
    trunk, tip = heads[wanted[0]], heads.get(wanted[1], "")
    with tempfile.TemporaryDirectory(prefix="registry-branch-") as above:
        folder = Path(above) / "tree"
        start = trunk if not tip or _merged(git, trunk, tip, path) else tip
        _do(git, "worktree", "add", "--quiet", "--detach", str(folder), start)
        try:
            written = _do(git, "config", "--get", f"remote.{REMOTE}.url")
            yield Branch(name, base, (written, _do(git, "remote", "get-url", REMOTE)), folder, tip, trunk)
        finally:
            _do(git, "worktree", "remove", "--force", str(folder))


def _merged(git: Git, trunk: str, tip: str, path: str) -> bool:
    """Whether the default branch holds the branch's commits, or the very file it proposed (a squash, a rebase)."""
    if not _do(git, "rev-list", "--max-count=1", tip, f"^{trunk}"):
        return True
    return _do(git, "ls-tree", trunk, "--", path) == _do(git, "ls-tree", tip, "--", path)


def _default_branch(git: Git, root: Path) -> str:
    for line in _do(git, "ls-remote", "--symref", REMOTE, "HEAD").splitlines():
        first, _, second = line.partition("\t")
        if second == "HEAD" and first.startswith("ref: refs/heads/"):
            return first.removeprefix("ref: refs/heads/")
    raise RegistryError(f"{REMOTE} has no default branch yet", str(root), "push the registry's first commit to it")


def _git(path: Path) -> Git:
    """Git in a person's working copy. Raises without GitPython, or where the environment names another repository."""
    set_here = [name for name in _MISLEADING if name in os.environ]
    if set_here:
        raise RegistryError(f"{set_here[0]} is set: it names another repository", str(path), f"unset {set_here[0]}")
    try:
        from git import Repo as Opened  # noqa: TID251 - a person's working copy is what GitPython is for
    except ImportError as error:
        raise RegistryError(
            f"a pull request needs GitPython: {error}", fix="pip install 'git-model-registry[gto]'"
        ) from None
    repo: Repo = Opened(path)
    repo.git.update_environment(LC_ALL="C", GIT_TERMINAL_PROMPT="0", GIT_LITERAL_PATHSPECS="1")
    return repo.git


def _do(git: Git, verb: str, *args: str) -> str:
    """Run one git command and return what it printed. Raises `GitError` in the words of git."""
    from git.exc import GitCommandError  # noqa: TID251 - as above

    try:
        said: Any = git.execute(["git", verb, *args])
    except GitCommandError as error:
        text = str(error.stderr).strip().removeprefix("stderr: '").removesuffix("'")
        status = error.status if isinstance(error.status, int) else 1
        raise failure(git.working_dir, [verb, *args], Done(status, b"", text)) from None
    return str(said)


__all__ = ["Branch", "GitError", "branch"]
