"""A line of progress on standard error, only on a terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

import click

_EVERY = 0.1
_WIDTH = 79


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


class Transfers:
    """Shows bytes and rate of the files that are on their way, by any thread; silent where there is no terminal."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._on = not quiet and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._shown = 0.0

    @property
    def step(self) -> Callable[[str, int, int | None], None] | None:
        """What is told how far a file is: its name, bytes so far, bytes in all where known; none where silent."""
        return self._step if self._on else None

    def _step(self, name: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        with self._lock:
            file = self._files.setdefault(name, _File(now, done))
            file.done, file.total = done, total
            if now - self._shown >= _EVERY:
                self._shown = now
                click.echo(f"\r\033[K{self._line(now)[:_WIDTH]}", err=True, nl=False)

    def _line(self, now: float) -> str:
        return (
            "  ".join(f"{name} {file.told(now)}" for name, file in self._files.items() if file.done != file.total)
            or "verifying"
        )

    def __enter__(self) -> Transfers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            click.echo("\r\033[K", err=True, nl=False)


class _File:
    """One file on its way."""

    def __init__(self, since: float, begun: int) -> None:
        self.since = since
        self.begun = begun
        """Bytes that were there when it began; they do not count for the rate."""
        self.done = begun
        self.total: int | None = None

    def told(self, now: float) -> str:
        of = f"/{amount(self.total)}" if self.total is not None else ""
        passed = now - self.since
        rate = f" {amount((self.done - self.begun) / passed)}/s" if passed > _EVERY else ""
        return f"{amount(self.done)}{of}{rate}"


def amount(size: float) -> str:
    """Bytes as a person reads them, by powers of ten."""
    for unit in ("B", "kB", "MB"):
        if size < 999.5:  # noqa: PLR2004 - what would be printed as 1000
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
