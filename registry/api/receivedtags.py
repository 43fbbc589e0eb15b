"""The tags of a push, before they count: what no tag of a registry may do, and whether the policy allows what they do.

Tags of the registry's grammar, approvals, requests and the policy's own tags are written once: one that moves or is
deleted is refused, but for what the ledger rejected. A new one is read as everybody reads it later, and judged by
`registry.api.arriving`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from registry.api.accepting import EVENT_REJECTED
from registry.api.arriving import Arrived, judge_tags
from registry.api.grounds import Grounds
from registry.api.weighing import Rejection
from registry.approval import KINDS
from registry.approval import parse_ref as parse_note_ref
from registry.approval import parse_tag as parse_note
from registry.findings import ERROR, Finding
from registry.git.objects import read_all, sizes
from registry.received import Update
from registry.tagrules import shown
from registry.tags import LARGEST, SKEW, BadTag, Event, TagName, parse_name, parse_tag

RULES = ("tag-moved", "tag-deleted")
POLICY = "policy/"
_OWN = re.compile(rb"^tag ([^\n]*)$", re.MULTILINE)


@dataclass
class Tags:
    """The tags of a push, judged."""

    findings: list[Finding] = field(default_factory=list)
    events: dict[str, Event] = field(default_factory=dict)
    """New ones that can be read, by name."""
    arrived: dict[str, Arrived] = field(default_factory=dict)
    """The policy's word on each tag that was judged."""


def judge_pushed(grounds: Grounds, updates: Sequence[Update], recorded: Collection[str] = ()) -> Tags:
    """Judge the tags of a push; `recorded` names those that its ledger entries accept, which may be there already."""
    done = Tags()
    tags = [each for each in updates if each.tag]
    for each in tags:
        done.findings += _written_once(grounds, each)
    done.findings += _read(grounds, [each for each in tags if each.old is None and each.new is not None], done.events)
    present = {event.ref: event for event in grounds.project.scan().events}
    restored = {ref for ref, event in done.events.items() if (entry := grounds.entry(event)) and entry.kind != "reject"}
    unknown = {ref for ref in recorded if ref in present and grounds.entry(present[ref]) is None}
    fresh = (done.events.keys() - restored) | unknown
    if fresh:
        names = {event.artifact for event in (*done.events.values(), *(present[ref] for ref in unknown))}
        known = [event for event in present.values() if event.artifact in names]
        for found in judge_tags(grounds, [*known, *done.events.values()], fresh):
            if found.event.ref not in fresh:
                continue
            done.arrived[found.event.ref] = found
            if not found.accepted:
                done.findings.append(_rejected(found))
    return done


def _written_once(grounds: Grounds, update: Update) -> Iterator[Finding]:
    """That a tag which stands is changed."""
    ref = update.tag
    if update.old is None or not _is_ours(ref):
        return
    said = grounds.recorded.get(ref)
    if update.new is not None:
        what = f"tag {shown(ref)} is {update.old}, the push makes it {update.new}: a tag of the registry never moves"
        yield _finding(0, update, what, "make a new tag: `registry register`, `registry assign`")
    elif said is None or said.kind != "reject" or said.tag_oid != update.old:
        what = f"tag {shown(ref)} stands at {update.old}, the push deletes it: history is only added to"
        yield _finding(1, update, what, "cancel it: `registry deregister`, `registry unassign`, `registry revoke`")


def _is_ours(ref: str) -> bool:
    name = parse_name(ref)
    kinds = tuple(f"{kind}/" for kind in KINDS)
    return not isinstance(name, BadTag) or name.artifact is not None or ref.startswith((*kinds, POLICY))


def _read(grounds: Grounds, updates: Iterable[Update], events: dict[str, Event]) -> Iterator[Finding]:
    """Read new tags into `events`; those that nobody could read are refused."""
    made = {each.new: each for each in updates if each.new is not None}
    place = grounds.project.objects
    known = sizes(place, list(made))
    small = [oid for oid, (kind, size) in known.items() if kind == "tag" and size <= LARGEST]
    bodies = {oid: body for oid, _, _, body in read_all(place, small)}
    found: list[tuple[Update, Event]] = []
    for each in updates:
        kind, size = known.get(each.new or "", ("missing object", 0))
        body = bodies.get(each.new or "")
        if kind == "tag" and body is None:
            kind = f"tag object of {size} bytes"
        judged = _parsed(each, kind, body or b"", grounds.now + SKEW)
        if isinstance(judged, BadTag):
            yield Finding(
                judged.rule, ERROR, f"tag {shown(each.tag)}: {judged.detail}", _AGAIN, judged.artifact, ref=each.tag
            )
        elif judged is not None:
            found.append((each, judged))
    targets = sizes(place, [event.commit for _, event in found])
    for each, event in found:
        kind = targets.get(event.commit, ("missing", 0))[0]
        if kind != "commit":
            yield Finding("tag-target", ERROR, f"tag {shown(event.ref)} points at a {kind}", _AGAIN, ref=each.tag)
        elif not each.tag.startswith(tuple(f"{note}/" for note in KINDS)):
            events[event.ref] = event


_AGAIN = "delete it here (`git tag -d`), and make it with `registry`"


def _parsed(update: Update, kind: str, body: bytes, newest: int) -> Event | BadTag | None:
    """A new tag as everybody will read it; none where it is not ours."""
    ref, oid = update.tag, update.new or ""
    if parse_note_ref(ref) is not None:
        return parse_note(ref, oid, kind, body, newest)
    if _is_ours(ref):
        return None if ref.startswith(POLICY) else parse_tag(ref, oid, kind, body, newest)
    own = _OWN.search(body.partition(b"\n\n")[0])
    name = own[1].decode("utf-8", "replace") if own else ""
    if name != ref and isinstance(parse_name(name), TagName):
        return BadTag(ref, None, "tag-name", f"the ref says {ref!r}, the tag object says {name!r}")
    return None


def _finding(rule: int, update: Update, what: str, fix: str) -> Finding:
    return Finding(RULES[rule], ERROR, what, fix, ref=update.tag)


def _rejected(found: Arrived) -> Finding:
    reasons = found.decision.reasons
    fixes = "; ".join(dict.fromkeys(each.fix for each in reasons))
    message = str(Rejection(found.event, reasons))
    return Finding(EVENT_REJECTED, ERROR, message, fixes, found.event.artifact, ref=found.event.ref)


__all__: Sequence[str] = ["Tags", "judge_pushed"]
