"""`python -IS forked.py ARGS` is `python ARGS`, forked by the server of the tests (see `forking.py`); for shell scripts.

The socket to the server is an open file, whose number `FORKING` gives. This file imports little: it is to start soon.
"""

import json
import os
import socket
import sys

NAME = "FORKING"


def request(server: socket.socket, argv: list[str], cwd: str, env: dict[str, str], files: list[int]) -> int:
    """Have the server run a program on three open files and wait for it; its status as of `os.waitpid`."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            socket.send_fds(server, [b"."], [theirs.fileno(), *files])
        ours.sendall(json.dumps({"argv": argv, "cwd": cwd, "env": env}).encode())
        ours.shutdown(socket.SHUT_WR)
        status = ours.recv(64)
    if not status:
        raise ConnectionError(f"the server that forks ended before {argv} did")
    return int(status)


if __name__ == "__main__":
    with socket.socket(fileno=os.dup(int(os.environ[NAME]))) as asked:
        ended = request(asked, sys.argv[1:], os.getcwd(), dict(os.environ), [0, 1, 2])  # noqa: PTH109 - pathlib takes long to import
    code = os.waitstatus_to_exitcode(ended)
    sys.exit(code if code >= 0 else 128 - code)
