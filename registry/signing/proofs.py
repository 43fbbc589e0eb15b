"""Proofs that this machine computed before: each signature is verified once.

One journal (`registry.cache.journal`) for each signers' file (by its SHA-256) lies in the cache, under `signatures/`, a
line for each object. What depends on a clock or on marks of compromised keys is never in it, nor what another program
said (PGP, security tokens that could not be asked): that is found out anew. Whoever can write to this folder can write
what was proved.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from registry import cache
from registry.cache.journal import Fields, Journal
from registry.signature import SSH, STATES, UNCHECKED, UNSIGNED
from registry.signing.allowed_signers import AllowedSigners
from registry.signing.proof import Proof

FOLDER: Final = "signatures"
_RULES = 1
"""Raised when the same bytes are to be judged otherwise: what older versions proved is not read then."""
_FIELDS = 5


class Proofs:
    """What is remembered for one signers' file; read once, written by `save`."""

    def __init__(self, signers: AllowedSigners) -> None:
        self._journal = Journal(cache.root() / FOLDER / f"{signers.digest}-{_RULES}")

    def get(self, oid: str) -> Proof | None:
        """The proof of the object with this id."""
        fields = self._journal.get(oid)
        return None if fields is None else _proof(fields)

    def add(self, oid: str, proof: Proof) -> None:
        """Remember a proof, where it is one that lasts."""
        if proof.state == UNSIGNED or (proof.kind == SSH and proof.state != UNCHECKED):
            self._journal.add(oid, (proof.state, proof.reason, proof.kind, proof.fingerprint, proof.key_type))

    def save(self) -> None:
        """Append what is new; where that cannot be done, nothing happens."""
        self._journal.save()


@lru_cache(maxsize=4096)  # most say the same
def _proof(fields: Fields) -> Proof | None:
    if len(fields) != _FIELDS or fields[0] not in STATES:
        return None
    return Proof(fields[0], fields[1], fields[2], fields[3], fields[4])
