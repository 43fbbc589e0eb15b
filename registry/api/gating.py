"""`check_gates`: what a policy asks of a version before it enters a stage, run on the registry's objects.

The version is read at the commit its tag names; suites, reports, contract and custom checks at the tip of the default
branch. Nothing is read from a work tree, and no model is loaded. The source is asked only where a gate looks at the
model itself. A gate that cannot be judged does not pass, and says why. Programs of the registry (`scripts/checks`) run
only where the caller asks for them.

What the stage holds, and for how long a version was in another, is what is accepted (`registry.api.accepting`). Where
that stage has no answer, as its ledger or its tag is gone, what compares with it is not judged; where its version was
revoked it is empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Final, NamedTuple

from registry.api.accepting import Accepted, accept
from registry.api.gatecase import Asked, case_of
from registry.api.governing import current_policy
from registry.api.project import Project, open_project
from registry.checks.rule import Unjudged
from registry.checks.subject import said
from registry.errors import GitError, NotFound, Refused, RegistryError
from registry.findings import ERROR, Finding
from registry.gates import Run, finding_id
from registry.gates.case import Case
from registry.gates.metric import changes, run_reported
from registry.gates.table import RUNS
from registry.governance import Act, GateResult, held_for
from registry.names import require_artifact, require_stage
from registry.notice import Change
from registry.policy import Policy
from registry.policygates import Gate, Held, Interface, Metric
from registry.policystages import Stage
from registry.state import Artifact, Version
from registry.tenure import Tenure, tenures
from registry.versions import require as require_version

Step = Callable[[int, int, str], None]
"""Told how far the work is: done, total, the gate that is next."""
ACCEPTED: Final = "what is accepted"
"""What `holds` is where the accepted tags say what the stage holds."""
REVOKED: Final = "revoked"
"""Reason of a refusal that leaves a stage empty."""
MOST: Final = 3
"""Sentences of a result's message; the findings have all."""


@dataclass(frozen=True)
class Gated:
    """What became of the gates of a stage."""

    results: tuple[GateResult, ...]
    """One for each of the stage's `required_gates`, in their order; `held` as it is now."""
    waived: bool
    """Whether the version meets every limit of the stage's `waive`, by reports alone."""
    reasons: Mapping[str, list[Finding]] = field(default_factory=dict)
    """Why gates failed, with remedies, by `GateResult.key`; all of severity `error`."""
    metrics: Mapping[str, Change] = field(default_factory=dict)
    """By `SUITE/METRIC`, on the whole data: of what the stage holds, where a report has it, and of the version."""
    limits: tuple[GateResult, ...] = ()
    """One for each limit of `waive`."""

    @property
    def findings(self) -> list[Finding]:
        """All `reasons`, in the order of the gates."""
        return [each for found in self.reasons.values() for each in found]

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return all(each.passed for each in self.results)


class Known(NamedTuple):
    """What counts of an artifact, for one version and one stage."""

    artifact: Artifact
    """Its versions, and what its stages hold."""
    history: Sequence[Tenure]
    """Where the version was."""
    unclear: Refused | None = None
    """Why it is not known what the stage holds."""

    @classmethod
    def of(cls, accepted: Accepted, version: str, stage: str) -> Known:
        """As far as it is accepted. Raises `Refused` where the ledger is not believed."""
        accepted.require_believed()
        if accepted.weighed is None:
            return cls(accepted.artifact, [each for each in tenures(accepted.artifact) if each.version == version])
        refused = accepted.weighed.refusals.get(stage)
        unclear = refused if refused is not None and refused.reason != REVOKED else None
        history = [each for each in accepted.facts.course.tenures() if each.version == version]
        return cls(accepted.artifact, history, unclear)


def check_gates(
    name: str,
    version: str,
    stage: str,
    project: str | PathLike[str] = ".",
    *,
    custom: bool = False,
    progress: Step | None = None,
) -> Gated:
    """Run the gates of a stage on a version, by the policy of the default branch; nothing is written.

    `custom` admits the programs in `scripts/checks` of the default branch. Raises `NotFound` for an unknown artifact,
    version or stage, `Refused` where policy or ledger are not believed, or the version's registration is not accepted.
    """
    require_version(version)
    require_stage(stage)
    require_artifact(name)
    opened = open_project(project)
    opened.refresh(name, head=True)
    return run_gates(opened, name, version, stage, current_policy(opened), custom=custom, progress=progress)


