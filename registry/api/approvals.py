"""Reading approvals: which tags count as approvals of some evidence, and why others do not.

An approval counts where its tag is well-formed (`registry.approval`), is about exactly this evidence, and is signed by
its tagger: with a key that `allowed_signers` of the default branch gives to that e-mail, good both at the time the tag
claims and by `at`, which is now unless somebody recorded when it was seen (the tag's own date is its maker's claim). A
key approves once, under whichever names; the key of the version's author approves in the author's name.

An approval that names a run on GitHub is that of each reviewer: where the policy trusts the workflow (`workflows`), the
signer is a `recorder` of the policy, and the signers' file says whose name at GitHub it is.

Roles, and whether an author may approve, are for `registry.governance` to judge.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Final, NamedTuple

from registry.api.accepting import accept_any
from registry.api.authorship import Authorship, authorship, reviewer
from registry.api.project import Project, open_project
from registry.api.rules import read_rules
from registry.api.signatures import read_signers, verdicts
from registry.approval import APPROVAL, KINDS, REQUEST, Note, Run, parse_note, prefix
from registry.evidence import Evidence
from registry.findings import WARNING, Finding
from registry.git.tagscan import read_tags
from registry.governance import Approval
from registry.policy import Policy, Workflow
from registry.signature import Verdict, matches, principal_of
from registry.signaturerules import because
from registry.signing.allowed_signers import PATH, AllowedSigners
from registry.tagrules import removal, shown
from registry.tags import SKEW, BadTag, Event

RULES: Final = ("approval-malformed", "approval-signature", "approval-repeated", "approval-workflow")
"""Ids of findings; each is a heading in `docs/approvals.md`."""
_FOLDER = "refs/tags/"


class Weighed(NamedTuple):
    """A tag that is meant as an approval; of a workflow's tag, one of its reviewers."""

    ref: str
    """Its name, without `refs/tags/`."""
    note: Note | None
    """What it says; none where it cannot be read."""
    approval: Approval | None
    """The approval; none where it counts for nothing."""
    finding: Finding | None = None
    """Why it counts for nothing."""
    fingerprint: str = ""
    """Of the key that signed."""


class Verdicts(NamedTuple):
    """What is known of the signatures of approvals, by the tag object's id."""

    judged: Mapping[str, Verdict]
    """By now, or when somebody recorded them."""
    claimed: Mapping[str, Verdict]
    """By the time that each tag says."""


class Notes(NamedTuple):
    """Tags below `approval/` or `request/`."""

    good: tuple[Note, ...]
    bad: tuple[BadTag, ...]


def bring_notes(project: Project, digest: str | None = None) -> None:
    """Bring a remote registry's approvals and requests up to date: all, or those of some evidence."""
    if project.mirror is not None:
        below = "*" if digest is None else f"{digest}/*"
        project.mirror.update([f"{_FOLDER}{kind}/{below}" for kind in KINDS])


def read_notes(project: Project, kind: str, digest: str | None = None) -> Notes:
    """The tags of a kind that are here, of some evidence or all, sorted by name."""
    below = kind if digest is None else prefix(kind, digest).rstrip("/")
    newest = int(time.time()) + SKEW
    found = read_tags(project.path, [f"{_FOLDER}{below}"], project.objects)
    parsed = [parse_note(*each, newest) for each in sorted(found)]
    good = tuple(each for each in parsed if isinstance(each, Note))
    return Notes(good, tuple(each for each in parsed if isinstance(each, BadTag)))


def approvals_for(
    project: Project, evidence: Evidence, policy: Policy, *, at: int | None = None
) -> tuple[Approval, ...]:
    """The approvals of exactly this evidence whose signatures count, by principal and time: what `judge` is given.

    Tags are those that are here: see `bring_notes`. Signatures are judged by `at`, in seconds, by default now.
    """
    found = (each.approval for each in weighed(project, evidence, policy, at=at))
    return tuple(sorted((each for each in found if each is not None), key=lambda each: (each.principal, each.time)))


def weighed(project: Project, evidence: Evidence, policy: Policy, *, at: int | None = None) -> tuple[Weighed, ...]:
    """Every tag that is meant as an approval of this evidence, each with what it counts for."""
    notes = read_notes(project, APPROVAL, evidence.digest)
    if not notes.good and not notes.bad:
        return ()
    version = accept_any(project, evidence.name).artifact.versions.get(evidence.version)
    signers = read_signers(project)
    author = Authorship() if version is None else authorship(project, version, policy, signers, at)
    return (*weigh(project, notes.good, policy, signers, author, at), *map(malformed, notes.bad))


def weigh(
    project: Project,
    notes: Iterable[Note],
    policy: Policy,
    signers: AllowedSigners | None,
    author: Authorship,
    at: int | None = None,
    known: Verdicts | None = None,
) -> tuple[Weighed, ...]:
    """What approvals of one and the same evidence count for, by the signers' file; `known` verdicts are not made."""
    notes = tuple(notes)
    if signers is None:
        return tuple(
            Weighed(each.event.ref, each, None, _unsigned(each.event, f"there is no {PATH}")) for each in notes
        )
    judged, claimed = known or verdicts_on(project, notes, policy, signers, at)
    weigher = _Weigher(policy, signers, author, int(time.time()) if at is None else at)
    ordered = sorted(notes, key=lambda each: (each.event.time, each.event.ref))
    return tuple(
        one for each in ordered for one in weigher.weigh(each, judged[each.event.oid], claimed[each.event.oid])
    )


