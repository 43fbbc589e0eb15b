"""The ledger's branch in a push, before it counts: it goes on from what stands, and says what the tags say.

It never goes back, is deleted or begun anew. Each commit keeps the rules of the chain (`registry.ledgerchain`), its
tree included. An entry about a tag agrees with the tag, which comes with the push or is there already, and with the
policy's word on it; one without a tag is an act of whoever signed the commit, and what only a recorder may say
(`reject`, `adopt`, and entries about others) needs one, where the policy names any.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from registry.api.acting import Facts, Signer, signer_of
from registry.api.arriving import AHEAD, Arrived
from registry.api.grounds import Grounds
from registry.api.signatures import commit_verdicts
from registry.errors import GitError, RegistryError
from registry.findings import ERROR, Finding
from registry.git.ledger import LOCAL, descends, log, next_tree
from registry.git.objects import read_all
from registry.governance import UNSIGNED, VALID, judge
from registry.ledger import Entry, event_kind
from registry.ledgerchain import (
    CHAIN,
    ENTRY_MISSING,
    REMEDY,
    TAG_MISSING,
    TAG_MOVED,
    Commit,
    Head,
    Step,
    check_chain,
    head_of,
    parse_commit,
)
from registry.received import Update
from registry.state import fold_artifact
from registry.tagrules import shown
from registry.tags import Event

REWOUND, GONE, WRONG = "ledger-rewound", "ledger-missing", "ledger-entry-wrong"
_FIX = "entries are written by `registry` only: fetch the ledger, and record it again"


@dataclass
class Log:
    """What a push adds to the ledger."""

    findings: list[Finding] = field(default_factory=list)
    entries: list[tuple[Commit, Entry]] = field(default_factory=list)

    @property
    def tags(self) -> Mapping[str, Entry]:
        """The entry that accepts a tag, by its name."""
        return {each.tag: each for _, each in self.entries if each.tag is not None and each.kind not in _NOT_JUDGED}


_NOT_JUDGED = frozenset({"reject", "adopt"})


def read_pushed(grounds: Grounds, updates: Iterable[Update]) -> Log:
    """The commits that a push adds, held against the rules of the chain."""
    done = Log()
    update = next((each for each in updates if each.ref == LOCAL), None)
    if update is None:
        return done
    place = grounds.project.path
    if update.new is None:
        done.findings.append(_finding(GONE, "the push deletes the ledger", "the ledger is only added to"))
        return done
    if update.old is not None and not descends(place, update.new, update.old):
        what = f"the ledger is at {update.old}, the push makes it {update.new}, which does not go on from that"
        done.findings.append(_finding(REWOUND, what, _FIX))
        return done
    try:
        _read(grounds, update, done)
    except (RegistryError, GitError) as error:
        done.findings.append(_finding(CHAIN, error.what, error.fix or REMEDY))
    return done


def _read(grounds: Grounds, update: Update, done: Log) -> None:
    place, new = grounds.project.path, update.new or ""
    head = None if update.old is None else _head(place, update.old)
    latest = grounds.now + AHEAD
    for step in check_chain(log(place, new, since=update.old), after=head):
        done.findings += step.findings
        if not done.findings and update.old is not None:
            done.findings += _tree(place, head, step)
        if step.commit.time > latest:
            what = (
                f"ledger commit {step.commit.oid} is dated {step.commit.time - grounds.now} seconds ahead of this clock"
            )
            done.findings.append(_finding(CHAIN, what, "correct the clock, and record it again"))
        done.entries += [(step.commit, entry) for entry in step.entries]
        if done.findings:
            return
        head = head_of(step.commit.oid, step.commit.message)


def _head(place: object, oid: str) -> Head:
    body = next(each for _, _, _, each in read_all(str(place), [oid]))
    return head_of(oid, parse_commit(oid, body).message)


def _tree(place: object, head: Head | None, step: Step) -> Iterator[Finding]:
    expected = next_tree(str(place), head, step.entries).write()[0]
    if step.commit.tree != expected:
        what = f"ledger commit {step.commit.oid}: its tree is {step.commit.tree}, its entries make it {expected}"
        yield _finding(CHAIN, what, REMEDY)


def ledger_findings(
    grounds: Grounds, pushed: Log, present: Mapping[str, Event], arrived: Mapping[str, Arrived]
) -> Iterator[Finding]:
    """What entries say against tags and roles, and which tags lack theirs; `present` are all tags after the push."""
    signer = _signers(grounds, pushed)
    for commit, entry in pushed.entries:
        if entry.tag is not None:
            yield from _told(entry, present.get(entry.tag), arrived.get(entry.tag))
        if entry.kind in {"revoke", "archive"} and entry.tag is None:
            yield from _allowed(grounds, entry, signer[commit.oid], present.values())
        elif entry.tag is None or entry.kind in _NOT_JUDGED:
            yield from _by_recorder(grounds, entry, signer[commit.oid])
    policy = grounds.rules.policy
    for ref, each in arrived.items():
        stage = policy.stage(each.event.stage) if each.event.stage is not None else None
        if each.accepted and stage is not None and stage.ledger and ref not in pushed.tags:
            what = f"tag {shown(ref)} comes without its entry in the ledger, which stage {stage.name!r} asks for"
            fix = "record it with `registry assign`, which pushes both"
            yield Finding(ENTRY_MISSING, ERROR, what, fix, each.event.artifact, ref=ref)


def _told(entry: Entry, event: Event | None, arrived: Arrived | None) -> Iterator[Finding]:
    """That an entry is about its tag, and says what that says."""
    told = f"entry {entry.sequence} records tag {shown(entry.tag or '')} as {entry.tag_oid} at {entry.commit}"
    if event is None:
        if entry.kind != "reject":
            yield _finding(TAG_MISSING, f"{told}, and there is none", _FIX, entry)
        return
    if (event.oid, event.commit) != (entry.tag_oid, entry.commit):
        yield _finding(TAG_MOVED, f"{told}, it is {event.oid} at {event.commit}", _FIX, entry)
        return
    if entry.kind in _NOT_JUDGED or arrived is None:
        return
    said = {
        "act": (event_kind(entry) == arrived.kind, entry.kind, arrived.kind),
        "version": (entry.version in {None, arrived.version}, entry.version, arrived.version),
        "principal": (entry.principal in {None, arrived.principal}, entry.principal, arrived.principal),
    }
    known = {*arrived.approvals, *(("waived",) if arrived.decision.waived else ())}
    said["approvals"] = (known.issuperset(entry.approvals), ", ".join(entry.approvals), ", ".join(sorted(known)))
    for key, (right, claimed, real) in said.items():
        if not right:
            what = (
                f"entry {entry.sequence} says that the {key} of tag {shown(entry.tag or '')} is {claimed}, it is {real}"
            )
            yield _finding(WRONG, what, _FIX, entry)


def _signers(grounds: Grounds, pushed: Log) -> dict[str, Signer]:
    """Who signed each commit."""
    commits = {commit.oid: commit.committer.rpartition("<")[2].rstrip(">") for commit, _ in pushed.entries}
    rules = grounds.rules
    judged = {}
    if rules.signers is not None and commits:
        judged = commit_verdicts(grounds.project, commits, rules.signers, None, rules.policy.compromised)
    return {oid: signer_of(email, judged.get(oid)) for oid, email in commits.items()}


def _allowed(grounds: Grounds, entry: Entry, signer: Signer, events: Iterable[Event]) -> Iterator[Finding]:
    """That whoever signed may do what an entry without a tag says."""
    known = [event for event in events if event.artifact == entry.name]
    facts = Facts(fold_artifact(entry.name or "", known), grounds.rules.policy, {})
    act = facts.act(entry.kind, entry.version, None, signer, int(time.time()))
    for reason in judge(act, grounds.rules.policy).reasons:
        what = f"entry {entry.sequence} ({entry.kind} {entry.name} {entry.version or ''}): {reason.message}"
        yield _finding(reason.id, what, reason.fix, entry)


def _by_recorder(grounds: Grounds, entry: Entry, signer: Signer) -> Iterator[Finding]:
    recorders = grounds.rules.policy.recorder
    if not recorders or (signer.signature == VALID and not set(recorders).isdisjoint(signer.principals)):
        return
    by = "nobody" if signer.signature == UNSIGNED else " or ".join(signer.principals) or signer.signature
    what = f"entry {entry.sequence} ({entry.kind}) is for a recorder to write, it is signed by {by}"
    yield _finding("role-needed", what, f"have it recorded by {' or '.join(recorders)}", entry)


def _finding(rule: str, what: str, fix: str, entry: Entry | None = None) -> Finding:
    return Finding(rule, ERROR, what, fix, entry.name if entry else None, ref=entry.tag if entry else LOCAL)


__all__: Sequence[str] = ["Log", "ledger_findings", "read_pushed"]
