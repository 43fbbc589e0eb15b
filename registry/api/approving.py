"""Approving a version for a stage, and asking others to.

An approval is a signed tag on the version's commit, bound to the evidence (`registry.evidence`). It is judged before it
is made, by git's own e-mail, and once more by the signature that came out; where either is refused no tag is made, so
nothing counts later that does not count now. A request is a tag too, signed where git's settings say so: it only asks.
Numbers count up for each evidence; with a push the remote decides, and a number that somebody else took is raised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from registry.api.approvals import approvals_for, read_notes, weigh
from registry.api.considering import Considered, Where, Words, bring, denied, look, require_allowed
from registry.api.recording import REMOTE, TRIES
from registry.approval import APPROVAL, REQUEST, Note, format_message, format_ref, parse_ref, parse_tag, prefix
from registry.errors import GitError, Refused, RegistryError
from registry.git import tagwrite
from registry.git.push import CREATED
from registry.git.tagscan import read_tags
from registry.tags import SKEW, Event

_UNSIGNED = (
    "name the key that signs: `git config --global gpg.format ssh` and"
    " `git config --global user.signingKey ~/.ssh/id_ed25519.pub`; docs/signatures.md says more"
)


@dataclass(frozen=True)
class Approved:
    """An approval or a request that was made."""

    note: Note
    principal: str
    """Who made it; of a request as git says, unsigned."""
    holder: str | None
    """The version that the stage holds."""
    pushed: bool

    def json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        event, said = self.note.event, self.note.said
        return {
            "tag": event.ref,
            "tag_oid": event.oid,
            "artifact": event.artifact,
            "version": event.version,
            "stage": event.stage,
            "principal": self.principal,
            "message": said.text,
            "confirms": list(said.confirms),
            "reference": said.reference,
            "run": said.run._asdict() if said.run else None,
            "policy_version": said.policy,
            "evidence": said.evidence.json(),
            "holder": self.holder,
            "pushed": self.pushed,
        }


def approve(
    name: str,
    version: str,
    stage: str,
    project: Where = ".",
    *,
    message: str,
    confirms: Sequence[str] = (),
    reference: str | None = None,
    push: bool = False,
) -> Approved:
    """Approve a version for a stage: `consider`, then `sign`. Raises as both; then there is no tag."""
    return sign(consider(name, version, stage, project, words=Words(message, tuple(confirms), reference), push=push))


def consider(
    name: str, version: str, stage: str, project: Where = ".", *, words: Words, push: bool = False
) -> Considered:
    """What `sign` would approve, judged for whom git says that the user is; nothing is written.

    Raises `Refused` (`approve-refused`) with every reason, `NotFound` for an unknown version or stage, and
    `RegistryError` where the same person has approved the same evidence already.
    """
    found = look(APPROVAL, name, version, stage, project, words, push=push)
    if words.run is None:
        require_allowed(found, found.act)
    return found


def sign(found: Considered) -> Approved:
    """Make the signed tag of what was considered. Raises `RegistryError` without a key, `Refused` as `consider`."""
    project = found.project

    def whose(note: Note) -> str:
        known = read_notes(project, APPROVAL, found.evidence.digest).good
        judged = weigh(project, (*known, note), found.policy, found.signers, found.author)
        mine = [each for each in judged if each.ref == note.event.ref]
        people = [each.approval.principal for each in mine if each.approval is not None]
        if not people:
            why = next(each.finding.message.partition(": ")[2] for each in mine if each.finding)
            fix = "sign with a key that allowed_signers of the default branch gives to git's user.email"
            raise RegistryError(f"the approval would count for nothing: {why}", project.where, fix)
        _require_one(found, people)
        return ", ".join(people)

    return _made(found, whose, sign=True)


def _require_one(found: Considered, people: Sequence[str]) -> None:
    """Raise where none of these people may approve; of a run's reviewers one that may is enough."""
    refused = []
    for each in people:
        try:
            require_allowed(found, replace(found.act, principals=(each,)))
        except RegistryError as error:
            refused.append(error)
    if len(refused) == len(people):
        raise refused[0]


def request(name: str, version: str, stage: str, project: Where = ".", *, message: str, push: bool = False) -> Approved:
    """Ask for approvals of a version for a stage. Raises `Refused`, `NotFound`; `RegistryError` where somebody did."""
    found = look(REQUEST, name, version, stage, project, Words(message), push=push)
    if not found.version.active:
        what = f"version {version} of {name!r} was deregistered"
        raise Refused("version-standing", what, found.project.where, "choose a version that stands")
    asked = read_notes(found.project, REQUEST, found.evidence.digest).good
    if asked:
        event = asked[0].event
        what = f"{event.tagger} asked for the same already: {event.ref}"
        raise RegistryError(what, found.project.where, "see `registry approvals`")

    return _made(found, lambda note: note.event.email, sign=None)


def _made(found: Considered, whose: Callable[[Note], str], *, sign: bool | None) -> Approved:
    """Make the tag under the next free number, and publish it where that is asked for; `whose` says who made it."""
    project, said = found.project, found.said
    for _ in range(TRIES):
        taken = _taken(found)
        ref = format_ref(said.kind, said.evidence.digest, max(taken, default=0) + 1)
        event = _tag(found, ref, sign=sign)
        note = Note(event, said)
        principal = whose(note)
        refused = _refused(found, event)
        if refused is None:
            return Approved(note, principal, found.holder, found.push)
        bring(project, said.kind, said.evidence.digest, push=found.push)
        if _taken(found) == taken:
            raise refused
    raise RegistryError(f"others made {TRIES} such tags while this was tried", project.where, "try again")


def _taken(found: Considered) -> set[int]:
    """Numbers that some tag about this evidence has, well-formed or not."""
    below = prefix(found.said.kind, found.evidence.digest).rstrip("/")
    tags = read_tags(found.project.path, [f"refs/tags/{below}"], found.project.objects)
    return {named[2] for tag in tags if (named := parse_ref(tag[0])) is not None}


def _tag(found: Considered, ref: str, *, sign: bool | None) -> Event:
    path, message = found.project.path, format_message(found.said)
    who = tagwrite.tagger(path, None, None, 0)
    newest = int(time.time()) + SKEW
    try:
        return tagwrite.make(path, ref, found.evidence.commit, message, who, newest, sign=sign, parse=parse_tag)
    except GitError as error:
        if sign:
            raise RegistryError(
                f"approvals are signed, and git did not: {error.what}", error.where, _UNSIGNED
            ) from None
        raise


def _refused(found: Considered, event: Event) -> RegistryError | None:
    """Publish the tag, or create it here; what stood against it."""
    project = found.project
    try:
        if not found.push:
            tagwrite.create(project.path, [event])
            return None
        tagwrite.rehearse(project.path, [event])
    except GitError as error:
        return error
    registered = found.version.events if project.mirror is None else ()
    answer = tagwrite.push(project.path, REMOTE, [event], registered, project.protocols)[event.ref]
    if answer.flag == CREATED:
        if project.mirror is None:
            tagwrite.place(project.path, [event])
        return None
    told = f"\n{answer.told}" if answer.told else ""
    what = f"the remote rejected the push: {answer.reason}{told}"
    return RegistryError(what, project.where, "nothing was made: do as the remote says, then repeat")


__all__ = ["Approved", "Considered", "Words", "approvals_for", "approve", "consider", "denied", "request", "sign"]
