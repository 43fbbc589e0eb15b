"""The tags of approvals and requests: their names, and what their messages say. Pure.

`approval/<evidence>/<n>` approves, `request/<evidence>/<n>` asks for approvals; `<evidence>` is the SHA-256 of the
evidence, `n` counts from 1. The message is a text, the evidence itself as one line of JSON, and trailers:

    <text>

    {"artifacts":…}

    Artifact: cost_predictor
    Version: v1.0.3
    Stage: prod
    Evidence: <its SHA-256>
    Confirm: kpi,cost
    Reference: JIRA-4521
    Policy: 3
    Nonce: <16 hex digits>

An approval that a workflow writes down for the reviewers of a GitHub environment has, before `Policy`, who they were:

    Workflow: acme/registry/.github/workflows/promote.yml@refs/heads/main
    Environment: prod
    Run: 15551234567
    Approved-by: dana,eve-acme

Rules: the tag is annotated, its object carries the ref's own name and points at the version's commit; the evidence's
SHA-256 is the one of the name, and the trailers say what the evidence says. A message is read only where it is what
`format_message` writes, so nothing can be hidden in it, said twice or said otherwise. No character steers a terminal.
`Confirm` and `Reference` may be absent, and are in a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from registry.errors import RegistryError
from registry.evidence import Evidence, format_evidence, parse_evidence
from registry.tags import HIGHEST, BadTag, Event, TagName, parse_named, text_of

APPROVAL: Final = "approval"
REQUEST: Final = "request"
KINDS: Final = (APPROVAL, REQUEST)
LONGEST: Final = 8_000
"""Characters of the text."""
_LONGEST_REFERENCE = 200
_REF = re.compile(rf"({APPROVAL}|{REQUEST})/([0-9a-f]{{64}})/([1-9][0-9]{{0,8}})")
_CONFIRM = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_NONCE = re.compile(r"[0-9a-f]{16}")
_POLICY = re.compile(r"0|[1-9][0-9]{0,17}")
_MOST = 10**18
_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?")
_WORKFLOW = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}/\.github/workflows/[A-Za-z0-9._-]{1,100}\.ya?ml"
    r"@refs/(?:heads|tags)/[A-Za-z0-9._/-]{1,200}"
)
_BY = "Approved-by"
_PARTS = 3
"""Text, evidence and trailers."""


class Run(NamedTuple):
    """A run of a workflow on GitHub whose environment was approved."""

    workflow: str
    """`OWNER/NAME/.github/workflows/FILE@REF`, as GitHub's `github.workflow_ref` says."""
    environment: str
    number: int
    reviewers: tuple[str, ...]
    """Their names at GitHub."""


@dataclass(frozen=True)
class Said:
    """What the message of such a tag says."""

    kind: str
    """One of `KINDS`."""
    text: str
    evidence: Evidence
    policy: int
    """Version of the policy that held when it was made."""
    nonce: str
    confirms: tuple[str, ...] = ()
    reference: str | None = None
    run: Run | None = None
    """Whose reviewers approve, where it is a workflow that signs for them."""


@dataclass(frozen=True)
class Note:
    """An approval or a request: its tag, and what it says. Whose it is, the signature says."""

    event: Event
    """The tag, of kind `approval` or `request`, with the artifact, version, stage and number it speaks of."""
    said: Said

    @property
    def evidence(self) -> Evidence:
        """What it is about."""
        return self.said.evidence


def prefix(kind: str, digest: str) -> str:
    """What the names of all tags of a kind about some evidence begin with."""
    return f"{kind}/{digest}/"


def format_ref(kind: str, digest: str, number: int) -> str:
    """A tag's name, without `refs/tags/`."""
    return f"{prefix(kind, digest)}{number}"


def parse_ref(ref: str) -> tuple[str, str, int] | None:
    """Kind, evidence and number of a tag's name; none where it is no such name."""
    match = _REF.fullmatch(ref)
    return None if match is None or int(match[3]) > HIGHEST else (match[1], match[2], int(match[3]))


def format_message(said: Said) -> str:
    """The message of a tag, without a signature."""
    about = said.evidence
    lines = {"Artifact": about.name, "Version": about.version, "Stage": about.stage, "Evidence": about.digest}
    if said.confirms:
        lines["Confirm"] = ",".join(said.confirms)
    if said.reference is not None:
        lines["Reference"] = said.reference
    if (run := said.run) is not None:
        reviewers = ",".join(run.reviewers)
        lines |= {"Workflow": run.workflow, "Environment": run.environment, "Run": f"{run.number}", _BY: reviewers}
    lines |= {"Policy": str(said.policy), "Nonce": said.nonce}
    trailers = "".join(f"{key}: {value}\n" for key, value in lines.items())
    return f"{said.text}\n\n{format_evidence(about)}\n\n{trailers}"


