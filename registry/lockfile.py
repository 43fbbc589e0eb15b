"""`registry.lock`: exactly which version of each artifact a consumer uses, as TOML. Pure.

One `[[artifact]]` for each thing that was asked for: an artifact of a project by a stage, by a version or range, or
(with neither) its latest release. It holds every id on the way from the version's tag to the bytes: tag object,
registry commit, link, source commit, SHA-256 of each file. Read strictly (https://toml.io/en/v1.0.0): a format or key
that is not known here may mean something that this version would not hold, so it is an error, as are a wrong type, a
control character and two entries for one thing. Written sorted, so that the same locks are the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from registry.linkfile import Pin
from registry.names import is_artifact, require_artifact, require_stage
from registry.ranges import is_range, parse_range, within
from registry.tags import REGISTRATION, TagName, parse_name
from registry.tomltable import CONTROL, LONGEST, Table, line_of, parse_toml, shown
from registry.versions import is_version

NAME = "registry.lock"
"""What the file is called, beside a consumer's code."""
FORMAT = 1

_HEAD = "# Written by `registry lock`; `registry lock --check` tells what moved since. Commit this file.\n"
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SOURCE_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_LARGEST = 10**18


@dataclass(frozen=True)
class Locked:
    """One entry."""

    name: str
    project: str
    """The registry: a URL without credentials, or a folder as seen from the lock file's own."""
    stage: str | None
    """The stage that was asked for."""
    wanted: str | None
    """The version or range that was asked for."""
    version: str
    tag: str
    """The tag that registers the version."""
    tag_id: str
    """That tag's object id."""
    commit: str
    """The registry's commit."""
    link: str
    """The link file's path."""
    link_id: str
    """The link file's git object id."""
    url: str
    """The source repository, as the link names it."""
    path: str
    """The model's metafile in the source."""
    rev: str
    source_commit: str
    metafile: Pin
    artifacts: Mapping[str, Pin] = field(default_factory=dict)
    root: tuple[str, ...] = ()
    """Fingerprints of the keys with which the root signed the registry's policy, where it has a root."""

    @property
    def selector(self) -> tuple[str, str, str]:
        """What was asked for: no two entries of a project share it."""
        return self.name, self.stage or "", self.wanted or ""

    @property
    def asked(self) -> str:
        """The same for a person: `m in stage prod`."""
        if self.stage is not None:
            return f"{self.name} in stage {self.stage}"
        return f"{self.name} {self.wanted}" if self.wanted is not None else f"{self.name} (latest)"


class Difference(NamedTuple):
    """One value that is not what was locked."""

    key: str
    locked: str
    now: str

    def __str__(self) -> str:
        return f"{self.key} is {self.now}, locked is {self.locked}"


def differences(locked: Locked, now: Locked) -> list[Difference]:
    """What two entries for the same version say differently, each id and digest by its key in the file."""
    before, after = (_flat(_table(each)) for each in (locked, now))
    keys = [key for key in {**before, **after} if key not in {"name", "project", "stage", "wanted", "root"}]
    pairs = ((key, before.get(key, "none"), after.get(key, "none")) for key in keys)
    return [Difference(*pair) for pair in pairs if pair[1] != pair[2]]


def format_lock(entries: Iterable[Locked]) -> str:
    """Write a lock file; `parse_lock` reads the same back."""
    import tomli_w

    ordered = sorted(entries, key=lambda each: (each.project, *each.selector))
    return _HEAD + tomli_w.dumps({"format": FORMAT, "artifact": [_table(each) for each in ordered]})


def parse_lock(data: bytes, where: str) -> tuple[Locked, ...]:
    """Read a lock file. Raises `RegistryError` that names `where` and the line."""
    raw, text = parse_toml(data, where), data.decode("utf-8", "replace")
    top = Table(raw, where, partial(line_of, text, 0))
    found = top.take("format", int, "a number")
    if found != FORMAT:
        top.fail("format", f"lock format {found!r} is not known here; known is {FORMAT}", "install a newer version")
    listed = top.take("artifact", list, "tables [[artifact]]", [])
    top.close()
    entries: list[Locked] = []
    known: dict[tuple[str, ...], int] = {}
    for number, each in enumerate(listed, 1):
        table = Table(each, where, partial(line_of, text, number))
        entry = _entry(table)
        first = known.setdefault((entry.project, *entry.selector), number)
        if first != number:
            table.fail("", f"{entry.asked} is locked twice: entries {first} and {number}")
        entries.append(entry)
    return tuple(entries)


