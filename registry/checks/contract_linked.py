"""`contract-linked`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.files import CONTRACTS
from registry.checks.listing import Listing, artifact_of, contract_path
from registry.findings import WARNING, Finding


class ContractLinked:
    """A contract under a misspelt name would hold nobody to it."""

    id = "contract-linked"
    sentence = "Every contract belongs to an artifact that is linked."
    severity = WARNING
    remedy = "name it interfaces/NAME.yaml after its artifact, or remove it"

    def run(self, listing: Listing) -> Iterator[Finding]:
        """One finding for each contract that no link is held against."""
        names = filter(None, (artifact_of(file.path) for file in listing.links))
        used = {contract_path(name) for name in names}
        for path, file in listing.contracts.items():
            hides = not file.plain and any(each.startswith(f"{path}/") for each in used)
            if path in used or hides:
                continue
            name = path.removeprefix(f"{CONTRACTS}/")
            message = f"no artifact is linked for the contract {name}: nothing is held against it"
            yield Finding(self.id, self.severity, message, self.remedy, path=path)
