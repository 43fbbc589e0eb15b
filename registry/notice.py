"""What is told of one event of a registry, and the JSON body in which it is told. Pure.

Rules: the id follows from the event (a tag's object id), so that who receives it twice can tell; what a person wrote
(names, messages, reasons) is data: `plain` makes one line of it that holds no control character, line end or mark that
changes the direction of text. `registry/schemas/event.schema.json` is `schema()`, which receivers may hold us to.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

FORMAT: Final = 1
TEST: Final = "test"
KINDS: Final = {
    "register": "registered",
    "deregister": "deregistered",
    "assign": "assigned",
    "unassign": "unassigned",
    "rollback": "rolled back",
    "deprecate": "deprecated",
    "revoke": "revoked",
    "archive": "archived",
    "request": "approval requested",
    "approve": "approved",
    "refused": "refused",
    "rejected": "tag rejected",
    "override": "override used",
}
"""Kinds of events, with the words for people. `test` is a message that only tries a channel."""
LONGEST: Final = 2000
"""Characters of a person's text that are told."""
_ID: Final = r"[A-Za-z0-9._-]{1,128}"


class Change(NamedTuple):
    """A metric of the version, and of what the stage held before."""

    before: float | None
    after: float | None

    def json(self) -> dict[str, float | None]:
        """The same for programs; what is no number is null, since JSON has no word for it."""
        return {
            name: value if value is not None and math.isfinite(value) else None
            for name, value in self._asdict().items()
        }

    def text(self) -> str:
        """`0.81 → 0.84 (+0.03)`, as far as it is known."""
        if self.before is None or self.after is None:
            return _number(self.before if self.after is None else self.after)
        return f"{_number(self.before)} → {_number(self.after)} ({self.after - self.before:+.4g})"


@dataclass(frozen=True)
class Notice:
    """One event, as it is told."""

    id: str
    """Of a tag its object id: letters, digits, dots, underscores and hyphens."""
    kind: str
    """One of `KINDS`, or `TEST`."""
    model: str
    time: str
    """When it happened, ISO 8601 in UTC."""
    project: str
    """The registry's address, without credentials."""
    version: str | None = None
    stage: str | None = None
    stages: tuple[str, ...] = ()
    """Every stage it concerns: that of the event, or those that held the version."""
    previous: str | None = None
    """What the stage held before; of a registration the greatest version before."""
    holds: str | None = None
    """What the stage holds after it."""
    actor: str = ""
    """Who made it, as the tag says."""
    actor_email: str = ""
    principal: str | None = None
    """Who signed it, as far as that was verified."""
    tag: str | None = None
    commit: str | None = None
    message: str = ""
    """What the actor wrote."""
    metrics: Mapping[str, Change] | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    """Pages of the host by what they show: `compare`, `commit`, `run`."""
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(_ID, self.id) or self.kind not in {*KINDS, TEST}:
            raise ValueError(f"no event: id {self.id!r}, kind {self.kind!r}")

    def title(self) -> str:
        """One line that says it."""
        if self.kind == TEST:
            return f"Test message of the model registry {plain(self.project)}"
        version = f" {short(self.version)}" if self.version else ""
        stage = f" in {plain(self.stage)}" if self.stage else ""
        was = f" (was {short(self.previous)})" if self.stage and self.previous not in {None, self.version} else ""
        return f"{plain(self.model)}{version}: {KINDS[self.kind]}{stage}{was}"

    def facts(self) -> dict[str, str]:
        """What is known of it, as words for people and lines of text; what is not known is left out."""
        who = plain(f"{self.actor} <{self.actor_email}>" if self.actor_email else self.actor)
        found = {
            "Model": plain(self.model),
            "Version": short(self.version),
            "Stage": plain(self.stage or ", ".join(self.stages)),
            "Before": short(self.previous),
            "Now held": "" if self.holds == self.version else short(self.holds),
            "By": who,
            "Signed by": plain(self.principal or ""),
            "Time": plain(self.time),
            "Tag": plain(self.tag or ""),
            "Registry": plain(self.project),
        }
        return {name: text for name, text in found.items() if text}

    def deltas(self) -> list[str]:
        """Its metrics, a line each."""
        return [f"{plain(name)}: {change.text()}" for name, change in sorted((self.metrics or {}).items())]

    def words(self) -> list[str]:
        """What people wrote about it, a line each."""
        return [plain(text) for text in (*self.reasons, self.message) if plain(text)]

    def body(self) -> dict[str, Any]:
        """Its JSON; texts are as they were written."""
        metrics = self.metrics
        return {
            "format": FORMAT,
            "id": self.id,
            "event": self.kind,
            "time": self.time,
            "project": self.project,
            "model": self.model,
            "version": self.version,
            "stage": self.stage,
            "stages": list(self.stages),
            "previous_version": self.previous,
            "stage_holds": self.holds,
            "actor": self.actor,
            "actor_email": self.actor_email,
            "principal": self.principal,
            "tag": self.tag,
            "commit": self.commit,
            "message": self.message[:LONGEST],
            "metrics": None if metrics is None else {name: change.json() for name, change in metrics.items()},
            "links": dict(self.links),
            "reasons": [reason[:LONGEST] for reason in self.reasons],
        }


def identified(notice: Notice) -> Notice:
    """The same with an id that follows from all else: for an event that no tag records."""
    told = json.dumps({**notice.body(), "id": ""}, sort_keys=True).encode()
    return replace(notice, id=hashlib.sha256(told).hexdigest())


def plain(text: str, longest: int = LONGEST) -> str:
    """A person's text as one line of printable characters, cut where it is long."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 2 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def short(label: str | None) -> str:
    """A version's label; a commit's id cut to seven digits."""
    text = plain(label or "")
    return text[:7] if re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", text) else text


def schema() -> dict[str, Any]:
    """JSON Schema of what a webhook gets."""
    text, maybe = {"type": "string"}, {"type": ["string", "null"]}
    number = {"type": ["number", "null"]}
    oid = {"type": ["string", "null"], "pattern": "^[0-9a-f]{40}([0-9a-f]{24})?$"}
    change = _object({"before": number, "after": number})
    properties: dict[str, Any] = {
        "format": {"const": FORMAT},
        "id": {"type": "string", "pattern": f"^{_ID}$", "description": "The same each time this event is sent."},
        "event": {"enum": [*KINDS, TEST]},
        "sent_at": {"type": "integer", "description": "Seconds since 1970-01-01 UTC, when this body was signed."},
        "time": {"type": "string", "format": "date-time", "description": "When it happened."},
        "project": {"type": "string", "description": "The registry's address, without credentials."},
        "model": text,
        "version": {**maybe, "description": "vX.Y.Z, or the commit's id where none is registered."},
        "stage": maybe,
        "stages": {"type": "array", "items": text, "description": "Every stage it concerns."},
        "previous_version": {**maybe, "description": "What the stage held; of a registration the greatest version."},
        "stage_holds": {**maybe, "description": "What the stage holds now."},
        "actor": {"type": "string", "description": "As the tag says."},
        "actor_email": text,
        "principal": {**maybe, "description": "Who signed it, where that was verified."},
        "tag": maybe,
        "commit": oid,
        "message": text,
        "metrics": {"anyOf": [{"type": "null"}, {"type": "object", "additionalProperties": change}]},
        "links": {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}},
        "reasons": {"type": "array", "items": text},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An event of a model registry",
        **_object(properties),
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.6g}"
