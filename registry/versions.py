"""Semantic versions with a leading `v`, ordered and bumped as https://semver.org/spec/v2.0.0 says.

Parsing and ordering stand on the path of every question over 100,000 tags, so a version stays text and its key is a
tuple; build metadata never orders.
"""

from __future__ import annotations

import re

from registry.errors import RegistryError

_IDENT = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
PATTERN = (
    r"v(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)"
    rf"(?:-{_IDENT}(?:\.{_IDENT})*)?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
"""A version in a tag or on the command line, without anchors or groups."""

FIRST = "v0.0.1"
"""What the first registration gets when no version is named, as in gto."""

PARTS = ("major", "minor", "patch")

LONGEST = 128
"""Longest accepted version, in characters; keeps every number far from Python's limit for integers."""

_RELEASE = (1,)

Key = tuple[int, int, int, tuple[object, ...]]


def is_version(text: str) -> bool:
    """Whether `text` is a whole semantic version with its `v`."""
    return len(text) <= LONGEST and text.isascii() and re.fullmatch(PATTERN, text) is not None


def require(text: str) -> str:
    """Return `text` when it is a version, else raise `RegistryError`."""
    if is_version(text):
        return text
    hint = f"write v{text}" if is_version(f"v{text}") else "write a semantic version such as v1.0.3"
    raise RegistryError(f"not a version: {text!r}", fix=hint)


def key(version: str) -> Key:
    """Precedence of a valid version: sorts as semver's section 11 orders."""
    core, _, _ = version[1:].partition("+")
    numbers, dash, prerelease = core.partition("-")
    major, minor, patch = numbers.split(".")
    if not dash:
        return int(major), int(minor), int(patch), _RELEASE
    parts = tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in prerelease.split("."))
    return int(major), int(minor), int(patch), (0, parts)


def is_prerelease(version: str) -> bool:
    """Whether a valid version names a prerelease."""
    return "-" in version.partition("+")[0]


def bump(version: str, part: str) -> str:
    """Raise the `major`, `minor` or `patch` number and drop what follows it, as gto does (python-semver's `bump_*`)."""
    major, minor, patch, _ = key(version)
    if part == "major":
        return f"v{major + 1}.0.0"
    if part == "minor":
        return f"v{major}.{minor + 1}.0"
    if part == "patch":
        return f"v{major}.{minor}.{patch + 1}"
    raise ValueError(part)
