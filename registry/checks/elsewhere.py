"""Files of a model that git does not hold: what a check can know of them, and what that costs.

Rules: of Git LFS the pointer in the pinned commit says the SHA-256, so nothing is downloaded. Everything else is
downloaded through the cache, once, and hashed, unless it is kept there; what is larger than the policy's size_limit, or
cannot be had now, is not judged, which never counts as passed.
"""

from __future__ import annotations

import hashlib

from registry.cache.files import CHUNK, kept
from registry.cache.transfer import Wanted, transfer
from registry.checks.offer import Offer
from registry.checks.pins import Pinned
from registry.checks.rule import Unjudged
from registry.errors import NotFound, Refused, RegistryError
from registry.linkfile import Pin
from registry.stores import LFS, URL, Held, openings


class Measured:
    """What is known of one file."""

    def __init__(self, size: int, sha256: str, md5: str | None) -> None:
        self.size = size
        self.sha256 = sha256
        self.md5 = md5
        """None where the bytes were not read."""


def measured(source: Offer, pins: Pinned, held: Held, pin: Pin, limit: int) -> Measured:
    """What a file is. Raises `Unjudged`, and `Refused` or `NotFound` for what is another, or gone."""
    if held.store == LFS:
        return Measured(held.size or 0, held.key, None)
    path = kept(pin.sha256)
    try:
        if path is None:
            size = stated_size(held, pin)
            if size > limit:
                raise Unjudged(f"{held.path} has {size:,} bytes, more than the policy's size_limit: not downloaded")
            opened = openings(source.source, pins.commit, [held])
            wanted = Wanted(pin.sha256, lambda offset: opened(held, offset), held.path, source.source.where, size)
            path = transfer([wanted])[pin.sha256]
    except (Refused, NotFound):
        raise
    except RegistryError as error:
        raise Unjudged(f"{held.path} cannot be read now: {' '.join(error.what.split())}") from None
    md5, length = hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as stream:
        while block := stream.read(CHUNK):
            md5.update(block)
            length += len(block)
    said = held.key[4:36] if held.key.startswith("md5:") else md5.hexdigest()
    if said != md5.hexdigest():
        raise Refused("digest-matches", f"{held.path} has MD5 {md5.hexdigest()}, the commit names {said}")
    return Measured(length, pin.sha256, md5.hexdigest())


def stated_size(held: Held, pin: Pin | None) -> int:
    """Bytes of a file as its store says, else its pin. Raises `RegistryError`, and `Unjudged` where neither says."""
    size = held.size if held.size is not None or pin is None else pin.size
    if size is not None:
        return size
    if held.store == URL:
        from registry.stores.url import Urls

        return Urls().size(held)
    raise Unjudged(f"nothing says how large {held.path} is")
