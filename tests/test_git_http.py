"""The demo's git server speaks smart HTTP as git's own clients expect it, and leaves nothing behind."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from git_http import GitServer, serve
from lab import ROOT, Lab, Repo

Http = Callable[..., GitServer]
MEBIBYTE = 1 << 20


@pytest.fixture
def project(lab: Lab) -> Repo:
    """The bare repository `served/project.git`, with two commits and a tag."""
    repo = lab.repo("project")
    repo.commit({"model.bin": b"one" * 100})
    repo.commit({"model.bin": b"two" * 100})
    repo.tag("m@v1.0.0")
    (lab.root / "served").mkdir()
    return repo.bare_clone("served/project.git")


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")


def children() -> set[int]:
    """This process' children, zombies included."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(state[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return found


def connect(server: GitServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc, timeout=20)


def raw_socket(server: GitServer) -> socket.socket:
    parts = urllib.parse.urlsplit(server.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0))


def ask(server: GitServer, body: bytes, *, chunked: bool = False, encoding: str = "") -> tuple[int, bytes]:
    """POST a protocol v2 request to `project.git`, in chunks of seven bytes where asked."""
    headers = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"}
    headers |= {"Content-Encoding": encoding} if encoding else {}
    pieces = (body[at : at + 7] for at in range(0, len(body), 7)) if chunked else body
    connection = connect(server)
    connection.request("POST", "/project.git/git-upload-pack", pieces, headers, encode_chunked=chunked)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_a_clone_holds_every_branch_and_tag(lab: Lab, project: Repo, http: Http) -> None:
    server = http(project.path.parent)
    clone = lab.clone(f"{server.url}/project.git", "clone")
    assert clone.rev("HEAD") == project.rev("HEAD")
    assert clone.tags() == project.tags()
    assert (clone.path / "model.bin").read_bytes() == b"two" * 100


def test_protocol_version_2_reaches_git(lab: Lab, project: Repo, http: Http) -> None:
    trace = project.run(
        "git", "ls-remote", http(project.path.parent).url + "/project.git", env={"GIT_TRACE_PACKET": "1"}
    )
    assert "version 2" in trace.stderr


def test_a_fetch_with_a_filter_brings_no_blobs(lab: Lab, project: Repo, http: Http) -> None:
    server = http(project.path.parent)
    clone = lab.clone(f"{server.url}/project.git", "partial", "--bare", "--filter=blob:none")
    missing = clone.git("rev-list", "--objects", "--all", "--missing=print").splitlines()
    assert len([line for line in missing if line.startswith("?")]) == 2


def test_without_filters_a_partial_clone_becomes_a_whole_one(lab: Lab, project: Repo, http: Http) -> None:
    server = http(project.path.parent, filters=False)
    clone = lab.clone(f"{server.url}/project.git", "whole", "--bare", "--filter=blob:none")
    assert "?" not in clone.git("rev-list", "--objects", "--all", "--missing=print")


@pytest.mark.parametrize("allowed", [True, False])
def test_an_object_that_no_ref_names_is_served_only_where_allowed(
    lab: Lab, project: Repo, http: Http, allowed: bool
) -> None:
    blob = project.rev("HEAD:model.bin")
    url = http(project.path.parent, any_object=allowed).url + "/project.git"
    other = lab.repo("other")
    ran = other.run("git", "-c", "protocol.version=0", "fetch", url, blob, check=False)
    assert (ran.code == 0) == allowed, ran.stderr


def test_a_push_is_accepted_and_recorded(lab: Lab, project: Repo, http: Http) -> None:
    server = http(project.path.parent)
    clone = lab.clone(f"{server.url}/project.git", "clone")
    made = clone.commit({"more": "text"})
    clone.git("push", "--quiet", "origin", "main")
    assert project.rev("main") == made
    record = next(r for r in server.requests if r.method == "POST" and r.path.endswith("/git-receive-pack"))
    assert record.received > 0
    assert record.sent > 0


def test_a_push_is_refused_where_pushes_are_off(lab: Lab, project: Repo, http: Http) -> None:
    clone = lab.clone(http(project.path.parent, pushes=False).url + "/project.git", "clone")
    before = project.rev("main")
    clone.commit()
    assert clone.run("git", "push", "origin", "main", check=False).code != 0
    assert project.rev("main") == before


def test_of_two_racing_pushes_exactly_one_wins(lab: Lab, project: Repo, http: Http) -> None:
    url = http(project.path.parent).url + "/project.git"
    clones = [lab.clone(url, f"clone-{n}") for n in range(2)]
    made = [clone.commit({"who": str(n)}) for n, clone in enumerate(clones)]
    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(lambda clone: clone.run("git", "push", "origin", "main", check=False), clones))
    assert sorted(r.code for r in ran) == [0, 1]
    assert project.rev("main") == made[[r.code for r in ran].index(0)]


