from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import tag_body
from test_names import artifacts
from test_versions import valid as versions

from registry import names
from registry.tags import (
    ASSIGNMENT,
    DEPRECATION,
    DEREGISTRATION,
    HIGHEST,
    LARGEST,
    REGISTRATION,
    UNASSIGNMENT,
    BadTag,
    Event,
    TagName,
    format_name,
    looks_like_event,
    parse_name,
    parse_tag,
    text_of,
    trailers,
)

COMMIT = "c" * 40
NOW = 1_750_000_000

stages = artifacts.filter(lambda name: ":" not in name)
numbers = st.none() | st.integers(1, HIGHEST)
tag_names = st.one_of(
    st.builds(TagName, artifacts, st.sampled_from([REGISTRATION, DEREGISTRATION]), versions, st.none(), numbers),
    st.builds(TagName, artifacts, st.sampled_from([ASSIGNMENT, UNASSIGNMENT]), st.none(), stages, numbers),
    st.builds(TagName, artifacts, st.just(DEPRECATION), st.none(), st.none(), numbers),
)


@given(tag_names)
def test_a_name_is_read_back_as_it_was_written(name: TagName) -> None:
    ref = format_name(name)
    assert parse_name(ref) == name
    assert looks_like_event(ref)


@given(tag_names)
def test_gto_reads_the_same_from_a_name(name: TagName) -> None:
    import gto.tag as gto

    actions = {
        REGISTRATION: "register",
        DEREGISTRATION: "deregister",
        ASSIGNMENT: "assign",
        UNASSIGNMENT: "unassign",
        DEPRECATION: "deprecate",
    }
    theirs = gto.parse_name(format_name(name))
    assert theirs["name"] == name.artifact
    assert theirs["action"].value == actions[name.kind]
    assert (theirs.get("version"), theirs.get("stage"), theirs.get("counter")) == (
        name.version,
        name.stage,
        name.number,
    )


@given(st.text(max_size=20) | st.text(alphabet="amM1/=:@#!v.0-deprcat \n", max_size=20))
def test_any_text_is_a_name_that_is_written_the_same_or_a_bad_tag(text: str) -> None:
    found = parse_name(text)
    if isinstance(found, TagName):
        assert format_name(found) == text
        assert names.is_artifact(found.artifact)
    else:
        assert found.ref == text
        assert found.detail


@pytest.mark.parametrize(
    ("ref", "rule"),
    [
        ("m@v1.0.0\n", "tag-grammar"),
        ("m#prod\n", "tag-grammar"),
        ("m@v1.0", "tag-grammar"),
        ("m@1.0.0", "tag-grammar"),
        ("m@v1.0.٣", "tag-grammar"),
        ("mä@v1.0.0", "tag-grammar"),
        ("м#prod", "tag-grammar"),
        ("m@v1.0.0#", "tag-grammar"),
        ("m@v1.0.0#1#2", "tag-grammar"),
        ("m@v1.0.0!!", "tag-grammar"),
        ("m#prod#1!", "tag-grammar"),
        ("m#prod#-1", "tag-grammar"),
        ("m#prod#٣", "tag-grammar"),
        ("m#1#2#3", "tag-grammar"),
        ("m@deprecated!", "tag-grammar"),
        ("../m#prod", "tag-grammar"),
        ("m#../prod", "tag-grammar"),
        ("a=b=c#prod", "tag-grammar"),
        ("a:b#prod", "tag-grammar"),
        (".git=m#prod", "tag-grammar"),
        ("m@v" + "9" * 200 + ".0.0", "tag-grammar"),
        ("m" * 300 + "#prod", "tag-grammar"),
        ("m@created", "tag-created"),
        ("m@created#1", "tag-created"),
        ("m#prod#0", "tag-number"),
        ("m#prod#007", "tag-number"),
        ("m@v1.0.0#00", "tag-number"),
        ("m#prod#" + "9" * 5000, "tag-number"),
    ],
)
def test_a_name_outside_of_the_grammar_names_the_rule(ref: str, rule: str) -> None:
    found = parse_name(ref)
    assert isinstance(found, BadTag)
    assert found.rule == rule


