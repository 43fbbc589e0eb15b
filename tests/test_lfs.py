"""Models in Git LFS: the pointer says which bytes, the pin decides, and the server is believed in nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import Lab, Repo
from lfs_http import LfsServer, cut, endless, pointer, serve_lfs
from linked import add, link_of, make_registry, make_source, saved, saved_large, served, slope

import registry
from registry.cache import transfer
from registry.errors import NotFound, Refused, RegistryError
from registry.offline import Offline
from registry.stores.lfs import default_endpoint
from registry.stores.lfs_pointer import Pointer, parse_pointer
from registry.urls import Address

ATTRIBUTES = "lr filter=lfs diff=lfs merge=lfs -text\n"
OTHER = b"x" * len(saved()["lr"])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE_S", 0.01)


@pytest.fixture
def lfs(lab: Lab) -> Iterator[LfsServer]:
    (lab.root / "served").mkdir()
    with serve_lfs(lab.root / "served") as server:
        yield server


def tracked(lab: Lab, files: dict[str, bytes], name: str = "source", extra: dict[str, Any] | None = None) -> Repo:
    """A repository in which the artifact `lr` is a pointer."""
    source = lab.repo(name)
    source.commit({**files, "lr": pointer(files["lr"]), ".gitattributes": ATTRIBUTES, **(extra or {})})
    source.tag("v1")
    return source


def linked(
    lab: Lab, lfs: LfsServer, files: dict[str, bytes] | None = None, extra: dict[str, Any] | None = None
) -> Repo:
    """A registry with a link to a model in LFS, and nothing in the cache."""
    files = files or saved()
    served(lab, tracked(lab, files, extra=extra))
    lfs.hold(files["lr"])
    reg = make_registry(lab)
    add(reg, f"{lfs.url}/source.git", stage="prod")
    forget(lab)
    lfs.asked.clear()
    return reg


def forget(lab: Lab) -> None:
    shutil.rmtree(lab.cache, ignore_errors=True)


def forget_bytes(lab: Lab, lfs: LfsServer) -> None:
    """Have the next load download again; what git fetched stays."""
    shutil.rmtree(lab.cache / "sha256")
    lfs.faults, lfs.batch_faults = [], []
    lfs.asked.clear()


def load(reg: Repo) -> Any:
    return registry.load("m", project=reg.path)


def test_a_model_in_lfs_is_linked_checked_and_loaded_with_one_batch_request(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    data = saved()["lr"]
    pin = link_of(reg).artifacts["data"]
    assert (pin.store, pin.key, pin.size) == ("lfs", hashlib.sha256(data).hexdigest(), len(data))
    assert pin.sha256 == pin.key
    assert pin.blob is None
    assert registry.check(reg.path).findings == []
    assert lfs.asked == [], "the pointer says it all"
    assert slope(load(reg)) == 1.0
    assert [each.method for each in lfs.asked] == ["POST", "GET"]
    assert slope(load(reg)) == 1.0
    assert len(lfs.asked) == 2


def test_a_link_without_keys_is_found_by_the_commit(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    path = reg.path / ".mlem/links/m.mlem"
    kept = [
        line
        for line in path.read_text().splitlines()
        if not line.strip().startswith(("artifact.data.store", "artifact.data.key", "artifact.data.size"))
    ]
    path.write_text("\n".join(kept) + "\n")
    reg.commit({}, "keys")
    reg.git("add", "-A")
    reg.commit()
    reg.tag("m@v2.0.0")
    assert slope(load(reg)) == 1.0


def test_a_download_goes_on_where_it_broke_off(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs, saved_large())
    lfs.faults = [cut, cut]
    load(reg)
    ranges = [each.headers.get("Range") for each in lfs.seen("/lfs/") if each.method == "GET"]
    assert ranges[0] is None
    starts = [int(str(each)[6:-1]) for each in ranges[1:]]
    size = len(saved_large()["lr"])
    assert size // 3 < starts[0] < starts[1] < size
    assert len(lfs.seen("/objects/batch")) == 1


def test_what_may_pass_is_tried_again(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    for code in (429, 500, 503):
        lfs.faults, lfs.batch_faults = [code, code], [code]
        assert slope(load(reg)) == 1.0
        assert [each.method for each in lfs.asked] == ["POST", "POST", "GET", "GET", "GET"]
        forget_bytes(lab, lfs)


def test_what_will_not_pass_fails_at_once(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    for code in (401, 403, 404, 410, 422):
        for where in ("batch_faults", "faults"):
            setattr(lfs, where, [code])
            with pytest.raises(RegistryError) as caught:
                load(reg)
            assert str(code) in caught.value.what or "credentials" in caught.value.what
            assert caught.value.fix
            assert len(lfs.asked) == (1 if where == "batch_faults" else 2)
            forget_bytes(lab, lfs)


def test_other_bytes_are_never_loaded(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    for fault in (OTHER, OTHER[:-1], OTHER + b"x", b"", endless):
        lfs.faults = [fault] * 20
        with pytest.raises(RegistryError) as caught:
            load(reg)
        if fault in (OTHER, OTHER + b"x", endless):
            assert isinstance(caught.value, Refused)
            assert caught.value.reason == "digest-matches"
        forget_bytes(lab, lfs)
    assert slope(load(reg)) == 1.0


def test_credentials_come_from_git_and_go_to_their_host_only(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    lfs.user, lfs.authenticated = ("dana", "s3cret"), False
    with pytest.raises(RegistryError, match="git has none") as caught:
        load(reg)
    assert "credential helper" in caught.value.fix
    with (lab.home / ".gitconfig").open("a") as config:
        config.write('[credential]\n\thelper = "!f() { echo username=dana; echo password=s3cret; }; f"\n')
    with serve_lfs(lab.root / "served") as other:
        other.objects = lfs.objects
        lfs.downloads = other.url
        assert slope(load(reg)) == 1.0
        assert [each.headers.get("Authorization") for each in other.asked] == [None]
    forget(lab)
    lfs.downloads = ""
    lfs.asked.clear()
    load(reg)
    said = [each.headers.get("Authorization") for each in lfs.asked]
    assert said[0] is None
    assert said[1] == said[2] != None  # noqa: E711 - all three are compared


def test_a_download_takes_the_headers_that_the_answer_names_and_none_behind_a_redirect(
    lab: Lab, lfs: LfsServer
) -> None:
    reg = linked(lab, lfs)
    lfs.token = "RemoteAuth 1"
    with serve_lfs(lab.root / "served") as other:
        other.objects = lfs.objects
        lfs.faults = [f"{other.url}/lfs/OID"]
        assert slope(load(reg)) == 1.0
        assert [each.headers.get("Authorization") for each in other.asked] == [None]
    assert lfs.seen("/lfs/")[-1].headers["Authorization"] == "RemoteAuth 1"


def test_an_answer_that_expired_is_asked_for_again(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs, saved_large())
    lfs.token = "RemoteAuth 1"

    def cut_and_expire(handler: Any, data: bytes) -> None:
        cut(handler, data)
        lfs.token = "RemoteAuth 2"

    lfs.faults = [cut_and_expire]
    load(reg)
    assert len(lfs.seen("/objects/batch")) == 2
    assert lfs.asked[-1].headers["Range"]


def test_a_redirect_to_an_unsafe_place_is_refused(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    for target in ("http://example.org/x", "ftp://127.0.0.1/x", "http://u:p@127.0.0.1:1/x"):
        lfs.faults = [target]
        with pytest.raises(Refused) as caught:
            load(reg)
        assert caught.value.reason == "source-url"
        assert "u:p" not in str(caught.value)


def test_a_redirect_of_the_batch_request_is_not_followed(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    with serve_lfs(lab.root / "served") as other:
        lfs.batch_faults = [f"{other.url}/source.git/info/lfs/objects/batch"]
        with pytest.raises(RegistryError, match="redirect is not followed"):
            load(reg)
        assert other.asked == []


def altered(**changes: Any) -> Any:
    def change(body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "objects": [{**each, **changes} for each in body["objects"]]}

    return change


HOSTILE: list[Any] = [
    b"",
    b"[]",
    b"{" * 10000,
    b'{"objects": 3}',
    b'{"objects": []}',
    b'{"objects": [{"oid": 1}]}',
    b'{"transfer": "tus", "objects": []}',
    b'{"hash_algo": "md5", "objects": []}',
    altered(size=1),
    altered(actions={}),
    altered(actions={"download": {"href": "http://example.org/x"}}),
    altered(actions={"download": {"href": "file:///etc/passwd"}}),
    altered(actions={"download": {"href": "//x"}}),
    altered(actions={"download": {"href": 3}}),
    altered(actions={"download": {"href": "http://127.0.0.1:1/x\r\nHost: y"}}),
    altered(error={"code": 404, "message": "gone\x1b[31m"}),
    altered(error={"code": 422, "message": "no"}),
    altered(error="no"),
]


def test_a_hostile_answer_is_one_clear_error(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    for fault in HOSTILE:
        lfs.batch_faults = [fault]
        with pytest.raises(RegistryError) as caught:
            load(reg)
        assert caught.value.fix
        assert "\x1b" not in str(caught.value)
        assert len(lfs.asked) == 1
        forget_bytes(lab, lfs)


def test_lfsconfig_is_followed_on_the_source_s_own_host_only(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs, extra={".lfsconfig": f"[lfs]\n\turl = {lfs.url}/elsewhere/lfs\n"})
    assert slope(load(reg)) == 1.0
    assert lfs.asked[0].path == "/elsewhere/lfs/objects/batch"
    with serve_lfs(lab.root / "served") as other:
        files = {".lfsconfig": f"[lfs]\n\turl = {other.url}/x/lfs\n"}
        served(lab, tracked(lab, saved(2.0), "evil", files))
        lfs.hold(saved(2.0)["lr"])
        with pytest.raises(Refused) as caught:
            registry.link("lr", "n", source_project=f"{lfs.url}/evil.git", rev="v1", project=reg.path)
        assert caught.value.reason == "source-trusted"
        assert other.asked == []
        with (lab.home / ".gitconfig").open("a") as config:
            config.write(f'[url "{other.url}/x/lfs"]\n\tinsteadOf = {lfs.url}/evil.git/info/lfs\n')
        other.objects = lfs.objects
        registry.link("lr", "n", source_project=f"{lfs.url}/evil.git", rev="v1", project=reg.path)
        assert [each.method for each in other.asked] == ["POST", "GET"], "the user said so"


def test_a_pointer_that_names_other_bytes_than_the_pin_is_refused_before_anything_is_asked(
    lab: Lab, lfs: LfsServer
) -> None:
    reg = linked(lab, lfs)
    text = (reg.path / ".mlem/links/m.mlem").read_text()
    other = hashlib.sha256(OTHER).hexdigest()
    lines = [
        f"  artifact.data.sha256: {other}" if "artifact.data.sha256" in line else line for line in text.splitlines()
    ]
    reg.commit({".mlem/links/m.mlem": "\n".join(lines) + "\n"})
    reg.tag("m@v2.0.0")
    with pytest.raises(Refused) as caught:
        load(reg)
    assert caught.value.reason == "digest-matches"
    assert lfs.asked == []
    (found,) = registry.check(reg.path).findings
    assert found.id == "digest-matches"
    assert lfs.asked == []


def test_a_link_that_names_another_place_is_refused_and_found(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    text = (reg.path / ".mlem/links/m.mlem").read_text()
    for number, (old, new) in enumerate(
        [("store: lfs", "store: url"), ("data.key: ", "data.key: ../../"), ("store: lfs", "store: nowhere")]
    ):
        assert old in text
        reg.commit({".mlem/links/m.mlem": text.replace(old, new)})
        reg.tag(f"m@v2.0.{number}")
        with pytest.raises(Refused):
            load(reg)
        assert lfs.asked == []
        (found,) = registry.check(reg.path).findings
        assert found.id == "digest-matches"


def test_a_folder_gives_its_own_lfs_objects(lab: Lab) -> None:
    data = saved()["lr"]
    source = tracked(lab, saved())
    reg = make_registry(lab)
    with pytest.raises(NotFound) as caught:
        add(reg, str(source.path))
    assert "git lfs fetch" in caught.value.fix
    oid = hashlib.sha256(data).hexdigest()
    path = source.path / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    add(reg, str(source.path))
    forget(lab)
    assert slope(load(reg)) == 1.0
    forget(lab)
    path.write_bytes(OTHER)
    with pytest.raises(Refused):
        load(reg)


def test_offline_says_what_is_missing(lab: Lab, lfs: LfsServer) -> None:
    reg = linked(lab, lfs)
    with pytest.raises(Offline):
        registry.load("m", project=reg.path, offline=True)
    assert lfs.asked == []
    load(reg)
    assert slope(registry.load("m", project=reg.path, offline=True)) == 1.0


def test_a_pointer_that_no_attribute_names_is_no_model(lab: Lab, lfs: LfsServer) -> None:
    source = make_source(lab, "plain", {**saved(), "lr": pointer(saved()["lr"])})
    with pytest.raises(Refused) as caught:
        add(make_registry(lab), str(source.path))
    assert caught.value.reason == "artifact-in-git"


OID = "0" * 64
VERSION = "version https://git-lfs.github.com/spec/"


POINTERS = [
    f"{VERSION}v2\noid sha256:{OID}\nsize 1\n",
    f"{VERSION}v1\noid md5:{OID[:32]}\nsize 1\n",
    f"{VERSION}v1\noid sha256:{OID.replace('0', 'A')}\nsize 1\n",
    f"{VERSION}v1\noid sha256:{OID}\nsize -1\n",
    f"{VERSION}v1\noid sha256:{OID}\nsize 01\n",
    f"{VERSION}v1\noid sha256:{OID}\nsize {10**40}\n",
    f"{VERSION}v1\noid sha256:{OID}\nsize \u0661\n",
    f"{VERSION}v1\next-0-x sha256:{OID}\noid sha256:{OID}\nsize 1\n",
    f"{VERSION}v1\noid sha256:{OID}\nsize 1\nz 1\n",
    f"{VERSION}v1\noid sha256:{OID}\noid sha256:{OID}\nsize 1\n",
    f"{VERSION}v1\r\noid sha256:{OID}\r\nsize 1\r\n",
    f"{VERSION}v1\noid sha256:../../{OID[6:]}\nsize 1\n",
]


@pytest.mark.parametrize("text", POINTERS)
def test_a_hostile_pointer_is_not_understood(text: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_pointer(text.encode(), "lr", "source")
    assert caught.value.reason == "artifact-in-git"


def test_a_hostile_pointer_is_not_linked(lab: Lab) -> None:
    source = lab.repo("hostile")
    source.commit({**saved(), "lr": POINTERS[0].encode(), ".gitattributes": ATTRIBUTES})
    source.tag("v1")
    with pytest.raises(Refused, match="not understood"):
        add(make_registry(lab), str(source.path))


@given(st.binary(max_size=2000), st.booleans())
def test_any_bytes_are_a_pointer_a_file_or_refused(data: bytes, begins: bool) -> None:
    data = (VERSION.encode() + data) if begins else data
    try:
        found = parse_pointer(data, "x", "y")
    except Refused:
        assert begins
    else:
        assert found is None or isinstance(found, Pointer)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://github.com/acme/x", "https://github.com/acme/x.git/info/lfs"),
        ("https://github.com/acme/x.git", "https://github.com/acme/x.git/info/lfs"),
        ("git@github.com:acme/x.git", "https://github.com/acme/x.git/info/lfs"),
        ("ssh://git@example.org:2222/acme/x", "https://example.org/acme/x.git/info/lfs"),
        ("ssh://git@[::1]/acme/x", "https://[::1]/acme/x.git/info/lfs"),
    ],
)
def test_the_server_is_where_git_lfs_expects_it(address: str, expected: str) -> None:
    assert default_endpoint(Address(address, local=False)) == expected


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")
def test_what_git_lfs_itself_pushed_is_linked_and_loaded(lab: Lab, lfs: LfsServer) -> None:
    lab.repo("served/real.git", bare=True).git("config", "http.receivepack", "true")
    work = lab.clone(f"{lfs.url}/real.git", "work")
    path = {"PATH": os.environ["PATH"]}
    work.git("lfs", "install", "--local", env=path)
    work.git("lfs", "track", "lr", env=path)
    work.commit({**saved(4.0)})
    work.tag("v1")
    work.git("push", "--quiet", "origin", "HEAD:main", "v1", env=path)
    assert list(lfs.objects.values()) == [saved(4.0)["lr"]]
    assert work.git("cat-file", "blob", "HEAD:lr").encode() + b"\n" == pointer(saved(4.0)["lr"])
    reg = make_registry(lab)
    add(reg, f"{lfs.url}/real.git")
    assert slope(load(reg)) == 4.0
    forget(lab)
    add(reg, str(work.path), version="v2.0.0")
    forget(lab)
    assert slope(load(reg)) == 4.0


def test_paths_of_pointers_are_of_any_folder(lab: Lab, lfs: LfsServer) -> None:
    files = {f"models/{name}": data for name, data in saved().items()}
    source = lab.repo("deep")
    source.commit({**files, "models/lr": lfs.hold(saved()["lr"]), "models/.gitattributes": "lr filter=lfs\n"})
    source.tag("v1")
    served(lab, source)
    reg = make_registry(lab)
    registry.link("models/lr", "m", source_project=f"{lfs.url}/deep.git", rev="v1", project=reg.path)
    assert link_of(reg).artifacts["data"].store == "lfs"


def test_fetch_writes_the_file_and_not_its_pointer(lab: Lab, lfs: LfsServer, tmp_path: Path) -> None:
    registry.fetch("m", project=linked(lab, lfs).path, to=tmp_path / "out")
    assert (tmp_path / "out/lr").read_bytes() == saved()["lr"]
