"""One row of the audit trail from what is known: of a tag, an approval, an entry of the ledger, a change of the policy.

What the ledger says goes before what a tag says of itself. An adopted tag keeps its own time: the ledger says only that
it stood when the ledger began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from registry.api.acting import EVIDENCE, WAIVED
from registry.api.attesting import Attested
from registry.api.policylog import PolicyChange
from registry.api.rules import Rules
from registry.api.signedby import Signed, asked, signed
from registry.api.weighing import Rejection
from registry.approval import Note
from registry.eventkind import OVERRIDE, REVOKED, ROLLBACK
from registry.ledger import Entry, event_kind
from registry.policy import Policy
from registry.signature import Verdict
from registry.state import Artifact
from registry.tags import (
    ASSIGNMENT,
    DEPRECATION,
    DEREGISTRATION,
    REGISTRATION,
    UNASSIGNMENT,
    BadTag,
    Event,
    TagName,
    parse_name,
    trailers,
)
from registry.trail import ACCEPTED, IGNORED, MALFORMED, POLICY, REJECTED, SKIPPED, UNJUDGED, Row, Timeline

FORCED = "Forced"
_KINDS = {
    REGISTRATION: "register",
    DEREGISTRATION: "deregister",
    ASSIGNMENT: "assign",
    UNASSIGNMENT: "unassign",
    DEPRECATION: "deprecate",
}
_NOTHING: Mapping[str, str] = {}


class Traces(NamedTuple):
    """What all rows are told from."""

    rules: Rules
    verdicts: Mapping[str, Verdict]
    """By tag object; empty where there are no signers."""
    timeline: Timeline | None
    """None where no history of the policy is here."""
    artifacts: Mapping[str, Artifact]
    vouching: Mapping[str, str]
    """Recorders by tag object, by whose word its signature is judged at the recorded time."""
    rejected: Mapping[str, Rejection] | None = None
    """Events that the policy does not accept, by tag, of those without an entry; none where no policy governs."""

    @property
    def policy(self) -> Policy:
        """The one that holds now."""
        return self.rules.policy

    def in_force(self, time: int | None) -> int | None:
        """Version of the policy that was in force."""
        return None if self.timeline is None else self.timeline.at(time)


def event_row(event: Event, word: Attested | None, seen: Traces) -> Row:
    """Of an event's tag, with what the ledger says of it."""
    lines = trailers(event.message) if ":" in event.message else _NOTHING
    kind, reason = _said(event, lines)
    found = signed(seen.verdicts.get(event.oid), event.email)
    entry = word.entry if word else None
    if entry is not None and entry.kind in {"override", "rollback", "revoke"}:
        kind = entry.kind
    decision, why = _decided(event, entry, seen)
    label = seen.artifacts[event.artifact].labels.get(event.ref)
    time = event.time if entry is None or entry.kind == "adopt" else entry.time
    number = lines.get("Policy", "")
    return Row(
        time,
        kind,
        event.artifact,
        entry.version if entry is not None and entry.version else event.version or label,
        event.stage,
        f"{event.tagger} <{event.email}>",
        found.principal,
        found.state,
        found.reason,
        entry.approvals if entry is not None else (),
        (),
        entry.evidence if entry is not None and entry.evidence else lines.get(EVIDENCE),
        _policy(entry, number, seen, time),
        decision,
        why,
        (entry.reason if entry is not None and entry.reason and entry.kind != "reject" else None) or reason,
        tuple(_exceptions(kind, event, lines, found, decision, seen.policy)),
        event.ref,
        event.oid,
        event.commit,
        event.time,
        entry.sequence if entry is not None else None,
        seen.vouching.get(event.oid),
    )


def _said(event: Event, lines: Mapping[str, str]) -> tuple[str, str]:
    """What a tag did, as `registry.api.acting.kind_of` says, and the reason it gives."""
    if event.kind == ASSIGNMENT:
        if OVERRIDE in lines:
            return "override", lines[OVERRIDE]
        return ("rollback", "") if ROLLBACK in lines else ("assign", "")
    if event.kind == DEREGISTRATION and REVOKED in lines:
        return "revoke", lines[REVOKED]
    return _KINDS[event.kind], ""


def _decided(event: Event, entry: Entry | None, seen: Traces) -> tuple[str, str]:
    if entry is not None:
        if entry.kind == "reject":
            return REJECTED, entry.reason or ""
        said = "adopted as" if entry.kind == "adopt" else "recorded as"
        return ACCEPTED, f"{said} entry {entry.sequence} of the ledger"
    asked = seen.policy.stage(event.stage) if event.stage is not None else None
    if asked is not None and asked.ledger:
        return IGNORED, f"it stands in no entry of the ledger, which stage {event.stage!r} asks for"
    if seen.rejected is None:
        return UNJUDGED, ""
    if (found := seen.rejected.get(event.ref)) is not None:
        return REJECTED, "; ".join(f"{each.id}: {each.message}" for each in found.reasons)
    return ACCEPTED, f"judged now by version {seen.policy.version} of the policy"


