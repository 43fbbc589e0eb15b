from __future__ import annotations

import math
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from registry import strictyaml
from registry.errors import RegistryError
from registry.strictyaml import Scalar, parse, typed

keys = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
leaves = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | keys | st.floats(allow_nan=False)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)


@given(st.dictionaries(keys, values, max_size=4))
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    assert typed(parse(strictyaml.dump(value).encode(), "f")) == value


@given(st.dictionaries(keys, keys, max_size=4))
def test_strings_are_read_by_pyyaml_as_they_were_written(value: dict[str, str]) -> None:
    assert yaml.safe_load(strictyaml.dump(value)) == value


@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}&*!<|>'\"#% \n\t,?~\x85\u2028", max_size=60).map(str.encode))
def test_any_bytes_are_a_document_or_an_expected_error(data: bytes) -> None:
    try:
        value = parse(data, "f")
    except RegistryError as error:
        told = error
    else:
        typed(value)
        return
    assert told.where.startswith("f")
    assert told.fix


HOSTILE = {
    "an alias": b"a: &x 1\nb: *x\n",
    "an anchor alone": b"a: 1\nb: &x 2\n",
    "a merge key": b"a: 1\n<<: {b: 2}\n",
    "a tag": b"a: 1\nb: !!python/object/apply:os.system [x]\n",
    "a local tag": b"a: 1\nb: !x 2\n",
    "a bare tag": b"a: 1\nb: ! 2\n",
    "a duplicate key": b"a: 1\na: 2\n",
    "a duplicate key in another style": b'a: 1\n"a": 2\n',
    "two documents": b"a: 1\n---\nb: 2\n",
    "a key that is a list": b"a: 1\n? [x]\n: 1\n",
    "broken flow": b"a: 1\nb: [\n",
    "a tab": b"a: 1\n\tb: 2\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_each_hostile_construct_is_refused_and_its_line_is_named(name: str) -> None:
    with pytest.raises(RegistryError) as error:
        parse(HOSTILE[name], "link.mlem")
    assert error.value.where.startswith("link.mlem, line "), error.value.where
    assert int(error.value.where.rpartition(" ")[2]) >= 2 or name == "an alias"


@pytest.mark.parametrize(
    "data",
    [b"a: \x00", b"a: \x07", b"a: \x1b[2J", b"\xff\xfea", b"a: caf\xe9", b"a: \xed\xa0\x80", b"%YAML 9.9\n---\na: 1\n"],
)
def test_control_characters_and_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(RegistryError):
        parse(data, "f")


def test_a_document_of_bytes_that_are_not_utf8_names_the_line() -> None:
    with pytest.raises(RegistryError) as error:
        parse(b"a: 1\nb: \xff\n", "f")
    assert error.value.where == "f, line 2"


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"{a: " * 100_000,
        b"- " * 100_000,
        b"? " * 50_000,
        b"a:\n" + b" " * 900 * 900,
        b"[" * 500 + b"]" * 500,
    ],
)
def test_deep_nesting_ends_soon_with_an_error(data: bytes) -> None:
    started = time.monotonic()
    try:
        parse(data, "f")
    except RegistryError:
        pass
    else:
        assert data.startswith(b"a:\n")
    assert time.monotonic() - started < 5


def test_nesting_is_accepted_up_to_the_limit() -> None:
    deepest = strictyaml.DEPTH
    parse(b"[" * deepest + b"]" * deepest, "f")
    with pytest.raises(RegistryError, match="nested deeper"):
        parse(b"[" * (deepest + 1) + b"]" * (deepest + 1), "f")


def test_a_file_is_read_up_to_the_limit() -> None:
    assert parse(b"#" * strictyaml.LIMIT, "f") is None
    with pytest.raises(RegistryError, match="at most"):
        parse(b"#" * (strictyaml.LIMIT + 1), "f")


def test_scalars_stay_text_with_their_line() -> None:
    value = parse(b"rev: 1.10\ncommit: 0123456\nyes: no\ndate: 2020-01-01\nempty:\n", "f")
    assert value == {"rev": "1.10", "commit": "0123456", "yes": "no", "date": "2020-01-01", "empty": ""}
    assert [v.line for v in value.values()] == [1, 2, 3, 4, 5]
    assert all(isinstance(v, Scalar) for v in value.values())


def test_quotes_keep_text_from_being_typed() -> None:
    data = b"a: '1'\nb: 1\nc: \"null\"\nd: null\ne: 'true'\nf: true\ng: |\n  1\nh: .5\n"
    assert typed(parse(data, "f")) == {
        "a": "1",
        "b": 1,
        "c": "null",
        "d": None,
        "e": "true",
        "f": True,
        "g": "1\n",
        "h": 0.5,
    }


@pytest.mark.parametrize(
    ("text", "value"), [(".inf", math.inf), ("-.Inf", -math.inf), ("+.INF", math.inf), ("inf", "inf"), ("nan", "nan")]
)
def test_infinity_is_written_with_a_point(text: str, value: object) -> None:
    assert typed(parse(text.encode(), "f")) == value


@given(st.text(alphabet="0123456789.eE+-_:xbofn~", max_size=8))
def test_plain_scalars_are_typed_as_pyyaml_types_them(text: str) -> None:
    try:
        theirs = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return
    if isinstance(theirs, bool | int | float | None):
        ours = typed(parse(text.encode(), "f"))
        assert (type(ours), repr(ours)) == (type(theirs), repr(theirs))
    elif isinstance(theirs, str):
        assert typed(parse(text.encode(), "f")) == theirs


@pytest.mark.parametrize("text", ["1e5", "0E0", "08", "1.2.3", "2020-01-01", "0b_", "=", "v1"])
def test_text_that_mlem_writes_without_quotes_stays_text(text: str) -> None:
    assert typed(parse(text.encode(), "f")) == text


def test_a_number_is_short() -> None:
    assert typed(parse(b"9" * 5000, "f")) == "9" * 5000


def test_an_empty_document_is_nothing() -> None:
    assert parse(b"", "f") is parse(b"# only a comment\n", "f") is None
