"""Recording events as the policy of the registry has it: judged first, and with the ledger where it asks for one.

Without a policy that says anything of acts (`registry.api.rules`) events are carried out as they are. Under
one they are judged (`registry.api.judging`). Where a stage asks for `ledger: true` every event of the registry is
appended to the ledger, so that its log is whole: tags and entries are one atomic push, or one transaction here, and
whoever was second is judged anew from what stands then. Several artifacts are all promoted, or none.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from registry.api.planning import Ask, Decide, Options, Snapshot, Terms
from registry.api.project import Project
from registry.api.recording import (
    Hand,
    Made,
    Plan,
    Recorded,
    bring,
    decided,
    record_all,
    recorded,
    snapshots,
    tell_replaced,
)
from registry.api.rules import read_rules
from registry.errors import RegistryError
from registry.git.tagwrite import gave_way, tags_of

if TYPE_CHECKING:
    from registry.api.judging import Judging
    from registry.api.ledgers import Ledger


class Overridden(UserWarning):
    """Rules of the policy were overridden: told wherever it happens."""


def record(project: Project, name: str, decide: Decide, options: Options) -> Recorded:
    """Carry out what `decide` plans for the artifact `name`. Raises as `record_group`."""
    return record_group(project, [Ask(name, decide)], options)[0]


def record_group(
    project: Project, asks: Sequence[Ask], options: Options, terms: Terms = Terms(), *, ledger: bool = False
) -> list[Recorded]:
    """Carry out what is asked of several artifacts, all or nothing.

    `ledger` records it also where the policy asks for no ledger, but the registry has one. Raises `Denied` with every
    reason of the policy, `Refused` where policy or ledger are not believed, `RegistryError`; then nothing was left
    behind.
    """
    remote = project.mirror is not None
    if remote:
        bring(project, asks)
    rules = read_rules(project)
    if terms.override is not None and not rules.governs:
        raise RegistryError(
            "there is nothing to override: no policy says who may do this", project.where, "leave out --override"
        )
    recording = rules.needs_ledger or (ledger and _has_ledger(project))
    if not rules.governs and not recording:
        return record_all(project, asks, options, brought=remote)

    from registry.api.judging import Judging

    judging = Judging(project, rules, options, custom=terms.custom)
    if recording:
        done = _with_ledger(project, asks, options, judging)
    else:
        done = record_all(project, asks, options, Hand(judging.make, judging.see), brought=remote)
    if terms.override is not None:
        _warn(done, terms.override)
    return done


def _has_ledger(project: Project) -> bool:
    from registry.api.ledgers import read_ledger

    return read_ledger(project).head is not None


def _with_ledger(project: Project, asks: Sequence[Ask], options: Options, judging: Judging) -> list[Recorded]:
    from registry.api.appending import Act, Recorder, append

    replaced: dict[str, str] = {}
    first: list[Snapshot] = []
    last: list[tuple[list[Made], list[Plan]]] = []
    names = [ask.name for ask in asks]
    clone = options.push and project.mirror is None
    stood = tags_of(project.path, names) if clone else {}

    def propose(ledger: Ledger) -> Act:
        """Read with the ledger or after it, the tags are at least as new as it."""
        if clone:
            now_here = tags_of(project.path, names)
            replaced.update(gave_way(stood, now_here))
            stood.clear()
            stood.update(now_here)
        elif project.mirror is not None:
            bring(project, asks)
        now = [each.beside(ledger) for each in snapshots(project, asks, Hand(judging.make, judging.see))]
        first[:] = first or now
        plans = decided(asks, now, first)
        made = judging.make(now, plans, options)
        last[:] = [(made, plans)]
        return Act(judging.entries(), {event.ref: event.oid for each in made for event in each.events})

    recorder = Recorder(push=options.push, author=options.author, author_email=options.author_email)
    try:
        done = append(project, propose, recorder, names)
    except RegistryError as error:
        tell_replaced(error, replaced)
        raise
    made, plans = last[0]
    return recorded(made, plans, pushed=done.pushed, replaced=replaced, ledger=done.head.sequence)


def _warn(done: Sequence[Recorded], reason: str) -> None:
    for each in done:
        refs = ", ".join(event.ref for event in each.events)
        warnings.warn(f"OVERRIDE: the policy's rules were not asked for {refs}: {reason}", Overridden, stacklevel=4)


__all__: Sequence[str] = ["Overridden", "record", "record_group"]
