"""From a name to what is pinned: by stage, version, revision or latest; refused where anything is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lab import Lab, Repo
from linked import (
    add,
    add_text,
    commit_version,
    edit_link,
    link_of,
    link_text,
    make_registry,
    make_source,
    saved,
    served,
)

import registry
from registry.api.resolving import DeprecatedArtifact
from registry.errors import NotFound, Refused, RegistryError

Http = Callable[..., Any]


@pytest.fixture
def source(lab: Lab) -> Repo:
    return make_source(lab)


@pytest.fixture
def reg(lab: Lab, source: Repo) -> Repo:
    """Versions 1.0.0 (in prod) and 2.0.0 (in staging), of `v1` and `v2` of the source."""
    made = make_registry(lab)
    add(made, source.url, stage="prod")
    source.commit(dict(saved(2.0)))
    source.tag("v2")
    add(made, source.url, rev="v2", version="v2.0.0", stage="staging")
    return made


@pytest.fixture(params=["path", "file", "http"])
def project(request: pytest.FixtureRequest, lab: Lab, http: Http, source: Repo, reg: Repo) -> str:
    """The registry's address; served over HTTP its links name the source by HTTP too."""
    if request.param != "http":
        return str(reg.path) if request.param == "path" else reg.url
    url = http(served(lab, source)).url
    linked = make_registry(lab, "web")
    add(linked, f"{url}/source.git", stage="prod")
    add(linked, f"{url}/source.git", rev="v2", version="v2.0.0", stage="staging")
    served(lab, linked)
    return f"{url}/web.git"


def test_by_stage_version_revision_and_latest(project: str) -> None:
    prod = registry.resolve("m", stage="prod", project=project)
    assert (prod.version, prod.stage, prod.tag, prod.link.rev) == ("v1.0.0", "prod", "m#prod#1", "v1")
    first = registry.resolve("m", version="v1.0.0", project=project)
    assert (first.version, first.stage, first.tag) == ("v1.0.0", None, "m@v1.0.0")
    assert (first.commit, first.link_blob, first.artifacts) == (prod.commit, prod.link_blob, prod.artifacts)
    newest = registry.resolve("m", project=project)
    assert (newest.version, newest.tag, newest.link.rev) == ("v2.0.0", "m@v2.0.0", "v2")
    by_tag = registry.resolve("m", rev="m@v1.0.0", project=project)
    assert (by_tag.version, by_tag.tag, by_tag.commit) == (None, None, prod.commit)
    assert registry.resolve("m", rev="main", project=project).commit == newest.commit


def test_the_pins_are_those_of_the_link(reg: Repo, source: Repo) -> None:
    found = registry.resolve("m", stage="staging", project=reg.path)
    assert found.source_commit == source.rev("v2^{commit}")
    assert found.metafile == link_of(reg).metafile
    assert dict(found.artifacts) == dict(link_of(reg).artifacts)
    assert (found.link_path, found.link_blob) == (".mlem/links/m.mlem", reg.rev("HEAD:.mlem/links/m.mlem"))
    assert found.tag_oid == reg.rev("refs/tags/m#staging#2")
    assert found.source.text == str(source.path)


def test_a_moved_stage_is_seen_at_once(project: str, lab: Lab) -> None:
    assert registry.resolve("m", stage="prod", project=project).version == "v1.0.0"
    if project.startswith("http"):
        work = lab.clone(project, "work")
        work.tag("m#prod#3", "m@v2.0.0^{commit}")
        work.git("push", "--quiet", "origin", "m#prod#3")
    else:
        Repo(lab, lab.root / "reg").tag("m#prod#3", "m@v2.0.0^{commit}")
    assert registry.resolve("m", stage="prod", project=project).version == "v2.0.0"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"stage": "dev"}, "stages in use: prod, staging"),
        ({"version": "v7.0.0"}, "not registered; newest: v2.0.0, v1.0.0"),
        ({"rev": "nope"}, "no commit is named 'nope'"),
    ],
)
def test_nothing_found_says_what_there_is(project: str, asked: dict[str, str], said: str) -> None:
    with pytest.raises(NotFound) as caught:
        registry.resolve("m", **asked, project=project)
    assert said in caught.value.what
    assert caught.value.fix


