"""The signers' file: every spelling of OpenSSH, never more than ssh-keygen accepts, and errors that name the line."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
import signing_keys as keys
from hypothesis import example, given, settings
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.signature import Verdict, matches, principal_of
from registry.signing.allowed_signers import LIMIT, AllowedSigners, parse
from registry.signing.verifying import verify_tag

DANA = keys.key("ed25519")
EVE = keys.key("ed25519", "eve")
PUBLIC = DANA.public
BODY = b"object 1\ntype commit\ntag m@v1.0.0\ntagger Dana <dana@example.org> 1 +0000\n\nmessage\n"
SIGNATURE = DANA.sign(BODY)
NOON = int(datetime(2026, 3, 1, 12, tzinfo=timezone.utc).timestamp())


def read(text: str) -> AllowedSigners:
    return parse(text.encode())


def verdict(text: str, at: int = NOON) -> Verdict:
    return verify_tag(BODY + SIGNATURE, read(text), at)


def ours(text: bytes, email: str, at: int) -> bool:
    """Whether we take the signature for this person's at this time."""
    try:
        return principal_of(verify_tag(BODY + SIGNATURE, parse(text), at), email) is not None
    except RegistryError:
        return False


def theirs(text: bytes, email: str, at: int, tz: str = "UTC") -> bool:
    """Whether ssh-keygen does."""
    when = datetime.fromtimestamp(at, timezone.utc).strftime("%Y%m%d%H%M%SZ")
    return keys.ssh_keygen_accepts(BODY, SIGNATURE, text, email, when, tz=tz)


# The keys are made anew by each process, so the tests below are told apart by number.
ACCEPTED = [
    f"dana@example.org {PUBLIC}",
    f"  \t dana@example.org\t \t{PUBLIC} a comment = with, options\t",
    f"\n# a comment\n\n   # another\ndana@example.org {PUBLIC}\r\n",
    f"*@example.org {PUBLIC}",
    f"d?na@example.org,eve@example.org {PUBLIC}",
    f"!eve@example.org,* {PUBLIC}",
    f'"dana@example.org,release team" {PUBLIC}',
    f'dana@example.org namespaces="file,git" {PUBLIC}',
    f'dana@example.org NAMESPACES="g*" {PUBLIC}',
    f'dana@example.org valid-after="20260301Z",valid-before="20260302Z" {PUBLIC}',
    f'dana@example.org Valid-After="202603011200Z" {PUBLIC}',
    f'dana@example.org valid-before="20260301120000utc" {PUBLIC}',
    f'dana@example.org valid-before="20260303",valid-after="20260228" {PUBLIC}',
    f'dana@example.org valid-before="20200101Z" {PUBLIC}\ndana@example.org {PUBLIC}',
    f"eve@example.org {EVE.public}\ndana@example.org {PUBLIC}",
]
NOT_FOR_DANA = [
    "",
    f"eve@example.org {PUBLIC}",
    f"Dana@example.org {PUBLIC}",
    f"dana@example.org {EVE.public}",
    f"!dana@example.org,* {PUBLIC}",
    f"*,!d* {PUBLIC}",
    f'dana@example.org namespaces="file" {PUBLIC}',
    f'dana@example.org namespaces="!git,*" {PUBLIC}',
    f'dana@example.org valid-after="20260301120001Z" {PUBLIC}',
    f'dana@example.org valid-before="20260301115959Z" {PUBLIC}',
    f"dana@example.org cert-authority {PUBLIC}",
    f'dana@example.org cert-authority,namespaces="git" {PUBLIC}',
]
FILE_REFUSED = [
    "dana@example.org",
    "dana@example.org ssh-ed25519",
    f'"dana@example.org {PUBLIC}',
    f'dana@example.org namespaces="git {PUBLIC}',
    f"dana@example.org namespaces=git {PUBLIC}",
    f'dana@example.org namespaces="" {PUBLIC}',
    f'dana@example.org namespaces="git",namespaces="file" {PUBLIC}',
    f'dana@example.org valid-after="yesterday" {PUBLIC}',
    f'dana@example.org valid-after="20260230" {PUBLIC}',
    f'dana@example.org valid-after="19600101Z" {PUBLIC}',
    f'dana@example.org valid-after="20260302Z",valid-before="20260301Z" {PUBLIC}',
    f'dana@example.org no-touch-required,namespaces="git" {PUBLIC}',
    f'dana@example.org namespaces="git", {PUBLIC}',
    f"dana@example.org {PUBLIC[:-4]}",
    f"dana@example.org {PUBLIC.replace('ssh-ed25519', 'ssh-rsa', 1)}",
    f"dana@example.org ssh-future {PUBLIC.split()[1]}",
    f"a,,b {PUBLIC}",
    f"dana@example.org {PUBLIC}\0",
    f"dana@example.org {PUBLIC} \x1b[31m",
    f"dana@ex\rample.org {PUBLIC}",
]


