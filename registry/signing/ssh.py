"""Whether an SSH signature is by one of the allowed keys, computed by the libraries `sshsig` and `cryptography`.

Only keys of the signers' file are ever computed with: the key inside a signature is looked up there by its bytes.
Allowed are ed25519, ecdsa on the three NIST curves, and RSA with SHA-2; a message is hashed with SHA-256 or SHA-512.
`sshsig` verifies ed25519 and RSA. It knows no ecdsa, which `cryptography` does, and no key on a security token, which
`ssh-keygen` is asked about.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from registry.signature import BAD, SIGNED, SSH, UNCHECKED, UNKNOWN_KEY, UNREADABLE, WRONG_NAMESPACE, Signed
from registry.signing import armor, keygen
from registry.signing.allowed_signers import CURVES, NAMESPACE, RSA, SK, AllowedSigners, fingerprint
from registry.signing.proof import Proof
from registry.signing.wire import Malformed, Reader

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from sshsig.sshsig import SshsigSignature

HASHES: Final = ("sha256", "sha512")
RSA_ALGORITHMS: Final = ("rsa-sha2-256", "rsa-sha2-512")
_RIGHT = "the signature is right"


class Key(Protocol):
    """A public key, as `sshsig` has it."""

    def do_verify(self, signature: bytes, message: bytes) -> Exception | None:
        """None where the key signed the message."""


def prove(signed: Signed, signers: AllowedSigners) -> Proof:
    """Compute what stays true of an SSH signature. Never raises for what stands in it."""
    try:
        found = armor.parse(signed.signature)
        key_type = Reader(found.public_key).text()
    except Malformed as error:
        return Proof(UNREADABLE, str(error), SSH)
    name = fingerprint(found.public_key)
    state, reason = _judged(signed, found, key_type, signers, name)
    return Proof(state, reason, SSH, name, key_type)


def _judged(
    signed: Signed, found: SshsigSignature, key_type: str, signers: AllowedSigners, name: str
) -> tuple[str, str]:
    if not signers.of(name):
        return UNKNOWN_KEY, _unknown(signers, name, key_type)
    if found.namespace != NAMESPACE.encode():
        return WRONG_NAMESPACE, f"the signature was made for {found.namespace[:40]!r}, expected {NAMESPACE!r}"
    if (algorithm := found.hash_algo.decode("ascii", "replace")) not in HASHES:
        return UNREADABLE, f"the message is hashed with {algorithm[:40]!r}, expected {' or '.join(HASHES)}"
    if key_type in SK:
        return _by_token(signed)
    try:
        right = _verified(found, key_type, _message(found, signed.payload, algorithm))
    except Malformed as error:
        return UNREADABLE, str(error)
    return (SIGNED, _RIGHT) if right else (BAD, f"not what the key {name} signed: it was altered, or made for another")


def _unknown(signers: AllowedSigners, name: str, key_type: str) -> str:
    lines = signers.by_fingerprint.get(name)
    if lines:
        return f"the key {name} is listed in line {lines[0].line}, but {lines[0].unused}"
    if key_type.endswith("-cert-v01@openssh.com"):
        return "signed with a certificate, and certificates are not honoured"
    return f"the key {name} ({key_type[:60]}) is not listed"


def _by_token(signed: Signed) -> tuple[str, str]:
    right = keygen.checks(signed.payload, signed.signature, NAMESPACE)
    if right is None:
        return UNCHECKED, "a signature by a security token is checked by ssh-keygen, which could not be run"
    return (SIGNED, _RIGHT) if right else (BAD, "ssh-keygen says that the signature is wrong")


def _message(found: SshsigSignature, payload: bytes, algorithm: str) -> bytes:
    """The bytes that the key signs."""
    from sshsig.sshsig import SshsigWrapper

    hashed = hashlib.new(algorithm, payload).digest()
    return SshsigWrapper(namespace=found.namespace, hash_algo=found.hash_algo, hash=hashed).to_bytes()


def _verified(found: SshsigSignature, key_type: str, message: bytes) -> bool:
    reader = Reader(found.signature)
    algorithm = reader.text()
    reader.string()
    reader.end()
    if algorithm not in (RSA_ALGORITHMS if key_type == RSA else (key_type,)):
        raise Malformed(f"a key of the type {key_type} signed with {algorithm[:40]!r}, which is not admitted")
    return _key(found.public_key, key_type).do_verify(found.signature, message) is None


@lru_cache(maxsize=1024)
def _key(data: bytes, key_type: str) -> Key:
    """The key, made ready once."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from sshsig import PublicKey

    try:
        return Ecdsa(data) if key_type.removeprefix("ecdsa-sha2-") in CURVES else PublicKey.from_ssh_encoding(data)
    except (ValueError, NotImplementedError, UnsupportedAlgorithm) as error:
        raise Malformed(f"the key in the signers' file cannot be used: {error}") from None


class Ecdsa:
    """A public key on a NIST curve (RFC 5656, sections 3.1 and 6.2.1)."""

    def __init__(self, data: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

        curves: dict[str, tuple[ec.EllipticCurve, ec.ECDSA]] = {
            "nistp256": (ec.SECP256R1(), ec.ECDSA(SHA256())),
            "nistp384": (ec.SECP384R1(), ec.ECDSA(SHA384())),
            "nistp521": (ec.SECP521R1(), ec.ECDSA(SHA512())),
        }
        reader = Reader(data)
        reader.text()
        curve, self._how = curves[reader.text()]
        self._key: EllipticCurvePublicKey = ec.EllipticCurvePublicKey.from_encoded_point(curve, reader.string())

    def do_verify(self, signature: bytes, message: bytes) -> Exception | None:
        """None where the key signed the message. Raises `Malformed` where the signature is none of its kind."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        reader = Reader(signature)
        reader.text()
        numbers = Reader(reader.string())
        pair = numbers.number(), numbers.number()
        numbers.end()
        try:
            self._key.verify(encode_dss_signature(*pair), message, self._how)
        except InvalidSignature as error:
            return error
        return None
