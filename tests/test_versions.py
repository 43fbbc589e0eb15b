from __future__ import annotations

import pytest
import semver as oracle
from hypothesis import given
from hypothesis import strategies as st

from registry import versions
from registry.errors import RegistryError

numbers = st.integers(0, 10**20)
idents = st.one_of(
    st.integers(0, 30).map(str),
    st.from_regex(r"[0-9]{0,2}[a-zA-Z-][0-9a-zA-Z-]{0,2}", fullmatch=True),
    st.sampled_from("ab-"),
)
dotted = st.lists(idents, min_size=1, max_size=3).map(".".join)
valid = st.builds(
    lambda core, pre, build: f"v{'.'.join(map(str, core))}{f'-{pre}' if pre else ''}{f'+{build}' if build else ''}",
    st.tuples(*[st.one_of(st.integers(0, 2), numbers)] * 3),
    st.none() | dotted,
    st.none() | dotted,
).filter(lambda text: len(text) <= versions.LONGEST)


@given(valid, valid)
def test_the_order_is_that_of_the_semver_package(one: str, other: str) -> None:
    theirs = oracle.Version.parse(one[1:]).compare(other[1:])
    ours = (versions.key(one) > versions.key(other)) - (versions.key(one) < versions.key(other))
    assert ours == theirs


def test_the_example_of_the_specification_is_in_order() -> None:
    written = ["v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-alpha.beta", "v1.0.0-beta", "v1.0.0-beta.2", "v1.0.0-beta.11",
               "v1.0.0-rc.1", "v1.0.0"]  # fmt: skip
    backwards = written[::-1]
    assert sorted(backwards, key=versions.key) == written


def test_build_metadata_never_orders() -> None:
    assert versions.key("v1.0.0+a") == versions.key("v1.0.0+b.2") == versions.key("v1.0.0")


@given(valid, st.sampled_from(versions.PARTS))
def test_a_bump_is_that_of_the_semver_package_on_releases(version: str, part: str) -> None:
    release = version.partition("+")[0].partition("-")[0]
    assert versions.bump(release, part) == f"v{getattr(oracle.Version.parse(release[1:]), f'bump_{part}')()}"


@given(valid, st.sampled_from(["major", "minor"]))
def test_a_bump_of_major_or_minor_is_greater_than_what_it_bumps(version: str, part: str) -> None:
    assert versions.key(versions.bump(version, part)) > versions.key(version)


def test_a_bump_of_another_part_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError):
        versions.bump("v1.0.0", "build")


@given(valid)
def test_every_valid_version_is_one(version: str) -> None:
    assert versions.is_version(version)
    assert versions.require(version) == version
    assert versions.is_prerelease(version) == bool(oracle.Version.parse(version[1:]).prerelease)


@given(st.text(alphabet="v0123456789.-+aZ \n٣é", max_size=14))
def test_a_version_is_what_the_semver_package_parses_behind_a_v(text: str) -> None:
    expected = text.startswith("v") and text.isascii() and oracle.Version.is_valid(text[1:]) and not text.endswith("\n")
    assert versions.is_version(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "v", "1.0.0", "v1.0", "v1.0.0.0", "V1.0.0", "v01.0.0", "v1.0.0\n", "v1.0.0-01", "v1.0.0-", "v1.0.0+", "v1.0.٣", "v1.0.0 ",
     "v1.0.0-a..b", "latest", "v" + "9" * 200 + ".0.0", "v1.0.0-" + "a" * 5000, "--version"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    assert not versions.is_version(text)
    with pytest.raises(RegistryError) as error:
        versions.require(text)
    assert error.value.fix


def test_the_missing_v_is_named_in_the_remedy() -> None:
    with pytest.raises(RegistryError) as error:
        versions.require("1.2.3")
    assert error.value.fix == "write v1.2.3"
