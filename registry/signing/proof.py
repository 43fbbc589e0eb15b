"""What computing found out about one signature, apart from any clock: it stays true, and may be remembered."""

from __future__ import annotations

from typing import NamedTuple


class Proof(NamedTuple):
    """The lasting part of a verdict: `signed` here means that the key signed, not that it was valid."""

    state: str
    """One of `registry.signature.STATES`, none of those that depend on time."""
    reason: str
    kind: str = ""
    fingerprint: str = ""
    key_type: str = ""
    principals: tuple[str, ...] = ()
    """E-mail of a PGP key; the signers' file says those of SSH keys."""
