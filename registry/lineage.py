"""A model's birth certificate: `.mlem/lineage/<name>.json`, each fact with where in the source it was read.

Format 1: JSON, UTF-8, keys sorted, so that the same commit gives the same bytes. A fact is a scalar, or a flat mapping
of scalars, with `from`: the file's path in the source, the key in it, and the file's git object id (of the commit
itself the commit's). What MLflow says has the REST resource as path, and no object id. Reading is strict: an unknown
key, section or type, a duplicate key or a file over 1 MiB is refused. Pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from registry.errors import RegistryError
from registry.names import in_tag
from registry.strictyaml import LIMIT

FORMAT = 1
IDENTITY, FRAMEWORK, PARAMETERS, FEATURES, METRICS = "identity", "framework", "parameters", "features", "metrics"
TRAINING, DATA, DECLARED, ENVIRONMENT, TRACKING = "training", "data", "declared", "environment", "tracking"
SECTIONS = (
    IDENTITY, FRAMEWORK, PARAMETERS, FEATURES, METRICS, TRAINING, DATA, DECLARED, ENVIRONMENT, TRACKING,
)  # fmt: skip
"""What facts are about, in the order in which people read them."""
LONGEST = 2048
"""Longest text of a fact, in characters; a longer one is cut."""
MOST = 5000
"""Most facts of a certificate."""
RUNS = "runs/get?"
"""How the path of a fact begins that a run of MLflow said."""
RUN = "the MLflow run "
"""How a sentence begins that is about what such a run said."""
UNASKED = f"{RUN}was not asked: "
"""How it begins where nobody answered, so that nothing is known of it."""

Scalar: TypeAlias = "str | int | float | bool | None"
Value: TypeAlias = "Scalar | Mapping[str, Scalar]"

_FIX = "write it again with `registry link`"
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REVISION = re.compile(rf"{_OID.pattern}|[0-9a-f]{{32}}")
_INTEGER = 63
_TOP = {"format", "commit", "model", "facts", "breaks"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Fact(NamedTuple):
    """One thing that is known, and where it was read."""

    value: Value
    path: str
    """The file, from the source's root; empty for the commit, and for what the link itself says."""
    key: str
    """Dots between, as a person would write it; empty for the file as a whole."""
    blob: str
    """Git object id of the file, or of the commit."""


Facts: TypeAlias = "Mapping[str, Mapping[str, Fact]]"


@dataclass(frozen=True)
class Certificate:
    """What is known of one model at one commit of its source."""

    commit: str
    """Of MLflow the run's id."""
    model: str
    """Its metafile, from the source's root; of MLflow as the link names it."""
    facts: Facts = field(default_factory=dict)
    """By section, then by name; sections without any are left out."""
    breaks: tuple[str, ...] = ()
    """Where the chain from the data to the model breaks, a sentence each."""

    def section(self, name: str) -> Mapping[str, Fact]:
        """The facts of a section."""
        return self.facts.get(name, {})


def certificate_path(name: str) -> str:
    """Where the certificate of an artifact stands in the registry."""
    return f".mlem/lineage/{in_tag(name)}.json"


def scalar(value: object) -> Scalar:
    """A value as a fact holds it: what JSON cannot say exactly becomes text, control characters blanks."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _INTEGER else f"integer of {value.bit_length()} bits"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = _CONTROL.sub(" ", str(value))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def dump(certificate: Certificate) -> str:
    """The certificate's file. Raises `RegistryError` where it would be larger than is read."""
    facts = {
        section: {name: _fact_json(fact) for name, fact in found.items()}
        for section, found in certificate.facts.items()
        if found
    }
    said = {
        "format": FORMAT,
        "commit": certificate.commit,
        "model": certificate.model,
        "facts": facts,
        "breaks": list(certificate.breaks),
    }
    text = json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    if len(text.encode()) > LIMIT:
        raise RegistryError(
            f"the certificate has more than {LIMIT} bytes", certificate.model, "link it with --no-lineage"
        )
    return text


def parse(data: bytes, where: str) -> Certificate:
    """Read a certificate. Raises `RegistryError` that names `where` and the key."""
    if len(data) > LIMIT:
        raise RegistryError(f"file of {len(data)} bytes, at most {LIMIT} are read", where, _FIX)
    try:
        raw = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"not JSON: {str(error)[:200]}", where, _FIX) from None
    if not isinstance(raw, dict):
        raise _bad(where, "", "a mapping")
    if raw.get("format") != FORMAT or isinstance(raw.get("format"), bool):
        said = f"format is {str(raw.get('format'))[:20]!r}, expected {FORMAT}"
        raise RegistryError(said, where, "use a newer git-model-registry, or write it again with `registry link`")
    if raw.keys() != _TOP:
        odd = min(raw.keys() ^ _TOP)
        raise RegistryError(f"{odd[:80]!r} is {'unknown' if odd in raw else 'missing'}", where, _FIX)
    commit, breaks = _text(raw["commit"], where, "commit"), raw["breaks"]
    if not _REVISION.fullmatch(commit):
        raise _bad(where, "commit", "a git object id, or the id of a run")
    if not isinstance(breaks, list) or len(breaks) > MOST:
        raise _bad(where, "breaks", "a list of sentences")
    sentences = tuple(_text(each, where, "breaks") for each in breaks)
    return Certificate(commit, _text(raw["model"], where, "model"), _facts(raw["facts"], where), sentences)


