"""Carrying out a plan: make the tags, fold again, and only then publish them.

Without a push the refs are created together or not at all. With a push the remote decides: the clone's tags of the
artifact are first made equal to the remote's, the tag objects are pushed to new refs, and the local refs are placed
once the remote accepted them. On rejection the clone is brought up to date and the plan is made again from what stands
there now, a bounded number of times.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import NamedTuple

from registry.api.project import Project
from registry.errors import GitError, RegistryError
from registry.git import tagwrite
from registry.git.objects import Entry, file_entry
from registry.git.tagscan import Scan
from registry.interfacediff import Demand
from registry.names import in_tag, link_paths
from registry.state import Artifact, fold_artifact
from registry.tags import HIGHEST, SKEW, Event, TagName, format_name, parse_name, trailers

REMOTE = "origin"
"""The remote of a clone that `push` means, as in gto; a mirror calls the registry it copies so too."""
TRIES = 40
"""How often a push that lost a race is planned anew."""
REFUSALS = 4
"""How often a push is repeated that the remote rejected although nothing had changed there."""


@dataclass(frozen=True)
class Options:
    """What every event command accepts."""

    message: str | None = None
    push: bool = False
    simple: bool | None = None
    """Whether the tag goes without a number: none means as gto, registrations without and assignments with."""
    author: str | None = None
    author_email: str | None = None
    sign: bool | None = None
    """Whether tags are signed: none means as the user's git settings say (`tag.gpgSign`)."""
    trailers: Mapping[str, str] = field(default_factory=dict)
    """Further trailers of the tag's message, each of one line."""


class NewTag(NamedTuple):
    """A tag to be made."""

    ref: str
    commit: str
    message: str


class Plan(NamedTuple):
    """Tags to make, and what must hold once they stand."""

    tags: list[NewTag]
    holds: Callable[[Artifact], bool]
    otherwise: str
    """What would be the case instead."""
    needs: Sequence[Event] = ()
    """Tags these stand on: a push takes along those that the remote has not."""
    why: Demand | None = None
    """What the interface asks of the number of a registration among them, where that was found out."""


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


@dataclass(frozen=True)
class Snapshot:
    """The artifact as it stands while a plan is made."""

    project: Project
    artifact: Artifact
    scan: Scan
    taken: set[str] = field(default_factory=set)
    """Names of tags that this plan makes already."""

    @property
    def where(self) -> str:
        """The registry, for messages."""
        return self.project.where

    def resolve(self, revision: str) -> str:
        """The commit a revision names. Raises `NotFound`."""
        return self.project.resolve(revision)

    def given_out(self) -> set[str]:
        """Versions that some tag ever named, cancelled, malformed or displaced ones included."""
        names = (parse_name(ref) for ref in self.scan.refs)
        return {name.version for name in names if isinstance(name, TagName) and name.version}

    def require_model(self, commit: str) -> None:
        """Raise where the commit holds a registry without this artifact; a repository without one may register any."""
        if not self.project.tree(commit, [".mlem", ".mlem.yaml"]):
            return
        name = self.artifact.name
        paths, folder = link_paths(name), name.rpartition(":")[0]
        lists = [f"{folder}/{file}" if folder else file for file in ("artifacts.yaml", "dvc.yaml")]
        found = self.project.tree(commit, [*lists, *paths])
        if any(path in found for path in paths):
            return
        if any(self._mentions(found[path], path) for path in lists if path in found):
            return
        raise RegistryError(
            f"commit {commit[:7]} has no model {name!r}",
            f"{self.where}: {paths[0]}",
            "link it first (`registry link`) and commit the link, or use --force",
        )

    def _mentions(self, file: Entry, path: str) -> bool:
        from registry.annotations import LIMIT, load

        where = f"{self.where}: {path}"
        raw = load(self.project.blob(file_entry(file, path, self.where).oid, LIMIT, where), where)
        names = raw.get("artifacts") if isinstance(raw, dict) and path.endswith("dvc.yaml") else raw
        return isinstance(names, dict) and self.artifact.name.rpartition(":")[2] in names

    def tag(
        self,
        name: TagName,
        commit: str,
        message: str,
        trailers: Mapping[str, str],
        *,
        numbered: bool,
        links: bool = False,
    ) -> NewTag:
        """Compose a tag: its name (numbered where asked for, or where the plain name is taken) and its message."""
        ref = format_name(name)
        if numbered or ref in self.scan.refs or ref in self.taken:
            ref = self._numbered(name)
        self.taken.add(ref)
        lines = dict(trailers)
        if links and (blob := self.link_blob(commit)):
            lines["Link"] = blob
        lines["Nonce"] = secrets.token_hex(8)
        text = "".join(f"{key}: {value}\n" for key, value in lines.items())
        return NewTag(ref, commit, f"{message.rstrip()}\n\n{text}")

    def _numbered(self, name: TagName) -> str:
        """The tag's name with the next number of the artifact, past names that some tag, well-formed or not, has."""
        planned = (parse_name(ref) for ref in self.taken)
        numbers = [
            *(event.number for event in self.artifact.events),
            *(p.number for p in planned if isinstance(p, TagName)),
        ]
        highest = max((number for number in numbers if number), default=0)
        names = (format_name(name._replace(number=number)) for number in range(highest + 1, HIGHEST + 1))
        free = next((ref for ref in names if ref not in self.scan.refs and ref not in self.taken), None)
        if free is None:
            raise RegistryError(
                f"the numbers of {name.artifact!r} are used up: a tag carries #{highest}",
                self.where,
                "delete that tag if nobody meant it (`registry history` shows it), or use --simple true",
            )
        return free

    def link_blob(self, commit: str) -> str | None:
        """Object id of the artifact's link at a commit; none where it has none."""
        paths = link_paths(self.artifact.name)
        found = self.project.tree(commit, paths)
        return next((found[path].oid for path in paths if path in found), None)


