"""What is doubtful about the signatures of tags, as findings. Pure.

What a signature says is a warning: what must be signed, and by whom, is for the policy to say. An unsigned tag is no
finding. Every id of `RULES` is a heading in `docs/signatures.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from registry.errors import RegistryError
from registry.findings import ERROR, WARNING, Finding
from registry.signature import FORGED, STATES, UNSIGNED, Verdict, principal_of
from registry.tagrules import removal, shown
from registry.tags import Event

RULES: Final = ("signature-bad", "signature-unknown", "signers-readable")


def signature_findings(tags: Iterable[tuple[Event, Verdict]], path: str) -> Iterator[Finding]:
    """One finding for each signed tag that is not signed by its tagger; `path` names the signers."""
    for event, verdict in tags:
        if verdict.state == UNSIGNED or principal_of(verdict, event.email) is not None:
            continue
        forged = verdict.good or verdict.state in FORGED
        yield Finding(
            RULES[0] if forged else RULES[1],
            WARNING,
            f"tag {shown(event.ref)}: {because(event.email, verdict)}",
            f"find out who made it; {removal(event.ref)}" if forged else f"see `registry signers list`, then {path}",
            event.artifact,
            ref=event.ref,
        )


def because(email: str, verdict: Verdict) -> str:
    """Why a tag does not count as signed by the person with this e-mail; empty where it does."""
    if principal_of(verdict, email) is not None:
        return ""
    if verdict.good:
        allowed = ", ".join(verdict.principals) or "nobody"
        return f"signed with the key of {allowed}, but its tagger is {email!a}"
    return verdict.reason if verdict.state == UNSIGNED else f"{STATES[verdict.state]}: {verdict.reason}"


def unreadable(error: RegistryError, path: str) -> Finding:
    """The finding for a signers' file that cannot be read: nobody's signature counts then."""
    message = f"{path} cannot be read, so no signature counts: {error.what} ({error.where})"
    return Finding(RULES[2], ERROR, message, error.fix, path=path)
