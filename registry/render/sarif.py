"""Findings as SARIF 2.1.0, which GitHub's code scanning and editors read.

Format: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. Each result has a location, since GitHub asks
for one; a finding about no file points at the registry's marker. Paths are percent-encoded, relative to the root.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from registry.findings import ERROR, WARNING, Finding

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MARKER = ".mlem/config.yaml"
_LEVELS = {ERROR: "error", WARNING: "warning"}


def as_sarif(findings: Sequence[Finding], rules: Mapping[str, tuple[str, str]], version: str, docs: str = "") -> str:
    """A SARIF log. `rules`: sentence and remedy by id; `docs`: the URL of a page with a heading for each id."""
    ids = sorted({finding.id for finding in findings})
    number = {id_: at for at, id_ in enumerate(ids)}
    driver: dict[str, Any] = {"name": "git-model-registry", "version": version}
    driver["rules"] = [_rule(id_, *rules.get(id_, (id_, "")), docs) for id_ in ids]
    results = [_result(finding, number[finding.id]) for finding in findings]
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
    return json.dumps(log, indent=2)


def _rule(id_: str, sentence: str, remedy: str, docs: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": id_, "shortDescription": {"text": _text(sentence)}}
    if remedy:
        rule["help"] = {"text": _text(remedy)}
    if docs:
        rule["helpUri"] = f"{docs}#{id_}"
    return rule


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.path or MARKER), "uriBaseId": "%SRCROOT%"}}
    if finding.path and finding.line:
        place["region"] = {"startLine": finding.line}
    said = f"{finding.message}\nFix: {finding.fix}" if finding.fix else finding.message
    print_ = "\0".join((finding.id, finding.artifact or "", finding.path or "", finding.ref or "", finding.message))
    return {
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": _LEVELS.get(finding.severity, "note"),
        "message": {"text": _text(said)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"registry/v1": hashlib.sha256(print_.encode("utf-8", "replace")).hexdigest()},
    }


def _uri(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
