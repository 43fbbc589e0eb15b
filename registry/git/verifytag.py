"""Asking git about PGP signatures: `git verify-tag --raw` and `git verify-commit --raw` (git-verify-tag(1)).

What counts are the status lines of GnuPG (doc/DETAILS): exactly one good and valid signature, none that is not, and a
key that this machine's keyring trusts fully. A keyring may hold keys that nobody vouched for, and some fetch keys by
themselves: a good signature by such a key says nothing. No setting of the repository names the program that is run.
"""

from __future__ import annotations

import re
from os import PathLike

from registry.git.process import run
from registry.signature import PGP, PGP_BAD, PGP_GOOD, PGP_UNTRUSTED, UNCHECKED
from registry.signing.proof import Proof

_BAD = {"BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NO_PUBKEY", "NODATA", "UNEXPECTED"}
_TRUSTED = {"TRUST_FULLY", "TRUST_ULTIMATE"}
_STATUS = re.compile(r"^\[GNUPG:\] ([A-Z_]+)(?: (.*))?$", re.MULTILINE)
_EMAIL = re.compile(r"<([^<>]+)>$")


def verify_pgp(path: str | PathLike[str], oid: str, *, commit: bool = False) -> Proof:
    """What git and GnuPG say of the PGP signature of an object, by its id; it costs some 25 ms."""
    program = run(path, ["config", "--global", "--get", "gpg.program"], accept=(0, 1)).out.decode().strip() or "gpg"
    settings = [
        "-c",
        f"gpg.program={program}",
        "-c",
        f"gpg.openpgp.program={program}",
        "-c",
        "gpg.minTrustLevel=undefined",
    ]
    verb = "verify-commit" if commit else "verify-tag"
    done = run(path, [*settings, verb, "--raw", "--end-of-options", oid], accept=range(256))
    lines = _STATUS.findall(done.err)
    if not lines:
        return Proof(UNCHECKED, f"{program} gave no answer about a PGP signature: is it installed?", PGP)
    return _read(lines)


def _read(lines: list[tuple[str, str]]) -> Proof:
    said = [word for word, _ in lines]
    good = [text for word, text in lines if word == "GOODSIG"]
    valid = [text.split() for word, text in lines if word == "VALIDSIG"]
    if len(good) != 1 or len(valid) != 1 or not valid[0] or _BAD & set(said):
        why = ", ".join(sorted(_BAD & set(said))) or "no good signature"
        return Proof(PGP_BAD, f"GnuPG says {why}", PGP)
    primary = valid[0][-1] if len(valid[0]) > 9 else valid[0][0]  # noqa: PLR2004 - the primary key stands tenth
    email = _EMAIL.search(good[0])
    principals = (email[1],) if email else ()
    if not _TRUSTED & set(said):
        return Proof(PGP_UNTRUSTED, f"this machine's keyring does not trust the key {primary} fully", PGP, primary)
    return Proof(PGP_GOOD, "the PGP signature is right", PGP, primary, "openpgp", principals)