@pytest.mark.parametrize("ref", ["v1.0.0", "release/2024", "m", "m!"])
def test_a_name_without_a_mark_is_never_looked_at(ref: str) -> None:
    assert not looks_like_event(ref)


def test_a_well_formed_tag_is_an_event() -> None:
    body = tag_body("models=m#a/b!#7", COMMIT, time=NOW, tagger="Dana  Ä <dana@example.org>", message="one\n\ntwo\n")
    assert parse_tag("models=m#a/b!#7", "f" * 40, "tag", body, NOW) == Event(
        "models=m#a/b!#7", "models:m", UNASSIGNMENT, None, "a/b", 7, "f" * 40, COMMIT, NOW, "+0000",
        "Dana  Ä", "dana@example.org", "one\n\ntwo\n",
    )  # fmt: skip


def test_sha256_repositories_and_signed_headers_are_read() -> None:
    body = tag_body("m@v1.0.0", "c" * 64).replace(b"\n\n", b"\ngpgsig-sha256 -----BEGIN\n abc\n \n -----END\n\n", 1)
    found = parse_tag("m@v1.0.0", "f" * 64, "tag", body, NOW)
    assert isinstance(found, Event)
    assert found.commit == "c" * 64
    assert found.message == "message\n"


GOOD = tag_body("m@v1.0.0", COMMIT)
BAD = {
    "another name in the object": (tag_body("m#prod#7", COMMIT), "tag-name"),
    "a name that differs in case": (tag_body("M@v1.0.0", COMMIT), "tag-name"),
    "a name with a carriage return": (tag_body("m@v1.0.0\r", COMMIT), "tag-name"),
    "a name that is not utf-8": (tag_body(b"m@v1.0.0\xff", COMMIT), "tag-encoding"),
    "a tree": (tag_body("m@v1.0.0", COMMIT, "tree"), "tag-target"),
    "a blob": (tag_body("m@v1.0.0", COMMIT, "blob"), "tag-target"),
    "a tag": (tag_body("m@v1.0.0", COMMIT, "tag"), "tag-target"),
    "no tagger": (tag_body("m@v1.0.0", COMMIT, tagger=None), "tag-tagger"),
    "a tagger after a trailing newline": (tag_body("m@v1.0.0\n", COMMIT), "tag-tagger"),
    "no tagger but one in the message": (
        tag_body("m@v1.0.0", COMMIT, tagger=None, message="\ntagger D <d@e> 1 +0000\n"),
        "tag-tagger",
    ),
    "the year 2099": (tag_body("m@v1.0.0", COMMIT, time=4_102_441_200), "tag-time"),
    "one second too late": (tag_body("m@v1.0.0", COMMIT, time=NOW + 1), "tag-time"),
    "no time": (tag_body("m@v1.0.0", COMMIT, time=0), "tag-time"),
    "a time before 1970": (tag_body("m@v1.0.0", COMMIT, time="-1"), "tag-malformed"),
    "an endless time": (tag_body("m@v1.0.0", COMMIT, time="9" * 5000), "tag-malformed"),
    "a message in latin-1": (tag_body("m@v1.0.0", COMMIT, message=b"caf\xe9\n"), "tag-encoding"),
    "a tagger in latin-1": (GOOD.replace(b"Dana", b"D\xe9na"), "tag-encoding"),
    "no message": (tag_body("m@v1.0.0", COMMIT, message=""), "tag-message"),
    "a message of blanks": (tag_body("m@v1.0.0", COMMIT, message=" \n\t\n"), "tag-message"),
    "NUL in the tagger": (GOOD.replace(b"Dana", b"Da\0na"), "tag-malformed"),
    "two taggers": (GOOD.replace(b"\n\n", b"\ntagger D <d@e> 1 +0000\n\n", 1), "tag-malformed"),
    "a short object id": (tag_body("m@v1.0.0", "c" * 39), "tag-malformed"),
    "an object id in capitals": (tag_body("m@v1.0.0", "C" * 40), "tag-malformed"),
    "no zone": (GOOD.replace(b" +0000", b""), "tag-malformed"),
    "carriage returns": (GOOD.replace(b"\n", b"\r\n"), "tag-malformed"),
    "nothing": (b"", "tag-tagger"),
    "noise": (bytes(range(256)), "tag-tagger"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_tag_that_breaks_a_rule_names_it(name: str) -> None:
    body, rule = BAD[name]
    found = parse_tag("m@v1.0.0", "f" * 40, "tag", body, NOW)
    assert isinstance(found, BadTag)
    assert (found.rule, found.artifact, found.ref) == (rule, "m", "m@v1.0.0")


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("commit", "tag-lightweight"), ("tree", "tag-target"), ("blob", "tag-target"), ("missing object", "tag-target"),
     (f"tag object of {LARGEST + 1} bytes", "tag-size")],
)  # fmt: skip
def test_a_ref_that_names_no_tag_object_of_fair_size_is_bad(kind: str, rule: str) -> None:
    found = parse_tag("m@v1.0.0", "f" * 40, kind, b"", NOW)
    assert isinstance(found, BadTag)
    assert found.rule == rule


