"""What a tag does, in the policy's words: its name says what kind of event it is, its trailers which act. Pure.

Trailers beside `Version`, `Link` and `Nonce`: `Rollback-of: TAG`, `Override: WHY` of an assignment, `Revoked: WHY` of a
deregistration, `Archived: WHY` of a deprecation make another act of it, which the policy judges by roles of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from registry.tags import ASSIGNMENT, DEPRECATION, DEREGISTRATION, REGISTRATION, UNASSIGNMENT, Event, trailers

REVOKED: Final = "Revoked"
ARCHIVED: Final = "Archived"
OVERRIDE: Final = "Override"
ROLLBACK: Final = "Rollback-of"
_PLAIN: Final = {
    REGISTRATION: "register",
    DEREGISTRATION: "deregister",
    ASSIGNMENT: "assign",
    UNASSIGNMENT: "unassign",
    DEPRECATION: "deprecate",
}
_MARKED: Final = (
    (ASSIGNMENT, OVERRIDE, "override"),
    (ASSIGNMENT, ROLLBACK, "rollback"),
    (DEREGISTRATION, REVOKED, "revoke"),
    (DEPRECATION, ARCHIVED, "archive"),
)


def act_kind(kind: str, lines: Mapping[str, str]) -> str:
    """The act that an event of a kind is, by the trailers of its message."""
    return next((act for of, key, act in _MARKED if of == kind and key in lines), _PLAIN[kind])


def is_revocation(event: Event) -> bool:
    """Whether an event revokes a version: nothing that comes later makes it loadable again."""
    return event.kind == DEREGISTRATION and REVOKED in trailers(event.message)
