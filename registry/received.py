"""What a push asks for, as git tells its hook `pre-receive`: refs with the object they had and are to have. Pure.

Format (githooks(5)): a line `OLD NEW REF` for each ref, where an id of zeros stands for no object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from registry.errors import RegistryError

TAGS: Final = "refs/tags/"
_LINE: Final = re.compile(r"([0-9a-f]{40}(?:[0-9a-f]{24})?) ([0-9a-f]{40}(?:[0-9a-f]{24})?) (refs/.+)")


class Update(NamedTuple):
    """One ref of a push."""

    ref: str
    """Its full name."""
    old: str | None
    """None where the ref is new."""
    new: str | None
    """None where it is deleted."""

    @property
    def tag(self) -> str:
        """The tag's name; empty of another ref."""
        return self.ref.removeprefix(TAGS) if self.ref.startswith(TAGS) else ""


def parse_updates(lines: Iterable[str]) -> list[Update]:
    """Read what git tells the hook. Raises `RegistryError` for anything else."""
    found = []
    for line in lines:
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            raise RegistryError(f"not what git tells pre-receive: {line[:80]!r}", fix="git itself runs this hook")
        old, new, ref = match.groups()
        found.append(Update(ref, old if old.strip("0") else None, new if new.strip("0") else None))
    return found
