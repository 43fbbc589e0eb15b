"""`allowed_signers`: which SSH keys may sign, for whom, for what and when. Pure.

The format is that of ssh-keygen(1), ALLOWED SIGNERS, which git hands its signatures to:

    principals [options] keytype base64-key [comment]

Never is more accepted than ssh-keygen accepts; where the two differ, this is the stricter one:

- A line that is no such line makes the whole file unreadable, and the message names it: ssh-keygen skips some of them.
- Certificates are not honoured: a line with `cert-authority` allows nobody, as for ssh-keygen it allows no plain key.
- Times without `Z` are local to whoever reads them, so they would be judged differently on each machine: here a key is
  valid only while it is so in every time zone. Both ends belong to the time of validity.
- Keys are the same when their bytes are. RSA needs 2,048 bits; DSA is not honoured.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from datetime import datetime
from typing import Final, NamedTuple

from registry.errors import RegistryError
from registry.signature import LONGEST_PRINCIPAL, matches
from registry.signing.wire import Malformed, Reader

PATH: Final = "allowed_signers"
"""Where it stands in a registry."""
LIMIT: Final = 1 << 20
"""Largest file that is read, in bytes."""
NAMESPACE: Final = "git"
RSA_LEAST: Final = 2048
RSA_MOST: Final = 16384
ED25519, RSA = "ssh-ed25519", "ssh-rsa"
SK_ED25519, SK_ECDSA = "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"
CURVES: Final = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
"""Curves of ecdsa keys, with the bytes of a point."""
SK: Final = frozenset({SK_ED25519, SK_ECDSA})
"""Keys on a security token: what they sign holds a counter and flags."""
_UNUSED: Final = frozenset({"ssh-dss"})
_AUTHORITY = "cert-authority"
_FIX = "correct the line; ssh-keygen(1), ALLOWED SIGNERS, says what may stand there"
_EAST, _WEST = 14 * 3600, 12 * 3600
"""How far local time may be ahead of UTC, and behind it."""
_LINE = re.compile(r'(?:"(?P<quoted>[^"]+)"|(?P<plain>[^"\t ]+))[\t ]+(?P<word>(?:[^"\t ]|"[^"]*")+)[\t ]+(?P<rest>.+)')
_OPTION = re.compile(r'(?i:(cert-authority)|(namespaces|valid-after|valid-before)="([^"\\]*)")(?:,(?=.)|$)')
_TIME = re.compile(r"([0-9]{8})(?:([0-9]{4})([0-9]{2})?)?((?i:Z|UTC))?")


class Signer(NamedTuple):
    """One line: a key, and who may sign with it."""

    principals: str
    """A comma list of patterns, as `registry.signature.matches` reads it."""
    key_type: str
    key: bytes
    """The public key as SSH writes it (RFC 4253, section 6.6)."""
    fingerprint: str
    """`SHA256:…`, as `ssh-keygen -l` prints it."""
    namespaces: str | None
    """A comma list of patterns; none where the key may sign everything."""
    after: int | None
    """First second in which it is valid, since 1970-01-01 UTC."""
    before: int | None
    """Last such second."""
    unused: str
    """Why this line allows nobody; empty where it does."""
    line: int
    comment: str

    def for_git(self) -> bool:
        """Whether the key may sign what git keeps."""
        return self.namespaces is None or matches(self.namespaces, NAMESPACE)

    def json(self) -> dict[str, object]:
        """As `--json` prints it; times in seconds."""
        return {
            "principals": self.principals.split(","),
            "fingerprint": self.fingerprint,
            "key_type": self.key_type,
            "namespaces": None if self.namespaces is None else self.namespaces.split(","),
            "valid_after": self.after,
            "valid_before": self.before,
            "unused": self.unused or None,
            "line": self.line,
            "comment": self.comment,
        }


class AllowedSigners(NamedTuple):
    """A whole file."""

    signers: tuple[Signer, ...]
    """In the order of the file."""
    digest: str
    """SHA-256 of the file, in hex."""
    by_fingerprint: dict[str, tuple[Signer, ...]]

    def of(self, fingerprint: str) -> tuple[Signer, ...]:
        """Lines of the key with this fingerprint, those that allow nobody left out."""
        return tuple(each for each in self.by_fingerprint.get(fingerprint, ()) if not each.unused)


def parse(data: bytes, where: str = PATH) -> AllowedSigners:
    """Read the file. Raises `RegistryError` that names `where` and the line."""
    if len(data) > LIMIT:
        raise RegistryError(f"a file of {len(data)} bytes, at most {LIMIT} are read", where, "name fewer signers")
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        at = data.count(b"\n", 0, error.start) + 1
        raise RegistryError("not UTF-8", f"{where}, line {at}", _FIX) from None
    signers = []
    for number, text in enumerate(lines, 1):
        stripped = text.removesuffix("\r").strip("\t ")
        if not stripped or stripped.startswith("#"):
            continue
        try:
            signers.append(_signer(stripped, number))
        except Malformed as error:
            raise RegistryError(str(error), f"{where}, line {number}", _FIX) from None
    lines_of: dict[str, tuple[Signer, ...]] = {}
    for each in signers:
        lines_of[each.fingerprint] = (*lines_of.get(each.fingerprint, ()), each)
    return AllowedSigners(tuple(signers), hashlib.sha256(data).hexdigest(), lines_of)


def _signer(text: str, number: int) -> Signer:
    if any((ord(c) < 32 and c != "\t") or ord(c) == 127 for c in text):  # noqa: PLR2004 - blank and delete
        raise Malformed("a control character")
    match = _LINE.fullmatch(text)
    if match is None:
        raise Malformed("not `principals [options] keytype key [comment]`")
    principals = match["quoted"] or match["plain"]
    if any(not each.removeprefix("!") or len(each) > LONGEST_PRINCIPAL for each in principals.split(",")):
        raise Malformed(f"a principal is empty or longer than {LONGEST_PRINCIPAL} characters")
    kind, rest = match["word"], match["rest"]
    optional = "=" in kind or "," in kind or kind.lower() == _AUTHORITY
    authority, namespaces, after, before = _options(kind if optional else "")
    if optional:
        kind, _, rest = rest.replace("\t", " ").partition(" ")
    coded, _, comment = rest.strip("\t ").replace("\t", " ").partition(" ")
    key = _decoded(coded)
    unused = _unused(kind, key) or ("certificates are not honoured" if authority else "")
    return Signer(principals, kind, key, fingerprint(key), namespaces, after, before, unused, number, comment.strip())


def fingerprint(key: bytes) -> str:
    """`SHA256:…` of a public key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key or base64.b64encode(key).decode() != text:
        raise Malformed("the key is not base64")
    return key


