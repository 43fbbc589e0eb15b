"""What speaks for an assignment that arrives: evidence, approvals that are bound to it, gates that are run here.

What cannot be judged speaks for nothing, and says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.api.acting import EVIDENCE, Facts
from registry.api.approvals import Weighed, weighed
from registry.api.entering import read_results
from registry.api.evidencing import evidence_at
from registry.api.grounds import Grounds
from registry.errors import RegistryError
from registry.evidence import Evidence
from registry.governance import Approval, Decision, GateResult, Reason
from registry.policystages import Stage
from registry.state import fold_artifact
from registry.tags import Event, trailers
from registry.versions import is_version

_RECORD = "do as it says, then record the assignment again"


@dataclass
class Support:
    """Gathered for one assignment."""

    grounds: Grounds
    facts: Facts
    event: Event
    version: str | None
    evidence: Evidence | None = None
    weighed: tuple[Weighed, ...] = ()
    gates: tuple[GateResult, ...] = ()
    waived: bool = False
    unjudged: tuple[Reason, ...] = ()

    @property
    def given(self) -> tuple[Approval, ...]:
        """The approvals whose signatures and evidence are good."""
        return tuple(each.approval for each in self.weighed if each.approval is not None)

    def weigh(self) -> None:
        """Gather evidence and approvals, and run the gates."""
        policy = self.grounds.rules.policy
        stage = policy.stage(self.event.stage or "")
        if policy.stages is None or stage is None or not is_version(self.version or ""):
            return
        self._gather(stage)
        if stage.required_gates or stage.waive:
            self._run(stage)

    def _gather(self, stage: Stage) -> None:
        asked = bool(stage.approvals or stage.confirm or stage.reference)
        project, policy = self.grounds.project, self.grounds.rules.policy
        try:
            self.evidence = evidence_at(
                project, self.facts.artifact.name, self.version or "", self.event.commit, stage.name, policy
            )
            named = trailers(self.event.message).get(EVIDENCE)
            if asked and named == self.evidence.digest:
                self.weighed = weighed(project, self.evidence, policy)
            elif asked:  # readers count approvals of the evidence that the tag names
                what = f"the tag names {named or 'no evidence'}, the evidence is {self.evidence.digest}"
                self.unjudged += (Reason("approvals-missing", what, "promote with `registry assign`, which names it"),)
        except RegistryError as error:
            if asked:
                why = Reason("approvals-missing", f"approvals cannot be read: {error.what}", error.fix or _RECORD)
                self.unjudged += (why,)

    def _run(self, stage: Stage) -> None:
        from registry.api.gating import Known, run_gates

        history = [each for each in self.facts.course.tenures() if each.version == self.version]
        try:
            found = run_gates(
                self.grounds.project,
                self.facts.artifact.name,
                self.version or "",
                stage.name,
                self.grounds.rules.policy,
                holds=self._holds(stage.name),
                known=Known(self.facts.artifact, history),
            )
        except RegistryError as error:
            self.unjudged += (Reason("gate-not-run", error.what, error.fix or _RECORD),)
        else:
            answered = stage.ledger and bool(self.grounds.rules.policy.recorder)
            self.gates, self.waived = read_results(stage, found.results, waived=found.waived, answered=answered)

    def _holds(self, stage: str) -> str | None:
        """What the stage holds without this assignment: nothing where its version was revoked, as for every reader."""
        from registry.api.weighing import newest

        artifact, revoked = self.facts.artifact, self.facts.revoked
        before = fold_artifact(artifact.name, [each for each in artifact.events if each is not self.event])
        held = newest(before, stage, revoked)
        return None if held is None or held.version.label in revoked else held.version.label

    def counted(self, decision: Decision) -> tuple[str, ...]:
        """Tags of the approvals that counted."""
        counts = (each for each in self.weighed if each.approval and each.approval.principal in decision.approved_by)
        return tuple(sorted(each.ref for each in counts))
