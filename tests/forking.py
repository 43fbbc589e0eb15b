"""Programs of the tests' Python, forked from a process that has imported what they import.

Starting Python and importing takes longer than most commands do. What is forked is a process of its own all the same:
with its own memory, folder, environment, standard files and exit code, and one never sees what another did. The server
that forks imports by and by what the programs needed of `SHARED`. What Python reads once at its start (`PYTHON*`) is
the server's; who tests that, or what is imported, or signals, starts a process instead, as all do where the system is
not Linux.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NoReturn

import forked

SHARED = {"registry", "numpy", "pandas", "scipy", "sklearn", "skops", "gto", "git"}
"""Packages that stay imported for the programs to come; importing one starts nothing that a fork would lose."""
GTO = str(Path(sys.executable).parent / "gto")
PIECE = 1 << 16


HERE = hasattr(os, "pidfd_open")
"""Whether the system lets a server wait for many forks."""


def can_run(argv: Sequence[str]) -> bool:
    """Whether a command line is our program or gto's."""
    ours = tuple(argv[:3]) == (sys.executable, "-m", "registry")
    return HERE and (ours or argv[0] == GTO)


def run(argv: Sequence[str], cwd: Path, env: dict[str, str], data: bytes) -> tuple[int, bytes, bytes]:
    """Run a program to its end: its exit code as `subprocess` has it, and what it wrote."""
    words = list(argv[1:] if argv[0] == sys.executable else argv)
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(data)
        files[0].seek(0)
        status = forked.request(server(), words, str(cwd), env, [file.fileno() for file in files])
        for file in files:
            file.seek(0)
        return os.waitstatus_to_exitcode(status), files[1].read(), files[2].read()


def shell(lines: str = "") -> str:
    """A shell script that is the tests' Python, forked where it can be; `lines` come first, as `-m registry` may."""
    python = f'"{sys.executable}" -IS "{forked.__file__}"' if HERE else f'"{sys.executable}"'
    return f'#!/bin/sh\n{lines}exec {python} "$@"\n'


def server() -> socket.socket:
    """Where to ask; a process that is to ask by `forked.py` needs this file open, and its number in `FORKING`."""
    with _starting:
        return _started()


_starting = threading.Lock()


@functools.cache
def _started() -> socket.socket:
    """Start the server, which ends with this process."""
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        argv = [sys.executable, __file__, str(theirs.fileno())]
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


# --- the server's side ------------------------------------------------------------------------------------------------


class Server:
    """Forks for each request and tells how it ended, until nobody can ask any more."""

    def __init__(self, asked: socket.socket) -> None:
        self.asked = asked
        self.learned, self.learn = os.pipe()
        self.rest = b""

    def serve(self) -> None:
        """Serve until the asking process has ended."""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.asked, selectors.EVENT_READ, self._fork)
            waiting.register(self.learned, selectors.EVENT_READ, self._import)
            while waiting.get_map().get(self.asked.fileno()):
                for key, _ in waiting.select():
                    key.data(waiting)

    def _fork(self, waiting: selectors.BaseSelector) -> None:
        _, files, _, _ = socket.recv_fds(self.asked, 1, 4)
        if not files:
            waiting.unregister(self.asked)
            return
        pid = os.fork()
        if not pid:
            waiting.close()
            self._be_program(files)
        for file in files[1:]:
            os.close(file)
        handle, asking = os.pidfd_open(pid), socket.socket(fileno=files[0])

        def ended(waiting: selectors.BaseSelector) -> None:
            waiting.unregister(handle)
            os.close(handle)
            status = os.waitpid(pid, 0)[1]
            with asking, suppress(OSError):  # who asked may be gone
                asking.sendall(str(status).encode())

        waiting.register(handle, selectors.EVENT_READ, ended)

    def _import(self, _: selectors.BaseSelector) -> None:
        """Import what a program has imported."""
        *names, self.rest = (self.rest + os.read(self.learned, PIECE)).split(b"\n")
        for name in names:
            with suppress(ImportError):
                importlib.import_module(name.decode())
        gc.freeze()

    def _be_program(self, files: list[int]) -> NoReturn:
        code, before = 1, set(sys.modules)
        try:
            with socket.socket(fileno=files[0]) as asking:
                request = json.loads(b"".join(iter(lambda: asking.recv(PIECE), b"")))
            for number, file in enumerate(files[1:]):
                os.dup2(file, number)
                os.close(file)
            code = program(request["argv"], request["cwd"], request["env"])
            for name in [name for name in sys.modules if name not in before and name.partition(".")[0] in SHARED]:
                os.write(self.learn, f"{name}\n".encode())
        finally:
            os._exit(code & 0xFF)


def program(argv: list[str], cwd: str, env: dict[str, str]) -> int:
    """Run a program as Python would have, in this process; its exit code."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    if "LAB_CLOCK" in env:
        exec((Path(env["PYTHONPATH"].partition(os.pathsep)[0]) / "sitecustomize.py").read_text(), {})
    try:
        _run(*argv)
        code: object = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - told as an interpreter tells it
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


def _run(kind: str, *words: str) -> None:
    """Run what `python KIND WORDS` runs: a module, a text, its standard input, or a file."""
    sys.argv = [kind, *words]
    if kind == "-m":
        sys.path[0], sys.argv = str(Path.cwd()), list(words)
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif kind in {"-c", "-"}:
        sys.path[0] = ""
        text = sys.argv.pop(1) if kind == "-c" else sys.stdin.read()
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(text, "<string>", "exec"), vars(main))
    else:
        sys.path[0] = str(Path(kind).resolve().parent)
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        Server(given).serve()
