"""Reading many objects of one repository through two git processes that stay: one says what is there, one gives it.

Format: git-cat-file(1), `--batch-check` and `--batch`. A process for each object would cost a hundred times as
much. One batch serves one thread at a time. What is missing is `None`: nothing is fetched (`OFFLINE`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from os import PathLike
from types import TracebackType
from typing import IO, NamedTuple

from registry.errors import GitError
from registry.git.objects import Entry
from registry.git.process import conversation

_CHUNK = 1 << 20
_TREES = {"40000": "040000"}
_KINDS = {"040000": "tree", "160000": "commit"}


class Head(NamedTuple):
    """What an object is."""

    kind: str
    size: int


class Batch:
    """Objects of the repository at `path`, until it is closed."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = path
        self._stack = ExitStack()
        self._open: dict[str, tuple[IO[bytes], IO[bytes]]] = {}
        self._trees: dict[str, dict[bytes, tuple[str, str]]] = {}

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.clear()
        self._stack.close()

    def head(self, oid: str) -> Head | None:
        """Type and size of an object."""
        return self._ask("--batch-check", oid)[0]

    def copy(self, oid: str, sink: IO[bytes]) -> Head | None:
        """Stream an object's bytes into `sink`."""
        found, stream = self._ask("--batch", oid)
        left = found.size if found else 0
        while left:
            block = stream.read(min(left, _CHUNK))
            if not block:
                raise GitError("git ended while it gave an object", str(self._path), "check the repository: git fsck")
            sink.write(block)
            left -= len(block)
        if found:
            stream.read(1)
        return found

    def read(self, oid: str, kind: str) -> bytes | None:
        """A small object's bytes; `None` where it is missing or of another type."""
        from io import BytesIO

        sink = BytesIO()
        found = self.copy(oid, sink)
        return sink.getvalue() if found and found.kind == kind else None

    def root(self, commit: str) -> str | None:
        """The tree of a commit, where both are here."""
        body = self.read(commit, "commit")
        tree = body[5:].partition(b"\n")[0].decode("ascii", "replace") if body and body.startswith(b"tree ") else ""
        return tree if tree and self._tree(tree) is not None else None

    def entries(self, commit: str, paths: Sequence[str]) -> dict[str, Entry] | None:
        """Entries of a commit's tree by path; `None` where a tree on the way is missing."""
        root = self.root(commit)
        if root is None:
            return None
        found = {}
        for path in paths:
            mode, oid = "040000", root
            for step in path.split("/"):
                tree = self._tree(oid) if mode == "040000" else {}
                if tree is None:
                    return None
                mode, oid = tree.get(step.encode("utf-8", "surrogateescape"), ("", ""))
            if oid:
                found[path] = Entry(path, mode, _KINDS.get(mode, "blob"), oid)
        return found

    def _tree(self, oid: str) -> dict[bytes, tuple[str, str]] | None:
        if oid not in self._trees:
            body = self.read(oid, "tree")
            if body is None:
                return None
            self._trees[oid] = _parsed(body, len(oid) // 2)
        return self._trees[oid]

    def _ask(self, how: str, oid: str) -> tuple[Head | None, IO[bytes]]:
        if how not in self._open:
            self._open[how] = self._stack.enter_context(conversation(self._path, ["cat-file", how]))
        into, out = self._open[how]
        try:
            into.write(oid.encode() + b"\n")
            into.flush()
        except OSError:
            raise GitError("git ended early", str(self._path), "check the repository: git fsck") from None
        fields = out.readline().split()
        if not fields:
            raise GitError("git ended early", str(self._path), "check the repository: git fsck")
        known = len(fields) == 3 and fields[2].isdigit()  # noqa: PLR2004 - "<name> missing" has two
        return (Head(fields[1].decode(), int(fields[2])) if known else None), out


def _parsed(body: bytes, width: int) -> dict[bytes, tuple[str, str]]:
    found, at = {}, 0
    while at < len(body):
        end = body.index(b"\0", at)
        mode, _, name = body[at:end].partition(b" ")
        text = mode.decode("ascii", "replace")
        found[name] = (_TREES.get(text, text), body[end + 1 : end + 1 + width].hex())
        at = end + 1 + width
    return found
