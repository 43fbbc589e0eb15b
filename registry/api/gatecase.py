"""What gates look at, read from a registry's objects: `registry.gates.case.Case`.

Of the default branch only what concerns the artifact is read. What the stage holds is read like the version itself; its
metafile is brought only when a gate asks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from registry.api.asking import open_source
from registry.api.checking import catalogue
from registry.api.earlier import Recall
from registry.api.governing import require_trusted
from registry.api.links import link_source, read_link
from registry.api.loading import bring, bring_metafile
from registry.api.project import Project
from registry.api.resident import link_of, named
from registry.api.resolving import pinned_at
from registry.checks import Check
from registry.checks.custom import FOLDER, from_files, from_packages
from registry.checks.files import CONTRACTS, EVALUATIONS, FILE, File, in_trees, scripts_at
from registry.checks.listing import Listing, about, contract_path, listing
from registry.checks.past import Earlier, Past
from registry.checks.subject import Subject
from registry.errors import NotFound, RegistryError
from registry.gates.case import Bytes, Case, Holder
from registry.git.objects import entries
from registry.linkfile import Link, format_link
from registry.names import in_tag, link_paths
from registry.policy import Policy
from registry.state import Version
from registry.strictyaml import LIMIT
from registry.suite import FUNCTIONS, PATH, REPORTS
from registry.urls import file_url


class Asked(NamedTuple):
    """Which version is to enter which stage, and what counts as the default branch."""

    name: str
    version: Version
    stage: str
    holds: Version | None
    """What the stage holds."""
    policy: Policy
    head: str | None
    custom: bool
    """Whether programs of the registry may run."""


class Linked(NamedTuple):
    """A link as it was read, or as if one had been written for a model in the registry itself."""

    file: File
    link: Link


def case_of(project: Project, asked: Asked) -> Case:
    """Read it. Raises `NotFound` where the version's commit has no model, `RegistryError` where it cannot be read."""
    linked = _linked(project, asked.name, asked.version.commit)
    ground, texts = _listings(project, asked.name, asked.head, asked.version.commit)
    return assembled(project, asked, linked, ground, texts, _scripts(project, asked, FUNCTIONS))


def assembled(
    project: Project, asked: Asked, linked: Linked, ground: Listing, texts: Listing, functions: Iterable[File]
) -> Case:
    """The same of what was read: the link, the default branch, card and lineage, and metric functions."""
    name, commit = asked.name, asked.version.commit
    subject = Subject(
        linked.file,
        name,
        ground.contract(name),
        policy=asked.policy,
        card=texts.card(name),
        lineage=texts.lineage(name),
    )
    Recall(project, [subject]).attach()
    return Case(
        name=name,
        version=asked.version.label,
        stage=asked.stage,
        link=linked.link,
        subject=subject,
        ground=ground,
        functions={each.path: hashlib.sha256(each.data).hexdigest() for each in functions if each.kind == FILE},
        holder=_holder(project, asked, linked),
        ask=partial(_ask, project),
        files=lambda: bring(pinned_at(project, name, commit, None, None, None)).files,
        checks=partial(_checks, project, asked),
    )


def _linked(project: Project, name: str, commit: str) -> Linked:
    try:
        path, oid, link = read_link(project, name, commit)
    except NotFound:
        found = named(project, name, commit)
        if found is None:
            raise
        text = project.address.text
        where = file_url(text) if project.address.local else text
        made = replace(link_of(project, commit, found), project=where, rev=commit)
        return Linked(File(link_paths(name)[0], FILE, format_link(made).encode()), made)
    return Linked(File(path, FILE, project.blob(oid, LIMIT, f"{project.where}: {commit[:7]}:{path}")), link)


def _listings(project: Project, name: str, head: str | None, commit: str) -> tuple[Listing, Listing]:
    """What the default branch has for the artifact, and the card and lineage of the version's commit."""
    tree = project.tree(commit, [each for path in about(name) for each in above(path)]).values()
    texts = [each for each in tree if each.kind != "tree"]
    ground = []
    if head is not None:
        project.tree(head, [])  # brings its trees, of a remote registry
        found = entries(project.objects, head, [EVALUATIONS, CONTRACTS], deep=True).values()
        wanted = {EVALUATIONS, *above(contract_path(name))}
        reports = f"{REPORTS}/{in_tag(name)}/"
        ground = [each for each in found if each.path in wanted or is_evaluation(each.path, reports)]
    one, other = in_trees(project.objects, [ground, texts], bringer(project))
    return listing(one), listing(other)


def is_evaluation(path: str, reports: str) -> bool:
    """Whether a file is a suite, or a report below a folder."""
    return PATH.fullmatch(path) is not None or path.startswith(reports)


def above(path: str) -> Iterator[str]:
    """A path, and the folders above it, in whose place a symlink may stand."""
    parts = path.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts) + 1))


def _scripts(project: Project, asked: Asked, folder: str) -> list[File]:
    if asked.head is None:
        return []
    return scripts_at(project.objects, asked.head, folder, bringer(project))


def bringer(project: Project) -> Callable[[Iterable[str]], None]:
    """Brings objects of a registry by id, where it is remote."""
    return project.mirror.fetch_objects if project.mirror else lambda _: None


def _ask(project: Project, subject: Subject) -> None:
    """Ask the source of a link, where the policy trusts it."""
    if isinstance(subject.parsed, RegistryError) or subject.parsed.project is None:
        return
    try:
        address = link_source(subject.parsed, project, subject.file.path, subject.policy)
        require_trusted(subject.policy, address, subject.file.path)
    except RegistryError as error:
        subject.opened = error
        return
    open_source(project, subject)


def _checks(project: Project, asked: Asked) -> Mapping[str, Check]:
    """Every check of a link; no other takes the id of one that is built in."""
    from registry.checks.builtin import LINK_CHECKS

    own = [*from_packages(), *from_files(_scripts(project, asked, FOLDER), run=asked.custom)]
    builtin = catalogue()
    return {each.id: each for each in (*(each for each in own if each.id not in builtin), *LINK_CHECKS)}


def _holder(project: Project, asked: Asked, linked: Linked) -> Holder | None:
    version = asked.holds
    if version is None:
        return None
    try:
        held: Linked | RegistryError = _linked(project, asked.name, version.commit)
    except RegistryError as error:
        held = error
    found = None if isinstance(held, RegistryError) else Bytes.of(held.link)
    return Holder(version.label, found, partial(_past, project, asked, version, held, linked))


def _past(project: Project, asked: Asked, version: Version, held: Linked | RegistryError, linked: Linked) -> Past:
    """What the stage holds, as the checks compare with it."""
    stages = (asked.stage,)
    if isinstance(held, RegistryError):
        return Past((Earlier(version.label, stages, latest=False, link=None, same=False, interface=held),))
    same = held.file.data == linked.file.data
    if same:
        return Past()
    try:
        interface = bring_metafile(pinned_at(project, asked.name, version.commit, None, None, None)).interface
    except RegistryError as error:
        return Past((Earlier(version.label, stages, latest=False, link=held.link, same=False, interface=error),))
    return Past((Earlier(version.label, stages, latest=False, link=held.link, same=False, interface=interface),))