def test_many_requests_run_at_once(lab: Lab, project: Repo, http: Http) -> None:
    url = http(project.path.parent).url + "/project.git"
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: project.git("ls-remote", url), range(32)))
    assert len(set(answers)) == 1
    assert "refs/tags/m@v1.0.0" in answers[0]


@needs_proc
def test_a_large_blob_streams_both_ways_in_little_memory(lab: Lab, project: Repo) -> None:
    size = 48 * MEBIBYTE
    argv = [sys.executable, str(ROOT / "examples/demo/git_http.py"), str(project.path.parent)]
    with subprocess.Popen(argv, env=lab.environ(), stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout
            url = program.stdout.readline().strip() + "/project.git"
            clone = lab.clone(url, "pusher")
            clone.git("config", "core.compression", "0")
            clone.commit({"large.bin": os.urandom(MEBIBYTE) * (size // MEBIBYTE)})
            clone.git("push", "--quiet", "origin", "main")
            fetched = lab.clone(url, "fetcher")
            assert (fetched.path / "large.bin").stat().st_size == size
            peak = next(
                x for x in Path(f"/proc/{program.pid}/status").read_text().splitlines() if x.startswith("VmHWM")
            )
            assert int(peak.split()[1]) * 1024 < size
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(10) == 0


def test_chunked_and_gzipped_bodies_reach_the_backend(project: Repo, http: Http) -> None:
    server = http(project.path.parent)
    body = b"0014command=ls-refs\n0001" + b"0009peel\n" + b"0000"
    plain = ask(server, body)
    assert plain[0] == 200
    assert b"refs/tags/m@v1.0.0 peeled:" in plain[1]
    assert ask(server, body, chunked=True) == plain
    assert ask(server, gzip.compress(body), encoding="gzip") == plain
    assert ask(server, gzip.compress(body), encoding="gzip", chunked=True) == plain


def test_one_connection_carries_several_requests_even_after_a_refused_body(project: Repo, http: Http) -> None:
    server = http(project.path.parent)
    connection = connect(server)
    connection.request("POST", "/absent.git/git-upload-pack", b"x" * MEBIBYTE)
    answer = connection.getresponse()
    assert answer.status in {403, 404}
    answer.read()
    connection.request("GET", "/project.git/info/refs?service=git-upload-pack")
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.read().startswith(b"001e# service=git-upload-pack\n")
    connection.close()
    assert [r.received for r in server.requests] == [MEBIBYTE, 0]


@pytest.mark.parametrize("path", ["/../outside.git", "/%2e%2e/outside.git", "/project.git/../../outside.git"])
def test_nothing_outside_the_root_is_served(lab: Lab, project: Repo, http: Http, path: str) -> None:
    project.lab.clone(project, "outside.git", "--bare")
    connection = connect(http(project.path.parent))
    connection.request("GET", f"{path}/info/refs?service=git-upload-pack")
    assert connection.getresponse().status in {403, 404, 500}
    connection.close()


@needs_proc
def test_a_cut_off_push_changes_nothing(lab: Lab, project: Repo, http: Http) -> None:
    server = http(project.path.parent)
    before, others = (project.tags(), project.rev("main")), children()
    line = f"{'0' * 40} {project.rev('main')} refs/tags/half\0 report-status\n".encode()
    body = b"%04x%b0000" % (len(line) + 4, line)
    head = f"POST /project.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 100}\r\n"
    head += "Content-Type: application/x-git-receive-pack-request\r\n\r\n"
    with raw_socket(server) as raw:
        raw.sendall(head.encode() + body[:20])
    deadline = time.monotonic() + 60
    while not (server.requests and server.requests[0].ended) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = children() - others  # none from before its backend was started: the request has ended
    assert (server.requests[0].ended, server.requests[0].received, left) == (True, 20, set())
    assert (project.tags(), project.rev("main")) == before


@needs_proc
def test_the_server_ends_while_requests_hang_and_leaves_no_child_or_thread(project: Repo, http: Http) -> None:
    threads, others = threading.active_count(), children()
    with serve(project.path.parent) as server:
        hanging = []
        for _ in range(3):
            raw = raw_socket(server)
            raw.sendall(b"POST /project.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n")
            raw.sendall(b"Content-Type: application/x-git-upload-pack-request\r\n\r\n0014")
            hanging.append(raw)
        deadline = time.monotonic() + 60
        while len(children() - others) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(children() - others) == 3
        idle = connect(server)
        idle.connect()
        began = time.monotonic()
    assert time.monotonic() - began < 3
    assert not children() - others
    assert threading.active_count() == threads
    for raw in hanging:
        raw.close()
    idle.close()
    with pytest.raises(OSError, match="refused"):
        connect(server).connect()
