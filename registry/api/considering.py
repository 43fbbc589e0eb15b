"""What somebody is about to approve or to ask for: all that is known of it before there is a tag, and the refusal."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from os import PathLike
from typing import NamedTuple

from registry.api.accepting import accept
from registry.api.approvals import approvals_for, bring_notes
from registry.api.authorship import Authorship, authorship
from registry.api.evidencing import evidence_at, require_registered
from registry.api.project import Project, open_project
from registry.api.recording import REMOTE
from registry.api.signatures import read_signers
from registry.api.simulating import facts
from registry.approval import Run, Said, prefix, require_said
from registry.errors import Refused, RegistryError
from registry.evidence import Evidence
from registry.git import tagwrite
from registry.governance import VALID, Act, Decision, judge
from registry.names import require_artifact, require_stage
from registry.policy import Policy
from registry.signing.allowed_signers import AllowedSigners
from registry.state import Version

Where = str | PathLike[str]


class Words(NamedTuple):
    """What a person says with it."""

    message: str
    confirms: tuple[str, ...] = ()
    reference: str | None = None
    run: Run | None = None
    """The run on GitHub whose reviewers approve."""


@dataclass(frozen=True)
class Considered:
    """What somebody is about to approve or to ask for."""

    project: Project
    evidence: Evidence
    version: Version
    policy: Policy
    signers: AllowedSigners | None
    author: Authorship
    act: Act
    """The approval, as it would be judged; of a request too."""
    said: Said
    holder: str | None
    """The version that the stage holds now."""
    push: bool


def look(
    kind: str,
    name: str,
    version: str,
    stage: str,
    project: Where,
    said: Words,
    *,
    push: bool,
) -> Considered:
    """Everything that is known before a tag is made, of a registry that was asked where it is remote."""
    require_artifact(name)
    require_stage(stage)
    opened = open_project(project)
    push = push or opened.mirror is not None
    _bring_tags(opened, name, push=push)
    accepted = accept(opened, name)
    policy = accepted.rules.policy
    found = require_registered(accepted, version)
    evidence = evidence_at(opened, name, found.label, found.commit, stage, policy)
    bring(opened, kind, evidence.digest, push=push)
    signers = read_signers(opened)
    author = authorship(opened, found, policy, signers)
    nonce, text = secrets.token_hex(8), said.message.strip()
    words = Said(kind, text, evidence, policy.version, nonce, said.confirms, said.reference, said.run)
    holder = accepted.artifact.holder(stage)
    act = replace(
        facts(accepted, found.label, "approve", stage, int(time.time())),
        principals=(email_of(opened),),
        authors=author.principals,
        signature=VALID,
        confirms=said.confirms,
        reference=said.reference,
    )
    return Considered(
        opened,
        evidence,
        found,
        policy,
        signers,
        author,
        act,
        require_said(words),
        holder.version.label if holder else None,
        push,
    )


def _bring_tags(opened: Project, name: str, *, push: bool) -> None:
    if opened.mirror is not None:
        opened.refresh(name, head=True)
    elif push:
        tagwrite.fetch_tags(opened.path, REMOTE, [name], opened.protocols)


def denied(act: Act, decision: Decision, where: str) -> Refused:
    """The refusal of an act, with every reason of the policy."""
    at = f" for stage {act.stage!r}" if act.stage else ""
    lines = [f"the policy does not allow to {act.kind} {act.name} {act.version}{at}"]
    lines += [f"  {each.id}: {each.message}" for each in decision.reasons]
    fixes = dict.fromkeys(each.fix for each in decision.reasons)
    return Refused(f"{act.kind}-refused", "\n".join(lines), where, "; ".join(fixes))


def require_allowed(found: Considered, act: Act) -> None:
    """Raise `Refused` where the policy forbids an approval, `RegistryError` where it would add nothing."""
    decision = judge(act, found.policy)
    if not decision.allowed:
        raise denied(act, decision, found.project.where)
    said = found.said
    for each in approvals_for(found.project, found.evidence, found.policy):
        news = set(said.confirms) - set(each.confirms) or said.reference not in {None, each.reference}
        if each.principal in act.principals and not news:
            what = f"{each.principal} has approved exactly this already"
            raise RegistryError(what, found.project.where, f"see `registry approvals {found.evidence.name}`")


def email_of(project: Project) -> str:
    """The e-mail that git gives this user."""
    line = tagwrite.tagger(project.path, None, None, 0).line
    return line.rpartition("<")[2].partition(">")[0].strip()


def bring(project: Project, kind: str, digest: str, *, push: bool) -> None:
    """Bring what others made about the same evidence: of a remote registry, and before a push of a clone."""
    if project.mirror is not None:
        bring_notes(project, digest)
    elif push:
        tagwrite.fetch_new(project.path, REMOTE, prefix(kind, digest), project.protocols)
