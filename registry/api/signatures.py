"""Verdicts on the signatures of a registry's tags, in bulk, remembered between runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import NamedTuple

from registry.api.project import Project, open_project
from registry.errors import NotFound, RegistryError
from registry.findings import Finding
from registry.git.objects import file_entry, read_all
from registry.git.verifytag import verify_pgp
from registry.signature import Verdict, principal_of, split_commit, split_tag
from registry.signaturerules import signature_findings, unreadable
from registry.signing.allowed_signers import LIMIT, PATH, AllowedSigners, parse
from registry.signing.proof import Proof
from registry.signing.proofs import Proofs
from registry.signing.verifying import Compromised, judge, prove
from registry.tagrules import removal, shown
from registry.tags import Event

At = Callable[[Event], int]
"""The time by which an event's signature is judged, in seconds."""


def read_signers(project: Project, commit: str | None = None) -> AllowedSigners | None:
    """The signers' file at a commit, of the default branch by default; none where there is none, or it names nobody.

    Raises `RegistryError` where it cannot be read, and `Refused` where it is no ordinary file.
    """
    found = _signers_file(project, commit)
    return found if found is not None and found.signers else None


def _signers_file(project: Project, commit: str | None = None) -> AllowedSigners | None:
    place = commit or project.head()
    if place is None:
        return None
    entry = project.tree(place, [PATH]).get(PATH)
    if entry is None:
        return None
    where = f"{project.where}: {PATH}"
    return parse(project.blob(file_entry(entry, PATH, project.where).oid, LIMIT, where), where)


def require_signers(project: Project) -> AllowedSigners:
    """The same, also where it names nobody. Raises `NotFound` where there is none."""
    found = _signers_file(project)
    if found is None:
        raise NotFound(f"no file {PATH}", project.where, "write it: docs/signatures.md shows how, and commit it")
    return found


def verdicts(
    project: Project,
    events: Iterable[Event],
    signers: AllowedSigners,
    at: At | None = None,
    compromised: Compromised | None = None,
) -> dict[str, Verdict]:
    """The verdict on each tag, by the tag object's id; judged by `at`, which is now by default.

    A signature is verified once on this machine for each signers' file. Raises `RegistryError` where a tag is missing.
    """
    now = int(time.time())
    wanted = {event.oid: event for event in events}
    proofs = _proofs(project, wanted, signers)
    times = {oid: now if at is None else at(event) for oid, event in wanted.items()}
    return _judged(proofs, times, signers, compromised)


def commit_verdicts(
    project: Project,
    commits: Collection[str],
    signers: AllowedSigners,
    at: Callable[[str], int] | None = None,
    compromised: Compromised | None = None,
    objects: str | PathLike[str] | None = None,
) -> dict[str, Verdict]:
    """The verdict on each commit, by its id; judged by `at`, which is now by default. Raises as `verdicts`.

    `objects` is the repository that holds them, where that is another than the registry's.
    """
    now = int(time.time())
    proofs = _proofs(project, commits, signers, commit=True, objects=objects)
    return _judged(proofs, {oid: now if at is None else at(oid) for oid in commits}, signers, compromised)


def _judged(
    proofs: Mapping[str, Proof], times: Mapping[str, int], signers: AllowedSigners, compromised: Compromised | None
) -> dict[str, Verdict]:
    """Judge each by its time; of thousands of tags most have the same proof, and get the same verdict."""
    known: dict[tuple[Proof, int], Verdict] = {}
    found = {}
    for oid, time_ in times.items():
        place = proofs[oid], time_
        if place not in known:
            known[place] = judge(proofs[oid], signers, time_, compromised)
        found[oid] = known[place]
    return found


def _proofs(
    project: Project,
    wanted: Collection[str],
    signers: AllowedSigners,
    *,
    commit: bool = False,
    objects: str | PathLike[str] | None = None,
) -> dict[str, Proof]:
    place = project.objects if objects is None else objects
    remembered = Proofs(signers)
    found = {oid: known for oid in wanted if (known := remembered.get(oid)) is not None}
    missing = [oid for oid in wanted if oid not in found]
    split, expected = (split_commit, "commit") if commit else (split_tag, "tag")
    for oid, _, kind, body in read_all(place, missing):
        if kind == expected:
            found[oid] = prove(split(body), signers, partial(verify_pgp, place, oid, commit=commit))
            remembered.add(oid, found[oid])
    gone = next((oid for oid in missing if oid not in found), None)
    if gone is not None:
        raise RegistryError(f"the {expected} {gone} is missing", project.where, "fetch the registry again")
    remembered.save()
    return found


class Checked(NamedTuple):
    """One tag that was asked about."""

    event: Event
    verdict: Verdict
    principal: str | None
    """The tagger's e-mail, where the signature is by a key that may sign for it."""

    def json(self) -> dict[str, object]:
        """As `--json` prints it."""
        event = self.event
        said = {"tag": event.ref, "tagger": event.tagger, "email": event.email, "principal": self.principal}
        return {**said, **self.verdict.json()}


def check_tags(location: str | PathLike[str], refs: Sequence[str]) -> list[Checked]:
    """The verdicts on the tags named, judged by now. Raises `NotFound`, and `RegistryError` for a malformed tag."""
    project = open_project(location)
    project.refresh(head=True)
    signers = require_signers(project)
    scan = project.scan()
    events = {event.ref: event for event in scan.events}
    bad = {tag.ref: tag for tag in scan.bad}
    for ref in refs:
        if ref in bad:
            raise RegistryError(f"tag {shown(ref)} is skipped: {bad[ref].detail}", project.where, removal(ref))
        if ref not in events:
            raise NotFound(f"no tag of a model is named {shown(ref)}", project.where, "see `registry history`")
    judged = verdicts(project, [events[ref] for ref in refs], signers)
    return [_checked(events[ref], judged[events[ref].oid]) for ref in refs]


def _checked(event: Event, verdict: Verdict) -> Checked:
    return Checked(event, verdict, principal_of(verdict, event.email))


def findings(location: str | PathLike[str]) -> Iterator[Finding]:
    """What is doubtful about the signatures of a registry that has a signers' file; nothing where it has none.

    The registry was brought up to date by whoever asks.
    """
    project = open_project(location)
    try:
        signers = read_signers(project)
    except RegistryError as error:
        yield unreadable(error, PATH)
        return
    if signers is not None:
        events = project.scan().events
        judged = verdicts(project, events, signers)
        yield from signature_findings(((event, judged[event.oid]) for event in events), PATH)


__all__ = ["At", "Checked", "check_tags", "commit_verdicts", "findings", "read_signers", "require_signers", "verdicts"]
