"""`link` pins what it found, verified, and writes nothing where anything is wrong."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, Repo
from linked import add, files_below, link_of, link_text, make_registry, make_source, saved, served, slope

import registry
from registry.errors import NotFound, Refused, RegistryError

Http = Callable[..., Any]


@pytest.fixture
def source(lab: Lab) -> Repo:
    return make_source(lab)


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_registry(lab)


def test_writes_path_project_revision_commit_and_the_digest_and_blob_of_each_file(source: Repo, reg: Repo) -> None:
    done = registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    files = saved()
    blob, meta = source.rev("v1:lr"), source.rev("v1:lr.mlem")
    assert done.path == reg.path / ".mlem/links/m.mlem"
    assert done.path.read_text() == (
        "link_type: model\nobject_type: link\nparams:\n"
        f"  artifact.data.blob: {blob}\n"
        f"  artifact.data.sha256: {hashlib.sha256(files['lr']).hexdigest()}\n"
        f"  commit: {source.rev('v1^{commit}')}\n"
        f"  metafile.blob: {meta}\n"
        f"  metafile.sha256: {hashlib.sha256(files['lr.mlem']).hexdigest()}\n"
        f"path: lr.mlem\nproject: {source.url}\nrev: v1\n"
    )


def test_nothing_is_committed_and_nothing_else_is_written(source: Repo, reg: Repo) -> None:
    head = reg.rev("HEAD")
    registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    assert reg.rev("HEAD") == head
    assert reg.git("status", "--porcelain", "-uall").split("\n") == [
        "?? .mlem/lineage/m.json",
        "?? .mlem/links/m.mlem",
    ]


def test_the_link_is_readable_by_whom_the_umask_lets(source: Repo, reg: Repo) -> None:
    before = os.umask(0o027)
    try:
        done = registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    finally:
        os.umask(before)
    assert done.path.stat().st_mode & 0o777 == 0o640


def test_a_second_link_replaces_the_first(source: Repo, reg: Repo) -> None:
    add(reg, source.url)
    source.commit(dict(saved(2.0)))
    source.tag("v2")
    add(reg, source.url, rev="v2", version="v2.0.0")
    assert link_of(reg).rev == "v2"
    assert slope(registry.load("m", project=reg.path)) == 2.0


@pytest.mark.parametrize("kind", ["annotated", "lightweight", "branch", "commit", "full ref"])
def test_the_commit_is_pinned_whatever_names_it(lab: Lab, source: Repo, reg: Repo, kind: str) -> None:
    commit = source.rev("HEAD")
    source.lightweight("light")
    rev = {"annotated": "v1", "lightweight": "light", "branch": "main", "commit": commit, "full ref": "refs/tags/v1"}[
        kind
    ]
    done = registry.link("lr", "m", source_project=source.url, rev=rev, project=reg.path)
    assert (done.link.commit, done.link.rev) == (commit, rev)


def test_a_tag_wins_over_a_branch_of_the_same_name(source: Repo, reg: Repo) -> None:
    first = source.rev("HEAD")
    source.git("branch", "both")
    source.tag("both")
    source.git("checkout", "--quiet", "refs/heads/both")
    source.git("checkout", "--quiet", "-B", "both")
    source.commit({"more": "x"})
    done = registry.link("lr", "m", source_project=source.url, rev="both", project=reg.path)
    assert (done.link.commit, done.revision.kind) == (first, "tag")


def test_a_path_with_blanks_and_percent_signs_is_linked_and_loaded(lab: Lab, reg: Repo) -> None:
    source = make_source(lab, "a source%20 #1 ?é")
    add(reg, str(source.path))
    assert "#" not in (link_of(reg).project or "")
    assert slope(registry.load("m", project=reg.path)) == 1.0


def test_a_relative_source_is_written_as_a_whole_address(lab: Lab, source: Repo, reg: Repo) -> None:
    ran = reg.registry("link", "--source-project", "../source", "--rev", "v1", "lr", "m")
    assert "wrote " in ran.stdout
    assert link_of(reg).project == source.url


def test_names_with_folders_and_models_in_folders(lab: Lab, reg: Repo) -> None:
    source = make_source(lab, "deep", {f"models/a/{name}": data for name, data in saved().items()})
    done = registry.link("models/a/lr", "team/m", source_project=source.url, rev="v1", project=reg.path)
    assert done.path == reg.path / ".mlem/links/team/m.mlem"
    assert done.link.path == "models/a/lr.mlem"


@pytest.mark.parametrize("given", ["lr", "lr.mlem", "./lr", "./lr.mlem"])
def test_the_model_may_be_named_with_and_without_extension(source: Repo, reg: Repo, given: str) -> None:
    assert registry.link(given, "m", source_project=source.url, rev="v1", project=reg.path).link.path == "lr.mlem"


@pytest.mark.parametrize("extension", [".mlem", ".mlem.yaml"])
def test_models_in_the_layout_of_mlem_0_1_and_0_2_are_found(lab: Lab, reg: Repo, extension: str) -> None:
    files = {f".mlem/model/lr{extension}": saved()["lr.mlem"], ".mlem/model/lr": saved()["lr"]}
    source = make_source(lab, "old", files)
    add(reg, source.url)
    assert link_of(reg).path == f".mlem/model/lr{extension}"
    assert slope(registry.load("m", project=reg.path)) == 1.0


def test_over_http_the_same_pins_are_written(lab: Lab, http: Http, source: Repo, reg: Repo) -> None:
    local = registry.link("lr", "local", source_project=source.url, rev="v1", project=reg.path).link
    server = http(served(lab, source))
    remote = registry.link("lr", "m", source_project=f"{server.url}/source.git", rev="v1", project=reg.path).link
    assert remote.params == local.params
    assert remote.project == f"{server.url}/source.git"


def test_a_commit_behind_the_tip_is_linked_over_http(lab: Lab, http: Http, source: Repo, reg: Repo) -> None:
    source.git("tag", "-d", "v1")
    commit = source.rev("HEAD")
    source.commit({"more": "x"})
    server = http(served(lab, source))
    done = registry.link("lr", "m", source_project=f"{server.url}/source.git", rev=commit, project=reg.path)
    assert done.link.commit == commit


@pytest.mark.parametrize("way", ["path", "http"])
def test_a_commit_that_no_branch_or_tag_holds_is_refused(
    lab: Lab, http: Http, source: Repo, reg: Repo, way: str
) -> None:
    main = source.rev("HEAD")
    loose = source.commit({"more": "x"})
    source.git("update-ref", "refs/pull/1/head", loose)
    source.git("reset", "--quiet", "--hard", main)
    url = f"{http(served(lab, source)).url}/source.git" if way == "http" else source.url
    with pytest.raises(Refused) as caught:
        registry.link("lr", "m", source_project=url, rev=loose, project=reg.path)
    assert caught.value.reason == "commit-reachable"
    assert not (reg.path / ".mlem/links").exists()


def test_a_branch_that_was_deleted_at_the_source_reaches_nothing_any_more(
    lab: Lab, http: Http, source: Repo, reg: Repo
) -> None:
    old = source.rev("HEAD")
    source.git("tag", "-d", "v1")
    source.git("checkout", "--quiet", "-b", "side")
    first = source.commit({"more": "x"})
    source.commit({"more": "y"})
    bare = lab.root / "served/source.git"
    url = f"{http(served(lab, source)).url}/source.git"
    registry.link("lr", "m", source_project=url, rev=first, project=reg.path)
    lab.run("git", "update-ref", "-d", "refs/heads/side", cwd=bare)
    lab.run("git", "update-ref", "refs/pull/1/head", first, cwd=bare)
    lab.run("git", "update-ref", "refs/heads/side/a", old, cwd=bare)
    with pytest.raises(Refused) as caught:
        registry.link("lr", "n", source_project=url, rev=first, project=reg.path)
    assert caught.value.reason == "commit-reachable"


def wrong(reg: Repo, call: Callable[[], object]) -> RegistryError:
    """The error of a call, which must leave the registry as it was."""
    before = files_below(reg.path)
    with pytest.raises(RegistryError) as caught:
        call()
    assert files_below(reg.path) == before
    assert caught.value.what
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize(
    ("model", "rev", "said"),
    [
        ("nope", "v1", "no file nope.mlem"),
        ("lr", "v7", "no tag or branch 'v7'"),
        ("lr", "f" * 40, "does not have commit"),
    ],
)
@pytest.mark.parametrize("way", ["path", "http"])
def test_what_is_not_there_is_not_found(
    lab: Lab, http: Http, source: Repo, reg: Repo, way: str, model: str, rev: str, said: str
) -> None:
    url = f"{http(served(lab, source)).url}/source.git" if way == "http" else source.url
    error = wrong(reg, lambda: registry.link(model, "m", source_project=url, rev=rev, project=reg.path))
    assert isinstance(error, NotFound)
    assert said in error.what


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"size: ", b"size: 1", "has size"),
        (b"hash: ", b"hash: f", "has MD5"),
        (b"artifact.data.sha256: ", b"artifact.data.sha256: 0", "has SHA-256"),
    ],
)
def test_an_artifact_that_is_not_what_its_metafile_says_is_refused(
    lab: Lab, reg: Repo, old: bytes, new: bytes, said: str
) -> None:
    files = saved()
    assert old in files["lr.mlem"]
    source = make_source(lab, "altered", {**files, "lr.mlem": files["lr.mlem"].replace(old, new)})
    error = wrong(reg, lambda: registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path))
    assert isinstance(error, Refused)
    assert error.reason == "digest-matches"
    assert said in error.what


def test_an_artifact_that_no_store_holds_is_not_found(lab: Lab, reg: Repo) -> None:
    source = make_source(lab, "half", {"lr.mlem": saved()["lr.mlem"], ".gitignore": b"lr\n"})
    error = wrong(reg, lambda: registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path))
    assert "no store holds artifact 'data'" in error.what


def test_a_link_to_a_link_is_refused(lab: Lab, reg: Repo) -> None:
    source = make_source(lab, "chain", {"lr.mlem": b"object_type: link\npath: other.mlem\nproject: ../other\n"})
    error = wrong(reg, lambda: registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path))
    assert "object_type is 'link'" in error.what


def test_a_folder_without_mlem_a_url_and_a_subfolder_are_no_place_for_links(lab: Lab, source: Repo, reg: Repo) -> None:
    plain = lab.repo("plain")
    for project, said in (
        (plain.path, "no .mlem"),
        ("https://example.org/x", "into a folder"),
        (reg.path / "sub", "root"),
    ):
        if project == reg.path / "sub":
            (reg.path / "sub/.mlem").mkdir(parents=True)
        error = wrong(
            reg, lambda project=project: registry.link("lr", "m", source_project=source.url, rev="v1", project=project)
        )
        assert said in error.what


@pytest.mark.parametrize("older", [".mlem/link/m.mlem", ".mlem/link/m.mlem.yaml", "m.mlem"])
def test_an_artifact_is_not_linked_twice_in_two_layouts(source: Repo, reg: Repo, older: str) -> None:
    reg.commit({older: "object_type: link\npath: a\n"})
    error = wrong(reg, lambda: registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path))
    assert "older layout" in error.what


@pytest.mark.parametrize(
    "name", ["../m", "/m", "a//m", "a/../../m", "-m", ".m", "m.lock", "", "m\n", "m@v1", "a\\b", "é"]
)
def test_artifact_names_that_are_no_names_are_refused(source: Repo, reg: Repo, name: str) -> None:
    error = wrong(reg, lambda: registry.link("lr", name, source_project=source.url, rev="v1", project=reg.path))
    assert "not an artifact name" in error.what


def test_a_symlinked_folder_in_the_registry_is_not_written_through(lab: Lab, source: Repo, reg: Repo) -> None:
    outside = lab.root / "outside"
    outside.mkdir()
    (reg.path / ".mlem/links").symlink_to(outside)
    error = wrong(reg, lambda: registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path))
    assert isinstance(error, Refused)
    assert list(outside.iterdir()) == []


def test_a_symlink_in_place_of_the_link_is_replaced_and_its_target_kept(lab: Lab, source: Repo, reg: Repo) -> None:
    outside = lab.root / "outside.mlem"
    outside.write_text("precious\n")
    (reg.path / ".mlem/links").mkdir()
    (reg.path / ".mlem/links/m.mlem").symlink_to(outside)
    registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    assert outside.read_text() == "precious\n"
    assert link_of(reg).rev == "v1"


def test_a_folder_that_cannot_be_written_is_one_error(source: Repo, reg: Repo) -> None:
    (reg.path / ".mlem/links").write_text("a file\n")
    error = wrong(reg, lambda: registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path))
    assert "cannot be written" in error.what


def test_the_command_says_what_was_pinned_and_warns_of_a_branch(source: Repo, reg: Repo) -> None:
    arguments = ("link", "--source-project", str(source.path), "lr", "m", "--rev")
    ran = reg.registry(*arguments, "v1")
    commit = source.rev("v1^{commit}")
    assert f"tag v1 is commit {commit}" in ran.stdout
    assert ran.stderr == ""
    assert "main is no tag" in reg.registry(*arguments, "main").stderr
    assert reg.registry(*arguments, "v1", "--json").json["link"]["params"]["commit"] == commit


def test_init_makes_a_repository_only_where_there_is_none(lab: Lab) -> None:
    folder = lab.root / "new"
    assert folder / ".mlem/config.yaml" in registry.init(folder)
    assert (folder / ".git").is_dir()
    assert registry.init(folder) == []
    (folder / "sub").mkdir()
    with pytest.raises(RegistryError, match="root a registry must be"):
        registry.init(folder / "sub")
    bare = lab.repo("bare", bare=True)
    with pytest.raises(RegistryError, match="bare"):
        registry.init(bare.path)
    assert not (bare.path / ".mlem").exists()
    (lab.root / "file").write_text("")
    assert lab.registry("init", str(lab.root / "file"), check=False).code == 2
    assert lab.registry("init", str(lab.root / "file/below"), check=False).code == 1


def test_the_text_of_a_link_is_stable(source: Repo, reg: Repo) -> None:
    add(reg, source.url)
    first = link_text(reg)
    add(reg, source.url, version="v1.0.1")
    assert link_text(reg) == first
    assert Path(reg.path, ".mlem/links/m.mlem").read_bytes().endswith(b"rev: v1\n")
