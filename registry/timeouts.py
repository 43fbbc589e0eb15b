"""How long the network is waited for: one setting, `REGISTRY_TIMEOUT`, and what follows from it.

What makes no headway for so many seconds is given up; what may pass is tried again until twice that is over. Headway is
a rate, not a byte: `LEAST` bytes a second for git (`http.lowSpeedLimit`, git-config(1)), a piece of a download over
HTTP. libcurl gives a connection five minutes to stand and git has no setting for it (only `http.lowSpeedTime`, which
counts from then on), and nothing bounds ssh; so a whole question and a whole transfer have bounds of their own.
"""

from __future__ import annotations

import os
from typing import Final

from registry.errors import RegistryError

VARIABLE: Final = "REGISTRY_TIMEOUT"
DEFAULT: Final = 30.0
LEAST: Final = 1000
"""Bytes a second below which an answer to git is no headway."""
_LONGEST: Final = 86400.0


def seconds() -> float:
    """Seconds without headway after which the network is given up. Raises `RegistryError` for a bad setting."""
    text = os.environ.get(VARIABLE)
    if not text:
        return DEFAULT
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found <= _LONGEST:
        raise RegistryError(
            f"{VARIABLE} is {text[:40]!r}", f"the environment variable {VARIABLE}", "give seconds, such as 30"
        )
    return found


def patience() -> float:
    """Seconds without headway after which nothing is tried again."""
    return 2 * seconds()


def question() -> float:
    """Seconds that one question to a remote (its refs, or those of an artifact) may take in all."""
    return 4 * seconds()


def whole() -> float:
    """Seconds that one transfer by git may take in all, however fast it is."""
    return 60 * seconds()
