"""Birth certificates of what is registered: one walked back to its data, and all searched for what they have in common.

A certificate is read where the version's tag points, from the registry's own objects; the source is not asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING

from registry import lineage
from registry.api.accepting import accept_all
from registry.api.project import Project, open_project
from registry.errors import NotFound, RegistryError
from registry.lineage import Certificate, certificate_path, dump, parse
from registry.strictyaml import LIMIT

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

    from registry.api.consuming import Unread, Use
    from registry.trail import Row

Where = str | PathLike[str]
Match = Callable[[bytes], "str | None"]
"""Says which fact of a certificate, as `dump` writes it, is meant; none where none is."""

_SHORTEST = 7
_HEX = re.compile(r"[0-9a-f]+")
_BEGINS = b'{\n "breaks": ['
_SECTION, _NAME, _VALUE = b'\n  "', b'\n   "', b'\n    "value": '
"""How a section, a fact and a scalar value begin in what `dump` writes: no text of it holds a line break."""


@dataclass(frozen=True)
class Lineage:
    """The certificate of one version."""

    name: str
    version: str | None
    stages: tuple[str, ...]
    """The stages that hold it now."""
    commit: str
    """The registry's commit."""
    certificate: Certificate
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of the model's files, as the link pins them, by the name that the metafile gives them."""
    decisions: tuple[Row, ...] = ()
    """Who registered it, approved it and put it where it runs, oldest first, as `registry.audit` tells; what nobody
    accepted is not among them."""


@dataclass(frozen=True)
class Touched:
    """A version that was made with what was asked for."""

    name: str
    version: str
    active: bool
    """Whether its registration was not cancelled."""
    stages: tuple[str, ...]
    """The stages that it is in now."""
    commit: str
    """The registry's commit."""
    facts: tuple[str, ...]
    """Which facts of the certificate say so."""
    uses: tuple[Use, ...] = ()
    """Who runs it, by the committed lock files of the registry's consumers."""


@dataclass(frozen=True)
class Impact:
    """What was made with something."""

    touched: list[Touched]
    """By name, oldest version first."""
    versions: int
    """How many versions there are."""
    uncertified: list[str] = field(default_factory=list)
    """Versions (`NAME@V`) of which nothing is known: without a certificate, or with one that cannot be read."""
    unread: list[Unread] = field(default_factory=list)
    """Consumers whose lock file cannot be read."""


def lineage_of(text: str, project: Where = ".") -> Lineage:
    """The certificate of `NAME`, `NAME@V` or `NAME#STAGE`, its latest version by default.

    Raises as `resolve`; `NotFound` where the version has none.
    """
    from registry.api.resolving import resolve  # it costs 150 ms, and `impact` does without
    from registry.api.trails import audit

    name, mark, rest = _split(text)
    found = resolve(name, stage=rest if mark == "#" else None, version=rest if mark == "@" else None, project=project)
    opened = open_project(project)
    path = certificate_path(found.name)
    where = f"{opened.where}: {found.commit[:7]}:{path}"
    read = opened.read_at([(found.commit, path)], LIMIT)
    if (found.commit, path) not in read:
        raise NotFound(
            f"{found.name} {found.version or found.commit[:7]} has no birth certificate",
            where,
            "link it again with `registry link`, which writes one, and register that",
        )
    certificate = parse(read[found.commit, path][1], where)
    pins = {key: pin.sha256 for key, pin in found.artifacts.items() if pin.sha256}
    rows = audit(project, model=found.name).rows if found.version else ()
    decisions = tuple(each for each in rows if each.version == found.version and each.is_decision)
    return Lineage(found.name, found.version, found.stages, found.commit, certificate, pins, decisions)


def impact(
    project: Where = ".",
    *,
    data: str | None = None,
    data_md5: str | None = None,
    commit: str | None = None,
    source: str | None = None,
    requirement: str | None = None,
    consumers: bool = True,
) -> Impact:
    """Every version, the stages it is in and who runs it, whose certificate has all that is asked for.

    `data` is a SHA-256 (`sha256:…` or hex), `commit` at least seven digits, `requirement` such as `numpy<2`. All tags
    are read in one scan, all certificates in one batch, and of `consumers` their lock files. Raises `RegistryError`.
    """
    asked = [
        _digest(data, "sha256", 64) if data is not None else None,
        _digest(data_md5, "md5", 32) if data_md5 is not None else None,
        _commit(commit) if commit is not None else None,
        _source(source) if source is not None else None,
        _requirement(requirement) if requirement is not None else None,
    ]
    wanted = [each for each in asked if each is not None]
    if not wanted:
        raise RegistryError("nothing is asked for", "", "name data, a commit, a source or a requirement")
    opened = open_project(project)
    opened.refresh(head=True)
    found = _searched(opened, wanted)
    return _with_uses(opened, found) if consumers and found.touched else found


def _with_uses(project: Project, found: Impact) -> Impact:
    """The same with who runs it; a registry without consumers pays for one look at a file."""
    from registry.consumers import FILE

    if project.config_file(FILE, LIMIT) is None:
        return found
    from registry.api.consuming import consumers_of, uses

    commits = {(each.name, each.version): each.commit for each in found.touched}
    used, unread = uses(project, consumers_of(project), commits)
    by: dict[tuple[str, str], list[Use]] = {}
    for use in used:
        by.setdefault((use.name, use.version), []).append(use)
    touched = [replace(each, uses=tuple(by.get((each.name, each.version), ()))) for each in found.touched]
    return replace(found, touched=touched, unread=unread)


