"""A process of its own for work that may run away: with a limit on memory and on time, told apart from this one.

The child is this same Python. It gets one JSON value on its standard input and says JSON lines on its standard output:
steps, then one result or one error; whatever else it prints goes to a file that is shown when it crashes. Memory is
limited by `setrlimit(RLIMIT_DATA)`, which on Linux counts private memory that can be written; the time is that of the
clock on the wall, after which the child and all it started are killed. This is no sandbox: the child has the rights of
whoever started it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess  # noqa: TID251 - the one process that is not git: models run in it, apart from the caller
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

from registry import cache
from registry.errors import NotFound, Refused, RegistryError

MEMORY = "MemoryError"
_SHOWN = 1500
_GRACE_S = 10.0
_RAISE = "raise `limits` in the suite, or make the model or the data smaller"
_START = """\
import sys
sys.path.insert(0, sys.argv[1])
import registry  # this very package, whatever else is installed
del sys.path[0]
from importlib import import_module
import_module(sys.argv[2]).main()
"""

Step = Callable[[int, int, str], None]


class Limits(NamedTuple):
    """What the child may use."""

    seconds: float
    memory_mb: int


def confined(module: str, request: Mapping[str, Any], limits: Limits, step: Step | None = None) -> Any:
    """Run `main()` of a module in a child and give its result. Raises `RegistryError`, also for a limit or a crash."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        child = subprocess.Popen(  # arguments are ours
            [sys.executable, "-c", _START, str(Path(__file__).parents[2]), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=folder,  # the caller's folder may hold a module named as one that is imported
            env=_environment(),
            start_new_session=True,
        )
        over = threading.Event()
        timer = threading.Timer(limits.seconds, _end, (child, over))
        timer.start()
        try:
            answer = _talk(child, {**request, "memory_mb": limits.memory_mb}, step)
            if answer is None:  # it is ending: let it say why
                with suppress(subprocess.TimeoutExpired):
                    child.wait(_GRACE_S)
        finally:
            timer.cancel()
            _kill(child)
            child.wait()
            if child.stdout is not None:
                child.stdout.close()
        if answer is None:
            _failed(child.returncode, limits, said, over=over.is_set())
    if "error" in answer:
        _raise(answer["error"], limits)
    return answer["result"]


def _environment() -> dict[str, str]:
    """The environment of this process, its folders named from the root; what a lock file says was asked for already."""
    found = [os.path.abspath(each) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]  # noqa: PTH100 - not resolved
    kept = {name: value for name, value in os.environ.items() if name != "REGISTRY_LOCKED"}
    if state := kept.get("REGISTRY_STATE_DIR"):
        kept["REGISTRY_STATE_DIR"] = str(Path(state).expanduser().absolute())
    return {**kept, "PYTHONPATH": os.pathsep.join(found), "REGISTRY_CACHE_DIR": str(cache.root())}


def _talk(child: subprocess.Popen[bytes], request: Mapping[str, Any], step: Step | None) -> Any:
    """Ask, pass steps on, and give the last line; none where the child ended without one."""
    if child.stdin is None or child.stdout is None:
        raise AssertionError("the child was started with pipes")
    try:
        child.stdin.write(json.dumps(request).encode())
        child.stdin.close()
    except BrokenPipeError:
        return None
    for line in child.stdout:
        try:
            found = json.loads(line)
        except ValueError:  # cut off by its end
            return None
        if "step" not in found:
            return found
        if step is not None:
            step(*found["step"])
    return None


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child and everything in its session."""
    if child.returncode is not None:
        return
    try:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:  # pragma: no cover - another platform
            child.kill()
    except (ProcessLookupError, PermissionError):
        pass


def _end(child: subprocess.Popen[bytes], over: threading.Event) -> None:
    over.set()
    _kill(child)


def _failed(code: int, limits: Limits, said: IO[bytes], *, over: bool) -> NoReturn:
    if over:
        raise RegistryError(f"the evaluation took more than {limits.seconds:g} seconds and was ended", "", _RAISE)
    said.seek(0, os.SEEK_END)
    said.seek(max(0, said.tell() - _SHOWN))
    text = " ".join(said.read().decode("utf-8", "replace").split())
    how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    raise RegistryError(
        f"the evaluation's process {how}" + (f": {text}" if text else ""),
        "",
        f"{limits.memory_mb} MB of memory may be too few: {_RAISE}",
    )


def _raise(error: Mapping[str, str], limits: Limits) -> NoReturn:
    what, where, fix = error["what"], error["where"], error["fix"]
    if error["kind"] == MEMORY:
        raise RegistryError(f"the evaluation needed more than {limits.memory_mb} MB of memory", where, _RAISE)
    if error["kind"] == "Refused":
        raise Refused(error["reason"], what, where, fix)
    raise (NotFound if error["kind"] == "NotFound" else RegistryError)(what, where, fix)


# --- the child's side -------------------------------------------------------------------------------------------------


def child(work: Callable[[dict[str, Any], Step], Any]) -> None:
    """Serve one request as the child: limits first, then `work`, whose result or `RegistryError` is told."""
    with os.fdopen(os.dup(1), "wb", buffering=0) as channel:
        os.dup2(2, 1)  # what models and metrics print is not ours

        def tell(value: object) -> None:
            channel.write(json.dumps(value).encode() + b"\n")

        request = json.loads(sys.stdin.buffer.read())
        _limit(int(request["memory_mb"]))
        try:
            found = work(request, lambda done, total, name: tell({"step": [done, total, name]}))
        except MemoryError:
            tell({"error": {"kind": MEMORY, "what": "", "where": "", "fix": ""}})
        except RegistryError as error:
            reason = getattr(error, "reason", "")
            kind = type(error).__name__
            tell(
                {"error": {"kind": kind, "reason": reason, "what": error.what, "where": error.where, "fix": error.fix}}
            )
        else:
            tell({"result": found})


def _limit(memory_mb: int) -> None:
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows has none
        return
    size = memory_mb << 20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        size = min(size, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
