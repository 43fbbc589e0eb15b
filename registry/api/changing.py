"""What is judged, and by which rules: a whole registry, or what a change touches.

Of a change everything is read from git objects. Its links are those of the head; the policy, the contracts and the
custom checks are those of the base, so that no pull request relaxes its own gate. A contract comes from the head only
where the base has none. A path is changed where it differs between the head and any merge base of the two; where they
have none (a shallow clone) between head and base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from registry.api.keeping import concerns, moved
from registry.api.project import Project
from registry.api.rules import rules_at
from registry.checks.change import Change, Moved
from registry.checks.custom import FOLDER
from registry.checks.files import File, in_trees, on_disk, scripts_at
from registry.checks.listing import Listing, about, artifact_of, listing
from registry.checks.policy_valid import read
from registry.checks.subject import Subject
from registry.errors import NotFound, Refused, RegistryError
from registry.git.objects import Entry, entries, merge_bases
from registry.git.process import run
from registry.policy import Policy


@dataclass(frozen=True)
class Scope:
    """What is judged, and by which rules."""

    found: Listing
    """The registry that is judged."""
    policy: Policy
    unreadable: RegistryError | None = None
    """Why the policy that should hold cannot be read; then the defaults hold beside this error."""
    scripts: tuple[File, ...] = ()
    """Custom checks."""
    change: Change | None = None
    before: Listing | None = None
    """Of a change: the registry at its base."""
    base: str | None = None
    """Of a change: the commit it is based on."""

    def subjects(self) -> Iterator[Subject]:
        """The links to judge."""
        for file in self.found.links:
            name = artifact_of(file.path)
            contract = self.found.contract(name) if name else None
            card = self.found.card(name) if name else None
            lineage = self.found.lineage(name) if name else None
            if self.change is None or self.before is None:
                yield Subject(file, name, contract, policy=self.policy, card=card, lineage=lineage)
                continue
            changed = file.path in self.change.paths
            proposed = contract if contract and contract.path in self.change.paths else None
            if changed or proposed or (name and not self.change.paths.isdisjoint(about(name))):
                rule = (self.before.contract(name) if name else None) or contract
                yield Subject(
                    file, name, rule, policy=self.policy, changed=changed, proposed=proposed, card=card, lineage=lineage
                )


def scope(project: Project, base: str | None, head: str | None) -> Scope:
    """What to judge. Raises `RegistryError` where the registry or a revision cannot be read."""
    root = work_tree(project) if base is None and head is None else None
    if project.mirror is not None:
        project.refresh_head()
    if base is not None:
        return _between(project, project.resolve(base), project.resolve(head or "HEAD"))
    commit = project.head() if head is None else project.resolve(head)
    found = listing(on_disk(root)) if root is not None else _at(project, commit)
    policy = read(found.policy) if found.policy else Policy()
    known = policy if isinstance(policy, Policy) else Policy()  # told by policy-valid, of which this is the file
    return Scope(found, known, scripts=_scripts(project, commit))


def _between(project: Project, base: str, head: str) -> Scope:
    trees = _Trees(project)
    before, after = trees.listings(base, head)
    starts, now = _starts(trees, base, head), trees.of(head)
    paths = frozenset(path for each in starts for path in _differ(trees.of(each), now))
    policy = read(before.policy) if before.policy else Policy()
    known = policy if isinstance(policy, Policy) else Policy()
    touched = {artifact_of(file.path) for file in (*before.links, *after.links) if file.path in paths}
    return Scope(
        replace(after, suites=before.suites),
        known,
        policy if isinstance(policy, RegistryError) else None,
        _scripts(project, base),
        Change(
            paths,
            tuple(sorted(filter(None, touched))),
            known,
            governed=before.policy is not None,
            policy=after.policy,
            moved=_moved(project, base, head) if any(map(concerns, paths)) else (),
        ),
        before,
        base,
    )


def _moved(project: Project, base: str, head: str) -> tuple[Moved, ...]:
    """What the change does to the stages; nothing where either policy cannot be read, which is told of it."""
    try:
        return moved(project, rules_at(project, base), rules_at(project, head))
    except Refused:
        return ()


class _Trees:
    """Every file of some commits of the registry; each commit is listed once."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._known: dict[str, dict[str, Entry]] = {}

    def of(self, commit: str) -> dict[str, Entry]:
        """The files of a commit by path. Raises `RegistryError` where its trees cannot be had."""
        if commit not in self._known:
            if self.project.mirror is not None:
                self.project.tree(commit, [])  # brings them
            self._known[commit] = entries(self.project.objects, commit, deep=True)
        return self._known[commit]

    def listings(self, *commits: str) -> list[Listing]:
        """What a registry holds for the checks at each of the commits."""
        trees = [self.of(commit).values() for commit in commits]
        return [listing(files) for files in in_trees(self.project.objects, trees, _bringer(self.project))]


def _at(project: Project, commit: str | None) -> Listing:
    return Listing() if commit is None else _Trees(project).listings(commit)[0]


def _starts(trees: _Trees, base: str, head: str) -> list[str]:
    """The commits from which the head is a change."""
    found = merge_bases(trees.project.path, base, head) or [base]
    try:
        for each in found:
            trees.of(each)
    except RegistryError:
        return [base]
    return found


def _differ(before: dict[str, Entry], after: dict[str, Entry]) -> Iterable[str]:
    return (path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def _bringer(project: Project) -> Callable[[Iterable[str]], None]:
    return project.mirror.fetch_objects if project.mirror else lambda _: None


def _scripts(project: Project, commit: str | None) -> tuple[File, ...]:
    if commit is None:
        return ()
    try:
        return tuple(scripts_at(project.objects, commit, FOLDER, _bringer(project)))
    except NotFound:
        return ()


def work_tree(project: Project) -> Path | None:
    """The work tree of a registry in a folder; none of a bare one, or a remote one."""
    if project.mirror is not None:
        return None
    if run(project.path, ["rev-parse", "--is-inside-work-tree"]).out.strip() != b"true":
        return None
    return Path(run(project.path, ["rev-parse", "--show-toplevel"]).out.decode("utf-8", "surrogateescape").rstrip("\n"))
