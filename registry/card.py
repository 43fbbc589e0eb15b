"""A model card, `cards/<name>.md`: Hugging Face's format, read as data. Pure.

Layout: YAML between two lines `---`, then Markdown (https://github.com/huggingface/hub-docs/blob/main/modelcard.md).
The YAML goes through the strict parser; a section is an ATX heading (`## Owner`) with what stands below it, up to the
next heading of its level or above. Headings in fenced code and in comments are none, and comments say nothing: what
GitHub does not show is not read either. A section counts as filled where one line of it says something other than the
placeholder of Hugging Face's own template. Everything here takes time linear in the card.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from registry import strictyaml
from registry.document import Place
from registry.errors import RegistryError

PLACEHOLDER = "[More Information Needed]"
"""What Hugging Face's template holds where nobody has written anything yet."""
LONGEST = 1 << 16
"""Longest card that is read, in bytes: some Markdown takes time that grows with the square of it to render."""
LICENSE = "license"
"""The one part that stands in the front matter."""
PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "intended-use": ("Intended use", "Intended uses", "Uses", "Direct use"),
        "limitations": ("Limitations", "Bias, risks, and limitations", "Risks and limitations"),
        "ethical-considerations": ("Ethical considerations", "Ethics"),
        "evaluation": ("Evaluation", "Evaluation results"),
        LICENSE: (),
        "owner": ("Owner", "Model card contact", "Contact"),
        "training-data": ("Training data", "Training details"),
    }
)
"""What a policy may require, and the headings that it may stand under: ours first, then those of Hugging Face."""
REQUIRED = tuple(part for part in PARTS if part != "training-data")
"""What `model-card` asks for where the policy says nothing."""

_FIX = "write YAML between two lines ---, as `registry card init` does"
_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_FENCE_END = re.compile(r" {0,3}[`~]")
_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}")
_NOTHING = frozenset({"todo", "tbd", "tba", "fixme"})


@dataclass(frozen=True)
class Section:
    """A heading, and what stands below it."""

    title: str
    level: int
    """1 for `#` to 6 for `######`."""
    line: int
    """The heading's line in the card, counted from 1."""
    lines: tuple[str, ...]
    """What stands below, with the sections inside it, without comments."""

    @property
    def filled(self) -> bool:
        """Whether it says something."""
        return any(_says(line) for line in self.lines)

    @property
    def text(self) -> str:
        """What it says."""
        return "\n".join(self.lines).strip()


@dataclass(frozen=True)
class Card:
    """A card."""

    fields: Place
    """Its front matter; `registry.cardfields` judges it."""
    sections: tuple[Section, ...]
    body: str
    """Its Markdown, without comments."""


class Lack(NamedTuple):
    """A required section that is missing, or that nobody filled."""

    message: str
    line: int | None


def parse_card(data: bytes, where: str) -> Card:
    """Read a card. Raises `RegistryError` that names `where` and the line."""
    if len(data) > LONGEST:
        raise RegistryError(f"the card has {len(data)} bytes, at most {LONGEST} are read", where, "make it shorter")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RegistryError("not UTF-8", f"{where}, line {line}", "save it as UTF-8") from None
    lines = text.replace("\r\n", "\n").split("\n")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), 0)
    if lines[0].rstrip() != "---" or not end:
        what = "the card has no front matter" if lines[0].rstrip() != "---" else "the front matter does not end"
        raise RegistryError(what, f"{where}, line 1", _FIX)
    front = "\n".join(["", *lines[1:end], ""])  # as long as it was, so that lines are those of the file
    fields = Place(strictyaml.parse(front.encode(), where), where, (), "correct the front matter; see docs/cards.md")
    fields.mapping()
    shown = list(_shown(lines[end + 1 :]))
    return Card(fields, tuple(_sections(shown, end + 2)), "\n".join(line for line, _ in shown).strip() + "\n")


def lacking(card: Card, required: Iterable[str]) -> Iterator[Lack]:
    """The required sections that are not there, or say nothing; `LICENSE` is for who reads the front matter."""
    known: dict[str, list[Section]] = {}
    for section in card.sections:
        known.setdefault(_key(section.title), []).append(section)
    for part in required:
        names = PARTS[part]
        if not names:
            continue
        found = [section for name in names for section in known.get(_key(name), ())]
        if not found:
            yield Lack(f"the card has no section {names[0]!r}", None)
        elif not any(section.filled for section in found):
            yield Lack(f"the section {found[0].title!r} says nothing yet", found[0].line)


def _shown(lines: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Each line without comments, and whether it is of fenced code."""
    fence, comment = "", False
    for line in lines:
        if fence:
            yield line, True
            bare = line.strip()
            if _FENCE_END.match(line) and not bare.strip(fence[0]) and len(bare) >= len(fence):
                fence = ""
            continue
        shown, comment = _uncommented(line, comment=comment)
        opened = _FENCE.match(shown)
        fence = opened[1] if opened else ""
        yield shown, opened is not None


def _uncommented(line: str, *, comment: bool) -> tuple[str, bool]:
    """A line without comments, and whether the next one begins inside one."""
    kept, at = [], 0
    while at < len(line):
        found = line.find("-->" if comment else "<!--", at)
        stop = len(line) if found < 0 else found
        if not comment:
            kept.append(line[at:stop])
        if found < 0:
            break
        at = found + (3 if comment else 4)
        comment = not comment
    return "".join(kept), comment


def _sections(shown: Sequence[tuple[str, bool]], first: int) -> Iterator[Section]:
    """The sections of a body whose first line is the card's line `first`, in order."""
    begun = [(number, *found) for number, (line, code) in enumerate(shown) if not code and (found := _heading(line))]
    ends: list[int] = []
    open_: list[int] = []
    for order, (number, level, _) in enumerate(begun):
        ends.append(len(shown))
        while open_ and begun[open_[-1]][1] >= level:
            ends[open_.pop()] = number
        open_.append(order)
    headings = {number for number, _, _ in begun}
    for (number, level, title), end in zip(begun, ends, strict=True):
        inside = (shown[each][0] for each in range(number + 1, end) if each not in headings)
        yield Section(title, level, first + number, tuple(inside))


def _heading(line: str) -> tuple[int, str] | None:
    match = _HEADING.match(line)
    if match is None:
        return None
    title = line[match.end() :].strip()
    bare = title.rstrip("#")
    return len(match[1]), bare.rstrip() if not bare or bare[-1] in " \t" else title


def _says(line: str) -> bool:
    if PLACEHOLDER.lower() in line.lower():
        return False
    words = "".join(char if char.isalnum() else " " for char in _TEMPLATE.sub("", line).lower()).split()
    return bool(words) and not set(words) <= _NOTHING


def _key(title: str) -> str:
    return " ".join("".join(char if char.isalnum() else " " for char in title.casefold()).split())
