"""Many objects read through two processes that stay: every answer belongs to its question, whatever happens."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import Lab, Repo

from registry.errors import GitError, NotFound, RegistryError
from registry.git.batch import BREATH, Batch, Head
from registry.git.objects import read_blobs
from registry.strictyaml import LIMIT

ABSENT = "1" * 40
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


@pytest.fixture
def repo(lab: Lab) -> Repo:
    made = lab.repo("repo")
    made.commit({"a.txt": b"one\n", "models/größe/模型.mlem": b"two\n", "empty": b"", "models/a b": b"three"})
    return made


@pytest.fixture
def batch(repo: Repo) -> Iterator[Batch]:
    with Batch(repo.path) as opened:
        yield opened


def oid(repo: Repo, name: str) -> str:
    return repo.rev(f"HEAD:{name}")


def processes(path: Path) -> list[int]:
    """The processes of this one that read objects of the repository at `path`."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            line, stat = (each / "cmdline").read_bytes(), (each / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if os.fsencode(path) in line and b"cat-file" in line and int(stat[1]) == os.getpid():
            found.append(int(each.name))
    return found


def test_an_object_is_told_by_type_and_size_and_read_whole(repo: Repo, batch: Batch) -> None:
    assert batch.head(oid(repo, "a.txt")) == Head("blob", 4)
    assert batch.read(oid(repo, "a.txt"), "blob") == b"one\n"
    assert batch.read(oid(repo, "empty"), "blob") == b""
    assert batch.read(oid(repo, "a.txt"), "tree") is None
    assert batch.read(repo.rev("HEAD"), "blob") is None
    sink = io.BytesIO()
    assert batch.copy(oid(repo, "a.txt"), sink) == Head("blob", 4)
    assert sink.getvalue() == b"one\n"


def test_what_is_missing_is_told_and_disturbs_no_other_answer(repo: Repo, batch: Batch) -> None:
    here = [oid(repo, "a.txt"), oid(repo, "empty")]
    assert batch.head(ABSENT) is None
    assert batch.read(ABSENT, "blob") is None
    assert batch.copy(ABSENT, io.BytesIO()) is None
    assert batch.missing([ABSENT, *here, ABSENT]) == [ABSENT]
    assert batch.load([here[0], ABSENT, here[1]]) == [ABSENT]
    assert [batch.read(each, "blob") for each in here] == [b"one\n", b""]


def test_what_is_missing_is_found_once_it_has_come(repo: Repo, batch: Batch) -> None:
    late = hashlib.sha1(b"blob 4\0late", usedforsecurity=False).hexdigest()
    assert batch.missing([late]) == batch.load([late]) == [late]
    (repo.path / "late").write_bytes(b"late")
    repo.git("hash-object", "-w", "late")
    assert batch.missing([late]) == batch.load([late]) == []
    assert batch.read(late, "blob") == b"late"


def test_entries_of_non_ascii_and_blank_names_are_found_as_git_wrote_them(repo: Repo, batch: Batch) -> None:
    commit, paths = (
        repo.rev("HEAD"),
        ["models/größe/模型.mlem", "models/a b", "models", "no", "a.txt/no", "../a.txt", ""],
    )
    found = batch.entries(commit, paths)
    assert found is not None
    assert {path: (entry.mode, entry.kind, entry.oid) for path, entry in found.items()} == {
        "models/größe/模型.mlem": ("100644", "blob", oid(repo, "models/größe/模型.mlem")),
        "models/a b": ("100644", "blob", oid(repo, "models/a b")),
        "models": ("040000", "tree", oid(repo, "models")),
    }
    assert batch.entries(ABSENT, paths) is None
    assert batch.entries(oid(repo, "a.txt"), paths) is None


@needs_proc
def test_trees_on_the_way_are_read_before_they_are_asked_for(repo: Repo, batch: Batch) -> None:
    commit = repo.rev("HEAD")
    places = [(commit, "models/größe/模型.mlem"), (commit, "a.txt/no"), (commit, "../x"), (ABSENT, "a"), (commit, "")]
    batch.walk(places)
    batch.close()
    assert batch.entries(commit, ["models/größe/模型.mlem"])
    assert not processes(repo.path)


def test_a_tree_that_lacks_a_subtree_is_not_taken_for_an_empty_one(repo: Repo, batch: Batch) -> None:
    commit, gone = repo.rev("HEAD"), oid(repo, "models")
    (repo.git_dir / "objects" / gone[:2] / gone[2:]).unlink()
    assert batch.entries(commit, ["a.txt"])
    assert batch.entries(commit, ["models/a b"]) is None


def test_a_malformed_tree_is_an_error_that_names_it(repo: Repo, batch: Batch) -> None:
    (repo.path / "raw").write_bytes(b"100644 without an end")
    tree = repo.git("hash-object", "-w", "-t", "tree", "--literally", "raw")
    commit = repo.git("commit-tree", "-m", "x", tree)
    with pytest.raises(GitError, match=f"tree {tree} is malformed"):
        batch.entries(commit, ["a"])
    assert batch.read(oid(repo, "a.txt"), "blob") == b"one\n"


