"""What waits for whom: requests and approvals against what the registry holds now, from tags alone.

A question is a version for a stage about which there is a request or an approval. It is `done` where the stage holds
that version, or held it after the newest of them; `void` where nothing of it is about the evidence as it is now, or the
version does not stand; `ready` where no approval, confirmation and reference is missing; and else `waiting`. Gates are
not run here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, Final, NamedTuple

from registry.api.accepting import Accepted, accept_any
from registry.api.approvals import Notes, Verdicts, Weighed, bring_notes, malformed, read_notes, verdicts_on, weigh
from registry.api.authorship import Authorship, authors
from registry.api.considering import email_of
from registry.api.evidencing import evidence_at, require_registered
from registry.api.governing import current_policy
from registry.api.project import Project, open_project
from registry.api.rules import read_rules
from registry.api.signatures import read_signers, verdicts
from registry.api.simulating import facts
from registry.approval import APPROVAL, REQUEST, Note
from registry.errors import RegistryError
from registry.evidence import Evidence, differences
from registry.governance import VALID, Act, Decision, GateResult, Needs, Reason, judge
from registry.names import require_artifact
from registry.policy import Policy
from registry.policystages import Stage
from registry.signature import Verdict
from registry.signing.allowed_signers import AllowedSigners
from registry.tags import REGISTRATION, Event

Where = str | PathLike[str]

WAITING: Final = "waiting"
READY: Final = "ready"
DONE: Final = "done"
VOID: Final = "void"
_OF_APPROVERS: Final = frozenset({"role-needed", "approver-is-author", "author-unknown", "signature-needed"})


class Judged(NamedTuple):
    """An approval, and what it counts for now."""

    weighed: Weighed
    why: tuple[str, ...] = ()
    """Why it counts for nothing; nothing where it counts."""

    def json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        note, approval = self.weighed.note, self.weighed.approval
        return {
            "tag": self.weighed.ref,
            "principal": approval.principal if approval else None,
            "tagger": note.event.email if note else None,
            "run": note.said.run._asdict() if note and note.said.run else None,
            "time": note.event.time if note else None,
            "message": note.said.text if note else None,
            "confirms": list(note.said.confirms) if note else [],
            "reference": note.said.reference if note else None,
            "counts": not self.why,
            "why": list(self.why),
        }


@dataclass(frozen=True)
class Question:
    """A version for a stage that somebody asked about or approved."""

    name: str
    version: str
    stage: str
    status: str
    why: tuple[str, ...] = ()
    """Why it is void, or cannot be approved."""
    evidence: Evidence | None = None
    """As it is now."""
    requests: tuple[Note, ...] = ()
    approvals: tuple[Judged, ...] = ()
    needs: Needs = field(default_factory=Needs)
    roles: tuple[str, ...] | None = None
    """Whose approvals count; everyone's where it is none."""
    principals: tuple[str, ...] | None = None
    """Who may still give what is missing; everyone of the signers' file but `authors` where it is none."""
    authors: tuple[str, ...] = ()

    def waits_for(self, principal: str) -> bool:
        """Whether an approval of this principal is waited for."""
        if self.status != WAITING or not principal:
            return False
        return principal not in self.authors if self.principals is None else principal in self.principals

    def json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "artifact": self.name,
            "version": self.version,
            "stage": self.stage,
            "status": self.status,
            "why": list(self.why),
            "evidence": self.evidence.json() if self.evidence else None,
            "requests": [_request_json(each) for each in self.requests],
            "approvals": [each.json() for each in self.approvals],
            "needs": {
                "approvals": self.needs.approvals,
                "confirmations": list(self.needs.confirmations),
                "reference": self.needs.reference,
            },
            "roles": None if self.roles is None else list(self.roles),
            "principals": None if self.principals is None else list(self.principals),
            "authors": list(self.authors),
        }


def _request_json(note: Note) -> dict[str, Any]:
    event = note.event
    return {"tag": event.ref, "tagger": event.email, "time": event.time, "message": note.said.text}


class Listed(NamedTuple):
    """All questions of a registry, and the tags that are none."""

    questions: tuple[Question, ...]
    malformed: tuple[Weighed, ...] = ()


def approvals(project: Where = ".", name: str | None = None, *, mine: bool = False) -> Listed:
    """What waits for whom, of one artifact or all; with `mine` what waits for whom git says that the user is.

    Of a folder it is answered from its tags alone, as the last fetch brought them. Raises `Refused` where the policy
    cannot be read.
    """
    if name is not None:
        require_artifact(name)
    opened = open_project(project)
    if opened.mirror is not None:
        opened.refresh(name, head=True)
        bring_notes(opened)
    policy, signers = current_policy(opened), read_signers(opened)
    asked, given = read_notes(opened, REQUEST), read_notes(opened, APPROVAL)
    groups: dict[tuple[str, str, str], list[Note]] = {}
    for note in (*asked.good, *given.good):
        about = note.evidence
        if name in {None, about.name}:
            groups.setdefault((about.name, about.version, about.stage), []).append(note)
    rules = read_rules(opened)
    accepted = {name: accept_any(opened, name, rules=rules) for name in {about[0] for about in groups}}
    made = [each for about in groups for each in _registrations(accepted[about[0]], about[1])]
    known = registered = None
    if signers is not None:
        known = verdicts_on(opened, (each for notes in groups.values() for each in notes), policy, signers)
        registered = verdicts(opened, made, signers, None, policy.compromised)
    asker = _Asker(opened, policy, signers, accepted, known, registered or {})
    found = [asker.question(*about, groups[about]) for about in sorted(groups)]
    if mine:
        me = email_of(opened)
        return Listed(tuple(each for each in found if each.waits_for(me)))
    return Listed(tuple(found), _malformed(asked, given))


