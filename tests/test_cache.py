"""The cache: shared by processes, mended when damaged, and never believed without its digest."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, Repo
from linked import add, make_registry, make_source, saved, saved_large, served, slope

import registry
from registry import cache
from registry.api import unchanged
from registry.cache.files import AlteredFile, kept, sha256_of
from registry.cache.transfer import Stream, Wanted, transfer
from registry.errors import Refused, RegistryError

Http = Callable[..., Any]
DATA = b"model" * 100
DIGEST = hashlib.sha256(DATA).hexdigest()
# Root may write everywhere: without CAP_DAC_OVERRIDE (1) it is bound to the rights of files like everybody else.
BOUND = "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"


def keep(data: bytes, digest: str = DIGEST, size: int | None = None) -> Path:
    @contextmanager
    def opened(offset: int) -> Iterator[Stream]:
        yield Stream(io.BytesIO(data[offset:]), offset)

    return transfer([Wanted(digest, opened, "artifact data", "the source", size)])[digest]


def files_of(root: Path) -> list[str]:
    return [each for each in below(root) if not each.endswith(".lock")]


def below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_file_is_kept_under_its_digest_and_read_only(lab: Lab) -> None:
    path = keep(DATA)
    assert path == lab.cache / "sha256" / DIGEST[:2] / DIGEST
    assert path.read_bytes() == DATA
    assert path.stat().st_mode & 0o777 == 0o444
    assert kept(DIGEST) == path


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b"x"])
def test_other_bytes_are_not_kept_and_their_digest_is_told(lab: Lab, data: bytes) -> None:
    with pytest.raises(Refused, match=hashlib.sha256(data).hexdigest()):
        keep(data)
    assert files_of(lab.cache) == []


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA[:-1] + b"X", DATA + b"x"])
def test_an_altered_file_is_thrown_out(lab: Lab, data: bytes) -> None:
    path = keep(DATA)
    path.chmod(0o644)
    path.write_bytes(data)
    with pytest.warns(AlteredFile):
        assert kept(DIGEST) is None
    assert not path.exists()
    assert keep(DATA) == path


def test_a_symlink_or_folder_in_place_of_a_file_is_not_believed(lab: Lab) -> None:
    path = cache.path_of(DIGEST)
    path.parent.mkdir(parents=True)
    (lab.root / "same").write_bytes(DATA)
    path.symlink_to(lab.root / "same")
    with pytest.warns(AlteredFile):
        assert kept(DIGEST) is None
    assert keep(DATA) == path
    assert not path.is_symlink()
    path.unlink()
    (path / "x").mkdir(parents=True)
    with pytest.warns(AlteredFile):
        assert keep(DATA) == path
    assert path.read_bytes() == DATA


def test_the_folder_is_named_by_the_environment(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.root() == lab.cache
    monkeypatch.delenv("REGISTRY_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    if sys.platform == "linux":
        assert cache.root() == lab.home / ".cache/git-model-registry"
        monkeypatch.setenv("XDG_CACHE_HOME", str(lab.root / "xdg"))
        assert cache.root() == lab.root / "xdg/git-model-registry"
    monkeypatch.setenv("REGISTRY_CACHE_DIR", "~/mine")
    assert cache.root() == lab.home / "mine"


def test_a_lock_is_held_by_one_process_at_a_time(lab: Lab) -> None:
    code = (
        "import sys, time; from pathlib import Path; from registry import cache\n"
        "with cache.lock(Path(sys.argv[1])):\n"
        "    log = open(sys.argv[2], 'a'); log.write('in '); log.flush(); time.sleep(0.05); log.write('out\\n'); log.flush()\n"
    )
    lock, log = lab.root / "locks/x.lock", lab.root / "log"
    env = lab.environ()
    running = [subprocess.Popen([sys.executable, "-c", code, str(lock), str(log)], env=env) for _ in range(6)]
    assert [process.wait(60) for process in running] == [0] * 6
    assert log.read_text() == "in out\n" * 6


@pytest.fixture
def project(lab: Lab, http: Http) -> str:
    """A registry with the version 1.0.0 of a small model, served over HTTP, and nothing in the cache."""
    url = http(served(lab, make_source(lab))).url
    reg = make_registry(lab)
    add(reg, f"{url}/source.git")
    served(lab, reg)
    shutil.rmtree(lab.cache)
    return f"{url}/reg.git"


def test_processes_that_fetch_at_once_on_an_empty_cache_all_succeed(lab: Lab, project: str) -> None:
    """Fetching is loading without the seconds in which scikit-learn is imported: the processes meet in the cache."""
    command = [sys.executable, "-m", "registry", "fetch", "m", "-r", project, "-o"]
    env = lab.environ()
    running = [
        subprocess.Popen(
            [*command, str(lab.root / f"out-{n}")], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for n in range(6)
    ]
    for n, process in enumerate(running):
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        assert (lab.root / f"out-{n}" / "lr").read_bytes() == saved()["lr"]
    assert slope(registry.load("m", project=project)) == 1.0
    assert not [path for path in lab.cache.rglob(".*") if path.name.startswith(".")]


@pytest.mark.parametrize("delay", [0.15, 0.3, 0.45, 0.6, 0.9])
def test_a_process_killed_midway_leaves_a_usable_cache(lab: Lab, http: Http, delay: float) -> None:
    source = make_source(lab, files=saved_large())
    url = http(served(lab, source)).url
    reg = make_registry(lab)
    add(reg, f"{url}/source.git")
    served(lab, reg)
    shutil.rmtree(lab.cache)
    command = [sys.executable, "-m", "registry", "load", "m", "-r", f"{url}/reg.git"]
    process = subprocess.Popen(
        command, env=lab.environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    model: Any = registry.load("m", project=f"{url}/reg.git")
    assert len(model.coef_) == 1 << 17


@pytest.mark.parametrize("kind", ["registries", "sources"])
@pytest.mark.parametrize("name", ["shallow.lock", "packed-refs.lock", "config.lock"])
def test_what_a_killed_git_left_locked_is_taken_over(lab: Lab, project: str, kind: str, name: str) -> None:
    registry.load("m", project=project)
    (mirror,) = (lab.cache / kind).glob("*.git")
    (mirror / name).write_text("")
    shutil.rmtree(lab.cache / "sha256")
    work = lab.clone(project, "work")
    work.commit({"x": ""})
    work.tag("m@v1.0.1")
    work.git("push", "--quiet", "origin", "main", "m@v1.0.1")
    assert slope(registry.load("m", project=project)) == 1.0


@pytest.mark.parametrize("kind", ["registries", "sources"])
@pytest.mark.parametrize("damage", ["no config", "no objects", "empty packs", "half"])
def test_a_damaged_mirror_is_made_anew(lab: Lab, project: str, kind: str, damage: str) -> None:
    registry.load("m", project=project)
    (mirror,) = (lab.cache / kind).glob("*.git")
    if damage == "no config":
        (mirror / "config").unlink()
    elif damage == "no objects":
        shutil.rmtree(mirror / "objects")
    else:
        for pack in mirror.glob("objects/pack/*.pack"):
            data = pack.read_bytes()
            pack.chmod(0o644)
            pack.write_bytes(data[: len(data) // 2] if damage == "half" else b"")
    shutil.rmtree(lab.cache / "sha256")
    unchanged._answers.clear()  # as in another process
    if kind == "registries" and damage in {"empty packs", "half"}:
        with pytest.raises(RegistryError) as caught:  # half of a question was answered from it already
            registry.load("m", project=project)
        assert caught.value.fix == "run this again: it is fetched anew"
    assert slope(registry.load("m", project=project)) == 1.0


def test_a_commit_is_brought_though_a_killed_git_left_its_lock(lab: Lab, project: str) -> None:
    registry.load("m", project=project)
    (mirror,) = (lab.cache / "sources").glob("*.git")
    (mirror / "shallow.lock").write_text("")
    shutil.rmtree(lab.cache / "sha256")
    work = lab.clone(f"{project.rpartition('/')[0]}/source.git", "work")
    work.commit({"x": ""})
    work.tag("v2")
    work.git("push", "--quiet", "origin", "main", "v2")
    reg = Repo(lab, lab.root / "reg")
    url = project.replace("/reg.git", "/source.git")
    assert registry.link("lr", "n", source_project=url, rev="v2", project=reg.path).revision.commit == work.rev(
        "v2^{commit}"
    )


def cannot_write(lab: Lab, project: str, folder: Path | str) -> str:
    ran = lab.run(
        sys.executable, "-c", BOUND, sys.executable, "-m", "registry", "load", "m", "-r", project,
        env={"REGISTRY_CACHE_DIR": str(folder)}, check=False,
    )  # fmt: skip
    assert ran.code == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stderr


def test_a_folder_that_cannot_be_written_is_one_clear_error(lab: Lab, project: str) -> None:
    closed = lab.root / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    (lab.root / "file").write_text("")
    for folder in (closed, closed / "below", lab.root / "file", lab.root / "file/below"):
        said = cannot_write(lab, project, folder)
        assert "the cache folder cannot be written" in said
        assert "REGISTRY_CACHE_DIR" in said


def test_a_warm_cache_that_became_read_only_is_one_clear_error(lab: Lab, project: str) -> None:
    registry.load("m", project=project)
    for path in [*lab.cache.rglob("*"), lab.cache]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        said = cannot_write(lab, project, lab.cache)
    finally:
        for path in [lab.cache, *lab.cache.rglob("*")]:
            path.chmod(0o755)
    assert "REGISTRY_CACHE_DIR" in said


def test_an_altered_file_that_cannot_be_replaced_is_one_clear_error(lab: Lab) -> None:
    reg = make_registry(lab)
    add(reg, make_source(lab).url)
    registry.load("m", project=reg.path)
    path = cache.path_of(registry.resolve("m", project=reg.path).artifacts["data"].sha256)
    path.chmod(0o644)
    path.write_bytes(b"altered")
    path.parent.chmod(0o555)
    try:
        said = cannot_write(lab, str(reg.path), lab.cache)
    finally:
        path.parent.chmod(0o755)
    assert str(path.parent) in said


def test_a_full_disk_is_one_clear_error(lab: Lab) -> None:
    def full(offset: int) -> Any:
        raise OSError(28, "No space left on device")

    with pytest.raises(RegistryError, match="No space left"):
        transfer([Wanted(DIGEST, full, "artifact data", "the source")])
    assert kept(DIGEST) is None


def test_two_registries_of_one_source_share_its_files(lab: Lab, http: Http) -> None:
    server = http(served(lab, make_source(lab)))
    first, second = make_registry(lab, "first"), make_registry(lab, "second")
    add(first, f"{server.url}/source.git")
    add(second, f"{server.url}/source.git")
    shutil.rmtree(lab.cache)
    registry.load("m", project=first.path)
    server.requests.clear()
    assert slope(registry.load("m", project=second.path)) == 1.0
    assert server.requests == []


def test_sha256_of_reads_any_size(tmp_path: Path) -> None:
    data = io.BytesIO(b"\x00" * ((1 << 20) + 7)).getvalue()
    (tmp_path / "x").write_bytes(data)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_repositories_stay_as_they_were(lab: Lab) -> None:
    """Reading writes into the cache only."""
    source, reg = make_source(lab), make_registry(lab)
    add(reg, source.url)

    def state(repo: Repo) -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in repo.path.rglob("*") if p.is_file()}

    before = state(source), state(reg)
    registry.load("m", project=reg.path)
    registry.fetch("m", project=reg.path)
    assert (state(source), state(reg)) == before
