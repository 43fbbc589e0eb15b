"""A birth certificate as a machine-learning bill of materials. Takes values, returns text.

Format: CycloneDX 1.6 JSON (https://cyclonedx.org/docs/1.6/json/), written here since `cyclonedx-python-lib` has no
`modelCard`; the tests hold it against that library's strict validator. Serial number and time come from the
certificate, so that the same version gives the same bytes. Text of the source is data: URLs are encoded, a digest that
is none is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from registry.card import PARTS, Card
from registry.cardfacts import metrics
from registry.lineage import (
    DATA,
    DECLARED,
    ENVIRONMENT,
    FEATURES,
    FRAMEWORK,
    IDENTITY,
    PARAMETERS,
    TRACKING,
    TRAINING,
    Certificate,
    Fact,
    dump,
    shown,
)

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
MODEL = "model"
"""The model's own reference in the document."""

_DIGESTS = {"MD5": ("md5", re.compile(r"[0-9a-f]{32}")), "SHA-256": ("sha256", re.compile(r"[0-9a-f]{64}"))}
_SCP = re.compile(r"([A-Za-z0-9_.-]+@[A-Za-z0-9.-]+):(?!//)(.+)")
_URL = re.compile(r"(?:https|http|ssh|file|mlflow\+https)://[A-Za-z0-9._~@:%-]*(?:/[^\s\[\]]*)?")
_RESERVED = ":/?#@!$&'()*+,;=~"
_SAID = {
    "intended-use": "useCases",
    "limitations": "technicalLimitations",
    "ethical-considerations": "ethicalConsiderations",
}

Json = dict[str, Any]


def as_cyclonedx(
    name: str, version: str, certificate: Certificate, artifacts: Mapping[str, str], card: Card | None = None
) -> str:
    """The document; `artifacts` are the SHA-256 of the model's files by the name its metafile gives them."""
    parts = [*_data(certificate), *_programs(certificate), *_packages(certificate)]
    when = str(_value(certificate, IDENTITY, "time") or "")
    metadata: Json = {"tools": {"components": [{"type": "application", "name": "git-model-registry"}]}}
    if _is_time(when):
        metadata["timestamp"] = when
    metadata["component"] = _model(name, version, certificate, artifacts, card)
    said: Json = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{_serial(name, version, certificate, artifacts)}",
        "version": 1,
        "metadata": metadata,
        "components": parts,
        "dependencies": [{"ref": MODEL, "dependsOn": [each["bom-ref"] for each in parts]}],
    }
    return json.dumps(said, indent=2, ensure_ascii=False)


def _model(name: str, version: str, certificate: Certificate, artifacts: Mapping[str, str], card: Card | None) -> Json:
    made: Json = {"type": "machine-learning-model", "bom-ref": MODEL, "name": name, "version": version}
    author = _value(certificate, IDENTITY, "author")
    if isinstance(author, str) and author.partition(" <")[0]:
        made["authors"] = [{"name": author.partition(" <")[0]}]
    if len(artifacts) == 1:
        made["hashes"] = [{"alg": "SHA-256", "content": each} for each in artifacts.values()]
    elif artifacts:
        made["components"] = [
            {"type": "file", "name": each, "hashes": [{"alg": "SHA-256", "content": digest}]}
            for each, digest in sorted(artifacts.items())
        ]
    if licenses := _licenses(card):
        made["licenses"] = licenses
    if references := list(_references(certificate)):
        made["externalReferences"] = references
    made["modelCard"] = _model_card(certificate, card)
    facts = {"commit": certificate.commit, "metafile": certificate.model}
    facts |= {f"training:{key}": shown(f.value) for key, f in certificate.section(TRAINING).items() if _is_text(f)}
    facts |= {key: shown(fact.value) for key, fact in certificate.section(TRACKING).items()}
    facts |= {f"broken-{number}": each for number, each in enumerate(certificate.breaks, 1)}
    made["properties"] = _properties(facts)
    return made


def _model_card(certificate: Certificate, card: Card | None) -> Json:
    parameters: Json = {}
    if kind := _value(certificate, FRAMEWORK, "type"):
        parameters["architectureFamily"] = shown(kind)
    if datasets := [{"ref": _ref(DATA, name)} for name in certificate.section(DATA)]:
        parameters["datasets"] = datasets
    if inputs := [{"format": f"{name}: {shown(f.value)}"} for name, f in certificate.section(FEATURES).items()]:
        parameters["inputs"] = inputs
    made: Json = {"modelParameters": parameters}
    if numbers := metrics(certificate):
        measured = [{"type": name, "value": json.dumps(value)} for name, value in numbers.items()]
        made["quantitativeAnalysis"] = {"performanceMetrics": measured}
    if considered := _considerations(card):
        made["considerations"] = considered
    if found := certificate.section(PARAMETERS):
        made["properties"] = _properties({f"parameter:{name}": shown(fact.value) for name, fact in found.items()})
    return made


