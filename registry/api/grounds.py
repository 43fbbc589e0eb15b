"""What arriving tags are judged on: the policy and signers of the default branch, and what the ledger holds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from registry.api.ledgers import Ledger, read_ledger
from registry.api.project import Project
from registry.api.rules import Rules, read_rules
from registry.errors import Refused, RegistryError
from registry.git.ledger import log
from registry.ledger import Entry
from registry.ledgerchain import parse_message
from registry.tags import Event


@dataclass(frozen=True)
class Grounds:
    """What tags are judged on, beside themselves."""

    project: Project
    rules: Rules
    ledger: bool = False
    """Whether the registry has a ledger."""
    recorded: Mapping[str, Entry] = field(default_factory=dict)
    """The newest entry about each tag, by its name."""
    revoked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Reasons by artifact and version."""
    now: int = 0

    def entry(self, event: Event) -> Entry | None:
        """What the ledger says of exactly this tag."""
        found = self.recorded.get(event.ref)
        return found if found is not None and found.tag_oid == event.oid else None


def read_grounds(project: Project, ledger: Ledger | None = None) -> Grounds:
    """What is known of a registry that was brought up to date.

    Raises `Refused` where one of them cannot be read, or the ledger is not believed.
    """
    rules = read_rules(project)
    found = read_ledger(project, whole=True) if ledger is None else ledger
    recorded: dict[str, Entry] = {}
    revoked: dict[str, dict[str, str]] = {}
    for commit in log(found.path, found.head.commit) if found.head else ():
        for entry in _entries(commit.message, commit.oid, project.where):
            if entry.tag is not None:
                recorded[entry.tag] = entry
            if entry.kind == "revoke":
                revoked.setdefault(entry.name or "", {})[entry.version or ""] = entry.reason or ""
    return Grounds(project, rules, found.head is not None, recorded, revoked, int(time.time()))


def _entries(message: bytes, oid: str, where: str) -> Sequence[Entry]:
    try:
        return parse_message(message, f"{where}: ledger commit {oid}")
    except RegistryError as error:
        raise Refused("ledger-valid", error.what, error.where, "see `registry ledger verify`") from None
