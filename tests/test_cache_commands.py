"""The cache among processes and over time, and bundles that carry models to where no network is."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from governed import governed
from inprocess import registry_here
from lab import Lab, Repo
from linked import add, make_registry, make_source, saved_large, served, slope
from test_cache import DATA, DIGEST, keep

import registry
from registry import cache
from registry.cache.files import AlteredFile, kept, using
from registry.cache.transfer import Stream, Transient, Wanted, transfer
from registry.cache.upkeep import info, parse_size, prune

Http = Callable[..., Any]


def run(*args: str, expect: int = 0) -> Any:
    """What a command that ended with this code said."""
    done = registry_here(Path.cwd(), *args)
    assert done.code == expect, done.stderr
    return done


def age(path: Path, days: float = 7) -> None:
    """Make everything below look as if it was last used so long ago."""
    for folder, _, names in os.walk(path, topdown=False):
        for each in [*names, "."]:
            os.utime(Path(folder, each), (time.time() - days * 86400,) * 2, follow_symlinks=False)


@pytest.fixture
def source(lab: Lab) -> Repo:
    return make_source(lab, files={"large.mlem": saved_large()["lr.mlem"], "lr": saved_large()["lr"]})


@pytest.mark.parametrize("processes", [8, pytest.param(32, marks=pytest.mark.thorough)])
def test_processes_on_an_empty_cache_cause_one_download(lab: Lab, http: Http, processes: int) -> None:
    source = make_source(lab, files=saved_large())
    reg = make_registry(lab)
    server = http(served(lab, source))
    add(reg, f"{server.url}/source.git", stage="prod")
    served(lab, reg)
    shutil.rmtree(lab.cache)
    server.requests.clear()
    line = ["fetch", "m", "--stage", "prod", "-r", f"{server.url}/reg.git", "-o"]
    with ThreadPoolExecutor(processes) as pool:  # each waits for a process
        list(pool.map(lambda number: lab.registry(*line, str(lab.root / f"out{number}")), range(processes)))
    assert {(lab.root / f"out{number}" / "lr").read_bytes() for number in range(processes)} == {saved_large()["lr"]}
    sent = sum(each.sent for each in server.requests if "source.git" in each.path)
    assert 0.8 * len(saved_large()["lr"]) < sent < 1.5 * len(saved_large()["lr"])


STEPS = {
    "opened": "transfer._copied = die",
    "half": "Chunk.read = half",
    "written": "os.fsync = die",
    "hardened": "os.fchmod = die",
    "renaming": "Path.replace = die",
    "renamed": "transfer.write_stamp = die",
}
CHILD = """
import io, os, signal, sys, time
from contextlib import contextmanager
from pathlib import Path
from registry.cache import transfer
data, digest = Path(sys.argv[1]).read_bytes(), sys.argv[2]
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
class Chunk(io.BytesIO): pass
def half(self, size):
    return io.BytesIO.read(self, 100) if self.tell() < 200 else (time.sleep(0.2), die())
{step}
@contextmanager
def opened(offset):
    yield transfer.Stream(Chunk(data[offset:]), offset)
