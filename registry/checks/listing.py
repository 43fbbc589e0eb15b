"""All links and contracts of a registry by the artifact they belong to, with its policy, cards and lineage.

What stands in a link folder is a link; elsewhere a `*.mlem` file is one where its `object_type` says so (MLEM's models
lie there too), or where it cannot be parsed but looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from registry import strictyaml
from registry.checks.files import CONFIG, CONTRACTS, EVALUATIONS, FILE, LINK_FOLDERS, POLICY, SIGNERS, TEXTS, File
from registry.errors import RegistryError
from registry.lineage import certificate_path
from registry.names import from_tag, in_tag
from registry.suite import PATH, REPORTS

_LAYOUTS = ((".mlem/links/", ".mlem"), (".mlem/link/", ".mlem"), (".mlem/link/", ".mlem.yaml"), ("", ".mlem"))
_TEXTS = tuple(f"{each}/" for each in TEXTS)
_LOOKS = re.compile(rb"object_type[\"']?\s*:\s*[\"']?link\b")


@dataclass(frozen=True)
class Listing:
    """What a registry holds for the checks, sorted by path."""

    links: tuple[File, ...] = ()
    contracts: dict[str, File] = field(default_factory=dict)
    """By path."""
    texts: tuple[File, ...] = ()
    """Cards and lineage."""
    suites: tuple[File, ...] = ()
    """Evaluation suites; of a change those of its base."""
    reports: tuple[File, ...] = ()
    """Reports of evaluations."""
    policy: File | None = None
    """`policy.yaml`, or what stands in its place."""
    signers: File | None = None
    """`allowed_signers`, or what stands in its place."""
    config: File | None = None
    """`.gto`, or what stands in its place."""

    def contract(self, name: str) -> File | None:
        """The contract of an artifact, or what hides it (a symlink in place of one of its folders)."""
        return _standing(self.contracts, contract_path(name))

    def card(self, name: str) -> File | None:
        """The card of an artifact, or what hides it."""
        return _standing(self._texts_by_path, about(name)[0])

    @cached_property
    def _texts_by_path(self) -> dict[str, File]:
        return {file.path: file for file in self.texts}

    def lineage(self, name: str) -> File | None:
        """The birth certificate of an artifact, or what hides it."""
        return _standing(self._texts_by_path, certificate_path(name))


def listing(files: Iterable[File]) -> Listing:
    """Sort files by what they are."""
    links, contracts, texts = [], {}, []
    single = dict.fromkeys((POLICY, SIGNERS, CONFIG))
    suites, reports = [], []
    for file in sorted(files):
        if file.path in single:
            single[file.path] = file
        elif file.path in TEXTS or (file.path.startswith(_TEXTS) and not file.path.endswith(".mlem")):
            texts.append(file)
        elif file.path == CONTRACTS or (file.path.startswith(f"{CONTRACTS}/") and not file.path.endswith(".mlem")):
            contracts[file.path] = file
        elif file.path.startswith(f"{REPORTS}/") and file.path.endswith(".json"):
            reports.append(file)
        elif file.path == EVALUATIONS or PATH.fullmatch(file.path):
            suites.append(file)
        elif is_link(file):
            links.append(file)
    return Listing(tuple(links), contracts, tuple(texts), tuple(suites), tuple(reports), *single.values())


def _standing(files: dict[str, File], path: str) -> File | None:
    """The file at a path, or what stands in place of one of the folders above it."""
    if not files:
        return None
    parts = path.split("/")
    above = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return next((files[each] for each in above if each in files), None)


def contract_path(name: str) -> str:
    """Where the contract of an artifact stands."""
    return f"{CONTRACTS}/{in_tag(name)}.yaml"


def about(name: str) -> tuple[str, ...]:
    """Where the card and the lineage of an artifact stand."""
    return (f"cards/{in_tag(name)}.md", certificate_path(name))


def artifact_of(path: str) -> str | None:
    """The artifact whose link would stand at a path; none where no link can stand there."""
    for prefix, suffix in _LAYOUTS:
        name = path[len(prefix) : -len(suffix)]
        if name and path == f"{prefix}{name}{suffix}":
            return from_tag(name)
    return None


def is_link(file: File) -> bool:
    """Whether a file is, or was meant to be, a link."""
    if not file.plain or file.path.startswith(tuple(f"{each}/" for each in LINK_FOLDERS)):
        return True
    if file.kind != FILE:
        return False
    try:
        root = strictyaml.parse(file.data, file.path)
    except RegistryError:
        return _LOOKS.search(file.data) is not None
    return isinstance(root, dict) and root.get("object_type") == "link"
