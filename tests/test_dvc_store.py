"""Models whose bytes real DVC tracks: linked, loaded and checked, and what a hostile source or remote gets."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc_lab import KEYS, copied, dvc, make_tracked, moto, point, served_files, stored
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from lab import Lab, Repo
from linked import add, commit_version, edit_link, link_of, make_registry, saved, saved_large, served, slope

import registry
from registry.api.checking import check
from registry.errors import NotFound, Refused, RegistryError
from registry.offline import Offline
from registry.stores.dvc import Key, parse_key
from registry.stores.dvc_remote import parse_config, settings

MD5 = hashlib.md5(saved()["lr"]).hexdigest()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tracked(tmp_path_factory.getbasetemp())


@pytest.fixture
def tracked(lab: Lab, template: Path) -> Repo:
    return copied(template, lab)


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_registry(lab)


def linked(reg: Repo, source: str, model: str = "lr", rev: str = "v1", version: str = "v1.0.0") -> None:
    registry.link(model, "m", source_project=source, rev=rev, project=reg.path)
    commit_version(reg, version)


# What DVC tracks is linked, loaded and checked


@pytest.mark.parametrize("model", ["typed", "inside", "trained"])
def test_a_file_a_file_in_a_folder_and_the_output_of_a_stage_are_found(tracked: Repo, reg: Repo, model: str) -> None:
    linked(reg, str(tracked.path), model)
    pin = link_of(reg).artifacts["data"]
    assert (pin.store, pin.key, pin.size) == ("dvc", f"md5:{MD5}", len(saved()["lr"]))
    assert slope(registry.load("m", project=reg.path)) == 1.0
    assert check(reg.path).findings == []


def test_a_source_over_http_with_a_remote_over_http_loads_and_needs_neither_again(
    lab: Lab, tracked: Repo, reg: Repo, http: Callable[..., Any]
) -> None:
    with served_files(lab.root / "store") as files:
        point(tracked, f"url = {files.url}")
        server = http(served(lab, tracked))
        linked(reg, f"{server.url}/tracked.git", rev="v2")
        assert slope(registry.load("m", project=reg.path)) == 1.0
        asked = len(files.asked)
        assert slope(registry.load("m", project=reg.path)) == 1.0
        assert len(files.asked) == asked
    assert slope(registry.load("m", project=reg.path, offline=True)) == 1.0
    assert [path.name for path in lab.home.iterdir()] == [".gitconfig"], "DVC left something in the home folder"


@pytest.mark.thorough
def test_a_remote_in_s3_is_read_with_the_credentials_of_the_environment(
    lab: Lab, tracked: Repo, reg: Repo, http: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with moto() as endpoint:
        point(tracked, f"url = s3://models/deep\n    endpointurl = {endpoint}\n    credentialpath = /nowhere/keys")
        shutil.copytree(lab.root / "store/files", tracked.path / ".dvc/cache/files")
        dvc(tracked, "push -q", env=dict(KEYS))
        server = http(served(lab, tracked))
        linked(reg, f"{server.url}/tracked.git", "inside", "v2")
        assert slope(registry.load("m", project=reg.path)) == 1.0
        assert check(reg.path).findings == []
        (kept,) = (path for path in lab.cache.glob("sha256/*/*") if path.name == link_of(reg).artifacts["data"].sha256)
        kept.rename(kept.with_name(f"{kept.name}.part"))
        kept.with_name(f"{kept.name}.part").chmod(0o644)
        os.truncate(kept.with_name(f"{kept.name}.part"), 100)
        assert slope(registry.load("m", project=reg.path)) == 1.0  # from the middle on
        point(tracked, f"url = s3://models/nothing\n    endpointurl = {endpoint}", tag="v3")
        with pytest.raises(NotFound, match="dvc push"):
            linked(reg, str(tracked.path), rev="v3")


def test_a_download_that_breaks_off_goes_on_where_it_was(lab: Lab, tracked: Repo, reg: Repo) -> None:
    with served_files(lab.root / "store") as files:
        large = saved_large()
        md5 = hashlib.md5(large["lr"]).hexdigest()
        stored(tracked, md5).parent.mkdir()
        stored(tracked, md5).write_bytes(large["lr"])
        tracked.write({"lr.mlem": large["lr.mlem"], "lr.dvc": f"outs:\n- md5: {md5}\n  hash: md5\n  path: lr\n"})
        point(tracked, f"url = {files.url}")
        linked(reg, str(tracked.path), rev="v2")
        files.cuts = 1
        registry.load("m", project=reg.path)
        assert len(files.ranges) == 1


def test_the_remote_that_an_output_names_is_used(lab: Lab, tracked: Repo, reg: Repo) -> None:
    (lab.root / "store").rename(lab.root / "other")
    text = (tracked.path / ".dvc/config").read_text() + "['remote \"other\"']\n    url = ../../other\n"
    tracked.commit({".dvc/config": text, "lr.dvc": (tracked.path / "lr.dvc").read_text() + "  remote: other\n"})
    tracked.tag("v2")
    linked(reg, str(tracked.path), rev="v2")
    assert link_of(reg).artifacts["data"].key == f"md5:{MD5}?remote=other"
    assert slope(registry.load("m", project=reg.path)) == 1.0


def test_a_dvc_project_in_a_folder_of_the_source_has_its_own_remote(lab: Lab, reg: Repo, template: Path) -> None:
    inner = copied(template, lab)
    outer = lab.repo("outer")
    names = inner.git("ls-files").split()
    outer.commit({f"sub/{name}": (inner.path / name).read_bytes() for name in names if name != ".gitignore"})
    (lab.root / "store").rename(outer.path / "store")
    outer.tag("v1")
    linked(reg, str(outer.path), "sub/lr")
    assert link_of(reg).artifacts["data"].key == f"md5:{MD5}?project=sub"
    assert slope(registry.load("m", project=reg.path)) == 1.0


def test_files_of_dvc_before_3_are_found_by_the_hash_and_in_the_folders_they_had_then(
    lab: Lab, tracked: Repo, reg: Repo
) -> None:
    text = b"one\r\ntwo\r\n"
    md5 = hashlib.md5(text.replace(b"\r\n", b"\n")).hexdigest()
    place = lab.root / "store" / md5[:2] / md5[2:]
    place.parent.mkdir()
    place.write_bytes(text)
    meta = saved()["lr.mlem"].decode().replace("uri: lr\n", "uri: old.txt\n")
    plain = "\n".join(
        line for line in meta.splitlines() if "hash:" not in line and "size:" not in line and "sha256" not in line
    )
    tracked.commit(
        {
            "old.mlem": plain.replace("\nparams:", ""),
            "old.txt.dvc": f"outs:\n- md5: {md5}\n  size: 10\n  path: old.txt\n",
        }
    )
    tracked.tag("v2")
    linked(reg, str(tracked.path), "old", "v2")
    assert link_of(reg).artifacts["data"].key == f"md5-dos2unix:{md5}"
    assert (registry.fetch("m", project=reg.path, to=lab.root / "out") / "old.txt").read_bytes() == text


# What differs is refused


def test_bytes_that_have_not_the_md5_of_the_commit_are_not_linked(tracked: Repo, reg: Repo) -> None:
    place = stored(tracked, MD5)
    place.chmod(0o644)
    place.write_bytes(saved(2.0)["lr"])
    with pytest.raises(Refused, match="MD5") as refused:
        linked(reg, str(tracked.path))
    assert refused.value.reason == "digest-matches"
    assert not (reg.path / ".mlem/links/m.mlem").exists()


def test_bytes_that_changed_since_the_link_are_not_loaded_and_found_by_the_check(tracked: Repo, reg: Repo) -> None:
    linked(reg, str(tracked.path))
    place = stored(tracked, MD5)
    place.chmod(0o644)
    place.write_bytes(saved(2.0)["lr"][: len(saved()["lr"])].ljust(len(saved()["lr"])))
    with pytest.raises(Refused) as refused:
        registry.load("m", project=reg.path)
    assert refused.value.reason == "digest-matches"
    assert [finding.id for finding in check(reg.path).findings if finding.severity == "error"] == ["digest-matches"]


def test_the_check_holds_the_key_of_the_link_against_the_commit(tracked: Repo, reg: Repo) -> None:
    linked(reg, str(tracked.path))
    assert slope(registry.load("m", project=reg.path)) == 1.0  # its bytes are kept: the key alone must be noticed
    edit_link(reg, f"md5:{MD5}", f"md5:{'0' * 32}")
    (found,) = [finding for finding in check(reg.path).findings if finding.severity == "error"]
    assert found.id == "digest-matches"
    assert MD5 in found.message
    assert "0" * 32 in found.message


def test_the_check_brings_nothing_above_the_size_limit(tracked: Repo, reg: Repo) -> None:
    linked(reg, str(tracked.path))
    reg.commit({"policy.yaml": "format: 1\nversion: 1\nsize_limit: 10\n"})
    found = {finding.id: finding for finding in check(reg.path).findings}
    assert found["digest-matches"].severity == "error"
    assert "size_limit" in found["digest-matches"].message
    assert not list(reg.lab.cache.glob("sha256/*/*"))


def test_what_was_not_pushed_is_named_with_the_command_that_pushes_it(tracked: Repo, reg: Repo) -> None:
    stored(tracked, MD5).unlink()
    with pytest.raises(NotFound, match=rf"(?s){MD5}.*dvc push"):
        linked(reg, str(tracked.path))


def test_a_commit_that_is_gone_says_where_the_tag_went(
    lab: Lab, tracked: Repo, reg: Repo, http: Callable[..., Any]
) -> None:
    with served_files(lab.root / "store") as files:
        point(tracked, f"url = {files.url}")
        folder = served(lab, tracked)
        linked(reg, f"{http(folder).url}/tracked.git", rev="v2")
    shutil.rmtree(lab.cache)
    bare = Repo(lab, folder / "tracked.git")
    bare.git("update-ref", "refs/heads/main", "v1^{commit}")
    bare.git("tag", "--force", "v2", "v1^{commit}")
    bare.git("reflog", "expire", "--expire=now", "--all")
    bare.git("gc", "--prune=now", "--quiet")
    with pytest.raises(Refused, match="now names") as refused:
        registry.load("m", project=reg.path)
    assert refused.value.reason == "tag-moved"


# A source is not trusted


def test_a_folder_of_this_machine_is_no_remote_of_a_source_elsewhere(
    lab: Lab, tracked: Repo, reg: Repo, http: Callable[..., Any]
) -> None:
    for number, url in enumerate((f"{lab.root}/store", "../../store", f"file://{lab.root}/store", "~/store"), 2):
        point(tracked, f"url = {url}", tag=f"v{number}")
    server = http(served(lab, tracked))
    for number in (2, 3, 4, 5):
        with pytest.raises(Refused, match="folder of this machine") as refused:
            linked(reg, f"{server.url}/tracked.git", rev=f"v{number}")
        assert refused.value.reason == "source-url"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.org/store", "plain http"),
        ("http://169.254.169.254/store", "plain http"),
        ("https://user:hunter2@example.org/store", "credentials"),
        ("s3://models/x?versionId=1", "not a DVC remote"),
        ("s3://key:hunter2@models/x", "credentials"),
        ("ssh://example.org/store", "are not read"),
        ("webdav://example.org/store", "are not read"),
        ("remote://store/store", "are not read"),
        ("git+ssh://example.org/store", "are not read"),
        ("https://[example.org/store", "url is none"),
        ("s3://../etc", "not a bucket"),
        ("https://", "not a DVC remote"),
    ],
)
def test_a_remote_that_may_not_be_used_is_refused(url: str, said: str) -> None:
    with pytest.raises(RegistryError, match=said) as refused:
        settings(url, {}, "/somewhere", "config")
    assert "hunter2" not in str(refused.value)


def test_only_harmless_options_of_the_source_are_honoured() -> None:
    hostile = {
        "credentialpath": "/home/dana/.aws/credentials", "configpath": "/home/dana/x", "profile": "admin", "keyfile": "k",
        "access_key_id": "a", "secret_access_key": "b", "ssl_verify": "false", "use_ssl": "false", "user": "u",
        "password": "p", "ask_password": "true", "custom_auth_header": "x", "gdrive_service_account_json_file_path": "y",
    }  # fmt: skip
    assert settings("s3://models/a", hostile | {"region": "eu-west-1"}, None, "") == {
        "url": "s3://models/a",
        "region": "eu-west-1",
    }
    assert settings("https://example.org/a/", hostile, None, "") == {"url": "https://example.org/a"}


@pytest.mark.parametrize(
    "option",
    [
        {"endpointurl": "http://example.org"},
        {"endpointurl": "https://user:hunter2@example.org"},
        {"endpointurl": "ftp://127.0.0.1"},
        {"endpointurl": ["https://a", "https://b"]},
        {"region": "x.example.org/?"},
    ],
)
def test_an_endpoint_or_region_of_s3_that_leads_elsewhere_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        settings("s3://models/a", option, None, "config")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[core]\nremote = %(x)s\n", "substitutes"),
        (b"\xff\xfe", "not a configuration"),
        (b"[core\n", "not a configuration"),
        (b"['remote \"a\"']\n[[url]]\nx = 1\n", ""),
        (b"core = 1\nremote = 2\n", ""),
    ],
)
def test_a_configuration_that_is_none_is_one_error(text: bytes, said: str, tracked: Repo, reg: Repo) -> None:
    if said:
        with pytest.raises(RegistryError, match=said):
            parse_config(text, "config")
    tracked.commit({".dvc/config": text})
    tracked.tag("v2")
    with pytest.raises(RegistryError):
        linked(reg, str(tracked.path), rev="v2")


def test_a_redirect_to_plain_http_elsewhere_gives_no_bytes(lab: Lab, tracked: Repo, reg: Repo) -> None:
    with served_files(lab.root / "store") as files:
        point(tracked, f"url = {files.url}")
        files.redirect = f"http://0.0.0.0:{files.server_address[1] + 1}"
        with pytest.raises(RegistryError):
            linked(reg, str(tracked.path), rev="v2")


def test_an_output_outside_of_the_source_is_no_file_of_it(lab: Lab, tracked: Repo, reg: Repo) -> None:
    out = f"outs:\n- md5: {MD5}\n  hash: md5\n  path: %s\n"
    for path in ("../lr", "/lr", "folder/../../tracked/lr", "s3://models/lr"):
        tracked.commit({"lr.dvc": out % path})
        tracked.tag(f"v{len(tracked.tags()) + 1}")
        with pytest.raises(NotFound, match="no store holds"):
            linked(reg, str(tracked.path), rev=f"v{len(tracked.tags())}")


@pytest.mark.parametrize("name", ["../../lr", "lr/../../x"])
def test_the_list_of_a_folder_that_leaves_it_is_refused(tracked: Repo, reg: Repo, name: str) -> None:
    listing = json.dumps([{"md5": MD5, "relpath": name}, {"md5": MD5, "relpath": "lr"}]).encode()
    _relist(tracked, listing)
    with pytest.raises(Refused) as refused:
        linked(reg, str(tracked.path), "inside", "v2")
    assert refused.value.reason == "path-contained"


@pytest.mark.parametrize("listing", [b"[1]", b"[" * 50_000, b"\xff"])
def test_the_list_of_a_folder_that_is_none_is_one_error(tracked: Repo, reg: Repo, listing: bytes) -> None:
    _relist(tracked, listing)
    with pytest.raises(RegistryError):
        linked(reg, str(tracked.path), "inside", "v2")


def test_the_list_of_a_folder_must_have_the_md5_that_the_commit_names(tracked: Repo, reg: Repo) -> None:
    md5 = hashlib.md5(b"x").hexdigest()
    _relist(tracked, b"[]", md5)
    with pytest.raises(Refused, match="MD5"):
        linked(reg, str(tracked.path), "inside", "v2")


def _relist(repo: Repo, listing: bytes, md5: str = "") -> None:
    md5 = md5 or hashlib.md5(listing).hexdigest()
    place = stored(repo, f"{md5}.dir")
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(listing)
    repo.commit({"folder.dvc": f"outs:\n- md5: {md5}.dir\n  hash: md5\n  path: folder\n"})
    repo.tag("v2")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "schema: '2.0'\nstages: 1\n",
        "[" * 100_000,
        "stages: !!python/object/apply:os.system ['touch here']\n",
        "x" * (1 << 21),
    ],
    ids=["bomb", "shape", "deep", "tag", "large"],
)
def test_a_lock_file_that_cannot_be_read_is_one_error(tracked: Repo, reg: Repo, text: str) -> None:
    tracked.commit({"pipeline/dvc.lock": text})
    tracked.tag("v2")
    with pytest.raises(RegistryError):
        linked(reg, str(tracked.path), "trained", "v2")
    assert not (reg.path / "here").exists()


def test_a_broken_file_beside_the_one_that_tracks_the_model_harms_nobody(tracked: Repo, reg: Repo) -> None:
    tracked.commit({"pipeline/dvc.lock": "- not a lock file\n", "other.dvc": "outs: 1\n"})
    tracked.tag("v2")
    linked(reg, str(tracked.path), "lr", "v2")


def test_a_stage_whose_folder_is_a_template_is_not_guessed(tracked: Repo, reg: Repo) -> None:
    text = (tracked.path / "pipeline/dvc.yaml").read_text()
    tracked.commit({"pipeline/dvc.yaml": text.replace("wdir: ..", "wdir: ${where}")})
    tracked.tag("v2")
    with pytest.raises(NotFound, match="no store holds"):
        linked(reg, str(tracked.path), "trained", "v2")


@pytest.mark.parametrize(
    "key",
    [
        f"md5:{'../' * 10}etc",
        "md5:abc",
        "sha1:MD5",
        "md5:MD5?project=../..",
        "md5:MD5?url=file:///",
        "md5:MD5?project=/etc",
    ],
)
def test_a_key_in_a_link_leads_nowhere_else(tracked: Repo, reg: Repo, key: str) -> None:
    key = key.replace("MD5", MD5)
    linked(reg, str(tracked.path))
    edit_link(reg, f"md5:{MD5}", key)
    with pytest.raises(Refused):
        registry.load("m", project=reg.path)


def test_offline_says_that_the_bytes_are_in_a_remote(lab: Lab, tracked: Repo, reg: Repo) -> None:
    with served_files(lab.root / "store") as files:
        point(tracked, f"url = {files.url}")
        linked(reg, str(tracked.path), rev="v2")
        asked = len(files.asked)
        with pytest.raises(Offline, match="DVC remote"):
            registry.load("m", project=reg.path, offline=True)
        assert len(files.asked) == asked


def test_a_git_source_without_dvc_is_told_as_before(lab: Lab, reg: Repo) -> None:
    source = lab.repo("plain")
    source.commit({"lr.mlem": saved()["lr.mlem"]})
    source.tag("v1")
    with pytest.raises(NotFound, match="no store holds artifact 'data': no file lr"):
        add(reg, str(source.path))
    assert "lr" not in (reg.path / ".mlem").iterdir()


NAMES = st.text("abcxyzABC-_./ ?&=%é", min_size=1, max_size=20)


@examples(max_examples=50)
@given(
    remote=st.none() | NAMES,
    project=st.just("") | st.from_regex(r"[a-z &?=é]{0,5}[a-z](/[a-z &]{0,5}[a-z])*", fullmatch=True),
)
def test_a_key_is_read_as_it_was_written(remote: str | None, project: str) -> None:
    key = Key("md5", MD5, remote, project)
    assert parse_key(str(key), "") == key
