"""What changed between two model cards: keys of the front matter, and sections by how much they say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from registry.card import Card
from registry.document import thaw
from registry.errors import RegistryError
from registry.plural import plural
from registry.strictyaml import dump

Difference: TypeAlias = "tuple[str, str | None, str | None]"
"""A key, or a title behind `# `; before and after, nothing where it was not there."""


def differences(before: Card | RegistryError | None, after: Card | RegistryError | None) -> Iterator[Difference]:
    """What changed from one card to the other; nothing where one cannot be read."""
    if isinstance(before, RegistryError) or isinstance(after, RegistryError):
        return
    if before is None or after is None:
        if before is not after:
            yield "card", None if before is None else "there", None if after is None else "there"
        return
    keys, now = _fields(before), _fields(after)
    yield from (
        (key, keys.get(key), now.get(key)) for key in sorted(keys.keys() | now.keys()) if keys.get(key) != now.get(key)
    )
    one, other = _sections(before), _sections(after)
    for title in sorted(one.keys() | other.keys()):
        if one.get(title) != other.get(title):
            yield f"# {title}", _words(one.get(title)), _words(other.get(title))


def _fields(card: Card) -> dict[str, str]:
    return {str(key): _plain(value) for key, value in card.fields.mapping().items()}


def _plain(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    return " ".join(dump(_strings(thaw(value))).split())


def _strings(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _strings(item) for key, item in value.items()}
    return [_strings(item) for item in value] if isinstance(value, list) else "" if value is None else str(value)


def _sections(card: Card) -> dict[str, str]:
    found: dict[str, str] = {}
    for section in card.sections:
        found[section.title] = f"{found[section.title]}\n\n{section.text}" if section.title in found else section.text
    return found


def _words(text: str | None) -> str | None:
    return None if text is None else plural(len(text.split()), "word")