def _registrations(accepted: Accepted, version: str) -> list[Event]:
    found = accepted.artifact.versions.get(version)
    return [each for each in found.events if each.kind == REGISTRATION] if found else []


def _malformed(*notes: Notes) -> tuple[Weighed, ...]:
    return tuple(malformed(tag) for each in notes for tag in each.bad)


@dataclass(frozen=True)
class _Asker:
    """One registry, asked about many questions."""

    project: Project
    policy: Policy
    signers: AllowedSigners | None
    accepted: Mapping[str, Accepted]
    known: Verdicts | None
    """On approvals."""
    registered: Mapping[str, Verdict]
    """On registrations."""

    def question(self, name: str, version: str, stage: str, notes: list[Note]) -> Question:
        """What became of a version for a stage."""
        notes.sort(key=lambda each: (each.event.time, each.event.ref))
        requests = tuple(each for each in notes if each.event.kind == REQUEST)
        begun = Question(name, version, stage, VOID, requests=requests)
        accepted = self.accepted[name]
        act = replace(facts(accepted, version, "approve", stage, int(time.time())), signature=VALID)
        newest = notes[-1].event.time
        done = any(each.stage == stage and (each.until is None or each.until >= newest) for each in act.history)
        try:
            found = require_registered(accepted, version)
            evidence = notes[-1].evidence  # what was decided needs no look at what it would be now
            if not done:
                evidence = evidence_at(self.project, name, version, found.commit, stage, self.policy)
        except RegistryError as error:
            gone = tuple(Judged(Weighed(each.event.ref, each, None), (error.what,)) for each in _given(notes))
            return replace(begun, why=(error.what,), approvals=gone)
        asked = self.policy.stage(stage) or Stage(stage)
        author = authors(_registrations(accepted, version), self.registered, self.policy)
        act = replace(act, authors=author.principals)
        judged = self._judged(act, evidence, notes, author)
        begun = replace(begun, evidence=evidence, approvals=judged, roles=asked.approve, authors=author.principals)
        if done:
            return replace(begun, status=DONE)
        if not found.active:
            return replace(begun, why=(f"{version} was deregistered",))
        if all(each.evidence.digest != evidence.digest for each in notes):
            return replace(begun, why=tuple(differences(notes[-1].evidence, evidence)))
        return self._open(begun, act, asked)

    def _judged(self, act: Act, evidence: Evidence, notes: list[Note], author: Authorship) -> tuple[Judged, ...]:
        """Each approval: of which evidence it is, whose it is, and whether that one may approve."""
        now = [each for each in _given(notes) if each.evidence.digest == evidence.digest]
        found = []
        for note in _given(notes):
            if note not in now:
                why = tuple(differences(note.evidence, evidence))
                found.append(Judged(Weighed(note.event.ref, note, None), why))
        for mine in weigh(self.project, now, self.policy, self.signers, author, known=self.known):
            if mine.approval is None:
                found.append(Judged(mine, (mine.finding.message.partition(": ")[2],) if mine.finding else ()))
            else:
                decision = judge(replace(act, principals=(mine.approval.principal,)), self.policy)
                found.append(Judged(mine, tuple(each.message for each in _of(decision, _OF_APPROVERS))))
        return tuple(found)

    def _open(self, begun: Question, act: Act, stage: Stage) -> Question:
        """A question that is not answered yet: what is missing, and who may give it."""
        given = tuple(each.weighed.approval for each in begun.approvals if each.weighed.approval is not None)
        gates = tuple(GateResult(each.key, passed=True) for each in stage.required_gates)
        decision = judge(replace(act, kind="assign", approvals=given, gates=gates), self.policy)
        needs = decision.needs._replace(gates=())
        missing = needs.approvals or needs.confirmations or needs.reference
        unknown = _of(decision, frozenset({"author-unknown"}))
        members = self.policy.members(stage.approve)
        if members is not None:
            said = set(decision.approved_by) if not (needs.confirmations or needs.reference) else set()
            members -= said | (set(begun.authors) if stage.distinct else set())
        return replace(
            begun,
            status=WAITING if missing or unknown else READY,
            why=tuple(each.message for each in unknown),
            needs=needs,
            principals=None if members is None else tuple(sorted(members)),
            authors=begun.authors if stage.distinct else (),
        )


def _given(notes: Iterable[Note]) -> list[Note]:
    return [each for each in notes if each.event.kind == APPROVAL]


def _of(decision: Decision, ids: frozenset[str]) -> list[Reason]:
    return [each for each in decision.reasons if each.id in ids]
