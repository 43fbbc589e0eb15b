"""Ends a connection that makes no headway.

A timeout of a socket counts from the last byte, so a server that sends one byte now and then is waited for for ever, in
the headers as well as in the body. So each thing that is waited for has a time in which it must be done as a whole; a
thread of the session's own shuts the connection down when it is over, which ends whatever is reading from it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_LOOKS = 16
"""How often the thread looks in the time that something may take."""
_LONGEST_LOOK_S = 1.0


class Headway:
    """Watches over the connections of one session; it ends with the block."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """How long one thing may take."""
        self.ended = False
        """Whether a connection was shut down."""
        self._sockets: list[Any] = []
        self._until: float | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry-headway", daemon=True)

    def __enter__(self) -> Headway:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    @contextmanager
    def expected(self) -> Iterator[None]:
        """What the block waits for must come in time."""
        self._until = time.monotonic() + self.seconds
        try:
            yield
        finally:
            self._until = None

    def mount(self, session: Any) -> None:
        """Watch over every connection that a session of requests opens."""
        import requests

        watched = self

        class Adapter(requests.adapters.HTTPAdapter):  # type: ignore[misc,unused-ignore] # requests may have no types
            """Makes connections that are known here."""

            def init_poolmanager(self, *args: Any, **options: Any) -> None:
                super().init_poolmanager(*args, **options)
                watched._replace(self.poolmanager)

            def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
                found = super().proxy_manager_for(*args, **options)
                watched._replace(found)
                return found

        session.mount("https://", Adapter())
        session.mount("http://", Adapter())

    def _replace(self, manager: Any) -> None:
        """Have the pools of a manager of urllib3 make watched connections."""
        pools = {}
        for scheme, pool in manager.pool_classes_by_scheme.items():
            connection = self._watched(pool.ConnectionCls)
            pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection})
        manager.pool_classes_by_scheme = pools

    def _watched(self, kind: Any) -> Any:
        sockets = self._sockets

        def connect(connection: Any) -> None:
            kind.connect(connection)
            sockets.append(connection.sock)

        return type(kind.__name__, (kind,), {"connect": connect})

    def _run(self) -> None:
        while not self._closed.wait(min(self.seconds / _LOOKS, _LONGEST_LOOK_S)):
            until = self._until
            if until is not None and time.monotonic() > until:
                self.ended = True
                for each in list(self._sockets):
                    shut(each)


def shut(found: Any) -> None:
    """End a connection, whatever waits for it; nothing where it ended before."""
    plain = getattr(found, "socket", found)  # TLS inside of a proxy's TLS
    with suppress(OSError, TypeError):
        socket.socket.shutdown(plain, socket.SHUT_RDWR)  # of TLS the plain one: its own would take the keys away
