"""The audit trail: one row for each thing that was done to a registry, or tried, and which rows are asked for. Pure.

A row stands for a tag (an event, an approval, a request, or one that is malformed), for an entry of the ledger whose
tag is not here, or for a commit of the default branch that changes the policy or the signers. Its time is the one that
the ledger recorded, and where there is none what the tag's or commit's maker wrote.

`ACCEPTED` and `REJECTED` are the ledger's word, or where an event needs no entry a judgement made now; `IGNORED` is a
tag that its stage's policy asks an entry for, and that has none; `SKIPPED` is a tag that nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from registry.signature import matches

ACCEPTED, REJECTED, IGNORED, SKIPPED, UNJUDGED = "accepted", "rejected", "ignored", "skipped", ""
"""What became of it; `UNJUDGED` where nothing governs it."""
MALFORMED, POLICY = "malformed", "policy"
"""Kinds of rows beside those of the ledger's entries and of `registry.approval`."""
CHANGES: Final = frozenset(
    {"register", "deregister", "assign", "rollback", "unassign", "override", "deprecate", "revoke", "archive", POLICY}
)
"""Kinds that change what a registry says."""
EXCEPTIONS: Final = {
    "override": "the rules were overridden, for a reason",
    "waived": "approvals were waived, since the limits of `waive` were met",
    "forced": "registered with --force, against a check",
    "unsigned": "not signed where the policy asks for a signature",
    "signature": "signed, and the signature does not count",
    "rejected": "judged, and not allowed",
    "ignored": "no entry of the ledger, where the policy asks for one",
    "malformed": "a tag that is skipped",
    "tag-missing": "recorded in the ledger, and its tag is gone",
    "tag-moved": "recorded in the ledger, and its tag is another object now",
    "policy-version": "the policy changed, and its version did not grow",
}
"""What may be out of the ordinary with a row, in words."""
ATTEMPTS: Final = frozenset({"rejected", "ignored", "malformed"})
"""Exceptions that are attempts: what nobody accepted."""


class Row(NamedTuple):
    """One thing that was done, or tried."""

    time: int | None
    """Seconds since 1970-01-01 UTC: recorded, else claimed; none of a tag that says none."""
    kind: str
    name: str | None = None
    version: str | None = None
    stage: str | None = None
    actor: str = ""
    """Who did it, as `Name <email>`: as the tag, entry or commit says."""
    principal: str | None = None
    """Whose key signed, where the signature is good and this person's."""
    signature: str = ""
    """A state of `registry.signature.STATES`; empty where there are no signers to judge by, or no object."""
    signature_reason: str = ""
    approvals: tuple[str, ...] = ()
    """Approvals that counted: tags as the ledger has them, else those of the same evidence whose signature is good."""
    approvers: tuple[str, ...] = ()
    """Who made them."""
    evidence: str | None = None
    """SHA-256 of the evidence."""
    policy: int | None = None
    """Version of the policy it was judged by, else the one in force then; 0 where there was none."""
    decision: str = UNJUDGED
    why: str = ""
    reason: str = ""
    """What the actor gave as a reason, or a commit's subject."""
    exceptions: tuple[str, ...] = ()
    """Keys of `EXCEPTIONS`."""
    tag: str | None = None
    tag_oid: str | None = None
    commit: str | None = None
    claimed: int | None = None
    """The time that its maker wrote."""
    sequence: int | None = None
    """Its number in the ledger."""
    recorder: str | None = None
    """The recorder by whose word the signature is judged at the recorded time, where by now it would be otherwise."""

    @property
    def is_decision(self) -> bool:
        """Whether somebody did it, and it was not turned away: a change of a version or stage, or an approval."""
        return self.kind in {*CHANGES, "approve"} and self.decision in {ACCEPTED, UNJUDGED}

    def json(self) -> dict[str, Any]:
        """As `--format json` prints it; times in seconds."""
        return {
            **self._asdict(),
            "approvals": list(self.approvals),
            "approvers": list(self.approvers),
            "exceptions": list(self.exceptions),
            "signature": self.signature or None,
            "decision": self.decision or None,
        }


class Selection(NamedTuple):
    """Which rows are asked for; names are patterns with `*` and `?`, several divided by commas."""

    since: int | None = None
    until: int | None = None
    model: str | None = None
    stage: str | None = None
    actor: str | None = None
    """Matches the name, the e-mail or the principal."""

    def chosen(self, rows: Iterable[Row]) -> list[Row]:
        """The rows asked for. One without a time is told whatever the times are: it may be of any."""
        return [row for row in rows if self._times(row.time) and self._names(row)]

    def _times(self, time: int | None) -> bool:
        if time is None:
            return True
        return (self.since is None or time >= self.since) and (self.until is None or time <= self.until)

    def _names(self, row: Row) -> bool:
        pairs = ((self.model, row.name), (self.stage, row.stage))
        if any(wanted is not None and not matches(wanted, found or "") for wanted, found in pairs):
            return False
        if self.actor is None:
            return True
        name, _, email = row.actor.removesuffix(">").rpartition("<")
        return any(matches(self.actor, each) for each in (name.strip(), email, row.principal or "") if each)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Oldest first, of one second as the ledger counts; what has no time stands at the end."""
    return sorted(rows, key=_place)


def _place(row: Row) -> tuple[bool, int, int, str]:
    return row.time is None, row.time or 0, row.sequence or 0, row.tag or ""


class Timeline(NamedTuple):
    """Which policy was in force when, on the default branch."""

    times: Sequence[int]
    """Of each change, in seconds, never decreasing."""
    versions: Sequence[int | None]
    """The version from then on: 0 of no policy, none of one that cannot be read."""

    def at(self, time: int | None) -> int | None:
        """The version in force at a time."""
        from bisect import bisect_right

        if time is None:
            return None
        place = bisect_right(self.times, time)
        return self.versions[place - 1] if place else 0
