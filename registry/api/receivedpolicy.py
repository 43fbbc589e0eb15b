"""The default branch in a push, before it counts: policy and signers change only under a greater version.

Where `root` of the policy that holds names principals, the change needs their signatures besides: as many as its
threshold, on tags `policy/<version>` (with more than one of them `policy/<version>/<n>`), each on a commit that has
exactly the new `policy.yaml` and `allowed_signers`. Keys are those of the signers' file that holds. The tags are in the
same push, or there already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from registry.api.grounds import Grounds
from registry.api.rooted import Signed, count
from registry.api.rules import SIGNERS, rules_at
from registry.errors import Refused, RegistryError
from registry.findings import ERROR, Finding
from registry.git.objects import read_all
from registry.git.tagscan import read_tags
from registry.policy import PATH
from registry.received import TAGS, Update
from registry.tags import SKEW, BadTag, Event, TagName, parse_named

RULES = ("policy-grows", "policy-valid", "policy-unsigned", "branch-deleted")
_TAG = re.compile(r"policy/([1-9][0-9]{0,9})(?:/([1-9][0-9]{0,8}))?")


def policy_findings(grounds: Grounds, branch: str, updates: Sequence[Update]) -> Iterator[Finding]:
    """What stands against the push, of the default `branch` (a full ref)."""
    for each in updates:
        if each.tag.startswith("policy/") and each.old is None and each.new is not None:
            yield from _tag(each)
    update = next((each for each in updates if each.ref == branch), None)
    if update is None or update.old is None:
        return
    if update.new is None:
        what = "the push deletes the default branch, which holds the policy"
        yield _finding("branch-deleted", what, "choose another default branch first", branch)
        return
    before = grounds.rules
    try:
        after = rules_at(grounds.project, update.new)
        version = after.policy.version
        _ = after.signers
    except Refused as error:
        yield _finding(error.reason, error.what, error.fix, branch)
        return
    if (after.data, after.signers_data) == (before.data, before.signers_data) or before.data is None:
        return
    changed = " and ".join(
        name
        for name, same in ((PATH, after.data == before.data), (SIGNERS, after.signers_data == before.signers_data))
        if not same
    )
    if version <= before.policy.version:
        what = f"{changed} changes, and the policy's version goes from {before.policy.version} to {version}"
        yield _finding("policy-grows", what, f"raise `version` of {PATH} above {before.policy.version}", branch)
    root = before.policy.root
    if root.principals:
        signed = _signed(grounds, updates, version, (after.data, after.signers_data))
        if signed < root.threshold:
            what = f"{changed} changes, signed by {signed} of {root.threshold} of the root's principals"
            tag = f"policy/{version}" if root.threshold == 1 else f"policy/{version}/1"
            fix = f"have {' or '.join(root.principals)} sign the new commit (git tag -s {tag}) and push that along"
            yield _finding("policy-unsigned", what, fix, branch)


def _tag(update: Update) -> Iterator[Finding]:
    if _TAG.fullmatch(update.tag) is None:
        what = f"tag {update.tag!r} is none of the policy's: policy/<version> or policy/<version>/<n>"
        yield _finding("tag-grammar", what, "give it another name", update.tag)


def _signed(grounds: Grounds, updates: Iterable[Update], version: int, files: tuple[bytes | None, bytes | None]) -> int:
    """How many principals of the root signed exactly these files."""
    signers = grounds.rules.signers
    if signers is None:
        return 0
    project, newest = grounds.project, grounds.now + SKEW
    below = [f"{TAGS}policy/{version}"]
    found = [(ref, oid, kind, body) for ref, oid, kind, body in read_tags(project.path, below, project.objects)]
    made = {each.new: each.tag for each in updates if each.new is not None and each.tag.startswith("policy/")}
    found += [(made[name], oid, kind, body) for name, oid, kind, body in read_all(project.objects, made)]
    events: list[Event] = []
    for ref, oid, kind, body in found:
        match = _TAG.fullmatch(ref)
        if match is None or int(match[1]) != version:
            continue
        event = parse_named(TagName("", "policy", None, None, None), ref, oid, kind, body, newest)
        if not isinstance(event, BadTag) and _has(grounds, event.commit, files):
            events.append(event)
    return count(project, Signed(version, grounds.rules, tuple(events)), grounds.rules)


def _has(grounds: Grounds, commit: str, files: tuple[bytes | None, bytes | None]) -> bool:
    try:
        found = rules_at(grounds.project, commit)
    except RegistryError:
        return False
    return (found.data, found.signers_data) == files


def _finding(rule: str, what: str, fix: str, ref: str) -> Finding:
    return Finding(rule, ERROR, what, fix, ref=ref)
