"""Signatures of tags and commits: read natively, as git and ssh-keygen do or more strictly, and attacks on them."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
import signing_keys as keys
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lab import START, Lab, Repo, tag_body

from registry.signature import Verdict, principal_of, split_commit, split_tag
from registry.signing.allowed_signers import parse
from registry.signing.verifying import verify_commit, verify_tag

DANA = keys.key("ed25519")
EVE = keys.key("ed25519", "eve")
SIGNERS = f"dana@example.org {DANA.public}\neve@example.org {EVE.public}\n"
BODY = tag_body("m@v1.0.0", "1" * 40)
SIGNATURE = DANA.sign(BODY)


def judged(body: bytes, signers: str = SIGNERS, at: int = START) -> Verdict:
    return verify_tag(body, parse(signers.encode()), at)


def signs(lab: Lab, repo: Repo, key: keys.Key, signers: str = SIGNERS) -> Repo:
    """Let git sign with this key, and verify by these signers."""
    file = lab.root / "signers"
    file.write_text(signers)
    named = {"gpg.format": "ssh", "user.signingKey": str(key.private), "gpg.ssh.allowedSignersFile": str(file)}
    for name, value in named.items():
        repo.git("config", name, value)
    return repo


@pytest.fixture
def repo(lab: Lab) -> Repo:
    """A repository with signers that Dana signs in, where nothing is signed unless asked for."""
    made = lab.repo("models")
    made.commit({"a": "1", "allowed_signers": SIGNERS})
    return signs(lab, made, DANA)


# --- each type of key, made by git or as a token makes it


@pytest.mark.parametrize("kind", keys.NATIVE)
def test_what_git_signs_is_verified_natively(lab: Lab, kind: str) -> None:
    key, signers = keys.key(kind), f"dana@example.org {keys.key(kind).public}\n"
    repo = signs(lab, lab.repo("models"), key, signers)
    commit = repo.commit({"a": "1"})
    repo.git("tag", "-s", "-m", "First\n\nVersion: v1.0.0", "m@v1.0.0")
    repo.git("commit", "-S", "--quiet", "--allow-empty", "-m", "signed")
    allowed = parse(signers.encode())
    body = repo.run("git", "cat-file", "tag", "m@v1.0.0").stdout.encode()
    verdict = verify_tag(body, allowed, START)
    assert (verdict.state, verdict.fingerprint, verdict.key_type) == ("signed", key.fingerprint, key.public.split()[0])
    assert principal_of(verdict, "dana@example.org") == "dana@example.org"
    assert split_tag(body).payload.endswith(b"Version: v1.0.0\n")
    signed = repo.run("git", "cat-file", "commit", "HEAD").stdout.encode()
    assert verify_commit(signed, allowed, START).state == "signed"
    assert verify_commit(signed.replace(b"\nsigned", b"\nforged"), allowed, START).state == "bad"
    unsigned = repo.run("git", "cat-file", "commit", commit).stdout.encode()
    assert verify_commit(unsigned, allowed, START).state == "unsigned"


@pytest.mark.parametrize("kind", keys.TYPES)
@pytest.mark.parametrize("hashed", ["sha256", "sha512"])
def test_every_type_of_key_and_hash_is_verified_and_an_altered_message_is_not(kind: str, hashed: str) -> None:
    key = keys.key(kind)
    signers, signature = f"dana@example.org {key.public}\n", key.sign(BODY, hashed=hashed)
    assert judged(BODY + signature, signers).state == "signed"
    altered = judged(BODY.replace(b"message", b"massage") + signature, signers)
    assert (altered.state, principal_of(altered, "dana@example.org")) == ("bad", None)


def test_a_token_s_signature_is_unchecked_where_there_is_no_ssh_keygen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = keys.key("sk-ed25519")
    signature = key.sign(BODY)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert judged(BODY + signature, f"dana@example.org {key.public}\n").state == "unchecked"


def test_commits_with_sha256_object_ids_are_verified(lab: Lab) -> None:
    lab.run("git", "init", "--quiet", "--object-format=sha256", str(lab.root / "modern"))
    repo = signs(lab, Repo(lab, lab.root / "modern"), DANA)
    repo.git("commit", "-S", "--quiet", "--allow-empty", "-m", "signed")
    body = repo.run("git", "cat-file", "commit", "HEAD").stdout.encode()
    assert b"gpgsig-sha256" in body
    assert verify_commit(body, parse(SIGNERS.encode()), START).state == "signed"


# --- attacks on one object


@pytest.mark.parametrize(
    ("body", "state"),
    [
        pytest.param(BODY, "unsigned", id="no signature"),
        pytest.param(tag_body("m@v2.0.0", "1" * 40) + SIGNATURE, "bad", id="cut from one tag and put on another"),
        pytest.param(BODY + SIGNATURE + b"Version: v9.9.9\n", "unreadable", id="text behind the signature"),
        pytest.param(BODY + SIGNATURE + SIGNATURE, "bad", id="the same signature twice"),
        pytest.param(BODY + EVE.sign(b"other") + SIGNATURE, "bad", id="two signatures, by two"),
        pytest.param(BODY + SIGNATURE + EVE.sign(BODY), "bad", id="a second signature that leaves the first out"),
        pytest.param(BODY + DANA.sign(BODY, "file"), "wrong-namespace", id="signed as a file"),
        pytest.param(BODY + keys.key("rsa").sign(BODY), "unknown-key", id="a key that is not listed"),
        pytest.param(BODY + SIGNATURE.replace(b"\n", b"\r\n"), "unreadable", id="CRLF"),
        pytest.param((BODY + SIGNATURE).replace(b"\n", b"\r\n"), "unreadable", id="CRLF everywhere"),
        pytest.param(BODY + SIGNATURE.replace(b"-----END", b"----END"), "unreadable", id="no last line"),
        pytest.param(BODY + SIGNATURE.replace(b"SIGNATURE-----\n", b"SIGNATURE----- \n", 1), "unreadable", id="a blank behind the first line"),
        pytest.param(BODY + b" " + SIGNATURE, "unsigned", id="indented"),
        pytest.param(BODY + SIGNATURE[:100], "unreadable", id="cut off"),
        pytest.param(BODY + b"-----BEGIN SIGNED MESSAGE-----\n", "unchecked", id="X.509"),
        pytest.param(BODY + b"-----BEGIN PGP SIGNATURE-----\n\nAA==\n-----END PGP SIGNATURE-----\n", "unchecked", id="PGP without git"),
        pytest.param(BODY + b"-----BEGIN PGP SIGNATURE-----\n\nAA==\n-----END PGP SIGNATURE-----\nx\n", "unreadable", id="text behind PGP"),
        pytest.param(BODY + b"-----BEGIN PGP MESSAGE-----\n\nAA==\n-----END PGP MESSAGE-----\n", "unreadable", id="a PGP message"),
        pytest.param(BODY.replace(b"\n\n", b"\ngpgsigx y\n\n", 1) + SIGNATURE, "unreadable", id="an unknown header that git would drop"),
        pytest.param(BODY + keys.armored(keys.unarmored(SIGNATURE) + b"\0"), "unreadable", id="bytes behind the envelope"),
    ],
)  # fmt: skip
def test_an_attack_is_not_taken_for_a_signature(body: bytes, state: str) -> None:
    verdict = judged(body)
    assert (verdict.state, verdict.good) == (state, False)
    assert verdict.reason


def test_a_signature_made_with_sha_1_is_not_read() -> None:
    rsa = keys.key("rsa")
    blob = keys.unarmored(rsa.sign(BODY, hashed="sha512"))
    for name in (b"ssh-rsa", b"rsa-sha2-1"):
        old = b"\x00\x00\x00\x0crsa-sha2-512"
        start = blob.rindex(old) - 4
        inner = keys.strings(name) + blob[start + 4 + len(old) :]
        forged = blob[:start] + keys.strings(inner)
        verdict = judged(BODY + keys.armored(forged), f"dana@example.org {rsa.public}\n")
        assert verdict.state == "unreadable"
        assert "not admitted" in verdict.reason
    weak = keys.armored(blob.replace(b"\x00\x00\x00\x06sha512", struct.pack(">I", 4) + b"sha1"))
    assert "hashed with 'sha1'" in judged(BODY + weak, f"dana@example.org {rsa.public}\n").reason


def test_a_right_key_with_someone_else_s_name_is_nobody_s_signature() -> None:
    body = tag_body("m@v1.0.0", "1" * 40, tagger="Eve <eve@example.org>")
    verdict = judged(body + DANA.sign(body))
    assert verdict.state == "signed"
    assert principal_of(verdict, "eve@example.org") is None
    assert principal_of(verdict, "dana@example.org") == "dana@example.org"
    assert principal_of(verdict, "") is None
    assert principal_of(judged(BODY), "dana@example.org") is None


def test_an_expired_key_is_told_by_the_time_it_is_judged_by_not_by_the_tag_s_own() -> None:
    signers = f'dana@example.org valid-before="20250601Z" {DANA.public}\n'
    body = tag_body("m@v1.0.0", "1" * 40, time=1_740_000_000)
    assert judged(body + DANA.sign(body), signers).state == "expired"
    assert judged(body + DANA.sign(body), signers, 1_740_000_000).state == "signed"


def test_what_a_compromised_key_signed_counts_only_where_it_was_recorded_before() -> None:
    allowed = parse(SIGNERS.encode())
    marks = {DANA.fingerprint: START}
    states = [verify_tag(BODY + SIGNATURE, allowed, at, marks).state for at in (START - 1, START, START + 1)]
    assert states == ["signed", "compromised", "compromised"]
    assert verify_tag(BODY + SIGNATURE, allowed, START, {EVE.fingerprint: START}).good


def test_two_headers_with_signatures_make_a_commit_unreadable(repo: Repo) -> None:
    repo.git("commit", "-S", "--quiet", "--allow-empty", "-m", "signed")
    body = repo.run("git", "cat-file", "commit", "HEAD").stdout.encode()
    header = re.search(rb"gpgsig [^\n]*\n(?: [^\n]*\n)*", body)
    assert header
    allowed = parse(SIGNERS.encode())
    assert verify_commit(body, allowed, START).good
    assert verify_commit(body.replace(header[0], header[0] * 2), allowed, START).state == "unreadable"
    assert verify_commit(body.replace(header[0], header[0] + b"gpgsigned x\n"), allowed, START).state == "unreadable"
    assert verify_commit(body.replace(header[0], b"gpgsig nothing\n"), allowed, START).state == "unreadable"


# --- never more than git and ssh-keygen


VARIANTS = {
    "as made": lambda body, sig: body + sig,
    "a header for the other hash": lambda body, sig: body.replace(b"\n\n", b"\ngpgsig-sha256 x\n y\n\n", 1) + sig,
    "a header before the tagger": lambda body, sig: body.replace(b"tagger", b"gpgsig x\n y\ntagger", 1) + sig,
    "text between": lambda body, sig: body + b"more\n" + sig,
    "a marker in the message": lambda body, sig: body + b"-----BEGIN PGP MESSAGE-----\n" + sig,
    "no blank line": lambda body, sig: body.replace(b"\n\n", b"\n", 1) + sig,
    "headers only": lambda body, sig: sig,
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_git_agrees_on_what_was_signed(repo: Repo, variant: str) -> None:
    target = repo.rev("HEAD")
    body = tag_body("m@v1.0.0", target)
    made = VARIANTS[variant](body, DANA.sign(body))
    oid = repo.raw_tag("m@v1.0.0", made)
    theirs = repo.run("git", "verify-tag", oid, check=False).code == 0
    assert judged(made).good == theirs


@st.composite
def mutations(draw: st.DrawFn) -> tuple[keys.Key, bytes]:
    """A key's signature with a few bytes changed, in its text or inside the envelope."""
    key = keys.key(draw(st.sampled_from(["ed25519", "ecdsa256", "ecdsa521", "rsa", "sk-ed25519"])))
    right = SIGNATURES[key.name]
    inside = draw(st.booleans())
    data = bytearray(keys.unarmored(right) if inside else right)
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 2))] = draw(
            st.one_of(st.binary(max_size=2), st.sampled_from([b"\n", b" ", b"\0", b"=", b"\r\n"]))
        )
    return key, keys.armored(bytes(data)) if inside else bytes(data)


