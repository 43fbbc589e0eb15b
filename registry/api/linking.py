"""`link`: resolve a revision of a source repository, verify the model there, and write a link that pins it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from registry.api.addressing import source_address
from registry.api.governing import current_policy, require_trusted
from registry.api.modelreading import Model, pins, read_model
from registry.api.project import open_project
from registry.api.writing import registry_root, require_inside, write_file
from registry.cache.transfer import Step
from registry.checks.secrets import credentials
from registry.errors import Refused, RegistryError
from registry.git.source import Revision, Source
from registry.lineage import Certificate, certificate_path, dump
from registry.linkfile import Link, format_link
from registry.names import link_paths, require_artifact
from registry.policy import Policy
from registry.provenance import collect
from registry.stores import source_of
from registry.stores.mlflow import TrackedSource
from registry.urls import file_url


@dataclass(frozen=True)
class Linked:
    """A link that was written."""

    name: str
    path: Path
    """The link file."""
    link: Link
    revision: Revision
    """What the revision named when it was resolved."""
    certificate: Certificate | None = None
    """The birth certificate that was written beside it."""


def link(
    source: str,
    target: str,
    *,
    source_project: str,
    rev: str | None = None,
    project: str | PathLike[str] = ".",
    lineage: bool = True,
    progress: Step | None = None,
) -> Linked:
    """Link the model `source` of the repository `source_project` at `rev` as the artifact `target`.

    Of a tracking server (`mlflow+https://…`) it is `runs/<run id>/<artifact path>` or `models/<name>/<version>`, and
    `rev` the run's id, which may be left out. The revision must be held by a branch or tag; every file's SHA-256 and
    git object id is written into the link. The file is written and never committed. The source must be one that the
    policy of `HEAD` trusts, asked before anything is fetched. `progress` is told how far the reading of each file is:
    its name, bytes so far, bytes in all where known. With `lineage` the model's birth certificate is written too
    (`registry.provenance`). Raises `RegistryError`, `NotFound`, `Refused`; then nothing was written.
    """
    require_artifact(target)
    root = registry_root(project)
    path = root / link_paths(target)[0]
    made = prepare(source, target, root, source_project=source_project, rev=rev, lineage=lineage, progress=progress)
    _require_only(root, target)
    return write_link(root, made, path)


def write_link(root: Path, made: Linked, path: Path) -> Linked:
    """Write a link that was prepared at a path of the registry, and its certificate. Raises as `link`."""
    require_inside(root, path)
    beside = root / certificate_path(made.name)
    require_inside(root, beside)
    before = path.read_bytes() if path.is_file() else None
    write_file(path, format_link(made.link))
    try:
        if made.certificate is not None:
            write_file(beside, dump(made.certificate))
    except RegistryError:
        path.unlink() if before is None else path.write_bytes(before)
        raise
    return replace(made, path=path)


def prepare(
    source: str,
    target: str,
    root: Path,
    *,
    source_project: str,
    rev: str | None,
    lineage: bool,
    progress: Step | None = None,
) -> Linked:
    """The link that `link` would write for the registry at `root`, and nothing is written. Raises as `link`."""
    policy = current_policy(open_project(root))
    opened = _trusted_source(policy, root, source_project, source)
    rev = required_rev(opened, rev)
    revision = opened.resolve(rev)
    _bring_reachable(opened, revision.commit)
    model = read_model(opened, revision.commit, source)
    address = opened.address
    written = Link(
        path=model.path,
        project=file_url(address.text) if address.local else address.text,
        rev=rev,
        params={**commit_of(opened, revision), **pins(opened, revision.commit, model, progress=progress)},
    )
    known = certificate(target, opened, model, written, policy) if lineage else None
    return Linked(target, root / link_paths(target)[0], written, revision, known)


def certificate(target: str, source: Source, model: Model, link: Link, policy: Policy) -> Certificate:
    """The birth certificate of a model that was read at the link's commit, of MLflow at its run.

    Raises `RegistryError`; `Refused` (`secrets`) where a fact of the source carries a credential.
    """
    found = collect(source, str(link.pinned), model, project=str(link.project), revision=str(link.rev), policy=policy)
    for number, kind in credentials(dump(found).encode()):
        raise Refused(
            "secrets",
            f"the source's files carry {kind}, which the birth certificate would say to everybody",
            f"{certificate_path(target)}, line {number}",
            "take it out of the source and revoke it, or link with --no-lineage",
        )
    return found


def _bring_reachable(source: Source, commit: str) -> None:
    source.bring(commit)
    if not source.reaches(commit):
        said = f"no branch or tag of the source holds commit {commit}"
        raise Refused("commit-reachable", said, source.where, "push a tag for it")


def _trusted_source(policy: Policy, root: Path, source_project: str, source: str) -> Source:
    address = source_address(source_project, policy=policy)
    require_trusted(policy, address, str(root))
    return source_of(address, source)


def required_rev(source: Source, rev: str | None) -> str:
    """The revision to link: what was asked for; of MLflow the run's id. Raises `RegistryError`, `Refused`."""
    if rev is None and not isinstance(source, TrackedSource):
        raise RegistryError("no revision is named", source.where, "name a tag of the source with --rev")
    return source.run_id if isinstance(source, TrackedSource) and rev is None else str(rev)


def commit_of(source: Source, revision: Revision) -> dict[str, str]:
    """The commit as the link names it: of MLflow that of the run, where it has one."""
    found = source.commit if isinstance(source, TrackedSource) else revision.commit
    return {"commit": found} if found else {}


def _require_only(root: Path, target: str) -> None:
    wanted, *older = link_paths(target)
    for path in older:
        if (root / path).is_file():
            raise RegistryError(
                f"{target!r} is linked already in an older layout",
                str(root / path),
                f"remove that file; the new one is {wanted}",
            )
