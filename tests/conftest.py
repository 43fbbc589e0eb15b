"""What every test runs under: no home, no cache and no git settings but its own."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from git_http import GitServer, serve
from hypothesis import HealthCheck, settings
from lab import Lab

settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fast", settings.get_profile("ci"), max_examples=30)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

# A run in the background is started with interruptions ignored, and its children would inherit that.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

LONG = ("test_readme", "test_workflows", "test_events", "test_checks", "test_resolving")
"""Files that take long: begun first, so that no process works on one alone in the end."""

FOREIGN = ("GIT_", "XDG_", "REGISTRY_")
"""Beginnings of the variables that would let the caller's settings in."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put `LONG` first; the rest stays in order."""
    items.sort(key=lambda item: item.path.stem not in LONG)


@pytest.fixture(autouse=True)
def nothing_outside(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the caller's settings away; a test that writes to the home it was not given a `lab` for fails."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("untouched")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    yield
    touched = sorted(str(path.relative_to(home)) for path in home.rglob("*"))
    assert not touched, f"the test wrote to the home folder or the cache in it: {touched}; let it use the `lab` fixture"


@pytest.fixture
def lab(nothing_outside: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose home, caches and git settings also hold for what the test does in its own process."""
    made = Lab(tmp_path / "lab")
    for name in ("HOME", *(name for name in made.env if name.startswith(FOREIGN))):
        monkeypatch.setenv(name, made.env[name])
    return made


@pytest.fixture
def http() -> Iterator[Callable[..., GitServer]]:
    """Serve folders over HTTP until the test ends: `http(folder).url`; options are those of `git_http.serve`."""
    with contextlib.ExitStack() as stack:

        def start(folder: Path, **options: Any) -> GitServer:
            return stack.enter_context(serve(folder, **options))

        yield start
