"""A small git server over smart HTTP: `git http-backend` as CGI behind the standard library's HTTP server.

For demonstrations, tests and benchmarks on one machine: it listens on 127.0.0.1 and knows no users, so everybody who
reaches it may read and push. Bodies are streamed both ways, so its memory does not grow with a pack.
CGI: RFC 3875. Smart HTTP: https://git-scm.com/docs/http-protocol. Backend: https://git-scm.com/docs/git-http-backend.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, cast
from urllib.parse import unquote

LOOPBACK = "127.0.0.1"
PIECE = 1 << 16  # most bytes that are passed on at once
PASSED_ON = {"Git-Protocol": "GIT_PROTOCOL", "Content-Type": "CONTENT_TYPE",
             "Content-Length": "CONTENT_LENGTH", "Content-Encoding": "HTTP_CONTENT_ENCODING"}  # fmt: skip


@dataclass
class Request:
    """One request in the server's log: the bytes of both bodies (without chunk headers) grow while it runs."""

    method: str
    path: str
    received: int = 0
    sent: int = 0
    ended: bool = False
    """Whether it was answered or cut off, and its backend is gone."""


class GitServer(ThreadingTCPServer):
    """Serves every repository below `root`; each request is one `git http-backend`."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, root: Path, port: int, settings: dict[str, str], host: str) -> None:
        self.requests: list[Request] = []  # in order of arrival; appending is atomic
        self.lock = threading.Lock()  # guards the two below
        self.children: set[subprocess.Popen[bytes]] = set()
        self.ended = False
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        where = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()
        self.program = str(Path(where) / "git-http-backend")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        self.environment |= {"GIT_PROJECT_ROOT": str(root.resolve()), "GIT_HTTP_EXPORT_ALL": "1"}
        self.environment["GIT_CONFIG_COUNT"] = str(len(settings))
        for number, (key, value) in enumerate(settings.items()):
            self.environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        super().__init__((host, port), GitHandler)
        self.url = f"http://{host}:{self.socket.getsockname()[1]}"

    @contextlib.contextmanager
    def backend(self, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run one backend in a process group of its own; at the end what is left of it is killed and reaped."""
        with self.lock:
            if self.ended:
                raise ConnectionAbortedError("the server has ended")
            child = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     env=self.environment | environment, start_new_session=True)  # fmt: skip
            self.children.add(child)
        try:
            yield child
        finally:
            with self.lock:
                self.children.discard(child)
            kill(child)
            child.wait()

    def close(self) -> None:
        """Stop accepting, end every backend and connection, and wait for all threads."""
        self.shutdown()
        with self.lock:
            self.ended = True
            for child in self.children:
                kill(child)
        for connection in self.sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it for `close`."""
        connection, address = super().get_request()
        self.sockets.add(connection)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report a bug; a client that went away is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a child that was not yet waited for (so its number is still its own), with its process group."""
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)


class GitHandler(BaseHTTPRequestHandler):
    """Turns one HTTP request into one CGI call; connections are kept alive."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = PIECE
    server: GitServer

    def do_GET(self) -> None:
        """Answer one request, and note it."""
        self.record = Request(self.command, self.path)
        self.server.requests.append(self.record)
        try:
            self._run()
        finally:
            self.record.ended = True

    def _run(self) -> None:
        """Run the backend: the request flows in by a thread of its own while the answer flows out."""
        path, _, query = self.path.partition("?")
        environment = {"REQUEST_METHOD": self.command, "PATH_INFO": unquote(path), "QUERY_STRING": query,
                       "REMOTE_ADDR": self.client_address[0], "SERVER_PROTOCOL": self.request_version}  # fmt: skip
        environment |= {name: self.headers[key] for key, name in PASSED_ON.items() if key in self.headers}
        with self.server.backend(environment) as child, cast("io.BufferedReader", child.stdout) as source:
            feeder = threading.Thread(target=self._feed, args=(child,))
            feeder.start()
            try:
                self._answer(source)
            except OSError:
                kill(child)
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)  # wakes the feeder
                raise
            finally:
                feeder.join()  # the connection's next request begins behind this one's body

    do_POST = do_GET  # noqa: N815 - the parent's naming

    def _feed(self, child: subprocess.Popen[bytes]) -> None:
        target = cast("io.BufferedWriter", child.stdin)
        try:
            for piece in self._body():
                self.record.received += len(piece)
                with contextlib.suppress(BrokenPipeError):  # the backend had enough; the rest is read all the same
                    target.write(piece)
        except (OSError, ValueError):  # cut off or malformed: it must not pass for a whole one
            self.close_connection = True
            kill(child)
        with contextlib.suppress(BrokenPipeError):
            target.close()

    def _body(self) -> Iterator[bytes]:
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        left = int(self.rfile.readline(PIECE), 16) if chunked else int(self.headers.get("Content-Length", 0))
        while left > 0:
            piece = cast("io.BufferedReader", self.rfile).read1(min(left, PIECE))
            if not piece:
                raise ConnectionResetError("the request ended early")
            yield piece
            left -= len(piece)
            if chunked and not left:
                self.rfile.readline(PIECE)
                left = int(self.rfile.readline(PIECE), 16)
        if chunked:
            self.rfile.readline(PIECE)

    def _answer(self, source: io.BufferedReader) -> None:
        headers = http.client.parse_headers(source)
        self.send_response(int(headers.get("Status", "200" if headers else "500")[:3]))
        chunked = "Content-Length" not in headers
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        while piece := source.read1(PIECE):
            self.record.sent += len(piece)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n" if chunked else b"")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's signature
        """Print nothing: the log is `GitServer.requests`."""


@contextlib.contextmanager
def serve(root: Path, port: int = 0, *, pushes: bool = True, filters: bool = True,
          any_object: bool = True, host: str = LOOPBACK) -> Iterator[GitServer]:  # fmt: skip
    """Serve the repositories below `root` until the block ends; port 0 takes a free one, `host` is an IPv4 address.

    `filters` allows partial clones, `any_object` lets clients ask for objects that no ref names.
    """
    switches = {"http.receivepack": pushes, "uploadpack.allowFilter": filters,
                "uploadpack.allowAnySHA1InWant": any_object, "receive.autogc": False}  # fmt: skip
    server = GitServer(Path(root), port, {key: str(value).lower() for key, value in switches.items()}, host)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the git repositories below a folder over smart HTTP.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # a second one must not interrupt the ending that the first began
    with serve(options.root, options.port) as running:
        print(running.url, flush=True)
        signal.sigwait(ends)