def _considerations(card: Card | None) -> Json:
    """What people wrote, in the sections that a policy may require."""
    found: Json = {}
    for part, key in _SAID.items() if card is not None else ():
        titles = {title.casefold() for title in PARTS[part]}
        texts = [s.text for s in card.sections if s.title.casefold() in titles and s.filled] if card else []
        if texts:
            found[key] = [{"name": text} for text in texts] if part == "ethical-considerations" else texts
    return found


def _licenses(card: Card | None) -> list[Json]:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    text = card.fields.find("license") if card is not None else None
    if text is None or not isinstance(text.value, str) or text.value in {"unknown", "other"}:
        return []
    try:
        return [{"expression": str(canonicalize_license_expression(str(text.value)))}]
    except InvalidLicenseExpression:
        return [{"license": {"name": str(text.value)}}]


def _references(certificate: Certificate) -> Iterator[Json]:
    source, tracking = _value(certificate, IDENTITY, "source"), _value(certificate, TRACKING, "mlflow.tracking_uri")
    if url := _url(source):
        yield {"type": "vcs", "url": url, "comment": f"commit {certificate.commit}"}
    if url := _url(tracking):
        yield {"type": "build-meta", "url": url, "comment": "MLflow's tracking server"}


def _data(certificate: Certificate) -> Iterator[Json]:
    for section in (DATA, DECLARED):
        for name, fact in certificate.section(section).items():
            yield _component("data", section, name, fact) | {"data": [{"type": "dataset", "name": name}]}


def _programs(certificate: Certificate) -> Iterator[Json]:
    for name, fact in certificate.section(TRAINING).items():
        if name.startswith("code:"):
            code = _component("file", TRAINING, name.removeprefix("code:"), fact)
            yield code | {"data": [{"type": "source-code", "name": code["name"]}]}


def _packages(certificate: Certificate) -> Iterator[Json]:
    for name, fact in certificate.section(ENVIRONMENT).items():
        kind, mark, package = name.partition(":")
        if kind == "package" and mark and package:
            version = shown(fact.value)
            purl = f"pkg:pypi/{quote(package, safe='')}@{quote(version, safe='')}"
            ref = _ref(ENVIRONMENT, name)
            yield {"type": "library", "bom-ref": ref, "name": package, "version": version, "purl": purl}
        elif name == "container":
            image, _, digest = shown(fact.value).partition("@")
            yield {"type": "container", "bom-ref": _ref(ENVIRONMENT, name), "name": image, "version": digest}
        else:
            yield _component("file", ENVIRONMENT, name, fact)


def _component(kind: str, section: str, name: str, fact: Fact) -> Json:
    value = fact.value if isinstance(fact.value, Mapping) else {"value": fact.value}
    made: Json = {"type": kind, "bom-ref": _ref(section, name), "name": name}
    digests = [(alg, str(value.get(key) or ""), form) for alg, (key, form) in _DIGESTS.items()]
    hashes = [{"alg": alg, "content": digest} for alg, digest, form in digests if form.fullmatch(digest)]
    if hashes:
        made["hashes"] = hashes
    known = {each["content"] for each in hashes}
    facts = {key: shown(each) for key, each in value.items() if each is not None and each not in known}
    if facts:
        made["properties"] = _properties(facts)
    return made


def _properties(facts: Mapping[str, str]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in facts.items()]


def _ref(section: str, name: str) -> str:
    return f"{section}:{name}"


def _value(certificate: Certificate, section: str, name: str) -> Any:
    fact = certificate.section(section).get(name)
    return fact.value if fact is not None else None


def _is_text(fact: Fact) -> bool:
    return isinstance(fact.value, str)


def _is_time(text: str) -> bool:
    """Whether it is a time as a certificate writes it."""
    from datetime import datetime

    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").strftime("%Y-%m-%dT%H:%M:%SZ") == text  # noqa: DTZ007 - Z is UTC
    except ValueError:
        return False


def _url(text: object) -> str | None:
    """A URL as RFC 3986 has it; none for a path or anything else that is no URL."""
    if not isinstance(text, str):
        return None
    scp = _SCP.fullmatch(text)
    plain = f"ssh://{scp[1]}/{scp[2].lstrip('/')}" if scp and "://" not in text else text
    encoded = re.sub(r"%25([0-9A-Fa-f]{2})", r"%\1", quote(plain, safe=_RESERVED))
    head, _, rest = encoded.partition("#")
    encoded = f"{head}#{rest.replace('#', '%23')}" if rest else head
    return encoded if _URL.fullmatch(encoded) and encoded.count("@") <= 1 else None


def _serial(name: str, version: str, certificate: Certificate, artifacts: Mapping[str, str]) -> str:
    from uuid import NAMESPACE_URL, uuid5

    told = [name, version, dump(certificate), sorted(artifacts.items())]
    return str(uuid5(NAMESPACE_URL, json.dumps(told)))
