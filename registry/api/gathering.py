"""Gathering everything that was done to a registry: tags, approvals, ledger, changes of the policy, one row for each.

All of it is read in bulk, by a number of processes that does not grow with the registry. A registry at a URL is asked
once, through its mirror; that has no history of the default branch, which is told.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from registry.api.attesting import Attested, Log, recorders, whole_log
from registry.api.policylog import PolicyChange, PolicyLog, policy_log
from registry.api.project import Project
from registry.api.rules import Rules, read_rules
from registry.api.signatures import commit_verdicts, verdicts
from registry.api.signedby import signed
from registry.api.tracing import Traces, counted, entry_row, event_row, malformed_row, note_row, policy_row
from registry.api.weighing import Rejection
from registry.approval import KINDS, Note, parse_note
from registry.git.tagscan import Scan, read_tags
from registry.signature import Verdict
from registry.signing.allowed_signers import AllowedSigners
from registry.state import Artifact, fold, fold_artifact
from registry.tags import SKEW, BadTag, Event
from registry.trail import Row, in_order


@dataclass(frozen=True)
class Gathered:
    """All of it, with the state of the artifacts."""

    project: Project
    head: str | None
    rules: Rules
    now: int
    rows: list[Row]
    remarks: list[str]
    artifacts: Mapping[str, Artifact]
    """As the tags say."""
    events: list[Event]
    """Those that count, each by the time that counts."""
    ledger: Sequence[Attested]


class _Tags(NamedTuple):
    """All tags that are here."""

    scan: Scan
    notes: list[Note]
    bad: list[BadTag]


def gather(project: Project, now: int, name: str | None = None) -> Gathered:
    """Read a whole registry, or what concerns one artifact; of a remote one after asking it."""
    project.refresh(head=True)
    collecting = gc.isenabled()
    gc.disable()  # tens of thousands of small values that all stay: looking for cycles among them is half of the time
    try:
        return _gathered(project, now, name)
    finally:
        if collecting:
            gc.enable()


def _gathered(project: Project, now: int, name: str | None) -> Gathered:
    head = project.head()
    rules = read_rules(project, head)
    log = policy_log(project, head)
    ledger = whole_log(project)
    entries = [each for each in ledger.entries if name in {None, each.entry.name}] if ledger else ()
    tags = _tags(project, now, name)
    words = _words(entries)
    artifacts = fold(tags.scan.events)
    judged = _judged(project, rules, tags, words, ledger)
    rejected = _rejected(project, rules, tags.scan, words)
    _relabel(artifacts, [event for event in tags.scan.events if _counts_not(event, rejected, words)])
    seen = Traces(
        rules, judged.verdicts, log.timeline if project.mirror is None else None, artifacts, judged.vouching, rejected
    )
    events: list[Event] = []
    rows = list(_rows(tags, words, seen, judged.approvers, events))
    rows += _left(entries, tags, words, seen, events)
    rows += _policy(project, log, rules) if name is None else ()
    remarks = list(_remarks(project, log, ledger is not None))
    return Gathered(project, head, rules, now, in_order(rows), remarks, artifacts, events, entries)


def _tags(project: Project, now: int, name: str | None) -> _Tags:
    scan = project.scan(name)
    found = read_tags(project.path, [f"refs/tags/{kind}" for kind in KINDS], project.objects)
    parsed = [parse_note(*each, now + SKEW) for each in found]
    notes = [each for each in parsed if isinstance(each, Note) and name in {None, each.event.artifact}]
    bad = [each for each in parsed if isinstance(each, BadTag) and name in {None, each.artifact}]
    return _Tags(scan, notes, [*scan.bad, *bad])


def _words(ledger: Sequence[Attested]) -> dict[tuple[str, str], Attested]:
    """The entry about each tag object: the first, and a rejection before all."""
    words: dict[tuple[str, str], Attested] = {}
    for each in ledger:
        entry = each.entry
        if entry.tag is not None and entry.tag_oid is not None:
            place = entry.tag, entry.tag_oid
            if place not in words or entry.kind == "reject":
                words[place] = each
    return words


def _rejected(
    project: Project, rules: Rules, scan: Scan, words: Mapping[tuple[str, str], Attested]
) -> dict[str, Rejection] | None:
    """Events of which the ledger says nothing and that the policy does not accept, by tag; none where none governs."""
    if not rules.governs:
        return None
    names = {event.artifact for event in scan.events if (event.ref, event.oid) not in words}
    if not names:
        return {}
    from registry.api.accepting import accept_all

    part = scan._replace(events=[event for event in scan.events if event.artifact in names])
    answers = accept_all(project, part, rules=rules)
    return {ref: each for answer in answers.values() for ref, each in answer.rejected.items()}


def _counts_not(
    event: Event, rejected: Mapping[str, Rejection] | None, words: Mapping[tuple[str, str], Attested]
) -> bool:
    word = words.get((event.ref, event.oid))
    return word.entry.kind == "reject" if word is not None else event.ref in (rejected or ())


def _relabel(artifacts: Mapping[str, Artifact], ignored: Sequence[Event]) -> None:
    """Give events the versions that they have without those that count for nothing."""
    refs = {event.ref for event in ignored}
    for name in {event.artifact for event in ignored}:
        kept = fold_artifact(name, [event for event in artifacts[name].events if event.ref not in refs])
        artifacts[name].labels.update(kept.labels)


Approvers = Mapping[str, list[tuple[int, str, str]]]
"""By the evidence's SHA-256: time, tag and principal of each approval whose signature is good."""


