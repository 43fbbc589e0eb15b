"""A line of progress on standard error, only on a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

import click

_EVERY = 0.1


class Progress:
    """Shows `what: done/total name` while long work runs; silent where standard error is no terminal."""

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._shown = 0.0
        self._on = not quiet and sys.stderr.isatty()

    def step(self, done: int, total: int, name: str) -> None:
        """Tell how far the work is."""
        now = time.monotonic()
        if self._on and (now - self._shown >= _EVERY or done == total):
            self._shown = now
            click.echo(f"\r\033[K{self._what} {done}/{total} {name}", err=True, nl=False)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._on and self._shown:
            click.echo("\r\033[K", err=True, nl=False)
