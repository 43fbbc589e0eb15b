"""A registry with a ledger: events recorded in it, and ledgers written by hand that break its rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lab import NAME, Lab, Repo, tag_body

from registry.api.appending import Act, Appended, Propose, Recorder, append
from registry.api.ledgers import Ledger
from registry.api.project import open_project
from registry.git import ledger as branch
from registry.git.ledger import LOCAL
from registry.git.tagwrite import Tagger
from registry.ledger import Entry, digest, format_entry
from registry.ledgerchain import Head, chained, parse_message
from registry.ledgertree import Tree
from registry.tags import ASSIGNMENT, TagName, parse_name

WHO = f"{NAME} <dana@example.org>"


def seeded(lab: Lab, name: str = "seed") -> Repo:
    """A registry with two versions of `m`, one in prod, before there is a ledger."""
    repo = lab.repo(name)
    repo.commit({"train.py": "seed = 0\n"})
    repo.tag("m@v1.0.0")
    repo.tag("m#prod#1")
    repo.commit({"train.py": "seed = 1\n"})
    repo.tag("m@v1.1.0")
    return repo


def tag_object(repo: Repo, ref: str, target: str = "HEAD") -> str:
    """A tag object that no ref names yet; its id."""
    body = tag_body(ref, repo.rev(f"{target}^{{commit}}"))
    return repo.git("hash-object", "-t", "tag", "-w", "--stdin", input=body)


def entry_of(repo: Repo, ref: str, oid: str, target: str = "HEAD", *, version: str = "v1.1.0") -> Entry:
    """What is recorded of an event."""
    said = parse_name(ref)
    assert isinstance(said, TagName)
    kind = {"registration": "register", "deregistration": "deregister", ASSIGNMENT: "assign"}[said.kind]
    commit = repo.rev(f"{target}^{{commit}}")
    version = said.version or version
    return Entry(kind, "", name=said.artifact, version=version, stage=said.stage, tag=ref, tag_oid=oid, commit=commit)


def events(repo: Repo, *refs: str, target: str = "HEAD") -> Propose:
    """Proposes new tags and their entries."""
    made = {ref: tag_object(repo, ref, target) for ref in refs}
    return lambda _: Act([entry_of(repo, ref, oid, target) for ref, oid in made.items()], made)


def record(repo: Repo, *refs: str, target: str = "HEAD", push: bool = False, **options: object) -> Appended:
    """Make tags and record them in one group."""
    recorder = Recorder(push=push, **options)
    return append(open_project(repo.path), events(repo, *refs, target=target), recorder)


def numbered(repo: Repo, stage: str, count: int) -> Callable[[Ledger], Act]:
    """Proposes the next free assignment of a stage, as one who judges anew each time."""

    def propose(ledger: Ledger) -> Act:
        number = (ledger.head.sequence if ledger.head else 0) + 1
        ref = f"m#{stage}#{number}"
        oid = tag_object(repo, ref)
        return Act([entry_of(repo, ref, oid)], {ref: oid})

    assert count
    return propose


class Forger:
    """Somebody with git and time, who writes ledger commits as they like."""

    def __init__(self, repo: Repo, ref: str = LOCAL) -> None:
        self.repo, self.ref = repo, ref

    @property
    def tip(self) -> str:
        return self.repo.rev(self.ref)

    def entries(self, revision: str) -> list[Entry]:
        """The entries of a commit."""
        body = self.repo.git("cat-file", "commit", revision).partition("\n\n")[2] + "\n"
        return parse_message(body.encode())

    def head(self, revision: str) -> Head:
        """Where the ledger stands at a commit."""
        last = self.entries(revision)[-1]
        return Head(self.repo.rev(revision), last.sequence, last.time, digest(format_entry(last)))

    def replay(self, base: str | None, groups: Sequence[Sequence[Entry]], *, time: int | None = None) -> str:
        """Write well-formed commits of these entries on `base`, and point the branch at the last."""
        head = self.head(base) if base else None
        for group in groups:
            now = time if time is not None else max(group[0].time, head.time if head else 0)
            made = chained(group, head, now)
            who = Tagger(f"{WHO} {now} +0000", {})
            tree = branch.next_tree(self.repo.path, head, made)
            commit = branch.commit(self.repo.path, head, tree, made, who)
            last = made[-1]
            head = Head(commit, last.sequence, last.time, digest(format_entry(last)))
        assert head
        self.repo.git("update-ref", self.ref, head.commit)
        return head.commit

    def amend(
        self, *, tree: str | None = None, message: bytes | None = None, parents: Sequence[str] | None = None
    ) -> str:
        """Write the tip anew with another tree, message or parents."""
        body = self.repo.git("cat-file", "commit", self.tip)
        head, _, text = body.partition("\n\n")
        lines = head.split("\n")
        people = [line for line in lines if line.startswith(("author ", "committer "))]
        old = [line.removeprefix("parent ") for line in lines if line.startswith("parent ")]
        above = [f"parent {each}" for each in (old if parents is None else parents)]
        told = "\n".join([f"tree {tree or lines[0][5:]}", *above, *people]).encode() + b"\n\n"
        told += f"{text}\n".encode() if message is None else message
        oid = self.repo.git("hash-object", "-t", "commit", "-w", "--stdin", input=told)
        self.repo.git("update-ref", self.ref, oid)
        return oid

    def tree_with(self, path: str, data: bytes) -> str:
        """The tip's tree with one file more, or another one."""
        env = {"GIT_INDEX_FILE": str(Path(self.repo.git_dir) / "forged-index")}
        blob = self.repo.git("hash-object", "-w", "--stdin", input=data)
        self.repo.git("read-tree", self.tip, env=env)
        self.repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=env)
        return self.repo.git("write-tree", env=env)


def tree_of(groups: Sequence[Sequence[Entry]]) -> str:
    """The fold of entries, as a tree's id."""
    tree = Tree("sha1")
    for group in groups:
        for entry in group:
            tree.take(entry)
    return tree.write()[0]
