"""The policy of a registry: `policy.yaml` as its default branch has it, which no pull request and no tag can change.

A folder is read at its `HEAD` commit, never from the work tree. What cannot be read is refused: a policy that was
meant to close something must not open it by being broken. Of a remote registry the newest one that this machine saw is
remembered, and an older one refused (`registry.api.newestpolicy`).
"""

from __future__ import annotations

from registry.api.newestpolicy import require_newest
from registry.api.project import Project
from registry.errors import Refused, RegistryError
from registry.formats import Trust
from registry.git.objects import file_entry
from registry.policy import PATH, Policy, parse_policy
from registry.strictyaml import LIMIT
from registry.urls import Address, file_url


def current_policy(project: Project) -> Policy:
    """The policy that holds now; of a remote registry as its mirror was last brought up to date.

    Raises `Refused`: `policy-valid` where there is one that cannot be read, `policy-older` and `policy-changed` where
    this machine has seen another.
    """
    head = project.head()
    data = None if head is None else _file_at(project, head)
    policy = Policy() if head is None or data is None else _parsed(data, _where(project, head))
    require_newest(project, policy.version, data)
    return policy


def policy_at(project: Project, commit: str) -> Policy:
    """The policy of a commit; the defaults where it has none. Raises `Refused` (`policy-valid`)."""
    data = _file_at(project, commit)
    return Policy() if data is None else _parsed(data, _where(project, commit))


def _where(project: Project, commit: str) -> str:
    return f"{project.where}: {commit[:7]}:{PATH}"


def _file_at(project: Project, commit: str) -> bytes | None:
    where = _where(project, commit)
    entry = project.tree(commit, [PATH]).get(PATH)
    if entry is None:
        return None
    try:
        return project.blob(file_entry(entry, PATH, where).oid, LIMIT, where)
    except RegistryError as error:
        raise Refused("policy-valid", error.what, error.where or where, error.fix) from None


def _parsed(data: bytes, where: str) -> Policy:
    try:
        return parse_policy(data, where)
    except RegistryError as error:
        raise Refused("policy-valid", error.what, error.where or where, error.fix) from None


def trust_of(policy: Policy) -> Trust:
    """What the loader admits. No chain counts as signed: signatures are not verified yet."""
    found = policy.formats
    return Trust(found.pickle, found.skops_trusted, found.torch_weights_only)


def spellings(address: Address) -> tuple[str, ...]:
    """The ways in which a policy may name an address: a folder of this machine also as a `file://` URL."""
    return (address.text, file_url(address.text)) if address.local else (address.text,)


def require_trusted(policy: Policy, address: Address, where: str) -> None:
    """Raise `Refused` (`source-trusted`) for a source that the policy does not name."""
    if not policy.trusts(*spellings(address)):
        raise Refused(
            "source-trusted",
            f"the source {address} is none of the policy's trusted_sources",
            where,
            "link a trusted source, or have trusted_sources in policy.yaml changed",
        )
