"""A watched model: current while the registry answers, and kept when what is new is refused or nothing answers."""

from __future__ import annotations

import gc
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lab import Lab, Repo
from linked import add, edit_link, link_of, make_registry, make_source, saved, served, slope

import registry
from registry.api.watching import Event

Http = Callable[..., Any]


class Place(NamedTuple):
    """A registry on a server, and the folders from which it is pushed to."""

    url: str
    server: Any
    reg: Repo
    source: Repo
    root: Path

    def publish(self) -> None:
        for repo in (self.source, self.reg):
            repo.git("push", "--quiet", "--force", str(self.root / f"{repo.path.name}.git"), "+refs/*:refs/*")


@pytest.fixture
def place(lab: Lab, http: Http) -> Place:
    source, reg = make_source(lab), make_registry(lab)
    root = served(lab, source, reg)
    server = http(root)
    found = Place(f"{server.url}/reg.git", server, reg, source, root)
    add(reg, f"{server.url}/source.git", stage="prod")
    found.publish()
    return found


def second(place: Place, **options: Any) -> None:
    """A second version, whose slope is 2, in the same stage."""
    place.source.commit(saved(2.0))
    place.source.tag("v2")
    place.publish()
    add(place.reg, f"{place.server.url}/source.git", rev="v2", version="v2.0.0", stage="prod", **options)
    place.publish()


@pytest.fixture
def watched(place: Place) -> Iterator[tuple[registry.Watch, list[Event]]]:
    events: list[Event] = []
    with registry.watch("m", "prod", place.url, every=3600, on_event=events.append) as handle:
        yield handle, events


def test_a_change_of_the_stage_takes_the_models_place(place: Place, watched: Any) -> None:
    handle, events = watched
    first = handle.model
    assert slope(first) == 1.0
    assert handle.check() is False
    assert handle.model is first
    second(place)
    assert handle.check() is True
    assert slope(handle.model) == 2.0
    assert slope(first) == 1.0
    assert handle.current.resolved.version == "v2.0.0"
    assert [(event.kind, event.current.resolved.version) for event in events] == [
        ("loaded", "v1.0.0"),
        ("changed", "v2.0.0"),
    ]
    assert (handle.metrics.checks, handle.metrics.changes, handle.metrics.refusals) == (3, 1, 0)
    assert handle.error is None


def test_the_thread_follows_by_itself(place: Place) -> None:
    changed = threading.Event()

    def told(event: Event) -> None:
        if event.kind == "changed":
            changed.set()
        raise RuntimeError("the application's own fault")

    with registry.watch("m", "prod", place.url, every=0.1, on_event=told) as handle:
        second(place)
        assert changed.wait(30)
        assert slope(handle.model) == 2.0


def test_a_refused_version_does_not_take_the_models_place(place: Place, watched: Any) -> None:
    """The link of the new version pins other bytes than its source has."""
    handle, events = watched
    pinned = link_of(place.reg).artifacts["data"].sha256
    edit_link(place.reg, pinned, "0" * 64, version="v2.0.0")
    registry.assign("m", stage="prod", version="v2.0.0", project=place.reg.path)
    place.publish()
    for _ in range(2):
        assert handle.check() is False
        assert slope(handle.model) == 1.0
        assert isinstance(handle.error, registry.Refused)
        assert handle.error.reason == "digest-matches"
    assert [event.kind for event in events] == ["loaded", "refused"]
    assert handle.metrics.refusals == 2
    registry.unassign("m", stage="prod", version="v2.0.0", project=place.reg.path)
    place.publish()
    assert handle.check() is False
    assert handle.error is None
    assert events[-1].kind == "recovered"


def test_what_left_its_stage_stays_in_use_and_the_handle_says_so(place: Place, watched: Any) -> None:
    handle, events = watched
    registry.unassign("m", stage="prod", version="v1.0.0", project=place.reg.path)
    place.publish()
    assert handle.check() is False
    assert slope(handle.model) == 1.0
    assert "nothing of 'm' is in stage 'prod'" in handle.error.what
    assert events[-1].kind == "refused"


def test_the_last_good_model_outlives_the_network(place: Place, watched: Any) -> None:
    handle, events = watched
    shutil.move(place.root / "reg.git", place.root / "away.git")
    handle.check()
    handle.check()
    assert slope(handle.model) == 1.0
    assert isinstance(handle.error, registry.GitError)
    assert handle.metrics.failures == 2
    assert handle.metrics.last_success < handle.metrics.last_check
    shutil.move(place.root / "away.git", place.root / "reg.git")
    handle.check()
    assert handle.error is None
    assert [event.kind for event in events] == ["loaded", "unreachable", "recovered"]


def test_nothing_new_costs_one_fetch_of_refs(place: Place, watched: Any) -> None:
    handle, _ = watched
    handle.check()
    place.server.requests.clear()
    handle.check()
    asked = [(each.method, each.path.partition("?")[0].rpartition("/")[2]) for each in place.server.requests]
    assert asked == [("GET", "refs"), ("POST", "git-upload-pack")]


def test_model_and_version_are_never_of_two_states(place: Place) -> None:
    with registry.watch("m", "prod", place.url, every=0.05) as handle:
        seen: set[tuple[str, float]] = set()
        ended = threading.Event()

        def read() -> None:
            while not ended.is_set():
                now = handle.current
                seen.add((now.resolved.version, slope(now.model)))

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        try:
            second(place)
            until = time.monotonic() + 30
            while handle.metrics.changes == 0 and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(0.1)
        finally:
            ended.set()
            for reader in readers:
                reader.join()
    assert seen == {("v1.0.0", 1.0), ("v2.0.0", 2.0)}


def test_a_handle_that_nobody_holds_ends_its_thread(place: Place) -> None:
    handle = registry.watch("m", "prod", place.url, every=0.05)
    thread = handle._thread
    del handle
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_what_cannot_be_loaded_at_first_is_raised(place: Place) -> None:
    with pytest.raises(registry.NotFound, match="nothing of 'm' is in stage 'dev'"):
        registry.watch("m", "dev", place.url)
    with pytest.raises(registry.RegistryError, match="every is 0"):
        registry.watch("m", "prod", place.url, every=0)


def test_the_latest_version_is_watched_without_a_stage(place: Place) -> None:
    with closing(registry.watch("m", project=place.url, every=3600)) as handle:
        second(place)
        assert handle.check()
        assert slope(handle.model) == 2.0
