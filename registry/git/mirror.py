"""A bare cache of a remote repository that holds only what was asked for.

First time `git clone --bare --no-tags --depth=1 --filter=tree:0` with the wanted refs as configuration (a clone writes
them packed); later `git fetch --no-tags --prune` of the wanted refs, which costs two requests when nothing changed.
Objects are brought by id, many in one request. Measurements behind this stand in `docs/performance.md`.

git answers a question about an object that a partial clone lacks by going to the network, and fails where it may not.
So objects are read through `plain`, a repository without a remote that shares the mirror's object files: there, what
was not brought is missing and nothing else happens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from registry import cache, offline
from registry.errors import GitError, Refused
from registry.git.bare import PLAIN, fresh, make_plain, remote_settings
from registry.git.objects import sizes
from registry.git.process import LOCAL, NETWORK, Done, run
from registry.git.remote import ask
from registry.urls import Address

LONGEST = 200
"""Longest name of a mirror's folder that spells the URL out, in characters."""
LOOSE = 2000
"""More loose refs than this are packed after a fetch."""

_WHOLE = ("-c", "fetch.negotiationAlgorithm=noop")
"""A commit that is here may lack its trees: a server that is told of it would leave them out."""
MARK = "seen"
"""A file in a mirror whose time is that of the last fetch of refs."""
HEAD = "refs/registry/HEAD"
"""Where a mirror keeps the remote's default branch."""
LEDGER = "refs/registry/ledger"
"""Where a mirror keeps the tip of the remote's ledger."""
_KEPT = {"HEAD": HEAD, "refs/heads/ledger*": "refs/registry/ledger*"}
"""Refs of the remote that a mirror keeps under other names, lest they be taken for what somebody asked for."""