@pytest.mark.parametrize("text", ACCEPTED, ids=range(len(ACCEPTED)))
def test_what_both_accept(text: str) -> None:
    assert ours(text.encode(), "dana@example.org", NOON)
    assert theirs(text.encode(), "dana@example.org", NOON)


@pytest.mark.parametrize("text", NOT_FOR_DANA, ids=range(len(NOT_FOR_DANA)))
def test_what_says_nothing_for_this_person_or_time(text: str) -> None:
    read(text)
    assert not ours(text.encode(), "dana@example.org", NOON)
    assert not theirs(text.encode(), "dana@example.org", NOON)


@pytest.mark.parametrize("text", FILE_REFUSED, ids=range(len(FILE_REFUSED)))
def test_a_line_that_is_none_makes_the_file_unreadable_and_is_named(text: str) -> None:
    with pytest.raises(RegistryError) as error:
        read(f"# first\neve@example.org {EVE.public}\n{text}\n")
    assert "line 3" in error.value.where
    assert error.value.fix


def test_a_file_that_is_not_text_or_too_large_is_refused() -> None:
    with pytest.raises(RegistryError, match="not UTF-8") as error:
        parse(b"#\n\xff\n")
    assert "line 2" in error.value.where
    with pytest.raises(RegistryError, match="bytes, at most"):
        parse(b"#" * (LIMIT + 1))


def test_both_ends_of_the_time_of_validity_belong_to_it() -> None:
    line = f'dana@example.org valid-after="20260301120000Z",valid-before="20260301120010Z" {PUBLIC}'
    states = [verdict(line, NOON + seconds).state for seconds in (-1, 0, 10, 11)]
    assert states == ["not-yet-valid", "signed", "signed", "expired"]


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"])
@pytest.mark.parametrize("hours", range(-30, 31, 6))
def test_a_time_without_a_zone_counts_only_where_it_holds_in_every_zone(zone: str, hours: int) -> None:
    at = NOON + hours * 3600
    for option in ("valid-after", "valid-before"):
        line = f'dana@example.org {option}="20260301120000" {PUBLIC}'.encode()
        assert not ours(line, "dana@example.org", at) or theirs(line, "dana@example.org", at, zone)


def test_small_rsa_keys_and_dsa_keys_are_read_and_allow_nobody() -> None:
    small = keys.key("rsa1024")
    found = read(f"dana@example.org {small.public}\n")
    assert "1024 bits" in found.signers[0].unused
    body = BODY + small.sign(BODY)
    assert verify_tag(body, found, NOON).state == "unknown-key"
    assert "1024 bits" in verify_tag(body, found, NOON).reason
    dsa = keys.public("ssh-dss", b"\1", b"\1", b"\1", b"\1")
    assert "not honoured" in read(f"dana@example.org {dsa}").signers[0].unused


def test_the_json_of_a_line_says_all_of_it() -> None:
    text = f'dana@example.org,ops namespaces="git",valid-after="20260301120000Z" {PUBLIC} laptop'
    assert read(text).signers[0].json() == {
        "principals": ["dana@example.org", "ops"],
        "fingerprint": DANA.fingerprint,
        "key_type": "ssh-ed25519",
        "namespaces": ["git"],
        "valid_after": NOON,
        "valid_before": None,
        "unused": None,
        "line": 1,
        "comment": "laptop",
    }


@pytest.mark.parametrize(
    ("patterns", "text", "expected"),
    [
        ("*", "", True), ("a*c", "abbc", True), ("a*c", "abb", False), ("??", "ab", True), ("??", "a", False), ("a,b", "b", True),
        ("*,!b", "b", False), ("!b,*", "a", True), ("!b", "a", False), ("?", "é", False), ("??", "é", True), ("[a]", "a", False),
        ("*" * 500 + "b", "a" * 5000, False),
    ],
)  # fmt: skip
def test_patterns_match_as_openssh_s(patterns: str, text: str, expected: bool) -> None:
    assert matches(patterns, text) is expected