def require_said(said: Said) -> Said:
    """Return what may be written. Raises `RegistryError`."""
    fault = _fault(said)
    if fault:
        raise RegistryError(f"this cannot be written into a tag: {fault}", fix="say it in plain lines of text")
    return said


def _fault(said: Said) -> str:
    """Why a message may not say this; empty where it may."""
    text, reference = said.text, said.reference
    if not text or text != text.strip() or len(text) > LONGEST:
        return f"the message is no text of 1 to {LONGEST} characters without blanks around it"
    if not all(each.isprintable() or each == "\n" for each in text):
        return "the message holds a character that cannot be printed"
    if text_of(text) != text:
        return "the message holds a line that begins a signature"
    if len(set(said.confirms)) != len(said.confirms) or not all(map(_CONFIRM.fullmatch, said.confirms)):
        return "what is confirmed are no different names of small letters, digits, - and _"
    if said.kind == REQUEST and (said.confirms or reference is not None or said.run is not None):
        return "a request confirms nothing"
    if said.run is not None and not _is_run(said.run):
        return "it names no run of a workflow on GitHub with its environment and reviewers"
    if reference is None:
        return ""
    good = 0 < len(reference) <= _LONGEST_REFERENCE and reference.isprintable() and reference == reference.strip()
    return "" if good else f"the reference is no line of 1 to {_LONGEST_REFERENCE} characters"


def _is_run(run: Run) -> bool:
    place = run.environment
    named = 0 < len(place) <= _LONGEST_REFERENCE and place.isprintable() and place == place.strip()
    logins = {each.lower() for each in run.reviewers}
    people = bool(logins) and len(logins) == len(run.reviewers) and all(map(_LOGIN.fullmatch, run.reviewers))
    return named and people and 0 < run.number < _MOST and _WORKFLOW.fullmatch(run.workflow) is not None


def parse_message(kind: str, message: str) -> Said:
    """Read a message without its signature. Raises `RegistryError` for what `format_message` would not have written."""
    text = text_of(message)
    parts = text.rsplit("\n\n", 2)
    if len(parts) != _PARTS:
        raise RegistryError("the message has no text, evidence and trailers")
    lines = dict(line.split(": ", 1) for line in parts[2].splitlines() if ": " in line)
    policy, nonce = lines.get("Policy", ""), lines.get("Nonce", "")
    if _POLICY.fullmatch(policy) is None or _NONCE.fullmatch(nonce) is None:
        raise RegistryError("the trailers Policy and Nonce are no number and no 16 hex digits")
    confirms = tuple(lines["Confirm"].split(",")) if "Confirm" in lines else ()
    evidence = parse_evidence(parts[1])
    said = Said(kind, parts[0], evidence, int(policy), nonce, confirms, lines.get("Reference"), _run(lines))
    fault = _fault(said)
    if fault or format_message(said) != text:
        raise RegistryError(fault or "the trailers are not what the evidence says, in the one form they have")
    return said


def _run(lines: Mapping[str, str]) -> Run | None:
    number = lines.get("Run", "")
    if _POLICY.fullmatch(number) is None:
        return None  # where one was meant, the message is not what is written
    reviewers = tuple(lines.get(_BY, "").split(","))
    return Run(lines.get("Workflow", ""), lines.get("Environment", ""), int(number), reviewers)


def parse_tag(ref: str, oid: str, kind: str, body: bytes, newest: int) -> Event | BadTag:
    """Judge one tag, as `registry.tags.parse_tag` does those of events."""
    found = parse_note(ref, oid, kind, body, newest)
    return found.event if isinstance(found, Note) else found


def parse_note(ref: str, oid: str, kind: str, body: bytes, newest: int) -> Note | BadTag:
    """Judge one tag: `kind` is its object's type, `body` the tag object, `newest` the latest accepted time.

    Whether the commit it points at is the version's is for whoever knows the version.
    """
    name = parse_ref(ref)
    if name is None:
        return BadTag(
            ref, None, "tag-grammar", f"not {APPROVAL}/ or {REQUEST}/ with the SHA-256 of evidence and a number"
        )
    event = parse_named(TagName("", name[0], None, None, name[2]), ref, oid, kind, body, newest)
    if isinstance(event, BadTag):
        return event._replace(artifact=None)
    try:
        said = parse_message(name[0], event.message)
    except RegistryError as error:
        return BadTag(ref, None, "tag-message", error.what)
    about = said.evidence
    if about.digest != name[1]:
        return BadTag(ref, about.name, "tag-name", f"the evidence inside has the SHA-256 {about.digest}")
    if event.commit != about.commit:
        detail = f"points at {event.commit}, the evidence is about {about.commit}"
        return BadTag(ref, about.name, "tag-target", detail)
    return Note(event._replace(artifact=about.name, version=about.version, stage=about.stage), said)