class Mirror:
    """The cached repository of one address; all processes of a machine share it."""

    def __init__(self, address: Address, kind: str) -> None:
        self.address = address
        self.kind = kind
        """`registries`, whose objects our own parser judges, or `sources` and `graphs`, which git checks."""
        self.protocols = LOCAL if address.local else NETWORK
        self.path = cache.root() / kind / f"{folder_of(address.text)}.git"
        """The bare repository: its refs, and what is fetched."""
        self.objects = self.path / PLAIN
        """Where its objects are read."""
        self._lock = self.path.with_suffix(".lock")

    def update(self, refs: Sequence[str]) -> None:
        """Make these refs (exact, or with one `*`) equal to the remote's, tags at depth one.

        Offline they stay as they were last seen. Raises `GitError` when the remote cannot be read, `Offline` where it
        was never seen.
        """
        if offline.is_offline() and self.mark() is not None:
            return
        offline.require("the registry was never read on this machine", str(self.address))
        try:
            self._update([f"+{ref}:{_KEPT.get(ref, ref)}" for ref in refs])
        except GitError as error:
            if "HEAD" not in refs or "find remote ref HEAD" not in error.stderr:
                raise
            self._update([f"+{ref}:{_KEPT.get(ref, ref)}" for ref in refs if ref != "HEAD"])

    def _update(self, specs: Sequence[str]) -> None:
        with cache.lock(self._lock):
            if not (self.path / "config").is_file():
                self._clone(specs)
                self._marked()
                return
            line = ["fetch", "--no-tags", "--prune", "--quiet", "--no-write-fetch-head", "origin", *specs]
            try:
                self._ask(self.path, line, question=True)
            except GitError as error:
                self._require_damaged(error)
                self._clone(specs)
            self._marked()
            self._pack()

    def fetch_objects(self, oids: Iterable[str], *, filtered: str = "tree:0", depth: int | None = None) -> None:
        """Bring objects by id in one request, those that are here already left out (a commit is asked for again).

        Raises `GitError` where the server refuses or lacks one.
        """
        wanted = list(dict.fromkeys(oids))
        self.ensure()
        with suppress(OSError):
            os.utime(self.path)  # in use: see registry.cache.upkeep
        if not (missing := self._missing(wanted, depth)):
            return
        flags = ["--no-tags", "--quiet", "--no-write-fetch-head", f"--filter={filtered}", "--stdin"]
        flags += [f"--depth={depth}"] if depth else []
        with cache.lock(self._lock):
            if missing := self._missing(missing, depth):  # another process may have brought them meanwhile
                self._git(*_WHOLE, "fetch", *flags, "origin", stdin="\n".join(missing).encode() + b"\n")
                if len(sizes(self.objects, missing)) < len(missing):  # git takes them to be here: a pack is broken
                    raise self._removed()

    def _missing(self, oids: Sequence[str], depth: int | None) -> list[str]:
        known = sizes(self.objects, oids) if depth is None else {}
        return [oid for oid in oids if oid not in known]

    def fetch_ref(self, ref: str, *, depth: int | None = 1, filtered: str | None = "blob:none") -> None:
        """Bring one ref, or with a `*` many, into the same name here; without `depth` with its whole history.

        Refs of a pattern that the remote has no longer are removed here. Without `filtered` all files come along.
        """
        self.ensure()
        flags = ["--no-tags", "--quiet", "--no-write-fetch-head"]
        flags += [f"--depth={depth}"] if depth else []
        flags += [f"--filter={filtered}"] if filtered else ["--no-filter", "--refetch"]
        flags += ["--prune"] if "*" in ref else []
        with cache.lock(self._lock):
            self._git(*(_WHOLE if depth else ()), "fetch", *flags, "origin", f"+{ref}:{ref}")
            self._marked()

    def take_bundle(self, bundle: Path, *, ledger: bool = True) -> None:
        """Take over the refs and objects of a git bundle, as if they had been fetched; without `ledger` not its tip.

        Raises `Refused` (`bundle-valid`) where git cannot read it, (`tag-moved`) where a tag that is here is another
        one there; then no ref was changed.
        """
        self.ensure()
        with cache.lock(self._lock):
            refs = bundled(bundle)
            if not ledger:
                refs.pop(LEDGER, None)
            here = run(self.path, ["for-each-ref", "--format=%(refname) %(objectname)"]).out.decode()
            known = dict(line.split(" ") for line in here.splitlines())
            for ref, oid in refs.items():
                if ref.startswith("refs/tags/") and known.get(ref, oid) != oid:
                    raise Refused(
                        "tag-moved",
                        f"{ref} is {known[ref]} here and {oid} in the bundle",
                        str(self.address),
                        "find out which is right; `registry cache prune --all` forgets what is known here",
                    )
            specs = [f"+{ref}:{ref}" for ref in refs]
            line = ["fetch", "--no-tags", "--quiet", "--no-write-fetch-head", "--no-filter", "--end-of-options"]
            try:
                run(self.path, [*line, str(bundle), *specs], protocols="file")
            except GitError as error:
                raise no_bundle(error) from None
            self._marked()

    def mark(self) -> int | None:
        """A number that is another one after its refs may have changed; none where there are none yet."""
        try:
            return (self.path / MARK).stat().st_mtime_ns
        except OSError:
            return None

    def _marked(self) -> None:
        with open(self.path / MARK, "wb"):
            now = time.time_ns()
        os.utime(self.path / MARK, ns=(now, now))  # finer than the system's clock for files

    def remote_refs(self) -> dict[str, str]:
        """The remote's branches and tags with their ids; annotated tags also as `NAME^{}` with their target's."""
        offline.require("its branches and tags are not known here", str(self.address))
        asked = ["ls-remote", "--heads", "--tags", "--end-of-options", self.address.text]
        out = self._ask(None, asked, question=True).out
        found = {}
        for line in out.decode("utf-8", "replace").splitlines():
            oid, _, ref = line.partition("\t")
            found[ref] = oid
        return found

    def ensure(self) -> None:
        """Make the mirror where there is none, of the few files that make a repository (gitrepository-layout(5))."""
        if (self.path / "config").is_file():
            return
        with cache.lock(self._lock):
            if (self.path / "config").is_file():
                return
            with fresh(self.path) as made:
                for folder in ("objects", "refs"):
                    (made / folder).mkdir()
                (made / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
                settings = remote_settings(url_of(self.address), checked=self.kind != "registries")
                (made / "config").write_text(settings, encoding="utf-8")
                make_plain(made)

    def _clone(self, specs: Sequence[str]) -> None:
        flags = ["--quiet", "--bare", "--no-tags", "--no-single-branch", "--depth=1", "--filter=tree:0"]
        for spec in specs:
            flags += ["-c", f"remote.origin.fetch={spec}"]
        with fresh(self.path) as made:
            line = ["clone", *flags, "--end-of-options", url_of(self.address), str(made)]
            self._ask(None, line, question=True)
            run(made, ["config", "--unset-all", "remote.origin.fetch"], accept=(0, 5))
            run(made, ["update-ref", HEAD, "HEAD"], accept=(0, 128))  # a clone does not follow a refspec of HEAD
            make_plain(made)

    def _git(self, *args: str, stdin: bytes | None = None) -> None:
        offline.require("objects of it are not here", str(self.address))
        try:
            self._ask(self.path, args, stdin=stdin)
        except GitError as error:
            self._require_damaged(error)
            raise self._removed() from None

    def _ask(
        self, path: Path | None, args: Sequence[str], *, stdin: bytes | None = None, question: bool = False
    ) -> Done:
        where = str(self.address)
        return ask(path, args, where=where, protocols=self.protocols, stdin=stdin, question=question)

    def _require_damaged(self, error: GitError) -> None:
        """Pass a remote's failure on; return where the cache itself is broken, or locked by a git that was killed."""
        done = run(self.path, ["rev-parse", "--is-bare-repository"], accept=(0, 128))
        if done.code == 0 and ".lock': File exists" not in error.stderr:
            raise error

    def _removed(self) -> GitError:
        """Remove a mirror that is broken, so that the next question makes it anew."""
        import shutil

        shutil.rmtree(self.path, ignore_errors=True)
        return GitError("a damaged cache was removed", str(self.path), "run this again: it is fetched anew")

    def _pack(self) -> None:
        tags = self.path / "refs" / "tags"
        if tags.is_dir() and sum(1 for _ in tags.iterdir()) > LOOSE:
            run(self.path, ["pack-refs", "--all"])


def bundled(bundle: Path) -> dict[str, str]:
    """The refs of a git bundle: tags, the default branch, and the tip of the ledger.

    Raises `Refused` (`bundle-valid`) where git cannot read it.
    """
    try:
        out = run(None, ["bundle", "list-heads", str(bundle)]).out.decode("utf-8", "surrogateescape")
    except GitError as error:
        raise no_bundle(error) from None
    pairs = (line.split(" ", 1) for line in out.splitlines())
    return {ref: oid for oid, ref in pairs if ref in {HEAD, LEDGER} or ref.startswith("refs/tags/")}


def no_bundle(error: GitError) -> Refused:
    """The refusal of what git cannot read as a bundle."""
    return Refused("bundle-valid", f"git cannot read the bundle: {error.what}", "", "export it again")


def folder_of(url: str) -> str:
    """A folder's name for a URL: its bytes in hex, or of a long one the SHA-256 (importing hashlib costs 3 ms)."""
    plain = url.encode().hex()
    if len(plain) <= LONGEST:
        return plain
    import hashlib

    return hashlib.sha256(url.encode()).hexdigest()


def url_of(address: Address) -> str:
    """The address as git's transports take it, which a path is not."""
    return f"file://{address.text}" if address.local else address.text
