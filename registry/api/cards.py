"""Model cards: begun from the link's model, and read as they are now or as they were at a version.

A card is read as text and says nothing to the loader, so neither pins nor trust are asked for; it is never read through
a symlink. Beginning one reads the metafile that the link pins, and nothing of the model's own bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from registry.api.accepting import read_accepted
from registry.api.bringing import bring_metafile
from registry.api.project import Project, open_project
from registry.api.resolving import Read, Resolved, decided, pinned_at, pinned_by
from registry.api.writing import registry_root, require_inside, write_file
from registry.card import Card, parse_card
from registry.carddraft import blocks, draft, known_of
from registry.cardupdate import Updated, update
from registry.checks.files import FILE, on_disk
from registry.checks.listing import about, artifact_of, listing
from registry.errors import NotFound, Refused, RegistryError
from registry.lineage import Certificate, certificate_path
from registry.lineage import parse as parse_certificate
from registry.linkfile import parse_link
from registry.names import require_artifact, require_stage
from registry.state import fold_artifact
from registry.strictyaml import LIMIT

Where = str | PathLike[str]

VERSIONS = 200
"""How many versions back a card may have been begun or brought up to date."""
_NOWHERE = "0" * 40
"""The commit of a link that was not committed yet."""


@dataclass(frozen=True)
class CardText:
    """A card, and which one it is."""

    name: str
    version: str | None
    stage: str | None
    commit: str | None
    """The registry's commit that it was read at; none as it is now."""
    path: str
    data: bytes


def init_card(name: str, project: Where = ".") -> Path:
    """Begin `cards/<name>.md` from the artifact's link and metafile; a card that is there is left alone.

    Raises `RegistryError`, `NotFound`, `Refused`; then nothing was written.
    """
    opened, root, path = _here(name, project)
    if path.is_symlink() or path.exists():
        raise RegistryError("the card is there already", str(path), "edit it, or remove it first")
    linked = _linked(opened, root, name)
    write_file(path, draft(name, linked.link, bring_metafile(linked), _certificate(root, linked)))
    return path


def update_card(name: str, project: Where = ".") -> tuple[Path, Updated]:
    """Bring what `init_card` wrote up to date with the link and its certificate; what people wrote stays as it is.

    Raises `RegistryError`, `NotFound`, `Refused`; then nothing was written.
    """
    opened, root, path = _here(name, project)
    if path.is_symlink() or not path.is_file():
        raise NotFound(f"{name!r} has no card: {path} is no file", opened.where, f"registry card init {name}")
    linked = _linked(opened, root, name)
    certificate = _certificate(root, linked)
    if certificate is None:
        what = "there is no birth certificate of what the link pins, so nothing is known to bring up to date"
        raise RegistryError(what, str(root / certificate_path(name)), "write it again with `registry link`")
    metafile, data = bring_metafile(linked), path.read_bytes()
    tag = {"pipeline_tag": parse_card(data, str(path)).fields.mapping().get("pipeline_tag")}
    known = [known_of(name, metafile, each, tag) for each in (certificate, *_earlier(opened, name))]
    found = update(data, str(path), known[0], known, blocks(linked.link, metafile, certificate))
    if found.changed:
        write_file(path, found.text)
    return path, found


def _here(name: str, project: Where) -> tuple[Project, Path, Path]:
    """The registry, its folder, and where the artifact's card stands."""
    require_artifact(name)
    opened = open_project(project)
    if not opened.address.local:
        raise RegistryError("a card is written into a folder, not a URL", opened.where, "clone the registry first")
    root = registry_root(project)
    path = root / about(name)[0]
    require_inside(root, path)
    return opened, root, path


def _earlier(opened: Project, name: str) -> Iterator[Certificate]:
    """The certificates at `HEAD` and at the artifact's last versions; one that cannot be read is none."""
    versions = fold_artifact(name, opened.scan(name).events).versions.values()
    head = opened.head()
    commits = [*([head] if head else []), *(each.commit for each in [*versions][-VERSIONS:])]
    path = certificate_path(name)
    for _, data in opened.read_at([(each, path) for each in dict.fromkeys(commits)], LIMIT).values():
        with suppress(RegistryError):
            yield parse_certificate(data, path)


def read_card(text: str, project: Where = ".") -> CardText:
    """The card of `NAME` as it is now (on disk, or on the default branch of a URL), of `NAME@V` or of `NAME#STAGE`.

    Raises `NotFound`, `RegistryError`.
    """
    opened = open_project(project)
    for mark in "#@":
        name, found, place = text.partition(mark)
        if found:
            return _at_event(opened, name, place, stage=mark == "#")
    path = about(require_artifact(text))[0]
    opened.refresh_head()
    if opened.mirror is None:
        require_inside(Path(opened.address.text), Path(opened.address.text) / path)
    return _found(CardText(text, None, None, None, path, opened.config_file(path, LIMIT) or b""), opened)


def _at_event(opened: Project, name: str, place: str, *, stage: bool) -> CardText:
    held = require_stage(place) if stage else None
    label, event = decided(read_accepted(opened, name), held, None if stage else place)
    path = about(name)[0]
    entry = opened.tree(event.commit, [path]).get(path)
    plain = entry is not None and entry.mode.startswith("100")
    where = f"{opened.where}: {event.commit[:7]}:{path}"
    data = opened.blob(entry.oid, LIMIT, where) if entry is not None and plain else b""
    return _found(CardText(name, label, held, event.commit, path, data), opened)


def _found(card: CardText, opened: Project) -> CardText:
    if not card.data:
        at = f" at {card.commit[:7]}" if card.commit else ""
        fix = f"write one: registry card init {card.name}"
        raise NotFound(f"{card.name!r} has no card: {card.path} is no file{at}", opened.where, fix)
    if len(card.data) > LIMIT:
        raise RegistryError(f"the card has more than {LIMIT} bytes", card.path, "make it smaller")
    return card


def card_at(name: str, commit: str, project: Where = ".") -> Card | None:
    """The card of an artifact at a commit of the registry; none where it has none. Raises `RegistryError`."""
    path = about(name)[0]
    opened = open_project(project)
    found = opened.read_at([(commit, path)], LIMIT).get((commit, path))
    return None if found is None else parse_card(found[1], f"{opened.where}: {commit[:7]}:{path}")


def _certificate(root: Path, linked: Resolved) -> Certificate | None:
    """The birth certificate beside the link, where it is of what the link pins; `lineage-complete` judges the rest."""
    path = root / certificate_path(linked.name)
    try:
        require_inside(root, path)
        data = b"" if path.is_symlink() or not path.is_file() else path.read_bytes()
        found = parse_certificate(data, str(path))
    except (RegistryError, OSError):
        return None
    return found if found.commit == linked.link.commit else None


def _linked(opened: Project, root: Path, name: str) -> Resolved:
    """What the link of the work tree pins, committed or not; else the model in the registry at `HEAD`."""
    file = next((each for each in listing(on_disk(root)).links if artifact_of(each.path) == name), None)
    commit = opened.head()
    if file is None:
        if commit is None:
            raise NotFound(f"no link for {name!r}", opened.where, "link it first: registry link")
        return pinned_at(opened, name, commit, None, None, None)
    if file.kind != FILE:
        raise Refused("path-contained", f"the link is {file.kind}", str(root / file.path), "make it a plain file")
    link = parse_link(file.data, str(root / file.path))
    return pinned_by(opened, name, commit or _NOWHERE, Read(file.path, "", link))
