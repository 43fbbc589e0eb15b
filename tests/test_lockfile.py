"""The lock file's grammar: what is written is read back, what is hostile is one error that names the line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.linkfile import Pin
from registry.lockfile import Locked, differences, format_lock, parse_lock

SHA, OID = "a" * 64, "b" * 40
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
IDS = HEX.map(lambda text: text[:40])
PLAIN = st.text(
    st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"], max_codepoint=0x1FFFF), min_size=1, max_size=12
)
PINS = st.builds(
    Pin,
    sha256=HEX,
    blob=st.none() | IDS,
    store=st.none() | PLAIN,
    key=st.none() | PLAIN,
    size=st.none() | st.integers(0, 10**15),
)


@st.composite
def locked(draw: st.DrawFn) -> Locked:
    name, version = draw(st.sampled_from(["m", "a/b", "dir:x"])), draw(st.sampled_from(["v1.0.0", "v1.2.3-rc.1"]))
    stage = draw(st.none() | st.just("prod"))
    wanted = (
        None
        if stage
        else draw(st.none() | st.sampled_from([version, ">=1.0.0-a,>=1.2.3-a" if "-" in version else "^1"]))
    )
    tag = f"{name.replace(':', '=')}@{version}{draw(st.sampled_from(['', '#2']))}"
    return Locked(
        name, draw(PLAIN), stage, wanted, version, tag, draw(IDS), draw(IDS), draw(PLAIN), draw(IDS), draw(PLAIN),
        draw(PLAIN), draw(PLAIN), draw(IDS), draw(PINS), draw(st.dictionaries(PLAIN, PINS, max_size=3)),
    )  # fmt: skip


@settings(max_examples=40)
@given(st.lists(locked(), max_size=3, unique_by=lambda each: (each.project, *each.selector)))
def test_what_is_written_is_read_back_and_order_does_not_matter(entries: list[Locked]) -> None:
    text = format_lock(entries)
    read = {(each.project, *each.selector): each for each in parse_lock(text.encode(), "x")}
    assert read == {(each.project, *each.selector): each for each in entries}
    assert format_lock(reversed(entries)) == text


TEXT = format_lock(
    [
        Locked("m", "https://example.org/r", "prod", None, "v1.0.0", "m@v1.0.0", OID, OID, "l", OID, "u", "p", "r", OID, Pin(sha256=SHA), {"data": Pin(sha256=SHA, blob=OID, size=3)})
    ]
)  # fmt: skip


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith(part))


def test_the_file_reads_as_the_guide_says() -> None:
    assert [line for line in TEXT.splitlines() if line.startswith("[")] == [
        "[[artifact]]", "[artifact.source]", "[artifact.metafile]", "[artifact.artifacts.data]",
    ]  # fmt: skip
    assert TEXT.splitlines()[1] == "format = 1"


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("format = 1", "format = 2", "lock format 2 is not known", "format"),
        ("format = 1", 'format = "1"', "format must be a number", "format"),
        ("format = 1", "format = true", "format must be a number", "format"),
        ("format = 1", "format = 1\nextra = 1", "unknown key 'extra'", "extra"),
        ('stage = "prod"', "stage = 3", "stage must be a stage", "stage"),
        ('stage = "prod"', 'stage = ""', "stage must be a stage", "stage"),
        ('stage = "prod"', 'stage = "p#q"', "stage must be a stage", "stage"),
        ('stage = "prod"', 'stage = "prod"\nwanted = "^1"', "not for both", "stage"),
        ('stage = "prod"', 'wanted = "1.x"', "wanted must be a version or a range", "wanted"),
        ('stage = "prod"', 'wanted = "^2"', "version v1.0.0 is not what was asked for", "version"),
        ('name = "m"', 'name = "../m"', "name must be an artifact's name", "name"),
        ('name = "m"', "", "name is missing", "[[artifact]]"),
        ('project = "', 'project = "\\u001b[31m', "project must be text", "project"),
        ('project = "', 'project = "\\u2028', "project must be text", "project"),
        ('tag = "m@v1.0.0"', 'tag = "m@v1.0.1"', "tag must be a tag that registers m@v1.0.0", "tag ="),
        ('tag = "m@v1.0.0"', 'tag = "n@v1.0.0"', "tag must be a tag that registers m@v1.0.0", "tag ="),
        ('tag = "m@v1.0.0"', 'tag = "m#prod"', "tag must be a tag that registers m@v1.0.0", "tag ="),
        (f'link_id = "{OID}"', 'link_id = "HEAD"', "link_id must be an object id", "link_id"),
        ("size = 3", "size = -3", "size must be a number of bytes", "size"),
        ("size = 3", "size = 3.5", "size must be a number of bytes", "size"),
        ("size = 3", f"size = {10**19}", "size must be a number of bytes", "size"),
        ("size = 3", "bytes = 3", "unknown key 'artifacts.data.bytes'", "bytes"),
        ('url = "u"', "url = []", "source.url must be text", "url"),
        ("[artifact.artifacts.data]", '[artifact.artifacts."a\\u0000"]', "is not a name", "[artifact.artifacts"),
    ],
)
def test_what_is_wrong_is_one_error_with_its_line(old: str, new: str, message: str, line: str) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    with pytest.raises(RegistryError) as caught:
        parse_lock(text.encode(), "registry.lock")
    assert message in caught.value.what
    assert "\x1b" not in str(caught.value)
    assert caught.value.where == f"registry.lock, line {line_of(text, line)}"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", 0),
        (b"format = 1\nformat = 1\n", 2),
        (b"format = 1\nartifact = 3\n", 2),
        (b"format = 1\nartifact = [3]\n", 0),
        (b"format = 1\n\n[[artifact]]\nname = \n", 4),
        (b"format = 1\nx = '\xff'\n", 2),
        (b"format = 1\nx = '\x00'\n", 2),
        (b"format = 1\nx = " + b"[" * 100_000, 0),
        (b"format = " + b"9" * 5000, 0),
        (b"#" * (1 << 24) + b"\n", 0),
        (TEXT.encode() + TEXT.partition("format = 1")[2].encode(), len(TEXT.splitlines()) + 3),
    ],
)
def test_what_is_no_lock_file_is_one_error(data: bytes, line: int) -> None:
    with pytest.raises(RegistryError) as caught:
        parse_lock(data, "x")
    assert caught.value.where == f"x, line {line}" if line else caught.value.where.startswith("x")


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_lock_or_one_error(data: bytes) -> None:
    for each in (data, b"format = 1\n" + data, b"format = 1\n[[artifact]]\n" + data):
        with contextlib.suppress(RegistryError):
            assert isinstance(parse_lock(each, "x"), tuple)


def test_a_difference_names_the_key_and_both_values() -> None:
    entry = parse_lock(TEXT.encode(), "x")[0]
    other = parse_lock(TEXT.replace("size = 3", "size = 4").replace('rev = "r"', 'rev = "s"').encode(), "x")[0]
    assert [tuple(each) for each in differences(entry, other)] == [
        ("source.rev", "r", "s"),
        ("artifacts.data.size", "3", "4"),
    ]
    assert differences(entry, entry) == []
