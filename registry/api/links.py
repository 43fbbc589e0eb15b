"""The link of an artifact at a commit of the registry, and the source that it names."""

from __future__ import annotations

from registry.api.addressing import source_address
from registry.api.project import Project
from registry.errors import NotFound, Refused, RegistryError
from registry.git.objects import Entry, file_entry
from registry.linkfile import Link, parse_link
from registry.names import link_paths
from registry.policy import Policy
from registry.strictyaml import LIMIT
from registry.tags import Event, trailers
from registry.urls import Address


def unpinned(link: Link, where: str) -> Refused:
    """The refusal of a link that does not name one commit of a source."""
    missing = (
        "project" if link.project is None else "rev" if link.rev is None else "run id" if link.tracked else "commit"
    )
    return Refused(
        "revision-pinned",
        f"the link is not pinned: it has no {missing}",
        where,
        "write it again with `registry link … --source-project URL --rev TAG`",
    )


def link_source(link: Link, project: Project, where: str, policy: Policy) -> Address:
    """The link's source; a folder of this machine only where the registry itself is one, relative to it.

    Plain http to another machine only where the policy names it. Raises `NotFound`, `Refused`.
    """
    try:
        base = project.address.text if project.address.local else ""
        address = source_address(link.project or "", base, policy=policy)
    except RegistryError as error:
        error.where = error.where or where
        raise
    if address.local and not project.address.local:
        raise Refused(
            "source-url",
            f"the link names a folder of this machine: {link.project}",
            where,
            "link the source by its URL",
        )
    return address


def read_link(project: Project, name: str, commit: str, event: Event | None = None) -> tuple[str, str, Link]:
    """The link of an artifact at a commit of the registry: its path, git object id and content.

    Raises `NotFound` where the commit has none, `Refused` where it is no ordinary file.
    """
    hint = trailers(event.message).get("Link") if event else None
    paths = link_paths(name)
    found = project.tree(commit, paths, [hint] if hint and len(hint) in {40, 64} and hint.isalnum() else [])
    path = next((each for each in paths if each in found), None)
    where = f"{project.where}: {commit[:7]}"
    if path is None or (path == paths[-1] and _is_model(project, found[path])):
        raise NotFound(
            f"commit {commit[:7]} of the registry has no link for {name!r}",
            where,
            f"link it: {paths[0]}, then register that commit",
        )
    entry = file_entry(found[path], path, where)
    data = project.blob(entry.oid, LIMIT, f"{where}:{path}")
    return path, entry.oid, parse_link(data, f"{where}:{path}")


def _is_model(project: Project, entry: Entry) -> bool:
    from registry.api.resident import is_model  # few registries have a file where both may stand

    return is_model(project, entry)
