"""Ranges of versions: what each operator takes in, held against Cargo's own table and against semver's order."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.ranges import is_range, parse_range, within
from registry.versions import key

NUMBERS = st.integers(0, 12)
VERSIONS = st.builds("v{}.{}.{}{}".format, NUMBERS, NUMBERS, NUMBERS, st.sampled_from(["", "", "-rc.1", "-2"]))


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        # https://doc.rust-lang.org/cargo/reference/specifying-dependencies.html
        ("^1.2.3", ["v1.2.3", "v1.99.0"], ["v1.2.2", "v2.0.0"]),
        ("^1.2", ["v1.2.0", "v1.9.9"], ["v1.1.9", "v2.0.0"]),
        ("^1", ["v1.0.0", "v1.9.9"], ["v0.9.9", "v2.0.0"]),
        ("^0.2.3", ["v0.2.3", "v0.2.9"], ["v0.2.2", "v0.3.0"]),
        ("^0.2", ["v0.2.0", "v0.2.9"], ["v0.1.9", "v0.3.0"]),
        ("^0.0.3", ["v0.0.3"], ["v0.0.2", "v0.0.4", "v0.1.0"]),
        ("^0.0", ["v0.0.0", "v0.0.9"], ["v0.1.0"]),
        ("^0", ["v0.0.0", "v0.9.9"], ["v1.0.0"]),
        ("~1.2.3", ["v1.2.3", "v1.2.9"], ["v1.2.2", "v1.3.0"]),
        ("~1.2", ["v1.2.0", "v1.2.9"], ["v1.3.0"]),
        ("~1", ["v1.0.0", "v1.9.0"], ["v2.0.0"]),
        (">=1.2,<2", ["v1.2.0", "v1.9.9"], ["v1.1.9", "v2.0.0", "v2.0.0-rc.1"]),
        (">= v1.2 , <2", ["v1.2.0"], ["v2.0.0"]),
        (">1.2.3,!=1.4.0,<=2.0.0", ["v1.2.4", "v2.0.0"], ["v1.2.3", "v1.4.0", "v2.0.1"]),
        ("==1.2.3", ["v1.2.3"], ["v1.2.4"]),
        ("=1.2.3", ["v1.2.3"], ["v1.2.4"]),
        (">=1.2.3-rc.1", ["v1.2.3-rc.1", "v1.2.3-rc.2", "v1.2.3", "v1.3.0"], ["v1.2.3-beta", "v1.3.0-rc.1"]),
    ],
)
def test_a_range_takes_in_what_cargo_s_takes_in(text: str, inside: list[str], outside: list[str]) -> None:
    comparators = parse_range(text)
    assert [each for each in inside + outside if within(each, comparators)] == inside


@pytest.mark.parametrize(
    "text",
    ["", ">=", "^", "^x", ">1.2", "<=2", ">=1.2,", ",>=1", ">=1.2 <2", "^01.2", "^1.2.3.4", "^1.2-rc", "1.2", "*",
     ">=1.2\n", "^1.2.3-", "^" + "9" * 300, "^\u0661.\u0662", ">=1.2||<1"],
)  # fmt: skip
def test_what_is_no_range_is_one_error(text: str) -> None:
    with pytest.raises(RegistryError, match="not a range"):
        parse_range(text)


def test_a_version_is_no_range() -> None:
    assert not is_range("v1.2.0")
    assert is_range("^1.2")
    assert is_range(" >=1")


@given(VERSIONS, VERSIONS)
def test_bounds_order_as_semver_does(bound: str, version: str) -> None:
    core = bound.partition("-")[0]
    if "-" in version:
        assert not within(version, parse_range(f">={core}"))
    else:
        assert within(version, parse_range(f">={core}")) == (key(version) >= key(core))
        assert within(version, parse_range(f"<{core}")) == (key(version) < key(core))


@given(st.text(max_size=20))
def test_any_text_is_a_range_or_one_error(text: str) -> None:
    with contextlib.suppress(RegistryError):
        assert parse_range(text)
