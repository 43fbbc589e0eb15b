"""What a link needs to be pinned, judged from the link alone. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from registry.errors import RegistryError
from registry.git.objects import is_oid, require_revision
from registry.linkfile import Link, Pin

_PIN = re.compile(r"(?:metafile|artifact\..+)\.(sha256|blob)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Pinned(NamedTuple):
    """A link in which every pin stands."""

    rev: str
    commit: str
    """Of MLflow the run's id."""
    metafile: Pin
    artifacts: dict[str, Pin]


def faults(link: Link) -> Iterator[tuple[str, str]]:
    """What is missing or malformed: the key of the link it concerns, and a sentence."""
    if link.project is None:
        yield "project", "it has no project"
    if link.rev is None:
        yield "rev", "it has no rev"
    else:
        yield from _revision(link, link.rev)
    if link.tracked:
        yield from _tracked(link)
    elif link.commit is None:
        found = link.params.get("commit")
        said = "is missing" if found is None else f"is {found[:80]!r}"
        yield "params.commit", f"params.commit {said}, expected 40 hex digits"
    if "metafile.sha256" not in link.params:
        yield "params", "it has no digest of the metafile"
    if not any(key.startswith("artifact.") and key.endswith(".sha256") for key in link.params):
        yield "params", "it has no digest of an artifact"
    for key, value in link.params.items():
        match = _PIN.fullmatch(key)
        if match and match[1] == "sha256" and not _SHA256.fullmatch(value):
            yield f"params.{key}", f"params.{key} is {value[:80]!r}, expected 64 hex digits"
        if match and match[1] == "blob" and not is_oid(value):
            yield f"params.{key}", f"params.{key} is {value[:80]!r}, expected 40 hex digits"


def _tracked(link: Link) -> Iterator[tuple[str, str]]:
    if link.pinned is None:
        expected = "runs/<run id>/… or models/<name>/<version>, and rev the run's id: an alias is no pin"
        yield (
            "path",
            f"path {link.path[:80]!r} with rev {(link.rev or '')[:80]!r} is no pin in MLflow, expected {expected}",
        )
    found = link.params.get("commit")
    if found is not None and link.commit is None:
        yield "params.commit", f"params.commit is {found[:80]!r}, expected 40 hex digits"


def _revision(link: Link, rev: str) -> Iterator[tuple[str, str]]:
    try:
        require_revision(rev)
    except RegistryError:
        yield "rev", f"rev {rev[:80]!r} is no revision"
        return
    if is_oid(rev) and link.commit is not None and rev != link.commit:
        yield "rev", f"rev names commit {rev}, params.commit another: {link.commit}"


def pinned(link: Link) -> Pinned | None:
    """The link's pins; none where `faults` finds any."""
    if any(True for _ in faults(link)) or link.rev is None or link.pinned is None or link.metafile is None:
        return None
    return Pinned(link.rev, link.pinned, link.metafile, dict(link.artifacts))
