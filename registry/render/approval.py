"""Approvals for a terminal: what is approved, what was made, and what waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from registry.api.approving import Approved
from registry.api.waiting import WAITING, Judged, Question
from registry.approval import APPROVAL
from registry.evidence import Evidence
from registry.plural import plural
from registry.policytimes import moment


def considered(evidence: Evidence, holder: str | None) -> Iterator[str]:
    """What somebody is about to approve or to ask for."""
    now = f"now {holder}" if holder else "now empty"
    yield f"{evidence.name} {evidence.version} for {evidence.stage} ({now})"
    yield f"  commit    {evidence.commit}"
    yield f"  link      sha256 {evidence.link}"
    for name, digest in sorted(evidence.artifacts.items()):
        yield f"  artifact  sha256 {digest} {name!a}"
    yield f"  lineage   {f'sha256 {evidence.lineage}' if evidence.lineage else 'none'}"
    yield f"  card      {f'sha256 {evidence.card}' if evidence.card else 'none'}"
    for path, digest in sorted(evidence.reports.items()):
        yield f"  report    sha256 {digest} {path!a}"
    if not evidence.reports:
        yield "  report    none"
    yield f"  policy    sha256 {evidence.policy} of the stage's part"


def made(done: Approved) -> Iterator[str]:
    """The tag that was made."""
    event, did = done.note.event, "approves" if done.note.event.kind == APPROVAL else "asks for approval of"
    verb = "Pushed" if done.pushed else "Created"
    yield f"{verb} git tag '{event.ref}' that {did} {event.artifact} {event.version} for {event.stage}"
    yield f"by {done.principal}"
    if not done.pushed:
        yield f"To publish it:  git push origin '{event.ref}'"


def listed(questions: Iterable[Question]) -> Iterator[str]:
    """What waits for whom."""
    empty = True
    for each in questions:
        empty = False
        yield f"{each.name} {each.version} for {each.stage}: {each.status}"
        for note in each.requests:
            yield f"  asked by {note.event.email!a} at {moment(note.event.time)}: {_first(note.said.text)}"
        if each.status == WAITING:
            yield f"  waits for {', '.join(_missing(each))}"
            yield f"  of {_who(each)}"
        for why in each.why:
            yield f"  {why}"
        for given in each.approvals:
            yield _given(given)
    if empty:
        yield "nothing waits for an approval"


def _missing(each: Question) -> Iterator[str]:
    needs = each.needs
    if needs.approvals:
        yield plural(needs.approvals, "approval")
    for name in needs.confirmations:
        yield f"a confirmation of {name}"
    if needs.reference:
        yield "a reference"
    if each.why:
        yield "a signed registration"


def _who(each: Question) -> str:
    if each.principals is None:
        but = f" but {', '.join(each.authors)}" if each.authors else ""
        return f"anyone of allowed_signers{but}"
    roles = " or ".join(each.roles or ()) or "no role"
    return f"{roles}: {', '.join(each.principals) or 'nobody is left'}"


def _given(each: Judged) -> str:
    note = each.weighed.note
    approval = each.weighed.approval
    who = f"{(approval.principal if approval else note.event.email)!a} at {moment(note.event.time)}" if note else ""
    who += f" in run {note.said.run.number}" if note and note.said.run else ""
    also = f", confirms {', '.join(note.said.confirms)}" if note and note.said.confirms else ""
    also += f", refers to {note.said.reference}" if note and note.said.reference else ""
    if each.why:
        verdict = "void" if each.weighed.approval is None else "does not count"
        return f"  {verdict}: approved by {who}{also}: {'; '.join(each.why)}"
    return f"  approved by {who}{also}: {_first(note.said.text) if note else ''}"


def _first(text: str) -> str:
    return text.partition("\n")[0]
