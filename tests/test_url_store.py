"""Models whose metafile names a URL: https and S3, pinned as every other file, with the user's own credentials."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, Repo
from lfs_http import LfsServer, cut, endless, serve_lfs
from linked import add, link_of, make_registry, make_source, saved, saved_large, slope

import registry
from registry.cache import transfer
from registry.containment import contained_url
from registry.errors import NotFound, Refused, RegistryError
from registry.offline import Offline
from registry.stores import Held
from registry.stores.http import failure
from registry.stores.url import PIECE, Pieces

OTHER = b"x" * len(saved()["lr"])
NAME = "some-object"
MOTO = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE_S", 0.01)


@pytest.fixture
def web(lab: Lab) -> Iterator[LfsServer]:
    with serve_lfs(lab.root) as server:
        yield server


def model(url: str, files: dict[str, bytes] | None = None, more: str = "", sized: bool = True) -> dict[str, bytes]:
    """The metafile of a saved model that names a URL in place of the file."""
    text = (files or saved())["lr.mlem"].decode()
    assert "    uri: lr\n" in text
    if not sized:
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("    size:"))
    return {"lr.mlem": text.replace("    uri: lr\n", f"    uri: {url}\n    type: fsspec\n{more}").encode()}


def linked(lab: Lab, web: LfsServer, files: dict[str, bytes] | None = None, sized: bool = True) -> Repo:
    """A registry with a link to a model behind a URL, and nothing of its bytes in the cache."""
    files = files or saved()
    web.objects[NAME] = files["lr"]
    source = make_source(lab, files=model(f"{web.url}/lfs/{NAME}", files, sized=sized))
    reg = make_registry(lab)
    add(reg, str(source.path))
    web.asked.clear()
    return reg


def load(reg: Repo) -> Any:
    return registry.load("m", project=reg.path)


def test_a_model_behind_a_url_is_linked_checked_and_loaded(lab: Lab, web: LfsServer, tmp_path: Path) -> None:
    reg = linked(lab, web)
    pin = link_of(reg).artifacts["data"]
    assert (pin.store, pin.key, pin.size) == ("url", f"{web.url}/lfs/{NAME}", len(saved()["lr"]))
    assert registry.check(reg.path).findings == []
    assert [each.method for each in web.asked] == ["GET"]
    assert slope(load(reg)) == 1.0
    assert len(web.asked) == 1, "the check kept what it read"
    folder = registry.fetch("m", project=reg.path, to=tmp_path / "out")
    assert {path.name: path.read_bytes() for path in folder.iterdir()}["data"] == saved()["lr"]


def test_a_download_goes_on_where_it_broke_off_at_link_and_at_load(lab: Lab, web: LfsServer) -> None:
    web.faults = [cut]
    reg = linked(lab, web, saved_large())
    web.faults = [cut, 503, cut]
    load(reg)
    begun = [int(each.headers.get("Range", "bytes=0-")[6:-1]) for each in web.asked]
    assert begun[0] == 0 < begun[1] == begun[2] < begun[3]


def test_other_bytes_and_missing_ones_are_refused_and_found(lab: Lab, web: LfsServer) -> None:
    reg = linked(lab, web)
    for fault, kind in ((OTHER, Refused), (OTHER + b"x", Refused), (endless, Refused), (404, NotFound)):
        web.faults = [fault]
        with pytest.raises(kind):
            load(reg)
        web.faults = [fault]
        (found,) = registry.check(reg.path).findings
        assert (found.id, found.severity) == ("digest-matches", "error")
    for code in (401, 403, 500):
        web.faults = [code] * 5
        (found,) = registry.check(reg.path).findings
        assert (found.id, found.severity) == ("digest-matches", "error")
        assert "not judged" in found.message
        assert str(code) in found.message
    web.faults = []
    assert slope(load(reg)) == 1.0


def test_the_server_says_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", waited.append)
    later = [b"7", b"86400", b"-3", b"soon", b"Fri, 31 Dec 1999 23:59:59 GMT"]
    answers = iter(later)

    class Answer:
        status_code, reason = 429, "Too Many Requests"

        def __init__(self) -> None:
            self.headers = {"Retry-After": next(answers).decode()}

    def attempt() -> None:
        raise failure(Answer(), "here")

    with pytest.raises(transfer.Transient):
        transfer.retrying(attempt, lambda: 0)
    assert waited[:2] == [7.0, 30.0], "no longer than REGISTRY_TIMEOUT"
    assert max(waited[2:]) < 1


def test_the_policy_s_size_limit_bounds_what_a_check_downloads(lab: Lab, web: LfsServer) -> None:
    reg = linked(lab, web)
    reg.commit({"policy.yaml": "format: 1\nversion: 1\nsize_limit: 10\n"})
    found = {each.id: each for each in registry.check(reg.path).findings}
    assert found.keys() == {"digest-matches", "size-limit"}
    assert "size_limit" in found["digest-matches"].message
    assert web.asked == []


def test_a_size_is_asked_of_the_server_where_the_metafile_names_none(lab: Lab, web: LfsServer) -> None:
    reg = linked(lab, web, sized=False)
    assert link_of(reg).artifacts["data"].size == len(saved()["lr"])
    web.faults = [endless]
    with pytest.raises(Refused, match="more than"):
        load(reg)
    web.faults = [endless]
    source = make_source(lab, "unsized", model(f"{web.url}/lfs/{NAME}", sized=False))
    with pytest.raises(Refused, match="does not say how large"):
        registry.link("lr", "n", source_project=str(source.path), rev="v1", project=reg.path)


def test_netrc_of_the_user_is_for_its_host_and_never_behind_a_redirect(
    lab: Lab, web: LfsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reg = linked(lab, web)
    netrc = lab.home / ".netrc"
    netrc.write_text("machine 127.0.0.1 login dana password s3cret\n")
    netrc.chmod(0o600)
    with serve_lfs(lab.root) as other:
        other.objects = web.objects
        web.faults = [f"{other.url}/lfs/OID"]
        assert slope(load(reg)) == 1.0
        assert web.asked[-1].headers["Authorization"].startswith("Basic ")
        assert [each.headers.get("Authorization") for each in other.asked] == [None]


def test_offline_nothing_is_asked(lab: Lab, web: LfsServer) -> None:
    reg = linked(lab, web)
    with pytest.raises(Offline):
        registry.load("m", project=reg.path, offline=True)
    assert web.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://example.org/x",
        "https://user:secret@example.org/x",
        "s3://key:secret@bucket/x",
        "https://example.org/x?X-Amz-Signature=secret",
        "https://example.org/x#y",
        "https://example.org/a/../x",
        "https://example.org/",
        "https:///x",
        "s3://bucket",
        "memory://x/y",
        "simplecache::s3://bucket/x",
        "s3://bucket/x::file:///etc/passwd?x",
        "https://example.org/a\\b",
        "https://example.org/\u2028",
        "HTTPS://example.org/x",
        "http://127.0.0.1.example.org/x",
        f"https://example.org/{'x' * 2000}",
    ],
)
def test_a_url_that_is_more_than_a_place_is_refused(url: str) -> None:
    with pytest.raises(Refused) as caught:
        contained_url(url, "uri of artifact 'data'", "lr.mlem")
    assert caught.value.reason == "path-contained"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/a/b.bin", "s3://bucket/a/b", "gs://b/c", "az://b/c", "http://localhost:1/x"]
)
def test_a_plain_url_is_taken_as_it_is(url: str) -> None:
    assert contained_url(url, "uri", "x") == url


def test_a_metafile_that_names_an_endpoint_or_a_key_is_refused_and_found(lab: Lab, web: LfsServer) -> None:
    reg = linked(lab, web)
    more = "    storage_options:\n      endpoint_url: https://evil.example.org\n"
    source = make_source(lab, "evil", model("s3://bucket/x", more=more))
    with pytest.raises(Refused, match="storage_options"):
        registry.link("lr", "n", source_project=str(source.path), rev="v1", project=reg.path)
    text = (reg.path / ".mlem/links/m.mlem").read_text()
    evil = text.replace("/source\n", "/evil\n").replace(link_of(reg).commit or "", source.rev("v1^{commit}"))
    reg.write({".mlem/links/m.mlem": evil})
    found = [each for each in registry.check(reg.path).findings if each.severity == "error"]
    assert [each.id for each in found] == ["path-contained"]


def test_a_link_that_names_another_url_than_the_metafile_is_found(lab: Lab, web: LfsServer) -> None:
    reg = linked(lab, web)
    text = (reg.path / ".mlem/links/m.mlem").read_text()
    reg.write({".mlem/links/m.mlem": text.replace(f"/lfs/{NAME}", "/lfs/another")})
    (found,) = registry.check(reg.path).findings
    assert found.id == "digest-matches"
    assert "another" in found.message


def test_an_artifact_s_name_is_no_way_out_of_the_folder(lab: Lab, web: LfsServer, tmp_path: Path) -> None:
    web.objects[NAME] = saved()["lr"]
    files = model(f"{web.url}/lfs/{NAME}")
    for number, name in enumerate(["../out", "lr.mlem"]):
        text = (
            files["lr.mlem"]
            .decode()
            .replace("\n  data:\n", f"\n  {name}:\n")
            .replace("artifact.data.", f"artifact.{name}.")
        )
        source = make_source(lab, f"named-{number}", {"lr.mlem": text.encode()})
        reg = make_registry(lab, f"reg-{number}")
        with contextlib.suppress(Refused):
            add(reg, str(source.path))
            registry.fetch("m", project=reg.path, to=tmp_path / "folder")
        assert not (tmp_path / "out").exists()
        assert not (tmp_path / "folder/lr.mlem").exists()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """An S3 server."""
    with subprocess.Popen(
        [sys.executable, "-c", MOTO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.wait(20)


@pytest.fixture
def s3(lab: Lab, moto: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the server, and an environment that leads there."""
    import boto3

    settings = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": moto,
    }
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="models")
    return client


