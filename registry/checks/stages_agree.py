"""`stages-agree`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.annotations import CONFIG, parse_config
from registry.checks.files import FILE, POLICY
from registry.checks.listing import Listing
from registry.checks.policy_valid import read
from registry.checks.subject import said
from registry.errors import RegistryError
from registry.findings import ERROR, Finding
from registry.policyfaults import line_at


class StagesAgree:
    """gto obeys `.gto` and the policy is ours: where they differ, one of the two lets in what the other keeps out."""

    id = "stages-agree"
    sentence = "Where both .gto and policy.yaml list stages, they list the same ones in the same order."
    severity = ERROR
    remedy = "write the same stages into both, or take `stages` out of .gto"

    def run(self, listing: Listing) -> Iterator[Finding]:
        """One finding where they differ, or `.gto` cannot be read."""
        policy = read(listing.policy) if listing.policy is not None else None
        if policy is None or listing.policy is None or isinstance(policy, RegistryError) or policy.stages is None:
            return
        if listing.config is None or listing.config.kind != FILE:
            return
        try:
            other = parse_config(listing.config.data, CONFIG).stages
        except RegistryError as error:
            yield Finding(self.id, ERROR, f".gto cannot be read: {said(error)}", error.fix or self.remedy, path=CONFIG)
            return
        if other is not None and other != list(policy.stages):
            message = f"the policy's stages are {', '.join(policy.stages) or 'none'}, those of .gto {', '.join(other)}"
            line = line_at(listing.policy.data, ("stages",))
            yield Finding(self.id, ERROR, message, self.remedy, path=POLICY, line=line)
