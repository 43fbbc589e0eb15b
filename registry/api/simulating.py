"""`policy simulate`: what would become of an act, from the registry's real tags and the policy of its default branch.

Facts are those of the registry, as far as they are accepted (`registry.api.accepting`): which stages the version held
and when, whether it stands, who registered it by a verified signature; the gates of the stage are run. What is not
known before the act is assumed, and said to be (`Simulation.assumed`): that the principal signs with a valid key, that
the approvals named are given and bound to this version, and the author's name where no signature is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from os import PathLike

from registry.api.accepting import Accepted, accept, read_accepted
from registry.api.acting import Signer
from registry.api.entering import read_results
from registry.api.evidencing import require_registered
from registry.api.gating import Gated, Known, Step, run_gates
from registry.api.project import open_project
from registry.errors import RegistryError
from registry.eventkind import is_revocation
from registry.governance import ACTIVE, KINDS, STAGED, VALID, Act, Decision, judge
from registry.names import require_stage
from registry.policy import Policy
from registry.tenure import tenures
from registry.versions import require as require_version


@dataclass(frozen=True)
class Simulation:
    """An act that was not done, and what would have become of it."""

    act: Act
    decision: Decision
    policy: Policy
    gated: Gated | None = None
    """What became of the stage's gates, where the act is an assignment to a stage of the policy."""
    assumed: tuple[str, ...] = ()
    """What could not be verified, in sentences."""
    ignored: tuple[str, ...] = ()
    """Tags of the version or the stage that count for nothing, in sentences."""


def simulate(
    proposed: Act, project: str | PathLike[str] = ".", *, custom: bool = False, progress: Step | None = None
) -> Simulation:
    """Judge an act that somebody would do now; nothing is written.

    `proposed` names it, its principals and the approvals it would have; its signature is taken to be valid, and what
    the registry knows better (author, history, standing, gates, time) is the registry's; `waived` holds where it says
    so, or the limits of the stage are met. `custom` admits the programs in `scripts/checks` of the default branch.
    Raises `NotFound` for an unknown artifact or version, `Refused` where policy or ledger are not believed, or the
    registration of the version is not accepted.
    """
    kind, name, version, stage = proposed.kind, proposed.name, proposed.version, proposed.stage
    if kind not in KINDS:
        raise RegistryError(f"{kind!r} is no act", fix=f"one of {', '.join(KINDS)}")
    if version is None or (stage is None and kind in STAGED):
        what = "version" if version is None else "stage"
        raise RegistryError(f"{kind} concerns a {what}, and none is named", fix=f"name it with --{what}")
    require_version(version)
    if stage is not None:
        require_stage(stage)
    opened = open_project(project)
    accepted = read_accepted(opened, name)
    policy = accepted.rules.policy
    if kind != "register":
        about = {require_registered(accepted, version).commit}
        accepted = accept(opened, name, rules=accepted.rules, scan=accepted.scan, about=about)
    known_of = facts(accepted, version, kind, stage, int(time.time()))
    real = {key: getattr(known_of, key) for key in ("kind", "authors", "history", "standing", "now")}
    act = replace(proposed, signature=VALID, **real)
    assumed, ignored = tuple(_assumed(accepted, act)), tuple(_ignored(accepted, version, stage))
    if kind != "assign" or stage is None or policy.stages is None or policy.stage(stage) is None:
        return Simulation(act, judge(act, policy), policy, None, assumed, ignored)
    known = Known.of(accepted, version, stage)
    gated = run_gates(opened, name, version, stage, policy, known=known, custom=custom, progress=progress)
    gates, waived = read_results(policy.stages[stage], gated.results, waived=gated.waived)
    act = replace(act, gates=gates, waived=act.waived or waived)
    return Simulation(act, judge(act, policy), policy, gated, assumed, ignored)


def _assumed(accepted: Accepted, act: Act) -> Iterator[str]:
    """What nobody could verify before the act."""
    yield f"{', '.join(act.principals)} signs with a valid key, where a signature is asked for"
    if act.approvals:
        yield f"{', '.join(each.principal for each in act.approvals)} approved exactly this, by a signature that counts"
    if act.waived:
        yield "the limits of `waive` are met"
    found = accepted.artifact.versions.get(act.version or "")
    unsigned = [each for each in found.events if not accepted.signed(each)] if found is not None else []
    if unsigned and act.authors:
        yield f"{', '.join(act.authors)} made the version, as a tag claims whose signature nothing asks for"


def _ignored(accepted: Accepted, version: str, stage: str | None) -> Iterator[str]:
    for each in accepted.rejected.values():
        if each.event.version == version or (stage is not None and each.event.stage == stage):
            yield str(each)


def facts(accepted: Accepted, version: str, kind: str, stage: str | None, now: int) -> Act:
    """What is accepted of an artifact about an act; who does it and with which evidence is for the caller.

    Where no policy governs, the author is whom the version's registration claims as its tagger.
    """
    if accepted.weighed is not None:
        return accepted.facts.act(kind, version, stage, Signer((), VALID), now)
    artifact = accepted.artifact
    found = artifact.versions.get(version)
    author = found.events[0].email if found is not None and found.events else None
    if found is None or not found.registered:
        standing = ACTIVE if kind == "register" else "unregistered"
    else:
        standing = ACTIVE if found.active else "deregistered"
        standing = "revoked" if any(map(is_revocation, found.events)) else standing
    history = tuple(each for each in tenures(artifact) if each.version == version)
    authors = (author,) if author else ()
    return Act(kind, artifact.name, version, stage, authors=authors, now=now, history=history, standing=standing)
