"""The root of trust: a policy that names `root.principals` gives way only to one that they signed, as in TUF.

Rules: a changed `policy.yaml` or `allowed_signers` takes effect with a signed tag `policy/<version>` (for a threshold
above one with several, `policy/<version>/<n>`: git keeps no tag below another) at a commit that holds exactly these two
files, by `threshold` principals of the root of the policy *before*, with keys of the `allowed_signers` *before*, judged
by now. A machine that missed versions goes from one to the next
(https://theupdateframework.github.io/specification/latest/, 5.3). Until then `policy-unsigned`.

What is trusted first is the first sight, or, with the fingerprints of keys in `REGISTRY_ROOT`, what one of them signed.
The trusted files are remembered on this machine for each remote registry; folders of this machine are not judged. A
lock file names the keys that signed when it was written (`pinned`): what is there must follow from a version that its
root signed with one of them, whatever is remembered here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from registry.cache import remembered
from registry.errors import Refused, RegistryError
from registry.urls import redacted

if TYPE_CHECKING:
    from registry.api.project import Project
    from registry.api.rules import Rules
    from registry.tags import Event

ROOT = "REGISTRY_ROOT"
FORMAT = 1
_REF = re.compile(r"policy/([1-9][0-9]{0,17})(?:/[1-9][0-9]{0,8})?")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_pinned: ContextVar[tuple[str, ...]] = ContextVar("pinned", default=())
_trusted: dict[str, tuple[bytes | None, bytes | None]] = {}
"""The files that this process trusts, by state folder and registry."""


class RootNotRemembered(UserWarning):
    """The trusted policy could not be remembered."""


class Signed(NamedTuple):
    """A version of the policy that somebody tagged."""

    version: int
    rules: Rules
    tags: tuple[Event, ...]


@contextmanager
def pinned(keys: Sequence[str]) -> Iterator[None]:
    """Within the block, a policy must follow from one that a root signed with one of these keys; without any, anyhow.

    Keys are fingerprints, as a lock file has them: what is remembered here is held against them too.
    """
    token = _pinned.set(tuple(keys))
    try:
        yield
    finally:
        _pinned.reset(token)


def root_keys(project: Project, now: Rules) -> tuple[str, ...]:
    """Fingerprints of the root's keys that signed the policy of a remote registry, sorted; none of one without a root.

    The registry was brought up to date.
    """
    root = now.policy.root.principals
    if project.mirror is None or not root:
        return ()
    signed = (each for each in _tagged(project) if _same(each.rules, now))
    found = {
        verdict.fingerprint for each in signed for event, verdict in _good(project, each, now) if event.email in root
    }
    return tuple(sorted(each for each in found if _FINGERPRINT.fullmatch(each)))


def require_rooted(project: Project, now: Rules) -> None:
    """Raise `Refused` (`policy-unsigned`) where the policy of a remote registry is not what its root signed."""
    keys = _pinned.get()
    key = f"{remembered.root()} {project.where} {os.environ.get(ROOT, '')} {' '.join(keys)}"
    files = now.data, now.signers_data
    if _trusted.get(key) == files:
        return
    path = root_file(project.where)
    known = _parse(remembered.recall(path), path, project)
    if keys:
        _require_pinned(project, now, keys)
    if known is None:
        _require_named(project, now)
    elif (known.data, known.signers_data) != files:
        _require_followed(project, known, now)
    if now.policy.root.principals or known is not None:
        _remember(path, project.where, now)
    _trusted[key] = files


def _require_named(project: Project, now: Rules) -> None:
    """Hold the first sight against the keys of `REGISTRY_ROOT`, where that is set."""
    text = os.environ.get(ROOT)
    if text is None:
        return
    keys = {each.strip() for each in text.split(",") if each.strip()}
    if not keys or not all(_FINGERPRINT.fullmatch(each) for each in keys):
        raise RegistryError(
            f"{ROOT} is {text[:120]!r}", fix="name fingerprints of keys, as `ssh-keygen -l` prints them"
        )
    signers = now.signers
    here = [each for each in _tagged(project) if _same(each.rules, now)]
    if signers is not None and any(
        verdict.fingerprint in keys for each in here for _, verdict in _good(project, each, now)
    ):
        return
    what = f"the policy of the default branch is signed by no key of {ROOT}"
    raise _unsigned(project.where, what, now.policy.version)


def _require_pinned(project: Project, now: Rules, keys: Sequence[str]) -> None:
    """Find a version that its root signed with one of the keys, from which one gets to what is there."""
    for each in reversed(_tagged(project)):
        root = each.rules.policy.root.principals
        starts = (
            event.email in root and verdict.fingerprint in keys for event, verdict in _good(project, each, each.rules)
        )
        if any(starts) and _followed(project, each.rules, now)[0]:
            return
    what = f"the policy of the default branch does not follow from one that is signed by {' or '.join(keys)}, as locked"
    raise _unsigned(project.where, what, now.policy.version)


def _require_followed(project: Project, known: Rules, now: Rules) -> None:
    there, trusted = _followed(project, known, now)
    if there:
        return
    root = trusted.policy.root
    what = (
        f"policy.yaml or allowed_signers of the default branch (version {now.policy.version}) is not signed by"
        f" {root.threshold} of {', '.join(root.principals)}, the root of version {trusted.policy.version}"
    )
    raise _unsigned(project.where, what, now.policy.version)


def _followed(project: Project, trusted: Rules, now: Rules) -> tuple[bool, Rules]:
    """Go from what was trusted to what is there, each version signed by the root of the one before; how far it went."""
    if trusted.policy.root.principals:
        for each in _tagged(project):
            root = trusted.policy.root
            if (
                root.principals
                and each.version > trusted.policy.version
                and count(project, each, trusted) >= root.threshold
            ):
                trusted = each.rules
    return _same(trusted, now) or not trusted.policy.root.principals, trusted


def _unsigned(where: str, what: str, version: int) -> Refused:
    fix = (
        f"raise its version, and have the root sign that commit: git tag -s policy/{version}; if it was changed behind"
        f" the root's back, find out by whom. To trust what is there now: registry forget --policy -r {where}"
    )
    return Refused("policy-unsigned", what, where, fix)


def _same(one: Rules, other: Rules) -> bool:
    return (one.data, one.signers_data) == (other.data, other.signers_data)


def count(project: Project, signed: Signed, trusted: Rules) -> int:
    """How many principals of a root signed; one for each key at most."""
    found = {
        verdict.fingerprint: event.email
        for event, verdict in _good(project, signed, trusted)
        if event.email in trusted.policy.root.principals
    }
    return len(set(found.values()))


def _good(project: Project, signed: Signed, by: Rules) -> Iterator[tuple[Event, Any]]:
    """The tags that are signed by their taggers, by the signers' file and the compromised keys of `by`."""
    from registry.api.signatures import verdicts
    from registry.signature import principal_of

    if by.signers is None:
        return
    judged = verdicts(project, signed.tags, by.signers, compromised=by.policy.compromised)
    for event in signed.tags:
        if principal_of(judged[event.oid], event.email) is not None:
            yield event, judged[event.oid]