def run_gates(  # noqa: PLR0913 - one question, and what some callers know better than the tags
    project: Project,
    name: str,
    version: str,
    stage: str,
    policy: Policy,
    *,
    head: str | None = None,
    holds: str | None = ACCEPTED,
    known: Known | None = None,
    custom: bool = False,
    progress: Step | None = None,
) -> Gated:
    """The same of a project as it was last refreshed, by a policy that is given.

    `head` is the commit that counts as the tip of the default branch; `known` what counts of the artifact, and `holds`
    the version that the stage holds, none for an empty stage, where the caller knows it better than the accepted tags.
    Raises `NotFound`, `Refused`.
    """
    rules = policy.stage(stage)
    if rules is None:
        stages = ", ".join(policy.stages or ()) or "none"
        raise NotFound(f"the policy has no stage {stage!r}", project.where, f"it has {stages}")
    known = _here(project, name, version, stage) if known is None else known
    found = _registered(project, known.artifact, version)
    held = _holder(project, known.artifact, stage, holds)
    asked = Asked(name, found, stage, held, policy, project.head() if head is None else head, custom)
    act = Act("assign", name, version, stage, now=int(time.time()), history=tuple(known.history))
    total = len(rules.required_gates) + len(rules.waive)
    judging = Bench(_case(project, asked, rules), act, progress, total, known.unclear)
    outcomes = [judging.judge(each, RUNS.get(each.id)) for each in rules.required_gates]
    limits = tuple(_compared(each, judging.judge(each, run_reported)[0], held) for each in rules.waive)
    return Gated(
        results=tuple(result for result, _ in outcomes),
        waived=bool(limits) and all(each.passed for each in limits),
        reasons={result.key: findings for result, findings in outcomes if findings},
        metrics=changes(judging.case) if isinstance(judging.case, Case) else {},
        limits=limits,
    )


def _here(project: Project, name: str, version: str, stage: str) -> Known:
    accepted = accept(project, name)
    found = accepted.artifact.versions.get(version)
    if found is None:
        accepted.require_version(version)
    elif accepted.weighed is not None:
        accepted = accept(project, name, rules=accepted.rules, scan=accepted.scan, about={found.commit})
    return Known.of(accepted, version, stage)


def _registered(project: Project, artifact: Artifact, version: str) -> Version:
    found = artifact.versions.get(version)
    if found is None or not found.registered:
        what = f"version {version} of {artifact.name!r} is not registered"
        raise NotFound(what, project.where, "see `registry show`")
    return found


def _holder(project: Project, artifact: Artifact, stage: str, holds: str | None) -> Version | None:
    if holds == ACCEPTED:
        held = artifact.holder(stage)
        return held.version if held is not None else None
    return None if holds is None else _registered(project, artifact, holds)


def _case(project: Project, asked: Asked, stage: Stage) -> Case | RegistryError | None:
    """What the gates look at, or why there is nothing; none where no gate looks at anything."""
    if all(isinstance(each, Held) for each in (*stage.required_gates, *stage.waive)):
        return None
    try:
        return case_of(project, asked)
    except GitError:
        raise
    except RegistryError as error:
        return error


def _compared(limit: Metric, result: GateResult, held: Version | None) -> GateResult:
    """A limit that only compares, with nothing to compare with, is not met: nobody would have looked at the number."""
    alone = limit.at_least is None and limit.at_most is None
    if result.passed and held is None and alone:
        return result._replace(passed=False, message="the stage holds nothing to compare with")
    return result


class Bench:
    """The gates of one version, one after the other."""

    def __init__(
        self,
        case: Case | RegistryError | None,
        act: Act,
        progress: Step | None,
        total: int,
        unclear: Refused | None = None,
    ) -> None:
        self.case = case
        self._act = act
        self._unclear = unclear
        self._progress = progress
        self._done, self._total = 0, total

    def judge(self, gate: Gate, run: Run | None) -> tuple[GateResult, list[Finding]]:
        """What became of one gate, and why it failed."""
        if self._progress is not None:
            self._progress(self._done, self._total, gate.id)
        self._done += 1
        if isinstance(gate, Held):
            result = held_for(self._act, gate)
            found = [] if result.passed else [self._failed(gate, result.message, "hold it there for longer")]
            return result, found
        found = self._findings(gate, run)
        bad = [each for each in found if each.severity == ERROR]
        return GateResult(gate.key, not bad, _message(bad or found)), bad

    def _findings(self, gate: Gate, run: Run | None) -> list[Finding]:
        if run is None:
            return [self._failed(gate, f"this version knows no gate {gate.id}", "use a newer one")]
        if not isinstance(self.case, Case):
            error = self.case or RegistryError("nothing was read")
            return [self._failed(gate, f"not judged: {said(error)}", error.fix or "register a version with a link")]
        if self._unclear is not None and _compares(gate):
            what = f"not judged, as it is not known what {self._act.stage} holds: {said(self._unclear)}"
            return [self._failed(gate, what, self._unclear.fix or "see `registry doctor`")]
        try:
            return list(run(gate, self.case))
        except Unjudged as missing:
            return [self._failed(gate, f"not judged: {missing.reason}", "see `registry check`")]
        except RegistryError as error:
            return [self._failed(gate, f"not judged: {said(error)}", error.fix or "see `registry check`")]

    def _failed(self, gate: Gate, message: str, fix: str) -> Finding:
        return Finding(finding_id(gate), ERROR, message, fix, self._act.name)


def _compares(gate: Gate) -> bool:
    """Whether a gate looks at what the stage holds."""
    if isinstance(gate, Metric):
        return gate.tolerance is not None
    return isinstance(gate, Interface) and gate.against != "contract"


def _message(findings: list[Finding]) -> str:
    told = [each.message for each in findings]
    more = f"; and {len(told) - MOST} more" if len(told) > MOST else ""
    return "; ".join(told[:MOST]) + more
