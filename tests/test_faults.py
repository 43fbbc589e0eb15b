"""Networks fail and servers lie: the model that is loaded is the right one, or there is one clear error in time."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import proxy as faults
import pytest
from lab import Lab, Repo
from lfs_http import LfsServer, pointer, serve_lfs
from linked import LARGE, add, make_registry, make_source, saved, saved_large, served, slope
from proxy import Fault, Proxy, proxied

import registry
from registry.cache import transfer
from registry.errors import GitError, Refused, RegistryError, Unreachable
from registry.git.remote import TRIES

TIMEOUT = 1.0
STORES = ("git", "lfs", "url")
OBJECT = "some-object"
BYTES = {"git": "git-upload-pack", "lfs": "/lfs/", "url": f"/lfs/{OBJECT}"}
"""What requests that bring a store's bytes have in their paths."""
ELSEWHERE = "https://127.0.0.1:1"

PASSING: dict[str, Fault] = {
    "late": faults.latency(0.3),
    "cut": faults.cut(),
    "cut in a chunk": faults.cut(framing="chunked"),
    "cut between chunks": faults.cut(framing="between chunks"),
    "reset": faults.reset,
    "gone": faults.gone,
    "longer": faults.longer,
    "503": faults.status(503),
}
"""What is over after once or twice."""
LASTING: dict[str, Fault] = {
    **PASSING,
    "late": faults.latency(3 * TIMEOUT),
    "cut without a length": faults.cut(framing="none"),
    "corrupt": faults.corrupt,
    "endless": faults.endless,
    "stalled": faults.stalled,
    "silent": faults.silent,
    "drip": faults.drip,
    "headers that drip": faults.drip_headers,
    "shorter": faults.shorter,
    "malformed": faults.malformed,
    "redirect": faults.redirect(ELSEWHERE),
    "403": faults.status(403),
    "404": faults.status(404),
}
YIELDING = {"cut", "cut in a chunk", "cut between chunks", "reset", "longer", "stalled"}
"""What brings some bytes each time, so that a download over HTTP, which goes on where it broke off, may come to its end."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE_S", 0.01)


class Place(NamedTuple):
    """A registry and three sources on one server, with the proxy before it; the artifacts are called as the stores."""

    lab: Lab
    server: LfsServer
    proxy: Proxy
    reg: Repo
    sources: dict[str, Repo]
    root: Path

    @property
    def url(self) -> str:
        return f"{self.proxy.url}/reg.git"

    def load(self, name: str) -> Any:
        return registry.load(name, "prod", project=self.url)

    def publish(self, *repos: Repo) -> None:
        for repo in repos or (self.reg,):
            repo.git("push", "--quiet", "--force", str(self.root / f"{repo.path.name}.git"), "+refs/*:refs/*")

    def forget(self) -> None:
        self.proxy.clear()
        shutil.rmtree(self.lab.cache, ignore_errors=True)

    def holds_nothing_wrong(self) -> None:
        """Whatever went before, an honest network gives the right models, and no file lies under a wrong name."""
        self.proxy.clear()
        for name in self.sources:
            assert slope(self.load(name)) == 1.0
        for path in (self.lab.cache / "sha256").glob("*/*"):
            if len(path.name) == 64:
                assert transfer.verified(path, path.name) is not None


def made(lab: Lab, server: LfsServer, proxy: Proxy, stores: tuple[str, ...], files: dict[str, bytes]) -> Place:
    server.downloads = proxy.url
    server.hold(files["lr"])
    server.objects[OBJECT] = files["lr"]
    metafile = files["lr.mlem"].replace(
        b"    uri: lr\n", f"    uri: {proxy.url}/lfs/{OBJECT}\n    type: fsspec\n".encode()
    )
    attributes = b"lr filter=lfs diff=lfs merge=lfs -text\n"
    contents = {
        "git": files,
        "lfs": {**files, "lr": pointer(files["lr"]), ".gitattributes": attributes},
        "url": {"lr.mlem": metafile},
    }
    sources = {name: make_source(lab, name, contents[name]) for name in stores}
    reg = make_registry(lab)
    root = served(lab, reg, *sources.values())
    for name in stores:
        add(reg, f"{proxy.url}/{name}.git", name=name, stage="prod")
    place = Place(lab, server, proxy, reg, sources, root)
    place.publish()
    place.forget()
    return place


@pytest.fixture
def place(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Place]]:
    """Makes the place; the network is waited for a second at a time. Nothing is left running."""
    before = threading.active_count()
    monkeypatch.setenv("REGISTRY_TIMEOUT", str(TIMEOUT))
    (lab.root / "served").mkdir()
    with serve_lfs(lab.root / "served") as server, proxied(server.url) as proxy:

        def make(*stores: str, files: dict[str, bytes] | None = None) -> Place:
            return made(lab, server, proxy, stores or STORES, files or saved())

        yield make
        assert eventually(lambda: not proxy.busy()), "a client is still there"
    assert eventually(lambda: threading.active_count() == before), threading.enumerate()


def eventually(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def told(action: Callable[[], Any], label: str, seconds: float) -> RegistryError:
    """The one error of an action, which comes in time and says what to do."""
    begun = time.monotonic()
    with pytest.raises(RegistryError) as caught:
        action()
    took = time.monotonic() - begun
    assert took < seconds, f"{label}: took {took:.1f} s"
    error = caught.value
    assert error.what, label
    assert error.where, f"{label}: {error}"
    assert error.fix, f"{label}: {error}"
    return error


def passing(here: Place, store: str, labels: Iterable[str]) -> None:
    for label in labels:
        here.forget()
        here.proxy.only = BYTES[store]
        here.proxy.faults = [PASSING[label]] * (1 if label in {"late", "longer"} else 2)
        assert slope(here.load(store)) == 1.0, label
        assert not here.proxy.faults, f"{label}: not met"
    here.holds_nothing_wrong()


def lasting(here: Place, store: str, labels: Iterable[str]) -> None:
    for label in labels:
        here.forget()
        here.proxy.only, here.proxy.always = BYTES[store], LASTING[label]
        action = partial(here.load, store)
        if store != "git" and label in YIELDING:
            with suppress(RegistryError):
                assert slope(action()) == 1.0, label
        else:
            told(action, f"{store}, {label}", 8 * TIMEOUT)
    here.holds_nothing_wrong()


@pytest.mark.parametrize(
    ("store", "labels"),
    [("git", ("reset", "503")), ("lfs", ("cut in a chunk", "503")), ("url", ("late", "cut between chunks", "reset"))],
)
def test_what_passes_is_tried_again_and_the_right_model_is_loaded(place: Any, store: str, labels: tuple[str]) -> None:
    passing(place(store), store, labels)


@pytest.mark.thorough
@pytest.mark.parametrize("store", STORES)
def test_everything_that_passes_is_tried_again(place: Any, store: str) -> None:
    passing(place(store), store, PASSING)


@pytest.mark.parametrize(
    ("store", "labels"),
    [("git", ("corrupt", "drip")), ("lfs", ("endless", "404")), ("url", ("corrupt", "shorter", "drip", "redirect"))],
)
def test_what_does_not_pass_is_one_clear_error_in_time(place: Any, store: str, labels: tuple[str]) -> None:
    lasting(place(store), store, labels)


@pytest.mark.thorough
@pytest.mark.parametrize("store", STORES)
def test_nothing_that_does_not_pass_is_loaded_or_waited_for(place: Any, store: str) -> None:
    lasting(place(store), store, LASTING)


@pytest.mark.parametrize("label", ["silent", "malformed", "503", "403"])
def test_a_question_is_answered_or_refused_in_time(place: Any, label: str) -> None:
    here = place("git")
    here.proxy.always = LASTING[label]
    error = told(lambda: registry.which("git", "prod", here.url), label, 8 * TIMEOUT)
    assert isinstance(error, GitError)
    assert isinstance(error, Unreachable) == (label in {"silent", "503"})
    assert len(here.proxy.seen) <= TRIES
    if label in {"403", "malformed"}:
        assert len(here.proxy.seen) == 1, "what will not pass is asked once"
    here.proxy.clear()
    here.proxy.faults = [faults.gone, faults.status(502)]
    found = registry.which("git", "prod", here.url)
    assert found is not None
    assert found.version.label == "v1.0.0"


def test_a_warm_cache_is_no_way_around_the_question(place: Any) -> None:
    """What was loaded before is not loaded again while the registry gives no answer, unless told to be offline."""
    here = place("git")
    assert slope(here.load("git")) == 1.0
    for label in ("corrupt", "503"):
        here.proxy.always = LASTING[label]
        told(partial(here.load, "git"), label, 8 * TIMEOUT)
    here.proxy.clear()
    assert slope(here.load("git")) == 1.0


def test_a_server_that_is_not_there(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place("url")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = told(lambda: registry.which("m", "prod", f"http://127.0.0.1:{port}/x.git"), "refused", 2 * TIMEOUT)
    assert isinstance(error, Unreachable)
    monkeypatch.setenv("REGISTRY_TIMEOUT", "0.5")
    with full() as port:  # no connection ever stands: libcurl alone would wait for five minutes
        error = told(lambda: registry.which("m", "prod", f"http://127.0.0.1:{port}/x.git"), "no connection", 4)
    assert isinstance(error, Unreachable)
    assert "did not end within 2 s" in error.what
    here.proxy.close()
    told(partial(here.load, "url"), "gone for good", 3 * TIMEOUT)


@contextmanager
def full() -> Iterator[int]:
    """A port whose queue is full: the system answers no further connection."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as stack:
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(listening.getsockname())
        yield listening.getsockname()[1]


