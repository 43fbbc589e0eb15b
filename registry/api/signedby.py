"""Who signed a tag or a commit, as an auditor asks: whose it is, what is wrong with it, whether one was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from registry.policy import Policy
from registry.signature import UNSIGNED, Verdict, principal_of
from registry.signaturerules import because

_STAGED = frozenset({"assign", "unassign", "rollback", "approve", "override", "request"})
_VERSIONED = frozenset({"register", "deregister", "deprecate", "revoke", "archive"})


class Signed(NamedTuple):
    """What is known of a signature."""

    principal: str | None = None
    """Whose it is, where it counts for whom the object claims."""
    state: str = ""
    """Of `registry.signature.STATES`; empty where there are no signers to judge by."""
    reason: str = ""
    """Why it does not count."""

    def exceptions(self, *, asked: bool) -> Iterator[str]:
        """What is out of the ordinary with it; `asked` whether the policy asks for one."""
        if self.state in {"", UNSIGNED}:
            if asked:
                yield "unsigned"
        elif self.principal is None:
            yield "signature"


@lru_cache(maxsize=1 << 12)
def signed(verdict: Verdict | None, email: str) -> Signed:
    """A verdict on what claims to be by the person with this e-mail."""
    if verdict is None:
        return _UNJUDGED
    principal = principal_of(verdict, email)
    return Signed(principal, verdict.state, "" if principal is not None else because(email, verdict))


_UNJUDGED = Signed()


def asked(kind: str, stage: str | None, policy: Policy) -> bool:
    """Whether the present policy asks for a signature (rule 1 of `registry.governance`)."""
    if kind in {"approve", "override"}:
        return True
    if kind in _STAGED:
        found = policy.stage(stage) if stage is not None else None
        if found is None or kind == "request":
            return False
        return found.signed if found.signed is not None else found.roles_for(kind) is not None
    if kind not in _VERSIONED:
        return False
    roles = {"archive": policy.archive, "revoke": policy.revoke}.get(kind, policy.register)
    return policy.signed if policy.signed is not None else roles is not None
