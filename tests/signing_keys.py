"""Real keys of every type, what signs with them, and ssh-keygen as the oracle.

Keys on a security token are made in software: their signatures hold the flags and the counter that a token would set
(PROTOCOL.u2f of OpenSSH), which is enough for ssh-keygen to verify them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NATIVE = {
    "ed25519": ("ed25519", ""),
    "ecdsa256": ("ecdsa", "256"),
    "ecdsa384": ("ecdsa", "384"),
    "ecdsa521": ("ecdsa", "521"),
    "rsa": ("rsa", "2048"),
}
"""Types of keys that are verified natively, with the options that make them."""
SMALL_RSA = {"rsa1024": ("rsa", "1024")}
TOKENS = ("sk-ed25519", "sk-ecdsa")
TYPES = (*NATIVE, *TOKENS)
TOUCHED = b"\x01"


@dataclass(frozen=True)
class Key:
    """A key pair."""

    name: str
    public: str
    """`type base64`, as a signers' file has it."""
    private: Path | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey

    def sign(self, message: bytes, namespace: str = "git", hashed: str = "sha512") -> bytes:
        """An armored signature."""
        if not isinstance(self.private, Path):
            return self._by_token(message, namespace, hashed)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "message"
            file.write_bytes(message)
            run(
                "ssh-keygen",
                "-Y",
                "sign",
                "-q",
                "-f",
                str(self.private),
                "-n",
                namespace,
                "-O",
                f"hashalg={hashed}",
                str(file),
            )
            return file.with_name("message.sig").read_bytes()

    def _by_token(self, message: bytes, namespace: str, hashed: str) -> bytes:
        blob = base64.b64decode(self.public.split()[1])
        kind = self.public.split()[0].encode()
        digest = hashlib.new(hashed, message).digest()
        said = b"SSHSIG" + strings(namespace.encode(), b"", hashed.encode(), digest)
        data = hashlib.sha256(b"ssh:").digest() + TOUCHED + struct.pack(">I", 7) + hashlib.sha256(said).digest()
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            raw = self.private.sign(data)
        else:
            assert isinstance(self.private, ec.EllipticCurvePrivateKey)
            raw = strings(*map(number, decode_dss_signature(self.private.sign(data, ec.ECDSA(SHA256())))))
        signature = strings(kind, raw) + TOUCHED + struct.pack(">I", 7)
        return armored(
            b"SSHSIG" + struct.pack(">I", 1) + strings(blob, namespace.encode(), b"", hashed.encode(), signature)
        )

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(base64.b64decode(self.public.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def strings(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def number(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def armored(blob: bytes) -> bytes:
    text = base64.b64encode(blob).decode()
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""]).encode()


def unarmored(signature: bytes) -> bytes:
    return base64.b64decode(b"".join(signature.split(b"\n")[1:-2]))


def run(*argv: str, data: bytes = b"", tz: str = "UTC") -> subprocess.CompletedProcess[bytes]:
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": tz}
    return subprocess.run(argv, input=data, capture_output=True, check=False, env=env)


@cache
def folder() -> Path:
    """Where the keys of this session lie, outside of every lab."""
    made = tempfile.TemporaryDirectory(prefix="registry-keys-")
    _alive.append(made)
    return Path(made.name)


_alive: list[tempfile.TemporaryDirectory[str]] = []


@cache
def key(kind: str, who: str = "dana") -> Key:
    """The key of this type that belongs to this person, made once."""
    if kind == "sk-ed25519":
        token = ed25519.Ed25519PrivateKey.generate()
        raw = token.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Key(kind, public("sk-ssh-ed25519@openssh.com", raw, b"ssh:"), token)
    if kind == "sk-ecdsa":
        curve = ec.generate_private_key(ec.SECP256R1())
        point = curve.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return Key(kind, public("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", point, b"ssh:"), curve)
    algorithm, bits = (NATIVE | SMALL_RSA)[kind]
    path = folder() / f"{kind}-{who}"
    run("ssh-keygen", "-q", "-t", algorithm, *(["-b", bits] if bits else []), "-N", "", "-C", who, "-f", str(path))
    return Key(kind, " ".join(path.with_suffix(".pub").read_text().split()[:2]), path)


def public(kind: str, *parts: bytes) -> str:
    return f"{kind} {base64.b64encode(strings(kind.encode(), *parts)).decode()}"


def ssh_keygen_accepts(
    message: bytes,
    signature: bytes,
    signers: bytes,
    principal: str,
    at: str = "",
    namespace: str = "git",
    tz: str = "UTC",
) -> bool:
    """What `ssh-keygen -Y verify` says."""
    with tempfile.TemporaryDirectory() as temporary:
        files = Path(temporary)
        (files / "signers").write_bytes(signers)
        (files / "signature").write_bytes(signature)
        line = ["ssh-keygen", "-Y", "verify", "-f", str(files / "signers"), "-I", principal, "-n", namespace]
        line += ["-s", str(files / "signature"), *([f"-Overify-time={at}"] if at else [])]
        return run(*line, data=message, tz=tz).returncode == 0
