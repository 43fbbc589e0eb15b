"""What a signature says of a tag or a commit, and where in the object it stands. Pure.

A signed tag ends with its signature: it begins at the last line that begins like one, and what stands before it, less
`gpgsig` headers, is what was signed (git's `parse_signature` in gpg-interface.c). A commit's stands in the header
`gpgsig`, or `gpgsig-sha256` where object ids are SHA-256, and the rest of the object is what was signed
(`parse_signed_commit` in commit.c; gitformat-signature(5)). Stricter than git: nothing may follow a signature, a
commit has one, and no other header may begin with `gpgsig`.

Patterns of principals are OpenSSH's (ssh_config(5), PATTERNS): `*` stands for any text, `?` for one byte, a list is
divided by commas, and an element with `!` before it excludes whatever else matches. Case counts.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

SIGNED: Final = "signed"
PGP_GOOD: Final = "pgp-good"
UNSIGNED: Final = "unsigned"
UNKNOWN_KEY: Final = "unknown-key"
NOT_YET_VALID: Final = "not-yet-valid"
EXPIRED: Final = "expired"
WRONG_NAMESPACE: Final = "wrong-namespace"
COMPROMISED: Final = "compromised"
BAD: Final = "bad"
UNREADABLE: Final = "unreadable"
PGP_UNTRUSTED: Final = "pgp-untrusted"
PGP_BAD: Final = "pgp-bad"
UNCHECKED: Final = "unchecked"

STATES: Final = {
    SIGNED: "the signature is right, by a key that the signers' file allows at that time",
    PGP_GOOD: "the PGP signature is right, by a key that this machine's keyring trusts fully",
    UNSIGNED: "there is no signature",
    UNKNOWN_KEY: "signed by a key that the signers' file does not name",
    NOT_YET_VALID: "the key was not valid yet at that time",
    EXPIRED: "the key was not valid any more at that time",
    WRONG_NAMESPACE: "made for something other than git, or by a key that is not for git",
    COMPROMISED: "recorded when its key was compromised already",
    BAD: "the signature does not belong to what it stands on",
    UNREADABLE: "what looks like a signature is none that can be read",
    PGP_UNTRUSTED: "the PGP signature is right, by a key that this machine's keyring does not trust fully",
    PGP_BAD: "the PGP signature is wrong, or its key unknown, expired or revoked",
    UNCHECKED: "the program that checks this kind of signature could not be run",
}
"""Every state of a verdict, in words."""
GOOD: Final = frozenset({SIGNED, PGP_GOOD})
FORGED: Final = frozenset({BAD, UNREADABLE, WRONG_NAMESPACE, COMPROMISED, PGP_BAD})
"""States in which somebody claims what is not so; the other bad ones may be an honest person's."""

SSH, PGP, X509 = "ssh", "pgp", "x509"
LONGEST_PRINCIPAL: Final = 1023
"""Characters; OpenSSH reads no longer pattern."""
_BEGINS: Final = {
    b"-----BEGIN SSH SIGNATURE-----": SSH,
    b"-----BEGIN PGP SIGNATURE-----": PGP,
    b"-----BEGIN PGP MESSAGE-----": PGP,
    b"-----BEGIN SIGNED MESSAGE-----": X509,
}
_BEGIN = re.compile(rb"^(?:" + b"|".join(re.escape(line) for line in _BEGINS) + rb")", re.MULTILINE)
_HEADER = re.compile(rb"(?m)^(gpgsig(?:-sha256)?) ([^\n]*\n(?: [^\n]*\n)*)")


