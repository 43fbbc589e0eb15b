"""Models that lie in the registry itself: named by `artifacts.yaml`, `dvc.yaml` or their own name, without a link."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dvc_lab import copied, make_tracked, point, served_files, stored
from lab import Lab, Repo
from linked import commit_version, link_of, make_registry, make_source, saved, served, slope

import registry
from registry.errors import NotFound, Refused, RegistryError
from registry.offline import Offline

LISTED = "churn:\n  type: model\n  path: models/lr\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tracked(tmp_path_factory.getbasetemp())


@pytest.fixture
def repo(lab: Lab) -> Repo:
    """A repository for gto alone, with a model, a plain file and `artifacts.yaml`."""
    made = lab.repo("plain")
    files = {f"models/{name}": data for name, data in saved().items()}
    made.commit(
        {**files, "models/rules.txt": "if x then y\n", "artifacts.yaml": LISTED + "rules: {path: models/rules.txt}\n"}
    )
    return made


# What gto and DVC alone know of


def test_a_repository_of_gto_alone_loads_by_version_stage_and_revision(repo: Repo) -> None:
    repo.gto("register", "churn", time=repo.lab.tick())
    repo.tag("churn#prod#1")
    assert slope(registry.load("churn", project=repo.path)) == 1.0
    assert slope(registry.load("churn", stage="prod", project=repo.path)) == 1.0
    assert slope(registry.load("churn", rev="HEAD", project=repo.path)) == 1.0
    found = registry.resolve("churn", stage="prod", project=repo.path)
    assert (found.link.project, found.source_commit, found.link_path) == (None, found.commit, "artifacts.yaml")
    assert found.version == "v0.0.1"


def test_each_version_is_the_model_of_its_own_commit(repo: Repo) -> None:
    repo.tag("churn@v1.0.0")
    repo.commit({f"models/{name}": data for name, data in saved(2.0).items()})
    repo.tag("churn@v2.0.0")
    assert slope(registry.load("churn", version="v1.0.0", project=repo.path)) == 1.0
    assert slope(registry.load("churn", version="v2.0.0", project=repo.path)) == 2.0


def test_a_plain_file_is_fetched_and_loading_it_says_what_is_missing_where_no_format_knows_it(repo: Repo) -> None:
    from registry.formats import BUILT_IN

    repo.tag("rules@v1.0.0")
    folder = registry.fetch("rules", project=repo.path, to=repo.lab.root / "out")
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"rules.txt": "if x then y\n"}
    if "file" in BUILT_IN:
        assert Path(str(registry.load("rules", project=repo.path))).read_text() == "if x then y\n"
    else:
        with pytest.raises(Refused, match=r"(?s)plain file.*registry fetch"):
            registry.load("rules", project=repo.path)


@pytest.mark.parametrize(("name", "tag"), [("held", "held"), ("pipeline:churn", "pipeline=churn")])
def test_a_repository_of_dvc_loads_what_its_dvc_yaml_names(lab: Lab, template: Path, name: str, tag: str) -> None:
    repo = copied(template, lab)
    text = (repo.path / "pipeline/dvc.yaml").read_text().replace("../trained", "trained")
    repo.commit({"pipeline/dvc.yaml": text.replace("wdir: ..", "")})
    repo.commit({"pipeline/trained.mlem": (repo.path / "trained.mlem").read_text()})
    repo.tag(f"{tag}@v1.0.0")
    assert slope(registry.load(name, project=repo.path)) == 1.0
    assert registry.resolve(name, project=repo.path).artifacts["data"].store == "dvc"


def test_a_plain_file_that_dvc_tracks_is_fetched(lab: Lab, template: Path) -> None:
    repo = copied(template, lab)
    repo.tag("bare@v1.0.0")
    folder = registry.fetch("bare", project=repo.path, to=lab.root / "out")
    assert (folder / "notes.txt").read_text() == "notes\n"


def test_a_model_of_the_artifact_s_own_name_is_found_also_in_a_folder(lab: Lab) -> None:
    repo = lab.repo("own")
    repo.commit({**saved(), **{f"team/{name}": data for name, data in saved(2.0).items()}})
    repo.tag("lr@v1.0.0")
    repo.tag("team=lr@v1.0.0")
    repo.tag("team/lr@v3.0.0")
    assert slope(registry.load("lr", project=repo.path)) == 1.0
    assert slope(registry.load("team:lr", project=repo.path)) == 2.0
    assert slope(registry.load("team/lr", project=repo.path)) == 2.0


def test_the_list_may_have_another_name_in_gto_s_settings(repo: Repo) -> None:
    repo.git("mv", "artifacts.yaml", "list.yaml")
    repo.commit({".gto": "INDEX: list.yaml\n"})
    repo.tag("churn@v1.0.0")
    assert slope(registry.load("churn", project=repo.path)) == 1.0


def test_a_link_comes_before_a_list(lab: Lab) -> None:
    source, reg = make_source(lab, files=saved(2.0)), make_registry(lab)
    reg.commit({**{f"models/{name}": data for name, data in saved().items()}, "artifacts.yaml": LISTED})
    registry.link("lr", "churn", source_project=str(source.path), rev="v1", project=reg.path)
    commit_version(reg, "v1.0.0", name="churn")
    assert slope(registry.load("churn", project=reg.path)) == 2.0
    assert link_of(reg, "churn").project is not None


def test_a_policy_that_names_sources_must_name_the_registry_itself(repo: Repo) -> None:
    repo.commit({"policy.yaml": 'format: 1\nversion: 1\ntrusted_sources: ["https://github.com/mycompany/*"]\n'})
    repo.tag("churn@v1.0.0")
    with pytest.raises(Refused) as refused:
        registry.load("churn", project=repo.path)
    assert refused.value.reason == "source-trusted"
    repo.commit({"policy.yaml": f'format: 1\nversion: 2\ntrusted_sources: ["{repo.url}"]\n'})
    assert slope(registry.load("churn", project=repo.path)) == 1.0


# From elsewhere, and again


def test_a_remote_registry_s_own_model_loads_and_then_needs_no_network(
    lab: Lab, repo: Repo, http: Callable[..., Any]
) -> None:
    repo.tag("churn@v1.0.0")
    repo.tag("rules@v1.0.0")
    url = f"{http(served(lab, repo)).url}/plain.git"
    with pytest.raises(Offline):
        registry.load("churn", project=url, offline=True)
    assert slope(registry.load("churn", project=url)) == 1.0
    assert slope(registry.load("churn", project=url, offline=True)) == 1.0
    assert (registry.fetch("rules", project=url) / "rules.txt").read_text() == "if x then y\n"


def test_what_was_once_hashed_is_not_taken_again_from_a_store_that_lies(lab: Lab, template: Path) -> None:
    repo = copied(template, lab)
    repo.tag("held@v1.0.0")
    with served_files(lab.root / "store") as files:
        point(repo, f"url = {files.url}")
        repo.tag("held@v2.0.0")
        assert slope(registry.load("held", project=repo.path)) == 1.0
        pin = registry.resolve("held", project=repo.path).artifacts["data"]
        shutil.rmtree(lab.cache / "sha256")
        place = stored(repo, str(pin.key).removeprefix("md5:"))
        place.chmod(0o644)
        place.write_bytes(saved(2.0)["lr"])
        with pytest.raises(Refused) as refused:
            registry.load("held", project=repo.path)
        assert refused.value.reason == "digest-matches"


def test_a_model_that_git_no_longer_holds_whole_is_refused(repo: Repo) -> None:
    repo.tag("churn@v1.0.0")
    oid = repo.rev("HEAD:models/lr")
    place = repo.git_dir / "objects" / oid[:2] / oid[2:]
    other = saved(2.0)["lr"]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(b"blob %d\0" % len(other) + other))
    with pytest.raises(Refused, match=f"the commit names {oid}"):
        registry.load("churn", project=repo.path)


# What is nowhere, or elsewhere


def test_an_artifact_that_is_nowhere_is_told_as_before(repo: Repo) -> None:
    repo.tag("other@v1.0.0")
    with pytest.raises(NotFound, match="has no link for 'other'"):
        registry.load("other", project=repo.path)


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("churn: {path: s3://bucket/model}\n", "outside of this repository"),
        ("churn: {path: ../plain/models/lr}\n", "leaves"),
        ("churn: {path: /etc/passwd}\n", "absolute"),
        ("churn: {path: .git/config}\n", r"\.git"),
        ("churn: {path: models}\n", "a folder"),
        ("churn: {path: models/nothing}\n", "no store holds"),
        ("churn: {path: '${model}'}\n", "without templates"),
        ("churn: [1]\n", "expected a mapping"),
    ],
)
def test_a_path_that_is_no_file_of_the_repository_is_one_clear_error(repo: Repo, listed: str, said: str) -> None:
    repo.commit({"artifacts.yaml": listed})
    repo.tag("churn@v1.0.0")
    with pytest.raises(RegistryError, match=said):
        registry.load("churn", project=repo.path)


def test_a_remote_registry_does_not_read_a_folder_of_this_machine(
    lab: Lab, template: Path, http: Callable[..., Any]
) -> None:
    repo = copied(template, lab)
    repo.tag("held@v1.0.0")
    url = f"{http(served(lab, repo)).url}/tracked.git"
    with pytest.raises(Refused) as refused:
        registry.load("held", project=url)
    assert refused.value.reason == "source-url"
