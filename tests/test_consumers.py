"""Consumers: who runs what, by the lock files that other repositories committed."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from git_http import GitServer
from hypothesis import given
from hypothesis import strategies as st
from lab import Lab, Repo
from linked import add, commit_version, make_registry, make_source

import registry
from registry.api.consuming import add_consumer, consumers, remove_consumer, who_runs
from registry.consumers import FILE, Consumer, format_consumers, parse_consumers
from registry.errors import NotFound, RegistryError


@pytest.fixture
def reg(lab: Lab) -> Repo:
    """A registry whose artifact `m` has v1.0.0 in prod and v1.1.0 nowhere."""
    reg, source = make_registry(lab), make_source(lab)
    add(reg, source.url, stage="prod")
    reg.write({"note": "more"})
    commit_version(reg, "v1.1.0")
    return reg


@pytest.fixture
def pricing(lab: Lab, reg: Repo) -> Repo:
    """A consumer that locked what is in prod, and committed it."""
    return consumer(lab, reg, "pricing", "--stage", "prod")


def consumer(lab: Lab, reg: Repo, name: str, *asked: str) -> Repo:
    repo = lab.repo(name)
    repo.registry("lock", "m", *asked, "-r", str(reg.path))
    repo.git("add", "--all")
    repo.commit(message="lock")
    return repo


def test_consumers_are_added_listed_and_removed_and_nothing_is_committed(reg: Repo, pricing: Repo) -> None:
    head = reg.rev("HEAD")
    said = reg.registry("consumers", "add", str(pricing.path)).stdout
    assert said == "wrote pricing into consumers.yaml; commit it\n"
    made = reg.registry(
        "consumers", "add", "git@github.com:acme/batch.git", "--lock", "jobs/registry.lock", "--json"
    ).json
    assert made == {"name": "batch", "url": "git@github.com:acme/batch.git", "lock": "jobs/registry.lock"}
    assert (reg.path / FILE).read_text().splitlines()[0] == "consumers:"
    listed = reg.registry("consumers", "list", "--json").json
    assert [each["name"] for each in listed] == ["batch", "pricing"]
    assert listed[1]["url"] == "../pricing", "a folder is seen from the registry's root"
    assert reg.registry("consumers", "list").stdout.splitlines()[0].split() == ["name", "url", "lock"]
    again = reg.registry("consumers", "add", str(pricing.path), "--name", "other", check=False)
    assert again.code == 1
    assert "pricing is there already" in again.stderr
    assert reg.registry("consumers", "remove", "batch").stdout.startswith("took batch out")
    assert [each.name for each in consumers(reg.path)] == ["pricing"]
    with pytest.raises(NotFound, match="known are pricing"):
        remove_consumer("batch", reg.path)
    assert reg.rev("HEAD") == head


def test_who_names_the_consumers_of_an_artifact_a_version_and_a_stage(lab: Lab, reg: Repo, pricing: Repo) -> None:
    batch = consumer(lab, reg, "batch", "--version", ">=1,<2")
    for repo in (pricing, batch):
        add_consumer(repo.path, project=reg.path)
    assert [(u.consumer, u.version, u.stage, u.wanted) for u in who_runs("m", reg.path).used] == [
        ("pricing", "v1.0.0", "prod", None),
        ("batch", "v1.1.0", None, ">=1,<2"),
    ]
    assert [each.consumer for each in who_runs("m#prod", reg.path).used] == ["pricing"]
    assert [each.consumer for each in who_runs("m@v1.1.0", reg.path).used] == ["batch"]
    text = reg.registry("consumers", "who", "m#prod").stdout
    assert "m         v1.0.0   pricing   stage prod" in text
    assert reg.registry("consumers", "who", "m", "--json").json["used"][1]["wanted"] == ">=1,<2"
    with pytest.raises(NotFound):
        who_runs("m#staging", reg.path)


def test_impact_says_who_runs_what_was_touched(reg: Repo, pricing: Repo) -> None:
    add_consumer(pricing.path, project=reg.path)
    found = registry.impact(reg.path, requirement="scikit-learn")
    assert [(each.version, [use.consumer for use in each.uses]) for each in found.touched] == [
        ("v1.0.0", ["pricing"]),
        ("v1.1.0", []),
    ]
    assert "run by" in reg.registry("impact", "--requirement", "scikit-learn").stdout
    said = reg.registry("impact", "--requirement", "scikit-learn", "--json").json
    assert said["touched"][0]["uses"][0]["consumer"] == "pricing"
    assert said["unread"] == []
    alone = registry.impact(reg.path, requirement="scikit-learn", consumers=False)
    assert not any(each.uses for each in alone.touched)


def test_what_is_only_in_the_work_tree_of_a_consumer_does_not_count(reg: Repo, pricing: Repo) -> None:
    add_consumer(pricing.path, project=reg.path)
    pricing.registry("lock", "--remove", "m")
    assert [each.consumer for each in who_runs("m", reg.path).used] == ["pricing"]


def test_a_version_of_that_name_in_another_registry_is_not_ours(lab: Lab, reg: Repo) -> None:
    other = make_registry(lab, "other")
    add(other, make_source(lab, "source-2").url, stage="prod")
    repo = consumer(lab, other, "elsewhere", "--stage", "prod")
    add_consumer(repo.path, project=reg.path)
    assert who_runs("m", reg.path) == ([], [])


def test_a_consumer_that_cannot_be_read_is_told_of_and_stops_nobody(lab: Lab, reg: Repo, pricing: Repo) -> None:
    empty, broken, linked, bare = (lab.repo(name) for name in ("empty", "broken", "linked", "none"))
    broken.commit({"registry.lock": "format = 2\n"})
    (linked.path / "registry.lock").symlink_to(pricing.path / "registry.lock")
    linked.git("add", "--all")
    linked.commit(message="link")
    bare.commit({"README.md": "\n"})
    plain = lab.root / "folder"
    plain.mkdir()
    for path in (empty.path, broken.path, linked.path, bare.path, plain, pricing.path):
        add_consumer(path, project=reg.path)
    add_consumer("http://127.0.0.1:9/gone", project=reg.path)
    found = who_runs("m", reg.path)
    assert [each.consumer for each in found.used] == ["pricing"]
    reasons = {each.consumer: each.reason for each in found.unread}
    assert reasons.keys() == {"empty", "broken", "linked", "none", "folder", "gone"}
    assert reasons["none"] == reasons["linked"] == "no file registry.lock is committed on its default branch"
    assert "format 2" in reasons["broken"]
    ran = reg.registry("consumers", "who", "m")
    assert "warning: what gone runs is not known: " in ran.stderr
    assert len(registry.impact(reg.path, requirement="scikit-learn").unread) == 6


def test_consumers_on_a_server_are_read_from_a_registry_on_a_server(
    lab: Lab, reg: Repo, pricing: Repo, http: Callable[..., GitServer]
) -> None:
    served = lab.root / "served"
    served.mkdir()
    server = http(served)
    add_consumer(f"{server.url}/pricing", project=reg.path)
    reg.write({"secret.yaml": "", FILE: (reg.path / FILE).read_text() + f"  local: {{url: {pricing.path}}}\n"})
    text = (reg.path / FILE).read_text().replace("format: 1\n", "") + "format: 1\n"
    reg.commit({FILE: text})
    for repo in (reg, pricing):
        lab.run("git", "clone", "--quiet", "--bare", str(repo.path), str(served / repo.path.name))
    begun = len(server.requests)
    found = who_runs("m", f"{server.url}/reg")
    assert [(each.consumer, each.version) for each in found.used] == [("pricing", "v1.0.0")]
    assert [each.reason for each in found.unread] == ["it is a folder, which a registry that is a URL may not name"]
    assert len(server.requests) - begun <= 30
    begun = len(server.requests)
    assert len(who_runs("m", f"{server.url}/reg").used) == 1
    assert len(server.requests) - begun <= 5, "two for each repository whose refs are asked for"


@pytest.mark.parametrize(
    ("where", "options", "said"),
    [
        ("https://me:secret@example.org/a", {}, "carries a credential"),
        ("ext::sh -c touch% x", {}, "transport helpers"),
        ("--upload-pack=x", {}, "not a repository address"),
        ("https://example.org/a", {"name": "../x"}, "not a consumer's name"),
        ("https://example.org/a", {"lock": "../../etc/passwd"}, "not a path in a repository"),
        ("https://example.org/a", {"lock": ".git/config"}, "not a path in a repository"),
    ],
)
def test_what_cannot_be_a_consumer_is_refused_and_nothing_is_written(
    lab: Lab, where: str, options: dict[str, str], said: str
) -> None:
    reg = make_registry(lab)
    with pytest.raises(RegistryError, match=said) as caught:
        add_consumer(where, project=reg.path, **options)
    assert "secret" not in str(caught.value)
    assert not (reg.path / FILE).exists()


def test_consumers_yaml_that_is_a_symlink_is_not_written_through(lab: Lab) -> None:
    reg, outside = make_registry(lab), lab.root / "outside"
    outside.write_text("mine\n")
    (reg.path / FILE).symlink_to(outside)
    with pytest.raises(RegistryError, match="symlink"):
        add_consumer("https://example.org/a", project=reg.path)
    assert outside.read_text() == "mine\n"


BAD = [
    "format: 2\nconsumers: {}\n",
    "consumers: {}\n",
    "format: 1\nmore: 1\n",
    "format: 1\nconsumers: [a]\n",
    "format: 1\nconsumers: {a: {}}\n",
    "format: 1\nconsumers: {a: {url: x, ref: y}}\n",
    "format: 1\nconsumers: {a: {url: [x]}}\n",
    'format: 1\nconsumers: {a: {url: "x\\e[31m"}}\n',
    "format: 1\nconsumers: {a: {url: x, lock: /etc/passwd}}\n",
    "format: 1\nconsumers: {a: {url: x, lock: a/../../b}}\n",
    "format: 1\nconsumers: {'a b': {url: x}}\n",
    "format: 1\nconsumers: {a: {url: x}, a: {url: y}}\n",
    "format: 1\nconsumers: {a: &x {url: x}, b: *x}\n",
    "format: 1\nconsumers:\n" + "".join(f"  a{number}: {{url: x}}\n" for number in range(1001)),
    "[" * 10_000,
]


@pytest.mark.parametrize("text", BAD)
def test_a_file_that_is_not_of_this_format_is_one_error(text: str) -> None:
    with pytest.raises(RegistryError) as caught:
        parse_consumers(text.encode(), FILE)
    assert caught.value.where.startswith(FILE)
    assert json.dumps(caught.value.what).isascii()


NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
URLS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=40)


@given(st.dictionaries(NAMES, URLS, max_size=5))
def test_what_is_written_is_read_back(said: dict[str, str]) -> None:
    made = tuple(sorted(Consumer(name, url) for name, url in said.items()))
    assert tuple(sorted(parse_consumers(format_consumers(made).encode(), FILE))) == made