def test_an_ssh_that_hangs_is_ended_with_git(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the bound of a question ends it; its process does not stay behind."""
    program = lab.root / "ssh"
    program.write_text(f"#!/bin/sh\necho $$ >> {lab.root}/pids\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    monkeypatch.setenv("REGISTRY_TIMEOUT", "0.25")
    error = told(lambda: registry.which("m", "prod", "git@host.example:x.git"), "ssh", 8)
    assert "did not end within 1 s" in error.what
    pids = (lab.root / "pids").read_text().split()
    assert len(pids) == 1
    assert eventually(lambda: not alive(int(pids[0])))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_link_is_made_of_the_right_bytes_or_not_at_all(place: Any) -> None:
    here = place("git", "lfs", "url")
    project = make_registry(here.lab, "second")
    for store in STORES:

        def link(store: str = store) -> Any:
            return registry.link(
                "lr", "m", source_project=f"{here.proxy.url}/{store}.git", rev="v1", project=project.path
            )

        for label in ("corrupt", "redirect", "404"):
            here.forget()
            here.proxy.only, here.proxy.always = BYTES[store], LASTING[label]
            if label == "corrupt" and store == "url":
                continue  # a link to it is what pins the bytes
            told(link, f"{store}, {label}", 8 * TIMEOUT)
            assert not (project.path / ".mlem/links/m.mlem").exists()
        here.forget()
        here.proxy.only, here.proxy.faults = BYTES[store], [faults.cut(), faults.status(503)]
        pinned = link().link.artifacts["data"].sha256
        assert pinned == hashlib.sha256(saved()["lr"]).hexdigest()
        (project.path / ".mlem/links/m.mlem").unlink()


def test_a_watched_model_stays_through_all_of_it(place: Any) -> None:
    here = place("url")
    with registry.watch("url", "prod", here.url, every=3600) as handle:
        first = handle.model
        for label in ("503", "drip"):
            here.proxy.always = LASTING[label]
            begun = time.monotonic()
            assert handle.check() is False, label
            assert time.monotonic() - begun < 8 * TIMEOUT
            assert handle.model is first
            assert isinstance(handle.error, GitError), label
        here.proxy.clear()
        assert handle.check() is False
        assert handle.error is None
        assert handle.metrics.failures == 2


def test_a_server_that_gives_another_object_under_the_asked_id_is_found_out_by_git(place: Any) -> None:
    """Git computes each object's id from its content: what came is another object, and what was asked for is missing."""
    here = place("git")
    source = here.sources["git"]
    source.write({"other": saved(2.0)["lr"]})
    other = source.git("hash-object", "-w", "other")
    packed = source.run("git", "pack-objects", "--stdout", "-q", input=other + "\n")
    pack = packed.stdout.encode("utf-8", "surrogateescape")

    given = []

    def swapped(reply: faults.Reply) -> None:
        if b"packfile\n" in reply.body:
            given.append(reply.path)
            band = b"\x01" + pack
            reply.body = b"000dpackfile\n" + b"%04x" % (len(band) + 4) + band + b"0000"
        faults.honest(reply)

    here.proxy.only, here.proxy.always = "/git.git/git-upload-pack", swapped
    error = told(partial(here.load, "git"), "swapped", 8 * TIMEOUT)
    assert isinstance(error, GitError), error
    assert given
    assert other not in str(error.stderr)
    here.holds_nothing_wrong()


def test_a_server_that_rewrites_the_registry(place: Any) -> None:
    """A version that moved is refused; an older state of the tags cannot be told from a true one, and is one that was."""
    here = place("git")
    assert slope(here.load("git")) == 1.0
    source = here.sources["git"]
    source.commit(saved(2.0))
    source.tag("v2")
    here.publish(source)
    old = here.reg.tags()
    add(here.reg, f"{here.proxy.url}/git.git", rev="v2", version="v2.0.0", stage="prod", name="git")
    here.publish()
    assert slope(here.load("git")) == 2.0
    served_at = Repo(here.lab, here.root / "reg.git")
    moved = here.reg.rev("git@v2.0.0^{commit}")
    served_at.git("tag", "--force", "--annotate", "--message", "again", "git@v1.0.0", moved)
    with pytest.raises(Refused) as caught:
        registry.load("git", version="v1.0.0", project=here.url)
    assert caught.value.reason == "moved"
    for tag in here.reg.tags().keys() - old.keys():
        served_at.git("tag", "--delete", tag)
    served_at.git("update-ref", "refs/tags/git@v1.0.0", old["git@v1.0.0"])
    assert slope(here.load("git")) == 1.0


def test_a_pinned_commit_that_vanished_is_refused_and_not_taken_for_a_bad_network(place: Any) -> None:
    here = place("git")
    there = here.root / "git.git"
    shutil.rmtree(there)
    other = make_source(here.lab, "other", saved(2.0))
    other.bare_clone("served/git.git")
    error = told(partial(here.load, "git"), "vanished", 8 * TIMEOUT)
    assert isinstance(error, Refused)
    assert error.reason in {"tag-moved", "commit-reachable"}
    here.proxy.only, here.proxy.always = "/git.git", faults.status(503)
    assert isinstance(told(partial(here.load, "git"), "unreachable", 8 * TIMEOUT), Unreachable)


def test_a_setting_that_is_no_number_is_an_error(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place("git")
    for text in ("soon", "0", "-1", "nan", "inf"):
        monkeypatch.setenv("REGISTRY_TIMEOUT", text)
        assert "REGISTRY_TIMEOUT" in told(partial(here.load, "git"), text, 1).what


@pytest.mark.thorough
def test_a_process_that_is_killed_at_any_moment_leaves_a_cache_that_works(place: Any) -> None:
    here = place("git", "url", files=saved_large())
    chance = random.Random(7)
    line = "import sys, registry; [registry.load(n, 'prod', project=sys.argv[1]) for n in ('git', 'url')]"
    for _ in range(20):
        here.proxy.always = faults.latency(0.05)
        env = here.lab.environ() | {"REGISTRY_TIMEOUT": "10"}
        with subprocess.Popen([sys.executable, "-c", line, here.url], env=env) as process:
            time.sleep(chance.uniform(0.1, 2.5))
            process.send_signal(signal.SIGKILL)
        if chance.random() < 0.3:
            shutil.rmtree(here.lab.cache / "sha256", ignore_errors=True)
    here.proxy.clear()
    for name in here.sources:
        assert here.load(name).n_features_in_ == LARGE
