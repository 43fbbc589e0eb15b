"""The ledger in real repositories: appended to here and over HTTP, atomically, by many at once, and read by one process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from git_http import GitServer
from lab import Lab, Repo
from ledgers import entry_of, events, record, seeded, tag_object
from test_unchanged import git_processes

from registry.api.adopting import adopt
from registry.api.appending import Act, Recorder, append
from registry.api.ledgercheck import verify_ledger
from registry.api.ledgers import Ledger, find, ledger_log, read_ledger
from registry.api.project import open_project
from registry.errors import GitError, NotFound, RegistryError
from registry.git.ledger import LOCAL, TRACKED, log
from registry.ledger import Entry

Http = Callable[..., GitServer]
WRITERS = 3


@pytest.fixture
def repo(lab: Lab) -> Repo:
    return seeded(lab)


class Web:
    """A served registry with an adopted ledger."""

    def __init__(self, lab: Lab, http: Http, repo: Repo) -> None:
        self.lab = lab
        (lab.root / "served").mkdir()
        self.bare = repo.bare_clone("served/models.git")
        self.server = http(self.bare.path.parent)
        self.url = f"{self.server.url}/models.git"
        adopt(self.bare.path)

    def clone(self, name: str) -> Repo:
        return self.lab.clone(self.url, name)


@pytest.fixture
def web(lab: Lab, http: Http, repo: Repo) -> Web:
    return Web(lab, http, repo)


def refs(repo: Repo) -> str:
    return repo.git("for-each-ref")


def sound(repo: Repo, entries: int) -> bool:
    report = verify_ledger(repo.path)
    assert not report.findings
    return report.entries == entries


# --- here


def test_adopting_records_every_tag_in_one_commit_and_only_once(repo: Repo) -> None:
    repo.lightweight("m#dev#7")
    before = repo.git("status", "--porcelain"), repo.rev("HEAD")
    done = adopt(repo.path)
    assert [(e.kind, e.tag, e.version) for e in done.entries] == [
        ("adopt", "m@v1.0.0", "v1.0.0"),
        ("adopt", "m#prod#1", "v1.0.0"),
        ("adopt", "m@v1.1.0", "v1.1.0"),
    ]
    assert repo.git("rev-list", "--count", LOCAL) == "1"
    assert (repo.git("status", "--porcelain"), repo.rev("HEAD")) == before
    assert sound(repo, 3)
    with pytest.raises(RegistryError, match="has a ledger, with 3 entries"):
        adopt(repo.path)


def test_a_registry_without_tags_has_nothing_to_adopt_and_without_a_ledger_nothing_to_ask(lab: Lab) -> None:
    empty = lab.repo("empty")
    empty.commit()
    with pytest.raises(NotFound, match="no tag to begin"):
        adopt(empty.path)
    for ask in (lambda: verify_ledger(empty.path), lambda: list(ledger_log(empty.path))):
        with pytest.raises(NotFound, match="no ledger"):
            ask()
    assert read_ledger(open_project(empty.path)).head is None


def test_adopted_links_are_named_by_their_digest(lab: Lab) -> None:
    import hashlib

    repo = lab.repo("linked")
    repo.commit({".mlem/links/m.mlem": "a link\n"})
    repo.tag("m@v1.0.0")
    assert adopt(repo.path).entries[0].link == hashlib.sha256(b"a link\n").hexdigest()


def test_a_group_is_one_commit_and_its_tags_are_made_with_it(repo: Repo) -> None:
    adopt(repo.path)
    done = record(repo, "m#prod#2", "m#dev#3")
    assert [entry.sequence for entry in done.entries] == [4, 5]
    assert {"m#prod#2", "m#dev#3"} <= set(repo.tags())
    assert repo.git("log", "-1", "--format=%s", LOCAL) == "ledger 4-5: 2 entries"
    assert repo.git("log", "-2", "--format=%s", LOCAL).splitlines()[1] == "ledger 1-3: 3 entries"
    assert sound(repo, 5)
    repo.git("fsck", "--strict")


def test_of_a_group_whose_tag_exists_nothing_is_made(repo: Repo) -> None:
    adopt(repo.path)
    before = refs(repo)
    made = {ref: tag_object(repo, ref) for ref in ("m#dev#9", "m@v1.0.0")}
    act = Act([entry_of(repo, ref, oid) for ref, oid in made.items()], made)
    with pytest.raises(RegistryError, match="there already"):
        append(open_project(repo.path), lambda _: act)
    assert refs(repo) == before


@pytest.mark.parametrize("name", ["a b", "m#prod#2\nupdate refs/heads/main", "x:refs/heads/main", "..", "a~1"])
def test_a_tag_s_name_is_never_more_than_a_name(repo: Repo, name: str) -> None:
    adopt(repo.path)
    before = refs(repo)
    act = Act([Entry("archive", "", name="m")], {name: tag_object(repo, "m#prod#2")})
    with pytest.raises(RegistryError):
        append(open_project(repo.path), lambda _: act)
    assert refs(repo) == before


def test_a_hook_that_says_no_leaves_nothing(repo: Repo) -> None:
    adopt(repo.path)
    before = refs(repo)
    hook = repo.git_dir / "hooks" / "reference-transaction"
    hook.write_text('#!/bin/sh\n[ "$1" = prepared ] || exit 0\necho "frozen until Monday" >&2\nexit 1\n')
    hook.chmod(0o755)
    with pytest.raises(GitError, match="frozen until Monday"):
        record(repo, "m#prod#2")
    hook.unlink()
    assert refs(repo) == before


def test_the_state_is_that_of_the_newest_entry(repo: Repo) -> None:
    adopt(repo.path)
    record(repo, "m#prod#2")
    project = open_project(repo.path)
    found = find(project, "m", stage="prod")
    assert found is not None
    assert (found.kind, found.version, found.tag, found.sequence) == ("assign", "v1.1.0", "m#prod#2", 4)
    assert find(project, "m", version="v1.0.0") is not None
    assert find(project, "m", stage="dev") is None
    assert find(project, "other", stage="prod") is None


def test_a_name_with_folders_stays_one_step_of_the_tree(repo: Repo) -> None:
    adopt(repo.path)
    record(repo, "d/e=team/m@v1.0.0", "team/m#eu/prod#1")
    paths = repo.git("ls-tree", "-r", "--name-only", LOCAL).splitlines()
    assert [path[3:] for path in paths if "+" in path] == unordered(
        paths, "d+e=team+m/versions/v1.0.0.json", "team+m/stages/eu+prod.json"
    )
    assert find(open_project(repo.path), "d/e:team/m", version="v1.0.0") is not None
    assert sound(repo, 5)


def unordered(paths: list[str], *ends: str) -> list[str]:
    """These ends in the order in which the paths stand."""
    return [end for path in paths for end in ends if path.endswith(end)]


def test_a_clock_that_is_behind_the_newest_entry_is_refused_by_more_than_a_minute(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = adopt(repo.path)
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"@{done.head.time - 1} +0000")
    with pytest.raises(RegistryError, match="times never decrease"):
        record(repo, "m#prod#2")
    monkeypatch.setenv("GIT_COMMITTER_DATE", f"@{done.head.time} +0000")
    record(repo, "m#prod#2")
    assert sound(repo, 4)


def test_a_branch_that_a_work_tree_shows_is_not_moved_under_it(repo: Repo) -> None:
    adopt(repo.path)
    repo.git("checkout", "--quiet", "ledger")
    with pytest.raises(RegistryError, match="a work tree shows the branch"):
        record(repo, "m#prod#2", target="m@v1.1.0")


def test_the_recorder_s_key_signs_the_commit(lab: Lab, repo: Repo) -> None:
    key = lab.root / "key"
    lab.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    repo.git("config", "gpg.format", "ssh")
    repo.git("config", "user.signingKey", str(key))
    adopt(repo.path, Recorder(sign=True))
    record(repo, "m#prod#2")
    repo.git("config", "commit.gpgSign", "true")
    record(repo, "m#prod#3")
    record(repo, "m#prod#4", sign=False)
    assert [step.signed for step in log(repo.path, LOCAL)] == [True, False, True, False]
    allowed = lab.root / "allowed"
    allowed.write_text(f"dana@example.org {key.with_suffix('.pub').read_text()}")
    repo.git("-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", f"{LOCAL}~1")
    assert sound(repo, 6)
    before = refs(repo)
    key.unlink()
    with pytest.raises(GitError):
        record(repo, "m#prod#5", sign=True)
    assert refs(repo) == before


def test_a_repository_with_sha256_ids_has_a_ledger_too(lab: Lab) -> None:
    path = lab.root / "wide"
    lab.run("git", "init", "--quiet", "--object-format=sha256", str(path))
    repo = Repo(lab, path)._identify()
    repo.commit()
    repo.tag("m@v1.0.0")
    adopt(repo.path)
    record(repo, "m#prod#1")
    assert sound(repo, 2)


# --- over HTTP


def test_tag_and_entry_are_at_the_remote_and_in_the_clone_together(web: Web) -> None:
    clone = web.clone("one")
    done = record(clone, "m#prod#2", push=True)
    assert done.pushed
    assert web.bare.rev(LOCAL) == done.head.commit == clone.rev(TRACKED)
    assert clone.tags() == web.bare.tags()
    assert "refs/heads/ledger" not in refs(clone)
    assert sound(web.bare, 4)
    assert sound(clone, 4)


def test_a_url_is_recorded_to_without_a_clone(web: Web) -> None:
    project = open_project(web.url)
    project.refresh(head=True)

    def propose(ledger: Ledger) -> Act:
        assert ledger.state("m", stage="prod") is not None
        return Act([Entry("revoke", "", name="m", version="v1.0.0", reason="leaks")])

    done = append(project, propose)
    assert web.bare.rev(LOCAL) == done.head.commit
    found = find(open_project(web.url), "m", version="v1.0.0")
    assert found is not None
    assert found.reason == "leaks"
    assert sound(web.bare, 4)


def test_whoever_comes_second_judges_anew_and_goes_on_from_the_first(web: Web) -> None:
    """Another clone records between our reading and our push: our own pre-push hook lets it."""
    first, second = web.clone("first"), web.clone("second")
    made = {ref: tag_object(first, ref) for ref in ("m#prod#2",)}
    act = Act([entry_of(first, ref, oid) for ref, oid in made.items()], made)
    seen: list[int] = []

    def propose(ledger: Ledger) -> Act:
        assert ledger.head
        seen.append(ledger.head.sequence)
        if len(seen) == 1:
            append(open_project(first.path), lambda _: act, Recorder(push=True))
        return events(second, "m#dev#3")(ledger)

    done = append(open_project(second.path), propose, Recorder(push=True))
    assert (seen, done.tries) == ([3, 4], 2)
    assert done.head.sequence == 5
    assert sound(web.bare, 5)
    second.git("fetch", "--quiet", "--tags")
    assert sound(second, 5)


def test_a_tag_that_another_made_stops_the_entry_too(web: Web) -> None:
    """All or none: a rejected tag takes the ledger's commit with it."""
    clone = web.clone("one")
    other = web.bare.tag("m#prod#2", "m@v1.1.0")
    before = refs(clone), refs(web.bare)
    with pytest.raises(RegistryError, match="the remote rejected the push"):
        record(clone, "m#prod#2", "m#dev#3", push=True)
    assert (refs(clone), refs(web.bare)) == before
    assert web.bare.rev("refs/tags/m#prod#2") == other


