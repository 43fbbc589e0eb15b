"""Which links of a registry still lack a version: what a merge brought in.

The question is asked of the state, not of a range of commits: a run of a workflow that was lost or repeated changes
nothing in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from registry.api.accepting import accept_all
from registry.api.project import open_project
from registry.checks.files import at_commit
from registry.checks.listing import artifact_of, listing
from registry.errors import RegistryError
from registry.git.objects import object_ids
from registry.names import is_artifact, link_paths
from registry.tags import REGISTRATION


def unregistered(project: str | PathLike[str] = ".") -> list[str]:
    """Artifacts whose link at HEAD is not the one their newest registration names, cancelled or not; sorted.

    A link whose newest version was cancelled is not offered again: somebody meant that; registrations that the policy
    does not accept are none. Reads the commit, not the work tree. Raises `RegistryError` for a URL: clone it first;
    `Refused` where the policy cannot be read.
    """
    opened = open_project(project)
    if opened.mirror is not None:
        raise RegistryError("changed links are looked for in a folder, not at a URL", opened.where, "clone it first")
    head = opened.head()
    if head is None:
        return []
    found = (artifact_of(file.path) for file in listing(at_commit(opened.objects, head, lambda _: None)).links)
    newest = {name: head for name in found if name and is_artifact(name)}
    now = _links(opened.objects, newest)
    accepted = accept_all(opened, opened.scan())
    for name in newest:
        events = accepted[name].artifact.events if name in accepted else []
        newest[name] = next((event.commit for event in reversed(events) if event.kind == REGISTRATION), "")
    then = _links(opened.objects, {name: commit for name, commit in newest.items() if commit})
    return sorted(name for name in newest if now[name] != then.get(name, ""))


def _links(objects: str | PathLike[str], commits: dict[str, str]) -> dict[str, str]:
    """Object id of each artifact's link at its commit, empty where there is none; one question for all."""
    places = {name: [f"{commit}:{path}" for path in link_paths(name)] for name, commit in commits.items()}
    asked: Sequence[str] = [place for each in places.values() for place in each]
    oids = object_ids(objects, asked)
    return {name: next((oids[place] for place in each if place in oids), "") for name, each in places.items()}
