"""A model card whose machine-made parts follow the link: what people wrote stays, byte for byte. Pure.

Machine-made are four keys of the front matter, and the indented lines that `registry card init` begins two sections
with. A key is rewritten where its value is one that `init` would have written for some certificate that is known, or
where it is not there; any other value is a person's and is left. The indented lines are the program's as long as they
begin with the model's type. The card is edited by line, and read again: where anything else would change it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from registry import strictyaml
from registry.card import Card, parse_card
from registry.document import thaw
from registry.errors import RegistryError

KEYS = ("library_name", "datasets", "metrics", "model-index")
DETAILS, INTERFACE = "Model details", "Interface"
_KEY = re.compile(r"""(["']?)([^\s"'#:&*!|>%@`{\[-][^"'#:]*)\1[ \t]*:(?=[ \t\r]|$)""")
_INDENT = "    "

Front = Mapping[str, Any]


class Updated(NamedTuple):
    """A card that was brought up to date."""

    text: str
    changed: tuple[str, ...]
    """Keys and sections that are other than before."""
    left: tuple[str, ...]
    """Keys that people wrote, and that the link would say otherwise."""


class _Edit(NamedTuple):
    name: str
    start: int
    stop: int
    lines: Sequence[str]


def update(data: bytes, where: str, wanted: Front, known: Sequence[Front], blocks: Mapping[str, str]) -> Updated:
    """The card with what `wanted` and `blocks` say; `known` are fronts that `init` has, or would have, written.

    Raises `RegistryError` where the card cannot be read, or cannot be edited without changing what people wrote.
    """
    card = parse_card(data, where)
    lines = data.decode().split("\n")
    end = next(number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---")
    said = _mapping(card)
    edits, left = list[_Edit](), list[str]()
    places = _places(lines[1:end])
    for key in KEYS:
        new, old = _read(key, wanted), said.get(key)
        if new == old:
            continue
        mine = old is None or any(_read(key, each) == old for each in known)
        if not mine or (old is not None and key not in places):
            left.append(key)
        else:
            edits.append(_Edit(key, *_place(key, lines, places, end), _dumped(key, wanted)))
    edits += _sections(card, lines, blocks)
    text = _edited(lines, edits)
    expected = {**said, **{each.name: _read(each.name, wanted) for each in edits if each.name in KEYS}}
    _require_kept({key: value for key, value in expected.items() if value is not None}, text, where)
    return Updated(text, tuple(each.name for each in edits), tuple(left))


def _mapping(card: Card) -> dict[str, Any]:
    return {str(key): thaw(value) for key, value in card.fields.mapping().items()}


def _read(key: str, front: Front) -> Any:
    """A value as it is read back from a card; none where there is none."""
    if key not in front:
        return None
    return thaw(strictyaml.parse(strictyaml.dump({key: thaw(front[key])}).encode(), key))[key]


def _dumped(key: str, front: Front) -> list[str]:
    return strictyaml.dump({key: thaw(front[key])}).rstrip("\n").split("\n") if key in front else []


def _places(front: Sequence[str]) -> dict[str, tuple[int, int]]:
    """First line of each key and the line after its last, counted in the file; comments behind it are not its."""
    found: dict[str, tuple[int, int]] = {}
    key = ""
    for number, line in enumerate(front, 1):
        named = _KEY.match(line)
        if named:
            key = named[2].strip()
            found[key] = number, number + 1
        elif key and line.startswith((" ", "\t", "- ")) and line.strip():
            found[key] = found[key][0], number + 1
        elif line.strip():
            key = ""
    return found


def _place(key: str, lines: Sequence[str], places: Mapping[str, tuple[int, int]], end: int) -> tuple[int, int]:
    """The lines that a key takes the place of: its own, the commented one that `init` wrote, or none at the end."""
    if key in places:
        return places[key]
    begun = next((number for number in range(1, end) if lines[number].rstrip() == f"# {key}:"), None)
    return (end, end) if begun is None else (begun, begun + 1)


def _sections(card: Card, lines: Sequence[str], blocks: Mapping[str, str]) -> Iterator[_Edit]:
    """The indented lines that begin the machine's sections."""
    for title in (DETAILS, INTERFACE):
        heading = next((each.line for each in card.sections if each.title == title), None)
        if heading is None or title not in blocks:
            return
        start = next((at for at in range(heading, len(lines)) if lines[at].strip()), len(lines))
        stop = next((at for at in range(start, len(lines)) if not lines[at].startswith(_INDENT)), len(lines))
        if start == stop or (title == DETAILS and not lines[start].startswith(f"{_INDENT}type: ")):
            return
        new = blocks[title].rstrip("\n").split("\n")
        if [each.rstrip("\r") for each in lines[start:stop]] != new:
            yield _Edit(title, start, stop, new)


def _edited(lines: Sequence[str], edits: Sequence[_Edit]) -> str:
    ending = "\r" if lines[0].endswith("\r") else ""
    found = list(lines)
    for each in sorted(
        edits, key=lambda edit: (edit.start, KEYS.index(edit.name) if edit.name in KEYS else 0), reverse=True
    ):
        found[each.start : each.stop] = [f"{line}{ending}" for line in each.lines]
    return "\n".join(found)


def _require_kept(expected: Front, text: str, where: str) -> None:
    """Raise where the edited front matter says anything else than it should."""
    try:
        now: Front | None = _mapping(parse_card(text.encode(), where))
    except RegistryError:
        now = None
    if now != expected:
        fix = f"write the keys {', '.join(KEYS)} anew by hand, or take them out: they are then written"
        raise RegistryError("the front matter is written in a way that cannot be brought up to date", where, fix)
