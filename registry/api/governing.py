"""The policy of a registry: `policy.yaml` as its default branch has it, which no pull request and no tag can change.

A folder is read at its `HEAD` commit, never from the work tree. What cannot be read is refused: a policy that was
meant to close something must not open it by being broken.
"""

from __future__ import annotations

from registry.api.project import Project
from registry.errors import Refused, RegistryError
from registry.formats import Trust
from registry.git.objects import file_entry
from registry.policy import PATH, Policy, parse_policy
from registry.strictyaml import LIMIT
from registry.urls import Address, file_url


def current_policy(project: Project) -> Policy:
    """The policy that holds now; of a remote registry as its mirror was last brought up to date.

    Raises `Refused` (`policy-valid`) where there is one that cannot be read.
    """
    head = project.head()
    return Policy() if head is None else policy_at(project, head)


def policy_at(project: Project, commit: str) -> Policy:
    """The policy of a commit; the defaults where it has none. Raises `Refused` (`policy-valid`)."""
    where = f"{project.where}: {commit[:7]}:{PATH}"
    entry = project.tree(commit, [PATH]).get(PATH)
    if entry is None:
        return Policy()
    try:
        return parse_policy(project.blob(file_entry(entry, PATH, where).oid, LIMIT, where), where)
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
