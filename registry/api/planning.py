"""Plans: which tags an event makes, decided from the artifact as it stands, and what must hold once they stand.

A plan is made anew whenever what it was made from changed; who carries it out is `registry.api.recording`, or under a
policy `registry.api.promoting`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from registry.api.project import Project
from registry.errors import RegistryError
from registry.git.objects import Entry, file_entry
from registry.git.tagscan import Scan
from registry.interfacediff import Demand
from registry.names import link_paths
from registry.state import Artifact, fold_artifact
from registry.tags import ASSIGNMENT, HIGHEST, Event, TagName, format_name, parse_name

if TYPE_CHECKING:
    from registry.api.ledgers import Ledger


LONGEST = 2000
"""Characters of a trailer's text."""


@dataclass(frozen=True)
class Options:
    """What every event command accepts."""

    message: str | None = None
    push: bool = False
    simple: bool | None = None
    """Whether the tag goes without a number: none means as gto, registrations without and assignments with."""
    author: str | None = None
    author_email: str | None = None
    sign: bool | None = None
    """Whether tags are signed: none means as the policy asks, else as the user's git settings say (`tag.gpgSign`)."""
    trailers: Mapping[str, str] = field(default_factory=dict)
    """Further trailers of the tag's message, each of one line."""


@dataclass(frozen=True)
class Terms:
    """What an assignment under a policy may need."""

    override: str | None = None
    """The reason why the policy's rules do not hold; they do where it is None."""
    reference: str | None = None
    """A ticket, where the policy asks for a reference."""
    custom: bool = False
    """Whether the programs in `scripts/checks` of the default branch may run as gates."""


class NewTag(NamedTuple):
    """A tag to be made."""

    ref: str
    commit: str
    message: str


class Plan(NamedTuple):
    """Tags to make, and what must hold once they stand."""

    tags: list[NewTag]
    holds: Callable[[Artifact], bool]
    otherwise: str
    """What would be the case instead."""
    needs: Sequence[Event] = ()
    """Tags these stand on: a push takes along those that the remote has not."""
    why: Demand | None = None
    """What the interface asks of the number of a registration among them, where that was found out."""


