"""Patterns of addresses, as `trusted_sources` of the policy writes them. Pure."""

from __future__ import annotations

import re

_ODD = re.compile(r"(?i)[\\\x00-\x20\x7f]|(?:^|/)\.\.?(?:/|$)|%(?:2e|2f|5c|25|00)")
"""What makes a server look elsewhere than the text of a URL says."""


def matches(pattern: str, address: str) -> bool:
    """Whether an address is one of a pattern: `*` stands for part of one segment, `**` for any number of segments.

    Scheme and host are compared without case. An address with `..`, a backslash or an encoded slash or dot in it is
    matched by nothing, since servers read those in different ways.
    """
    if _ODD.search(address):
        return False
    parts = re.split(r"(\*\*|\*)", _folded(pattern.rstrip("/")))
    wild = {"*": r"[^/:@?#]*", "**": r"[^:@?#]*"}
    return re.fullmatch("".join(wild.get(part) or re.escape(part) for part in parts), _folded(address)) is not None


def _folded(address: str) -> str:
    scheme, mark, rest = address.partition("://")
    if mark:
        host, slash, path = rest.partition("/")
        return f"{scheme.lower()}{mark}{host.lower()}{slash}{path.rstrip('/')}"
    host, colon, path = address.partition(":")
    return f"{host.lower()}{colon}{path}" if colon and "/" not in host else address
