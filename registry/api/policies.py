"""A policy before it holds: what is wrong with the file, and whether it may follow the one before."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

from registry.api.changing import scope, work_tree
from registry.api.governing import current_policy, policy_at
from registry.api.keeping import moved
from registry.api.project import Project, open_project
from registry.api.rules import SIGNERS, read_rules, rules_at
from registry.checks.change import Change, Moved
from registry.checks.files import POLICY, File
from registry.checks.listing import Listing
from registry.checks.policy_sound import PolicySound
from registry.checks.policy_valid import PolicyGrows, PolicyValid, read
from registry.checks.stages_agree import StagesAgree
from registry.checks.stages_keep import StagesKeep
from registry.errors import NotFound
from registry.findings import ERROR, Finding
from registry.git.objects import resolve_commit
from registry.policy import Policy

Where = str | PathLike[str]


def check_policy(project: Where = ".", *, rev: str | None = None, base: str | None = None) -> list[Finding]:
    """What is wrong with `policy.yaml` of a folder's work tree, or of `rev`, as a change of `base`.

    `base` is by default what comes before: `HEAD` for the work tree, the first parent for `rev`; of a URL nothing. No
    check is turned off or lowered by the policy itself here. Raises `NotFound` where there is no policy, neither before
    nor now.
    """
    opened = open_project(project)
    found = scope(opened, None, rev).found
    before = _before(opened, rev, base)
    if found.policy is None and before is None:
        raise NotFound("there is no policy.yaml", opened.where, "begin one with `registry init --governed`")
    known = read(before) if before is not None else None
    findings = [each for check in (PolicyValid(), PolicySound(), StagesAgree()) for each in check.run(found)]
    if isinstance(known, Policy) and found.policy != before:
        change = Change(frozenset({POLICY}), (), known, governed=True, policy=found.policy)
        findings += PolicyGrows().run(change)
    if any(each.severity == ERROR for each in findings):
        return findings
    return [*findings, *StagesKeep().run(Change(frozenset({POLICY}), moved=_moved(opened, rev, found)))]


def _moved(project: Project, rev: str | None, found: Listing) -> tuple[Moved, ...]:
    """What the judged policy, with the signers beside it, does to what the stages answer now."""
    now = read_rules(project)
    if now.commit is None:
        return ()
    if rev is not None or (root := work_tree(project)) is None:
        then = rules_at(project, project.resolve(rev)) if rev is not None else now
        return moved(project, now, then)
    data = found.policy.data if found.policy is not None else None
    signers = root / SIGNERS
    return moved(
        project, now, replace(now, data=data, signers_data=signers.read_bytes() if signers.is_file() else None)
    )


def policy_of(project: Where = ".", *, rev: str | None = None) -> Policy:
    """The policy that holds: that of the default branch, or with `rev` that of a revision. Raises `Refused`."""
    opened = open_project(project)
    opened.refresh_head()
    return current_policy(opened) if rev is None else policy_at(opened, opened.resolve(rev))


def _before(project: Project, rev: str | None, base: str | None) -> File | None:
    """The policy that the judged one is a change of; none where there was none, or nothing is known of it."""
    if base is not None:
        return scope(project, None, base).found.policy
    commit = project.head() if rev is None else project.resolve(rev)
    if commit is None or (project.mirror is not None):
        return None  # a mirror has no history
    try:
        before = commit if rev is None and work_tree(project) else resolve_commit(project.path, f"{commit}^")
    except NotFound:
        return None
    return scope(project, None, before).found.policy