def test_unknown_artifacts_and_projects_are_not_found(project: str, lab: Lab) -> None:
    with pytest.raises(NotFound, match="no artifact 'other'"):
        registry.resolve("other", project=project)
    with pytest.raises(NotFound, match="no such folder"):
        registry.resolve("m", project=lab.root / "nowhere")


@pytest.mark.parametrize(
    "asked",
    [
        {"stage": "a b"},
        {"stage": ""},
        {"version": "1"},
        {"version": "v1"},
        {"rev": "--all"},
        {"rev": "a..b"},
        {"rev": ""},
    ],
)
def test_what_is_no_stage_version_or_revision_is_one_error(project: str, asked: dict[str, str]) -> None:
    with pytest.raises(RegistryError) as caught:
        registry.resolve("m", **asked, project=project)
    assert caught.value.fix


def test_stage_version_and_revision_exclude_each_other(reg: Repo) -> None:
    with pytest.raises(RegistryError, match="exclude each other"):
        registry.resolve("m", stage="prod", version="v1.0.0", project=reg.path)


def test_a_deprecated_artifact_warns_with_its_reason(reg: Repo) -> None:
    reg.tag("m@deprecated", message="replaced by n")
    with pytest.warns(DeprecatedArtifact, match="replaced by n"):
        assert registry.resolve("m", stage="prod", project=reg.path).version == "v1.0.0"


def test_a_deregistered_version_is_refused_and_latest_goes_back(reg: Repo) -> None:
    reg.tag("m@v2.0.0!", "m@v2.0.0^{commit}")
    with pytest.raises(RegistryError, match=r"v2\.0\.0 of 'm' was deregistered"):
        registry.resolve("m", version="v2.0.0", project=reg.path)
    assert registry.resolve("m", project=reg.path).version == "v1.0.0"
    with pytest.raises(NotFound, match="nothing of 'm' is in stage 'staging'"):
        registry.resolve("m", stage="staging", project=reg.path)


def test_latest_prefers_a_release_over_a_greater_prerelease(reg: Repo) -> None:
    reg.tag("m@v3.0.0-rc.1", "m@v2.0.0^{commit}")
    assert registry.resolve("m", project=reg.path).version == "v2.0.0"


def test_an_assignment_that_no_version_names_is_refused(reg: Repo) -> None:
    reg.tag("m#prod#3", reg.commit({"x": "y"}))
    with pytest.raises(Refused) as caught:
        registry.resolve("m", stage="prod", project=reg.path)
    assert caught.value.reason == "version-registered"
    assert "m#prod#3" in caught.value.where
    assert caught.value.fix


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        ("rev: v1\n", "it has no rev"),
        ("project: {source}\n", "it has no project"),
        ("  commit: {commit}\n", "it has no commit"),
        ("  metafile.sha256: {metafile}\n", "no digests"),
        ("  artifact.data.sha256: {artifact}\n", "no digests"),
    ],
)
def test_a_link_without_a_pin_is_refused(lab: Lab, source: Repo, removed: str, said: str) -> None:
    made = make_registry(lab, "bare-link")
    link = add(made, source.url)
    assert link.metafile
    line = removed.format(
        source=source.url, commit=link.commit, metafile=link.metafile.sha256, artifact=link.artifacts["data"].sha256
    )
    edit_link(made, line, "")
    with pytest.raises(Refused) as caught:
        registry.resolve("m", version="v9.0.0", project=made.path)
    assert caught.value.reason == "revision-pinned"
    assert said in caught.value.what
    assert ".mlem/links/m.mlem" in caught.value.where
    assert "registry link" in caught.value.fix
    assert registry.resolve("m", version="v1.0.0", project=made.path).version == "v1.0.0"