def test_a_push_that_is_killed_leaves_nothing_here_or_there(web: Web) -> None:
    clone = web.clone("one")
    before = refs(clone), refs(web.bare)
    hook = clone.git_dir / "hooks" / "pre-push"
    hook.write_text("#!/bin/sh\nkill -9 $PPID\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(GitError):
        record(clone, "m#prod#2", push=True)
    assert (refs(clone), refs(web.bare)) == before
    hook.unlink()
    assert record(clone, "m#prod#2", push=True).tries == 1


def test_what_the_remote_took_and_the_clone_did_not_is_caught_up_with_by_a_fetch(web: Web) -> None:
    """The remote took it: there tag and entry stand together, and the clone goes on from there."""
    clone = web.clone("one")
    hook = clone.git_dir / "hooks" / "reference-transaction"
    hook.write_text(
        f'#!/bin/sh\n[ "$1" = prepared ] && grep -q "refs/tags/m#prod#2" && [ -e "{clone.git_dir}/pushed" ] && exit 1\nexit 0\n'
    )
    hook.chmod(0o755)
    server = web.bare.path / "hooks" / "post-receive"
    server.write_text(f'#!/bin/sh\ntouch "{clone.git_dir}/pushed"\n')
    server.chmod(0o755)
    with pytest.raises(GitError, match="the remote took m#prod#2, but this clone did not"):
        record(clone, "m#prod#2", push=True)
    assert "m#prod#2" in web.bare.tags()
    assert sound(web.bare, 4)
    hook.unlink()
    clone.git("fetch", "--quiet", "--tags")
    assert record(clone, "m#prod#3", push=True).tries == 1
    assert sound(web.bare, 5)


def test_entries_that_were_never_published_are_not_mixed_with_the_remote_s(web: Web) -> None:
    clone = web.clone("one")
    record(clone, "m#prod#2")
    with pytest.raises(RegistryError, match="holds entries that the origin's does not"):
        record(clone, "m#prod#3", push=True)
    clone.git("push", "--quiet", "--atomic", "origin", "ledger", "refs/tags/m#prod#2")
    record(clone, "m#prod#3", push=True)
    assert clone.rev(LOCAL) == clone.rev(TRACKED) == web.bare.rev(LOCAL)


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from lab import Lab, Repo
from ledgers import numbered
from registry.api.appending import Recorder, append
from registry.api.project import open_project
from pathlib import Path
lab = object.__new__(Lab)
import os, subprocess
class Here(Repo):
    def git(self, *args, input=b"", **_):
        done = subprocess.run(["git", *args], cwd=self.path, input=input, capture_output=True, check=True)
        return done.stdout.decode().strip()
repo = Here(lab, Path({path!r}))
sys.stdin.readline()
for _ in range(2):
    append(open_project(repo.path), numbered(repo, {stage!r}, 1), Recorder(push=True))
"""


def test_writers_that_race_are_put_into_one_line(web: Web) -> None:
    tests = str(Path(__file__).parent)
    clones = [web.clone(f"writer-{n}") for n in range(WRITERS)]
    env = {
        k: v for k, v in web.lab.environ().items() if k not in {"GIT_COMMITTER_DATE", "GIT_AUTHOR_DATE", "LAB_CLOCK"}
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER.format(tests=tests, path=str(clone.path), stage=f"s{n}")],
            env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for n, clone in enumerate(clones)
    ]  # fmt: skip
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0] * WRITERS, said
    assert sound(web.bare, 3 + 2 * WRITERS)
    assert {entry.entry.stage for entry in ledger_log(web.bare.path)} == {
        None,
        "prod",
        *(f"s{n}" for n in range(WRITERS)),
    }


def test_all_but_one_of_those_who_give_up_at_once_leave_nothing(web: Web) -> None:
    first, second = web.clone("first"), web.clone("second")

    def propose(ledger: Ledger) -> Act:
        record(first, f"m#dev#{ledger.head.sequence + 10}", push=True)
        return events(second, "m#prod#2")(ledger)

    before = refs(second)
    with pytest.raises(RegistryError, match="changed 2 times"):
        append(open_project(second.path), propose, Recorder(push=True, tries=2))
    tracked = [line for line in refs(second).splitlines() if "/ledger" not in line]
    assert tracked == [line for line in before.splitlines() if "/ledger" not in line]
    assert "m#prod#2" not in web.bare.tags()


# --- what it costs


def thousands(repo: Repo, count: int) -> None:
    """A sound ledger of many commits, written as one pack."""
    from registry.git import ledger as branch
    from registry.ledger import digest, format_entry
    from registry.ledgerchain import Head, chained, message_of
    from registry.ledgertree import Tree, object_id

    commit, tree = repo.rev("HEAD"), Tree("sha1")
    head: Head | None = None
    objects: dict[str, tuple[str, bytes]] = {}
    for n in range(1, count + 1):
        name, stage = f"model-{n % 50}", ("dev", "qa", "prod")[n % 3]
        draft = Entry("assign", "Dana <dana@example.org>", name=name, version="v1.0.0", stage=stage,
                      tag=f"{name}#{stage}#{n}", tag_oid=f"{n:040x}", commit=commit)  # fmt: skip
        entry = chained([draft], head, 1_700_000_000 + n)[0]
        tree.take(entry)
        root, new = tree.write()
        objects.update(new)
        who = f"Dana <dana@example.org> {entry.time} +0000"
        parent = f"parent {head.commit}\n" if head else ""
        body = f"tree {root}\n{parent}author {who}\ncommitter {who}\n\n{message_of([entry])}".encode()
        oid = object_id("commit", body, "sha1")
        objects[oid] = ("commit", body)
        head = Head(oid, n, entry.time, digest(format_entry(entry)))
    branch.write(repo.path, objects, "sha1")
    assert head
    repo.git("update-ref", LOCAL, head.commit)


def test_a_lookup_costs_one_process_and_the_log_two_however_long_it_is(
    repo: Repo, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    thousands(repo, 300)
    project = open_project(repo.path)
    assert git_processes(monkeypatch, lab.root / "find", lambda: find(project, "model-7", stage="qa")) == 1
    assert git_processes(monkeypatch, lab.root / "log", lambda: list(log(repo.path, LOCAL))) == 2
    found = find(project, "model-7", stage="qa")
    assert found is not None
    assert found.sequence == 157


def test_an_append_costs_few_processes(repo: Repo, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    thousands(repo, 300)
    propose = events(repo, "m#prod#2")
    assert git_processes(monkeypatch, lab.root / "append", lambda: append(open_project(repo.path), propose)) <= 8


@pytest.mark.slow
def test_ten_thousand_entries_are_read_in_a_second_and_verified(repo: Repo) -> None:
    thousands(repo, 10_000)
    started = time.perf_counter()
    assert sum(1 for _ in log(repo.path, LOCAL)) == 10_000
    assert time.perf_counter() - started < 1.0
    from registry.ledgerchain import check_chain

    assert not [step for step in check_chain(log(repo.path, LOCAL)) if step.findings]
