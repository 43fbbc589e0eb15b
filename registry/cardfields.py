"""The front matter of a model card: the keys of Hugging Face's specification and what may stand there. Pure.

Source: https://github.com/huggingface/hub-docs/blob/main/modelcard.md. A key that is not known here is somebody
else's and is let be. Text that YAML 1.1 reads as something else (`language: no` is false, `tags: [1.0]` a number) is a
fault, since everybody but this strict reader gets the other value. Which licences there are is judged in
`registry.checks.licenses`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from registry import strictyaml
from registry.document import Place
from registry.errors import RegistryError

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,4}|code|multilingual")


def faults(fields: Place) -> Iterator[RegistryError]:
    """What is wrong, one error for each key, with its line."""
    for key in fields.mapping():
        rule = _RULES.get(str(key))
        place = fields.find(str(key))
        if rule is None:
            continue
        try:
            if place is None:
                fields.fail(f"{str(key)!r} has no value; leave the key out", key)
            rule(place)
        except RegistryError as error:
            yield error


def texts(place: Place | None) -> list[Place]:
    """One text or a list of texts. Raises `RegistryError`."""
    if place is None:
        return []
    found = [place] if isinstance(place.value, str) else list(place.elements())
    for each in found:
        _text(each)
    return found


def _text(place: Place) -> None:
    text = place.text()
    if not isinstance(strictyaml.typed(place.value), str):
        place.fail(f"{text[:80]!r} is no text to YAML: put it in quotes")
    if not text.strip():
        place.fail("expected text, found blanks")


def _texts(place: Place) -> None:
    if not texts(place):
        place.fail("expected text, or a list of texts, found an empty list")


def _list(place: Place) -> None:
    if isinstance(place.value, str):
        place.fail("expected a list of texts")
    texts(place)


def _languages(place: Place) -> None:
    for each in texts(place):
        if _LANGUAGE.fullmatch(each.text()) is None:
            each.fail(f"{each.text()[:80]!r} is no language code such as en, de or pt-BR")


def _index(place: Place) -> None:
    """`model-index`: results by task, data set and metric."""
    for model in place.elements():
        _text(model.need("name"))
        for result in model.need("results").elements():
            _text(result.need("task").need("type"))
            for key in ("type", "name"):
                _text(result.need("dataset").need(key))
            metrics = list(result.need("metrics").elements())
            if not metrics:
                result.fail("a result names at least one metric")
            for metric in metrics:
                _text(metric.need("type"))
                metric.need("value")
            source = result.find("source")
            if source is not None:
                _text(source.need("url"))


_RULES: Mapping[str, Callable[[Place], None]] = MappingProxyType(
    {
        "language": _languages,
        "license": _texts,
        "license_name": _text,
        "license_link": _text,
        "library_name": _text,
        "tags": _list,
        "base_model": _texts,
        "base_model_relation": _text,
        "new_version": _text,
        "datasets": _texts,
        "metrics": _texts,
        "pipeline_tag": _text,
        "thumbnail": _text,
        "model-index": _index,
    }
)
