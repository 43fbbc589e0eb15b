"""An SSH signature's armor and envelope (PROTOCOL.sshsig of OpenSSH), read with `sshsig` and strictly. Pure.

Stricter than ssh-keygen: between the two marker lines stands canonical base64 and nothing else, without blanks, blank
lines and carriage returns; nothing stands behind the last line, which ssh-keygen ignores and no signature covers; every
length is exact, and the reserved field is empty.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from registry.signing.wire import Malformed

if TYPE_CHECKING:
    from sshsig.sshsig import SshsigSignature

BEGIN: Final = b"-----BEGIN SSH SIGNATURE-----\n"
END: Final = b"\n-----END SSH SIGNATURE-----"
LIMIT: Final = 1 << 16
"""Largest armored signature that is read, in bytes."""


def parse(armored: bytes) -> SshsigSignature:
    """Read a signature. Raises `Malformed`."""
    from sshsig.sshsig import SshsigSignature

    if len(armored) > LIMIT:
        raise Malformed(f"a signature of {len(armored)} bytes, at most {LIMIT} are read")
    blob = _decoded(armored)
    try:
        found = SshsigSignature(blob)
    except (ValueError, NotImplementedError):
        raise Malformed("not an SSH signature of version 1") from None
    if bytes(found) != blob:
        raise Malformed("the signature is cut off, or something stands behind its end")
    return found


def _decoded(armored: bytes) -> bytes:
    text, end, rest = armored.removeprefix(BEGIN).partition(END)
    if not armored.startswith(BEGIN) or not end:
        raise Malformed("the signature's first or last line is not what ssh-keygen writes")
    if rest not in {b"", b"\n"}:
        raise Malformed("something stands behind the signature, which covers it not")
    lines = text.split(b"\n")
    joined = b"".join(lines)
    try:
        blob = base64.b64decode(joined, validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    if not all(lines) or base64.b64encode(blob) != joined:
        raise Malformed("the signature is not base64")
    return blob
