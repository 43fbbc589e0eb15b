"""Tag grammar: what a tag's name and its object say. Nothing here orders tags or derives state.

The grammar is GTO's (https://github.com/iterative/gto): `NAME@vSEMVER` registers, `NAME#STAGE` assigns, a trailing `!`
cancels, `NAME@deprecated` deprecates, and any of them may carry a number `#N`. Reading is stricter than GTO's: the tag
is annotated, its own name equals the ref's, it points at a commit, it is ASCII, has a tagger and a message that decode,
and its time is in range. Anything else is a `BadTag` with the id of the rule it breaks.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from registry.names import FOLDER, NAME, from_tag, in_tag, is_artifact
from registry.versions import LONGEST as LONGEST_VERSION
from registry.versions import PATTERN as VERSION

DEPRECATION: Final = "deprecation"
REGISTRATION: Final = "registration"
DEREGISTRATION: Final = "deregistration"
ASSIGNMENT: Final = "assignment"
UNASSIGNMENT: Final = "unassignment"

PRIORITY: Final = {DEPRECATION: 2, REGISTRATION: 3, DEREGISTRATION: 4, ASSIGNMENT: 5, UNASSIGNMENT: 6}
"""GTO's own numbers: they order events of one second in `history`."""

SKEW: Final = 86_400
"""How far a tagger's time may lie ahead of the reader's clock, in seconds, before the tag is out of range."""
LARGEST: Final = 1 << 16
"""Largest tag object that is read, in bytes."""
HIGHEST: Final = 999_999_999
"""Greatest accepted number of a tag."""


class TagName(NamedTuple):
    """What a tag's name says."""

    artifact: str
    kind: str
    version: str | None
    stage: str | None
    number: int | None


class Event(NamedTuple):
    """One well-formed registry tag."""

    ref: str
    """Tag name, without `refs/tags/`."""
    artifact: str
    kind: str
    """One of `registration`, `deregistration`, `assignment`, `unassignment`, `deprecation`."""
    version: str | None
    """The version a registration or deregistration names."""
    stage: str | None
    """The stage an assignment or unassignment names."""
    number: int | None
    """The `#N`, where there is one."""
    oid: str
    """Object id of the tag, in hex."""
    commit: str
    """Object id of the commit it points at, in hex."""
    time: int
    """Tagger's time, in seconds since 1970-01-01 UTC."""
    zone: str
    """Tagger's time zone as git writes it, such as `+0100`."""
    tagger: str
    email: str
    message: str
    """Whole message, signature included."""


class BadTag(NamedTuple):
    """A tag that is skipped, with the rule it breaks."""

    ref: str
    """Tag name, without `refs/tags/`; bytes that are not UTF-8 are escaped."""
    artifact: str | None
    """The artifact its name speaks of, where the name is in the grammar."""
    rule: str
    """Id of the rule, a heading in `docs/tags.md`."""
    detail: str
    """Expected and actual."""


_name = re.compile(
    rf"(?P<artifact>(?:{FOLDER}=)?{NAME})"
    rf"(?:(?:#(?P<stage>{NAME})|@(?P<version>{VERSION}))(?P<cancel>!?)|@(?P<word>deprecated|created))"
    r"(?:#(?P<number>[0-9]+))?",
)
_object = re.compile(
    r"object ([0-9a-f]{40}(?:[0-9a-f]{24})?)\ntype ([a-z]+)\ntag ([^\n\0]+)\n"
    r"tagger ([^\n\0<>]*)<([^\n\0<>]*)> ([0-9]{1,12}) ([+-][0-9]{4})\n"
    r"(?:gpgsig(?:-sha256)? [^\n]*\n(?: [^\n]*\n)*)*\n",
)
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_BEGIN = "-----BEGIN "
_SIGNATURE = re.compile(r"^-----BEGIN (?:SSH SIGNATURE|PGP SIGNATURE|PGP MESSAGE|SIGNED MESSAGE)-----$", re.MULTILINE)


@lru_cache(maxsize=1 << 16)
def _artifact_in(text: str) -> str | None:
    name = from_tag(text)
    return name if is_artifact(name) else None


def looks_like_event(ref: str) -> bool:
    """Whether a tag's name could be meant for a registry: only such names are ever reported."""
    return "@" in ref or "#" in ref


