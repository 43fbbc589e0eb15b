"""Servers that messages are sent to: HTTP and SMTP, real ones on this machine, ended with the block."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


@dataclass
class Answer:
    """What a receiver says to one request; the last answer is given again."""

    code: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    echo: bool = False
    """Whether it repeats all it was sent, in the reason, the headers and the body."""
    drip: bool = False
    """Whether it sends a header line now and then, for ever."""


@dataclass
class Post:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """An HTTP server that notes what it is sent."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.posts: list[Post] = []
        self.url = ""
        self.ended = threading.Event()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        number = len(self.posts)
        self.posts.append(Post(handler.path, dict(handler.headers), body))
        said = self.answers[min(number, len(self.answers) - 1)]
        if said.drip:
            self._drip(handler)
            return
        reason = f"{handler.path} {handler.headers['X-Registry-Signature-256']}" if said.echo else None
        handler.send_response(said.code, reason)
        text = b"\n".join([handler.path.encode(), str(handler.headers).encode(), body]) if said.echo else said.body
        for name, value in {**said.headers, "Content-Length": str(len(text))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(text)

    def _drip(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while not self.ended.wait(0.05):
                handler.wfile.write(b"X-Drop: x\r\n")
        except OSError:
            pass


@contextmanager
def receiver(*answers: Answer) -> Iterator[Receiver]:
    """Receive requests until the block ends."""
    found = Receiver(list(answers) or [Answer()])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.answer(self)

        def do_GET(self) -> None:
            found.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        found.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def dripping() -> Iterator[int]:
    """A port whose server begins a greeting and never ends it."""
    ended = threading.Event()

    def drip(stop: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    while not stop.wait(0.05):
                        connection.sendall(b"220-wait\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=(ended,))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            ended.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


class Mailbox:
    """An SMTP server that keeps what it is sent; it knows one user, and may answer otherwise at first."""

    def __init__(self, replies: list[str], refused: set[str]) -> None:
        self.replies = replies
        self.refused = refused
        self.raw: list[bytes] = []
        self.sessions: list[tuple[bool, bool]] = []
        """Of each message whether TLS stood and the sender was known."""
        self.port = 0

    @property
    def mails(self) -> list[EmailMessage]:
        return [message_from_bytes(raw, policy=policy.default) for raw in self.raw]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.replies:
            return self.replies.pop(0)
        self.raw.append(envelope.content)
        self.sessions.append((server.transport.get_extra_info("ssl_object") is not None, bool(session.authenticated)))
        return "250 OK"


class _AnyPort(Controller):
    """A controller that learns which port it was given."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mailbox(
    *replies: str,
    refused: set[str] = frozenset(),
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    login: tuple[str, str] | None = None,
) -> Iterator[Mailbox]:
    """Receive e-mail until the block ends; `replies` answer the first messages."""
    found = Mailbox(list(replies), set(refused))

    def known(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given == login, handled=False, auth_data=given)

    options: dict[str, Any] = {"tls_context": starttls} if starttls else {"ssl_context": tls} if tls else {}
    if login:
        options |= {"authenticator": known, "auth_required": bool(starttls), "auth_require_tls": bool(starttls)}
    controller = _AnyPort(found, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        found.port = controller.port
        yield found
    finally:
        controller.stop()
