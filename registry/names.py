"""Names of artifacts and stages, in GTO's grammar, and how they are written in tags and paths.

An artifact is `[dir:]name`; in tags and paths `:` is written `=`, because git refuses colons in refs
(https://github.com/iterative/gto, `constants.py`). Stricter than GTO: ASCII only, no trailing newline, and nothing
that git or a file system would read as something else (`..`, `//`, a part that begins with `.` or ends in `.lock`).
"""

from __future__ import annotations

import re

from registry.errors import RegistryError

NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9\-/_]*[a-zA-Z0-9])?"
"""A stage, or an artifact without its folder."""
FOLDER = r"[a-zA-Z0-9\-_./]+"
"""The part before the `:` of an artifact."""
LONGEST = 200
"""Longest accepted artifact or stage, in characters: a ref must fit into a file name."""

_ARTIFACT = rf"(?:{FOLDER}:)?{NAME}"
_UNSAFE = r"^-|//|\.\.|(?:^|[/:])\.|(?:^|:)/|/:|\.lock(?:[/:]|$)|\.:"

_FIX = "use letters, digits, '-', '_' and '/', beginning and ending with a letter or digit"


def is_artifact(name: str) -> bool:
    """Whether `name` may be used as an artifact's name."""
    return 0 < len(name) <= LONGEST and re.fullmatch(_ARTIFACT, name) is not None and not re.search(_UNSAFE, name)


def require_artifact(name: str) -> str:
    """Return `name` when it is an artifact's name, else raise `RegistryError`."""
    if not is_artifact(name):
        raise RegistryError(f"not an artifact name: {name!r}", fix=_FIX)
    return name


def require_stage(stage: str) -> str:
    """Return `stage` when it is a stage's name, else raise `RegistryError`."""
    if not (0 < len(stage) <= LONGEST and re.fullmatch(NAME, stage)) or re.search(_UNSAFE, stage):
        raise RegistryError(f"not a stage name: {stage!r}", fix=_FIX)
    return stage


def in_tag(name: str) -> str:
    """An artifact's name as tags and paths write it."""
    return name.replace(":", "=")


def from_tag(text: str) -> str:
    """The artifact's name that `in_tag` wrote."""
    return text.replace("=", ":")


def link_paths(name: str) -> tuple[str, ...]:
    """Paths at which the link of an artifact may stand: today's, 0.2's, 0.1's, and beside anything (0.3 and later)."""
    base = in_tag(name)
    return (
        f".mlem/links/{base}.mlem",
        f".mlem/link/{base}.mlem",
        f".mlem/link/{base}.mlem.yaml",
        f"{base}.mlem",
    )
