"""A TOML file read strictly: each key once, as its type, and every error with its line. Pure.

https://toml.io/en/v1.0.0, by the standard library (`tomli` before Python 3.11). Those keep no positions, so the line of
a key is looked for in the text: for messages only.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from registry.errors import RegistryError

LIMIT = 1 << 24
"""Largest file that is read, in bytes."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LONGEST = 2048
"""Longest text of a key or value, in characters."""

_FIX = "restore the file from version control, or remove it and lock again with `registry lock`"


def parse_toml(data: bytes, where: str) -> dict[str, Any]:
    """The tables of a lock file. Raises `RegistryError` that names `where` and the line."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:  # pragma: no cover - another Python
        import tomli as tomllib
    if len(data) > LIMIT:
        raise RegistryError(f"the lock file has {len(data)} bytes, at most {LIMIT} are read", where, _FIX)
    try:
        found: dict[str, Any] = tomllib.loads(data.decode("utf-8").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RegistryError("not a lock file: not UTF-8", f"{where}, line {line}", _FIX) from None
    except RecursionError:
        raise RegistryError("not a lock file: nested too deeply", where, _FIX) from None
    except ValueError as error:
        said = str(error).translate(dict.fromkeys(range(32)))
        line_at = re.search(r" \(at line (\d+), column \d+\)", said)
        place = f"{where}, line {line_at[1]}" if line_at else where
        told = said.replace(line_at[0], "") if line_at else said
        raise RegistryError(f"not a lock file: {told[:200]}", place, _FIX) from None
    return found


def line_of(text: str, entry: int, key: str) -> int:
    """The line of a key in an entry (0: above all of them), or of the entry itself; for messages only."""
    lines = text.splitlines()
    starts = [n for n, line in enumerate(lines) if re.match(r"\s*\[\[\s*artifact\s*\]\]", line)]
    if entry > len(starts):
        return 0
    begin = starts[entry - 1] if entry else 0
    end = (starts[entry] if entry < len(starts) else len(lines)) if entry else (starts or [len(lines)])[0]
    last = re.escape(key.rpartition(".")[2])
    for number in range(begin, end):
        if key and re.match(rf"\s*\[?[\w.\"-]*\b{last}\b", lines[number]):
            return number + 1
    return begin + 1


class Table:
    """A table that is read key by key; what was not taken is unknown."""

    def __init__(self, raw: object, where: str, line: Callable[[str], int], prefix: str = "") -> None:
        self._where, self._line, self._prefix = where, line, prefix
        self._left: dict[str, Any] = raw if isinstance(raw, dict) else self._no_table(raw)
        self._left = dict(self._left)

    def _no_table(self, raw: object) -> Any:
        self.fail("", f"expected a table, found {shown(raw)}")

    def fail(self, key: str, what: str, fix: str = _FIX) -> Any:
        """Raise `RegistryError` about a key, with its line."""
        line = self._line(self._prefix + key)
        raise RegistryError(f"lock file: {what}", f"{self._where}, line {line}" if line else self._where, fix)

    def take(self, key: str, kind: type, called: str, default: object = None) -> Any:
        """The value of a key, of this type; without a default it must be there."""
        if key not in self._left:
            return default if default is not None else self.fail(key, f"{self._prefix}{key} is missing")
        value = self._left.pop(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            self.fail(key, f"{self._prefix}{key} must be {called}, found {shown(value)}")
        return value

    def text(self, key: str, rule: Callable[[str], object] = bool, called: str = "text") -> str:
        """Text without control characters that holds to a rule, which is called so."""
        value: str = self.take(key, str, called)
        if len(value) > LONGEST or CONTROL.search(value) or not _holds(rule, value):
            self.fail(key, f"{self._prefix}{key} must be {called}, found {shown(value)}")
        return value

    def maybe(self, key: str, rule: Callable[[str], object] = bool, called: str = "text") -> str | None:
        """The same, or none where the key is missing."""
        return self.text(key, rule, called) if key in self._left else None

    def table(self, key: str) -> Table:
        """A table below this one."""
        raw = self.take(key, dict, "a table")
        return Table(raw, self._where, self._line, f"{self._prefix}{key}.")

    def keys(self) -> list[str]:
        """The keys that were not taken yet."""
        return list(self._left)

    def close(self) -> None:
        """Raise `RegistryError` where a key was not taken: it is unknown."""
        for key in self._left:
            self.fail(key, f"unknown key {shown(self._prefix + key)}", "install a newer version, or lock again")


def shown(value: object) -> str:
    """A value for messages, short."""
    return repr(value)[:80]


def _holds(rule: Callable[[str], object], value: str) -> bool:
    try:
        return bool(rule(value))
    except RegistryError:
        return False
