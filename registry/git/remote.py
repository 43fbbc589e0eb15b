"""Git commands that ask a remote: what may pass is tried again, a few times and not for long; all else fails at once.

Which failures may pass is read from git's own words (always in English: `LC_ALL=C`): connections that broke off, were
refused or stalled, and answers 408, 429 and 5xx. Words that say no (credentials, 404, an object that the server does
not give, a damaged object) are never asked twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from typing import Final

from registry import timeouts
from registry.errors import GitError, Unreachable
from registry.git.process import Done, run

TRIES: Final = 3
"""How often a remote is asked at most."""

_PASSES: Final = re.compile(
    r"returned error: (?:408|425|429|500|502|503|504|509)\b|HTTP (?:408|425|429|500|502|503|504|509)\b|early EOF|"
    r"unexpected disconnect|hung up unexpectedly|Connection (?:reset|refused|timed out|closed)|Broken pipe|"
    r"Failed to connect|Couldn't connect|Could not connect|Empty reply from server|Operation too slow|timed out|"
    r"(?:Recv|Send) failure|transfer closed|SSL_read|GnuTLS recv|HTTP/2 stream|bad pack header|"
    r"kex_exchange_identification|Could not resolve host"
)
_FINAL: Final = re.compile(
    r"not our ref|remote error|unadvertised object|fsck|Permission denied|Authentication failed|"
    r"could not read Username|returned error: (?:401|403|404|410|30\d)|Host key verification"
)


def ask(
    path: str | os.PathLike[str] | None,
    args: Sequence[str],
    *,
    where: str,
    protocols: str,
    stdin: bytes | None = None,
    question: bool = False,
    hooks: bool = False,
) -> Done:
    """Run a git command that reads from the remote `where`; a `question` has to end sooner than a transfer.

    With `hooks` the user's own run, as for a ref that moves where people look.

    Raises `Unreachable` where there was no answer, `GitError` where it was no.
    """
    seconds = timeouts.question() if question else timeouts.whole()

    def once() -> Done:
        return run(path, args, protocols=protocols, stdin=stdin, seconds=seconds, hooks=hooks)

    try:
        return _tried(once)
    except GitError as error:
        error.where, error.fix = where, error.fix or "check the URL, and ask whoever runs the server"
        raise


def _tried(once: Callable[[], Done]) -> Done:
    try:
        return once()
    except Unreachable:  # took all the time there was
        raise
    except GitError as error:
        if not may_pass(error):
            raise
        return _again(once, error)


def may_pass(error: GitError) -> bool:
    """Whether another try may go better."""
    return _PASSES.search(error.stderr) is not None and _FINAL.search(error.stderr) is None


def _again(once: Callable[[], Done], first: GitError) -> Done:
    """Go on after a first try that failed."""
    from registry.cache.transfer import Transient, retrying  # costs time that an honest answer need not take

    failed = [first]
    told = False

    def attempt() -> Done:
        nonlocal told
        if told:
            try:
                return once()
            except Unreachable:
                raise
            except GitError as error:
                if not may_pass(error):
                    raise
                failed.append(error)
        told = True
        raise Transient(failed[-1].what)

    try:
        return retrying(attempt, int, TRIES)
    except Transient:
        raise Unreachable(*failed[-1].args) from None
