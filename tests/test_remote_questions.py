"""Questions asked of a URL: the same answers as in a clone, little traffic, and no trust in what the remote holds."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from git_http import GitServer
from lab import Lab, Repo, tag_body

from registry.api.holding import latest, which
from registry.api.questions import Registry
from registry.errors import GitError, NotFound

Serve = Callable[..., GitServer]


@pytest.fixture
def origin(lab: Lab) -> Repo:
    """A registry with two artifacts, a stage list and an artifact known only from artifacts.yaml."""
    repo = lab.repo("team")
    for commit in range(3):
        repo.commit({"n": str(commit), "artifacts.yaml": "extra:\n  path: x\n", ".gto": "stages: [dev, prod]\n"})
        repo.tag(f"m@v1.{commit}.0")
    repo.tag("m#prod#1", "m@v1.0.0^{}")
    repo.tag("m#prod#2", "m@v1.1.0^{}")
    repo.tag("dir=other@v0.1.0")
    repo.tag("dir=other#dev#1")
    return repo


@pytest.fixture
def url(origin: Repo, lab: Lab, http: Serve) -> tuple[str, Repo, GitServer]:
    bare = origin.bare_clone("served/team.git")
    server = http(lab.root / "served")
    return f"{server.url}/{bare.path.name}", bare, server


QUESTIONS = (
    ("show", "--json"),
    ("show", "m", "--json"),
    ("show",),
    ("which", "m", "prod"),
    ("which", "dir:other", "dev", "--json"),
    ("latest", "m"),
    ("history", "--json"),
    ("history", "m", "--json", "--ascending"),
    ("stages", "--json"),
    ("check-ref", "m#prod#2", "--json"),
    ("doctor", "--json"),
)


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_url_is_answered_like_a_clone(question, url, origin, lab):
    cold = lab.registry(*question, "-r", url[0])
    warm = lab.registry(*question, "-r", url[0])
    local = origin.registry(*question)
    assert cold.stdout == warm.stdout == local.stdout
    assert cold.stdout.strip()


def test_stages_and_files_come_from_the_default_branch_of_a_url(url, origin, lab):
    address, bare, _ = url
    bare.git("branch", "-m", "main", "trunk")
    bare.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    assert lab.registry("stages", "-r", address).stdout.split() == ["dev", "prod"]
    assert "extra" in lab.registry("show", "--json", "-r", address).json


def test_a_warm_question_asks_little_and_only_of_its_artifact(url, lab):
    address, bare, server = url
    for number in range(200):
        bare.tag(f"bulk@v0.0.{number + 1}", "m@v1.0.0^{}") if number < 20 else None
    assert which("m", "prod", address).version.label == "v1.1.0"
    before = len(server.requests)
    assert which("m", "prod", address).version.label == "v1.1.0"
    asked = server.requests[before:]
    assert len(asked) <= 2
    assert sum(request.sent for request in asked) < 2000


def test_what_the_remote_deleted_or_moved_is_forgotten(url, lab):
    address, bare, _ = url
    assert which("m", "prod", address).version.label == "v1.1.0"
    bare.git("update-ref", "-d", "refs/tags/m#prod#2")
    assert which("m", "prod", address).version.label == "v1.0.0"
    assert latest("m", address).label == "v1.2.0"
    bare.git("update-ref", "-d", "refs/tags/m@v1.2.0")
    assert latest("m", address).label == "v1.1.0"


def test_artifacts_share_one_cache_and_do_not_disturb_each_other(url, lab):
    address, _, _ = url
    assert which("m", "prod", address).version.label == "v1.1.0"
    assert which("dir:other", "dev", address).version.label == "v0.1.0"
    assert which("m", "prod", address).version.label == "v1.1.0"
    assert set(Registry(address).artifacts) == {"m", "dir:other"}
    assert len(list(lab.root.rglob("registries/*.git"))) == 1


def test_an_empty_remote_has_nothing(lab, http):
    bare = lab.repo("served/empty.git", bare=True)
    address = f"{http(bare.path.parent).url}/{bare.path.name}"
    for _ in range(2):
        assert Registry(address).show() == {}
        with pytest.raises(NotFound, match="no artifact 'm'"):
            which("m", "prod", address)


def test_a_damaged_cache_is_made_anew(url, lab):
    address, _, _ = url
    assert which("m", "prod", address).version.label == "v1.1.0"
    for mirror in lab.root.rglob("registries/*.git"):
        (mirror / "HEAD").write_bytes(b"\0\0garbage")
    assert which("m", "prod", address).version.label == "v1.1.0"


def test_a_remote_that_is_gone_is_an_error_with_a_fix(url, lab):
    address, bare, _ = url
    assert which("m", "prod", address).version.label == "v1.1.0"
    shutil.rmtree(bare.path)
    with pytest.raises(GitError) as caught:
        which("m", "prod", address)
    assert "not found" in caught.value.what
    done = lab.registry("which", "m", "prod", "-r", address, check=False)
    assert done.code == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("attack", ["lying-type", "name", "blob", "future", "no-tagger"])
def test_a_hostile_tag_of_the_remote_leaves_other_artifacts_alone(attack, url, origin, lab):
    address, bare, _ = url
    commit = bare.rev("m@v1.0.0^{}")
    blob = bare.git("hash-object", "-w", "--stdin", input="x").strip()
    body = {
        "lying-type": tag_body("evil#prod", blob, "commit"),
        "name": tag_body("m#prod#9", commit, "commit"),
        "blob": tag_body("evil#prod", blob, "blob"),
        "future": tag_body("evil#prod", commit, "commit", time=4_100_000_000),
        "no-tagger": f"object {commit}\ntype commit\ntag evil#prod\n\nm\n".encode(),
    }[attack]
    bare.raw_tag("evil#prod", body)
    for _ in range(2):
        assert which("m", "prod", address).version.label == "v1.1.0"
        assert which("dir:other", "dev", address).version.label == "v0.1.0"
    found = lab.registry("doctor", "--json", "-r", address, check=False)
    assert found.code == 1
    if (
        attack == "lying-type"
    ):  # git itself cannot serve all tags of such a repository: said as such, never half an answer
        assert "corruption on the remote side" in found.stderr
        return
    assert [finding["ref"] for finding in found.json] == ["evil#prod"]
    assert lab.registry("show", "--json", "-r", address).json == origin.registry("show", "--json").json
