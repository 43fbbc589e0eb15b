"""The policy of a registry: `policy.yaml` as its default branch has it, which no pull request and no tag can change.

A folder is read at its `HEAD` commit, never from the work tree. What cannot be read is refused: a policy that was
meant to close something must not open it by being broken. Of a remote registry the newest one that this machine saw is
remembered, and an older one refused (`registry.api.newestpolicy`).
"""

from __future__ import annotations

from registry.api.project import Project
from registry.api.rules import read_rules, rules_at
from registry.errors import Refused
from registry.formats import Trust
from registry.policy import Policy
from registry.urls import Address, file_url


def current_policy(project: Project) -> Policy:
    """The policy that holds now; of a remote registry as its mirror was last brought up to date.

    Raises `Refused`: `policy-valid` where there is one that cannot be read, `policy-older` and `policy-changed` where
    this machine has seen another.
    """
    return read_rules(project).policy


def policy_at(project: Project, commit: str) -> Policy:
    """The policy of a commit; the defaults where it has none. Raises `Refused` (`policy-valid`)."""
    return rules_at(project, commit).policy


def trust_of(policy: Policy, *, signed: bool = False) -> Trust:
    """What the loader admits; `signed` where the events that name the model were accepted with a good signature."""
    found = policy.formats
    return Trust(found.pickle, found.skops_trusted, found.torch_weights_only, signed)


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
