"""The one place that runs git: arguments as lists, a cleaned environment, no prompt, no hook while reading, a timeout.

Variables that would point git at another repository or feed it configuration from a parent process are stripped;
what carries the user's identity, credentials, proxies and agents stays. Replace refs are off, redirects are errors,
and no transport is used but those the caller names (`GIT_ALLOW_PROTOCOL`, git(1)). How long a remote is waited for is
for `registry.timeouts` to say; a git that is given up leaves no process of its own behind.
"""

from __future__ import annotations

import os
import signal
import subprocess  # noqa: TID251 - this module is the one that runs git
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import ceil
from typing import IO, Final, NamedTuple

from registry import timeouts
from registry.errors import GitError, RegistryError, Unreachable
from registry.git.remedies import REMEDIES

OFFLINE: Final = "none"
"""No transport at all: questions about what is already here."""
NETWORK: Final = "https:ssh:http"
"""Transports of a remote; whether a URL may use plain http is for `registry.urls` to say."""
LOCAL: Final = "https:ssh:http:file"
"""The same, and folders of this machine."""

TIMEOUT: Final = 120.0
"""Seconds a local command may take."""

_STRIPPED: Final = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ALTERNATE_REFS", "GIT_NAMESPACE", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_COMMON_DIR", "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE", "GIT_REPLACE_REF_BASE", "GIT_PREFIX", "GIT_IMPLICIT_WORK_TREE", "GIT_QUARANTINE_PATH",
    "GIT_INTERNAL_SUPER_PREFIX", "GIT_ATTR_SOURCE", "GIT_EXTERNAL_DIFF", "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS",
)  # fmt: skip
_QUARANTINE: Final = ("GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES")
_ALWAYS: Final = {
    "LC_ALL": "C",
    "LANGUAGE": "",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_FLUSH": "0",
}
_SETTINGS: Final = (
    "core.fsmonitor=false",
    "core.symlinks=false",
    "core.bigFileThreshold=16m",
    "core.packedGitWindowSize=16m",
    "core.packedGitLimit=128m",
    "core.bigFileThreshold=16m",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "http.followRedirects=false",
    "advice.graftFileDeprecated=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
_NO_HOOKS: Final = ("-c", f"core.hooksPath={os.devnull}")
_SHOWN: Final = 12
_GRACE: Final = 5.0
_BUFFER: Final = 1 << 18
_PIPE: Final = 1 << 20


_quarantine: dict[str, dict[str, str]] = {}
"""Where git put the objects of a push that is being judged, by the repository; empty but inside `quarantined`."""


@contextmanager
def quarantined(path: str | os.PathLike[str], environ: Mapping[str, str]) -> Iterator[None]:
    """Read a push's objects in the repository at `path` before they count, as git gives them to `pre-receive`.

    For that hook alone: the variables come from git itself (git-receive-pack(1), QUARANTINE ENVIRONMENT). Elsewhere,
    and for any other repository, they would lead git to the wrong objects, so they are stripped.
    """
    if environ.get("GIT_QUARANTINE_PATH"):
        _quarantine[os.path.realpath(path)] = {name: environ[name] for name in _QUARANTINE if environ.get(name)}
    try:
        yield
    finally:
        _quarantine.clear()


class Done(NamedTuple):
    """What a finished command said."""

    code: int
    out: bytes
    err: str


def environment(protocols: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment git runs in."""
    env = {key: value for key, value in os.environ.items() if key not in _STRIPPED}
    env.update(_ALWAYS)
    env["GIT_ALLOW_PROTOCOL"] = protocols
    if protocols == OFFLINE:
        env["GIT_NO_LAZY_FETCH"] = "1"
    if extra:
        env.update(extra)
    return env


def command(
    path: str | os.PathLike[str] | None, args: Sequence[str], *, hooks: bool, protocols: str = OFFLINE
) -> list[str]:
    """The whole command line of `git ARGS` in the repository at `path`."""
    line = ["git"]
    for setting in (*_SETTINGS, *(_headway(hooks=hooks) if protocols != OFFLINE else ())):
        line += ("-c", setting)
    if not hooks:
        line += _NO_HOOKS
    if path is not None:
        line += ("-C", os.fspath(path))
    return [*line, *args]


def _headway(*, hooks: bool) -> tuple[str, str]:
    """What a remote must do over HTTP not to be given up; while its hooks judge a push it says next to nothing."""
    least, seconds = (1, 2 * timeouts.seconds()) if hooks else (timeouts.LEAST, timeouts.seconds())
    return f"http.lowSpeedLimit={least}", f"http.lowSpeedTime={ceil(seconds)}"


def run(
    path: str | os.PathLike[str] | None,
    args: Sequence[str],
    *,
    stdin: bytes | None = None,
    protocols: str = OFFLINE,
    hooks: bool = False,
    env: Mapping[str, str] | None = None,
    accept: Sequence[int] = (0,),
    seconds: float | None = None,
) -> Done:
    """Run `git ARGS` and return what it said; of a network, within `seconds` (`timeouts.whole` by default).

    Raises `GitError` when it exits with a code outside `accept` or cannot be started, and where it does not end in
    time; of a network that is `Unreachable`.
    """
    local = protocols == OFFLINE
    timeout = TIMEOUT if local else seconds or timeouts.whole()
    try:
        with _start(path, args, protocols=protocols, hooks=hooks, env=env, stdin=stdin is not None) as process:
            try:
                out, err = process.communicate(stdin, timeout=timeout)
            except BaseException:
                _end(process)
                raise
    except subprocess.TimeoutExpired:
        raise _late(path, args, timeout, GitError if local else Unreachable) from None
    done = Done(process.returncode, out, err.decode("utf-8", "replace"))
    if done.code not in accept:
        raise failure(path, args, done)
    return done


@contextmanager
def pipeline(
    path: str | os.PathLike[str], sink_path: str | os.PathLike[str], source: Sequence[str], sink: Sequence[str]
) -> Iterator[IO[bytes]]:
    """Run `git SOURCE | git SINK`, each in its own repository, and give the sink's output; leaving early ends both."""
    with (
        _start(path, source, protocols=OFFLINE, errors=subprocess.DEVNULL) as first,
        _start(sink_path, sink, protocols=OFFLINE, feed=first.stdout, errors=subprocess.DEVNULL) as second,
    ):
        if first.stdout is None or second.stdout is None:  # pragma: no cover - both are pipes
            raise GitError("git gave no output", _place(path))
        first.stdout.close()
        try:
            yield second.stdout
            ended = (first.wait(TIMEOUT), second.wait(TIMEOUT))
        except BaseException as error:
            _end(first)
            _end(second)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _late(path, source, TIMEOUT) from None
            raise
    if ended[1]:  # first: a source whose sink ended is ended by that
        _explain(sink_path, sink, ended[1])
    if ended[0]:
        _explain(path, source, ended[0])


@contextmanager
def reader(
    path: str | os.PathLike[str], args: Sequence[str], protocols: str = OFFLINE, feed: IO[bytes] | None = None
) -> Iterator[IO[bytes]]:
    """Run `git ARGS`, which reads `feed`, and give its output as a stream."""
    with _start(path, args, protocols=protocols, feed=feed, errors=subprocess.DEVNULL) as process:
        if process.stdout is None:  # pragma: no cover - it is a pipe
            raise GitError("git gave no output", _place(path))
        _widen(process.stdout)
        try:
            yield process.stdout
            ended = process.wait(TIMEOUT)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _late(path, args, TIMEOUT) from None
            raise
    if ended:
        _explain(path, args, ended)


def _widen(pipe: IO[bytes]) -> None:
    """Let git go on writing while what it wrote is looked at; where the system does not, it waits more often."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)


@contextmanager
def conversation(path: str | os.PathLike[str], args: Sequence[str]) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Run `git ARGS` and give its input and output, to be asked and read in turn; it ends with the block."""
    with _start(path, args, protocols=OFFLINE, stdin=True, errors=subprocess.DEVNULL) as process:
        if process.stdin is None or process.stdout is None:  # pragma: no cover - both are pipes
            raise GitError("git gave no output", _place(path))
        try:
            yield process.stdin, process.stdout
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git so that it removes its lock files; one that does not listen is killed."""
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
    if getattr(process, "apart", False):
        with suppress(OSError):  # what it started, such as ssh, may not have noticed
            os.killpg(process.pid, signal.SIGKILL)


def _late(
    path: str | os.PathLike[str] | None, args: Sequence[str], seconds: float, kind: type[GitError] = GitError
) -> GitError:
    fix = f"try again later, or give it longer with {timeouts.VARIABLE}" if kind is Unreachable else "try again later"
    return kind(f"git {_verb(args)} did not end within {seconds:g} s", _place(path), fix)


class _Process(subprocess.Popen[bytes]):
    """A git; `apart` where its process group is its own."""

    apart = False


def _alone() -> bool:
    """Whether no terminal belongs to this process: with one, ssh may ask there for a passphrase."""
    if os.name != "posix":  # pragma: no cover - another platform
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return True
    return False


def _verb(args: Sequence[str]) -> str:
    """The subcommand behind `-c` settings."""
    return next((word for at, word in enumerate(args) if word != "-c" and args[at - 1 : at] != ["-c"]), "")


def _explain(path: str | os.PathLike[str], args: Sequence[str], code: int) -> None:
    """Raise for a streamed command that failed: run again without input, it says why (a full pipe of errors blocks)."""
    run(path, args)
    raise failure(path, args, Done(code, b"", ""))


def _start(
    path: str | os.PathLike[str] | None,
    args: Sequence[str],
    *,
    protocols: str,
    hooks: bool = False,
    env: Mapping[str, str] | None = None,
    stdin: bool = False,
    feed: IO[bytes] | None = None,
    errors: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    line = command(path, args, hooks=hooks, protocols=protocols)
    given = environment(protocols, env)
    if _quarantine and path is not None:
        given.update(_quarantine.get(os.path.realpath(path), {}))
    apart = protocols != OFFLINE and _alone()
    try:
        process = _Process(
            line,
            stdin=feed or (subprocess.PIPE if stdin else subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=errors,
            env=given,
            bufsize=_BUFFER,
            start_new_session=apart,
        )
    except FileNotFoundError:
        raise RegistryError("the program `git` was not found", fix="install git and put it on PATH") from None
    except OSError as error:
        raise RegistryError(f"the program `git` was not started: {error.strerror}", _place(path)) from None
    process.apart = apart
    return process


def failure(path: str | os.PathLike[str] | None, args: Sequence[str], done: Done) -> GitError:
    """The error for a command that failed, with git's own last lines and, where known, the remedy."""
    plain = "".join(c if c.isprintable() or c == "\n" else "?" for c in done.err.expandtabs())  # a server's words too
    said = [line for line in plain.strip().splitlines() if line.strip()]
    shown = "\n".join(said[-_SHOWN:]) or f"exit code {done.code}"
    for text, fix in REMEDIES:
        if text in done.err:
            return GitError(f"git {_verb(args)} failed: {shown}", _place(path), fix, done.err)
    return GitError(f"git {_verb(args)} failed: {shown}", _place(path), "", done.err)


def _place(path: str | os.PathLike[str] | None) -> str:
    return "" if path is None else os.fspath(path)
