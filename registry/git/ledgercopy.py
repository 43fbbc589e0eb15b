"""The ledger of a remote repository: a copy of its one branch in the cache, and the same branch of a clone's origin.

The copy holds the newest commit with its files first, and the whole log once that is asked for; afterwards a fetch
brings what is new. A branch that is not there is no failure (`couldn't find remote ref`): whether it has to be there is
for those to say who saw it before.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from registry import cache, offline
from registry.errors import GitError, Refused
from registry.git.bare import fresh
from registry.git.ledger import LOCAL, TRACKED
from registry.git.mirror import folder_of, no_bundle, url_of
from registry.git.process import LOCAL as LOCAL_TOO
from registry.git.process import NETWORK, run
from registry.git.remote import ask
from registry.git.tagwrite import UNCHECKED, fetch_tags, tag_specs
from registry.ledgerchain import BRANCH
from registry.urls import Address

_ABSENT = ("find remote ref", "Remote branch")
_QUIET = ("--no-tags", "--quiet", "--no-write-fetch-head")


class LedgerCopy:
    """The cached ledger of one address; all processes of a machine share it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.path = cache.root() / "registries" / f"{folder_of(address.text)}-ledger.git"
        self._protocols = LOCAL_TOO if address.local else NETWORK
        self._lock = self.path.with_suffix(".lock")

    def update(self, *, whole: bool = False) -> bool:
        """Make the copy equal to the remote's branch, with its `whole` log where asked for; whether there is one.

        Offline it stays as it was last seen. Raises `GitError` when the remote cannot be read, `Offline` where it was
        never seen.
        """
        here = (self.path / "config").is_file()
        if offline.is_offline() and here:
            return True
        offline.require("the registry's ledger was never read on this machine", str(self.address))
        with cache.lock(self._lock):
            if here and run(self.path, ["rev-parse", "--is-bare-repository"], accept=(0, 128)).code:
                shutil.rmtree(self.path, ignore_errors=True)
                here = False
            return self._fetch(whole=whole) if here else self._clone(whole=whole)

    def tip(self) -> str | None:
        """The newest commit that is here, as it was last seen."""
        if not (self.path / "config").is_file():
            return None
        line = ["for-each-ref", "--format=%(objectname)", "--", LOCAL]
        return run(self.path, line).out.decode().strip() or None

    @contextmanager
    def taken(self, bundle: Path, ref: str) -> Iterator[Path]:
        """A copy made of a ref of a git bundle, which takes this one's place when the block is done without an error.

        Raises `Refused` (`bundle-valid`) where git cannot read it.
        """
        with cache.lock(self._lock), fresh(self.path) as made:
            line = ["fetch", *_QUIET, "--end-of-options", str(bundle), f"+{ref}:{LOCAL}"]
            try:
                run(None, ["init", "--quiet", "--bare", "--end-of-options", str(made)])
                run(made, ["config", "remote.origin.url", url_of(self.address)])
                run(made, line, protocols="file")
            except GitError as error:
                raise no_bundle(error) from None
            yield made

    def _fetch(self, *, whole: bool) -> bool:
        flags = ["--unshallow"] if whole and (self.path / "shallow").is_file() else []
        line = ["fetch", *_QUIET, *flags, "origin", f"+{LOCAL}:{LOCAL}"]
        try:
            self._ask(self.path, line)
        except GitError as error:
            gone = _only_absent(error)
            run(self.path, ["update-ref", "-d", LOCAL])
            return gone
        return True

    def _clone(self, *, whole: bool) -> bool:
        flags = ["--quiet", "--bare", "--no-tags", "--single-branch", f"--branch={BRANCH}"]
        flags += [] if whole else ["--depth=1"]
        try:
            with fresh(self.path) as made:
                self._ask(None, ["clone", *flags, "--end-of-options", url_of(self.address), str(made)])
        except GitError as error:
            return _only_absent(error)
        return True

    def _ask(self, path: Path | None, line: Sequence[str]) -> None:
        ask(path, line, where=str(self.address), protocols=self._protocols, question=True)


def _only_absent(error: GitError) -> bool:
    """False where a remote has no such branch. Raises any other failure."""
    if any(words in error.stderr for words in _ABSENT):
        return False
    raise error


def fetch_tracked(
    path: str | PathLike[str], remote: str, where: str, protocols: str, artifacts: Sequence[str] = ()
) -> bool:
    """Bring a clone's copy of its origin's ledger up to date; whether the origin has one.

    The tags of `artifacts` come in the same request, as `fetch_tags` brings them: they are no older than the ledger,
    since a remote tells its branches before its tags. Raises `Refused` (`ledger-forked`) where the origin's ledger does
    not go on from what the clone saw: nothing is forced.
    """
    flags = [flag for flag in _QUIET if flag != "--quiet"]  # a ref that is not moved is told in words only
    line = [*UNCHECKED, "fetch", *flags, "--no-prune", "--end-of-options", remote, f"{LOCAL}:{TRACKED}"]
    try:
        ask(path, [*line, *tag_specs(artifacts)], where=where, protocols=protocols, hooks=bool(artifacts))
    except GitError as error:
        if _ABSENT[0] in error.stderr:
            if artifacts:
                fetch_tags(path, remote, artifacts, protocols)
            return False
        if "non-fast-forward" in error.stderr:
            raise Refused(
                "ledger-forked",
                "the origin's ledger does not go on from the one that this clone saw",
                where,
                f"find out who rewrote it; if that was meant: git update-ref -d {TRACKED}",
            ) from None
        raise
    return True
