"""Gathering evidence: what an approval of a version for a stage is given on, from git objects alone.

Link, birth certificate and model card are those of the version's commit. Reports of evaluations are those that the
default branch has now, where they judge exactly the bytes that the link pins: they are made after a version, and one
that comes later changes the evidence. A report that cannot be read, or judges something else, is none.
"""

from __future__ import annotations

from hashlib import sha256

from registry.api.accepting import Accepted, accept
from registry.api.links import read_link, unpinned
from registry.api.project import Project
from registry.api.resident import link_of, named
from registry.checks.listing import about
from registry.errors import NotFound, Refused, RegistryError
from registry.evidence import Evidence, section_digest
from registry.git.objects import Entry, entries, read_all, sizes
from registry.linkfile import Link
from registry.names import in_tag, require_artifact, require_stage
from registry.policy import Policy
from registry.state import Version
from registry.strictyaml import LIMIT
from registry.suite import REPORTS
from registry.versions import require as require_version

_FILES = {"100644", "100755", "100664"}


def evidence_of(project: Project, name: str, version: str, stage: str, policy: Policy) -> Evidence:
    """The evidence on a registered version for a stage, of a registry that was brought up to date.

    Raises `NotFound` for an unknown version or stage, and `Refused` where the version's link pins nothing.
    """
    require_stage(stage)
    found = require_registered(accept(project, require_artifact(name)), version)
    return evidence_at(project, name, found.label, found.commit, stage, policy)


def require_registered(accepted: Accepted, version: str) -> Version:
    """A version whose registration is accepted, standing or not. Raises `NotFound`, `Refused`."""
    accepted.require_believed()
    artifact = accepted.artifact
    found = artifact.versions.get(require_version(version))
    if found is None:
        accepted.require_version(version)
    if found is None or not found.registered:
        known = ", ".join(each.label for each in artifact.active_versions()[:5]) or "none"
        what = f"version {version} of {artifact.name!r} is not registered; newest: {known}"
        raise NotFound(what, accepted.where, "see `registry show`")
    return found


def evidence_at(project: Project, name: str, version: str, commit: str, stage: str, policy: Policy) -> Evidence:
    """The same of a version whose commit is known. Raises `NotFound`, `Refused`."""
    asked = policy.stage(stage)
    if asked is None:
        known = ", ".join(policy.stages or ()) or "none"
        raise NotFound(f"the policy has no stage {stage!r}", project.where, f"its stages are {known}")
    digest, link = _link(project, name, commit)
    if link.metafile is None or not link.artifacts:
        said = "the link has no digests of the model's files"
        raise Refused("revision-pinned", said, f"{project.where}: {commit[:7]}", "write it again with `registry link`")
    pins = {each: pin.sha256 for each, pin in link.artifacts.items()}
    card, lineage = about(name)
    texts = project.tree(commit, [card, lineage])
    return Evidence(
        name=name,
        version=version,
        stage=stage,
        commit=commit,
        link=digest,
        metafile=link.metafile.sha256,
        artifacts=pins,
        lineage=_digest(project, texts.get(lineage)),
        card=_digest(project, texts.get(card)),
        reports=_reports(project, name, link.metafile.sha256, pins),
        policy=section_digest(asked),
    )


def _link(project: Project, name: str, commit: str) -> tuple[str, Link]:
    """SHA-256 of the link's file and the link; of a model in the registry itself, of the file that names it."""
    where = f"{project.where}: {commit[:7]}"
    try:
        path, blob, link = read_link(project, name, commit)
    except NotFound:
        found = named(project, name, commit)
        if found is None:
            raise
        path, blob, link = found.by, found.blob, link_of(project, commit, found)
    else:
        if link.pinned is None:
            raise unpinned(link, f"{where}:{path}")
    return sha256(project.blob(blob, LIMIT, f"{where}:{path}")).hexdigest(), link


def _digest(project: Project, entry: Entry | None) -> str | None:
    """SHA-256 of an ordinary file; none where there is none."""
    if entry is None or entry.mode not in _FILES:
        return None
    return sha256(project.blob(entry.oid, LIMIT, f"{project.where}: {entry.path}")).hexdigest()


def _reports(project: Project, name: str, metafile: str, pins: dict[str, str]) -> dict[str, str]:
    """SHA-256 of each report on these bytes, by path."""
    head, folder = project.head(), f"{REPORTS}/{in_tag(name)}"
    if head is None or project.tree(head, [folder]).get(folder) is None:
        return {}
    found = entries(project.objects, head, [folder], deep=True)
    oids = {path: each.oid for path, each in found.items() if each.mode in _FILES and path.endswith(".json")}
    if not oids:
        return {}
    from registry.evaluation import LIMIT as LARGEST
    from registry.evaluation import parse_report

    if project.mirror is not None:
        project.mirror.fetch_objects(oids.values())
    small = [oid for oid, (_, size) in sizes(project.objects, list(oids.values())).items() if size <= LARGEST]
    data = {oid: body for oid, _, _, body in read_all(project.objects, small)}
    told = {}
    for path, oid in oids.items():
        try:
            judged = parse_report(data.get(oid, b""), path).candidate
        except RegistryError:
            continue
        if (judged.name, judged.metafile, dict(judged.artifacts)) == (name, metafile, pins):
            told[path] = sha256(data[oid]).hexdigest()
    return told
