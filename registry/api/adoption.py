"""What taking over another registry did, and what it had to leave out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import NamedTuple

from registry.api.addressing import source_address
from registry.api.governing import current_policy, require_trusted
from registry.api.project import Project
from registry.errors import RegistryError
from registry.lineage import scalar
from registry.stores.mlflow_server import Server
from registry.urls import is_tracked


class LeftOut(NamedTuple):
    """Something that was not taken over."""

    what: str
    reason: str
    fix: str = ""


class Taken(NamedTuple):
    """A version that was registered."""

    source: str
    """As the other registry has it, such as `models/cost/3`."""
    artifact: str
    version: str
    commit: str | None
    """The registry's commit; none where nothing was written."""


class Placed(NamedTuple):
    """A stage that was assigned."""

    source: str
    """The alias or stage that the other registry has."""
    artifact: str
    stage: str
    version: str


@dataclass
class Adopted:
    """What an import did."""

    source: str
    """The other registry."""
    branch: str | None
    """The branch that has the commits; none where a commit is checked out."""
    registered: list[Taken] = field(default_factory=list)
    assigned: list[Placed] = field(default_factory=list)
    known: int = 0
    """Versions that had been taken over before."""
    left_out: list[LeftOut] = field(default_factory=list)

    def leave(self, what: str, error: RegistryError) -> None:
        """Note what cannot be taken over, in the words of an error."""
        where = f" ({error.where})" if "://" in error.where else ""
        told = (what, f"{' '.join(error.what.split())}{where}", error.fix)
        self.left_out.append(LeftOut(*(str(scalar(each)) for each in told)))


def tracking_server(uri: str, project: Project) -> Server:
    """The tracking server at `https://…` (or `mlflow+https://…`), which the policy must trust. Raises `Refused`."""
    policy = current_policy(project)
    text = uri if is_tracked(uri) or "://" not in uri else f"mlflow+{uri}"
    address = source_address(text, policy=policy)
    if not address.tracked:
        raise RegistryError(f"not the URL of a tracking server: {uri[:200]!r}", "", "name it as https://HOST")
    require_trusted(policy, address, project.where)
    return Server(address.text)


def iso(milliseconds: int) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(milliseconds // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
