"""Reading tags in bulk: one `for-each-ref` with names only, piped into one `cat-file --batch`.

Object atoms of `for-each-ref` would make one broken tag fail the whole call, so git is asked for names and bodies and
our own parser judges. A tag may name any object: types and sizes are looked at before a body is read, and what tags
point at is asked for afterwards, because a tag's own `type` line can lie.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import IO, NamedTuple

from registry.git.objects import read_all
from registry.git.process import pipeline, reader, run
from registry.names import in_tag
from registry.tags import LARGEST, BadTag, Event, looks_like_event, parse_tag

_PREFIX = len("refs/tags/")
_PATIENCE = 1 << 20
_FORMAT = "%(objectname) %(objecttype) %(objectsize) %(rest)"
_EACH = ("for-each-ref", "--format=%(objectname) %(refname)")


class Scan(NamedTuple):
    """The tags of a repository that could be meant for a registry."""

    events: list[Event]
    bad: list[BadTag]
    refs: list[str]
    """Names of all of them, well-formed or not, without `refs/tags/`."""


class _TooLarge(Exception):
    """A tag names an object too large to read past."""


def patterns_of(artifact: str) -> list[str]:
    """Ref patterns that hold every tag of one artifact; a stage may hold `/`."""
    name = in_tag(artifact)
    return [f"refs/tags/{name}@*", f"refs/tags/{name}#*", f"refs/tags/{name}#*/**"]


class _Place(NamedTuple):
    refs: str | PathLike[str]
    objects: str | PathLike[str]


def scan(
    path: str | PathLike[str], newest: int, artifact: str | None = None, objects: str | PathLike[str] | None = None
) -> Scan:
    """Read the tags of one artifact, or of all; `newest` is the latest accepted tagger time in seconds.

    Raises `GitError` when `path` is no repository.
    """
    patterns = ["refs/tags"] if artifact is None else patterns_of(artifact)
    place = _Place(path, path if objects is None else objects)
    collecting = gc.isenabled()
    gc.disable()
    try:
        try:
            return _checked(place, _read(place, patterns), newest)
        except _TooLarge:
            return _checked(place, _read_small(place, patterns), newest)
    finally:
        if collecting:
            gc.enable()


def read_tags(
    path: str | PathLike[str], patterns: list[str], objects: str | PathLike[str] | None = None
) -> list[tuple[str, str, str, bytes]]:
    """Tags of any grammar by patterns of refs: name, object id, type, and of a small tag object its bytes."""
    place = _Place(path, path if objects is None else objects)
    try:
        return list(_read(place, patterns))
    except _TooLarge:
        return list(_read_small(place, patterns))


def _checked(place: _Place, tags: Iterable[tuple[str, str, str, bytes]], newest: int) -> Scan:
    found = Scan([], [], [])
    for ref, oid, kind, body in tags:
        if not looks_like_event(ref):
            continue
        found.refs.append(ref)
        parsed = parse_tag(ref, oid, kind, body, newest)
        if isinstance(parsed, BadTag):
            found.bad.append(parsed)
        else:
            found.events.append(parsed)
    wrong = _not_commits(place, {event.commit for event in found.events})
    if not wrong:
        return found
    good = []
    for event in found.events:
        if event.commit in wrong:
            detail = f"points at {event.commit}, which is {wrong[event.commit]}"
            found.bad.append(BadTag(event.ref, event.artifact, "tag-target", detail))
        else:
            good.append(event)
    return found._replace(events=good)


def _not_commits(place: _Place, commits: set[str]) -> dict[str, str]:
    if not commits:
        return {}
    asked = "\n".join(commits).encode() + b"\n"
    done = run(place.objects, ["cat-file", "--buffer", "--batch-check=%(objectname) %(objecttype)"], stdin=asked)
    wrong = {}
    for line in done.out.decode().splitlines():
        oid, _, kind = line.partition(" ")
        if kind != "commit":
            wrong[oid] = "missing" if kind == "missing" else f"a {kind}, not a commit"
    return wrong


def _read(place: _Place, patterns: list[str]) -> Iterator[tuple[str, str, str, bytes]]:
    missing = []
    with pipeline(*place, [*_EACH, *patterns], ["cat-file", "--buffer", f"--batch={_FORMAT}"]) as stream:
        readline, read = stream.readline, stream.read
        for line in iter(readline, b""):
            fields = line[:-1].decode("utf-8", "backslashreplace").split(" ")
            if len(fields) != 4:  # noqa: PLR2004 - those named two lines below - "<object> missing"
                missing.append(fields[0])
                continue
            oid, kind, size, ref = fields
            length = int(size)
            if kind == "tag" and length <= LARGEST:
                yield ref[_PREFIX:], oid, kind, read(length + 1)[:-1]
                continue
            if length > _PATIENCE:
                raise _TooLarge
            _skip(stream, length + 1)
            yield ref[_PREFIX:], oid, _kind_of(kind, length), b""
    if missing:
        yield from _absent(place, patterns, set(missing))


def _read_small(place: _Place, patterns: list[str]) -> Iterator[tuple[str, str, str, bytes]]:
    """The same where some tag names a large object: sizes are asked for first, then only small tags are read."""
    small: dict[str, list[str]] = {}
    with pipeline(*place, [*_EACH, *patterns], ["cat-file", "--buffer", f"--batch-check={_FORMAT}"]) as stream:
        for line in stream:
            fields = line[:-1].decode("utf-8", "backslashreplace").split(" ")
            if len(fields) != 4:  # noqa: PLR2004 - those named two lines below
                small.setdefault(fields[0], [])
                continue
            oid, kind, size, ref = fields
            if kind == "tag" and int(size) <= LARGEST:
                small.setdefault(oid, []).append(ref[_PREFIX:])
            else:
                yield ref[_PREFIX:], oid, _kind_of(kind, int(size)), b""
    for oid, _, _, body in read_all(place.objects, [oid for oid, refs in small.items() if refs]):
        for name in small[oid]:
            yield name, oid, "tag", body
    absent = {oid for oid, refs in small.items() if not refs}
    if absent:
        yield from _absent(place, patterns, absent)


def _absent(place: _Place, patterns: list[str], oids: set[str]) -> Iterator[tuple[str, str, str, bytes]]:
    with reader(place.refs, [*_EACH, *patterns]) as stream:
        for line in stream:
            oid, _, ref = line[:-1].decode("utf-8", "backslashreplace").partition(" ")
            if oid in oids:
                yield ref[_PREFIX:], oid, "missing object", b""


def _kind_of(kind: str, size: int) -> str:
    return f"tag object of {size} bytes" if kind == "tag" else kind


def _skip(stream: IO[bytes], length: int) -> None:
    while length > 0:
        length -= len(stream.read(min(length, 1 << 16))) or length


def loose_refs(path: str | PathLike[str]) -> int:
    """How many refs stand in files of their own rather than packed."""
    common = run(path, ["rev-parse", "--git-common-dir"]).out.rstrip(b"\n")
    return sum(len(files) for _, _, files in os.walk(os.path.join(os.fsencode(path), common, b"refs")))
