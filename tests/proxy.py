"""A proxy of the tests' own: a real TCP server in front of another, which does to answers what networks and thieves do.

`faults` holds one entry for each coming request whose path holds `only`; without an entry the answer is passed on as it
came. `always` is done to every such request. Each connection carries one request.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import urlsplit

DROPPED = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Reply:
    """What the server answered, and where it is passed on to."""

    connection: socket.socket
    ended: threading.Event
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    path: str = ""

    def head(self, *more: str) -> bytes:
        """The status line and the headers."""
        lines = [f"HTTP/1.1 {self.status} Answer", *(f"{k}: {v}" for k, v in self.headers), *more, "Connection: close"]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def sized(self) -> bytes:
        """The head with the body's length."""
        return self.head(f"Content-Length: {len(self.body)}")

    def send(self, data: bytes) -> None:
        """Give bytes to the client."""
        self.connection.sendall(data)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait, for ever by default, until the client goes away or the test ends; whether neither was so."""
        begun, step = 0.0, 0.02
        while not self.ended.is_set() and (seconds is None or begun < seconds):
            if select.select([self.connection], [], [], step)[0]:
                return False
            begun += step
        return not self.ended.is_set()


Fault = Callable[[Reply], None]


def honest(reply: Reply) -> None:
    """The answer as it is."""
    reply.send(reply.sized() + reply.body)


def latency(seconds: float) -> Fault:
    """The answer, late."""

    def late(reply: Reply) -> None:
        if reply.wait(seconds):
            honest(reply)

    return late


def cut(part: float = 0.5, framing: str = "length") -> Fault:
    """The connection ends in the middle; how long the body is, is said before (`length`), in chunks, or not at all."""

    def broken(reply: Reply) -> None:
        some = reply.body[: int(len(reply.body) * part)]
        if framing == "length":
            reply.send(reply.sized() + some)
        elif framing == "chunked":
            reply.send(reply.head("Transfer-Encoding: chunked") + b"%x\r\n" % len(reply.body) + some)
        elif framing == "between chunks":
            reply.send(reply.head("Transfer-Encoding: chunked") + b"%x\r\n%b\r\n" % (len(some), some))
        else:
            reply.send(reply.head() + some)

    return broken


def reset(reply: Reply) -> None:
    """Half of it, and then the connection is reset."""
    reply.send(reply.sized() + reply.body[: len(reply.body) // 2])
    reply.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    reply.connection.close()


def corrupt(reply: Reply) -> None:
    """One byte of it is another."""
    at = len(reply.body) * 2 // 3
    reply.body = reply.body[:at] + bytes([reply.body[at] ^ 0x55]) + reply.body[at + 1 :] if reply.body else b"x"
    honest(reply)


def endless(reply: Reply) -> None:
    """The answer, and zeros for as long as somebody reads."""
    reply.send(reply.head() + reply.body)
    while not reply.ended.is_set():
        reply.send(bytes(1 << 16))


def stalled(reply: Reply) -> None:
    """Half of it, and no byte any more."""
    reply.send(reply.sized() + reply.body[: len(reply.body) // 2])
    reply.wait()


def silent(reply: Reply) -> None:
    """Nothing at all, on a connection that stays."""
    reply.wait()


def drip(reply: Reply) -> None:
    """A byte now and then."""
    reply.send(reply.sized())
    _drip(reply, reply.body)


def drip_headers(reply: Reply) -> None:
    """Headers, a byte now and then."""
    reply.send(reply.head()[:-2] + b"X-More: ")
    _drip(reply, b"x" * 10_000)


def _drip(reply: Reply, data: bytes) -> None:
    for at in range(len(data)):
        reply.send(data[at : at + 1])
        if not reply.wait(0.2):
            return


def longer(reply: Reply) -> None:
    """Says that it is longer than it is."""
    reply.send(reply.head(f"Content-Length: {len(reply.body) + 100}") + reply.body)


def shorter(reply: Reply) -> None:
    """Says that it is shorter than it is."""
    reply.send(reply.head(f"Content-Length: {len(reply.body) * 2 // 3}") + reply.body)


def status(code: int) -> Fault:
    """Another answer."""

    def refused(reply: Reply) -> None:
        reply.status, reply.body = code, b"no"
        honest(reply)

    return refused


def redirect(to: str) -> Fault:
    """Sends the client to another place, with the path that it asked for."""

    def away(reply: Reply) -> None:
        reply.status, reply.headers, reply.body = 302, [("Location", to + reply.path)], b""
        honest(reply)

    return away


def malformed(reply: Reply) -> None:
    """No HTTP."""
    reply.send(b"\x00\x01 this is no answer\r\nno header either\r\n\r\n" + reply.body)


def gone(reply: Reply) -> None:
    """Closes the connection without a word."""


class Seen(NamedTuple):
    """One request."""

    method: str
    path: str


@dataclass
class Proxy:
    """A proxy on 127.0.0.1 in front of `upstream`."""

    upstream: str
    only: str = ""
    faults: list[Fault] = field(default_factory=list)
    always: Fault | None = None
    seen: list[Seen] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def clear(self) -> None:
        """Be honest from now on."""
        self.only, self.faults, self.always = "", [], None
        self.seen.clear()

    def busy(self) -> int:
        """How many requests are under way."""
        return sum(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """End every connection, and wait for all threads; whoever connects later is refused."""
        self.ended.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException), connection:
            connection.settimeout(60)
            method, path, headers, body = _request(connection)
            self.seen.append(Seen(method, path))
            fault: Fault | None = None
            if self.only in path:
                fault = self.faults.pop(0) if self.faults else self.always
            reply = self._answer(connection, method, path, headers, body)
            if fault is None and method == "HEAD":
                connection.sendall(reply.sized())
            else:
                (fault or honest)(reply)

    def _answer(self, connection: socket.socket, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        parts = urlsplit(self.upstream)
        server = http.client.HTTPConnection(parts.hostname or "", parts.port)
        with contextlib.closing(server):
            server.request(method, path, body or None, headers)
            answer = server.getresponse()
            kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in DROPPED]
            return Reply(connection, self.ended, answer.status, kept, answer.read(), path)


def _request(connection: socket.socket) -> tuple[str, str, dict[str, str], bytes]:
    with connection.makefile("rb") as stream:
        method, path, _ = stream.readline().decode("latin-1").split(" ", 2)
        fields = http.client.parse_headers(stream)
        if fields.get("Expect"):
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fields.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(stream.readline(), 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        else:
            body = stream.read(int(fields.get("Content-Length", 0)))
    kept = {k: v for k, v in fields.items() if k.lower() not in DROPPED | {"expect"}}
    return method, path, kept, body


@contextlib.contextmanager
def proxied(upstream: str) -> Iterator[Proxy]:
    """A proxy until the block ends."""
    made = Proxy(upstream)
    try:
        yield made
    finally:
        made.close()
