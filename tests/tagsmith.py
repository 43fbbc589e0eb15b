"""Tags for tests: events as values for the fold, and whole honest histories written by one `git fast-import`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from registry.tags import (
    ASSIGNMENT,
    DEPRECATION,
    DEREGISTRATION,
    REGISTRATION,
    UNASSIGNMENT,
    Event,
    TagName,
    format_name,
    parse_name,
)

START = 1_750_000_000


def event(ref: str, commit: str = "c1", time: int = START, message: str = "message\n") -> Event:
    """A well-formed tag as the fold sees it; `commit` is padded to an object id."""
    name = parse_name(ref)
    assert isinstance(name, TagName), name
    return Event(ref, *name, "f" * 40, oid(commit), time, "+0000", "Dana", "dana@example.org", message)


def oid(short: str) -> str:
    """A made-up object id."""
    return short.encode().hex().ljust(40, "0")


@dataclass
class Made:
    """What a history knows of one artifact while it is being made, as gto would."""

    versions: dict[str, int] = field(default_factory=dict)
    """Label to the mark of its commit, of every number ever given out."""
    cancelled: set[str] = field(default_factory=set)
    number: int = 0


class History:
    """An honest history: what gto's own commands can produce, each event one tick later than the one before."""

    zones = ("+0000", "+0200", "-0330")

    def __init__(self) -> None:
        self.now = START
        self.commits: list[int] = []
        self.made: dict[str, Made] = {}
        self.refs: dict[str, int] = {}
        """Each tag's name to the mark of its commit."""
        self._stream: list[bytes] = []

    def commit(self, files: dict[str, str] | None = None) -> None:
        mark = len(self.commits) + 1
        who = f"Dana <dana@example.org> {self._tick()}".encode()
        self._stream.append(b"commit refs/heads/main\nmark :%d\nauthor %s\ncommitter %s\n" % (mark, who, who))
        self._data(f"commit {mark}\n")
        if self.commits:
            self._stream.append(b"from :%d\n" % self.commits[-1])
        for name, text in (files or {}).items():
            self._stream.append(b"M 100644 inline %s\n" % name.encode())
            self._data(text)
        self.commits.append(mark)

    def tag(self, ref: str, mark: int, message: str = "") -> None:
        self.refs[ref] = mark
        self._stream.append(f"tag {ref}\nfrom :{mark}\ntagger Dana <dana@example.org> {self._tick()}\n".encode())
        self._data(message or f"message of {ref}\n")

    def event(self, name: str, kind: str, mark: int, version: str | None, stage: str | None, *, numbered: bool) -> None:
        """Tag an event; with a number, or where the plain name is taken, the next one of the artifact."""
        known = self.made.setdefault(name, Made())
        ref = format_name(TagName(name, kind, version, stage, None))
        if numbered or ref in self.refs:
            known.number += 1
            ref = f"{ref}#{known.number}"
        self.tag(ref, mark)

    def register(self, name: str, version: str, mark: int, *, numbered: bool = False) -> None:
        known = self.made.setdefault(name, Made())
        known.versions[version] = mark
        known.cancelled.discard(version)
        self.event(name, REGISTRATION, mark, version, None, numbered=numbered)

    def deregister(self, name: str, version: str, *, numbered: bool = False) -> None:
        self.made[name].cancelled.add(version)
        self.event(name, DEREGISTRATION, self.made[name].versions[version], version, None, numbered=numbered)

    def assign(self, name: str, stage: str, mark: int, *, numbered: bool = True) -> None:
        self.event(name, ASSIGNMENT, mark, None, stage, numbered=numbered)

    def unassign(self, name: str, stage: str, mark: int, *, numbered: bool = True) -> None:
        self.event(name, UNASSIGNMENT, mark, None, stage, numbered=numbered)

    def deprecate(self, name: str, mark: int, *, numbered: bool = False) -> None:
        self.event(name, DEPRECATION, mark, None, None, numbered=numbered)

    def write(self, path: Path) -> None:
        """Make the repository."""
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(path)], check=True, capture_output=True)
        stream = b"".join(self._stream)
        subprocess.run(["git", "fast-import", "--quiet"], input=stream, cwd=path, check=True, capture_output=True)

    def _data(self, text: str) -> None:
        data = text.encode()
        self._stream.append(b"data %d\n%s\n" % (len(data), data))

    def _tick(self) -> str:
        self.now += 7
        return f"{self.now} {self.zones[self.now % len(self.zones)]}"