def named_line(data: bytes) -> str:
    """The place an error names; the file where there is none."""
    try:
        parse(data)
    except RegistryError as error:
        return error.where
    return "allowed_signers"


@given(st.binary(max_size=300))
def test_no_bytes_bring_the_reader_to_fall(data: bytes) -> None:
    assert named_line(data).startswith("allowed_signers")


@given(st.text(alphabet='d*?!",=# \tgit\\-Z20', max_size=60))
def test_no_line_brings_the_reader_to_fall(text: str) -> None:
    assert named_line(f"{text} {PUBLIC}".encode()) in {"allowed_signers", "allowed_signers, line 1"}


TIMES = st.sampled_from(["20260301", "20260301Z", "202603011200", "20260301120000Z", "20260301120001utc", "20260302Z", "2026030112", "2026-03-01", "20260301 Z", "0", "", "99991231Z", "20261301Z", "20260301115960Z"])  # fmt: skip
VALUES = st.one_of(TIMES, st.sampled_from(["git", "file", "*", "!git,*", "g?t", " git", "git ", 'g\\"it', "git,file"]))
NAMES = st.sampled_from(["valid-after", "valid-before", "namespaces", "cert-authority", "Namespaces", "x", ""])
MARKS = st.sampled_from(['="', "=", '"', ""])
OPTION = st.one_of(NAMES, st.tuples(NAMES, st.just('="'), VALUES, st.just('"')).map("".join), st.tuples(NAMES, MARKS, VALUES, MARKS).map("".join))  # fmt: skip
PEOPLE = st.sampled_from(["dana@example.org", "*", "*@example.org", "!dana@*", "!eve", "d?na@*", "eve", "", "*@*,!x", "dana@example.or", "D*"])  # fmt: skip
QUOTE = st.sampled_from(["", "", '"'])
BLANK = st.sampled_from([" ", " ", "\t", "  ", "", "\r", "\v"])
KEYS = st.sampled_from([PUBLIC, PUBLIC, PUBLIC, EVE.public, PUBLIC[:-1], PUBLIC + "=", PUBLIC.upper(), "ssh-rsa " + PUBLIC.split()[1]])  # fmt: skip
ENDS = st.sampled_from(["", "\n", "\r\n", " comment\n", "\0\n", "\n\n", ",x\n"])


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    mark = draw(QUOTE)
    people = mark + ",".join(draw(st.lists(PEOPLE, min_size=1, max_size=3))) + mark
    options = ",".join(draw(st.lists(OPTION, max_size=2)))
    middle = options + draw(BLANK) if options else ""
    return (draw(BLANK) + people + draw(BLANK) + middle + draw(KEYS) + draw(ENDS)).encode()


@st.composite
def files(draw: st.DrawFn) -> bytes:
    whole = bytearray(b"".join(draw(st.lists(lines(), min_size=1, max_size=3))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, max(0, len(whole) - 1)))
        whole[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(whole)


def never_more_than_ssh_keygen(text: bytes, email: str, at: int) -> None:
    if ours(text, email, at):
        assert theirs(text, email, at)


EMAILS = st.sampled_from(["dana@example.org", "eve", "dané@example.org", "*", "!dana@example.org"])
MOMENTS = st.sampled_from([NOON, NOON + 1, NOON - 1, NOON + 86400 * 3, NOON - 86400 * 3])


@settings(max_examples=150)
@given(files(), EMAILS, MOMENTS)
@example(ACCEPTED[-1].encode(), "dana@example.org", NOON)
def test_no_file_lets_us_accept_what_ssh_keygen_refuses(text: bytes, email: str, at: int) -> None:
    never_more_than_ssh_keygen(text, email, at)


@pytest.mark.slow
@settings(max_examples=5_000, derandomize=False)
@given(files(), EMAILS, MOMENTS)
def test_no_file_of_very_many_lets_us_accept_what_ssh_keygen_refuses(text: bytes, email: str, at: int) -> None:
    never_more_than_ssh_keygen(text, email, at)
