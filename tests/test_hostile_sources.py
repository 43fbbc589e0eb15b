"""Hostile links, sources and registries: one error each, nothing executed, nothing written, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inprocess import registry_here
from lab import Lab, Ran, Repo
from linked import add, add_text, edit_link, files_below, link_text, make_registry, make_source, saved, served, slope

import registry
from registry import urls
from registry.errors import NotFound, Refused, RegistryError
from registry.strictyaml import LIMIT

Http = Callable[..., Any]
PINNED = (
    "object_type: link\npath: {path}\nproject: {project}\nrev: v1\nparams:\n  commit: "
    + "a" * 40
    + ("\n  metafile.sha256: " + "b" * 64 + "\n  artifact.data.sha256: " + "c" * 64 + "\n")
)


@pytest.fixture
def source(lab: Lab) -> Repo:
    return make_source(lab)


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_registry(lab)


@pytest.fixture
def sentinel(lab: Lab) -> Path:
    """A file that nothing may make."""
    return lab.root / "executed"


def refused(ran: Ran) -> str:
    """What a command said that must have ended with exactly one error."""
    assert ran.code == 1, ran.stdout + ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: ")
    assert "Traceback" not in ran.stderr
    assert "  fix:   " in ran.stderr, ran.stderr
    return ran.stderr


def hostile_addresses(sentinel: Path) -> list[str]:
    touch = f"touch {sentinel}"
    return [
        f"--upload-pack={touch}",
        f"-u{touch}",
        f"-oProxyCommand={touch}",
        f"ext::sh -c {touch.replace(' ', '% ')}",
        f"ext::{touch}",
        "fd::17",
        "fd::17/x",
        "a-b::x",
        "https::http://example.org",
        f"ssh://-oProxyCommand={touch}/x",
        f"ssh://-oProxyCommand={touch.replace(' ', '%20')}/x",
        f"ssh://git@-oProxyCommand={touch.replace(' ', '$IFS')}/x",
        f"-oProxyCommand={touch}:x",
        f"git@-oProxyCommand={touch}:x",
        "example.org:-oProxyCommand=x",
        f"ssh://example.org/--upload-pack={touch}",
        "http://example.org/source",
        "http://10.0.0.1/source",
        "http://localhost.example.org/source",
        "http://127.0.0.1@example.org/source",
        "http://example.org\\@127.0.0.1/source",
        "http://127.0.0.1.example.org/source",
        "git://example.org/source",
        "ftp://example.org/source",
        "javascript://x/y",
        "file://example.org/etc",
        "https://",
        "https:///x",
        "https://example.org:99999/x",
        "https://[::1/x",
        "https://exa mple.org/x",
        "https://example.org/x\nHost: y",
        "//example.org/x",
        "",
        " ",
        "nowhere",
        "../../../../nowhere",
        "x" * 3000,
    ]


def test_no_address_is_an_option_a_helper_or_plain_http_elsewhere(sentinel: Path) -> None:
    for address in hostile_addresses(sentinel):
        with pytest.raises(RegistryError) as caught:
            urls.parse(address)
        assert caught.value.fix, address


def test_hostile_addresses_run_nothing_wherever_they_are_given(lab: Lab, reg: Repo, sentinel: Path) -> None:
    for number, address in enumerate(hostile_addresses(sentinel)):
        before = files_below(reg.path)
        with pytest.raises(RegistryError):
            registry.link("lr", "m", source_project=address, rev="v1", project=reg.path)
        if address.strip():
            with pytest.raises(RegistryError):
                registry.load("m", project=address)
        assert files_below(reg.path) == before
        add_text(reg, PINNED.format(path="lr.mlem", project=json.dumps(address)), version=f"v0.0.{number}")
        with pytest.raises(RegistryError):
            registry.load("m", version=f"v0.0.{number}", project=reg.path)
        assert not sentinel.exists(), address
    assert not lab.cache.exists()


def test_the_command_line_treats_options_in_values_as_values(reg: Repo, sentinel: Path) -> None:
    first, *others = hostile_addresses(sentinel)[:8]
    refused(reg.registry("link", f"--source-project={first}", "--rev=v1", "lr", "m", check=False))
    for address in (first, *others):
        refused(registry_here(reg.path, "link", f"--source-project={address}", "--rev=v1", "lr", "m"))
        refused(registry_here(reg.path, "load", "m", f"--repo={address}"))
    assert not sentinel.exists()


HOSTILE_REVISIONS = [
    "--upload-pack=touch x",
    "-v1",
    "v1..main",
    "v1...main",
    "main@{upstream}",
    "v1^{tree}",
    ":README.md",
    "v1:README.md",
    ":/commit",
    "HEAD",
    "@",
    "v1~1",
    "refs/tags/../heads/main",
    "v1\n--all",
    "v1\x00",
    "*",
    "refs/*",
    "v1 main",
    "",
    "x" * 251,
]


@pytest.mark.parametrize("way", ["path", "http"])
def test_revisions_that_are_no_names_of_branches_or_tags_are_refused(
    lab: Lab, http: Http, source: Repo, reg: Repo, way: str
) -> None:
    url = f"{http(served(lab, source)).url}/source.git" if way == "http" else source.url
    before, kept = files_below(reg.path), files_below(source.path)
    for revision in HOSTILE_REVISIONS:
        with pytest.raises(RegistryError) as caught:
            registry.link("lr", "m", source_project=url, rev=revision, project=reg.path)
        assert caught.value.fix, revision
    assert files_below(reg.path) == before
    assert files_below(source.path) == kept


PATHS = [
    "../lr",
    "/etc/passwd",
    "a/../../lr",
    "a\\..\\lr",
    "-lr",
    "..",
    "a/..",
    "lr\nx",
    "lr\x1b[2J",
    "C:\\lr",
    ".git/config",
]


@pytest.mark.parametrize("path", [*PATHS, "*", "l?", ":lr", ":(top)lr"])
def test_paths_out_of_the_source_are_refused(source: Repo, reg: Repo, path: str) -> None:
    before = files_below(reg.path)
    with pytest.raises(RegistryError) as caught:
        registry.link(path, "m", source_project=source.url, rev="v1", project=reg.path)
    assert caught.value.fix
    assert files_below(reg.path) == before


@pytest.mark.parametrize("path", [path for path in PATHS if path != "-lr"])
@pytest.mark.parametrize("cached", [True, False])
def test_a_links_path_out_of_the_source_is_refused(lab: Lab, source: Repo, reg: Repo, path: str, cached: bool) -> None:
    """Also where every byte is in the cache already and the source is not asked."""
    add(reg, source.url)
    if cached:
        registry.load("m", project=reg.path)
    edit_link(reg, "path: lr.mlem\n", f"path: {json.dumps(path)}\n")
    with pytest.raises(RegistryError) as caught:
        registry.fetch("m", version="v9.0.0", project=reg.path, to=lab.root / "out")
    assert caught.value.where
    assert not (lab.root / "out").exists()


URIS = [
    "../outside",
    "/etc/passwd",
    "a/../../x",
    "",
    ".",
    "a/",
    "..",
    "C:x",
    "file:///etc/passwd",
    "https://example.org/x",
    "a\\..\\x",
    ".git/config",
    "a/.GIT/x",
    "x\x00y",
    "x\ny",
]


@pytest.mark.parametrize("uri", URIS)
def test_a_metafiles_uri_out_of_its_folder_is_refused(lab: Lab, reg: Repo, uri: str) -> None:
    files = saved()
    metafile = files["lr.mlem"].replace(b"uri: lr\n", f"uri: {json.dumps(uri)}\n".encode())
    assert metafile != files["lr.mlem"]
    source = make_source(lab, "escaping", {"models/lr.mlem": metafile, "models/lr": files["lr"], "outside": b"x"})
    with pytest.raises(RegistryError) as caught:
        registry.link("models/lr", "m", source_project=source.url, rev="v1", project=reg.path)
    assert caught.value.where
    assert caught.value.fix
    assert not (reg.path / ".mlem/links").exists()


def test_a_pinned_metafile_that_leaves_its_folder_is_refused_at_load(lab: Lab, source: Repo, reg: Repo) -> None:
    import hashlib

    metafile = saved()["lr.mlem"].replace(b"uri: lr\n", b"uri: ../../../escaped\n")
    source.commit({"bad.mlem": metafile})
    link = add(reg, source.url)
    for old, new in (
        (link.params["metafile.sha256"], hashlib.sha256(metafile).hexdigest()),
        (link.params["metafile.blob"], source.rev("HEAD:bad.mlem")),
    ):
        edit_link(reg, old, new, version="v9.0.0" if old == link.params["metafile.sha256"] else "v9.0.1")
    with pytest.raises(Refused) as caught:
        registry.fetch("m", version="v9.0.1", project=reg.path, to=lab.root / "a/b/out")
    assert caught.value.reason == "path-contained"
    assert not (lab.root / "a").exists()


def with_entry(repo: Repo, mode: str, path: str, target: str = "") -> None:
    """Commit a tree entry of any mode, tagged `v1` anew."""
    oid = repo.rev("HEAD") if mode == "160000" else repo.git("hash-object", "-w", "--stdin", input=target)
    repo.git("rm", "-r", "--quiet", "--cached", "--ignore-unmatch", path)
    repo.git("update-index", "--add", "--cacheinfo", f"{mode},{oid},{path}")
    repo.git("commit", "--quiet", "--message", "entry")
    repo.git("tag", "--delete", "v1")
    repo.tag("v1")


@pytest.mark.parametrize("way", ["path", "http"])
@pytest.mark.parametrize(("mode", "said"), [("120000", "a symlink"), ("160000", "a submodule"), ("040000", "a folder")])
@pytest.mark.parametrize("path", ["lr", "lr.mlem"])
def test_a_symlink_submodule_or_folder_is_no_file_of_a_model(
    lab: Lab, http: Http, source: Repo, reg: Repo, way: str, mode: str, said: str, path: str
) -> None:
    if mode == "040000":
        source.git("rm", "--quiet", "--cached", path)
        with_entry(source, "100644", f"{path}/inside", "x")
    else:
        with_entry(source, mode, path, "/etc/passwd")
    url = f"{http(served(lab, source)).url}/source.git" if way == "http" else source.url
    with pytest.raises(Refused) as caught:
        registry.link("lr.mlem", "m", source_project=url, rev="v1", project=reg.path)
    assert caught.value.reason == "path-contained"
    assert said in caught.value.what
    assert not (reg.path / ".mlem/links").exists()


def test_a_symlinked_folder_in_a_tree_is_not_followed(lab: Lab, reg: Repo) -> None:
    source = make_source(lab, "folders", {f"models/{name}": data for name, data in saved().items()})
    with_entry(source, "120000", "alias", "models")
    with pytest.raises(NotFound, match="no file alias/lr"):
        registry.link("alias/lr", "m", source_project=source.url, rev="v1", project=reg.path)


@pytest.mark.parametrize(("mode", "said"), [("120000", "a symlink"), ("160000", "a submodule")])
def test_a_link_file_that_is_no_file_is_refused(source: Repo, reg: Repo, mode: str, said: str) -> None:
    add(reg, source.url)
    (reg.path / "real.mlem").write_text(link_text(reg))
    (reg.path / ".mlem/links/m.mlem").unlink()
    reg.tag("v1")
    with_entry(reg, mode, ".mlem/links/m.mlem", "../../real.mlem")
    reg.tag("m@v2.0.0")
    with pytest.raises(Refused) as caught:
        registry.load("m", version="v2.0.0", project=reg.path)
    assert caught.value.reason == "path-contained"
    assert said in caught.value.what


def test_a_link_behind_a_symlinked_folder_is_not_found(source: Repo, reg: Repo) -> None:
    add(reg, source.url)
    reg.git("mv", ".mlem/links", "elsewhere")
    reg.commit()
    reg.tag("v1")
    with_entry(reg, "120000", ".mlem/links", "../elsewhere")
    reg.tag("m@v2.0.0")
    with pytest.raises(NotFound, match="has no link"):
        registry.load("m", version="v2.0.0", project=reg.path)


@pytest.mark.parametrize(
    "text",
    [
        b"a: &a [x]\nb: *a\n",
        b"object_type: link\npath: a\npath: b\n",
        b"object_type: link\npath: \xff\xfe\n",
        b"#" * (LIMIT + 1),
        b"object_type: !!python/object/apply:os.system ['touch executed']\n",
        b"object_type: subprocess.Popen\npath: a\n",
        b"object_type: model\nmodel_type: {type: os.system}\n",
        b"{" * 10_000,
        b"- " * 10_000,
        b"\x00",
        b"",
    ],
    ids=range(11),
)
def test_a_hostile_link_file_is_one_error_that_names_it(
    reg: Repo, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_text(reg, text)
    monkeypatch.chdir(reg.path)
    with pytest.raises(RegistryError) as caught:
        registry.load("m", project=reg.path)
    assert ".mlem/links/m.mlem" in caught.value.where
    assert not (reg.path / "executed").exists()


def link_and_load(reg: Repo, url: str, rev: str, version: str) -> None:
    add(reg, url, rev=rev, version=version)
    registry.load("m", version=version, project=reg.path)


def test_metafiles_that_name_code_are_data(lab: Lab, reg: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    source = lab.repo("code")
    source.write({"evil.py": "open('executed', 'w')\n"})
    monkeypatch.chdir(source.path)
    metafile = saved()["lr.mlem"].decode()
    for number, (old, new) in enumerate(
        [
            ("object_type: model", "object_type: evil.Model"),
            ("type: sklearn", "type: evil.Model"),
            ("object_type: model", "object_type: model\nextra: !!python/name:evil.x ''"),
        ]
    ):
        assert old in metafile
        source.commit({"lr": saved()["lr"], "lr.mlem": metafile.replace(old, new, 1)})
        source.tag(f"v{number}")
        with pytest.raises(RegistryError):
            link_and_load(reg, source.url, f"v{number}", f"v0.0.{number}")
        assert not (source.path / "executed").exists()


def test_a_missing_artifact_is_not_found(lab: Lab, reg: Repo) -> None:
    source = make_source(lab, "half", {"lr.mlem": saved()["lr.mlem"]})
    with pytest.raises(NotFound) as caught:
        registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    assert "no file lr" in caught.value.what


def test_a_git_lfs_pointer_is_refused_with_the_reason(lab: Lab, reg: Repo) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"
    source = make_source(lab, "lfs", {"lr.mlem": saved()["lr.mlem"], "lr": pointer})
    with pytest.raises(Refused) as caught:
        registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    assert "Git LFS pointer" in caught.value.what
    assert caught.value.fix


@pytest.mark.parametrize("way", ["path", "http"])
def test_replace_refs_of_the_source_change_nothing(lab: Lab, http: Http, source: Repo, way: str) -> None:
    good = source.rev("HEAD")
    evil = source.commit(dict(saved(6.0)))
    source.git("reset", "--quiet", "--hard", good)
    source.git("replace", good, evil)
    source.git(
        "replace",
        "-f",
        source.git("rev-parse", f"{good}:lr", env={"GIT_NO_REPLACE_OBJECTS": "1"}),
        source.rev(f"{evil}:lr"),
    )
    assert source.git("cat-file", "-p", f"{good}:lr.mlem") == saved(6.0)["lr.mlem"].decode().removesuffix("\n")
    url = f"{http(served(lab, source)).url}/source.git" if way == "http" else source.url
    made = make_registry(lab)
    link = add(made, url)
    assert link.commit == good
    assert slope(registry.load("m", project=made.path)) == 1.0


def test_replace_refs_of_the_registry_change_nothing(source: Repo, reg: Repo) -> None:
    add(reg, source.url)
    good = reg.rev("HEAD")
    source.commit(dict(saved(6.0)))
    source.tag("v2")
    registry.link("lr", "m", source_project=source.url, rev="v2", project=reg.path)
    reg.git("replace", good, reg.commit({"x": ""}))
    assert slope(registry.load("m", version="v1.0.0", project=reg.path)) == 1.0


def test_grafts_of_the_source_change_no_content(source: Repo, reg: Repo) -> None:
    evil = source.commit(dict(saved(6.0)))
    good = source.rev("v1^{commit}")
    (source.git_dir / "info").mkdir(exist_ok=True)
    (source.git_dir / "info/grafts").write_text(f"{good} {evil}\n")
    add(reg, source.url)
    assert slope(registry.load("m", project=reg.path)) == 1.0


def test_hooks_settings_and_filters_of_a_repository_are_not_run(
    lab: Lab, source: Repo, reg: Repo, sentinel: Path
) -> None:
    add(reg, source.url)
    for repo in (source, reg):
        with (repo.git_dir / "config").open("a") as config:
            config.write(
                f"[core]\n\tfsmonitor = touch {sentinel}\n\tsshCommand = touch {sentinel}\n\tpager = touch {sentinel}\n"
                f'[filter "x"]\n\tsmudge = touch {sentinel}\n\tclean = touch {sentinel}\n'
                f"[uploadpack]\n\tpackObjectsHook = touch {sentinel}\n"
                f'[remote "origin"]\n\turl = ext::touch% {sentinel}\n\tpromisor = true\n\tuploadpack = touch {sentinel}\n'
                f"[alias]\n\tcat-file = !touch {sentinel}\n\tls-tree = !touch {sentinel}\n"
            )
        for hook in ("post-checkout", "reference-transaction", "pre-commit", "post-index-change"):
            path = repo.git_dir / "hooks" / hook
            path.write_text(f"#!/bin/sh\ntouch {sentinel}\n")
            path.chmod(0o755)
        (repo.path / ".gitattributes").write_text("* filter=x\n")
    shutil.rmtree(lab.cache, ignore_errors=True)
    assert slope(registry.load("m", project=reg.path)) == 1.0
    registry.link("lr", "n", source_project=source.url, rev="v1", project=reg.path)
    oid = source.rev("v1:lr")
    (source.git_dir / "objects" / oid[:2] / oid[2:]).unlink()
    shutil.rmtree(lab.cache)
    with pytest.raises(RegistryError):  # a missing object is asked of no remote
        registry.load("m", project=reg.path)
    assert not sentinel.exists()


@pytest.mark.parametrize(
    "url",
    [
        "https://dana:secret@example.org/x",
        "https://token-secret@example.org/x",
        "http://dana:secret@127.0.0.1/x",
        "ssh://dana:secret@example.org/x",
    ],
)
def test_credentials_in_links_are_refused_and_never_printed(reg: Repo, url: str) -> None:
    ran = reg.registry("link", "--source-project", url, "--rev", "v1", "lr", "m", check=False)
    assert "(secrets)" in refused(ran)
    assert "secret@" not in ran.stderr
    add_text(reg, PINNED.format(path="lr.mlem", project=url))
    ran = reg.registry("load", "m", check=False)
    assert "(secrets)" in refused(ran)
    assert "secret@" not in ran.stderr
    assert ".mlem/links/m.mlem" in ran.stderr or "***@" in ran.stderr


def test_fetch_writes_through_no_symlink_below_its_folder(lab: Lab, reg: Repo) -> None:
    metafile = saved()["lr.mlem"].replace(b"uri: lr\n", b"uri: sub/lr\n")
    source = make_source(lab, "subs", {"lr.mlem": metafile, "sub/lr": saved()["lr"]})
    add(reg, source.url)
    outside = lab.root / "outside"
    outside.mkdir()
    (outside / "lr").write_text("precious")
    (outside / "file").write_text("precious")
    out = lab.root / "out"
    out.mkdir()
    (out / "sub").symlink_to(outside)
    with pytest.raises(Refused) as caught:
        registry.fetch("m", project=reg.path, to=out)
    assert caught.value.reason == "path-contained"
    assert [path.name for path in out.iterdir()] == ["sub"]
    (out / "sub").unlink()
    (out / "sub").mkdir()
    for name in ("sub/lr", "sub/lr.partial", "lr.mlem"):
        (out / name).symlink_to(outside / "file")
    registry.fetch("m", project=reg.path, to=out)
    assert files_below(outside) == {"lr": b"precious", "file": b"precious"}
    assert (out / "sub/lr").read_bytes() == saved()["lr"]
    assert not (out / "sub/lr").is_symlink()
    elsewhere = lab.root / "elsewhere"
    elsewhere.symlink_to(outside)  # the folder that was named may be a symlink: its owner chose it
    assert (registry.fetch("m", project=reg.path, to=elsewhere) / "lr.mlem").is_file()


def test_an_artifact_named_like_its_metafile_does_not_replace_it(lab: Lab, reg: Repo) -> None:
    metafile = saved()["lr.mlem"].replace(b"uri: lr\n", b"uri: lr.mlem\n")
    source = make_source(lab, "selfish", {"lr.mlem": metafile})
    with pytest.raises(RegistryError):
        registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)


def test_a_name_that_is_no_utf8_in_a_source_hurts_no_other(lab: Lab, source: Repo, reg: Repo) -> None:
    (Path(os.fsdecode(os.fsencode(source.path) + b"/\xff\xfe"))).write_text("x")
    source.git("add", "--all")
    source.commit()
    source.git("tag", "-d", "v1")
    source.tag("v1")
    add(reg, source.url)
    assert slope(registry.load("m", project=reg.path)) == 1.0