Decide = Callable[[Snapshot, Snapshot], Plan]
"""Makes a plan from the present snapshot and the first one of this command."""


def record(project: Project, name: str, decide: Decide, options: Options) -> Recorded:
    """Carry out what `decide` plans for the artifact `name`. Raises `RegistryError`; then nothing was left behind."""
    if options.push or project.mirror is not None:
        replaced: dict[str, str] = {}
        try:
            return _publish(project, name, decide, options, replaced)
        except RegistryError as error:
            error.what += "".join(f"\n{replacement(ref, oid)}" for ref, oid in replaced.items())
            raise
    first = now = _snapshot(project, name)
    for _ in range(TRIES):
        plan = decide(replace(now, taken=set()), first)
        events, after = _make(project, now, plan, options)
        before, now = now, _unless_moved(project, now, tagwrite.create, events)
        if now is before:
            return Recorded(events, after, pushed=False, replaced={}, why=plan.why)
    raise _busy(project, name)


def _publish(project: Project, name: str, decide: Decide, options: Options, replaced: dict[str, str]) -> Recorded:
    """Push until the remote accepts; the clone's tags that give way to the remote's are added to `replaced`."""
    replaced |= _bring(project, name)
    first = now = _snapshot(project, name)
    refused = 0
    for attempt in range(TRIES):
        plan = decide(replace(now, taken=set()), first)
        events, after = _make(project, now, plan, options)
        before, now = now, _unless_moved(project, now, tagwrite.rehearse, events)
        if now is not before:
            continue
        answers = tagwrite.push(project.path, REMOTE, events, plan.needs, project.protocols)
        if all(answers[event.ref].flag == "*" for event in events):
            if project.mirror is None:
                tagwrite.place(project.path, events)
            return Recorded(events, after, pushed=True, replaced=replaced, why=plan.why)
        time.sleep(random.uniform(0, 0.05 * min(attempt + 1, 10)))  # noqa: S311 - jitter
        replaced |= _bring(project, name)
        now = _snapshot(project, name)
        refused = refused + 1 if now.scan.refs == before.scan.refs else 0
        if refused >= REFUSALS:
            raise _rejected(project, answers)
    raise _busy(project, name)


def _unless_moved(
    project: Project, now: Snapshot, step: Callable[[str | PathLike[str], list[Event]], None], events: list[Event]
) -> Snapshot:
    """Do a step that fails where another process made the same refs here; then the new snapshot, else the same one."""
    try:
        step(project.path, events)
    except GitError:
        later = _snapshot(project, now.artifact.name)
        if later.scan.refs == now.scan.refs:
            raise
        return later
    return now


def _busy(project: Project, name: str) -> RegistryError:
    return RegistryError(
        f"{name!r} changed {TRIES} times while this was tried", project.where, "others are recording events: try again"
    )


def replacement(ref: str, oid: str) -> str:
    """What a person is told of a tag of this clone that gave way to the remote's."""
    return f"warning: tag {ref} here differed from the remote's and was replaced (it was {oid})"


def _bring(project: Project, name: str) -> dict[str, str]:
    if project.mirror is not None:
        project.refresh(name, head=True)
        return {}
    return tagwrite.fetch_tags(project.path, REMOTE, in_tag(name), project.protocols)


def _snapshot(project: Project, name: str) -> Snapshot:
    found = project.scan(name)
    return Snapshot(project, fold_artifact(name, found.events), found)


def _make(project: Project, now: Snapshot, plan: Plan, options: Options) -> tuple[list[Event], Artifact]:
    newest = int(time.time()) + SKEW
    events: list[Event] = []
    for tag in plan.tags:
        last = max((event.time for event in (*now.artifact.events, *events)), default=0)
        who = tagwrite.tagger(project.path, options.author, options.author_email, last)
        event = tagwrite.make(project.path, tag.ref, tag.commit, tag.message, who, newest, sign=options.sign)
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
    return events, after


def _rejected(project: Project, answers: Mapping[str, tagwrite.Pushed]) -> RegistryError:
    said = "; ".join(f"{ref}: {answer.reason}" for ref, answer in answers.items() if answer.flag == "!")
    hook = next((f"\n{answer.told}" for answer in answers.values() if answer.told), "")
    return RegistryError(
        f"the remote rejected the push: {said}{hook}",
        project.where,
        "nothing was recorded: do as the remote says, then repeat",
    )


__all__: Sequence[str] = ["Decide", "NewTag", "Options", "Plan", "Recorded", "Snapshot", "record", "replacement"]
