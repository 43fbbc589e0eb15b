"""What an MLflow tracking server says, asked by its REST API; the package mlflow is not needed.

Source: https://mlflow.org/docs/latest/rest-api.html, endpoints under `/api/2.0/mlflow`, held against MLflow 3.17.
Rules: an answer is data of bounded size, and what it says of paths is checked before it is used. Credentials
(`MLFLOW_TRACKING_TOKEN`, or `…_USERNAME` and `…_PASSWORD`) belong to the server that `MLFLOW_TRACKING_URI` names and go
to no other scheme, host or port, since the server of a link is its author's choice; else `~/.netrc` has them by host.
"""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from registry.cache.transfer import Stream, retrying
from registry.containment import contained
from registry.errors import Refused, RegistryError
from registry.stores.http import Get, get, origin, post
from registry.urls import TRACKED

LARGEST = 1 << 23
"""Bytes of an answer that are read."""
MOST_FILES = 1000
MOST_FOLDERS = 200
_RIGHTS = (
    "name this server in MLFLOW_TRACKING_URI and its credentials in MLFLOW_TRACKING_TOKEN, or in"
    " MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; or in ~/.netrc"
)


class Listed(NamedTuple):
    """One entry of a folder of artifacts."""

    path: str
    """From the root that was listed."""
    folder: bool
    size: int | None


Lister = Callable[[str], Iterator[Listed]]
"""The entries of a folder, by its path from the root."""


class Server:
    """One tracking server."""

    def __init__(self, address: str) -> None:
        self.url = address.removeprefix(TRACKED)
        """Its address for HTTP."""
        self.where = address

    def ask(self, endpoint: str, **query: str) -> dict[str, Any]:
        """The answer of an endpoint. Raises `NotFound`, `RegistryError`."""
        asked = f"?{urlencode(query)}" if query else ""
        where = f"{self.where}: {' '.join((endpoint, *query.values()))}"
        data = retrying(lambda: self._read(f"{self.url}/api/2.0/mlflow/{endpoint}{asked}", where), lambda: 0)
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise RegistryError("the answer is no JSON of a tracking server", where, "check the address of the server")
        return found

    def tell(self, endpoint: str, **said: str) -> None:
        """Change something at the server. Raises `NotFound`, `RegistryError`."""
        where = f"{self.where}: {' '.join((endpoint, *said.values()))}"
        post(self._get(f"{self.url}/api/2.0/mlflow/{endpoint}", where), said)

    def open(self, path: str, offset: int) -> AbstractContextManager[Stream]:
        """An artifact that the server hands out itself (`mlflow-artifacts:`), from a byte on."""
        url = f"{self.url}/api/2.0/mlflow-artifacts/artifacts/{quote(path)}"
        return get(self._get(url, f"{self.where}: {path}"), offset)

    def of_run(self, run_id: str, root: str) -> Lister:
        """Lists the artifacts of a run below a folder."""

        def lister(folder: str) -> Iterator[Listed]:
            at = "/".join(part for part in (root, folder) if part)
            for entry in self._pages("artifacts/list", run_id=run_id, path=at):
                yield _listed(entry, at, root, self.where)

        return lister

    def of_model(self, model_id: str) -> Lister:
        """Lists the files of a logged model."""

        def lister(folder: str) -> Iterator[Listed]:
            query = {"artifact_directory_path": folder} if folder else {}
            for entry in self._pages(f"logged-models/{model_id}/artifacts/directories", **query):
                yield _listed(entry, folder, "", self.where)

        return lister

    def _pages(self, endpoint: str, **query: str) -> Iterator[dict[str, Any]]:
        for _ in range(MOST_FOLDERS):
            found = self.ask(endpoint, **query)
            yield from texts(found, "files")
            token = found.get("next_page_token")
            if not isinstance(token, str) or not token:
                return
            query["page_token"] = token
        raise _too_many(self.where)

    def _read(self, url: str, where: str) -> bytes:
        with get(self._get(url, where)) as stream:
            data = bytearray()
            while block := stream.source.read(1 << 16):
                data += block
                if len(data) > LARGEST:
                    raise RegistryError(f"an answer of more than {LARGEST} bytes", where, "check the server")
        return bytes(data)

    def _get(self, url: str, where: str) -> Get:
        headers = _credentials(self.url)
        return Get(url, where, headers, netrc=not headers)


def explained(error: RegistryError) -> RegistryError:
    """The same error; one of missing rights says which credentials are used."""
    if "answered 401" in error.what or "answered 403" in error.what:
        error.fix = _RIGHTS
    return error


def walk(lister: Lister, where: str) -> dict[str, int | None]:
    """Every file below a root with its size. Raises `Refused` for more than is believed."""
    found: dict[str, int | None] = {}
    folders = [""]
    for number, folder in enumerate(folders):
        if number >= MOST_FOLDERS:
            raise _too_many(where)
        for entry in lister(folder):
            if entry.folder:
                folders.append(entry.path)
            else:
                found[entry.path] = entry.size
            if len(found) > MOST_FILES or len(folders) > MOST_FOLDERS:
                raise _too_many(where)
    return found


def texts(found: dict[str, Any], *keys: str) -> list[dict[str, Any]]:
    """A list of mappings somewhere in an answer; empty where there is none."""
    value: Any = found
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(found: dict[str, Any], *keys: str) -> str:
    """A text somewhere in an answer; empty where there is none."""
    value: Any = found
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def _listed(entry: dict[str, Any], folder: str, root: str, where: str) -> Listed:
    """An entry, which must lie in the folder that was asked for."""
    path = contained(text(entry, "path"), "an artifact that the server lists", where)
    inside = f"{folder}/" if folder else ""
    if not path.startswith(inside) or not path.isprintable() or "/" in path[len(inside) :]:
        raise Refused(
            "path-contained", f"the server lists {path[:200]!r} in {folder[:200]!r}", where, "find out who changed it"
        )
    size = str(entry.get("file_size", ""))
    known = int(size) if size.isascii() and size.isdigit() and len(size) <= 18 else None  # noqa: PLR2004 - an int64
    return Listed(path[len(root) + 1 :] if root else path, entry.get("is_dir") is True, known)


def _too_many(where: str) -> Refused:
    return Refused(
        "size-limit", f"more than {MOST_FILES} files or {MOST_FOLDERS} folders of one model", where, "log fewer files"
    )


def _credentials(url: str) -> dict[str, str]:
    """The header for this server, where the user's environment has credentials for it."""
    named = os.environ.get("MLFLOW_TRACKING_URI", "")
    try:
        same = bool(named) and origin(named) == origin(url)
    except ValueError:
        same = False
    if not same:
        return {}
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if user:
        pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}
