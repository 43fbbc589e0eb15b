"""`link --pull-request`: a link, proposed on a branch of its own with the card and the lineage that belong to it.

What a person has checked out stays as it is, and nothing else of it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from registry.api.companions import companions, labelled, put
from registry.api.linking import Linked, link
from registry.api.writing import registry_root
from registry.checks.listing import about
from registry.git import gh
from registry.git.branch import branch
from registry.hosts import compare_url
from registry.lineage import certificate_path
from registry.names import in_tag, link_paths, require_artifact


@dataclass(frozen=True)
class Proposed:
    """A link that stands on a branch of the remote."""

    linked: Linked
    """Its `path` is relative to the registry's root: the file is on the branch."""
    files: tuple[str, ...]
    """All files of the commit: the link, and the card and lineage that are new or altered here."""
    branch: str
    base: str
    """The branch it is to be merged into."""
    pushed: bool
    """Whether the branch moved; not where it held this very link."""
    pull_request: str | None
    """The pull request's URL, where one is open."""
    compare: str | None
    """The page on which to open it, where the host is known."""
    reason: str
    """Why no pull request was opened."""


def propose(
    source: str,
    target: str,
    *,
    source_project: str,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    lineage: bool = True,
) -> Proposed:
    """Link as `link` does, on the branch `link/NAME` of the remote `origin`, and open a pull request.

    The artifact's birth certificate goes into the same commit, and its card where the work tree has it new or altered;
    without `lineage` the certificate of the work tree, likewise.
    Done again it adds to the same branch and pull request; after a merge it begins anew. Raises as `link`, and
    `GitError` where the remote refuses; then nothing was pushed.
    """
    require_artifact(target)
    root = registry_root(project)
    path = link_paths(target)[0]
    name = f"link/{in_tag(target).replace('/', '+')}"  # `team` and `team/cost` cannot both be branches
    with branch(root, name, path) as work:
        beside = companions(root, target, work.trunk)
        done = link(source, target, source_project=source_project, rev=rev, project=work.folder, lineage=lineage)
        if done.certificate is not None:
            beside.pop(certificate_path(target), None)  # the one here may be of an earlier link
        put(work.folder, beside)
        sent = {*beside, certificate_path(target)} if done.certificate is not None else beside.keys()
        files = (path, *(each for each in about(target) if each in sent))
        title, story = f"Link {target} {done.link.rev}", _story(done, frozenset(files))
        pushed = work.push(files, f"{title}\n\n{story}")
        opened = gh.pull_request(root, name, work.base, title, story)
        linked = Linked(done.name, Path(path), done.link, done.revision)
        pages = (compare_url(remote, work.base, name) for remote in work.remotes)
        compare = next((page for page in pages if page), None)
        return Proposed(linked, files, name, work.base, pushed, opened.url, compare, opened.reason)


def _story(done: Linked, files: frozenset[str]) -> str:
    """What the commit and the pull request say."""
    lines = [f"Source: {done.link.project}", f"Model: {done.link.path}", f"Commit: {done.link.commit or 'none'}"]
    lines += [f"SHA-256 of {name}: {pin.sha256}" for name, pin in done.link.artifacts.items()]
    return "\n".join([*lines, *labelled(done.name, files)])