def differences(written: Certificate, found: Certificate) -> Iterator[str]:
    """Where a certificate says other than its commit; of another commit or model only that."""
    if written.commit != found.commit:
        yield f"it is of commit {written.commit}, the link pins {found.commit}"
        return
    if written.model != found.model:
        yield f"it is of the model {written.model}, the link names {found.model}"
        return
    who = "commit" if _OID.fullmatch(found.commit) else "run"
    for section in SECTIONS:
        one, other = written.section(section), found.section(section)
        for name in sorted(one.keys() | other.keys()):
            if name not in other:
                yield f"{section} {name} is {shown(one[name].value)}, the {who} says nothing of it"
            elif name not in one:
                yield f"{section} {name} is missing, the {who} says {shown(other[name].value)}"
            elif not _same(one[name], other[name]):
                yield _differs(who, section, name, one[name], other[name])
    if written.breaks != found.breaks:
        yield f"it names {len(written.breaks)} breaks of the chain, the {who} has {len(found.breaks)} or others"


def but_for_runs(certificate: Certificate) -> Certificate:
    """The certificate without what a run of MLflow said, for where the run cannot be asked again."""
    kept = {
        section: {name: fact for name, fact in facts.items() if not fact.path.startswith(RUNS)}
        for section, facts in certificate.facts.items()
    }
    breaks = tuple(each for each in certificate.breaks if not each.startswith(RUN))
    return Certificate(certificate.commit, certificate.model, kept, breaks)


def shown(value: Value) -> str:
    """A value as a person reads it, in one line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items() if item is not None)
    return value if isinstance(value, str) else json.dumps(value)


def place(fact: Fact) -> str:
    """Where a fact was read, as a person reads it."""
    if not fact.path:
        return f"{fact.key} of {fact.blob[:7]}" if fact.blob else f"{fact.key} of the link"
    return f"{fact.path}:{fact.key}" if fact.key else fact.path


def _differs(who: str, section: str, name: str, one: Fact, other: Fact) -> str:
    if _canonical(one.value) == _canonical(other.value):
        return f"{section} {name} is said to be read at {place(one)} ({one.blob[:7]}), it stands at {place(other)}"
    return f"{section} {name} is {shown(one.value)[:200]}, the {who} says {shown(other.value)[:200]} ({place(other)})"


def _same(one: Fact, other: Fact) -> bool:
    return _canonical(one.value) == _canonical(other.value) and one[1:] == other[1:]


def _canonical(value: Value) -> str:
    return json.dumps(dict(value) if isinstance(value, Mapping) else value, sort_keys=True)


def _fact_json(fact: Fact) -> dict[str, Any]:
    value = dict(fact.value) if isinstance(fact.value, Mapping) else fact.value
    return {"value": value, "from": {"path": fact.path, "key": fact.key, "blob": fact.blob}}


def _facts(raw: object, where: str) -> Facts:
    if not isinstance(raw, dict) or not raw.keys() <= set(SECTIONS):
        raise _bad(where, "facts", f"a mapping of {', '.join(SECTIONS)}")
    if sum(len(each) for each in raw.values() if isinstance(each, dict)) > MOST:
        raise _bad(where, "facts", f"at most {MOST} facts")
    found: dict[str, dict[str, Fact]] = {}
    for section, facts in raw.items():
        if not isinstance(facts, dict):
            raise _bad(where, section, "a mapping")
        found[section] = {_text(name, where, section): _fact(fact, where, section) for name, fact in facts.items()}
    return found


def _fact(raw: object, where: str, key: str) -> Fact:
    if not isinstance(raw, dict) or raw.keys() != {"value", "from"}:
        raise _bad(where, key, "facts with `value` and `from`")
    source = raw["from"]
    if not isinstance(source, dict) or source.keys() != {"path", "key", "blob"}:
        raise _bad(where, key, "`from` with `path`, `key` and `blob`")
    blob = _text(source["blob"], where, key)
    if blob and not _OID.fullmatch(blob):
        raise _bad(where, key, "a git object id as `blob`")
    value = raw["value"]
    if isinstance(value, dict):
        value = {_text(name, where, key): _scalar(item, where, key) for name, item in value.items()}
    else:
        value = _scalar(value, where, key)
    return Fact(value, _text(source["path"], where, key), _text(source["key"], where, key), blob)


def _scalar(raw: object, where: str, key: str) -> Scalar:
    if raw is None or isinstance(raw, bool):
        return raw
    if isinstance(raw, int) and raw.bit_length() <= _INTEGER:
        return raw
    if isinstance(raw, float) and math.isfinite(raw):
        return raw
    return _text(raw, where, key)


def _text(raw: object, where: str, key: str) -> str:
    if not isinstance(raw, str) or len(raw) > LONGEST or _CONTROL.search(raw):
        raise _bad(where, key, f"printable text of at most {LONGEST} characters, or a number")
    return raw


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _bad(where: str, key: str, expected: str) -> RegistryError:
    return RegistryError(f"{f'{key}: ' if key else ''}expected {expected}", where, _FIX)