def _searched(project: Project, wanted: list[Match]) -> Impact:
    artifacts = {name: each.artifact for name, each in accept_all(project, project.scan()).items()}
    versions = [(a, v) for _, a in sorted(artifacts.items()) for v in a.versions.values() if v.registered]
    newest = sorted(versions, key=lambda each: -each[1].events[0].time)  # as git packs what changes, so it unpacks once
    oids = project.blobs_at(list({(v.commit, certificate_path(a.name)): None for a, v in newest}), LIMIT)
    known = {oid: _matched(data, wanted) for oid, data in project.blobs(oids.values())}
    touched, uncertified = [], []
    for artifact, version in versions:
        oid = oids.get((version.commit, certificate_path(artifact.name)))
        facts = known.get(oid) if oid is not None else None
        if facts is None:
            uncertified.append(f"{artifact.name}@{version.label}")
        elif facts:
            stages = tuple(s for s in sorted(artifact.stages) if (h := artifact.holder(s)) and h.version is version)
            touched.append(Touched(artifact.name, version.label, version.active, stages, version.commit, facts))
    return Impact(touched, len(versions), uncertified)


def _matched(data: bytes, wanted: Iterable[Match]) -> tuple[str, ...] | None:
    """What a certificate says of all that is wanted; nothing where it lacks one; none where it cannot be read.

    Looked up in the lines that `dump` writes, since parsing thousands takes seconds; others are written anew first.
    """
    if not data.startswith(_BEGINS):
        try:
            data = dump(parse(data, "")).encode()
        except RegistryError:
            return None
    found = []
    for match in wanted:
        said = match(data)
        if said is None:
            return ()
        found.append(said)
    return tuple(found)


def _value(data: bytes, section: str, name: str) -> str | None:
    """The text of a scalar fact."""
    begin = data.find(f'\n  "{section}": {{\n'.encode())
    at = data.find(f"\n   {json.dumps(name, ensure_ascii=False)}: {{\n".encode(), begin)
    if min(begin, at) < 0 or at > data.find(b"\n  }", begin):
        return None
    at = data.find(_VALUE, at)
    line = data[at + len(_VALUE) : data.find(b"\n", at + 1)]
    return str(json.loads(line)) if at > 0 and line[:1] == b'"' else None


def _digest(text: str, kind: str, length: int) -> Match:
    digest = text.removeprefix(f"{kind}:").lower().removesuffix(".dir")
    if not _HEX.fullmatch(digest) or len(digest) != length:
        raise RegistryError(f"not a digest: {text[:80]!r}", "", f"write {kind}: and {length} hex digits")
    line = re.compile(rf'\n     "{kind}": "{digest}(?:\.dir)?"'.encode())

    def match(data: bytes) -> str | None:
        found = line.search(data)
        return _place(data, found.start()) if found else None

    return match


def _place(data: bytes, at: int) -> str:
    """The section and the name of the fact that a line belongs to."""
    lines = [data[(start := data.rfind(mark, 0, at)) + 1 : data.find(b"\n", start + 1)] for mark in (_SECTION, _NAME)]
    return " ".join(str(json.loads(line.rpartition(b": {")[0])) for line in lines)


def _commit(text: str) -> Match:
    commit = text.lower()
    if not _HEX.fullmatch(commit) or len(commit) < _SHORTEST:
        raise RegistryError(f"not a commit: {text[:80]!r}", "", f"write at least {_SHORTEST} hex digits")
    line = f'\n "commit": "{commit}'.encode()

    def match(data: bytes) -> str | None:
        if line in data:
            return "identity commit"
        run = _value(data, lineage.TRACKING, "mlflow.commit")
        return "tracking mlflow.commit" if run is not None and run.startswith(commit) else None

    return match


def _source(text: str) -> Match:
    wanted = _plain(text)

    def match(data: bytes) -> str | None:
        said = _value(data, lineage.IDENTITY, "source")
        return "identity source" if said is not None and _plain(said) == wanted else None

    return match


def _plain(url: str) -> str:
    return url.rstrip("/").removesuffix(".git")


def _requirement(text: str) -> Match:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text)
    except InvalidRequirement as error:
        raise RegistryError(f"not a requirement: {str(error).splitlines()[0][:200]}", "", "write 'numpy<2'") from None
    name = f"package:{re.sub(r'[-_.]+', '-', wanted.name).lower()}"
    known: dict[str | None, bool] = {None: False}

    def match(data: bytes) -> str | None:
        version = _value(data, lineage.ENVIRONMENT, name)
        if version not in known and version is not None:
            known[version] = _holds(wanted.specifier, version)
        return f"environment {name} {version}" if known[version] else None

    return match


def _holds(range_: SpecifierSet, version: str) -> bool:
    from packaging.version import InvalidVersion

    try:
        return range_.contains(version, prereleases=True)
    except InvalidVersion:
        return False


def _split(text: str) -> tuple[str, str, str]:
    for mark in "#@":
        name, found, rest = text.partition(mark)
        if found:
            return name, mark, rest
    return text, "", ""
