"""`policy-sound`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from registry.checks.files import FILE, POLICY, File
from registry.checks.listing import Listing
from registry.checks.policy_valid import read
from registry.errors import RegistryError
from registry.findings import ERROR, Finding
from registry.policyfaults import faults, line_at

_FIRST = re.compile(r'(?:"([^"]*)"|(\S+))\s+\S')


class PolicySound:
    """A stage that nobody can enter is closed, and whoever wrote it should know before a release waits for it."""

    id = "policy-sound"
    sentence = "Nothing that the policy asks for is impossible, or holds nobody back."
    severity = ERROR
    remedy = "correct policy.yaml or allowed_signers; see docs/policy.md"

    def run(self, listing: Listing) -> Iterator[Finding]:
        """One finding for each fault of a policy that can be read."""
        policy = read(listing.policy) if listing.policy is not None else None
        if policy is None or isinstance(policy, RegistryError) or listing.policy is None:
            return
        for each in faults(policy, signers(listing.signers) if policy.roles else None):
            line = line_at(listing.policy.data, each.trail)
            yield Finding(self.id, each.severity, each.message, each.fix, path=POLICY, line=line)


def signers(file: File | None) -> Callable[[str], bool]:
    """Whether allowed_signers names a principal: the first field of a line, patterns with `*`, `?` and `!`.

    The format is that of ssh-keygen(1), ALLOWED SIGNERS; keys and dates are not judged here.
    """
    text = file.data.decode("utf-8", "replace") if file is not None and file.kind == FILE else ""
    lines = (line.strip() for line in text.splitlines())
    found = [_FIRST.match(line) for line in lines if line and not line.startswith("#")]
    fields = [(match[1] or match[2] or "").split(",") for match in found if match]
    return lambda principal: any(_named(principal, patterns) for patterns in fields)


def _named(principal: str, patterns: list[str]) -> bool:
    refused = any(_matches(each[1:], principal) for each in patterns if each.startswith("!"))
    return not refused and any(_matches(each, principal) for each in patterns if not each.startswith("!"))


def _matches(pattern: str, text: str) -> bool:
    parts = {"*": ".*", "?": "."}
    return (
        re.fullmatch("".join(parts.get(each) or re.escape(each) for each in re.sub(r"\*+", "*", pattern)), text)
        is not None
    )