@given(st.binary(max_size=80))
def test_any_bytes_are_a_bad_tag_and_never_crash(body: bytes) -> None:
    assert isinstance(parse_tag("m@v1.0.0", "f" * 40, "tag", body, NOW), BadTag)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_tag_with_one_byte_changed_is_bad_or_says_something_else(at: int, byte: int) -> None:
    changed = GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    found, good = (parse_tag("m@v1.0.0", "f" * 40, "tag", body, NOW) for body in (changed, GOOD))
    if changed != GOOD and isinstance(found, Event):
        blank = {ord(" "), ord("\t"), ord("\n"), 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x1F}
        assert found != good or {GOOD[at], byte} <= blank | set(b"<> ")


SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nVersion: v9.9.9\n\nNonce: x\n-----END SSH SIGNATURE-----\n"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("subject\n\nVersion: v1.0.0\nNonce: a b\n", {"Version": "v1.0.0", "Nonce": "a b"}),
        ("subject\n\nbody\n\nVersion: v1.0.0\n", {"Version": "v1.0.0"}),
        (f"subject\n\nVersion: v1.0.0\n{SIGNATURE}", {"Version": "v1.0.0"}),
        (f"subject\n\nVersion: v1.0.0\n\n{SIGNATURE}", {"Version": "v1.0.0"}),
        (f"subject\n{SIGNATURE}", {}),
        ("subject\n\nVersion: v1.0.0\nVersion: v2.0.0\n", {"Version": "v1.0.0"}),
        ("Version: v1.0.0\n", {}),
        ("subject\n\nVersion: v1.0.0\n\nmore text\n", {}),
        ("subject\n\nVersion: v1.0.0\nnot a trailer\n", {}),
        ("subject\n\nVersion : v1.0.0\n", {}),
        ("subject\n\n1: x\n", {}),
        ("", {}),
        (": ", {}),
    ],
)
def test_trailers_are_the_last_paragraph_before_the_signature(message: str, expected: dict[str, str]) -> None:
    assert trailers(message) == expected


def test_a_signature_begins_at_the_last_line_that_can_begin_one() -> None:
    message = f"subject\n\n{SIGNATURE}\n\nVersion: v1.0.0\n{SIGNATURE}"
    assert text_of(message) == f"subject\n\n{SIGNATURE}\n\nVersion: v1.0.0\n"


trailer_values = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=10)


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "Zs"]), max_size=20),
    st.dictionaries(
        st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True), trailer_values, min_size=1, max_size=4
    ),
    st.sampled_from(["", SIGNATURE]),
)
def test_trailers_are_read_back_as_they_were_written(subject: str, lines: dict[str, str], signature: str) -> None:
    written = "".join(f"{key}: {value}\n" for key, value in lines.items())
    assert trailers(f"{subject.strip()}.\n\n{written}{signature}") == lines


@given(st.text(alphabet="aV: \n-BEGINSH", max_size=60))
def test_any_message_has_trailers_or_none(message: str) -> None:
    assert all(key and "\n" not in value for key, value in trailers(message).items())
