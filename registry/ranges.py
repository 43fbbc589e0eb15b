"""Ranges of versions: `>=1.2,<2`, `^1.4`, `~1.4.2`. Pure.

Comparators are joined by commas, and all must hold, as in pip's requirements and in Cargo's and Poetry's. `^` allows
what keeps the leftmost number that is not zero, `~` what keeps the minor number
(https://doc.rust-lang.org/cargo/reference/specifying-dependencies.html). A missing number is zero, and the `v` may be
left out; `>` and `<=` want all three numbers, because tools disagree on what `>1.2` means. A prerelease is in a range
only where a comparator names a prerelease of the same three numbers, as in Cargo and npm.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from registry.errors import RegistryError
from registry.versions import Key, is_prerelease, is_version, key

LONGEST = 256
"""Longest accepted range, in characters."""

_OPERATORS = r"(\^|~|>=|<=|==|!=|=|>|<)"
_COMPARATOR = re.compile(rf"{_OPERATORS} *v?([0-9]+(?:\.[0-9]+(?:\.[0-9]+(?:-[0-9A-Za-z.-]+)?)?)?)")
_WHOLE = 3
_FIX = "write such as '>=1.2,<2', '^1.4' or '~1.4.2', or an exact version such as v1.4.2"


class Comparator(NamedTuple):
    """One condition."""

    operator: str
    bound: str
    """A whole version with its `v`."""
    given: int
    """How many of its three numbers were written."""

    def holds(self, version: Key) -> bool:
        """Whether a version's key satisfies it."""
        bound = key(self.bound)
        if self.operator in {"^", "~"}:
            return bound <= version < self._end(bound)
        return {
            ">=": version >= bound,
            "<=": version <= bound,
            ">": version > bound,
            "<": version < bound,
            "!=": version != bound,
        }.get(self.operator, version == bound)

    def _end(self, bound: Key) -> Key:
        major, minor, patch, _ = bound
        if self.operator == "~":
            return (major + 1, 0, 0, ()) if self.given == 1 else (major, minor + 1, 0, ())
        if major or self.given == 1:
            return major + 1, 0, 0, ()
        if minor or self.given < _WHOLE:
            return 0, minor + 1, 0, ()
        return 0, 0, patch + 1, ()


def is_range(text: str) -> bool:
    """Whether `text` is meant as a range: it begins with an operator."""
    return re.match(rf" *{_OPERATORS}", text) is not None


def parse_range(text: str) -> tuple[Comparator, ...]:
    """The conditions of a range. Raises `RegistryError`."""
    if len(text) > LONGEST or not text.isascii():
        raise RegistryError(f"not a range of versions: {text[:80]!r}", fix=_FIX)
    return tuple(_comparator(part.strip(" "), text) for part in text.split(","))


def _comparator(part: str, text: str) -> Comparator:
    match = _COMPARATOR.fullmatch(part)
    if match is None:
        raise RegistryError(f"not a range of versions: {text!r}, at {part!r}", fix=_FIX)
    operator, number = match.groups()
    core, dash, rest = number.partition("-")
    given = core.count(".") + 1
    if given < _WHOLE and operator in {">", "<="}:
        raise RegistryError(f"not a range of versions: {part!r} wants all three numbers", fix=_FIX)
    bound = f"v{core}{'.0' * (_WHOLE - given)}{dash}{rest}"
    if not is_version(bound):
        raise RegistryError(f"not a range of versions: {text!r}, at {part!r}", fix=_FIX)
    return Comparator(operator, bound, given)


def within(version: str, comparators: tuple[Comparator, ...]) -> bool:
    """Whether a version is in a range."""
    found = key(version)
    if is_prerelease(version) and not any(
        is_prerelease(each.bound) and key(each.bound)[:_WHOLE] == found[:_WHOLE] for each in comparators
    ):
        return False
    return all(each.holds(found) for each in comparators)
