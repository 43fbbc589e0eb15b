"""Acts from facts: what a tag did, or what somebody is about to do, as `registry.governance.judge` takes it.

One for both sides: promotion proposes an act (`Facts.act`), and whoever reads the registry takes it from the tag that
was made (`Facts.act_of`), so nothing is allowed on one side and refused on the other. What is known of an artifact
grows event by event (`Facts.take`), and only by those that were accepted: what nobody accepted never happened.

What a tag's trailers say, beside `Version`: `Rollback-of` makes an assignment a rollback, `Override` (its reason) an
override, `Revoked` (its reason) a deregistration a revocation; `Evidence` names what it was approved on, `Reference` a
ticket, `Waived` that approvals were waived. A tag is dated by its maker: an act's `now` is the event's effective time,
by which freezes and times of holding are judged, never the validity of a key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from registry.api.authorship import authors, named
from registry.eventkind import OVERRIDE, act_kind
from registry.governance import ACTIVE, UNSIGNED, VALID, Act, Approval, GateResult
from registry.policy import Policy
from registry.signature import UNSIGNED as NOT_SIGNED
from registry.signature import Verdict, principal_of
from registry.signaturerules import because
from registry.state import Artifact
from registry.tags import REGISTRATION, Event, trailers
from registry.tenure import Course

EVIDENCE: Final = "Evidence"
REFERENCE: Final = "Reference"
WAIVED: Final = "Waived"

UNREGISTERED, DEREGISTERED, REVOKED_STANDING = "unregistered", "deregistered", "revoked"
"""What is wrong with a version, as `Act.standing`."""


def kind_of(event: Event) -> str:
    """What a tag did, as one of `registry.governance.KINDS`."""
    return act_kind(event.kind, trailers(event.message))


class Claims(NamedTuple):
    """What speaks for an act, beside who does it."""

    approvals: Sequence[Approval] = ()
    """Those whose signatures and evidence were found good."""
    gates: Sequence[GateResult] = ()
    waived: bool = False
    confirms: Sequence[str] = ()
    reference: str | None = None
    reason: str = ""


class Signer(NamedTuple):
    """Who did it, as far as a signature says."""

    principals: tuple[str, ...]
    """The tagger and all other names of the key; of an unsigned tag whom it claims."""
    signature: str
    """`governance.VALID`, `governance.UNSIGNED`, or why it counts for nothing."""


def signer_of(email: str, verdict: Verdict | None) -> Signer:
    """Who made a tag that claims this e-mail; no verdict where the registry has no signers' file."""
    if verdict is None or verdict.state == NOT_SIGNED:
        return Signer((email,) if email else (), UNSIGNED)
    if principal_of(verdict, email) is None:
        return Signer((), because(email, verdict))
    return Signer((email, *sorted(named(verdict) - {email})), VALID)


@dataclass
class Facts:
    """What is known of an artifact up to some event, or altogether."""

    artifact: Artifact
    """Folded from its accepted registrations at least, so that each assignment's version is known."""
    policy: Policy
    verdicts: Mapping[str, Verdict]
    """On its tags, by the tag object's id."""
    revoked: Mapping[str, str] = field(default_factory=dict)
    """Versions that were revoked, with the reason."""
    course: Course = field(default_factory=Course)
    """Who held what, as far as events were taken."""

    def take(self, event: Event) -> None:
        """Go on with an event that was accepted."""
        self.course.take(event, self.artifact.labels.get(event.ref), self.time_of(event))

    def time_of(self, event: Event) -> int:
        """The time at which an event counts."""
        return self.artifact.effective.get(event.ref, event.time)

    def standing(self, version: str | None) -> str:
        """`ACTIVE`, or what is wrong with a version now."""
        found = self.artifact.versions.get(version or "")
        if version in self.revoked:
            return REVOKED_STANDING
        if found is None or not found.registered:
            return UNREGISTERED
        return ACTIVE if found.active else DEREGISTERED

    def authors(self, version: str | None) -> tuple[str, ...]:
        """Who registered a version; nobody where nobody is known."""
        found = self.artifact.versions.get(version or "")
        events = [event for event in found.events if event.kind == REGISTRATION] if found else []
        return authors(events, self.verdicts, self.policy).principals

    def signer(self, event: Event) -> Signer:
        """Who made a tag."""
        return signer_of(event.email, self.verdicts.get(event.oid))

    def act(
        self, kind: str, version: str | None, stage: str | None, signer: Signer, now: int, claims: Claims = Claims()
    ) -> Act:
        """An act that somebody is about to do, with all that is known of it."""
        standing = self.standing(version)
        if kind == "revoke" and self.policy.revoke is None:
            kind = "deregister"  # where nobody is named to revoke, it is no way around who may cancel
        return Act(
            kind,
            self.artifact.name,
            version,
            stage,
            principals=signer.principals,
            authors=self.authors(version),
            signature=signer.signature,
            approvals=tuple(claims.approvals),
            waived=claims.waived,
            gates=tuple(claims.gates),
            now=now,
            history=tuple(self.course.of(version or "", now)),
            standing=ACTIVE if kind == "register" and standing == UNREGISTERED else standing,
            confirms=tuple(claims.confirms),
            reference=claims.reference,
            reason=claims.reason,
        )

    def act_of(self, event: Event, approvals: Sequence[Approval] = (), *, waived: bool = False) -> Act:
        """What a tag did. Gates that the stage asks for are taken to have passed: whoever promoted ran them.

        A version that was cancelled since stood then: what holds of it now is for the fold to say.
        """
        lines = trailers(event.message)
        kind = act_kind(event.kind, lines)
        version = event.version or self.artifact.labels.get(event.ref)
        stage = self.policy.stage(event.stage) if event.stage is not None else None
        gates = () if stage is None else tuple(GateResult(each.key, passed=True) for each in stage.required_gates)
        claims = Claims(approvals, gates, waived, reference=lines.get(REFERENCE), reason=lines.get(OVERRIDE, ""))
        made = self.act(kind, version, event.stage, self.signer(event), self.time_of(event), claims)
        return made if made.standing == UNREGISTERED else replace(made, standing=ACTIVE)
