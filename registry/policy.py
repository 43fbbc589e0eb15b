"""`policy.yaml`: what a registry asks for beyond pins. Pure.

Rules: an unknown `format` is refused, since it may mean something that this version cannot hold; a wrong value is
refused, since guessing would open what was meant to be closed; an unknown key is kept aside and told as a finding.
`root`, `roles`, `stages` and `notify` are read by later versions: they are accepted here, and nothing enforces them
yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from registry import strictyaml
from registry.card import PARTS, REQUIRED
from registry.document import Place
from registry.errors import RegistryError

PATH = "policy.yaml"
FORMAT = 1
OFF = "off"
CARD_CHECK = "model-card"
"""The check that is an error where `card` stands and `checks` says nothing of it: who asks for a card means it."""
LATER = ("root", "roles", "stages", "notify")
"""Keys that are accepted and not enforced yet."""
SIZE_LIMIT = 100_000_000
"""Bytes of a model above which `size-limit` speaks, where the policy says nothing."""

_FIX = "correct policy.yaml; docs/policy.md lists its keys"
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}
_SIZE = re.compile(r"([1-9][0-9]{0,12}) ?(kB|MB|GB|)", re.IGNORECASE)
_ODD = re.compile(r"(?i)[\\\x00-\x20\x7f]|(?:^|/)\.\.?(?:/|$)|%(?:2e|2f|5c|25|00)")
"""What makes a server look elsewhere than the text of a URL says."""

Level = Literal["off", "warning", "error"]


class Formats(BaseModel):
    """Which bytes may become a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pickle: Literal["pinned", "signed", "never"] = "pinned"
    """The pickle family: every pinned one, those whose chain is signed (none, until signatures are verified), none."""
    skops_trusted: tuple[str, ...] = ()
    """Types in skops files that are trusted beyond those of scikit-learn, numpy and scipy."""
    torch_weights_only: bool = True
    """Whether torch's admitted pickles may hold tensors and plain containers only."""


class CardRules(BaseModel):
    """What a model card must have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    required: tuple[str, ...] = REQUIRED
    """Parts that must be filled, of `registry.card.PARTS`."""


class Unknown(NamedTuple):
    """A key that means nothing."""

    key: str
    line: int


class Policy(BaseModel):
    """What `policy.yaml` says; without arguments what holds where there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(default=0, ge=0)
    """Raised by every change of the file; 0 where there is no file."""
    trusted_sources: tuple[str, ...] | None = None
    """Patterns of URLs; none admits every address that a link may name."""
    formats: Formats = Formats()
    checks: Mapping[str, Level] = Field(default_factory=dict)
    """Severity by id of a check."""
    size_limit: int = SIZE_LIMIT
    """Bytes of a model above which `size-limit` speaks."""
    card: CardRules = CardRules()
    """What `model-card` asks for."""
    unknown: tuple[Unknown, ...] = ()

    def trusts(self, *names: str) -> bool:
        """Whether a source may be used; `names` are all spellings of its one address."""
        if self.trusted_sources is None:
            return True
        return any(matches(pattern, name) for pattern in self.trusted_sources for name in names)

    def admits_plain(self, address: str) -> bool:
        """Whether a source may be asked over plain http: only where a pattern that says `http://` itself means it."""
        plain = (each for each in self.trusted_sources or () if each.lower().startswith("http://"))
        return any(matches(pattern, address) for pattern in plain)


def parse_policy(data: bytes, where: str = PATH) -> Policy:
    """Read `policy.yaml`. Raises `RegistryError` that names `where` and the line."""
    root = Place(strictyaml.parse(data, where), where, (), _FIX)
    found = root.need("format")
    if found.integer() != FORMAT:
        found.fail(f"policy format {found.integer()} is not known here; known is {FORMAT}; install a newer version")
    _require_values(root, set(Policy.model_fields))
    raw: dict[str, Any] = {"version": root.need("version").integer()}
    if (sources := root.find("trusted_sources")) is not None:
        raw["trusted_sources"] = _texts(sources)
    if (formats := root.find("formats")) is not None:
        raw["formats"] = _formats(formats)
    if (checks := root.find("checks")) is not None:
        raw["checks"] = {key: _level(place) for key, place in checks.items()}
    if (limit := root.find("size_limit")) is not None:
        raw["size_limit"] = _size(limit)
    if (card := root.find("card")) is not None:
        raw["card"] = _card(card)
        raw["checks"] = {CARD_CHECK: "error", **raw.get("checks", {})}
    unknown = [*_unknown(root, {"format", *Policy.model_fields} - {"unknown"} | set(LATER))]
    if formats is not None:
        unknown += _unknown(formats, set(Formats.model_fields), "formats.")
    if card is not None:
        unknown += _unknown(card, set(CardRules.model_fields), "card.")
    try:
        return Policy(unknown=tuple(unknown), **raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RegistryError(f"{key}: {first['msg']}", where, _FIX) from None


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


def _texts(place: Place) -> list[str]:
    return [each.text() for each in place.elements()]


def _formats(place: Place) -> dict[str, Any]:
    _require_values(place, set(Formats.model_fields))
    found: dict[str, Any] = {}
    if (pickle := place.find("pickle")) is not None:
        found["pickle"] = _one_of(pickle, ("pinned", "signed", "never"))
    if (types := place.find("skops_trusted")) is not None:
        found["skops_trusted"] = _texts(types)
    if (weights := place.find("torch_weights_only")) is not None:
        found["torch_weights_only"] = weights.boolean()
    return found


def _card(place: Place) -> dict[str, Any]:
    _require_values(place, set(CardRules.model_fields))
    required = place.find("required")
    return {} if required is None else {"required": [_one_of(each, tuple(PARTS)) for each in required.elements()]}


def _level(place: Place) -> str:
    return _one_of(place, ("off", "warning", "error"))


def _one_of(place: Place, known: Sequence[str]) -> str:
    text = place.text()
    if text not in known:
        place.fail(f"{text[:80]!r} is none of {', '.join(known)}")
    return text


def _size(place: Place) -> int:
    match = _SIZE.fullmatch(place.text())
    if match is None:
        place.fail(f"{place.text()[:80]!r} is no size; write bytes, or such as 250 MB")
    return int(match[1]) * _UNITS[match[2].lower()]


def _unknown(place: Place, known: set[str], prefix: str = "") -> Iterator[Unknown]:
    for key in place.mapping():
        if key not in known:
            yield Unknown(f"{prefix}{key}", getattr(key, "line", 0))


def _require_values(place: Place, known: set[str]) -> None:
    """A key without a value says nothing: whoever wrote it meant to say something."""
    for key in place.mapping():
        if key in known and place.find(key) is None:
            place.fail(f"{str(key)!r} has no value; write [] for none, or leave the key out", key)