def parse_name(ref: str) -> TagName | BadTag:
    """Parse a tag's name (without `refs/tags/`)."""
    match = _name.fullmatch(ref) if ref.isascii() else None
    if match is None:
        return BadTag(ref, None, "tag-grammar", "not NAME@vX.Y.Z, NAME#STAGE, NAME@deprecated, with ! or #N behind")
    artifact, stage, version, cancel, word, number = match.groups()
    artifact = _artifact_in(artifact)
    if artifact is None or (version and len(version) > LONGEST_VERSION):
        return BadTag(ref, None, "tag-grammar", "the artifact's name or the version is not one a registry may use")
    if word == "created":
        return BadTag(ref, artifact, "tag-created", "@created is reserved by gto and means nothing")
    if number is not None and (len(number) > len(str(HIGHEST)) or number[0] == "0"):
        return BadTag(ref, artifact, "tag-number", f"#{number[:20]} is not a number from 1 to {HIGHEST} without zeros")
    if word:
        kind = DEPRECATION
    elif version:
        kind = DEREGISTRATION if cancel else REGISTRATION
    else:
        kind = UNASSIGNMENT if cancel else ASSIGNMENT
    return TagName(artifact, kind, version, stage, int(number) if number else None)


def format_name(name: TagName) -> str:
    """Write a tag's name; `parse_name` reads it back."""
    artifact = in_tag(name.artifact)
    if name.kind == DEPRECATION:
        text = f"{artifact}@deprecated"
    elif name.version is not None:
        text = f"{artifact}@{name.version}" + ("!" if name.kind == DEREGISTRATION else "")
    else:
        text = f"{artifact}#{name.stage}" + ("!" if name.kind == UNASSIGNMENT else "")
    return text if name.number is None else f"{text}#{name.number}"


def parse_tag(ref: str, oid: str, kind: str, body: bytes, newest: int) -> Event | BadTag:
    """Judge one tag: `kind` is its object's type, `body` the tag object, `newest` the latest accepted time in seconds.

    That the object it points at really is a commit is for the reader to ask git.
    """
    name = parse_name(ref)
    return name if isinstance(name, BadTag) else parse_named(name, ref, oid, kind, body, newest)


def parse_named(name: TagName, ref: str, oid: str, kind: str, body: bytes, newest: int) -> Event | BadTag:
    """Judge the object of a tag whose name was read, in this grammar or another, and says `name`."""
    judged = _event(name, ref, oid, body, newest) if kind == "tag" else _no_tag(kind)
    return judged if isinstance(judged, Event) else BadTag(ref, name.artifact, *judged)


def _no_tag(kind: str) -> tuple[str, str]:
    if kind == "commit":
        return "tag-lightweight", "a lightweight tag: it says neither who nor when"
    if kind.startswith("tag object"):
        return "tag-size", f"a {kind}, at most {LARGEST} are read"
    return "tag-target", f"points at a {kind}, not at a commit"


def _event(name: TagName, ref: str, oid: str, body: bytes, newest: int) -> Event | tuple[str, str]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _malformed(body.decode("utf-8", "surrogateescape")) or ("tag-encoding", "tagger or message is not UTF-8")
    match = _object.match(text)
    if match is None:
        return _malformed(text) or ("tag-malformed", "the tag object is not what `git tag -a` writes")
    commit, target, own, tagger, email, time, zone = match.groups()
    seconds = int(time)
    if own != ref:
        return "tag-name", f"the ref says {ref!r}, the tag object says {own!r}"
    if target != "commit":
        return "tag-target", f"points at a {target}, not at a commit"
    if not 0 < seconds <= newest:
        return "tag-time", f"tagger's time {seconds} is not from 1 to {newest}"
    message = text[match.end() :]
    if not message or message.isspace():
        return "tag-message", "the tag has no message"
    return Event._make((ref, *name, oid, commit, seconds, zone, tagger.strip(), email.strip(), message))


def _malformed(text: str) -> tuple[str, str] | None:
    if "\ntagger " not in text.partition("\n\n")[0]:
        return "tag-tagger", "the tag has no tagger"
    return None


def text_of(message: str) -> str:
    """A message without its signature, which begins at the last line that can begin one, as for git itself."""
    last = message.rfind(_BEGIN)
    if last < 0 or _SIGNATURE.match(message, last):
        return message[:last] if last >= 0 else message
    starts = [found.start() for found in _SIGNATURE.finditer(message)]
    return message[: starts[-1]] if starts else message


def trailers(message: str) -> dict[str, str]:
    """The trailers of a message (`Key: value` lines of its last paragraph), after cutting the signature off.

    The first of two equal keys counts. `Version`, `Forced`, `Rollback-of`, `Link` and `Nonce` are what
    this package writes.
    """
    if ": " not in message:
        return {}
    paragraph = text_of(message).rstrip().rpartition("\n\n")
    if not paragraph[1]:
        return {}
    found: dict[str, str] = {}
    for line in paragraph[2].splitlines():
        key, colon, said = line.partition(":")
        if not colon or not _is_key(key):
            return {}
        found.setdefault(key, said.strip())
    return found


@lru_cache(maxsize=256)
def _is_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None
