"""`size`: all artifacts of the model together are no larger than the limit, each of them being what the link pins."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.digest_matches import DigestMatches
from registry.checks.size_limit import SizeLimit
from registry.findings import Finding
from registry.gates import Case, as_failed, failed, passed
from registry.policygates import Size


def run(gate: Size, case: Case) -> Iterator[Finding]:
    """Findings of `size-limit`, and of `digest-matches` where what is kept within it is another. Raises `Unjudged`."""
    subject = case.under(case.model, size_limit=gate.limit)
    found = [each._replace(fix="make the model smaller") for each in SizeLimit().run(subject)]
    found = found or list(DigestMatches().run(subject))
    yield from as_failed(gate, case, found, DigestMatches.remedy)
    if not found:
        yield passed(gate, case, f"at most {gate.limit:,} bytes")


def run_brought(gate: Size, case: Case) -> Iterator[Finding]:
    """The same of files that were brought and verified."""
    size = sum(each.path.stat().st_size for each in case.files().values())
    if size > gate.limit:
        message = f"the model has {size:,} bytes, the limit is {gate.limit:,}"
        yield failed(gate, case, message, "make the model smaller")
