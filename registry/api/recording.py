"""Carrying out plans: make the tags, fold again, and only then publish them. One artifact's, or several at once.

Without a push the refs are created together or not at all. With a push the remote decides: the clone's tags of the
artifacts are first made equal to the remote's, the tag objects are pushed to new refs, and the local refs are placed
once the remote accepted them. On rejection the clone is brought up to date and the plans are made again from what
stands there now, a bounded number of times.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import NamedTuple

from registry.api.planning import Ask, Decide, NewTag, Options, Plan, Snapshot, take
from registry.api.project import Project
from registry.errors import GitError, RegistryError
from registry.git import tagwrite
from registry.interfacediff import Demand
from registry.state import Artifact, fold_artifact
from registry.tags import SKEW, Event, TagName, parse_name, trailers

REMOTE = "origin"
"""The remote of a clone that `push` means, as in gto; a mirror calls the registry it copies so too."""
TRIES = 40
"""How often a push that lost a race is planned anew."""
REFUSALS = 4
"""How often a push is repeated that the remote rejected although nothing had changed there."""


class Recorded(NamedTuple):
    """What was made."""

    events: list[Event]
    artifact: Artifact
    """The artifact's state afterwards."""
    pushed: bool
    replaced: dict[str, str]
    """Tags of this clone that differed from the remote's and were made equal to them, with the ids they had."""
    why: Demand | None = None
    """What the change of the interface asks of the number that was registered, where two interfaces were compared."""
    ledger: int | None = None
    """Number of the newest entry in the ledger that records it; none where it stands in none."""


class Made(NamedTuple):
    """Tag objects that no ref names yet, and what their artifact will be."""

    events: list[Event]
    artifact: Artifact


Make = Callable[[Sequence[Snapshot], Sequence[Plan], Options], "list[Made]"]
"""Makes the tag objects of plans, in their order. Raises where they may not be made."""


def make_tags(nows: Sequence[Snapshot], plans: Sequence[Plan], options: Options) -> list[Made]:
    """The tag objects of plans, which anyone may make. Raises `RegistryError` where one would not be what was asked."""
    return [make_plan(now, plan, options) for now, plan in zip(nows, plans, strict=True)]


def make_plan(now: Snapshot, plan: Plan, options: Options, sign: Callable[[NewTag], bool | None] | None = None) -> Made:
    """The tag objects of one plan; `sign` says of each whether it is signed, else the options."""
    newest = int(time.time()) + SKEW
    path = now.project.path
    events: list[Event] = []
    for tag in plan.tags:
        earlier = [event for event in events if event.kind != _kind(tag)]  # those of one kind share a second
        last = max((event.time for event in (*now.artifact.events, *earlier)), default=0)
        who = tagwrite.tagger(path, options.author, options.author_email, last)
        signs = options.sign if sign is None else sign(tag)
        event = tagwrite.make(path, tag.ref, tag.commit, tag.message, who, newest, sign=signs)
        if "Nonce" not in trailers(event.message):
            raise RegistryError("the message would hide the tag's trailers", tag.ref, "leave out signature markers")
        events.append(event)
    after = fold_artifact(now.artifact.name, [*now.scan.events, *events])
    if not plan.holds(after):
        raise RegistryError(
            f"nothing was recorded: {plan.otherwise}",
            now.where,
            "see `registry doctor` for tags dated ahead of their time",
        )
    return Made(events, after)


class Hand(NamedTuple):
    """How plans are made and carried out; without arguments as anyone may."""

    make: Make = make_tags
    see: Callable[[Snapshot], Snapshot] = lambda now: now
    """What of an artifact is gone on from."""


def _kind(tag: NewTag) -> str | None:
    name = parse_name(tag.ref)
    return name.kind if isinstance(name, TagName) else None


def record_all(
    project: Project, asks: Sequence[Ask], options: Options, hand: Hand = Hand(), *, brought: bool = False
) -> list[Recorded]:
    """Carry out what is asked, all of it or nothing. Raises `RegistryError`; then nothing was left behind.

    `brought` says that a remote registry was asked just now.
    """
    if options.push or project.mirror is not None:
        replaced: dict[str, str] = {}
        try:
            return _publish(project, asks, options, hand, replaced, brought=brought)
        except RegistryError as error:
            tell_replaced(error, replaced)
            raise
    first = now = snapshots(project, asks, hand)
    for _ in range(TRIES):
        plans = decided(asks, now, first)
        made = hand.make(now, plans, options)
        events = [event for each in made for event in each.events]
        before, now = now, _unless_moved(project, asks, now, tagwrite.create, events, hand)
        if now is before:
            return recorded(made, plans, pushed=False, replaced={})
    raise _busy(project, asks)