def test_a_model_in_s3_is_linked_checked_and_loaded(lab: Lab, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved()["lr"]
    s3.put_object(Bucket="models", Key="a/lr 1.skops".replace(" ", "-"), Body=data)
    reg = make_registry(lab)
    source = make_source(lab, files=model("s3://models/a/lr-1.skops", sized=False))
    add(reg, str(source.path))
    pin = link_of(reg).artifacts["data"]
    assert (pin.store, pin.key, pin.size) == ("url", "s3://models/a/lr-1.skops", len(data))
    assert slope(load(reg)) == 1.0
    assert registry.check(reg.path).findings == []
    (lab.cache / "sha256" / pin.sha256[:2] / pin.sha256).unlink()
    s3.put_object(Bucket="models", Key="a/lr-1.skops", Body=OTHER)
    with pytest.raises(Refused) as caught:
        load(reg)
    assert caught.value.reason == "digest-matches"
    s3.delete_object(Bucket="models", Key="a/lr-1.skops")
    with pytest.raises(NotFound) as gone:
        load(reg)
    assert "Signature" not in str(gone.value)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(key)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(RegistryError) as caught_again:
        load(reg)
    assert "credentials" in caught_again.value.fix


def test_a_download_from_s3_goes_on_where_it_is(lab: Lab, s3: Any) -> None:
    from registry.stores.url import Urls

    data = bytes(range(256)) * 64
    s3.put_object(Bucket="models", Key="range", Body=data)
    held = Held("s3://models/range", "s3://models/range", len(data), "url")

    class Local:
        where = "source"

    opened = Urls().opening(Local, "", [held])
    with opened(held, 1000) as stream:
        assert stream.offset == 1000
        assert stream.source.read(1 << 20) == data[1000:]


def test_other_clouds_are_read_in_pieces_of_a_bounded_size() -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    asked: list[int] = []

    class Seen(MemoryFileSystem):
        def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> Any:
            asked.append((end or 0) - (start or 0))
            return super().cat_file(path, start=start, end=end, **options)

    filesystem = Seen()
    data = bytes(range(251)) * ((2 * PIECE + 100) // 251)
    filesystem.pipe_file("/pieces", data)
    source = Pieces(filesystem, "/pieces", "gs://pieces", 7)
    found = b"".join(iter(lambda: source.read(1 << 20), b""))
    assert found == data[7:]
    assert max(asked) == PIECE
    filesystem.rm("/pieces")
    with pytest.raises(NotFound):
        Pieces(filesystem, "/pieces", "gs://pieces", 0).read(1)


def test_a_missing_package_is_one_error_with_the_line_that_installs_it(lab: Lab) -> None:
    reg = make_registry(lab)
    source = make_source(lab, files=model("gs://models/x"))
    code = "import sys; sys.modules['gcsfs'] = None; from registry.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ("link", "lr", "m", "--source-project", str(source.path), "--rev", "v1", "-r", str(reg.path))
    ran = lab.run(sys.executable, "-c", code, *words, check=False)
    assert ran.code == 1
    assert "pip install 'git-model-registry[gs]'" in ran.stderr
    assert "Traceback" not in ran.stderr
