"""What a registry knows of one link: read for a comparison from its own git objects, or from the work tree.

The certificate, the card and the reports are the registry's own files. Only the metafile is the source's: it is brought
and verified as a load would, for the interface and, where nothing else says it, the size; where that cannot be
(no network, an unpinned link, a source that the policy does not trust), the side says so and the rest is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from registry import lineage
from registry.api.bringing import bring_metafile
from registry.api.project import Project
from registry.api.resolving import Read, pinned_by, read_at
from registry.api.writing import registry_root
from registry.card import Card, parse_card
from registry.checks.files import FILE, on_disk
from registry.checks.listing import about as files_about
from registry.checks.listing import artifact_of, listing
from registry.comparison import Side
from registry.errors import NotFound, Refused, RegistryError
from registry.evaluation import Evaluation, parse_report
from registry.git.objects import entries
from registry.lineage import Certificate, parse
from registry.linkfile import Link, parse_link
from registry.metafile import Metafile
from registry.names import in_tag
from registry.policy import Policy
from registry.provenance.described import features, framework, packages
from registry.reportdiff import about
from registry.strictyaml import LIMIT
from registry.suite import REPORTS

WORK_TREE = "working tree"
MOST = 500
"""Most reports of one artifact that are read at a commit: the last by path."""
_NOWHERE = "0" * 40
"""The commit of a link that was not committed yet."""


def side_at(project: Project, name: str, commit: str, side: Side, policy: Policy | None = None) -> Side:
    """The side of a commit; `side` says what it is called. Raises `NotFound` where there is no link and no model."""
    read = read_at(project, name, commit)
    paths = files_about(name)
    found = project.read_at([(commit, path) for path in paths], LIMIT)
    texts = {path: found[commit, path][1] for path in paths if (commit, path) in found}
    places = dict.fromkeys(each for each in (commit, project.head()) if each)
    reports = {path: data for each in places for path, data in reports_at(project, name, each)}
    named = replace(side, commit=commit, link=read.link)
    return _completed(project, name, named, read, texts, reports.items(), policy)


def side_on_disk(project: Project, name: str) -> Side:
    """The side of the work tree, committed or not. Raises `NotFound`, `RegistryError`."""
    root = registry_root(project.address.text)
    here = listing(on_disk(root))
    file = next((each for each in here.links if artifact_of(each.path) == name), None)
    if file is None:
        raise NotFound(f"no link for {name!r} in the work tree", str(root), "link it first: registry link")
    if file.kind != FILE:
        raise Refused("path-contained", f"the link is {file.kind}", str(root / file.path), "make it a plain file")
    read = Read(file.path, "", parse_link(file.data, str(root / file.path)))
    held = (here.card(name), here.lineage(name))
    paths = zip(files_about(name), held, strict=True)
    texts = {path: each.data for path, each in paths if each is not None and each.kind == FILE and each.path == path}
    folder = f"{REPORTS}/{in_tag(name)}/"
    reports = ((each.path, each.data) for each in here.reports if each.kind == FILE and each.path.startswith(folder))
    return _completed(project, name, Side(WORK_TREE, link=read.link), read, texts, reports)


def reports_at(project: Project, name: str, commit: str) -> Iterator[tuple[str, bytes]]:
    """The reports of an artifact's folder at a commit, by path; none of them was read yet."""
    project.tree(commit, [])
    folder = f"{REPORTS}/{in_tag(name)}/"
    tree = entries(project.objects, commit, [folder], deep=True).values()
    kept = [each.path for each in tree if each.mode.startswith("100") and each.path.endswith(".json")][-MOST:]
    found = project.read_at([(commit, path) for path in kept], LIMIT)
    yield from ((path, found[commit, path][1]) for path in kept if (commit, path) in found)


def certificate_of(link: Link, data: bytes | None, where: str) -> Certificate:
    """The certificate of a link. Raises `RegistryError` where there is none, or one of another commit."""
    if data is None:
        raise RegistryError("no birth certificate")
    found = parse(data, where)
    if link.commit is not None and found.commit != link.commit:
        raise RegistryError(f"the birth certificate is of commit {found.commit[:7]}, the link pins {link.commit[:7]}")
    return found


def judging(side: Side, name: str, reports: Iterable[tuple[str, bytes]]) -> tuple[Evaluation, ...]:
    """The reports that are about exactly a side's bytes; one that cannot be read counts for nothing."""
    found = []
    for path, data in reports:
        try:
            report = parse_report(data, path)
        except RegistryError:
            continue  # told by nobody: it is evidence of nothing
        if side.bytes is not None and report.candidate.name == name and about(report.candidate, side.bytes):
            found.append(report)
    return tuple(found)


def _completed(
    project: Project,
    name: str,
    side: Side,
    read: Read,
    texts: Mapping[str, bytes],
    reports: Iterable[tuple[str, bytes]],
    policy: Policy | None = None,
) -> Side:
    card_path, lineage_path = files_about(name)
    side = replace(side, reports=judging(side, name, reports), card=_card(texts.get(card_path), card_path))
    missing = [f"the card cannot be read: {side.card.what}"] if isinstance(side.card, RegistryError) else []
    try:
        side = replace(side, certificate=certificate_of(read.link, texts.get(lineage_path), lineage_path))
    except RegistryError as error:
        what = f"{error.what}: parameters, metrics, data, training and identity are not compared"
        missing.append(what)
    try:
        resolved = pinned_by(project, name, side.commit or _NOWHERE, read, policy)
        metafile = bring_metafile(resolved)
    except RegistryError as error:
        missing.append(f"the metafile cannot be had, so the interface is not compared: {error.what}")
        return replace(side, size=_size(side, None), missing=tuple(missing))
    derived = {} if side.certificate else _derived(metafile, read.link)
    interface, size = metafile.interface, _size(side, metafile)
    return replace(side, derived=derived, interface=interface, size=size, missing=tuple(missing))


def _card(data: bytes | None, path: str) -> Card | RegistryError | None:
    try:
        return None if data is None else parse_card(data, path)
    except RegistryError as error:
        return error


def _derived(metafile: Metafile, link: Link) -> dict[str, dict[str, lineage.Fact]]:
    """What a metafile says of what a certificate holds."""
    path = link.metafile_path
    return {
        lineage.FRAMEWORK: framework(metafile, path, ""),
        lineage.FEATURES: features(metafile.interface, path, ""),
        lineage.ENVIRONMENT: packages(metafile, path, ""),
    }


def _size(side: Side, metafile: Metafile | None) -> int | None:
    """Bytes of all artifacts: as the link says, else as a report counted them, else as the metafile says."""
    pins = side.link.artifacts.values() if side.link else ()
    sizes = [pin.size for pin in pins]
    if sizes and None not in sizes:
        return sum(each or 0 for each in sizes)
    if side.reports:
        return side.reports[0].candidate.size
    said = [each.size for each in metafile.artifacts.values()] if metafile else []
    return sum(each or 0 for each in said) if said and None not in said else None
