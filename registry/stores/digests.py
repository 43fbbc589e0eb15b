"""What the bytes of a held file are, read once as a stream, from where it broke off."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from registry.cache.files import CHUNK
from registry.cache.transfer import Step, Transient, retrying
from registry.errors import Refused, RegistryError
from registry.stores import Held, Opening
from registry.strictyaml import LIMIT

_FIX = "do not use it: find out who changed it, or save the model again"


class Digests(NamedTuple):
    """What the bytes of a file are."""

    size: int
    sha256: str
    md5: str
    head: bytes
    """The first bytes."""


def read_whole(opened: Opening, held: Held, where: str) -> bytes:
    """The bytes of a file that must be small, such as a metafile. Raises `RegistryError`, and what the store raises."""
    limit = LIMIT if held.size is None else min(held.size, LIMIT)

    def attempt() -> bytes:
        data = bytearray()
        with opened(held, 0) as stream:
            while block := stream.source.read(CHUNK):
                data += block
                if len(data) > limit:
                    raise RegistryError(f"{held.path} has more than {limit} bytes", where, _FIX)
        return bytes(data)

    return retrying(attempt, lambda: 0)


class _Hashes:
    def __init__(self) -> None:
        self.sha256, self.md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self.size, self.head = 0, b""

    def update(self, block: bytes) -> None:
        self.sha256.update(block)
        self.md5.update(block)
        self.size += len(block)
        self.head = self.head or block[:64]


def digests(opened: Opening, held: Held, name: str, where: str, step: Step | None = None) -> Digests:
    """Hash a file to its end, trying again what may pass.

    Raises `Refused` (`digest-matches`) for more bytes than its store says it has, and what the store raises.
    """
    hashes = _Hashes()

    def attempt() -> Digests:
        nonlocal hashes
        with opened(held, hashes.size) as stream:
            if stream.offset != hashes.size:
                hashes = _Hashes()
            while block := stream.source.read(CHUNK):
                hashes.update(block)
                if held.size is not None and hashes.size > held.size:
                    raise Refused("digest-matches", f"{name} has more than its {held.size} bytes", where, _FIX)
                if step is not None:
                    step(name, hashes.size, held.size)
        if held.size is not None and hashes.size < held.size:
            raise Transient(f"{name} ended after {hashes.size} of {held.size} bytes", where, "try again later")
        return Digests(hashes.size, hashes.sha256.hexdigest(), hashes.md5.hexdigest(), hashes.head)

    return retrying(attempt, lambda: hashes.size)
