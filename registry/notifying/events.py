"""What a registry's tags did, as notices: the version, the stage, what it held before, who, and pages of the host.

Where a policy governs, an event did what it did among those that are accepted (`registry.api.accepting`). A tag that is
not accepted did nothing: it is told as rejected, with the reasons and what the stage holds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from registry.api.accepting import Accepted
from registry.api.project import Project
from registry.api.questions import Registry, asked_ref
from registry.api.rules import read_rules
from registry.api.signatures import verdicts
from registry.errors import NotFound, Refused, RegistryError
from registry.eventkind import ARCHIVED, OVERRIDE, REVOKED, act_kind
from registry.git.objects import read_commits
from registry.git.process import run
from registry.hosts import commit_pages
from registry.notice import Change, Notice
from registry.signature import principal_of
from registry.state import Artifact, fold_artifact, named_version
from registry.tags import REGISTRATION, Event, text_of, trailers
from registry.urls import without_credentials
from registry.views import label_of

MOST: Final = 100
"""Events that are told at once."""
_REASONS: Final = (OVERRIDE, REVOKED, ARCHIVED, "Forced", "Waived", "Reference")
"""Trailers that say why."""
_RUN: Final = re.compile(r"https://[A-Za-z0-9.-]+/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+/actions/runs/[0-9]+")

Metrics = Callable[[str, str, str | None], Mapping[str, Change] | None]
"""The metrics of a model's version beside those of the version before; none where they are not known."""


def of_tags(refs: Iterable[str], project: Project, metrics: Metrics | None = None) -> list[Notice]:
    """What each tag did. Raises `NotFound`, and `RegistryError` for a tag that is skipped."""
    return _told(project, [asked_ref(project, ref) for ref in dict.fromkeys(refs)], metrics)


def since(start: str, project: Project, metrics: Metrics | None = None) -> list[Notice]:
    """What happened since a time (ISO 8601), after a tag of the registry, or since a commit was made, oldest first."""
    registry = Registry(project.address.text)
    found = [each for accepted in registry.accepted.values() for each in _times(accepted)]
    begin = next((time for time, _, event in found if event.ref == start), None)
    begin = _begin(start, registry.project) if begin is None else begin
    chosen = sorted((each for each in found if each[0] >= begin and each[2].ref != start), key=lambda each: each[0])
    if len(chosen) > MOST:
        raise RegistryError(
            f"{len(chosen)} events since {start!r}, at most {MOST} are told", project.where, "name a later time"
        )
    return _told(project, [(accepted, event) for _, accepted, event in chosen], metrics)


def _times(accepted: Accepted) -> Iterator[tuple[int, Accepted, Event]]:
    """All events with the times at which they count; of those that are not accepted the time that they claim."""
    history = accepted.history
    for event in (*history.events, *(each.event for each in accepted.rejected.values())):
        yield history.effective.get(event.ref, event.time), accepted, event


def _told(project: Project, asked: Sequence[tuple[Accepted, Event]], metrics: Metrics | None) -> list[Notice]:
    address = address_of(project)
    who = principals(project, [event for _, event in asked])
    return [
        rejected(accepted, event, address, who.get(event.oid))
        if event.ref in accepted.rejected
        else notice(accepted.history, event, address, metrics, who.get(event.oid))
        for accepted, event in asked
    ]


def principals(project: Project, events: Sequence[Event]) -> dict[str, str]:
    """Who signed each tag, by its object's id, as far as a good signature of its tagger says; judged now."""
    rules = read_rules(project)
    try:
        signers = rules.signers
    except Refused:  # a message without a principal is better than none
        return {}
    if signers is None:
        return {}
    compromised = rules.policy.compromised if rules.governs else None
    judged = verdicts(project, events, signers, None, compromised)
    return {event.oid: event.email for event in events if principal_of(judged[event.oid], event.email) is not None}


def address_of(project: Project) -> str:
    """The registry as its readers know it: the URL, of a folder its remote `origin`, else its name."""
    text = project.address.text
    if project.address.local:
        done = run(text, ["config", "--get", "remote.origin.url"], accept=(0, 1))
        text = done.out.decode("utf-8", "replace").strip()
        if text.startswith("file:") or ("://" not in text and not re.match(r"[^/]+:", text)):
            return Path(project.address.text).name
    return without_credentials(text)


