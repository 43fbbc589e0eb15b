"""`server-hook run`: a push, judged by the server that receives it before any of it counts.

All or nothing: one finding refuses the whole push. It is judged by the policy and the signers of the default branch as
it stands, not as the push would make it, so nobody weakens the policy with the push that needs it weaker. Branches but
the default one and the ledger pass unread.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from registry.api.grounds import read_grounds
from registry.api.project import open_project
from registry.api.receivedledger import ledger_findings, read_pushed
from registry.api.receivedpolicy import policy_findings
from registry.api.receivedtags import judge_pushed
from registry.findings import Finding
from registry.git.ledger import LOCAL
from registry.git.receive import default_branch, install, uninstall
from registry.received import Update


def judge_push(path: str | PathLike[str], updates: Sequence[Update]) -> list[Finding]:
    """What stands against a push to the repository at `path`; nothing where all of it may count.

    Raises `RegistryError` where it cannot be judged: then it is to be refused.
    """
    branch = default_branch(path)
    if not any(each.tag or each.ref in {branch, LOCAL} for each in updates):
        return []
    project = open_project(path)
    grounds = read_grounds(project)
    found = list(policy_findings(grounds, branch, updates))
    log = read_pushed(grounds, updates)
    found += log.findings
    if log.findings:
        return found
    tags = judge_pushed(grounds, updates, log.tags.keys())
    found += tags.findings
    present = {event.ref: event for event in project.scan().events} | tags.events
    return [*found, *ledger_findings(grounds, log, present, tags.arrived)]


__all__ = ["install", "judge_push", "uninstall"]
