"""What was answered holds while the refs are the same, and not a moment longer; large files of the cache."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from git_http import GitServer
from lab import Lab, Repo
from linked import add, make_registry, make_source, served

import registry
from registry.api.resolving import DeprecatedArtifact
from registry.cache import files, path_of
from registry.cache.files import Stamp, VerifiedFile, kept
from registry.errors import NotFound, Refused

Http = Callable[..., GitServer]
DATA = b"a large file" * 100
DIGEST = hashlib.sha256(DATA).hexdigest()


def git_processes(monkeypatch: pytest.MonkeyPatch, folder: Path, call: Callable[[], object]) -> int:
    """How many git processes a call starts, those of git itself included."""
    folder.mkdir()
    with monkeypatch.context() as patched:
        patched.setenv("GIT_TRACE2_EVENT", str(folder))
        call()
    return len(list(folder.iterdir()))


def published(lab: Lab, http: Http) -> tuple[Repo, str]:
    """A registry with two versions of a model, the first in `prod`, and the URL where it is served."""
    source, reg = make_source(lab), make_registry(lab)
    server = http(served(lab, source))
    add(reg, f"{server.url}/source.git", stage="prod")
    reg.commit({"README.md": "more\n"})
    reg.tag("m@v2.0.0")
    served(lab, reg)
    return reg, f"{server.url}/reg.git"


def test_an_answer_is_given_again_until_a_tag_comes_or_goes(
    lab: Lab, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    reg, url = published(lab, http)
    bare = lab.root / "served" / "reg.git"

    def asked() -> str | None:
        return registry.resolve("m", stage="prod", project=url).version

    first = git_processes(monkeypatch, lab.root / "first", asked)
    again = git_processes(monkeypatch, lab.root / "again", asked)
    assert again <= 5 < first, "a fetch, with its helpers, and the names of the refs"
    reg.tag("m#prod#9", "m@v2.0.0^{commit}")
    reg.git("push", "--quiet", str(bare), "m#prod#9")
    assert asked() == "v2.0.0"
    reg.git("push", "--quiet", "--delete", str(bare), "m#prod#9")
    assert asked() == "v1.0.0"
    reg.commit({"policy.yaml": "format: 1\nversion: 1\ntrusted_sources: ['https://example.org/*']\n"})
    reg.git("push", "--quiet", str(bare), "main")
    with pytest.raises(Refused, match="trusted_sources"):
        asked()
    for tag in reg.tags():
        reg.git("push", "--quiet", "--delete", str(bare), tag, check=False)
    with pytest.raises(NotFound):
        asked()


def test_a_warning_is_given_every_time(lab: Lab, http: Http) -> None:
    reg, url = published(lab, http)
    registry.deprecate("m", project=reg.path)
    reg.git("push", "--quiet", "--tags", str(lab.root / "served" / "reg.git"))
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            with pytest.warns(DeprecatedArtifact):
                registry.resolve("m", stage="prod", project=url)


def test_what_was_not_forced_to_disk_is_hashed_again_after_a_start(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    path = large(monkeypatch)
    files.write_stamp(path, hardened=False)
    files._known.clear()
    hashed: list[Path] = []
    monkeypatch.setattr(files, "sha256_of", lambda each: hashed.append(each) or DIGEST)
    assert kept(DIGEST) == path
    assert not hashed, "the system runs on"
    files._known.clear()
    monkeypatch.setattr(files, "boot", lambda: "another")
    assert kept(DIGEST) == path
    assert hashed == [path]


def test_a_large_file_is_a_stream_of_verified_bytes(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    path = large(monkeypatch)
    for always in (False, True):
        with VerifiedFile(path, DIGEST, always).open() as stream:
            assert stream.read() == DATA
    files._known[str(path)] = Stamp.of(path.stat())
    with VerifiedFile(path, DIGEST).open() as stream:
        assert stream.read() == DATA
    path.write_bytes(DATA[:-1] + b"X")
    with pytest.raises(Refused, match="digest-matches"):
        VerifiedFile(path, DIGEST).open()


def large(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kept file that counts as large."""
    monkeypatch.setattr(files, "_SMALL", 100)
    path = path_of(DIGEST)
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    return path