def _options(text: str) -> tuple[bool, str | None, int | None, int | None]:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _OPTION.match(text, at)
        if match is None:
            raise Malformed(f"unknown option: {text[at : at + 60]!r}")
        name = (match[1] or match[2]).lower()
        if name in found:
            raise Malformed(f"the option {name} stands there twice")
        found[name] = match[3] or ""
        at = match.end()
    namespaces = found.get("namespaces")
    if namespaces == "":
        raise Malformed("the option namespaces names none")
    after = _time(found["valid-after"], _WEST) if "valid-after" in found else None
    before = _time(found["valid-before"], -_EAST) if "valid-before" in found else None
    if after is not None and before is not None and before <= after:
        raise Malformed("valid-before is not later than valid-after")
    return _AUTHORITY in found, namespaces, after, before


def _time(text: str, shift: int) -> int:
    """Seconds of `YYYYMMDD[HHMM[SS]][Z|UTC]`; without a zone moved by `shift` to where it holds in every zone."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise Malformed(f"not a time such as 20260301Z or 20260301120000Z: {text[:40]!r}")
    day, minute, second, zone = match.groups()
    try:
        moment = datetime.strptime(f"{day}{minute or '0000'}{second or '00'}+0000", "%Y%m%d%H%M%S%z")
    except ValueError:
        raise Malformed(f"there is no such time: {text}") from None
    seconds = int(moment.timestamp()) + (0 if zone else shift)
    if seconds <= 0:
        raise Malformed(f"a time before 1970: {text}")
    return seconds


def _unused(kind: str, key: bytes) -> str:
    """Why a key is not honoured; empty where it is. Raises `Malformed` where it is no key of its type."""
    reader = Reader(key)
    if reader.text() != kind:
        raise Malformed(f"the key is not of the type {kind[:60]!r} before it")
    curve = kind.removeprefix("ecdsa-sha2-")
    why = ""
    if kind in {ED25519, SK_ED25519}:
        reader.exactly(32)
    elif curve in CURVES or kind == SK_ECDSA:
        expected = "nistp256" if kind == SK_ECDSA else curve
        if reader.text() != expected or not reader.exactly(CURVES[expected]).startswith(b"\4"):
            raise Malformed(f"not a point of {expected}")
    elif kind == RSA:
        reader.number()
        bits = reader.number().bit_length()
        why = (
            ""
            if RSA_LEAST <= bits <= RSA_MOST
            else f"an RSA key of {bits} bits, {RSA_LEAST} to {RSA_MOST} are honoured"
        )
    elif kind in _UNUSED or kind.endswith("-cert-v01@openssh.com"):
        return f"keys of the type {kind} are not honoured"
    else:
        raise Malformed(f"unknown type of key: {kind[:60]!r}")
    if kind in SK:
        reader.text()
    reader.end()
    return why