def notice(
    artifact: Artifact, event: Event, address: str, metrics: Metrics | None = None, principal: str | None = None
) -> Notice:
    """What an event did to its artifact, signed by `principal` where that is known."""
    number = next(place for place, each in enumerate(artifact.events) if each.ref == event.ref)
    before = fold_artifact(artifact.name, artifact.events[:number])
    after = fold_artifact(artifact.name, artifact.events[: number + 1])
    version, lines = label_of(after, event), trailers(event.message)
    old = before.holder(event.stage) if event.stage else None
    new = after.holder(event.stage) if event.stage else None
    held = old.version if old else before.greatest() if event.kind == REGISTRATION else None
    return Notice(
        id=event.oid,
        kind=act_kind(event.kind, lines),
        model=event.artifact,
        time=datetime.fromtimestamp(event.time, timezone.utc).isoformat(),
        project=address,
        version=version,
        stage=event.stage,
        stages=(event.stage,) if event.stage else _left(before, after),
        previous=held.label if held else None,
        holds=new.version.label if new else None,
        actor=event.tagger,
        actor_email=event.email,
        tag=event.ref,
        commit=event.commit,
        message=_words(event.message),
        metrics=measured(metrics, event.artifact, version, held.label if held else None),
        links=links(address, event.commit, held.commit if held else None),
        reasons=tuple(f"{key}: {lines[key]}" for key in _REASONS if key in lines),
        principal=principal,
    )


def rejected(accepted: Accepted, event: Event, address: str, principal: str | None = None) -> Notice:
    """That an event is not accepted, and why; what the stage holds is what it held before."""
    holder = accepted.artifact.holder(event.stage) if event.stage else None
    reasons = accepted.rejected[event.ref].reasons
    return Notice(
        id=event.oid,
        kind="rejected",
        model=event.artifact,
        time=datetime.fromtimestamp(event.time, timezone.utc).isoformat(),
        project=address,
        version=event.version or named_version(event),
        stage=event.stage,
        stages=(event.stage,) if event.stage else (),
        holds=holder.version.label if holder else None,
        actor=event.tagger,
        actor_email=event.email,
        tag=event.ref,
        commit=event.commit,
        message=_words(event.message),
        links=links(address, event.commit, None),
        reasons=tuple(f"{each.id}: {each.message}" for each in reasons),
        principal=principal,
    )


def _left(before: Artifact, after: Artifact) -> tuple[str, ...]:
    """The stages that hold something else now."""
    held = {stage: (before.holder(stage), after.holder(stage)) for stage in before.stages}
    return tuple(
        sorted(s for s, (old, new) in held.items() if old and (new is None or new.version.label != old.version.label))
    )


def _words(message: str) -> str:
    """What a person wrote: the message without its signature and trailers."""
    text = text_of(message).strip()
    return text.rpartition("\n\n")[0].strip() if trailers(message) else text


def measured(ask: Metrics | None, model: str, version: str | None, before: str | None) -> Mapping[str, Change] | None:
    """What is known of a version's metrics; nothing where that cannot be read."""
    if ask is None or version is None:
        return None
    with suppress(RegistryError):  # a message without metrics is better than none
        return ask(model, version, before)
    return None


def links(address: str, commit: str, before: str | None) -> dict[str, str]:
    """Pages of the host: the commit, what changed since another, and the run of the workflow that this is."""
    found = commit_pages(address, commit, before)
    page = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}"
    if os.environ.get("GITHUB_ACTIONS") == "true":
        with suppress(KeyError):
            page = page.format_map(os.environ)
            if _RUN.fullmatch(page):
                found["run"] = page
    return found


def _begin(start: str, project: Project) -> int:
    try:
        found = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", start))
    except ValueError:
        return _committed(start, project)
    return int((found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp())


def _committed(start: str, project: Project) -> int:
    try:
        oid = project.resolve(start)
        return read_commits(project.objects, [oid])[oid].time
    except (NotFound, KeyError):
        what = f"{start[:100]!r} is no time, no tag of the registry and no revision"
        raise NotFound(what, project.where, "write such as 2026-03-01T12:00Z, or cost_predictor#prod#4") from None
