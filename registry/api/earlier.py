"""The versions that a registry's accepted tags name, brought for the checks that compare a link with them.

Nothing is read until a check asks. Then all is read at once for all links that are judged: the tags in one scan, the
earlier links from the registry's objects, and each source is asked once for all their metafiles, by their pinned blobs.
A metafile is parsed only where it has the SHA-256 that the earlier link pins; what cannot be had has an error in its
place. A link that stands there as it is judged, or pins the same metafile, needs nothing.

Which tags are accepted is for the policy of the default branch, of a change that of its base: none chooses by its own
policy what it is compared with.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from registry.api.project import Project
from registry.api.tagged import Tagged, read_tagged
from registry.checks.files import FILE, File
from registry.checks.listing import is_link
from registry.checks.past import Earlier, Past
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.errors import GitError, NotFound, RegistryError
from registry.linkfile import Link, parse_link
from registry.names import link_paths
from registry.state import Artifact
from registry.stores import source_of
from registry.strictyaml import LIMIT

if TYPE_CHECKING:
    from registry.api.resolving import Resolved
    from registry.interface import Interface

_WORKERS = 8


Place = tuple[str, str]
"""A commit of the registry, and the name of an artifact or the path of a file there."""


class _Version(NamedTuple):
    """A version that one link is compared with."""

    label: str
    commit: str
    stages: tuple[str, ...]
    latest: bool


class _Read(NamedTuple):
    """An earlier link as it was read."""

    path: str
    oid: str
    data: bytes
    link: Link


class Recall:
    """Answers what the tags say of the artifacts of some links; called by the checks, from several threads."""

    def __init__(
        self,
        project: Project,
        subjects: Iterable[Subject],
        wait: Callable[[], object] = lambda: None,
        base: str | None = None,
    ) -> None:
        """`wait` returns once the sources of all these links were asked; `base` is the commit a change is based on."""
        self._project = project
        self._wait = wait
        self._base = base
        self._subjects = [each for each in subjects if each.name is not None]
        self._lock, self._scanning = threading.Lock(), threading.Lock()
        self._known: Mapping[str, Past] | RegistryError | None = None
        self._tags: Tagged | RegistryError | None = None

    def attach(self) -> None:
        """Let the checks of these links ask."""
        for each in self._subjects:
            each.recall = self

    def __call__(self, subject: Subject) -> Past:
        """The versions of the artifact of one of these links. Raises `RegistryError` where no tags can be read."""
        with self._lock:
            if self._known is None:
                try:
                    self._known = self._read()
                except RegistryError as error:
                    self._known = error
        if isinstance(self._known, RegistryError):
            raise self._known
        return self._known[subject.file.path]

    def named(self, subject: Subject) -> object:
        """All by which the past of the artifact of one of these links is known. Raises `RegistryError`."""
        return self._read_tags().named(subject.name or "")

    def _read(self) -> dict[str, Past]:
        self._wait()
        tagged = self._read_tags()
        self._subjects = [each for each in self._subjects if not each.settled]
        names = {each.name or "" for each in self._subjects}
        artifacts, unclear = {name: tagged.artifacts[name] for name in names}, tagged.unclear
        wanted = {each.file.path: _versions(artifacts[each.name or ""]) for each in self._subjects}
        links = self._links(wanted)
        brought = _bring_all(self._needed(wanted, links))
        found = {}
        for each in self._subjects:
            versions = (_earlier(each, version, links, brought) for version in wanted[each.file.path])
            found[each.file.path] = Past(tuple(versions), tagged.tops[each.name or ""], tuple(unclear[each.name or ""]))
        return found

    def _read_tags(self) -> Tagged:
        """What the tags say of the artifacts, as far as it is accepted. Raises `RegistryError`."""
        with self._scanning:  # while a source waits for this, `_read` waits for the source
            if self._tags is None:
                try:
                    names = {each.name or "" for each in self._subjects}
                    governed = any(each.policy.version for each in self._subjects)
                    self._tags = read_tagged(self._project, names, self._base, governed=governed)
                except RegistryError as error:
                    self._tags = error
        if isinstance(self._tags, RegistryError):
            raise self._tags
        return self._tags

    def _links(self, wanted: Mapping[str, Sequence[_Version]]) -> dict[Place, _Read | RegistryError]:
        """The earlier links by commit and name, or why there is none."""
        names = {each.file.path: each.name or "" for each in self._subjects}
        places = dict.fromkeys((version.commit, names[path]) for path, found in wanted.items() for version in found)
        files = self._project.read_at([(commit, link_paths(name)[0]) for commit, name in places], LIMIT)
        older = [each for each in places if (each[0], link_paths(each[1])[0]) not in files]
        files |= self._project.read_at([(commit, path) for commit, name in older for path in link_paths(name)], LIMIT)
        known = {each.file.data: each.parsed for each in self._subjects if isinstance(each.parsed, Link)}
        return {place: self._link(*place, files, known) for place in places}

    def _link(
        self, commit: str, name: str, files: Mapping[Place, tuple[str, bytes]], known: Mapping[bytes, Link]
    ) -> _Read | RegistryError:
        where = f"{self._project.where}: {commit[:7]}"
        paths = link_paths(name)
        path = next((each for each in paths if (commit, each) in files), None)
        if path is None or (path == paths[-1] and not is_link(File(path, FILE, files[commit, path][1]))):
            return NotFound("it has no link, so there is no interface to compare with", where)
        oid, data = files[commit, path]
        try:
            return _Read(path, oid, data, known.get(data) or parse_link(data, f"{where}:{path}"))
        except RegistryError as error:
            return error

    def _needed(
        self, wanted: Mapping[str, Sequence[_Version]], links: Mapping[Place, _Read | RegistryError]
    ) -> Iterator[tuple[Place, Resolved | RegistryError]]:
        """What must be brought, by commit and name; a link that may not be followed gives its error."""
        for each in self._subjects:
            if not wanted[each.file.path]:
                continue
            try:
                sha256 = hashlib.sha256(each.model.data).hexdigest()
            except Unjudged:
                continue
            for version in wanted[each.file.path]:
                commit, name = place = version.commit, each.name or ""
                read = links[place]
                if isinstance(read, RegistryError) or _same(each, read, sha256):
                    continue
                from registry.api.resolving import Read, pinned_by  # a registry without tags needs none of it

                try:
                    yield (
                        place,
                        pinned_by(self._project, name, commit, Read(read.path, read.oid, read.link), each.policy),
                    )
                except RegistryError as error:
                    yield place, error


def _versions(artifact: Artifact) -> tuple[_Version, ...]:
    """The versions that a new one is compared with: the latest release, and what each protected stage holds."""
    latest = artifact.last_release()
    found = {latest.label: latest} if latest else {}
    stages: dict[str, list[str]] = {}
    for stage in sorted(artifact.stages):
        if holder := artifact.holder(stage):
            found.setdefault(holder.version.label, holder.version)
            stages.setdefault(holder.version.label, []).append(stage)
    return tuple(
        _Version(label, version.commit, tuple(stages.get(label, ())), version is latest)
        for label, version in found.items()
    )


def _same(subject: Subject, read: _Read, sha256: str) -> bool:
    """Whether an earlier link is the judged one, or leads to the very metafile."""
    return read.data == subject.file.data or (read.link.metafile is not None and read.link.metafile.sha256 == sha256)


def _earlier(
    subject: Subject,
    version: _Version,
    links: Mapping[Place, _Read | RegistryError],
    brought: Mapping[Place, Interface | RegistryError],
) -> Earlier:
    place = version.commit, subject.name or ""
    read = links[place]
    if isinstance(read, RegistryError):
        return Earlier(version.label, version.stages, version.latest, None, same=False, interface=read)
    found = brought.get(place)
    if found is None:  # nothing to bring: it is the very metafile, or no model was read to compare with
        try:
            found = subject.model.metafile.interface
        except Unjudged as missing:
            found = RegistryError(missing.reason)
    same = read.data == subject.file.data
    return Earlier(version.label, version.stages, version.latest, read.link, same=same, interface=found)


def _bring_all(
    needed: Iterable[tuple[Place, Resolved | RegistryError]],
) -> dict[Place, Interface | RegistryError]:
    """The interfaces, each source asked for all of its metafiles together."""
    found: dict[Place, Interface | RegistryError] = {}
    sources: dict[str, dict[Place, Resolved]] = {}
    for place, each in needed:
        if isinstance(each, RegistryError):
            found[place] = each
        else:
            sources.setdefault(each.source.text, {})[place] = each
    if sources:
        with ThreadPoolExecutor(_WORKERS) as pool:
            for some in pool.map(_bring, sources.values()):
                found |= some
    return found


def _bring(wanted: Mapping[Place, Resolved]) -> dict[Place, Interface | RegistryError]:
    """The interfaces of one source; once it cannot be reached it is not asked again."""
    from registry.api.loading import bring_metafile
    from registry.cache.files import kept

    missing = [each for each in wanted.values() if kept(each.metafile.sha256) is None]
    if len(missing) > 1:
        with suppress(GitError):  # one that it lacks fails all: then each is asked for by itself
            source_of(missing[0].source, missing[0].link.path).bring_blobs(
                [each.metafile.blob for each in missing if each.metafile.blob]
            )
    found: dict[Place, Interface | RegistryError] = {}
    gone: GitError | None = None
    for place, each in wanted.items():
        if gone is not None and kept(each.metafile.sha256) is None:
            found[place] = gone
            continue
        try:
            found[place] = bring_metafile(each).interface
        except GitError as error:
            found[place] = gone = error
        except RegistryError as error:
            found[place] = error
    return found
