"""A Git LFS server: which URL gives each object, asked once for all objects of a model.

Batch API: https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md, with the basic transfer. Rules:

- The request goes to one host only: a redirect is an error, and credentials are asked of git's helpers when the server
  wants them (401), never before.
- What the answer says is checked: objects that were not asked for are left aside, another size or hash is refused, a
  download is https (plain http only on this machine, and only from a server that is itself asked so).
- A download takes the headers that the answer names. The credentials of the batch request go with it only to the very
  same host, and only where the answer neither names an `Authorization` nor says that it is authenticated.
- An answer that has expired, or that a download is refused with, is asked for again.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from registry import offline
from registry.cache.transfer import Transient
from registry.errors import NotFound, Refused, RegistryError
from registry.git.credentials import Credential, credential
from registry.stores.http import PASSING, Session, failure, library, opened, origin, require_safe, send
from registry.stores.lfs_pointer import Pointer

EXTRA = "lfs"
_TYPE = "application/vnd.git-lfs+json"
_LARGEST = 1 << 22
_OK, _UNAUTHORIZED = 200, 401
_EARLY_S = 5.0
_OURS = {"accept-encoding", "connection", "content-length", "host", "range", "transfer-encoding"}
_ADDRESS = re.compile(r"[!-~]{1,8192}")
_FIX = "tell the owner of the LFS server"


class Action(NamedTuple):
    """How one object is downloaded."""

    href: str
    headers: Mapping[str, str]
    expires: float
    """When it ends, by `time.monotonic`."""


class Server:
    """The LFS server of one source, and what it answered; used by several threads."""

    def __init__(self, url: str, where: str, objects: Sequence[Pointer]) -> None:
        self.url = url
        self.where = where
        self._objects = {each.oid: each.size for each in objects}
        self._lock = threading.Lock()
        self._answers: dict[str, Action | RegistryError] = {}
        self._credential: Credential | None = None

    def action(self, oid: str) -> tuple[Action, bool]:
        """How an object is downloaded, and whether that was asked just now. Raises `RegistryError`."""
        with self._lock:
            known = self._answers.get(oid)
            fresh = not isinstance(known, Action) or known.expires < time.monotonic()
            if fresh:
                self._answers = self._ask()
            found = self._answers[oid]
        if isinstance(found, RegistryError):
            raise found
        return found, fresh

    def shares_netrc(self, action: Action) -> bool:
        """Whether what netrc says of the server is for a download too."""
        return origin(action.href) == origin(self.url) and not _authorized(action.headers)

    def forget(self, oid: str) -> None:
        """Have the next `action` for it ask again."""
        with self._lock:
            self._answers.pop(oid, None)

    def _ask(self) -> dict[str, Action | RegistryError]:
        offline.require("Git LFS objects of it are not in the cache", self.where)
        library(EXTRA, self.where)
        require_safe(self.url, self.where)
        with opened(EXTRA, self.where) as session:
            with self._post(session) as response:
                if response.status_code != _UNAUTHORIZED:
                    return self._read(response, session)
            self._credential = credential(self.url, self.where)
            with self._post(session) as response:
                return self._read(response, session)

    def _post(self, session: Session) -> Any:
        objects = [{"oid": oid, "size": size} for oid, size in self._objects.items()]
        body = {"operation": "download", "transfers": ["basic"], "objects": objects, "hash_algo": "sha256"}
        headers = {"Accept": _TYPE, "Content-Type": _TYPE}
        options = {"auth": tuple(self._credential)} if self._credential else {}
        url = f"{self.url}/objects/batch"
        return send(session, "POST", url, self.where, data=json.dumps(body).encode(), headers=headers, **options)

    def _read(self, response: Any, session: Session) -> dict[str, Action | RegistryError]:
        if response.status_code != _OK:
            raise failure(response, f"{self.where}, Git LFS server {self.url}")
        try:
            with session.headway.expected():
                data = response.raw.read(_LARGEST + 1, decode_content=True)
        except Exception as error:  # whatever urllib3 raises for a body that broke off
            raise Transient("the LFS server's answer broke off", self.where, "try again later") from error
        try:
            answered = _objects(data)
        except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
            raise self._odd(f"the LFS server's answer is malformed: {type(error).__name__}") from None
        return {oid: self._answer(oid, answered.get(oid)) for oid in self._objects}

    def _answer(self, oid: str, said: Any) -> Action | RegistryError:
        """What the server says of one object."""
        if said is None:
            return self._odd(f"the LFS server says nothing of object {oid}")
        try:
            if "error" in said:
                return self._failure(oid, int(said["error"]["code"]), str(said["error"].get("message", "")))
            if said["size"] != self._objects[oid]:
                text = f"the LFS server has {said['size']!r} bytes of {oid}, its pointer says {self._objects[oid]}"
                return Refused("digest-matches", text, self.where, "do not use it: find out who changed it")
            download = said["actions"]["download"]
            named = (download.get("header") or {}).items()
            headers = {str(key): str(value) for key, value in named if str(key).lower() not in _OURS}
            return self._action(str(download["href"]), headers, said, _seconds(download))
        except (KeyError, TypeError, ValueError, AttributeError):
            return self._odd(f"the LFS server's answer for object {oid} is malformed")
        except RegistryError as error:
            return error

    def _action(self, href: str, headers: dict[str, str], said: Mapping[str, Any], seconds: float) -> Action:
        if not _ADDRESS.fullmatch(href):
            raise ValueError("no URL")
        require_safe(href, self.where)
        if origin(self.url)[0] == "https" and origin(href)[0] != "https":
            raise Refused("source-url", "the LFS server names a download that is not https", self.where, _FIX)
        if (
            self._credential
            and not _authorized(headers)
            and not said.get("authenticated")
            and origin(href) == origin(self.url)
        ):
            headers["Authorization"] = _basic(self._credential)
        return Action(href, headers, time.monotonic() + seconds - _EARLY_S)

    def _failure(self, oid: str, code: int, message: str) -> RegistryError:
        shown = "".join(c if c.isprintable() else "?" for c in message)[:200]
        what = f"the LFS server answered {code} for object {oid}{': ' if shown else ''}{shown}"
        if code in PASSING:
            return Transient(what, self.where, "try again later")
        if code in {404, 410}:
            return NotFound(what, self.where, "push the objects to the source: `git lfs push --all origin`")
        return RegistryError(what, self.where, _FIX)

    def _odd(self, what: str) -> RegistryError:
        return RegistryError(what, f"{self.where}, Git LFS server {self.url}", _FIX)


def _objects(data: bytes) -> dict[str, Any]:
    """What a batch answer says of each object. Raises `ValueError` and the like for anything else."""
    if len(data) > _LARGEST:
        raise ValueError("too large")
    said = json.loads(data)
    if said.get("transfer", "basic") != "basic" or said.get("hash_algo", "sha256") != "sha256":
        raise ValueError("another transfer or hash than was asked for")
    return {str(each["oid"]): each for each in said["objects"]}


def _authorized(headers: Mapping[str, str]) -> bool:
    return any(key.lower() == "authorization" for key in headers)


def _basic(found: Credential) -> str:
    from base64 import b64encode

    return f"Basic {b64encode(f'{found.username}:{found.password}'.encode()).decode()}"


def _seconds(action: Mapping[str, Any]) -> float:
    """How long an action holds: `expires_in` in seconds, which wins, or `expires_at` as RFC 3339; else for good."""
    if action.get("expires_in"):
        return float(action["expires_in"])
    if action.get("expires_at"):
        text = re.sub(r"\.\d+", "", str(action["expires_at"])).replace("Z", "+00:00")
        when = datetime.fromisoformat(text)
        return when.timestamp() - time.time() if when.tzinfo else float("inf")
    return float("inf")
