"""The stages of a policy: who may move a model into one, and what that takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from registry.policygates import (
    CARD,
    EVALUATION,
    FORMATS,
    GATES,
    METRIC,
    NAME,
    CardRules,
    Evaluation,
    Formats,
    Gate,
    Interface,
    Metric,
)
from registry.policytimes import DURATION, Window, windows
from registry.shape import Flag, Key, Keyed, Listed, Record, Text, Whole

REQUIRED: Final = "required"
"""`reference: required`: any reference will do."""
Roles = tuple[str, ...] | None
"""Names of roles: none of them where it is empty, everyone where it is None."""


@dataclass(frozen=True)
class Stage:
    """One stage; without arguments what holds where a policy says nothing: everyone may."""

    name: str = ""
    after: tuple[str, ...] = ()
    """A version must hold, or have held, one of these before; any version may come where it is empty."""
    assign: Roles = None
    unassign: Roles = None
    rollback: Roles = None
    approve: Roles = None
    approvals: int = 0
    distinct: bool = True
    """Whether the version's author may not be one of those who approve it."""
    signed: bool | None = None
    ledger: bool = False
    gates: tuple[Gate, ...] = ()
    """As the policy lists them; `required_gates` has all."""
    confirm: tuple[str, ...] = ()
    """What approvals must confirm by name."""
    reference: str | None = None
    """`REQUIRED`, or a pattern that a reference must match."""
    freeze: tuple[Window, ...] = ()
    minimum: int = 0
    """Seconds for which one of `after` must have been held, altogether."""
    waive: tuple[Metric, ...] = ()
    """Where a model meets all of these, its approvals are waived."""
    override: tuple[str, ...] = ()
    """Roles that may assign past approvals, gates, order and freezes, with a reason; nobody where it is empty."""
    contract: bool = False
    """Whether an artifact must have a contract to enter."""
    card: CardRules | None = None
    formats: Formats | None = None
    evaluation: Evaluation | None = None

    @property
    def required_gates(self) -> tuple[Gate, ...]:
        """The gates that a version passes to enter: those listed, and those that other keys of the stage stand for."""
        implied = (Interface("contract") if self.contract else None, self.card, self.formats, self.evaluation)
        return tuple(dict.fromkeys((*self.gates, *(each for each in implied if each is not None))))

    def roles_for(self, kind: str) -> Roles:
        """The roles that may do something here; unassign and rollback are as assign where the policy says nothing."""
        own: dict[str, Roles] = {
            "assign": self.assign,
            "unassign": self.assign if self.unassign is None else self.unassign,
            "rollback": self.assign if self.rollback is None else self.rollback,
            "approve": self.approve,
            "override": self.override,
        }
        return own[kind]

    def named_roles(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each key that names roles, with the roles."""
        for key in ("assign", "unassign", "rollback", "approve", "override"):
            yield key, getattr(self, key) or ()


def refers(pattern: str, reference: str) -> bool:
    """Whether a reference is one of a pattern: `#` is a number, `*` any part without blanks."""
    if not 0 < len(reference) <= _LONGEST or not reference.isprintable() or not reference.strip():
        return False
    if pattern == REQUIRED:
        return True
    parts = {"#": r"[0-9]+", "*": r"[^\s]*"}
    return re.fullmatch("".join(parts.get(each) or re.escape(each) for each in pattern), reference) is not None


_LONGEST = 200
ROLE = Text(r"[a-z][a-z0-9_-]{0,63}", "the name of a role: small letters, digits, - and _")
ROLES = Listed(ROLE)
_CONFIRMATION = Text(r"[a-z][a-z0-9_-]{0,63}", "the name of a confirmation: small letters, digits, - and _")
_REFERENCE = Text(
    r"[^\x00-\x20\x7f*#]{1,60}|(?:[^\x00-\x20\x7f*#]{0,60}[*#]){1,3}[^\x00-\x20\x7f*#]{0,60}",
    "`required`, or a pattern with at most three * and #, such as JIRA-#",
)
STAGE = Record(
    Stage,
    {
        "after": Key(Listed(NAME), "A version must hold, or have held, one of these stages before."),
        "assign": Key(ROLES, "Roles that may put a version into the stage; everyone without the key."),
        "unassign": Key(ROLES, "Roles that may take a version out; as `assign` without the key."),
        "rollback": Key(ROLES, "Roles that may go back to a version that was here; as `assign` without the key."),
        "approve": Key(ROLES, "Roles whose approvals count; everyone's without the key."),
        "approvals": Key(Whole(0, 100), "How many principals must approve."),
        "distinct": Key(Flag(), "Whether the author's own approval counts for nothing; true without the key."),
        "signed": Key(Flag(), "Whether events must be signed; without the key where roles are asked for."),
        "ledger": Key(Flag(), "Whether events must stand in the ledger."),
        "gates": Key(Listed(GATES), "What is checked of a version before it enters."),
        "confirm": Key(Listed(_CONFIRMATION), "What approvals must confirm, each by one of them at least."),
        "reference": Key(_REFERENCE, "`required`, or a pattern (# a number, * anything) of a ticket to be named."),
        "freeze": Key(windows(None), "When nothing enters or leaves the stage, but by rollback and override."),
        "minimum": Key(DURATION, "How long one of `after` must have been held, altogether."),
        "waive": Key(Listed(METRIC, 1), "Limits; a version that meets all of them needs no approvals."),
        "override": Key(ROLES, "Roles that may assign past all of it but signatures, with a reason; nobody without."),
        "contract": Key(Flag(), "Whether an artifact must have a contract interfaces/NAME.yaml, and keep it."),
        "card": Key(CARD, "What the model card must have."),
        "formats": Key(FORMATS, "Which formats may enter."),
        "evaluation": Key(EVALUATION, "Which evaluations there must be."),
    },
)
STAGES = Keyed(NAME, STAGE, lambda name, stage: replace(stage, name=name))
