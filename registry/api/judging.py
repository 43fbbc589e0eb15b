"""Judging plans under a policy before a tag is made, and making the tags that it allows.

Each tag of a plan is an act (`registry.eventkind`), judged with all that the registry knows of it. It is judged for
whom git says that the user is, and refused with every reason of every act before anything is signed; then the tags are
made and judged once more by the signatures that came out, so that none is made that nobody would accept. No ref names
them yet: what is refused leaves nothing behind.

Trailers say what a tag was allowed on: `Evidence` (its SHA-256), `Policy` (its version), an `Approved-by` for each
principal whose approval counted, `Waived: approvals` where they were waived.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from registry.api.accepting import Accepted, accept
from registry.api.acting import Claims, Facts, Signer, signer_of
from registry.api.denial import Denial, Denied
from registry.api.entering import has_gates, read_results
from registry.api.planning import NewTag, Options, Plan, Snapshot
from registry.api.project import Project
from registry.api.recording import REMOTE, Made, make_plan
from registry.api.rules import Rules
from registry.api.signatures import verdicts
from registry.errors import NotFound
from registry.eventkind import ARCHIVED, OVERRIDE, REVOKED, act_kind
from registry.git import tagwrite
from registry.governance import ACTIVE, STAGED, UNSIGNED, VALID, Act, Decision, judge, must_sign
from registry.ledger import Entry
from registry.policy import Policy
from registry.signing.allowed_signers import AllowedSigners
from registry.state import fold_artifact
from registry.strictyaml import LIMIT
from registry.tags import ASSIGNMENT, REGISTRATION, Event, TagName, parse_name, trailers
from registry.versions import is_version

if TYPE_CHECKING:
    from registry.api.approvals import Weighed
    from registry.evidence import Evidence
    from registry.git.tagscan import Scan


@dataclass
class _Case:
    """One tag that is about to be made."""

    now: Snapshot
    tag: NewTag
    kind: str
    version: str | None
    stage: str | None
    lines: Mapping[str, str]
    act: Act
    evidence: Evidence | None = None
    weighed: tuple[Weighed, ...] = ()
    decision: Decision = field(default_factory=Decision)


class Judging:
    """The policy's word on the plans of one command."""

    def __init__(self, project: Project, rules: Rules, options: Options, *, custom: bool = False) -> None:
        self.project, self.rules, self.options = project, rules, options
        self._custom = custom
        self._signers: AllowedSigners | None = rules.signers
        who = tagwrite.tagger(project.path, options.author, options.author_email, 0).line
        self._email = who.rpartition("<")[2].partition(">")[0]
        self._facts: dict[str, Facts] = {}
        self._accepted: dict[str, Accepted] = {}
        self._scans: dict[str, Scan] = {}
        self._made: list[tuple[_Case, Event]] = []

    @property
    def _policy(self) -> Policy:
        return self.rules.policy

    def make(self, nows: Sequence[Snapshot], plans: Sequence[Plan], options: Options) -> list[Made]:
        """The tag objects of plans. Raises `Denied` with every reason; then none was signed that stands."""
        cases = [list(self._cases(now, plan)) for now, plan in zip(nows, plans, strict=True)]
        self._require_allowed([case for group in cases for case in group])
        made = [
            make_plan(now, plan._replace(tags=[self._told(case) for case in group]), options, self._signs)
            for now, plan, group in zip(nows, plans, cases, strict=True)
        ]
        events = [event for each in made for event in each.events]
        self._made = list(zip([case for group in cases for case in group], events, strict=True))
        self._require_signed()
        return made

    def entries(self) -> list[Entry]:
        """What the ledger says of the tags that were made last."""
        return [self._entry(case, event) for case, event in self._made]

    def _signs(self, tag: NewTag) -> bool | None:
        kind, _, stage = _meaning(tag)
        return True if self.options.sign is None and must_sign(self._policy, kind, stage) else self.options.sign

    def _cases(self, now: Snapshot, plan: Plan) -> Iterator[_Case]:
        facts = self._about(now, plan)
        meant = [_meaning(tag) for tag in plan.tags]
        new = {version for kind, version, _ in meant if kind == "register"}
        for tag, (kind, version, stage) in zip(plan.tags, meant, strict=True):
            signer = Signer((self._email,), VALID if self._signs(tag) else UNSIGNED)
            lines = trailers(tag.message)
            claims = Claims(reference=lines.get("Reference"), reason=lines.get(OVERRIDE, ""))
            act = facts.act(kind, version, stage, signer, self._now(now), claims)
            if version in new and kind != "register":
                act = replace(act, standing=ACTIVE, authors=(self._email,))
            case = _Case(now, tag, kind, version, stage, lines, act)
            if kind in {"assign", "override"}:
                self._weigh(case, registered=version not in new)
            yield case

    def _about(self, now: Snapshot, plan: Plan) -> Facts:
        """What is known, where all that these tags would rest on has passed its gates."""
        name, stages = now.artifact.name, (self._policy.stages or {}).values()
        if name not in self._scans or not any(map(has_gates, stages)):
            return self._facts[name]
        commits = {tag.commit for tag in plan.tags}
        found = self._accepted[name] = accept(
            self.project, name, rules=self.rules, scan=self._scans[name], about=commits
        )
        return found.facts

    def _now(self, now: Snapshot) -> int:
        """The time that the tag will have: of one second's events the later is dated ahead (`tagwrite.tagger`)."""
        clock = int(time.time())
        last = max((event.time for event in now.artifact.events), default=0)
        return last + 1 if clock <= last <= clock + tagwrite.NEAR else clock

    def see(self, now: Snapshot) -> Snapshot:
        """The artifact as far as it is accepted: an event that nobody may have made is nothing to go on from."""
        name = now.artifact.name
        if not self.rules.governs or not now.scan.events:
            self._facts[name] = Facts(now.artifact, self._policy, {})
            return now
        accepted = accept(self.project, name, rules=self.rules, scan=now.scan)
        accepted.require_believed()
        self._accepted[name], self._facts[name] = accepted, accepted.facts
        self._scans[name] = now.scan
        events = [event for event in now.scan.events if event.ref not in accepted.rejected]
        artifact = fold_artifact(name, events)
        for version in accepted.facts.revoked:
            if version in artifact.versions:
                artifact.versions[version].active = False
        stopped = frozenset(stage for stage, _ in accepted.refusals())
        return replace(now, artifact=artifact, scan=now.scan._replace(events=events), stopped=stopped)

    def _weigh(self, case: _Case, *, registered: bool) -> None:
        """Gather what speaks for an assignment: evidence, approvals, gates."""
        from registry.api.evidencing import evidence_at  # a rollback, which hurries, needs none of these
        from registry.api.gating import Known, run_gates

        name, stage = case.act.name, self._policy.stage(case.stage or "")
        if stage is None or self._policy.stages is None or not is_version(case.version or ""):
            return
        try:
            case.evidence = evidence_at(
                self.project, name, case.version or "", case.tag.commit, stage.name, self._policy
            )
        except NotFound:  # a repository of tags only: there is nothing to approve
            return
        if not registered or case.kind == "override":
            return
        if stage.approvals or stage.confirm or stage.reference:
            from registry.api.approvals import weighed

            self._bring_approvals(case.evidence.digest)
            case.weighed = weighed(self.project, case.evidence, self._policy)
        version = case.version or ""
        known = Known.of(self._accepted[name], version, stage.name)
        gated = run_gates(self.project, name, version, stage.name, self._policy, known=known, custom=self._custom)
        approvals = tuple(each.approval for each in case.weighed if each.approval is not None)
        gates, waived = read_results(stage, gated.results, waived=gated.waived)
        case.act = replace(case.act, approvals=approvals, gates=gates, waived=waived)

    def _bring_approvals(self, digest: str) -> None:
        from registry.api.approvals import bring_notes
        from registry.approval import APPROVAL, prefix

        if self.project.mirror is not None:
            bring_notes(self.project, digest)
        elif self.options.push:
            tagwrite.fetch_new(self.project.path, REMOTE, prefix(APPROVAL, digest), self.project.protocols)

    def _require_allowed(self, cases: Sequence[_Case]) -> None:
        for case in cases:
            case.decision = judge(case.act, self._policy)
        denials = [Denial(case.act, case.decision.reasons) for case in cases if not case.decision.allowed]
        if denials:
            raise Denied(denials, self.project.where)

    def _require_signed(self) -> None:
        """Judge the acts by the signatures that their tags have."""
        events = [event for _, event in self._made]
        judged = {}
        if self._signers is not None:
            judged = verdicts(self.project, events, self._signers, None, self._policy.compromised)
        for case, event in self._made:
            signer = signer_of(event.email, judged.get(event.oid))
            case.act = replace(case.act, principals=signer.principals, signature=signer.signature)
        self._require_allowed([case for case, _ in self._made])

    def _told(self, case: _Case) -> NewTag:
        """The tag with what it was allowed on."""
        lines = [("Policy", str(self._policy.version))]
        if case.evidence is not None:
            lines.insert(0, ("Evidence", case.evidence.digest))
        lines += [("Approved-by", each) for each in case.decision.approved_by]
        lines += [("Waived", "approvals")] if case.decision.waived else []
        return case.tag._replace(message=case.tag.message + "".join(f"{key}: {text}\n" for key, text in lines))

    def _entry(self, case: _Case, event: Event) -> Entry:
        counted = {each.ref for each in case.weighed if _counts(each, case.decision)}
        reasons = (case.lines.get(key) for key in (OVERRIDE, REVOKED, ARCHIVED))
        signed = case.act.signature == VALID
        return Entry(
            case.kind,
            f"{event.tagger} <{event.email}>",
            case.act.name,
            case.version if case.kind not in {"deprecate", "archive"} else None,
            case.stage,
            event.ref,
            event.oid,
            event.commit,
            link=self._link(case),
            evidence=case.evidence.digest if case.evidence else None,
            principal=event.email if signed else None,
            approvals=tuple(sorted(counted)) or (("waived",) if case.decision.waived else ()),
            policy_version=self._policy.version,
            policy_digest=self.rules.digest,
            reason=next(filter(None, reasons), None),
        )

    def _link(self, case: _Case) -> str | None:
        """SHA-256 of the link file, of what makes a version loadable."""
        if case.evidence is not None:
            return case.evidence.link
        if not event_links(case.tag) or (oid := case.now.link_blob(case.tag.commit)) is None:
            return None
        return sha256(self.project.blob(oid, LIMIT, f"{self.project.where}: {case.tag.ref}")).hexdigest()


def _meaning(tag: NewTag) -> tuple[str, str | None, str | None]:
    """Act, version and stage of a tag."""
    name, lines = parse_name(tag.ref), trailers(tag.message)
    if not isinstance(name, TagName):
        raise TypeError(f"a plan names a tag {tag.ref!r}")
    kind = act_kind(name.kind, lines)
    return kind, name.version or lines.get("Version"), name.stage if kind in STAGED else None


def event_links(tag: NewTag) -> bool:
    """Whether a tag makes a version loadable: it registers or assigns one."""
    name = parse_name(tag.ref)
    return isinstance(name, TagName) and name.kind in {REGISTRATION, ASSIGNMENT}


def _counts(each: Weighed, decision: Decision) -> bool:
    return each.approval is not None and each.approval.principal in decision.approved_by