def findings(location: str | PathLike[str]) -> Iterator[Finding]:
    """Why approvals count for nothing, of whichever evidence, where a policy governs. Raises `Refused` as `read_rules`.

    Of a remote registry its approvals are asked for; of all else it was brought up to date by whoever asks.
    """
    project = open_project(location)
    rules = read_rules(project)
    if not rules.governs:
        return
    bring_notes(project)
    asked, given = read_notes(project, REQUEST), read_notes(project, APPROVAL)
    about: dict[str, list[Note]] = {}
    for note in given.good:
        about.setdefault(note.evidence.digest, []).append(note)
    known = verdicts_on(project, given.good, rules.policy, rules.signers) if rules.signers is not None else None
    accepted = {name: accept_any(project, name, rules=rules) for name in {each.evidence.name for each in given.good}}
    for notes in about.values():
        evidence = notes[0].evidence
        version = accepted[evidence.name].artifact.versions.get(evidence.version)
        author = Authorship()
        if version is not None:
            author = authorship(project, version, rules.policy, rules.signers)
        for each in weigh(project, notes, rules.policy, rules.signers, author, known=known):
            if each.finding is not None:
                yield each.finding
    for tag in (*asked.bad, *given.bad):
        if (found := malformed(tag).finding) is not None:
            yield found


def verdicts_on(
    project: Project, notes: Iterable[Note], policy: Policy, signers: AllowedSigners, at: int | None = None
) -> Verdicts:
    """The verdicts on approvals, of whichever evidence."""
    events = [each.event for each in notes]
    return Verdicts(
        verdicts(project, events, signers, None if at is None else lambda _: at, policy.compromised),
        verdicts(project, events, signers, lambda event: event.time, policy.compromised),
    )


@dataclass(frozen=True)
class _Weigher:
    """Weighs approvals of one and the same evidence, in the order in which they were given."""

    policy: Policy
    signers: AllowedSigners
    author: Authorship
    at: int
    names: dict[str, str] = field(default_factory=dict)
    """Under which name each key approved first."""

    def weigh(self, note: Note, *verdicts: Verdict) -> Iterator[Weighed]:
        """By verdicts that must all be good."""
        event = note.event
        verdict = next((each for each in verdicts if principal_of(each, event.email) is None), verdicts[0])
        if principal_of(verdict, event.email) is None:
            yield self._void(note, 1, because(event.email, verdict), verdict)
        elif note.said.run is not None:
            yield from self._reviewed(note, note.said.run, verdict)
        elif (name := self.names.setdefault(verdict.fingerprint, event.email)) != event.email:
            yield self._void(note, 2, f"the same key approved as {name} already", verdict)
        else:
            alias = verdict.fingerprint in self.author.keys and event.email not in self.author.principals
            yield self._good(note, self.author.principals[0] if alias else event.email, verdict)

    def _reviewed(self, note: Note, run: Run, verdict: Verdict) -> Iterator[Weighed]:
        """The approvals of a run's reviewers."""
        if note.event.email not in self.policy.recorder:
            yield self._void(note, 3, f"{note.event.email!a} is no recorder of the policy", verdict)
        elif not any(_runs(each, run) for each in self.policy.workflows):
            yield self._void(note, 3, f"the policy does not trust {run.workflow} in {run.environment!a}", verdict)
        else:
            for login in run.reviewers:
                person = reviewer(self.signers, login, self.at)
                unknown = f"{PATH} does not say who github:{login} is"
                yield self._void(note, 3, unknown, verdict) if person is None else self._good(note, person, verdict)

    def _good(self, note: Note, principal: str, verdict: Verdict) -> Weighed:
        said = note.said
        approval = Approval(principal, said.confirms, said.reference, note.event.time)
        return Weighed(note.event.ref, note, approval, None, verdict.fingerprint)

    def _void(self, note: Note, rule: int, why: str, verdict: Verdict) -> Weighed:
        finding = _finding(rule, note.event.ref, why, note.event.artifact)
        return Weighed(note.event.ref, note, None, finding, verdict.fingerprint)


def _runs(trusted: Workflow, run: Run) -> bool:
    """Whether a run is one of a workflow that the policy trusts."""
    place, _, ref = run.workflow.partition("@")
    known = f"{trusted.repository}/{trusted.workflow}"
    here = trusted.environment in {None, run.environment}
    return here and place.lower() == known.lower() and matches(trusted.ref, ref)


def malformed(tag: BadTag) -> Weighed:
    """A tag that cannot be read."""
    return Weighed(tag.ref, None, None, _finding(0, tag.ref, f"{tag.rule}: {tag.detail}", tag.artifact))


def _unsigned(event: Event, why: str) -> Finding:
    return _finding(1, event.ref, why, event.artifact)


def _finding(rule: int, ref: str, why: str, artifact: str | None) -> Finding:
    message = f"tag {shown(ref)} counts for nothing: {why}"
    return Finding(RULES[rule], WARNING, message, f"find out who made it; {removal(ref)}", artifact, ref=ref)
