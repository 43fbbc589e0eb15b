"""`policy simulate`: what would become of an act, from the registry's real tags and the policy of its default branch.

Facts are those of the registry: which stages the version held and when, whether it stands, who registered it. What is
not known before the act is assumed, and said to be: that the principal signs with a valid key, that approvals are bound
to this version, that gates which nobody ran pass.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from os import PathLike

from registry.api.governing import current_policy
from registry.api.project import open_project, read_artifact
from registry.errors import NotFound, RegistryError
from registry.governance import ACTIVE, KINDS, STAGED, VALID, Act, Decision, GateResult, judge
from registry.names import require_stage
from registry.policy import Policy
from registry.policygates import Held
from registry.state import Artifact
from registry.tenure import tenures
from registry.versions import require as require_version


@dataclass(frozen=True)
class Simulation:
    """An act that was not done, and what would have become of it."""

    act: Act
    decision: Decision
    policy: Policy
    assumed: tuple[str, ...]
    """Gates that were taken to pass, by key; nothing ran them."""


def simulate(proposed: Act, project: str | PathLike[str] = ".") -> Simulation:
    """Judge an act that somebody would do now; nothing is written.

    `proposed` names it, its principals and the approvals it would have; its signature is taken to be valid, and what
    the registry knows better (author, history, standing, time) is the registry's. Raises `NotFound` for an unknown
    artifact or version, `Refused` where the policy cannot be read.
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
    assumed = _gates(policy, act) if kind == "assign" else ()
    act = replace(act, gates=tuple(GateResult(key, passed=True) for key in assumed))
    return Simulation(act, judge(act, policy), policy, assumed)


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
    history = tuple(each for each in tenures(artifact) if each.version == version)
    authors = (author,) if author else ()
    return Act(kind, artifact.name, version, stage, authors=authors, now=now, history=history, standing=standing)


def _gates(policy: Policy, act: Act) -> tuple[str, ...]:
    stage = policy.stage(act.stage) if act.stage is not None else None
    return () if stage is None else tuple(each.key for each in stage.required_gates if not isinstance(each, Held))