SIGNATURES = {kind: keys.key(kind).sign(BODY) for kind in ("ed25519", "ecdsa256", "ecdsa521", "rsa", "sk-ed25519")}


def never_more_than_ssh_keygen(key: keys.Key, signature: bytes) -> None:
    signers = f"dana@example.org {key.public}\n"
    if judged(BODY + signature, signers).good:
        assert keys.ssh_keygen_accepts(BODY, signature, signers.encode(), "dana@example.org")


@settings(max_examples=200)
@given(mutations())
@example((DANA, SIGNATURE))
def test_no_signature_is_accepted_that_ssh_keygen_refuses(made: tuple[keys.Key, bytes]) -> None:
    never_more_than_ssh_keygen(*made)


@pytest.mark.slow
@settings(max_examples=5_000, derandomize=False)
@given(mutations())
def test_no_signature_of_very_many_is_accepted_that_ssh_keygen_refuses(made: tuple[keys.Key, bytes]) -> None:
    never_more_than_ssh_keygen(*made)


@given(st.binary(max_size=200), st.sampled_from([b"", b"-----BEGIN SSH SIGNATURE-----\n", b"gpgsig "]))
def test_no_bytes_bring_the_reader_to_fall(data: bytes, begin: bytes) -> None:
    allowed = parse(SIGNERS.encode())
    body = b"object 1\n" + begin + data + b"\n-----END SSH SIGNATURE-----\n"
    assert not verify_tag(body, allowed, START).good
    assert not verify_commit(body, allowed, START).good
    split_tag(data)
    split_commit(data)


@given(st.binary(max_size=200))
def test_no_envelope_brings_the_reader_to_fall(data: bytes) -> None:
    for blob in (data, b"SSHSIG\0\0\0\1" + data, b"SSHSIG\0\0\0\1" + keys.strings(data, b"git", b"", b"sha512", data)):
        assert not judged(BODY + keys.armored(blob)).good
    public = keys.unarmored(SIGNATURE)[14:65]
    forged = b"SSHSIG\0\0\0\1" + keys.strings(public, b"git", b"", b"sha512", data)
    assert judged(BODY + keys.armored(forged)).state in {"unreadable", "bad"}
