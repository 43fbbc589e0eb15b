"""Noticing that a folder's policy is older than what this machine saw: a clone that was rolled back, or never pulled.

A folder is judged by the policy of its `HEAD`, and whoever works in one changes it as they like. So nothing is refused
for what was seen in the folder itself, where a person may have tried a policy on a branch: that is a warning. What its
origin's URL served to this machine (`registry.api.newestpolicy`) is another matter: a stage is not answered by an older
one, unless `HEAD` is detached: whoever checks out an old commit means that, and is warned. That is so where a policy
governs and a stage is resolved or loaded; what was seen is remembered by the folder's real path.
"""

from __future__ import annotations

import warnings

from registry.api.newestpolicy import folder_name, recall_policy, remember_policy
from registry.api.project import Project
from registry.api.rules import Rules
from registry.cache.remembered import Unwritable
from registry.errors import Refused, RegistryError
from registry.git.process import run
from registry.urls import parse


class RewoundPolicy(UserWarning):
    """The policy of a folder is older than one that this machine saw."""


def notice_rewound(project: Project, rules: Rules) -> None:
    """Hold the policy of a folder against what was seen there, and at its origin.

    Raises `Refused` (`policy-older`) where the origin's was newer and a branch is checked out.
    """
    if project.mirror is not None or not rules.governs:
        return
    now, here = rules.policy.version, folder_name(project)
    served = _served(project)
    if served > now:
        what = f"the policy of `HEAD` has version {now}, and this machine has seen version {served} at its origin"
        if _on_branch(project):
            fix = "bring the folder up to date: git pull; or check out the commit itself: git checkout --detach"
            raise Refused("policy-older", what, project.where, fix)
        warnings.warn(f"{project.where}: {what}", RewoundPolicy, stacklevel=6)
        return
    seen = recall_policy(here)
    if seen > now:
        what = f"the policy of `HEAD` has version {now}, and this machine has seen version {seen} in this folder"
        known = f"if that was meant: registry forget --policy -r {project.address.text}"
        warnings.warn(f"{project.where}: {what}; {known}", RewoundPolicy, stacklevel=6)
    elif seen < now:
        try:
            remember_policy(here, now, rules.digest or "")
        except Unwritable:  # then it is noticed by who can remember it
            return


def _served(project: Project) -> int:
    """The newest version of the policy that this machine saw at the URL of the folder's origin; 0 for none."""
    said = run(project.path, ["config", "--get", "remote.origin.url"], accept=(0, 1)).out
    try:
        origin = parse(said.decode("utf-8", "replace").strip())
    except RegistryError:
        return 0
    return 0 if origin.local else recall_policy(str(origin))


def _on_branch(project: Project) -> bool:
    return run(project.path, ["symbolic-ref", "--quiet", "HEAD"], accept=(0, 1)).code == 0