def _policy(entry: Entry | None, number: str, seen: Traces, time: int | None) -> int | None:
    """The policy's version: the ledger's word, else the one in force, else what the tag claims."""
    if entry is not None and entry.policy_version:
        return entry.policy_version
    found = seen.in_force(time)
    return int(number) if found is None and number.isascii() and number.isdigit() and len(number) < 16 else found  # noqa: PLR2004 - a number that JSON keeps


def _exceptions(
    kind: str, event: Event, lines: Mapping[str, str], found: Signed, decision: str, policy: Policy
) -> Iterator[str]:
    if kind == "override":
        yield "override"
    if WAIVED in lines:
        yield "waived"
    if FORCED in lines:
        yield "forced"
    yield from found.exceptions(asked=asked(kind, event.stage, policy))
    if decision in {REJECTED, IGNORED}:
        yield decision


def note_row(note: Note, word: Attested | None, seen: Traces) -> Row:
    """Of an approval or a request."""
    event, said = note.event, note.said
    kind = "approve" if event.kind == "approval" else event.kind
    found = signed(seen.verdicts.get(event.oid), event.email)
    told = [said.text.split("\n", 1)[0], *(f"confirms {each}" for each in said.confirms), said.reference or ""]
    recorded = word is not None and word.entry.kind != "adopt"
    return Row(
        word.entry.time if word is not None and recorded else event.time,
        kind,
        event.artifact,
        event.version,
        event.stage,
        f"{event.tagger} <{event.email}>",
        found.principal,
        found.state,
        found.reason,
        evidence=note.evidence.digest,
        policy=said.policy,
        decision=ACCEPTED if recorded else UNJUDGED,
        why=f"recorded as entry {word.entry.sequence} of the ledger" if word is not None and recorded else "",
        reason="; ".join(each for each in told if each),
        exceptions=tuple(found.exceptions(asked=asked(kind, event.stage, seen.policy))),
        tag=event.ref,
        tag_oid=event.oid,
        commit=event.commit,
        claimed=event.time,
        sequence=word.entry.sequence if word else None,
        recorder=seen.vouching.get(event.oid),
    )


def malformed_row(bad: BadTag) -> Row:
    """Of a tag that is skipped."""
    return Row(
        None,
        MALFORMED,
        bad.artifact,
        decision=SKIPPED,
        why=f"{bad.rule}: {bad.detail}",
        exceptions=(MALFORMED,),
        tag=bad.ref,
    )


def entry_row(word: Attested, seen: Traces, gone: str | None) -> Row:
    """Of an entry of the ledger that no tag stands for; `gone` is `missing` or `moved` where it names one."""
    entry = word.entry
    kind = event_kind(entry)
    rejected = kind == "reject"
    odd = [each for each in ("override",) if each == kind]
    if rejected:
        odd.append("rejected")
    elif gone:
        odd.append(f"tag-{gone}")
    said = f"recorded as entry {entry.sequence} of the ledger"
    return Row(
        entry.time,
        kind,
        entry.name,
        entry.version,
        entry.stage,
        entry.actor,
        entry.principal,
        approvals=entry.approvals,
        evidence=entry.evidence,
        policy=entry.policy_version or seen.in_force(entry.time),
        decision=REJECTED if rejected else ACCEPTED,
        why=(entry.reason or "") if rejected else f"{said}; its tag is {gone}" if gone else said,
        reason="" if rejected else entry.reason or "",
        exceptions=tuple(odd),
        tag=entry.tag,
        tag_oid=entry.tag_oid,
        commit=entry.commit,
        sequence=entry.sequence,
    )


def policy_row(change: PolicyChange, time: int, verdict: Verdict | None, before: PolicyChange | None) -> Row:
    """Of a commit that changes the policy or the signers."""
    commit = change.commit
    found = signed(verdict, commit.committer_email)
    was = "none" if before is None or not before.version else str(before.version)
    now = {None: "unreadable", 0: "none"}.get(change.version, str(change.version))
    told = f"{' and '.join(change.files) or 'a mode'} changed; policy version {was} before, {now} after"
    odd = [*found.exceptions(asked=False), *([] if change.grew else ["policy-version"])]
    return Row(
        time,
        POLICY,
        actor=f"{commit.author} <{commit.author_email}>",
        principal=found.principal,
        signature=found.state,
        signature_reason=found.reason,
        policy=change.version,
        why=told,
        reason=commit.message.partition("\n")[0].strip(),
        exceptions=tuple(odd),
        commit=commit.oid,
        claimed=commit.time,
    )


def counted(event: Event | None, row: Row, word: Attested | None) -> list[Event]:
    """The event as the fold counts it: by the recorded time, and what was not accepted not at all."""
    if row.decision in {REJECTED, IGNORED, SKIPPED}:
        return []
    if event is not None:
        return [event if row.time in {None, event.time} else event._replace(time=row.time or 0)]
    entry = word.entry if word else None
    said = parse_name(entry.tag) if entry is not None and entry.tag else None
    if entry is None or not isinstance(said, TagName) or entry.tag_oid is None or entry.commit is None:
        return []
    name, _, email = entry.actor.removesuffix(">").rpartition("<")
    message = f"recorded\n\nVersion: {entry.version}\n" if entry.version and entry.stage else "recorded\n"
    made = (entry.tag or "", *said, entry.tag_oid, entry.commit, entry.time, "+0000", name.strip(), email, message)
    return [Event._make(made)]
