"""From an object and the signers' file to a verdict: what lasts is proved once, what depends on time is judged anew.

`at` is the time the signature is judged by; whose clock it comes from is for the caller to know. A tag's own date is
what its maker wrote: whoever has an expired key dates a tag back. Times of a key's validity and marks of compromised
keys are held against `at` only, so a verdict may change without any file having changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from registry.signature import (
    COMPROMISED,
    EXPIRED,
    NOT_YET_VALID,
    PGP,
    SIGNED,
    SSH,
    UNCHECKED,
    UNREADABLE,
    UNSIGNED,
    WRONG_NAMESPACE,
    Signed,
    Verdict,
    split_commit,
    split_tag,
)
from registry.signing import ssh
from registry.signing.allowed_signers import AllowedSigners, Signer
from registry.signing.proof import Proof

Compromised = Mapping[str, int]
"""Fingerprints of keys, with the second from which on what they signed counts no more."""
AskPgp = Callable[[], Proof]
"""Asks git about the object's PGP signature."""

_DETACHED = re.compile(rb"-----BEGIN PGP SIGNATURE-----\n(?:[^-\n][^\n]*\n|\n)+-----END PGP SIGNATURE-----\n?")
"""One armored PGP signature and nothing else; armor headers included (RFC 9580, section 6.2)."""


def prove(signed: Signed, signers: AllowedSigners, pgp: AskPgp | None = None) -> Proof:
    """Compute what lasts of an object's signature; never raises for what stands in it."""
    if not signed.kind:
        return Proof(UNSIGNED, "not signed")
    if signed.fault:
        return Proof(UNREADABLE, signed.fault, signed.kind)
    if signed.kind == SSH:
        return ssh.prove(signed, signers)
    if signed.kind == PGP and not _DETACHED.fullmatch(signed.signature):
        return Proof(UNREADABLE, "no detached PGP signature, or something stands behind it, which it covers not", PGP)
    if signed.kind == PGP and pgp is not None:
        return pgp()
    what = "PGP signatures are checked by git, which was not asked" if signed.kind == PGP else "X.509 is not honoured"
    return Proof(UNCHECKED, what, signed.kind)


def judge(proof: Proof, signers: AllowedSigners, at: int, compromised: Compromised | None = None) -> Verdict:
    """Judge by time: `at` in seconds since 1970-01-01 UTC."""
    verdict = Verdict(*proof)
    since = (compromised or {}).get(proof.fingerprint)
    if since is not None and at >= since and verdict.good:
        return verdict._replace(
            state=COMPROMISED, reason=f"the key {proof.fingerprint} is marked compromised since then"
        )
    if proof.state != SIGNED:
        return verdict
    lines = [each for each in signers.of(proof.fingerprint) if each.for_git()]
    if not lines:
        why = f"the key {proof.fingerprint} is not listed for the namespace git"
        return verdict._replace(state=WRONG_NAMESPACE, reason=why)
    valid = [each for each in lines if _began(each, at) and not _ended(each, at)]
    if valid:
        return verdict._replace(principals=tuple(each.principals for each in valid))
    if any(_ended(each, at) for each in lines):
        return verdict._replace(state=EXPIRED, reason=f"the key {proof.fingerprint} is not valid any more")
    return verdict._replace(state=NOT_YET_VALID, reason=f"the key {proof.fingerprint} is not valid yet")


def _began(line: Signer, at: int) -> bool:
    return line.after is None or line.after <= at


def _ended(line: Signer, at: int) -> bool:
    return line.before is not None and at > line.before


def verify_tag(
    body: bytes,
    signers: AllowedSigners,
    at: int,
    compromised: Compromised | None = None,
    pgp: AskPgp | None = None,
) -> Verdict:
    """The verdict on a whole tag object, judged by the time `at`."""
    return judge(prove(split_tag(body), signers, pgp), signers, at, compromised)


def verify_commit(
    body: bytes,
    signers: AllowedSigners,
    at: int,
    compromised: Compromised | None = None,
    pgp: AskPgp | None = None,
) -> Verdict:
    """The verdict on a whole commit object, judged by the time `at`."""
    return judge(prove(split_commit(body), signers, pgp), signers, at, compromised)
