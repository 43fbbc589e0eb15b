"""What gates look at, read for many versions at once: of a remote registry by two requests at most.

One brings the trees of the versions' commits (those of the default branch are here where its policy was read), the
other the files that some gate looks at. A version whose link stands in none of the link folders is read by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from registry.api.gatecase import Asked, Linked, above, assembled, bringer, case_of, is_evaluation
from registry.api.project import Project
from registry.api.rules import GROUND
from registry.checks.files import EVALUATIONS, File, in_trees, scripts_at
from registry.checks.listing import about, contract_path, listing
from registry.errors import GitError, RegistryError, Unreachable
from registry.gates.case import Case
from registry.git.batch import Batch
from registry.git.objects import Entry, entries, file_entry, read_commits, sizes
from registry.linkfile import parse_link
from registry.names import in_tag, link_paths
from registry.offline import Offline
from registry.policygates import CardRules, Evaluation, Gate, Interface, License, Metric
from registry.suite import FUNCTIONS, REPORTS

_WHOLE = 1
"""The last of the places where a link may stand is that of a model too."""


class Look(NamedTuple):
    """A version, and the gates that look at it."""

    asked: Asked
    gates: Sequence[Gate]


class _Files(NamedTuple):
    """Which files a version is judged by."""

    link: Entry | None
    """None where no link folder has one."""
    texts: list[Entry]
    ground: list[Entry]


def cases(project: Project, looks: Sequence[Look]) -> list[Case | RegistryError]:
    """What each version is judged by, or why nothing is known of it. Raises `GitError` where git cannot read it."""
    head = looks[0].asked.head
    _bring_trees(project, [each.asked.version.commit for each in looks])
    ground = _ground(project, head)
    chosen = list(_chosen(project, looks, ground))
    functions = [each for path, each in ground.items() if path.startswith(f"{FUNCTIONS}/")]
    measured = any(_measures(gate) for each in looks for gate in each.gates)
    wanted = [entry for one in chosen for entry in (*one.texts, *one.ground) if entry.kind == "blob"]
    wanted += functions if measured else []
    _require_here(project, [each.oid for each in wanted])
    scripts = scripts_at(project.objects, head, FUNCTIONS, bringer(project)) if head and measured else []
    read = in_trees(project.objects, [part for one in chosen for part in (one.texts, one.ground)], bringer(project))
    pairs = zip(read[::2], read[1::2], strict=True)
    return [
        _case(project, look.asked, one.link, texts, found, scripts)
        for look, one, (texts, found) in zip(looks, chosen, pairs, strict=True)
    ]


def _require_here(project: Project, oids: Sequence[str]) -> None:
    """Bring files. What is missing here must not be taken for a file that nobody can read: it would fail a gate."""
    bringer(project)(oids)
    known = sizes(project.objects, oids)
    gone = next((oid for oid in oids if oid not in known), None)
    if gone is not None:
        raise GitError(f"object {gone} is missing", project.where, "fetch the registry again")


def _bring_trees(project: Project, commits: Sequence[str]) -> None:
    if project.mirror is None:
        return
    trees = [each.tree for each in read_commits(project.objects, commits).values()]
    try:
        project.mirror.fetch_objects(trees, filtered="blob:none")
    except Unreachable:
        raise
    except GitError:
        for commit in dict.fromkeys(commits):
            project.tree(commit, [])  # it knows what servers do that give no object by its id


def _ground(project: Project, head: str | None) -> Mapping[str, Entry]:
    """The files of the default branch that some gate may look at."""
    if head is None:
        return {}
    try:
        return entries(project.objects, head, GROUND, deep=True)
    except GitError:
        if project.mirror is None:
            raise
        project.tree(head, [])  # it was not brought yet
        return entries(project.objects, head, GROUND, deep=True)


def _chosen(project: Project, looks: Sequence[Look], ground: Mapping[str, Entry]) -> Iterator[_Files]:
    places = {(look.asked.version.commit, path) for look in looks for path in _paths(look.asked.name)}
    with Batch(project.objects) as batch:
        batch.load({commit for commit, _ in places})
        batch.walk(places)
        for look in looks:
            name, gates = look.asked.name, look.gates
            tree = batch.entries(look.asked.version.commit, _paths(name))
            if tree is None:
                what = f"commit {look.asked.version.commit} of the registry cannot be read"
                raise GitError(what, project.where, "fetch the registry again")
            links = link_paths(name)
            path = next((each for each in links if each in tree), links[-_WHOLE])
            link = tree[path] if path != links[-_WHOLE] else None
            texts = [each for each in tree.values() if _is_read(each, name, gates)]
            texts += [link] if link is not None else []
            yield _Files(link, texts, [each for path, each in ground.items() if _counts(path, name, gates)])


def _paths(name: str) -> list[str]:
    return [*link_paths(name), *(each for path in about(name) for each in above(path))]


def _is_read(entry: Entry, name: str, gates: Sequence[Gate]) -> bool:
    """Whether it is the card or the certificate, or hides one that a gate looks at."""
    card, lineage = about(name)
    carded = any(isinstance(each, (CardRules, License)) for each in gates)
    certified = any(isinstance(each, Metric) for each in gates)
    asked = [*(above(card) if carded else ()), *(above(lineage) if certified else ())]
    return entry.kind != "tree" and entry.path in asked


def _counts(path: str, name: str, gates: Sequence[Gate]) -> bool:
    """Whether a file of the default branch is one that a gate looks at."""
    if any(isinstance(each, Interface) for each in gates) and path in above(contract_path(name)):
        return True
    reports = f"{REPORTS}/{in_tag(name)}/"
    return any(map(_measures, gates)) and (path == EVALUATIONS or is_evaluation(path, reports))


def _measures(gate: Gate) -> bool:
    return isinstance(gate, (Metric, Evaluation))


def _case(
    project: Project, asked: Asked, link: Entry | None, texts: list[File], ground: list[File], scripts: list[File]
) -> Case | RegistryError:
    try:
        if link is None:
            return case_of(project, asked)
        where = f"{project.where}: {asked.version.commit[:7]}"
        file_entry(link, link.path, where)
        file = next(each for each in texts if each.path == link.path)
        linked = Linked(file, parse_link(file.data, f"{where}:{link.path}"))
        return assembled(project, asked, linked, listing(ground), listing(texts), scripts)
    except (GitError, Offline):
        raise
    except RegistryError as error:
        return error
