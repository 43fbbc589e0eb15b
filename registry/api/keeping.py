"""What the stages would answer under other rules: what a change of the policy, or of what gates are judged by, stops.

Both sides are judged as readers judge them (`registry.api.accepting`), with the same tags and ledger.
"""

from __future__ import annotations

from collections.abc import Iterator

from registry.api.accepting import Accepted, accept_all
from registry.api.project import Project
from registry.api.rules import GROUND, PATH, SIGNERS, Rules
from registry.checks.change import Moved
from registry.errors import RegistryError


def concerns(path: str) -> bool:
    """Whether a file is among what events are judged by."""
    return path in {PATH, SIGNERS} or any(path.startswith(f"{each}/") for each in GROUND)


def moved(project: Project, before: Rules, after: Rules) -> tuple[Moved, ...]:
    """Stages that would answer otherwise, by name. Raises `RegistryError` where rules or ledger cannot be read."""
    if not (before.governs or after.governs):
        return ()
    scan = project.scan()
    old, new = (accept_all(project, scan, rules=rules) for rules in (before, after))
    return tuple(each for name in sorted(old) for each in _moved(old[name], new[name]))


def _moved(old: Accepted, new: Accepted) -> Iterator[Moved]:
    for stage in sorted(old.artifact.stages):
        was, now = old.artifact.holder(stage), new.artifact.holder(stage)
        if was is None or (now is not None and now.version.label == was.version.label):
            continue
        label = now.version.label if now is not None else None
        yield Moved(old.artifact.name, stage, was.version.label, label, _why(new, stage))


def _why(new: Accepted, stage: str) -> str:
    try:
        new.require_believed()
        new.require_stage(stage)
    except RegistryError as error:
        return error.what
    turned_away = [each for each in new.rejected.values() if each.event.stage == stage]
    return str(turned_away[-1]) if turned_away else "its version is not registered as the policy asks"