@dataclass(frozen=True)
class Snapshot:
    """The artifact as it stands while a plan is made."""

    project: Project
    artifact: Artifact
    scan: Scan
    taken: set[str] = field(default_factory=set)
    """Names of tags that this plan makes already."""
    ledger: Ledger | None = None
    """The ledger as it stands, where events go there."""

    stopped: frozenset[str] = frozenset()
    """Stages that give no answer, such as those whose version was revoked."""

    def beside(self, ledger: Ledger) -> Snapshot:
        """The same, with the ledger."""
        return replace(self, ledger=ledger)

    def holding(self, stage: str) -> tuple[str, str] | None:
        """Label and tag of what was last put into a stage, though it was revoked since: by the ledger, else the tags.

        Raises `Refused` where the ledger cannot be read.
        """
        if self.ledger is not None and self.ledger.head is not None:
            from registry.ledger import event_kind

            entry = self.ledger.state(self.artifact.name, stage=stage)
            put = entry is not None and event_kind(entry) in {"assign", "rollback", "override"}
            if put and entry and entry.tag and entry.version in self.artifact.versions:
                return entry.version, entry.tag
        holder = self.artifact.holder(stage)
        if holder is not None and stage not in self.stopped:
            return holder.version.label, holder.event.ref
        assigned = [event.ref for event in self.artifact.events if (event.stage, event.kind) == (stage, ASSIGNMENT)]
        held = self.artifact.held(stage)
        return (held[-1], assigned[-1]) if held and assigned else None

    @property
    def where(self) -> str:
        """The registry, for messages."""
        return self.project.where

    def resolve(self, revision: str) -> str:
        """The commit a revision names. Raises `NotFound`."""
        return self.project.resolve(revision)

    def given_out(self) -> set[str]:
        """Versions that some tag ever named, cancelled, malformed or displaced ones included."""
        names = (parse_name(ref) for ref in self.scan.refs)
        return {name.version for name in names if isinstance(name, TagName) and name.version}

    def require_model(self, commit: str) -> None:
        """Raise where the commit holds a registry without this artifact; a repository without one may register any."""
        if not self.project.tree(commit, [".mlem", ".mlem.yaml"]):
            return
        name = self.artifact.name
        paths, folder = link_paths(name), name.rpartition(":")[0]
        lists = [f"{folder}/{file}" if folder else file for file in ("artifacts.yaml", "dvc.yaml")]
        found = self.project.tree(commit, [*lists, *paths])
        if any(path in found for path in paths):
            return
        if any(self._mentions(found[path], path) for path in lists if path in found):
            return
        raise RegistryError(
            f"commit {commit[:7]} has no model {name!r}",
            f"{self.where}: {paths[0]}",
            "link it first (`registry link`) and commit the link, or use --force",
        )

    def _mentions(self, file: Entry, path: str) -> bool:
        from registry.annotations import LIMIT, load

        where = f"{self.where}: {path}"
        raw = load(self.project.blob(file_entry(file, path, self.where).oid, LIMIT, where), where)
        names = raw.get("artifacts") if isinstance(raw, dict) and path.endswith("dvc.yaml") else raw
        return isinstance(names, dict) and self.artifact.name.rpartition(":")[2] in names

    def tag(
        self,
        name: TagName,
        commit: str,
        message: str,
        trailers: Mapping[str, str],
        *,
        numbered: bool,
        links: bool = False,
    ) -> NewTag:
        """Compose a tag: its name (numbered where asked for, or where the plain name is taken) and its message."""
        ref = format_name(name)
        if numbered or ref in self.scan.refs or ref in self.taken:
            ref = self._numbered(name)
        self.taken.add(ref)
        lines = dict(trailers)
        if links and (blob := self.link_blob(commit)):
            lines["Link"] = blob
        lines["Nonce"] = secrets.token_hex(8)
        text = "".join(f"{key}: {value}\n" for key, value in lines.items())
        return NewTag(ref, commit, f"{message.rstrip()}\n\n{text}")

    def _numbered(self, name: TagName) -> str:
        """The tag's name with the next number of the artifact, past names that some tag, well-formed or not, has."""
        planned = (parse_name(ref) for ref in self.taken)
        numbers = [
            *(event.number for event in self.artifact.events),
            *(p.number for p in planned if isinstance(p, TagName)),
        ]
        highest = max((number for number in numbers if number), default=0)
        names = (format_name(name._replace(number=number)) for number in range(highest + 1, HIGHEST + 1))
        free = next((ref for ref in names if ref not in self.scan.refs and ref not in self.taken), None)
        if free is None:
            raise RegistryError(
                f"the numbers of {name.artifact!r} are used up: a tag carries #{highest}",
                self.where,
                "delete that tag if nobody meant it (`registry history` shows it), or use --simple true",
            )
        return free

    def link_blob(self, commit: str) -> str | None:
        """Object id of the artifact's link at a commit; none where it has none."""
        paths = link_paths(self.artifact.name)
        found = self.project.tree(commit, paths)
        return next((found[path].oid for path in paths if path in found), None)


Decide = Callable[[Snapshot, Snapshot], Plan]
"""Makes a plan from the present snapshot and the first one of this command."""


class Ask(NamedTuple):
    """One artifact's part of an event, which may concern several at once."""

    name: str
    decide: Decide


def take(project: Project, name: str) -> Snapshot:
    """The artifact as it stands here."""
    found = project.scan(name)
    return Snapshot(project, fold_artifact(name, found.events), found)


def one_line(text: str, what: str) -> str:
    """A text that a trailer may hold. Raises `RegistryError` where it is empty, long or not one printable line."""
    found = text.strip()
    if not found or not found.isprintable() or len(found) > LONGEST:
        raise RegistryError(
            f"the {what} is no printable line of 1 to {LONGEST} characters", fix=f"word the {what} anew"
        )
    return found