class Verdict(NamedTuple):
    """What is known of the signature of one object, judged at one time."""

    state: str
    """One of `STATES`."""
    reason: str
    """The same for a person, with expected and actual."""
    kind: str = ""
    """`ssh`, `pgp` or `x509`; empty where there is no signature."""
    fingerprint: str = ""
    """`SHA256:…` of an SSH key, as ssh-keygen prints it, or a PGP key's in hex; empty where no key is known."""
    key_type: str = ""
    """The key's algorithm, such as `ssh-ed25519`."""
    principals: tuple[str, ...] = ()
    """Who may sign with that key then: a list of patterns for each line of the signers' file, or a PGP key's e-mail."""

    @property
    def good(self) -> bool:
        """Whether the object is signed by a key that is allowed; whose, is for `principal_of` to say."""
        return self.state in GOOD

    def json(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "state": self.state,
            "reason": self.reason,
            "kind": self.kind or None,
            "fingerprint": self.fingerprint or None,
            "key_type": self.key_type or None,
            "principals": list(self.principals),
        }


class Signed(NamedTuple):
    """An object taken apart."""

    payload: bytes
    """What was signed; the whole object where nothing was."""
    signature: bytes
    """The armored signature; empty where there is none."""
    kind: str
    """`ssh`, `pgp` or `x509`; empty where there is no signature."""
    fault: str = ""
    """Why the object is no well-formed signed one, although it has a signature."""


def principal_of(verdict: Verdict, email: str) -> str | None:
    """The e-mail of a tagger, where a good signature is by a key that may sign for exactly this person; else none."""
    if not verdict.good or not email:
        return None
    if verdict.kind == PGP:
        return email if email in verdict.principals else None
    return email if any(matches(patterns, email) for patterns in verdict.principals) else None


def matches(patterns: str, text: str) -> bool:
    """Whether a comma list of patterns holds a text and no `!` of it excludes the text."""
    found = False
    text = _octets(text)
    for pattern in _octets(patterns).split(","):
        negated = pattern.startswith("!")
        if _glob(pattern[negated:], text):
            if negated:
                return False
            found = True
    return found


def _octets(text: str) -> str:
    """A character for each byte, since `?` stands for one byte in OpenSSH."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def _glob(pattern: str, text: str) -> bool:
    """`*` and `?`, in time of at most the product of both lengths."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == text
    at = read = 0
    star, mark = -1, 0
    while read < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, read
            at += 1
        elif at < len(pattern) and pattern[at] in {"?", text[read]}:
            at += 1
            read += 1
        elif star >= 0:
            at, mark = star + 1, mark + 1
            read = mark
        else:
            return False
    return pattern[at:].strip("*") == ""


def split_tag(body: bytes) -> Signed:
    """Take a tag object apart."""
    starts = list(_BEGIN.finditer(body))
    if not starts:
        return Signed(body, b"", "")
    last = starts[-1]
    head, blank, message = body[: last.start()].partition(b"\n\n")
    payload = _HEADER.sub(b"", head + b"\n") + blank[1:] + message if blank else head
    fault = "" if _plain(head) else "a header that begins with gpgsig is none that git writes"
    return Signed(payload, body[last.start() :], _BEGINS[last[0]], fault)


def split_commit(body: bytes) -> Signed:
    """Take a commit object apart; its object ids say which of the two headers is meant."""
    head, blank, message = body.partition(b"\n\n")
    found = {
        name: [m[2] for m in _HEADER.finditer(head + b"\n") if m[1] == name] for name in (b"gpgsig", b"gpgsig-sha256")
    }
    own = found[b"gpgsig-sha256" if re.match(rb"tree [0-9a-f]{64}\n", head) else b"gpgsig"]
    if not own:
        return Signed(body, b"", "")
    payload = _HEADER.sub(b"", head + b"\n") + blank[1:] + message
    signature = own[0].replace(b"\n ", b"\n")
    begins = _BEGIN.match(signature)
    if not begins:
        return Signed(payload, signature, SSH, "the header gpgsig holds no signature")
    faults = {
        len(own) > 1: "two signatures",
        not _plain(head): "a header that begins with gpgsig is none that git writes",
    }
    return Signed(payload, signature, _BEGINS[begins[0]], faults.get(True, ""))


def _plain(head: bytes) -> bool:
    return not re.search(rb"(?m)^gpgsig", _HEADER.sub(b"", head + b"\n"))
