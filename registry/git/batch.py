"""Reading many objects of one repository through two git processes that stay: one says what is there, one gives it.

Format: git-cat-file(1), `--batch-check` and `--batch`. A process for each object would cost a hundred times as much,
and waiting for each answer costs more than the answer where many threads ask: what is known to be needed is asked for
in one breath (`load`, `copy_all`). What is missing is `None`: nothing is fetched (`OFFLINE`). A batch serves one thread
at a time; the next question after git ended starts it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from os import PathLike
from threading import Lock
from types import TracebackType
from typing import IO, NamedTuple

from registry.errors import GitError
from registry.git.objects import Entry
from registry.git.process import conversation
from registry.strictyaml import LIMIT

BREATH = 60
"""Most objects asked for at once: their names fit into the smallest pipe, so that neither side waits for the other."""
KEPT = 1 << 25
"""Most bytes of objects that are kept to be read later."""

_CHUNK = 1 << 20
_TREES = {"40000": "040000"}
_KINDS = {"040000": "tree", "160000": "commit"}
_CHECK = "--batch-check"
_GIVE = "--batch"


class Head(NamedTuple):
    """What an object is."""

    kind: str
    size: int


Receive = Callable[[str, Head], "IO[bytes] | None"]
"""Names the sink for an object's bytes; none where they are not wanted."""


