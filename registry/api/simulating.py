"""`policy simulate`: what would become of an act, from the registry's real tags and the policy of its default branch.

Facts are those of the registry: which stages the version held and when, whether it stands, who registered it; the gates
of the stage are run. What is not known before the act is assumed, and said to be: that the principal signs with a valid
key, that approvals are bound to this version.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from os import PathLike

from registry.api.gating import Gated, Step, run_gates
from registry.api.governing import current_policy
from registry.api.project import open_project, read_artifact
from registry.errors import NotFound, RegistryError
from registry.eventkind import is_revocation
from registry.governance import ACTIVE, KINDS, STAGED, VALID, Act, Decision, judge
from registry.names import require_stage
from registry.policy import Policy
from registry.state import Artifact
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


def simulate(
    proposed: Act, project: str | PathLike[str] = ".", *, custom: bool = False, progress: Step | None = None
) -> Simulation:
    """Judge an act that somebody would do now; nothing is written.

    `proposed` names it, its principals and the approvals it would have; its signature is taken to be valid, and what
    the registry knows better (author, history, standing, gates, time) is the registry's; `waived` holds where it says
    so, or the limits of the stage are met. `custom` admits the programs in `scripts/checks` of the default branch.
    Raises `NotFound` for an unknown artifact or version, `Refused` where the policy cannot be read.
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
    artifact = read_artifact(opened, name, head=True).artifact
    policy = current_policy(opened)
    if version not in artifact.versions and kind != "register":
        known = ", ".join(each.label for each in artifact.active_versions()[:5]) or "none"
        missing = f"version {version} of {name!r} is not registered; newest: {known}"
        raise NotFound(missing, opened.where, "see `registry show`")
    known_of = facts(artifact, version, kind, stage, int(time.time()))
    real = {key: getattr(known_of, key) for key in ("authors", "history", "standing", "now")}
    act = replace(proposed, signature=VALID, **real)
    if kind != "assign" or stage is None or policy.stage(stage) is None:
        return Simulation(act, judge(act, policy), policy)
    gated = run_gates(opened, name, version, stage, policy, custom=custom, progress=progress)
    act = replace(act, gates=gated.results, waived=act.waived or gated.waived)
    return Simulation(act, judge(act, policy), policy, gated)


def facts(artifact: Artifact, version: str, kind: str, stage: str | None, now: int) -> Act:
    """What the tags of an artifact say of an act; who does it and with which evidence is for the caller.

    The author is whom the version's registration claims as its tagger: whoever verified it replaces that.
    """
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
