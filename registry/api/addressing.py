"""The address of a source repository, as a link or a person names it."""

from __future__ import annotations

from registry.errors import Refused
from registry.policy import Policy
from registry.urls import Address, has_credentials, parse_source, redacted


def source_address(text: str, base: str = "", *, policy: Policy) -> Address:
    """The address of a source repository, a relative path counted from `base` (this folder by default).

    Credentials in it are refused, since links are public (`secrets`); plain http to another machine, where the policy
    does not name it (`source-url`).
    """
    if has_credentials(text):
        raise Refused(
            "secrets",
            "the source's URL carries credentials",
            redacted(text),
            "leave them out: git's credential helpers, tokens and SSH keys of each user are used",
        )
    return parse_source(text, base, policy.admits_plain)
