"""`ledger adopt`: the tags that a registry has already become the beginning of its ledger, in one commit.

Each well-formed tag is one entry, in the order in which tags count; malformed ones are left out, as everywhere. That an
adopted tag was allowed is not said: who adopts vouches for what is there, also where a policy that governs by now would
not accept it. That is deliberate, since a registry's beginning is older than its policy; each such tag is told.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from os import PathLike

from registry import versions
from registry.api.accepting import accept_all
from registry.api.appending import Act, Appended, Recorder, append
from registry.api.ledgers import Ledger
from registry.api.project import Project, open_project
from registry.api.rules import read_rules
from registry.errors import NotFound, RegistryError
from registry.ledger import Entry
from registry.names import link_paths
from registry.plural import plural
from registry.state import Artifact, fold
from registry.strictyaml import LIMIT
from registry.tags import Event


class AdoptedRejected(UserWarning):
    """A tag becomes part of the ledger's beginning although the policy does not accept it."""


def adopt(project: str | PathLike[str] = ".", recorder: Recorder = Recorder()) -> Appended:
    """Begin the ledger of a registry with its tags.

    Raises `RegistryError` where it has one, `NotFound` where there is no tag.
    """
    opened = open_project(project)

    def propose(ledger: Ledger) -> Act:
        if ledger.head is not None:
            raise RegistryError(
                f"this registry has a ledger, with {plural(ledger.head.sequence, 'entry', 'entries')}",
                opened.where,
                "see `registry ledger verify`: a tag that it lacks is recorded anew, not adopted",
            )
        opened.refresh(head=True)
        found = list(_in_order(fold(opened.scan().events)))
        if not found:
            raise NotFound("this registry has no tag to begin a ledger with", opened.where, "register a version first")
        _warn(opened)
        links = link_digests(opened, [event for _, event in found])
        return Act([_entry(artifact, event, links.get(event.ref)) for artifact, event in found])

    return append(opened, propose, recorder)


def _warn(project: Project) -> None:
    """Tell of the tags that whoever adopts vouches for although the policy does not accept them."""
    rules = read_rules(project)
    if not rules.governs:
        return
    answers = accept_all(project, project.scan(), rules=rules.unrecorded())
    for rejection in (each for answer in answers.values() for each in answer.rejected.values()):
        told = f"adopted, and so vouched for, although the policy does not accept it: {rejection}"
        warnings.warn(told, AdoptedRejected, stacklevel=5)


def _in_order(artifacts: dict[str, Artifact]) -> Iterator[tuple[Artifact, Event]]:
    """All events: of one artifact as they count, of several by time."""
    timed = []
    for artifact in artifacts.values():
        newest = 0
        for place, event in enumerate(artifact.events):
            newest = max(newest, artifact.effective.get(event.ref, event.time))
            timed.append(((newest, artifact.name, place), artifact, event))
    for _, artifact, event in sorted(timed, key=lambda each: each[0]):
        yield artifact, event


def _entry(artifact: Artifact, event: Event, link: str | None) -> Entry:
    label = event.version or artifact.labels.get(event.ref)
    return Entry(
        "adopt",
        actor_of(event),
        name=event.artifact,
        version=label if label and versions.is_version(label) else None,
        stage=event.stage,
        tag=event.ref,
        tag_oid=event.oid,
        commit=event.commit,
        link=link,
    )


def actor_of(event: Event) -> str:
    """Who a tag says that made it, as an entry says it."""
    return f"{_plain(event.tagger)} <{_plain(event.email)}>"


def _plain(text: str) -> str:
    """What a tag says of its maker, as an entry may say it."""
    return "".join(c if c.isprintable() else "?" for c in text)[:200]


def link_digests(project: Project, events: Sequence[Event]) -> dict[str, str]:
    """SHA-256 of the link file at each tag's commit, by tag, where it has one."""
    places = [(event.commit, path) for event in events for path in link_paths(event.artifact)]
    files = project.read_at(list(dict.fromkeys(places)), LIMIT)
    digests = {}
    for event in events:
        held = (files.get((event.commit, path)) for path in link_paths(event.artifact))
        data = next((each[1] for each in held if each is not None), None)
        if data is not None:
            digests[event.ref] = hashlib.sha256(data).hexdigest()
    return digests
