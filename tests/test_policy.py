"""policy.yaml: strict, closed where it is wrong, and obeyed by the loader from the default branch alone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import Lab
from linked import add, make_registry, make_source, saved, served

import registry
from registry.errors import Refused, RegistryError
from registry.policy import Policy, parse_policy
from registry.shape import Unknown
from registry.urlpattern import matches

HEAD = "format: 1\nversion: 1\n"


def policy(text: str) -> Policy:
    return parse_policy((HEAD + text).encode())


def test_what_is_left_out_is_as_without_a_policy() -> None:
    assert policy("") == Policy(version=1)
    assert Policy().formats.pickle == "pinned"
    assert Policy().trusts("https://anywhere.example/x")


def test_every_key_is_read() -> None:
    found = policy(
        "trusted_sources: ['https://git.example.org/acme/*']\n"
        "formats: {pickle: never, skops_trusted: [acme.Model]}\n"
        "checks: {revision-is-tag: error, secrets: warning, size-limit: off}\nsize_limit: 250 MB\n"
        "roles: {release: [a@example.org]}\nstages: {prod: {}}\nnotify: []\nroot: {}\n"
    )
    assert found.trusted_sources == ("https://git.example.org/acme/*",)
    assert (found.formats.pickle, found.formats.skops_trusted) == ("never", ("acme.Model",))
    assert dict(found.checks) == {"revision-is-tag": "error", "secrets": "warning", "size-limit": "off"}
    assert found.size_limit == 250_000_000
    assert found.unknown == ()


def test_an_unknown_key_is_kept_with_its_line() -> None:
    found = policy("trusted_source: []\nformats:\n  pickel: never\n")
    assert found.unknown == (Unknown("trusted_source", 3), Unknown("formats.pickel", 5))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'format' is missing"),
        ("format: 1\n", "'version' is missing"),
        ("format: 2\nversion: 1\n", "policy format 2 is not known"),
        ("format: one\nversion: 1\n", "whole number"),
        ("format: 1\nversion: -1\n", "version"),
        ("format: 1\nversion: 1.5\n", "whole number"),
        (f"{HEAD}trusted_sources:\n", "no value"),
        (f"{HEAD}trusted_sources: https://a.example/*\n", "expected a list"),
        (f"{HEAD}formats: {{pickle: nevr}}\n", "'nevr' is none of"),
        (f"{HEAD}formats: {{pickle: }}\n", "no value"),
        (f"{HEAD}checks: {{secrets: of}}\n", "'of' is none of"),
        (f"{HEAD}checks: [secrets]\n", "expected a mapping"),
        (f"{HEAD}size_limit: huge\n", "is not a size"),
        (f"{HEAD}size_limit: -1\n", "is not a size"),
        (f"{HEAD}checks: &a {{}}\nroles: *a\n", "anchor"),
        (f"{HEAD}version: 2\n", "duplicate key"),
        ("- 1\n", "expected a mapping"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(RegistryError, match=said) as raised:
        parse_policy(text.encode())
    assert raised.value.where.startswith("policy.yaml")
    assert raised.value.fix


@given(st.binary(max_size=300))
def test_any_bytes_are_a_policy_or_an_error(data: bytes) -> None:
    for each in (data, HEAD.encode() + data):
        with contextlib.suppress(RegistryError):
            assert isinstance(parse_policy(each), Policy)


ACME = "https://git.example.org/acme/*"


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        (ACME, "https://git.example.org/acme/models"),
        (ACME, "https://git.example.org/acme/models.git/"),
        (ACME, "HTTPS://GIT.example.org/acme/models"),
        ("https://git.example.org/**", "https://git.example.org/a/b/c"),
        ("https://*.example.org/x", "https://git.example.org/x"),
        ("git@git.example.org:acme/*", "git@git.example.org:acme/models"),
        ("ssh://git@git.example.org:2222/acme/*", "ssh://git@git.example.org:2222/acme/models"),
        ("file:///srv/models/*", "file:///srv/models/cost"),
        ("/srv/models/*", "/srv/models/cost"),
    ],
)
def test_an_address_that_a_pattern_means(pattern: str, address: str) -> None:
    assert matches(pattern, address)


@pytest.mark.parametrize(
    ("pattern", "address"),
    [
        (ACME, "https://git.example.org/acme"),
        (ACME, "https://git.example.org/evil/acme/models"),
        (ACME, "https://git.example.org/acme/../evil/models"),
        (ACME, "https://git.example.org/acme/.."),
        (ACME, "https://git.example.org/acme/%2e%2e%2fevil"),
        (ACME, "https://git.example.org/acme/a/b"),
        (ACME, "https://git.example.org/ACME/models"),
        (ACME, "http://git.example.org/acme/models"),
        (ACME, "https://git.example.org.evil.example/acme/models"),
        (ACME, "https://git.example.org:8443/acme/models"),
        (ACME, "https://git.example.org/acme/models\n"),
        (ACME, "https://git.example.org/acme/a\\b"),
        ("https://*.example.org/*", "https://evil.example/x.example.org/y"),
        ("https://*.example.org/*", "https://evil.example:1@git.example.org/y"),
        ("git@*:acme/*", "git@evil.example:x:acme/y"),
        ("/srv/models/**", "/srv/models/../evil"),
        ("https://a.example/[a-z]", "https://a.example/b"),
        ("https://a.example/.", "https://a.example/b"),
    ],
)
def test_an_address_that_a_pattern_does_not_mean(pattern: str, address: str) -> None:
    assert not matches(pattern, address)


# --- the loader -----------------------------------------------------------------------------------------------------


def test_the_loader_refuses_a_pickle_where_the_policy_says_never(lab: Lab) -> None:
    reg = make_registry(lab)
    source = make_source(lab, files=saved(kind="pickle"))
    add(reg, source.url)
    registry.load("m", project=reg.path)
    for admitted in ("never", "signed"):
        reg.commit({"policy.yaml": f"{HEAD}formats: {{pickle: {admitted}}}\n"})
        with pytest.raises(Refused, match=admitted) as raised:
            registry.load("m", project=reg.path)
        assert raised.value.reason == "format-allowed"


def test_the_loader_refuses_a_source_that_is_not_trusted(lab: Lab) -> None:
    reg, source = make_registry(lab), make_source(lab)
    add(reg, source.url)
    reg.commit({"policy.yaml": f"{HEAD}trusted_sources: ['{source.url}']\n"})
    registry.load("m", project=reg.path)
    reg.commit({"policy.yaml": f"{HEAD}trusted_sources: ['https://git.example.org/*']\n"})
    for options in ({}, {"version": "v1.0.0"}, {"rev": "m@v1.0.0"}):
        with pytest.raises(Refused) as raised:
            registry.load("m", project=reg.path, **options)
        assert raised.value.reason == "source-trusted"


@pytest.mark.parametrize(
    "text", [b"format: 9\nversion: 1\n", b"format: 1\nversion: 1\nformats: {pickle: nope}\n", b"\xff"]
)
def test_the_loader_refuses_where_the_policy_cannot_be_read(lab: Lab, text: bytes) -> None:
    reg, source = make_registry(lab), make_source(lab)
    add(reg, source.url)
    reg.commit({"policy.yaml": text})
    with pytest.raises(Refused) as raised:
        registry.load("m", project=reg.path)
    assert raised.value.reason == "policy-valid"
    assert raised.value.fix


def test_a_symlink_in_place_of_the_policy_is_refused(lab: Lab) -> None:
    reg, source = make_registry(lab), make_source(lab)
    add(reg, source.url)
    (reg.path / "policy.yaml").symlink_to("README.md")
    reg.git("add", "--all")
    reg.commit()
    with pytest.raises(Refused, match="a symlink"):
        registry.load("m", project=reg.path)


def test_the_policy_is_that_of_the_commit_not_of_the_work_tree_nor_of_the_version(lab: Lab) -> None:
    reg, source = make_registry(lab), make_source(lab, files=saved(kind="pickle"))
    add(reg, source.url)
    reg.commit({"policy.yaml": f"{HEAD}formats: {{pickle: never}}\n"})
    reg.write({"policy.yaml": HEAD})
    with pytest.raises(Refused):
        registry.load("m", project=reg.path)


@pytest.mark.parametrize("options", [{}, {"any_object": False, "filters": False}])
def test_a_remote_registry_is_judged_by_its_default_branch_as_it_is_now(
    lab: Lab, http: Callable[..., Any], options: dict[str, bool]
) -> None:
    reg, source = make_registry(lab), make_source(lab)
    base = http(served(lab, source), **options).url
    add(reg, f"{base}/source.git")
    bare = reg.bare_clone("served/reg.git")
    registry.load("m", project=f"{base}/reg.git")
    reg.commit({"policy.yaml": f"{HEAD}trusted_sources: []\n"})
    reg.git("push", "--quiet", str(bare.path), "main")
    for asked in ({}, {"rev": "m@v1.0.0"}):
        with pytest.raises(Refused) as raised:
            registry.load("m", project=f"{base}/reg.git", **asked)
        assert raised.value.reason == "source-trusted"