transfer.transfer([transfer.Wanted(digest, opened, "data", "here", len(data))])
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_process_leaves_a_usable_cache(lab: Lab, step: str) -> None:
    (lab.root / "data").write_bytes(DATA)
    line = [sys.executable, "-c", CHILD.format(step=STEPS[step]), str(lab.root / "data"), DIGEST]
    done = subprocess.run(line, env=lab.environ(), capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    path = kept(DIGEST)
    assert path is None or path.read_bytes() == DATA
    asked: list[int] = []

    @contextmanager
    def opened(offset: int) -> Iterator[Stream]:
        asked.append(offset)
        yield Stream(io.BytesIO(DATA[offset:]), offset)

    assert transfer([Wanted(DIGEST, opened, "data", "here", len(DATA))])[DIGEST].read_bytes() == DATA
    assert asked == {"opened": [0], "half": [200]}.get(step, [])
    assert prune(0) == []


def test_a_cut_transfer_goes_on_where_it_broke_off(lab: Lab) -> None:
    asked: list[int] = []

    @contextmanager
    def opened(offset: int) -> Iterator[Stream]:
        asked.append(offset)
        yield Stream(Cut(DATA[offset : offset + 100]), offset)

    class Cut(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if found := super().read(size):
                return found
            raise Transient("cut off", "here", "try again")

    path = transfer([Wanted(DIGEST, opened, "data", "here", len(DATA))])
    assert path[DIGEST].read_bytes() == DATA
    assert asked == [0, 100, 200, 300, 400]


def test_foreign_bytes_in_an_unfinished_download_are_not_gone_on_with(lab: Lab) -> None:
    path = cache.path_of(DIGEST)
    path.parent.mkdir(parents=True)
    path.with_name(f"{DIGEST}.part").write_bytes(b"another file's beginning")
    assert keep(DATA, size=len(DATA)).read_bytes() == DATA


def test_a_source_that_never_ends_is_stopped(lab: Lab) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            return b"x" * size

    source = Endless()

    @contextmanager
    def opened(offset: int) -> Iterator[Stream]:
        yield Stream(source, 0)

    with pytest.raises(registry.Refused, match="more than the 500 bytes"):
        transfer([Wanted(DIGEST, opened, "data", "here", len(DATA))])
    assert source.given <= 2 << 20


def test_what_was_used_longest_ago_goes_first_and_what_is_in_use_stays(lab: Lab) -> None:
    datas = [bytes([number]) * 1000 for number in range(4)]
    paths = [keep(data, hashlib.sha256(data).hexdigest()) for data in datas]
    time.sleep(0.03)
    for days, path in zip((5, 9, 8, 0), paths, strict=True):
        assert kept(path.name) == path
        if days:
            age_file(path, days)
    with using():
        assert kept(paths[1].name) == paths[1]
        age_file(paths[1], 9)
        taken = prune(0)
    assert [item.path for item in taken] == [paths[2], paths[0]]
    assert [path.exists() for path in paths] == [False, True, False, True]
    assert [item.path for item in prune(0)] == [paths[1]]
    assert kept(paths[3].name) == paths[3]


def age_file(path: Path, days: float) -> None:
    mark = path.with_name(f"{path.name}.stamp")
    os.utime(mark if mark.exists() else path, (time.time() - days * 86400,) * 2)


def test_a_limit_holds_after_every_download(lab: Lab, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    source, reg = make_source(lab), make_registry(lab)
    server = http(served(lab, source))
    add(reg, f"{server.url}/source.git", stage="prod")
    old = keep(b"x" * 300_000, hashlib.sha256(b"x" * 300_000).hexdigest())
    age(cache.root() / "sha256")
    monkeypatch.setenv("REGISTRY_CACHE_LIMIT", "200 kB")
    assert slope(registry.load("m", stage="prod", project=reg.path)) == 1.0
    assert not old.exists()
    monkeypatch.setenv("REGISTRY_CACHE_LIMIT", "many")
    shutil.rmtree(lab.cache)
    with pytest.raises(registry.RegistryError, match="not a size"):
        registry.load("m", stage="prod", project=reg.path)


def test_a_stamp_spares_hashing_and_always_does_not(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(DATA)
    time.sleep(0.03)
    assert kept(DIGEST) == path
    with monkeypatch.context() as patched:
        patched.setattr("registry.cache.files.sha256_of", lambda path: pytest.fail("hashed"))
        assert kept(DIGEST) == path
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"X" + DATA[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.warns(AlteredFile):
        assert kept(DIGEST) is None


def test_a_forged_stamp_is_found_out_by_always(lab: Lab) -> None:
    from registry.cache import files

    path = keep(DATA)
    path.chmod(0o644)
    path.write_bytes(b"X" + DATA[1:])
    path.with_name(f"{DIGEST}.stamp").write_text(" ".join(map(str, files.Stamp.of(path.lstat()))))
    with pytest.warns(AlteredFile):
        assert kept(DIGEST, always=True) is None


def test_the_commands_say_what_there_is_and_throw_out_what_is_wrong(lab: Lab) -> None:
    good, bad = keep(DATA), keep(b"other", hashlib.sha256(b"other").hexdigest())
    told = json.loads(run("cache", "info", "--json").stdout)
    assert (told["path"], told["files"], told["limit"]) == (str(lab.cache), 2, None)
    assert "2 files" in run("cache", "info").stdout
    bad.chmod(0o644)
    bad.write_bytes(b"Other")
    assert json.loads(run("cache", "verify", "--json", expect=1).stdout) == {"files": 2, "removed": [str(bad)]}
    assert run("cache", "verify").stdout == "1 file verified, 0 thrown out\n"
    age(lab.cache)
    assert json.loads(run("cache", "prune", "--json").stdout)["removed"] == [str(good)]
    assert "not a size" in run("cache", "prune", "--limit", "1 parsec", expect=1).stderr


def test_what_was_found_of_signatures_and_ledgers_is_counted_and_goes_when_nobody_used_it(lab: Lab) -> None:
    repo = governed(lab, "format: 1\nversion: 1\nregister: [makers]\nroles: {makers: [dana@example.org]}\n")
    registry_here(repo.path, "ledger", "adopt")
    first = registry_here(repo.path, "audit", "--format", "csv").stdout
    told = json.loads(run("cache", "info", "--json").stdout)
    assert min(told["bytes"]["signatures"], told["bytes"]["ledgers-read"]) > 0
    assert told["total"] == sum(told["bytes"].values())
    assert not prune(0), "it was used within the last minute"
    age(lab.cache)
    registry_here(repo.path, "audit")
    assert not prune(0), "it was used again"
    age(lab.cache)
    taken = prune(0)
    assert {item.kind for item in taken} == {"signatures", "ledgers-read"}
    assert info().total == 0
    assert registry_here(repo.path, "audit", "--format", "csv").stdout == first


@pytest.mark.parametrize(
    ("text", "count"), [("7", 7), ("1.5 GB", 1_500_000_000), ("500mb", 500_000_000), ("2 kB", 2000)]
)
def test_sizes(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.fixture
def place(lab: Lab, http: Http) -> tuple[str, Any, Repo]:
    source, reg = make_source(lab), make_registry(lab)
    server = http(served(lab, source))
    add(reg, f"{server.url}/source.git", stage="prod")
    served(lab, reg)
    return f"{server.url}/reg.git", server, reg


def test_offline_answers_from_what_was_seen_and_says_what_is_missing(
    lab: Lab, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, server, _ = place
    with pytest.raises(registry.Offline, match="never read on this machine"):
        registry.load("m", stage="prod", project=url, offline=True)
    registry.load("m", stage="prod", project=url)
    server.requests.clear()
    monkeypatch.setenv("REGISTRY_OFFLINE", "1")
    assert slope(registry.load("m", stage="prod", project=url)) == 1.0
    assert registry.which("m", "prod", project=url).version.label == "v1.0.0"
    shutil.rmtree(lab.cache / "sha256")
    shutil.rmtree(lab.cache / "sources")
    with pytest.raises(registry.Offline, match="objects of it are not here"):
        registry.load("m", stage="prod", project=url)
    assert server.requests == []


def test_a_cache_that_is_read_only_is_enough_offline(lab: Lab, place: Any) -> None:
    url, *_ = place
    registry.load("m", stage="prod", project=url)
    code = (
        "import ctypes, sys; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0); import os; "
        "os.execv(sys.executable, [sys.executable, '-c', "
        '\'import registry, sys; print(type(registry.load("m", stage="prod", project=sys.argv[1], offline=True)))\', '
        "sys.argv[1]])"
    )
    for path in [lab.cache, *lab.cache.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, url], env=lab.environ(), capture_output=True, text=True, check=False
        )
    finally:
        for path in [lab.cache, *lab.cache.rglob("*")]:
            path.chmod(0o755)
    assert "LinearRegression" in done.stdout, done.stderr


def test_a_bundle_carries_models_to_where_no_network_is(lab: Lab, place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url, server, _ = place
    bundle = lab.root / "models.bundle"
    told = json.loads(run("export", "m", "-o", str(bundle), "-r", url, "--json").stdout)
    assert (told["project"], told["versions"], told["files"]) == (url, ["m@v1.0.0"], 2)
    shutil.rmtree(lab.cache)
    server.close()
    assert "m@v1.0.0" in run("import", str(bundle)).stdout
    monkeypatch.setenv("REGISTRY_OFFLINE", "1")
    assert slope(registry.load("m", stage="prod", project=url)) == 1.0
    assert registry.which("m", "prod", project=url).version.label == "v1.0.0"
    run("import", str(bundle))
    with pytest.raises(registry.NotFound, match="'other'"):
        registry.load("other", stage="prod", project=url)


def rewritten(bundle: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The bundle with members changed or left out."""
    out = bundle.with_name("changed.bundle")
    with tarfile.open(bundle) as old, tarfile.open(out, "w") as new:
        for member in old.getmembers():
            data = change(member.name, old.extractfile(member).read())
            if data is not None:
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))
    return out


def test_a_bundle_is_not_believed(lab: Lab, place: Any) -> None:
    url, _, reg = place
    bundle = lab.root / "models.bundle"
    registry.export(["m"], bundle, project=url)
    shutil.rmtree(lab.cache)

    def altered(name: str, data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1]) if name.startswith("sha256/") else data

    def without(part: str) -> Callable[[str, bytes], bytes | None]:
        return lambda name, data: None if name.startswith(part) else data

    def manifest(**values: object) -> Callable[[str, bytes], bytes]:
        return lambda name, data: (
            json.dumps({**json.loads(data), **values}).encode() if name == "manifest.json" else data
        )

    for change, reason in (
        (altered, "digest-matches"),
        (without("sha256/"), "bundle-valid"),
        (without("manifest"), "bundle-valid"),
        (without("registry.bundle"), "bundle-valid"),
        (manifest(format=2), "bundle-valid"),
        (manifest(files={"../../x": 3}), "bundle-valid"),
        (manifest(files=[1]), "bundle-valid"),
        (manifest(project=str(reg.path)), "bundle-valid"),
        (manifest(project="ext::sh -c id"), "source-url"),
        (lambda name, data: data[: len(data) // 2] if name == "registry.bundle" else data, "bundle-valid"),
    ):
        with pytest.raises(registry.Refused) as refused:
            registry.import_bundle(rewritten(bundle, change))
        assert refused.value.reason == reason
    for data in (b"", b"no tar", bundle.read_bytes()[:700]):
        (lab.root / "bad").write_bytes(data)
        with pytest.raises(registry.Refused):
            registry.import_bundle(lab.root / "bad")
    assert "cannot be read" in run("import", str(lab.root / "absent"), expect=1).stderr
    with pytest.raises(registry.Offline):
        registry.load("m", stage="prod", project=url, offline=True)


def test_a_bundle_does_not_move_a_tag_that_is_known(lab: Lab, place: Any) -> None:
    url, server, reg = place
    bundle = lab.root / "models.bundle"
    registry.export(["m"], bundle, project=url)
    reg.git("tag", "--force", "-a", "-m", "moved", "m@v1.0.0", "HEAD")
    reg.git("push", "--quiet", "--force", str(lab.root / "served/reg.git"), "m@v1.0.0")
    shutil.rmtree(lab.cache)
    registry.forget("m", project=url)
    registry.resolve("m", version="v1.0.0", project=url)
    with pytest.raises(registry.Refused) as refused:
        registry.import_bundle(bundle)
    assert refused.value.reason == "tag-moved"
    assert server.requests


def test_a_folder_needs_no_bundle(lab: Lab, place: Any) -> None:
    *_, reg = place
    with pytest.raises(registry.RegistryError, match="needs no bundle"):
        registry.export(["m"], lab.root / "x", project=reg.path)
    assert not (lab.root / "x").exists()


def test_info_of_an_empty_cache(lab: Lab) -> None:
    assert (info().total, info().files) == (0, 0)
