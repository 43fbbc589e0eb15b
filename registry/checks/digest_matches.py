"""`digest-matches`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from registry.checks.elsewhere import Measured, measured
from registry.checks.offer import Digests, Offer
from registry.checks.pins import Pinned
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.errors import RegistryError
from registry.findings import ERROR, Finding
from registry.linkfile import Pin
from registry.metafile import ArtifactRef
from registry.stores import GIT, Held
from registry.stores.git_blob import require_content
from registry.stores.model import Model

Fault = tuple[str, str]
"""The key of the link it concerns, and a sentence."""


class DigestMatches:
    """Every byte is hashed anew from the source's objects at the pinned commit, or from where it is kept instead."""

    id = "digest-matches"
    sentence = (
        "The metafile and every artifact at the pinned commit have the SHA-256 and git object id of the link's pins."
    )
    severity = ERROR
    remedy = "do not use it: find out who changed it, or link the new revision in a pull request"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for the link, which names every file that differs."""
        model, pins, source = subject.model, subject.pins, subject.source
        unjudged: list[str] = []
        faults = [*_metafile(model, pins.metafile)]
        faults += _artifacts(source, model, pins, subject.policy.size_limit, unjudged)
        if faults:
            where = f"{source.source.where}@{pins.commit[:7]}"
            said = "; ".join(sentence for _, sentence in faults)
            line = next((line for key, _ in faults if (line := subject.line(key))), None)
            yield subject.finding(self, f"{said} ({where})")._replace(line=line)
        elif unjudged:
            raise Unjudged("; ".join(unjudged))


def _metafile(model: Model, pin: Pin) -> Iterator[Fault]:
    found = hashlib.sha256(model.data).hexdigest()
    faults = [*_differs("metafile", model.path, pin, found, model.blob)]
    yield from faults or (_elsewhere("metafile", pin, model.held) if model.held else ())


def _artifacts(source: Offer, model: Model, pins: Pinned, limit: int, unjudged: list[str]) -> Iterator[Fault]:
    for name in sorted(pins.artifacts.keys() - model.files.keys()):
        yield f"params.artifact.{name}.sha256", f"artifact {name!r} is pinned but is no part of the model"
    for name, held in model.files.items():
        pin = pins.artifacts.get(name)
        if pin is None:
            yield "params", f"artifact {name!r} ({held.path}) is not pinned"
            continue
        try:
            found = _found(source, pins, held, pin, limit)
        except Unjudged as missing:
            unjudged.append(missing.reason)
            continue
        except RegistryError as error:
            yield f"params.artifact.{name}.sha256", f"artifact {name!r}: {' '.join(error.what.split())}"
            continue
        key = f"artifact.{name}"
        faults = [*_differs(key, held.path, pin, found.sha256, held.key), *_elsewhere(key, pin, held)]
        stated = _stated(model.metafile.artifacts[name], model.metafile.params.get(f"{key}.sha256"))
        known = {"size": str(found.size), "MD5": found.md5, "SHA-256": found.sha256}
        yield from (
            faults
            or [
                (f"params.{key}.sha256", f"{held.path} has {what} {known[what]}, its metafile says {value}")
                for what, value in stated.items()
                if known[what] is not None and value != known[what]
            ]
        )[:1]


def _found(source: Offer, pins: Pinned, held: Held, pin: Pin, limit: int) -> Digests | Measured:
    if held.store != GIT:
        return measured(source, pins, held, pin, limit)
    found = source.digests(held.key)
    require_content(found.head, held.path, "")
    return found


def _elsewhere(key: str, pin: Pin, held: Held) -> Iterator[Fault]:
    """What the link says of where a file is must be what the pinned commit says."""
    if pin.store is not None and (pin.store, pin.key) != (held.store, held.key):
        said = f"in store {pin.store[:80]!r} as {(pin.key or '')[:200]!r}"
        yield f"params.{key}.store", f"{held.path} is in store {held.store!r} as {held.key!r}, the link says {said}"


def _differs(key: str, path: str, pin: Pin, sha256: str, blob: str) -> Iterator[Fault]:
    """At most one sentence for a file: where its SHA-256 differs, its object id differs too."""
    if sha256 != pin.sha256:
        yield f"params.{key}.sha256", f"{path} has SHA-256 {sha256}, the link pins {pin.sha256}"
    elif pin.blob is not None and blob != pin.blob:
        yield f"params.{key}.blob", f"{path} is git object {blob}, the link pins {pin.blob}"


def _stated(ref: ArtifactRef, sha256: object) -> dict[str, str]:
    """What the metafile itself says of an artifact, where it says it."""
    said = {"size": ref.size, "MD5": ref.hash, "SHA-256": sha256}
    return {what: str(value) for what, value in said.items() if value is not None}