def test_more_objects_than_one_breath_and_larger_ones_than_a_pipe_come_in_order(repo: Repo, batch: Batch) -> None:
    bodies = [f"{number}\n".encode() * (1 + number * 400) for number in range(BREATH * 2 + 1)]
    repo.write({f"many/{number}": body for number, body in enumerate(bodies)})
    repo.git("add", "many")
    oids = [hashlib.sha1(b"blob %d\0" % len(b) + b, usedforsecurity=False).hexdigest() for b in bodies]
    sinks = {each: io.BytesIO() for each in oids}
    assert batch.copy_all([*oids, ABSENT, *oids], lambda each, _: sinks[each]) == [ABSENT]
    assert [sinks[each].getvalue() for each in oids] == bodies


def test_only_small_objects_are_kept_and_larger_ones_are_still_read(repo: Repo, batch: Batch) -> None:
    large = b"x" * (LIMIT + 1)
    (repo.path / "large").write_bytes(large)
    name = repo.git("hash-object", "-w", "large")
    assert batch.load([name, oid(repo, "a.txt")]) == []
    assert batch.head(name) == Head("blob", LIMIT + 1)
    assert batch.read(name, "blob") == large


@needs_proc
@pytest.mark.parametrize("question", ["head", "read"])
def test_a_killed_git_is_one_error_and_the_next_question_starts_anew(repo: Repo, batch: Batch, question: str) -> None:
    def ask(name: str) -> object:
        return batch.head(oid(repo, name)) if question == "head" else batch.read(oid(repo, name), "blob")

    assert ask("a.txt")
    (pid,) = processes(repo.path)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(GitError, match="git ended while it gave objects"):
        ask("models/a b")
    assert ask("models/a b") == (Head("blob", 5) if question == "head" else b"three")
    assert pid not in processes(repo.path)


def test_a_sink_that_fails_leaves_no_bytes_for_the_next_question(repo: Repo, batch: Batch) -> None:
    class Full(io.BytesIO):
        def write(self, _: object, /) -> int:
            raise OSError(28, "no space left")

    with pytest.raises(OSError, match="no space left"):
        batch.copy_all([oid(repo, "a.txt"), oid(repo, "models/a b")], lambda *_: Full())
    assert batch.read(oid(repo, "models/a b"), "blob") == b"three"


def test_a_second_thread_is_turned_away_and_the_first_answer_is_whole(repo: Repo, batch: Batch) -> None:
    other, said = oid(repo, "models/a b"), []

    def intrude() -> None:
        try:
            batch.read(other, "blob")
        except RuntimeError as error:
            said.append(str(error))

    class Slow(io.BytesIO):
        def write(self, data: object, /) -> int:
            thread = threading.Thread(target=intrude)
            thread.start()
            thread.join()
            return super().write(data)

    sink = Slow()
    assert batch.copy(oid(repo, "a.txt"), sink) == Head("blob", 4)
    assert (sink.getvalue(), said) == (b"one\n", ["a batch serves one question at a time"])
    assert batch.read(other, "blob") == b"three"


def test_a_ref_named_like_an_id_of_another_length_is_no_object(repo: Repo, batch: Batch) -> None:
    name = "2" * 64
    repo.git("update-ref", f"refs/tags/{name}", "HEAD")
    assert batch.missing([name]) == [name]
    assert batch.load([name, oid(repo, "a.txt")]) == [name]
    assert batch.read(oid(repo, "a.txt"), "blob") == b"one\n"


@needs_proc
def test_leaving_the_block_ends_both_processes(repo: Repo) -> None:
    with Batch(repo.path) as batch:
        assert batch.head(oid(repo, "a.txt"))
        assert batch.read(oid(repo, "a.txt"), "blob")
        assert len(processes(repo.path)) == 2
    assert not processes(repo.path)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("empty") / "x.git"
    Lab(root.parent / "lab").run("git", "init", "--quiet", "--bare", str(root))
    return root


@given(names=st.lists(st.text("0123456789abcdef", min_size=40, max_size=40), max_size=BREATH * 3))
def test_every_name_asked_for_is_told_once(empty: Path, names: list[str]) -> None:
    with Batch(empty) as batch:
        assert batch.load(names) == batch.missing(names) == list(dict.fromkeys(names))


def test_blobs_that_are_too_large_missing_or_none_do_not_hide_the_others(repo: Repo) -> None:
    large = repo.git("hash-object", "-w", "--stdin", input=os.urandom(1 << 20))
    tree = repo.rev("HEAD:models")
    small, empty = oid(repo, "a.txt"), oid(repo, "empty")
    found = read_blobs(repo.path, [large, small, tree, ABSENT, empty], 100)
    assert (found.data(small, ""), found.data(empty, "")) == (b"one\n", b"")
    for each in (large, tree):
        with pytest.raises(RegistryError, match="expected a file of at most 100"):
            found.data(each, "")
    with pytest.raises(NotFound):
        found.data(ABSENT, "")
