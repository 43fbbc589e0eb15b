"""What a change of the registry (a pull request) does to each model it links: against its base, and against a stage.

Like the gate, all is read from git objects, and the policy is the base's: what a stage holds is what that accepts. A
link that cannot be read, or a source that
cannot be asked, makes that candidate say so: the gate has findings for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

from registry.api.accepting import Accepted, accept_any
from registry.api.changing import scope
from registry.api.comparing import newest_stage, version_side
from registry.api.project import Project, open_project
from registry.api.rules import Rules, rules_at
from registry.api.sides import side_at
from registry.comparison import Comparison, Side, compare
from registry.errors import NotFound, RegistryError
from registry.evaluation import Evaluation
from registry.git.objects import is_oid
from registry.names import is_artifact
from registry.policy import Policy
from registry.policystages import Stage

Where = str | PathLike[str]
MOST = 50
"""Most links of one change that are compared: each may wait for its source."""


@dataclass(frozen=True)
class Candidate:
    """One link that a change adds, alters or removes."""

    name: str
    fault: str | None = None
    """Why nothing is compared."""
    change: Comparison | None = None
    """From the base to the head; none where the link is new or gone."""
    stage: str | None = None
    """The first protected stage, where it holds something else than the base."""
    against: Comparison | None = None
    """From what that stage holds to the head."""
    reports: tuple[Evaluation, ...] = ()
    """The head's reports on exactly the linked bytes."""

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Against the base, then against the stage."""
        return tuple(each for each in (self.change, self.against) if each is not None)


def candidates(project: Where = ".", *, base: str, head: str = "HEAD", name: str | None = None) -> list[Candidate]:
    """Each link that differs between two revisions, compared; with `name` that one alone.

    Raises `RegistryError` where the registry or a revision cannot be read, `NotFound` where `name` did not change.
    """
    opened = open_project(project)
    opened.refresh(head=True)
    judged = scope(opened, base, head)
    changed = judged.change.artifacts if judged.change else ()
    if name is not None and name not in changed:
        raise NotFound(f"{head} does not change the link of {name!r}", opened.where, f"see `git diff {base} {head}`")
    places = opened.resolve(base), opened.resolve(head)
    protected = _protected(judged.policy)
    ends = (_called(base), places[0]), (_called(head), places[1])
    wanted = [each for each in changed if name in {None, each}]
    rules = rules_at(opened, places[0])
    found = [_candidate(opened, each, *ends, rules, judged.policy, protected) for each in wanted[:MOST]]
    return [
        *found,
        *(Candidate(each, f"not compared: the change alters {len(wanted)} links") for each in wanted[MOST:]),
    ]


def _candidate(
    opened: Project,
    name: str,
    base: tuple[str, str],
    head: tuple[str, str],
    rules: Rules,
    policy: Policy,
    protected: str | None,
) -> Candidate:
    if not is_artifact(name):
        return Candidate(name, "this is no artifact's name")
    before, lacking = _side(opened, name, base, policy)
    after, fault = _side(opened, name, head, policy)
    if after is None:
        return Candidate(name, fault or "the link is removed")
    change = compare(name, before, after) if before is not None else None
    stage, held, unread = _held(opened, accept_any(opened, name, rules=rules), protected, policy)
    fresh = held is not None and (before is None or held.bytes != before.bytes)
    against = compare(name, held, after) if held is not None and fresh else None
    said = "; ".join(each for each in (lacking, unread) if each) or None
    return Candidate(name, said, change, stage if against else None, against, after.reports)


def _called(revision: str) -> str:
    return revision[:7] if is_oid(revision) else revision


def _side(opened: Project, name: str, place: tuple[str, str], policy: Policy) -> tuple[Side | None, str | None]:
    """One side of the change, or why it cannot be read; neither where there is no link."""
    label, commit = place
    try:
        return side_at(opened, name, commit, Side(label), policy), None
    except NotFound:
        return None, None
    except RegistryError as error:
        return None, f"the link at {label} cannot be read: {error.what}"


def _held(
    opened: Project, accepted: Accepted, protected: str | None, policy: Policy
) -> tuple[str | None, Side | None, str | None]:
    artifact = accepted.artifact
    stage = protected or newest_stage(artifact)
    refused = next((each for named, each in accepted.refusals() if named == stage), None)
    if refused is not None:
        return stage, None, f"what {stage} holds is not known: {refused.what}"
    holder = artifact.holder(stage) if stage else None
    if stage is None or holder is None:
        return None, None, None
    version = holder.version
    label = version.label if version.registered else None
    try:
        return stage, version_side(opened, artifact, label, version.commit, f"#{stage}", policy), None
    except RegistryError as error:
        return stage, None, f"what {stage} holds cannot be read: {error.what}"


def _protected(policy: Policy) -> str | None:
    """The first stage of the policy that has a rule; none where the policy names none."""
    return next((name for name, stage in (policy.stages or {}).items() if stage != Stage(name)), None)
