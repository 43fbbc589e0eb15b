"""The registered models of an MLflow tracking server: their versions, aliases and stages.

Source: https://mlflow.org/docs/latest/rest-api.html, `registered-models/search`, `…/get`, `…/alias` and
`model-versions/search`, held against MLflow 3.17. Of a version's stages MLflow keeps only the present one. Times are
milliseconds since 1970. Answers are data: whatever has another shape is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from registry.errors import NotFound, RegistryError
from registry.stores.mlflow_server import Server, explained, text, texts

MOST_PAGES = 1000
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_UNSTAGED = {"", "None"}


class ModelVersion(NamedTuple):
    """One version of a registered model."""

    model: str
    number: int
    run_id: str
    """Empty where it is of no run."""
    status: str
    stage: str
    """The legacy stage, such as `Production`; empty for none."""
    user: str
    created: int
    updated: int

    @property
    def path(self) -> str:
        """As a link names it."""
        return f"models/{self.model}/{self.number}"


class RegisteredModel(NamedTuple):
    """A registered model."""

    name: str
    versions: tuple[ModelVersion, ...]
    """By number."""
    aliases: dict[str, int]
    """Number of the version by alias."""


def registered_models(server: Server, names: tuple[str, ...] = ()) -> list[RegisteredModel]:
    """All registered models, or those named, by name. Raises `NotFound` for one that the server lacks."""
    try:
        if names:
            found = [_known(server, name) for name in dict.fromkeys(names)]
        else:
            found = list(_pages(server, "registered-models/search", "registered_models"))
        return sorted((_model(server, each) for each in found if text(each, "name")), key=lambda each: each.name)
    except RegistryError as error:
        raise explained(error) from None


def aliases(server: Server, name: str) -> dict[str, int]:
    """The aliases of a registered model. Raises `NotFound`."""
    try:
        return _aliases(_known(server, name))
    except RegistryError as error:
        raise explained(error) from None


def set_alias(server: Server, name: str, alias: str, number: int) -> None:
    """Point an alias at a version. Raises `NotFound`, `RegistryError`."""
    try:
        server.tell("registered-models/alias", name=name, alias=alias, version=str(number))
    except RegistryError as error:
        raise explained(error) from None


def _known(server: Server, name: str) -> dict[str, Any]:
    try:
        found = server.ask("registered-models/get", name=name).get("registered_model")
    except NotFound:
        found = None
    if not isinstance(found, dict) or found.get("name") != name:
        raise NotFound(f"the server has no registered model {name[:200]!r}", server.where, "check its name")
    return found


def _model(server: Server, said: dict[str, Any]) -> RegisteredModel:
    name = text(said, "name")
    quoted = "'" if '"' in name else '"'
    if quoted in name or "\\" in name:
        versions = iter(texts(said, "latest_versions"))
    else:
        query = f"name={quoted}{name}{quoted}"
        versions = _pages(server, "model-versions/search", "model_versions", filter=query)
    found = {version.number: version for each in versions if (version := _version(each, name))}
    return RegisteredModel(name, tuple(found[number] for number in sorted(found)), _aliases(said))


def _aliases(said: dict[str, Any]) -> dict[str, int]:
    pairs = ((text(each, "alias"), str(each.get("version", ""))) for each in texts(said, "aliases"))
    return {alias: int(number) for alias, number in sorted(pairs) if alias and _NUMBER.fullmatch(number)}


def _version(said: dict[str, Any], model: str) -> ModelVersion | None:
    number = str(said.get("version", ""))
    if text(said, "name") != model or not _NUMBER.fullmatch(number):
        return None
    stage = text(said, "current_stage")
    return ModelVersion(
        model,
        int(number),
        text(said, "run_id"),
        text(said, "status"),
        "" if stage in _UNSTAGED else stage,
        text(said, "user_id"),
        _time(said.get("creation_timestamp")),
        _time(said.get("last_updated_timestamp")),
    )


def _time(value: object) -> int:
    """Milliseconds; JSON of some servers has them as text."""
    said = str(value)
    return int(said) if re.fullmatch(r"[0-9]{1,13}", said) else 0


def _pages(server: Server, endpoint: str, key: str, **query: str) -> Iterator[dict[str, Any]]:
    for _ in range(MOST_PAGES):
        found = server.ask(endpoint, **query)
        yield from texts(found, key)
        token = found.get("next_page_token")
        if not isinstance(token, str) or not token:
            return
        query["page_token"] = token
    raise RegistryError(f"more than {MOST_PAGES} pages of {json.dumps(key)}", server.where, "name models with --models")
