"""Proofs that this machine computed before: each signature is verified once.

One file for each signers' file (by its SHA-256) lies in the cache, under `signatures/`; it is only appended to, a line
for each object. What depends on a clock or on marks of compromised keys is never in it, nor what another program said
(PGP, security tokens that could not be asked): that is found out anew. A line that is damaged is passed over, and where
the folder cannot be written nothing is remembered. Whoever can write to this folder can write what was proved: it
belongs to the user alone, like the rest of the cache.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from registry import cache
from registry.errors import RegistryError
from registry.signature import SSH, STATES, UNCHECKED, UNSIGNED
from registry.signing.allowed_signers import AllowedSigners
from registry.signing.proof import Proof

FOLDER: Final = "signatures"
LARGEST: Final = 1 << 26
"""Bytes above which a file is begun anew."""
FORGOTTEN_S: Final = 90 * 86_400
"""Seconds after which a file to which nothing was added is taken out."""
_RULES = 1
"""Raised when the same bytes are to be judged otherwise: what older versions proved is not read then."""
_FIELDS = 6


class Proofs:
    """What is remembered for one signers' file; read once, written by `save`."""

    def __init__(self, signers: AllowedSigners) -> None:
        self._path = cache.root() / FOLDER / f"{signers.digest}-{_RULES}"
        self._known = _known(self._path)
        self._new: dict[str, Proof] = {}

    def get(self, oid: str) -> Proof | None:
        """The proof of the object with this id."""
        return self._known.get(oid)

    def add(self, oid: str, proof: Proof) -> None:
        """Remember a proof, where it is one that lasts."""
        lasts = proof.state == UNSIGNED or (proof.kind == SSH and proof.state != UNCHECKED)
        if lasts and all(field.isprintable() for field in proof[:5]):
            self._known[oid] = self._new[oid] = proof

    def save(self) -> None:
        """Append what is new; where that cannot be done, nothing happens."""
        if not self._new:
            return
        data = b"\n" + b"".join(_line(oid, proof) for oid, proof in self._new.items())
        with suppress(OSError, RegistryError), cache.lock(self._path.parent / ".lock"):
            fresh = self._path.exists() and self._path.stat().st_size > LARGEST
            with open(self._path, "wb" if fresh else "ab") as sink:
                sink.write(data)
            self._new.clear()
            _forget(self._path)


def _line(oid: str, proof: Proof) -> bytes:
    text = "\t".join([oid, *proof[:5]]).encode()
    return b"%08x\t%b\n" % (crc32(text), text)


_last: dict[Path, tuple[tuple[int, int, int], dict[str, Proof]]] = {}
"""What was read last, with the file's inode, size and time: one run asks several times."""


def _known(path: Path) -> dict[str, Proof]:
    try:
        found = path.stat()
    except OSError:
        return {}
    stamp = found.st_ino, found.st_size, found.st_mtime_ns
    kept = _last.get(path)
    if kept is None or kept[0] != stamp:
        _last.clear()
        kept = _last[path] = stamp, _read(path)
    return dict(kept[1])


def _read(path: Path) -> dict[str, Proof]:
    try:
        with open(path, "rb") as stream:
            data = stream.read(2 * LARGEST)
    except OSError:
        return {}
    known = {}
    for line in data.split(b"\n"):
        check, _, text = line.partition(b"\t")
        if check != b"%08x" % crc32(text):
            continue
        with suppress(UnicodeDecodeError):
            fields = text.decode().split("\t")
            if len(fields) == _FIELDS and fields[1] in STATES:
                known[fields[0]] = Proof(fields[1], fields[2], fields[3], fields[4], fields[5])
    return known


def _forget(path: Path) -> None:
    """Take out files of signers' files that are not in use any more."""
    old = time.time() - FORGOTTEN_S
    for entry in os.scandir(path.parent):
        if entry.name != path.name and not entry.name.startswith(".") and entry.stat().st_mtime < old:
            Path(entry.path).unlink(missing_ok=True)