class Batch:
    """Objects of the repository at `path`, until it is closed."""

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = path
        self._stack = ExitStack()
        self._open: dict[str, tuple[IO[bytes], IO[bytes]]] = {}
        self._heads: dict[str, Head] = {}
        self._bodies: dict[str, bytes] = {}
        self._held = 0
        self._roots: dict[str, str] = {}
        self._trees: dict[str, dict[bytes, tuple[str, str]]] = {}
        self._lock = Lock()

    def __enter__(self) -> Batch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; a later question starts them anew."""
        self._open.clear()
        with suppress(BrokenPipeError):  # a process that ended takes no question that is still in the buffer
            self._stack.close()

    def head(self, oid: str) -> Head | None:
        """Type and size of an object."""
        return None if self.missing([oid]) else self._heads[oid]

    def missing(self, oids: Iterable[str]) -> list[str]:
        """Those of the objects that are not here."""
        asked = list(dict.fromkeys(oids))
        unknown = [oid for oid in asked if oid not in self._heads]
        with self._alone():
            for start in range(0, len(unknown), BREATH):
                with self._answers(_CHECK, unknown[start : start + BREATH]) as answers:
                    self._heads.update((oid, found) for oid, found, _ in answers if found is not None)
        return [oid for oid in asked if oid not in self._heads]

    def copy_all(self, oids: Iterable[str], receive: Receive) -> list[str]:
        """Stream each object into the sink that `receive` names for it; those that are missing are returned."""
        asked, missing = list(dict.fromkeys(oids)), []
        with self._alone():
            for start in range(0, len(asked), BREATH):
                with self._answers(_GIVE, asked[start : start + BREATH]) as answers:
                    for oid, found, stream in answers:
                        if found is None:
                            missing.append(oid)
                            continue
                        self._heads[oid] = found
                        self._pass_on(stream, found.size, receive(oid, found))
        return missing

    def copy(self, oid: str, sink: IO[bytes]) -> Head | None:
        """Stream an object's bytes into `sink`."""
        missing = self.copy_all([oid], lambda _oid, _found: sink)
        return None if missing else self._heads[oid]

    def load(self, oids: Iterable[str]) -> list[str]:
        """Read small objects to be looked at later; those that are missing are returned."""
        sinks: dict[str, BytesIO] = {}
        missing = self.copy_all((oid for oid in oids if oid not in self._bodies), self.keeping(sinks))
        self.keep(sinks)
        return missing

    def keeping(self, sinks: dict[str, BytesIO]) -> Receive:
        """A receiver that gathers what `keep` may keep."""

        def receive(oid: str, found: Head) -> IO[bytes] | None:
            fits = found.size <= LIMIT and self._held + found.size <= KEPT
            if fits:
                self._held += found.size
                sinks[oid] = BytesIO()
            return sinks[oid] if fits else None

        return receive

    def keep(self, sinks: dict[str, BytesIO]) -> None:
        """Keep what was gathered."""
        self._bodies.update((oid, sink.getvalue()) for oid, sink in sinks.items())

    def read(self, oid: str, kind: str) -> bytes | None:
        """A small object's bytes; `None` where it is missing or of another type."""
        if oid not in self._bodies:
            sink = BytesIO()
            self.copy_all([oid], lambda _oid, found: sink if found.kind == kind else None)
            return sink.getvalue() if oid in self._heads and self._heads[oid].kind == kind else None
        return self._bodies[oid] if self._heads[oid].kind == kind else None

    def root(self, commit: str) -> str | None:
        """The tree of a commit, where both are here."""
        tree = self._root(commit)
        return tree if tree and self._tree(tree) is not None else None

    def tree(self, oid: str) -> dict[str, tuple[str, str]] | None:
        """Mode and object id by name of a tree's entries; `None` where it is missing."""
        found = self._tree(oid)
        return (
            None if found is None else {name.decode("utf-8", "surrogateescape"): each for name, each in found.items()}
        )

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
                mode, oid = tree.get(_encoded(step), ("", ""))
            if oid:
                found[path] = Entry(path, mode, _KINDS.get(mode, "blob"), oid)
        return found

    def files(self, commit: str) -> dict[str, Entry] | None:
        """All files of a commit's tree by path; `None` where a tree is missing. Trees are read once for all commits."""
        root = self.root(commit)
        if root is None:
            return None
        found, level = {}, [("", root)]
        while level:
            self.load(oid for _, oid in level if oid not in self._trees)
            below = []
            for folder, oid in level:
                tree = self.tree(oid)
                if tree is None:
                    return None
                for name, (mode, each) in tree.items():
                    if mode == "040000":
                        below.append((f"{folder}{name}/", each))
                    else:
                        path = folder + name
                        found[path] = Entry(path, mode, _KINDS.get(mode, "blob"), each)
            level = below
        return found

    def walk(self, places: Iterable[tuple[str, str]]) -> None:
        """Load the trees on the way to paths of commits, each level in one breath."""
        steps = [(self._root(commit), path.split("/")[:-1]) for commit, path in places]
        while steps:
            self.load(tree for tree, _ in steps if tree and tree not in self._trees)
            found = [((self._tree(tree) or {}).get(_encoded(way[0])), way[1:]) for tree, way in steps if tree and way]
            steps = [(entry[1], way) for entry, way in found if entry and entry[0] == "040000"]

    def _root(self, commit: str) -> str | None:
        if commit not in self._roots:
            body = self.read(commit, "commit")
            if body is None or not body.startswith(b"tree "):
                return None
            self._roots[commit] = body[5:].partition(b"\n")[0].decode("ascii", "replace")
        return self._roots[commit]

    def _tree(self, oid: str) -> dict[bytes, tuple[str, str]] | None:
        if oid not in self._trees:
            body = self.read(oid, "tree")
            if body is None:
                return None
            try:
                self._trees[oid] = _parsed(body, len(oid) // 2)
            except ValueError:
                raise GitError(f"tree {oid} is malformed", str(self._path), "repair it at its origin") from None
        return self._trees[oid]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Answers of two questions at once would be taken for each other's: that is a mistake of the caller."""
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("a batch serves one question at a time")
        try:
            yield
        except BaseException:
            self.close()  # what is still to come belongs to no later question
            raise
        finally:
            self._lock.release()

    @contextmanager
    def _answers(self, how: str, oids: Sequence[str]) -> Iterator[Iterator[tuple[str, Head | None, IO[bytes]]]]:
        """Ask for objects at once; of `_GIVE`, each one's bytes are read from the stream before the next answer."""
        if how not in self._open:
            self._open[how] = self._stack.enter_context(conversation(self._path, ["cat-file", how]))
        into, out = self._open[how]
        try:
            into.write(b"".join(oid.encode() + b"\n" for oid in oids))
            into.flush()
        except OSError:
            raise self._ended() from None
        yield ((oid, self._header(how, oid, out), out) for oid in oids)

    def _header(self, how: str, oid: str, out: IO[bytes]) -> Head | None:
        fields = out.readline().split()
        if not fields:
            raise self._ended()
        if len(fields) != 3 or not fields[2].isdigit():  # noqa: PLR2004 - "<name> missing" has two
            return None
        found = Head(fields[1].decode(), int(fields[2]))
        if fields[0] == oid.encode():
            return found
        if how == _GIVE:  # a ref of that name, where ids are of another length
            self._pass_on(out, found.size, None)
        return None

    def _pass_on(self, stream: IO[bytes], left: int, sink: IO[bytes] | None) -> None:
        while left:
            block = stream.read(min(left, _CHUNK))
            if not block:
                raise self._ended()
            if sink is not None:
                sink.write(block)
            left -= len(block)
        stream.read(1)

    def _ended(self) -> GitError:
        return GitError("git ended while it gave objects", str(self._path), "check the repository: git fsck")


def _encoded(step: str) -> bytes:
    return step.encode("utf-8", "surrogateescape")


def _parsed(body: bytes, width: int) -> dict[bytes, tuple[str, str]]:
    found, at = {}, 0
    while at < len(body):
        end = body.index(b"\0", at)
        mode, _, name = body[at:end].partition(b" ")
        text = mode.decode("ascii", "replace")
        found[name] = (_TREES.get(text, text), body[end + 1 : end + 1 + width].hex())
        at = end + 1 + width
    return found
