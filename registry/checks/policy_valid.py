"""`policy-valid`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.change import Change
from registry.checks.files import FILE, POLICY, File
from registry.checks.listing import Listing
from registry.checks.subject import line_of, said
from registry.errors import RegistryError
from registry.findings import ERROR, WARNING, Finding
from registry.policy import Policy, parse_policy


class PolicyValid:
    """A key under a misspelt name would close nothing; a policy that cannot be read would refuse every load."""

    id = "policy-valid"
    sentence = "Where policy.yaml stands, it is strict YAML of a known format without unknown keys."
    severity = ERROR
    remedy = "correct policy.yaml; docs/policy.md lists its keys"

    def run(self, listing: Listing) -> Iterator[Finding]:
        """One error where it cannot be read, else one warning for each key that means nothing."""
        if listing.policy is not None:
            found = read(listing.policy)
            if isinstance(found, RegistryError):
                message = f"the policy cannot be read: {said(found)}"
                yield Finding(self.id, ERROR, message, found.fix or self.remedy, path=POLICY, line=line_of(found))
                return
            for each in found.unknown:
                message = f"unknown key {each.key[:80]!r}: nothing obeys it"
                yield Finding(self.id, WARNING, message, self.remedy, path=POLICY, line=each.line or None)


class PolicyGrows:
    """The same of a change: each content of the policy has a number of its own, so nobody can bring an old one back."""

    id = PolicyValid.id
    sentence = PolicyValid.sentence
    severity = ERROR
    remedy = "raise `version` in policy.yaml with every change of the file"

    def run(self, change: Change) -> Iterator[Finding]:
        """One finding where the policy is another and its version is not greater, or it is gone."""
        if POLICY not in change.paths or not change.governed:
            return
        if change.policy is None:
            yield Finding(self.id, ERROR, "the change removes the policy", "keep policy.yaml", path=POLICY)
            return
        after = read(change.policy)
        if isinstance(after, Policy) and after.version <= change.before.version:
            message = (
                f"the policy changes and its version is {after.version}, expected more than {change.before.version}"
            )
            yield Finding(self.id, ERROR, message, self.remedy, path=POLICY)


def read(file: File) -> Policy | RegistryError:
    """The policy in a file, or why there is none."""
    if file.kind != FILE:
        return RegistryError(f"{POLICY} is {file.kind}", POLICY, "make it a plain file")
    try:
        return parse_policy(file.data, POLICY)
    except RegistryError as error:
        return error