def snapshots(project: Project, asks: Sequence[Ask], hand: Hand = Hand()) -> list[Snapshot]:
    """The artifacts as they stand here."""
    return [hand.see(take(project, ask.name)) for ask in asks]


def decided(asks: Sequence[Ask], now: Sequence[Snapshot], first: Sequence[Snapshot]) -> list[Plan]:
    """The plans, from what stands now and stood first. Raises what a decision raises."""
    return [ask.decide(replace(one, taken=set()), then) for ask, one, then in zip(asks, now, first, strict=True)]


def recorded(
    made: Sequence[Made], plans: Sequence[Plan], *, pushed: bool, replaced: dict[str, str], ledger: int | None = None
) -> list[Recorded]:
    """What is told of each artifact; tags that gave way are told once."""
    return [
        Recorded(each.events, each.artifact, pushed, {} if number else replaced, plan.why, ledger)
        for number, (each, plan) in enumerate(zip(made, plans, strict=True))
    ]


def _publish(
    project: Project, asks: Sequence[Ask], options: Options, hand: Hand, replaced: dict[str, str], *, brought: bool
) -> list[Recorded]:
    """Push until the remote accepts; the clone's tags that give way to the remote's are added to `replaced`."""
    if not brought:
        replaced |= bring(project, asks)
    first = now = snapshots(project, asks, hand)
    refused = 0
    for attempt in range(TRIES):
        plans = decided(asks, now, first)
        made = hand.make(now, plans, options)
        events = [event for each in made for event in each.events]
        before, now = now, _unless_moved(project, asks, now, tagwrite.rehearse, events, hand)
        if now is not before:
            continue
        needs = [event for plan in plans for event in plan.needs]
        answers = tagwrite.push(project.path, REMOTE, events, needs, project.protocols)
        if all(answers[event.ref].flag == "*" for event in events):
            if project.mirror is None:
                tagwrite.place(project.path, events)
            return recorded(made, plans, pushed=True, replaced=replaced)
        time.sleep(random.uniform(0, 0.05 * min(attempt + 1, 10)))  # noqa: S311 - jitter
        replaced |= bring(project, asks)
        now = snapshots(project, asks, hand)
        refused = 0 if _moved(before, now) else refused + 1
        if refused >= REFUSALS:
            raise _rejected(project, answers)
    raise _busy(project, asks)


def _unless_moved(
    project: Project,
    asks: Sequence[Ask],
    now: list[Snapshot],
    step: Callable[[str | PathLike[str], list[Event]], None],
    events: list[Event],
    hand: Hand,
) -> list[Snapshot]:
    """Do a step that fails where another process made the same refs here; then the new snapshots, else the same."""
    try:
        step(project.path, events)
    except GitError:
        later = snapshots(project, asks, hand)
        if not _moved(now, later):
            raise
        return later
    return now


def _moved(before: Sequence[Snapshot], now: Sequence[Snapshot]) -> bool:
    return any(one.scan.refs != other.scan.refs for one, other in zip(before, now, strict=True))


def _busy(project: Project, asks: Sequence[Ask]) -> RegistryError:
    names = ", ".join(repr(ask.name) for ask in asks)
    return RegistryError(
        f"{names} changed {TRIES} times while this was tried", project.where, "others are recording events: try again"
    )


def replacement(ref: str, oid: str) -> str:
    """What a person is told of a tag of this clone that gave way to the remote's."""
    return f"warning: tag {ref} here differed from the remote's and was replaced (it was {oid})"


def tell_replaced(error: RegistryError, replaced: Mapping[str, str]) -> None:
    """Add to an error which tags of this clone gave way before it."""
    error.what += "".join(f"\n{replacement(ref, oid)}" for ref, oid in replaced.items())


def bring(project: Project, asks: Sequence[Ask]) -> dict[str, str]:
    """Bring the artifacts' tags up to date; the clone's that gave way to the remote's, with the ids they had."""
    if project.mirror is None:
        return tagwrite.fetch_tags(project.path, REMOTE, [ask.name for ask in asks], project.protocols)
    for ask in asks:
        project.refresh(ask.name, head=True)
    return {}


def _rejected(project: Project, answers: Mapping[str, tagwrite.Pushed]) -> RegistryError:
    said = "; ".join(f"{ref}: {answer.reason}" for ref, answer in answers.items() if answer.flag == "!")
    hook = next((f"\n{answer.told}" for answer in answers.values() if answer.told), "")
    return RegistryError(
        f"the remote rejected the push: {said}{hook}",
        project.where,
        "nothing was recorded: do as the remote says, then repeat",
    )


__all__: Sequence[str] = [
    "Ask", "Decide", "Made", "Make", "NewTag", "Options", "Plan", "Recorded", "Snapshot", "make_plan", "make_tags",
    "record_all", "replacement",
]  # fmt: skip
