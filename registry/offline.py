"""Whether the network may be used: `REGISTRY_OFFLINE=1`, or `offline=True` of a call, forbids it to all that it does.

Whatever would go to the network asks `require` first, with what it would bring.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from registry.errors import RegistryError

_forbidden: ContextVar[bool] = ContextVar("offline", default=False)


class Offline(RegistryError):
    """The network would be needed, and may not be used."""


def is_offline() -> bool:
    """Whether the network may not be used here and now."""
    return _forbidden.get() or os.environ.get("REGISTRY_OFFLINE", "") not in {"", "0"}


@contextmanager
def offline(forbid: bool) -> Iterator[None]:
    """Forbid the network in the block, or leave it as it is."""
    before = _forbidden.set(forbid or _forbidden.get())
    try:
        yield
    finally:
        _forbidden.reset(before)


def require(what: str, where: str) -> None:
    """Raise `Offline`, which names what is missing, where the network may not be used."""
    if is_offline():
        raise Offline(
            f"{what}, and the network may not be used (offline)",
            where,
            "run it once with the network, or import a bundle: `registry import`",
        )