def _entry(table: Table) -> Locked:
    name = table.text("name", is_artifact, "an artifact's name")
    stage = table.maybe("stage", require_stage, "a stage")
    wanted = table.maybe("wanted", _is_wanted, "a version or a range")
    if stage is not None and wanted is not None:
        table.fail("stage", "an entry is for a stage or for versions, not for both")
    version = table.text("version", is_version, "a version")
    if wanted is not None and not _admits(wanted, version):
        table.fail("version", f"version {version} is not what was asked for, {wanted!r}")
    source = table.table("source")
    artifacts = table.table("artifacts")
    entry = Locked(
        name=name,
        project=table.text("project"),
        stage=stage,
        wanted=wanted,
        version=version,
        tag=table.text("tag", lambda tag: _registers(tag, name, version), f"a tag that registers {name}@{version}"),
        tag_id=table.text("tag_id", _OID.fullmatch, "an object id"),
        commit=table.text("commit", _OID.fullmatch, "an object id"),
        link=table.text("link"),
        link_id=table.text("link_id", _OID.fullmatch, "an object id"),
        url=source.text("url"),
        path=source.text("path"),
        rev=source.text("rev"),
        source_commit=source.text("commit", _SOURCE_ID.fullmatch, "an object id, or the id of a run of MLflow"),
        metafile=_pin(table.table("metafile")),
        root=_root(table),
        artifacts={_plain(artifacts, key): _pin(artifacts.table(key)) for key in artifacts.keys()},  # noqa: SIM118 - no mapping
    )
    for each in (source, artifacts, table):
        each.close()
    return entry


def _root(table: Table) -> tuple[str, ...]:
    called = "fingerprints of keys, as `ssh-keygen -l` prints them"
    found = table.take("root", list, called, [])
    if not all(isinstance(each, str) and _FINGERPRINT.fullmatch(each) for each in found):
        table.fail("root", f"root must be {called}, found {shown(found)}")
    return tuple(found)


def _plain(table: Table, key: str) -> str:
    if not key or len(key) > LONGEST or CONTROL.search(key):
        table.fail("artifacts", f"artifacts.{shown(key)} is not a name")
    return key


def _pin(table: Table) -> Pin:
    size = table.take("size", int, "a number of bytes") if "size" in table.keys() else None  # noqa: SIM118 - no mapping
    if size is not None and not 0 <= size <= _LARGEST:
        table.fail("size", f"size must be a number of bytes, found {shown(size)}")
    pin = Pin(
        sha256=table.text("sha256", _SHA256.fullmatch, "a SHA-256 in hex"),
        blob=table.maybe("blob", _OID.fullmatch, "an object id"),
        store=table.maybe("store"),
        key=table.maybe("key"),
        size=size,
    )
    table.close()
    return pin


def _is_wanted(text: str) -> bool:
    return bool(parse_range(text)) if is_range(text) else is_version(text)


def _admits(wanted: str, version: str) -> bool:
    return within(version, parse_range(wanted)) if is_range(wanted) else version == wanted


def _registers(tag: str, name: str, version: str) -> bool:
    found = parse_name(tag)
    return (
        isinstance(found, TagName)
        and found.kind == REGISTRATION
        and (found.artifact, found.version) == (require_artifact(name), version)
    )


def _table(entry: Locked) -> dict[str, Any]:
    """An entry as the file writes it; what is none is left out."""
    found = {
        "name": entry.name,
        "project": entry.project,
        "root": list(entry.root) or None,
        "stage": entry.stage,
        "wanted": entry.wanted,
        "version": entry.version,
        "tag": entry.tag,
        "tag_id": entry.tag_id,
        "commit": entry.commit,
        "link": entry.link,
        "link_id": entry.link_id,
        "source": {"url": entry.url, "path": entry.path, "rev": entry.rev, "commit": entry.source_commit},
        "metafile": entry.metafile.json(),
        "artifacts": {name: entry.artifacts[name].json() for name in sorted(entry.artifacts)},
    }
    return {key: value for key, value in found.items() if value is not None}


def view(entry: Locked) -> dict[str, Any]:
    """An entry as JSON: the keys of the file."""
    return {"stage": None, "wanted": None, **_table(entry)}


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in table.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": str(value)}
    return found