def _tagged(project: Project) -> list[Signed]:
    """The versions of the policy that have tags, ascending; each commit's files are another one."""
    from registry.api.rules import rules_at
    from registry.git.tagscan import read_tags
    from registry.tags import SKEW, Event, TagName, parse_named

    if project.mirror is not None:
        project.mirror.update(["refs/tags/policy/*"])
    newest = int(time.time()) + SKEW
    found: dict[tuple[int, str], list[Event]] = {}
    for ref, oid, kind, body in read_tags(project.path, ["refs/tags/policy"], project.objects):
        match = _REF.fullmatch(ref)
        if match is None:
            continue
        event = parse_named(TagName("policy", "policy", None, None, None), ref, oid, kind, body, newest)
        if isinstance(event, Event):
            found.setdefault((int(match[1]), event.commit), []).append(event)
    told = []
    for (version, commit), tags in sorted(found.items()):
        try:
            rules = rules_at(project, commit)
            if rules.data is not None and rules.policy.version == version:
                told.append(Signed(version, rules, tuple(tags)))
        except RegistryError:  # a tag at what holds no policy is no reason to stop
            continue
    return told


def root_file(where: str) -> Path:
    """Where the trusted files of a registry are remembered."""
    return remembered.root() / "roots" / f"{hashlib.sha256(redacted(where).encode()).hexdigest()}.json"


def _remember(path: Path, where: str, now: Rules) -> None:
    texts = [None if each is None else each.decode("utf-8", "surrogateescape") for each in (now.data, now.signers_data)]
    told = {"format": FORMAT, "project": redacted(where), "policy": texts[0], "signers": texts[1]}
    data = json.dumps(told, indent=1).encode()
    try:
        remembered.change(path, lambda before: None if before == data else data)
    except remembered.Unwritable as error:
        warnings.warn(f"the trusted policy is not remembered: {error.what}", RootNotRemembered, stacklevel=6)


def _parse(data: bytes | None, path: Path, project: Project) -> Rules | None:
    from registry.api.rules import Rules

    if data is None:
        return None
    try:
        raw = json.loads(data)
        texts = {FORMAT: (raw["policy"], raw["signers"])}[raw["format"]]
        files = [None if each is None else each.encode("utf-8", "surrogateescape") for each in texts]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RegistryError(
            f"what this machine remembers is damaged: {str(error)[:120]}",
            str(path),
            "find out who changed it; without the file the next policy seen is trusted",
        ) from None
    return Rules(project.where, "remembered", files[0], files[1])
