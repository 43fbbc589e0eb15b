"""The recorder: tags that others made are judged, and what was decided is recorded in the ledger and told.

Where the registry has a ledger, or a stage of its policy asks for one, each tag that it does not hold yet gets an
entry: that of its act, or `reject` with the reasons. Judging and recording are one step: where somebody else was first,
it is done again on what stands then. By the policy's `rejected: remove` a tag that was rejected now is deleted at the
remote, where it still is the same object; the entry keeps what it was. Otherwise it stays and counts for nothing.

Tags are those that are here: of a clone, as its last fetch brought them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from registry.api.accepting import EVENT_REJECTED
from registry.api.adopting import actor_of, link_digests
from registry.api.appending import Act, Recorder, append
from registry.api.arriving import Arrived, judge_tags
from registry.api.grounds import Grounds, read_grounds
from registry.api.ledgers import Ledger
from registry.api.project import Project
from registry.api.recording import REMOTE
from registry.api.weighing import Rejection
from registry.errors import GitError
from registry.findings import ERROR, WARNING, Finding
from registry.git.push import DELETED, delete_ref
from registry.ledger import LONGEST, Entry
from registry.tagrules import removal, shown

REMOVAL = "tag-not-removed"
"""Id of the finding that a rejected tag could not be removed."""


@dataclass
class Settled:
    """What became of the tags that somebody made."""

    arrived: Sequence[Arrived] = ()
    """All that were judged, or were rejected before and still stand."""
    entries: int = 0
    """How many the ledger has more."""
    commit: str | None = None
    """Its newest commit, where it was written."""
    removed: list[str] = field(default_factory=list)
    """Tags that were deleted at the remote."""
    failures: list[Finding] = field(default_factory=list)

    @property
    def rejected(self) -> list[Arrived]:
        """Those that count for nothing."""
        return [each for each in self.arrived if not each.accepted]

    @property
    def findings(self) -> list[Finding]:
        """One for each rejected tag, and what could not be done about it."""
        return [*(self._finding(each) for each in self.rejected), *self.failures]

    def _finding(self, each: Arrived) -> Finding:
        gone = each.event.ref in self.removed
        first = each.decision.reasons[0].fix
        fix = f"it was removed; {first}" if gone else f"{removal(each.event.ref)}; {first}"
        message = str(Rejection(each.event, each.decision.reasons))
        return Finding(EVENT_REJECTED, ERROR, message, fix, each.event.artifact, ref=each.event.ref)


class _Nothing(Exception):
    """No tag that the ledger does not hold."""


def settle(project: Project, recorder: Recorder = Recorder(), fresh: Collection[str] | None = None) -> Settled:
    """Judge the tags that the ledger does not hold, record what was decided, and remove what the policy says.

    `fresh` names tags that just came, where there is no ledger to tell. Raises `Refused` where policy, signers or
    ledger cannot be read or believed, `RegistryError` where it cannot be recorded.
    """
    done = Settled()
    grounds: list[Grounds] = []

    def propose(ledger: Ledger) -> Act:
        project.refresh(head=True)
        found = read_grounds(project, ledger)
        grounds[:] = [found]
        new = None if _records(found) else fresh or ()
        events = project.scan().events
        if _records(found) and not found.ledger:
            new = [event.ref for event in events]  # the ledger begins with what is judged now
        done.arrived = judge_tags(found, events, new)
        entries = _entries(found, done.arrived) if _records(found) else []
        if not entries:
            raise _Nothing
        return Act(entries)

    try:
        appended = append(project, propose, recorder)
        done.entries, done.commit = len(appended.entries), appended.head.commit
    except _Nothing:
        pass
    if grounds[0].rules.policy.rejected == "remove" and (recorder.push or project.mirror is not None):
        _remove(project, done)
    return done


def _records(grounds: Grounds) -> bool:
    return grounds.ledger or (grounds.rules.governs and grounds.rules.needs_ledger)


def _entries(grounds: Grounds, arrived: Sequence[Arrived]) -> list[Entry]:
    """What the ledger is told, in the order in which the tags count."""
    new = [each for each in arrived if grounds.entry(each.event) is None]
    links = link_digests(grounds.project, [each.event for each in new if each.accepted])
    return [_told(grounds, each, links.get(each.event.ref)) for each in new]


def _told(grounds: Grounds, each: Arrived, link: str | None) -> Entry:
    event, rules = each.event, grounds.rules
    entry = Entry(
        each.kind,
        actor_of(event),
        name=event.artifact,
        version=each.version if each.kind not in {"deprecate", "archive"} else None,
        stage=event.stage,
        tag=event.ref,
        tag_oid=event.oid,
        commit=event.commit,
        link=link,
        evidence=each.evidence.digest if each.evidence else None,
        principal=each.principal,
        approvals=each.approvals or (("waived",) if each.decision.waived else ()),
        policy_version=rules.policy.version,
        policy_digest=rules.digest,
        reason=each.reason,
    )
    if not each.accepted:
        why = "; ".join(f"{reason.id}: {reason.message}" for reason in each.decision.reasons)
        return entry._replace(kind="reject", reason=_printable(why), link=None, version=None)
    return entry


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[: LONGEST * 8]


def _remove(project: Project, done: Settled) -> None:
    """Delete the tags that were rejected now; one that became another object meanwhile stays."""
    for each in done.rejected:
        if not each.new:
            continue
        ref = f"refs/tags/{each.event.ref}"
        try:
            said = delete_ref(project.path, REMOTE, ref, each.event.oid, project.protocols)
            why = "" if said.flag == DELETED else f"{said.reason} {said.told}".strip()
        except GitError as error:
            why = error.what
        if not why:
            done.removed.append(each.event.ref)
            continue
        message = f"tag {shown(each.event.ref)} was rejected and could not be removed: {why}"
        done.failures.append(
            Finding(REMOVAL, WARNING, message, removal(each.event.ref), each.event.artifact, ref=each.event.ref)
        )