@pytest.mark.parametrize("commit", ["main", "3f" * 19, "--upload-pack=x", "v1"])
def test_a_pin_that_is_no_commit_is_no_pin(reg: Repo, commit: str) -> None:
    edit_link(reg, f"  commit: {link_of(reg).commit}\n", f"  commit: {commit}\n")
    with pytest.raises(Refused) as caught:
        registry.resolve("m", version="v9.0.0", project=reg.path)
    assert caught.value.reason == "revision-pinned"


@pytest.mark.parametrize("older", [".mlem/link/m.mlem", ".mlem/link/m.mlem.yaml", "m.mlem"])
def test_links_of_older_layouts_are_read(lab: Lab, source: Repo, reg: Repo, older: str) -> None:
    text = link_text(reg).replace("project:", "repo:").replace("path:", "mlem_link:")
    made = make_registry(lab, "older")
    made.write({older: text})
    commit_version(made, "v1.0.0")
    found = registry.resolve("m", project=made.path)
    assert (found.link_path, found.source.text, found.link.path) == (older, str(source.path), "lr.mlem")


def test_an_unpinned_link_of_an_older_layout_is_refused_not_followed(lab: Lab, source: Repo) -> None:
    made = make_registry(lab, "older")
    made.write({".mlem/link/m.mlem.yaml": f"object_type: link\nmlem_link: lr.mlem\nrepo: {source.path}\nrev: v1\n"})
    commit_version(made, "v1.0.0")
    with pytest.raises(Refused) as caught:
        registry.resolve("m", project=made.path)
    assert caught.value.reason == "revision-pinned"


def test_the_newest_layout_wins(reg: Repo) -> None:
    reg.write({".mlem/link/m.mlem": "object_type: link\npath: other.mlem\n"})
    commit_version(reg, "v3.0.0")
    assert registry.resolve("m", project=reg.path).link_path == ".mlem/links/m.mlem"


def test_a_version_without_a_link_is_not_found(reg: Repo) -> None:
    reg.commit({".mlem/links/m.mlem": None})
    reg.tag("m@v3.0.0")
    with pytest.raises(NotFound, match="has no link for 'm'"):
        registry.resolve("m", project=reg.path)


def test_a_relative_source_counts_from_the_registry(
    reg: Repo, source: Repo, monkeypatch: pytest.MonkeyPatch, lab: Lab
) -> None:
    edit_link(reg, f"project: {source.url}", "project: ../source")
    (lab.root / "elsewhere/deep").mkdir(parents=True)
    for folder in (reg.path, lab.root, lab.root / "elsewhere/deep"):
        monkeypatch.chdir(folder)
        assert registry.resolve("m", project=reg.path).source.text == str(source.path)


def test_a_relative_registry_counts_from_this_folder(reg: Repo, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.root)
    assert registry.resolve("m", project="reg").version == "v2.0.0"
    monkeypatch.chdir(reg.path)
    assert registry.resolve("m").version == "v2.0.0"


@pytest.mark.parametrize("target", ["url", "relative"])
def test_a_folder_of_this_machine_in_a_registry_opened_by_url_is_refused(
    lab: Lab, http: Http, source: Repo, reg: Repo, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if target == "relative":
        edit_link(reg, f"project: {source.url}", "project: source")
        monkeypatch.chdir(lab.root)
    server = http(served(lab, reg))
    with pytest.raises(Refused) as caught:
        registry.resolve("m", project=f"{server.url}/reg.git")
    assert caught.value.reason == "source-url"
    assert "folder of this machine" in caught.value.what


def test_the_link_is_read_at_the_version_not_at_the_tip(reg: Repo) -> None:
    add_text(reg, "object_type: link\npath: broken\n", version="v0.0.1")
    assert registry.resolve("m", stage="prod", project=reg.path).link.rev == "v1"


def test_a_worktree_change_is_not_what_is_resolved(reg: Repo) -> None:
    (reg.path / ".mlem/links/m.mlem").write_text("garbage: [")
    assert registry.resolve("m", project=reg.path).link.rev == "v2"
