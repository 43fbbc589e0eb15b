"""What a birth certificate says, as the front matter of a Hugging Face model card and as lines for people. Pure.

Source: https://github.com/huggingface/hub-docs/blob/main/modelcard.md. `model-index` wants a task and a data set of
each result: the task is the card's `pipeline_tag`, else `other`; the data set is the raw data that the certificate has.
Nobody but people says what a model is for, so nothing here fills a section that a policy may require.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from registry.lineage import (
    DATA,
    FRAMEWORK,
    IDENTITY,
    METRICS,
    PARAMETERS,
    TRAINING,
    Certificate,
    Fact,
    shown,
)

LIBRARIES: Mapping[str, str] = MappingProxyType(
    {
        "sklearn": "sklearn",
        "sklearn_pipeline": "sklearn",
        "sklearn_transformer": "sklearn",
        "xgboost": "xgboost",
        "lightgbm": "lightgbm",
        "catboost": "catboost",
        "onnx": "onnx",
        "torch": "pytorch",
        "tf_keras": "keras",
    }
)
"""`library_name` as Hugging Face spells it, by our type of model."""
TAG = "git-model-registry"
MOST = 100
"""Most metrics, data sets or lines of a kind that are told."""
UNKNOWN = "not recorded"
_LONGEST = 200
_WIDEST = 250


def front(name: str, certificate: Certificate, said: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Front matter: what a card says (`said`, typed as YAML has it), and beyond it what the certificate says."""
    told = {key: value for key, value in (said or {}).items() if value is not None}
    library = LIBRARIES.get(_text(certificate.section(FRAMEWORK).get("type")))
    data, numbers = raw_data(certificate), metrics(certificate)
    facts: dict[str, Any] = {"tags": [TAG]}
    if library:
        facts["library_name"] = library
    if data:
        facts["datasets"] = data
    if numbers:
        facts["metrics"] = list(numbers)
        facts["model-index"] = [_index(name, certificate, _text_of(told.get("pipeline_tag")) or "other")]
    return facts | told


def metrics(certificate: Certificate) -> dict[str, int | float]:
    """Its numbers by name; what is no number is left out."""
    found = {name: fact.value for name, fact in certificate.section(METRICS).items() if name.strip()}
    numbers = ((name, value) for name, value in found.items() if isinstance(value, (int, float)))
    return dict([(name, value) for name, value in numbers if not isinstance(value, bool)][:MOST])


def raw_data(certificate: Certificate) -> list[str]:
    """The data that no stage made, by path."""
    known = certificate.section(DATA).items()
    raw = [name for name, fact in known if isinstance(fact.value, Mapping) and fact.value.get("raw") is True]
    return [name for name in raw if name.strip()][:MOST]


def details(certificate: Certificate) -> Iterator[str]:
    """Framework, training, data, parameters and metrics, a line each."""
    framework = certificate.section(FRAMEWORK)
    if "package" in framework:
        yield _line("framework", f"{shown(framework['package'].value)} {_text(framework.get('version'))}")
    training = certificate.section(TRAINING)
    if "command" in training:
        yield _line("trained by", shown(training["command"].value))
    for kind, section in (("data", DATA), ("parameter", PARAMETERS), ("metric", METRICS)):
        facts = list(certificate.section(section).items())
        for name, fact in facts[:MOST]:
            yield _line(f"{kind} {name}", shown(fact.value))
        if len(facts) > MOST:
            yield f"and {len(facts) - MOST} more of {kind}"


def _index(name: str, certificate: Certificate, task: str) -> dict[str, Any]:
    data = raw_data(certificate)
    told = ", ".join(data)
    result: dict[str, Any] = {
        "task": {"type": task},
        "dataset": {
            "type": data[0] if data else UNKNOWN,
            "name": told if 0 < len(told) <= _LONGEST else data[0] if data else UNKNOWN,
        },
        "metrics": [{"type": key, "value": value} for key, value in metrics(certificate).items()],
    }
    url = _text(certificate.section(IDENTITY).get("source"))
    if url.startswith("https://"):
        result["source"] = {"name": f"commit {certificate.commit}", "url": url}
    return {"name": name, "results": [result]}


def _line(name: str, value: str) -> str:
    line = f"{name}: {value}"
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"


def _text(fact: Fact | None) -> str:
    return fact.value if fact is not None and isinstance(fact.value, str) else ""


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else ""
