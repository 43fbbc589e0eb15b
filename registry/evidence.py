"""Evidence: everything that an approval is given on, as one value with one digest. Pure.

Rules: it is written as one line of ASCII JSON with sorted keys and no blanks, and read back only where it would be
written so (RFC 8785 is stricter about numbers; there are none here but the format's). Its SHA-256 names it: whoever
alters one byte of a link, an artifact, a certificate, a card, a report or the stage's part of the policy has other
evidence, and no approval of it.

The stage's part of the policy is what `policy.yaml` means, not how it is written: a key that says what holds without it
changes nothing, nor does one that this version does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from registry.errors import RegistryError
from registry.names import is_artifact, require_stage
from registry.policygates import Gate
from registry.policystages import Stage
from registry.versions import is_version

FORMAT: Final = 1
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Evidence:
    """What is approved."""

    name: str
    """The artifact."""
    version: str
    stage: str
    commit: str
    """The registry's commit that the version names."""
    link: str
    """SHA-256 of the link file at that commit; of a model in the registry itself, of the file that names it."""
    metafile: str
    """SHA-256 of the model's metafile."""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each of the model's files, by the name that the metafile gives it."""
    lineage: str | None = None
    """SHA-256 of the birth certificate at that commit."""
    card: str | None = None
    """SHA-256 of the model card at that commit."""
    reports: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each report of an evaluation on exactly these bytes, by path, as the default branch has them."""
    policy: str = ""
    """SHA-256 of the stage's part of the policy."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its line, in hex."""
        return sha256(format_evidence(self).encode("ascii")).hexdigest()

    def json(self) -> dict[str, Any]:
        """As `--json` prints it, with its digest."""
        return {**asdict(self), "digest": self.digest}


def format_evidence(evidence: Evidence) -> str:
    """The one line that it is written as."""
    return _line({**asdict(evidence), "format": FORMAT})


def parse_evidence(line: str) -> Evidence:
    """Read a line. Raises `RegistryError` for anything that `format_evidence` would not have written."""
    try:
        return _parsed(line)
    except (ValueError, TypeError, AttributeError, RecursionError, RegistryError) as error:
        said = error.what if isinstance(error, RegistryError) else str(error)[:200]
        raise RegistryError(f"this is no evidence: {said}") from None


def _parsed(line: str) -> Evidence:
    raw = json.loads(line)
    if not isinstance(raw, dict) or raw.pop("format", None) != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    found = Evidence(**raw)
    _require(found)
    if format_evidence(found) != line:
        raise ValueError("it is not written in the one form that evidence has")
    return found


def _require(found: Evidence) -> None:
    """Raise for what no evidence says."""
    if not is_artifact(found.name) or not is_version(found.version):
        raise ValueError("it names no artifact and version")
    require_stage(found.stage)
    if _OID.fullmatch(found.commit) is None:
        raise ValueError("its commit is no object id")
    digests = [found.link, found.metafile, found.policy, *found.artifacts.values(), *found.reports.values()]
    digests += [each for each in (found.lineage, found.card) if each is not None]
    if any(_SHA256.fullmatch(each) is None for each in digests):
        raise ValueError("it holds what is no SHA-256")


def differences(before: Evidence, now: Evidence) -> Iterator[str]:
    """What is another now, one sentence each; nothing where both are the same."""
    for key, words in _CHANGED.items():
        if getattr(before, key) != getattr(now, key):
            yield words
    for name in sorted({*before.artifacts, *now.artifacts}):
        if before.artifacts.get(name) != now.artifacts.get(name):
            yield f"the artifact {name!r} is another"
    for path in sorted({*before.reports, *now.reports}):
        if path not in before.reports:
            yield f"the report {path!a} is new"
        elif path not in now.reports:
            yield f"the report {path!a} is gone"
        elif before.reports[path] != now.reports[path]:
            yield f"the report {path!a} was altered"


_CHANGED: Final = {
    "name": "it is of another artifact",
    "version": "it is of another version",
    "stage": "it is for another stage",
    "commit": "the version names another commit",
    "link": "the link is another",
    "metafile": "the metafile is another",
    "lineage": "the birth certificate is another",
    "card": "the model card is another",
    "policy": "the policy asks for something else of this stage",
}


def section_digest(stage: Stage) -> str:
    """SHA-256 of what a policy says of a stage."""
    return sha256(_line(_said(stage)).encode("ascii")).hexdigest()


def _said(value: Any) -> Any:
    """A value of the policy as JSON, without what holds anyway; each gate says which one it is."""
    if is_dataclass(value) and not isinstance(value, type):
        told = {each.name: _said(found) for each in fields(value) if (found := _own(value, each)) is not None}
        return {"gate": value.id, **told} if isinstance(value, Gate) else told
    if isinstance(value, (tuple, list)):
        return [_said(each) for each in value]
    return value


def _own(value: Any, key: Field[Any]) -> Any:
    """What is said under a key; none where it is the default."""
    found = getattr(value, key.name)
    default = key.default if key.default_factory is MISSING else key.default_factory()
    return None if found == default else found


def _line(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
