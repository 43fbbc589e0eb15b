"""A Git LFS server for tests, on the port of the git server beside it: the batch API with basic transfers, over HTTP.

It keeps objects in memory, knows ranges, and does on request what servers do on bad days: `faults` and `batch_faults`
hold one entry for each coming download or batch request; without an entry it answers honestly.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from git_http import LOOPBACK, GitHandler, GitServer

TYPE = "application/vnd.git-lfs+json"


@dataclass
class Asked:
    """One request to the LFS server."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)


class LfsServer(GitServer):
    """Git and LFS on one port. `user` asks for basic authentication of batch requests, `token` for one of downloads."""

    def __init__(self, root: Path) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.faults: list[Any] = []
        self.batch_faults: list[Any] = []
        self.user: tuple[str, str] | None = None
        self.token: str | None = None
        self.authenticated = True
        self.expires_in: int | None = None
        self.downloads = ""
        """Where downloads are said to be; here by default."""
        super().__init__(root, 0, {"uploadpack.allowFilter": "true", "uploadpack.allowAnySHA1InWant": "true"}, LOOPBACK)
        self.RequestHandlerClass = LfsHandler

    def hold(self, data: bytes) -> bytes:
        """Keep an object; its pointer."""
        oid = hashlib.sha256(data).hexdigest()
        self.objects[oid] = data
        return pointer(data)

    def seen(self, part: str) -> list[Asked]:
        """Requests whose path holds `part`."""
        return [each for each in self.asked if part in each.path]


def pointer(data: bytes) -> bytes:
    """The pointer of a file, as git-lfs writes it."""
    oid = hashlib.sha256(data).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n".encode()


class LfsHandler(GitHandler):
    """LFS where the path says so, else git."""

    server: LfsServer

    def do_GET(self) -> None:
        if "/lfs/" not in self.path:
            super().do_GET()
            return
        self._log()
        oid = self.path.rpartition("/")[2]
        fault = self.server.faults.pop(0) if self.server.faults else None
        data = self.server.objects.get(oid)
        if self.server.token and self.headers.get("Authorization") != self.server.token:
            self._answer_with(403, b"")
        elif isinstance(fault, int):
            self._answer_with(fault, b"", {"Retry-After": "0"})
        elif isinstance(fault, str):
            self._answer_with(302, b"", {"Location": fault.replace("OID", oid)})
        elif data is None:
            self._answer_with(404, b"")
        elif isinstance(fault, bytes):
            self._send(fault, len(fault))
        elif fault is not None:
            fault(self, data)
        else:
            self._send(data)

    do_HEAD = do_GET  # noqa: N815 - the parent's naming

    def do_POST(self) -> None:
        if "/lfs/" not in self.path:
            super().do_GET()
            return
        self._log()
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        user = self.server.user
        basic = user and f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"
        fault = self.server.batch_faults.pop(0) if self.server.batch_faults else None
        if basic and self.headers.get("Authorization") != basic:
            self._answer_with(401, b"", {"WWW-Authenticate": "Basic", "LFS-Authenticate": "Basic"})
        elif isinstance(fault, int):
            self._answer_with(fault, b"", {"Retry-After": "0"})
        elif isinstance(fault, str):
            self._answer_with(307, b"", {"Location": fault})
        elif isinstance(fault, bytes):
            self._answer_with(200, fault, {"Content-Type": TYPE})
        elif not self.path.endswith("/objects/batch"):
            self._answer_with(404, b"")
        else:
            body = {"transfer": "basic", "objects": [self._object(said["operation"], each) for each in said["objects"]]}
            body = fault(body) if fault else body
            self._answer_with(200, json.dumps(body).encode(), {"Content-Type": TYPE})

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.objects[self.path.rpartition("/")[2]] = data
        self._answer_with(200, b"")

    def _object(self, operation: str, said: dict[str, Any]) -> dict[str, Any]:
        oid = said["oid"]
        if operation == "download" and oid not in self.server.objects:
            return {**said, "error": {"code": 404, "message": "Object does not exist"}}
        action: dict[str, Any] = {"href": f"{self.server.downloads or self.server.url}/lfs/{oid}"}
        if self.server.token:
            action["header"] = {"Authorization": self.server.token}
        if self.server.expires_in is not None:
            action["expires_in"] = self.server.expires_in
        return {**said, "authenticated": self.server.authenticated, "actions": {operation: action}}

    def _send(self, data: bytes, size: int | None = None) -> None:
        """The file, or what is asked of it."""
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        if begin and begin >= len(data):
            self._answer_with(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        elif begin:
            self._answer_with(206, data[begin:], {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"})
        else:
            self._answer_with(200, data)

    def _answer_with(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _log(self) -> None:
        self.server.asked.append(Asked(self.command, self.path, dict(self.headers.items())))


def cut(handler: LfsHandler, data: bytes) -> None:
    """Half of what is left, and then the connection breaks off."""
    begin = int(handler.headers.get("Range", "bytes=0-")[6:-1])
    rest = data[begin:]
    handler.send_response(206 if begin else 200)
    handler.send_header("Content-Length", str(len(rest)))
    if begin:
        handler.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
    handler.end_headers()
    handler.wfile.write(rest[: len(rest) // 2])
    handler.wfile.flush()
    handler.close_connection = True


def endless(handler: LfsHandler, data: bytes) -> None:
    """The file, and zeros for as long as somebody reads."""
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    with contextlib.suppress(OSError):
        handler.wfile.write(data)
        while True:
            handler.wfile.write(bytes(1 << 16))


@contextlib.contextmanager
def serve_lfs(root: Path) -> Iterator[LfsServer]:
    """Serve the repositories below `root`, and LFS objects, until the block ends."""
    server = LfsServer(root)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