class _Judged(NamedTuple):
    """What is known of the signatures of tags."""

    verdicts: Mapping[str, Verdict]
    """By tag object."""
    approvers: Approvers
    vouching: Mapping[str, str]
    """Recorders by tag object, where the verdict is that of the recorded time by their word."""


def _judged(
    project: Project,
    rules: Rules,
    tags: _Tags,
    words: Mapping[tuple[str, str], Attested],
    ledger: Log | None,
) -> _Judged:
    signers = rules.signers
    if signers is None:
        return _Judged({}, {}, {})
    events = [*tags.scan.events, *(note.event for note in tags.notes)]
    found = verdicts(project, events, signers, None, rules.policy.compromised)
    vouching = _vouched(project, rules, signers, events, words, ledger, found) if ledger else {}
    approvers: dict[str, list[tuple[int, str, str]]] = {}
    for note in tags.notes:
        event = note.event
        if event.kind == KINDS[0] and (principal := signed(found.get(event.oid), event.email).principal):
            approvers.setdefault(note.evidence.digest, []).append((event.time, event.ref, principal))
    return _Judged(found, approvers, vouching)


def _vouched(
    project: Project,
    rules: Rules,
    signers: AllowedSigners,
    events: Iterable[Event],
    words: Mapping[tuple[str, str], Attested],
    ledger: Log,
    found: dict[str, Verdict],
) -> dict[str, str]:
    """Put the verdicts of the recorded times in, where a recorder other than the signer vouches and it matters.

    Recorders are asked for only where it does: each is one more signature to verify.
    """
    asked = {each.oid: word for each in events if (word := words.get((each.ref, each.oid))) is not None}
    timed = {each.fingerprint for each in signers.signers if each.after is not None or each.before is not None}
    timed |= rules.policy.compromised.keys()  # of all other keys a verdict is the same at any time
    mine = [each for each in events if each.oid in asked and found[each.oid].fingerprint in timed]
    mine = mine if rules.policy.recorder else []
    then = verdicts(project, mine, signers, lambda event: asked[event.oid].entry.time, rules.policy.compromised)
    other = [oid for oid, verdict in then.items() if verdict != found[oid]]
    known = recorders(project, rules, ledger, (asked[oid] for oid in other))
    told = {}
    for oid in other:
        recorder = known.get(asked[oid].commit.oid)
        if recorder is not None and recorder.key != then[oid].fingerprint:
            found[oid], told[oid] = then[oid], recorder.principal
    return told


def _rows(
    tags: _Tags,
    words: Mapping[tuple[str, str], Attested],
    seen: Traces,
    approvers: Approvers,
    events: list[Event],
) -> Iterator[Row]:
    """Rows of the tags that are here; events that count are added to `events`."""
    for event in tags.scan.events:
        word = words.get((event.ref, event.oid))
        row = event_row(event, word, seen)
        if row.evidence is not None and row.evidence in approvers:
            known = [each for each in approvers[row.evidence] if row.time is None or each[0] <= row.time]
            refs = row.approvals or tuple(ref for _, ref, _ in known)
            row = row._replace(approvals=refs, approvers=tuple(sorted({who for _, ref, who in known if ref in refs})))
        yield row
        events += counted(event, row, word)
    for note in tags.notes:
        yield note_row(note, words.get((note.event.ref, note.event.oid)), seen)
    for bad in tags.bad:
        yield malformed_row(bad)


def _left(
    ledger: Iterable[Attested],
    tags: _Tags,
    words: Mapping[tuple[str, str], Attested],
    seen: Traces,
    events: list[Event],
) -> Iterator[Row]:
    """Rows of entries that no tag stands for."""
    here = {event.ref: event.oid for event in tags.scan.events}
    here |= {note.event.ref: note.event.oid for note in tags.notes}
    here |= {bad.ref: "" for bad in tags.bad}
    for each in ledger:
        entry = each.entry
        tag = entry.tag
        if tag is not None and here.get(tag) == entry.tag_oid and words.get((tag, entry.tag_oid or "")) is each:
            continue
        word = words.get((tag or "", entry.tag_oid or ""))
        removed = word is not None and word.entry.kind == "reject"  # as it should be
        gone = None if tag is None or removed or here.get(tag) == entry.tag_oid else _gone(tag in here)
        yield (row := entry_row(each, seen, gone))
        if gone and word is each:
            events += counted(None, row, each)


def _gone(here: bool) -> str:
    return "moved" if here else "missing"


def _policy(project: Project, log: PolicyLog, rules: Rules) -> Iterator[Row]:
    judged: dict[str, Verdict] = {}
    if rules.signers is not None and log.changes:
        oids = [each.commit.oid for each in log.changes]
        judged = commit_verdicts(project, oids, rules.signers, None, rules.policy.compromised)
    before: PolicyChange | None = None
    for each, time_ in zip(log.changes, log.timeline.times, strict=True):
        yield policy_row(each, time_, judged.get(each.commit.oid), before)
        before = each


def _remarks(project: Project, log: PolicyLog, ledger: bool) -> Iterator[str]:
    if project.mirror is not None:
        yield "of a URL no history is here: changes of the policy, and which was in force, are told from a clone only"
    elif not log.whole:
        yield "this clone is shallow: older changes of the policy are not told (`git fetch --unshallow`)"
    if not ledger:
        yield "there is no ledger: times are those that the makers of the tags wrote"
