"""`watch`: a model that stays current while an application runs.

A thread asks the registry every so often (one fetch of the artifact's tags, which brings nothing while nothing
changed). What is new is resolved, verified and loaded beside the model that is in use, then put in its place in one
step. What is refused, gone or cannot be reached never takes the place of a model that was loaded: it stays, and the
handle says so.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from os import PathLike
from types import TracebackType

from registry.api.admitting import Require
from registry.api.bringing import Fetched, bring
from registry.api.loading import load_fetched
from registry.api.resolving import Resolved, resolve
from registry.cache.files import using
from registry.errors import GitError, NotFound, Refused, RegistryError
from registry.offline import Offline

LOADED, CHANGED, REFUSED, UNREACHABLE, RECOVERED = "loaded", "changed", "refused", "unreachable", "recovered"
SHORTEST_S = 0.05
_log = logging.getLogger("registry.watch")


@dataclass(frozen=True)
class Current:
    """The model in use and what it was resolved from; the two belong together."""

    model: object = field(repr=False)
    resolved: Resolved


@dataclass(frozen=True)
class Event:
    """Something that happened to a watched model."""

    kind: str
    """`loaded` (the first model), `changed` (another one took its place), `refused` (something new was turned away,
    or nothing is there any more), `unreachable` (the registry or a source gave no answer), `recovered` (it does again,
    or what was refused is gone, and the model in use is the stage's)."""
    current: Current
    """The model in use after it."""
    error: RegistryError | None = None
    """Why, where something failed."""


@dataclass(frozen=True)
class Metrics:
    """What a watch did so far; times are seconds since 1970, none for what did not happen yet."""

    checks: int = 0
    """How often the registry was asked."""
    changes: int = 0
    """How often another model took the place of the one in use."""
    refusals: int = 0
    """How often what the stage holds was turned away."""
    failures: int = 0
    """How often no answer came."""
    last_check: float | None = None
    last_success: float | None = None
    """When the registry last answered and the model in use was the stage's."""
    last_change: float | None = None
    load_seconds: float = 0.0
    """How long the model in use took to fetch, verify and load."""


class Watch:
    """A handle whose `model` is always loaded. A context manager; `close` ends its thread."""

    def __init__(
        self,
        ask: Callable[[], Resolved],
        load: Callable[[Fetched], object],
        every: float,
        on_event: Callable[[Event], None] | None,
    ) -> None:
        self._ask = ask
        self._load = load
        self._every = every
        self._on_event = on_event
        self._ended = threading.Event()
        self._checking = threading.Lock()
        self._error: RegistryError | None = None
        self._metrics = Metrics()
        resolved = ask()
        self._current = self._loaded(resolved)
        now = time.time()
        self._metrics = replace(self._metrics, checks=1, last_check=now, last_success=now)
        self._tell(Event(LOADED, self._current))
        self._thread = threading.Thread(
            target=_run,
            args=(weakref.ref(self), self._ended, every),
            name=f"registry-watch-{resolved.name}",
            daemon=True,
        )
        self._thread.start()

    @property
    def model(self) -> object:
        """The model in use: the framework's own object, or that of `load_model`."""
        return self._current.model

    @property
    def current(self) -> Current:
        """The model in use together with what it was resolved from."""
        return self._current

    @property
    def error(self) -> RegistryError | None:
        """Why the model in use may not be what the registry holds now; none where it is."""
        return self._error

    @property
    def metrics(self) -> Metrics:
        """What happened so far."""
        return self._metrics

    def check(self) -> bool:
        """Ask now, in this thread; whether another model took the place of the one in use. Raises nothing expected."""
        with self._checking:
            self._metrics = replace(self._metrics, checks=self._metrics.checks + 1, last_check=time.time())
            try:
                resolved = self._ask()
                changed = resolved != self._current.resolved
                if changed:
                    self._current = self._loaded(resolved)
            except RegistryError as error:
                self._failed(error)
                return False
            self._succeeded(changed=changed)
            return changed

    def close(self) -> None:
        """End the thread; the model stays."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _loaded(self, resolved: Resolved) -> Current:
        begun = time.monotonic()
        with using():
            model = self._load(bring(resolved))
        self._metrics = replace(self._metrics, load_seconds=time.monotonic() - begun)
        return Current(model, resolved)

    def _failed(self, error: RegistryError) -> None:
        before, self._error = self._error, error
        out_of_reach = isinstance(error, (GitError, Offline)) or not isinstance(error, (Refused, NotFound))
        if out_of_reach:
            self._metrics = replace(self._metrics, failures=self._metrics.failures + 1)
        else:
            self._metrics = replace(self._metrics, refusals=self._metrics.refusals + 1)
        if before is None or str(before) != str(error):
            held = self._current.resolved
            _log.warning("%s stays at %s: %s", held.name, held.version, " ".join(error.what.split()))
            self._tell(Event(UNREACHABLE if out_of_reach else REFUSED, self._current, error))

    def _succeeded(self, *, changed: bool) -> None:
        before, self._error = self._error, None
        now = time.time()
        self._metrics = replace(self._metrics, last_success=now)
        if changed:
            self._metrics = replace(self._metrics, changes=self._metrics.changes + 1, last_change=now)
            _log.info("%s is now %s", self._current.resolved.name, self._current.resolved.version)
            self._tell(Event(CHANGED, self._current))
        elif before is not None:
            self._tell(Event(RECOVERED, self._current))

    def _tell(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - the application's own code; the model must stay current all the same
            _log.exception("the callback of a watch failed")


def watch(
    name: str,
    stage: str | None = None,
    project: str | PathLike[str] = ".",
    *,
    every: float = 30.0,
    on_event: Callable[[Event], None] | None = None,
    interface: bool = False,
    require: Require = None,
) -> Watch:
    """Keep the model that a stage holds (or the latest version) loaded and current.

    The registry is asked every `every` seconds, from a thread of its own; `on_event` is called there. The first model
    is loaded before this returns, so what `load` raises is raised here; later failures keep the model in use. With
    `interface` the model is that of `load_model`, else that of `load`; `require` is as there.
    """
    if not every >= SHORTEST_S:
        raise RegistryError(f"every is {every!r}", fix=f"give seconds, at least {SHORTEST_S}")
    if interface:
        from registry.api.serving import serve
    load = serve if interface else load_fetched
    return Watch(lambda: resolve(name, stage, None, None, project, require=require), load, every, on_event)


def _run(handle: weakref.ref[Watch], ended: threading.Event, every: float) -> None:
    """Ask again and again, until the handle is closed or nobody holds it any more."""
    while not ended.wait(every):
        watched = handle()
        if watched is None:
            return
        try:
            watched.check()
        except Exception:  # noqa: BLE001 - whatever a framework raises must not end the thread
            _log.exception("a watch failed; the model in use stays")
        del watched
