"""On honest histories every answer equals gto's own, computed in this process on the same repository.

A history is honest when gto's commands (1.10) could have made it and tagger times strictly increase. Left out, because
gto itself fails or has no one answer there: two versions of one artifact on one commit (`ManyVersions` for each question
about any artifact); a version number given out again on another commit (`register --bump-* --no-simple` after a
cancellation: two versions of one name); unassigning a commit without a version (gto's command refuses); assigning such
a commit twice: gto makes a version object for each tag, and `--av` counts for each. Even for one assignment of such a
commit gto's `show NAME` lists an empty version beside the assigned one, and another where `artifacts.yaml` names the
artifact at HEAD; here each commit is listed once, so `_once` drops gto's entries without a tag where one with a tag is.
`find_versions_in_stage` orders by version, not by time (gto's API and command line disagree after a rollback): it is
compared as a set, and `which` with what gto's `show` prints.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gto.api as gto_api
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from tagsmith import History, Made

from registry import versions as semver
from registry.api.holding import which
from registry.api.questions import Registry, check_ref
from registry.errors import NotFound
from registry.views import Selection, artifact_view, event_view, label_of, registry_view

NAMES = ("m", "a/b", "models:m", "listed", "other")
STAGES = ("prod", "staging", "dev/eu", "x/y/z")
BUMPS = ("major", "minor", "patch")
OPERATIONS = (
    "commit", "commit", "list", "register", "register", "register", "assign", "assign", "assign", "unassign", "deregister",
    "reregister", "deprecate", "assign-commit", "explicit",
)  # fmt: skip
LABELS = ("v1.0.0-rc.1", "v1.0.0", "v0.9.0-alpha", "v1.0.0+build.5", "v2.10.0", "v2.9.0", "v10.0.0-0.3.7")
Step = tuple[str, int, int, int]

steps = st.tuples(st.sampled_from(OPERATIONS), *[st.integers(0, 11)] * 3)
MAIN = [("register", 0, 0, 0), ("assign", 0, 0, 0), ("commit", 0, 0, 0), ("register", 0, 1, 2), ("assign", 0, 1, 0)]


def build(script: list[Step]) -> History:
    """Interpret a script; a step that gto would refuse is passed over."""
    history = History()
    history.commit()
    loose: set[tuple[str, int]] = set()
    for operation, *numbers in script:
        _step(history, loose, operation, *numbers)
    return history


def _step(history: History, loose: set[tuple[str, int]], operation: str, a: int, b: int, c: int) -> None:
    name, stage = NAMES[a % len(NAMES)], STAGES[b % len(STAGES)]
    mark = history.commits[-1 - c % len(history.commits)]
    known = history.made.get(name, Made())
    versions = sorted(known.versions)
    if operation == "commit":
        history.commit()
    elif operation == "list":
        history.commit({"artifacts.yaml": _index(a, b, c)})
    elif operation in {"assign", "unassign"} and versions:
        make = history.assign if operation == "assign" else history.unassign
        make(name, stage, known.versions[versions[c % len(versions)]], numbered=c != 7)
    elif operation == "assign-commit" and mark not in known.versions.values() and (name, mark) not in loose:
        loose.add((name, mark))
        history.assign(name, stage, mark)
    elif operation == "deprecate" and name in history.made:
        history.deprecate(name, mark, numbered=c > 8)
    else:
        _registration_step(history, operation, name, mark, b, numbered=c > 8)


def _registration_step(history: History, operation: str, name: str, mark: int, b: int, *, numbered: bool) -> None:
    known = history.made.get(name, Made())
    active = sorted(set(known.versions) - known.cancelled)
    if operation in {"register", "explicit"} and mark not in known.versions.values():
        bumped = semver.bump(max(active, key=semver.key), BUMPS[b % 3]) if active else semver.FIRST
        new = bumped if operation == "register" else LABELS[b % len(LABELS)]
        if new not in known.versions:
            history.register(name, new, mark, numbered=numbered)
    elif operation == "deregister" and active:
        history.deregister(name, active[b % len(active)], numbered=numbered)
    elif operation == "reregister" and known.cancelled:
        version = sorted(known.cancelled)[b % len(known.cancelled)]
        history.register(name, version, known.versions[version])


def _index(a: int, b: int, c: int) -> str:
    names = ("listed", "other", "m", "a/b", "never-tagged")
    chosen = {names[i % len(names)] for i in (a, b, c)}
    return (
        "".join(f"{name}:\n  type: model\n  path: models/{c}\n  labels: [x{b}]\n" for name in sorted(chosen)) or "{}\n"
    )


def plain(value: Any) -> Any:
    """gto's answer as its `--json` prints it."""
    from gto.utils import make_ready_to_serialize

    return json.loads(json.dumps(make_ready_to_serialize(value)))


@pytest.fixture
def one_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let gto derive the state of a repository once rather than for each question, and read `.gto` once as well."""
    import gto.index
    import gto.registry
    from gto.registry import GitRegistry

    read = functools.cache(gto.registry.read_registry_config)
    monkeypatch.setattr(gto.registry, "read_registry_config", read)
    monkeypatch.setattr(gto.index, "read_registry_config", read)
    derive, known = GitRegistry.get_state, {}

    def get_state(self: Any, **options: Any) -> Any:
        key = (self.scm.root_dir, *sorted(options.items()))
        if key not in known:
            known.clear()
            known[key] = derive(self, **options)
        return known[key]

    monkeypatch.setattr(GitRegistry, "get_state", get_state)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """A new folder for each example."""
    return (tmp_path / f"history-{n}" for n in itertools.count())


parity = settings(
    max_examples=40,
    phases=(Phase.explicit, Phase.generate),  # to shrink takes minutes, and scripts are short
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.usefixtures("one_state")
@parity
@given(st.lists(steps, min_size=1, max_size=24))
@example([*MAIN, ("assign", 0, 0, 0), ("deregister", 0, 1, 0)])
@example([*MAIN, ("deprecate", 0, 0, 0), ("list", 2, 2, 2)])
@example([*MAIN, ("deprecate", 0, 0, 0), ("commit", 0, 0, 0), ("assign-commit", 0, 1, 0), ("list", 2, 2, 2)])
@example([*MAIN, ("deregister", 0, 0, 0), ("reregister", 0, 0, 0), ("unassign", 0, 1, 1), ("explicit", 2, 3, 1)])
def test_answers_equal_those_of_gto_on_honest_histories(folders: Iterator[Path], script: list[Step]) -> None:
    history, path = build(script), next(folders)
    history.write(path)
    registry = Registry(path)
    _compare_registry(path, registry)
    assert registry.stages() == gto_api.get_stages(path)
    for ascending in (False, True):
        assert registry.history(ascending=ascending) == plain(gto_api.history(path, ascending=ascending))
    for name in history.made:
        _compare_artifact(path, registry, name)
    for ref in list(history.refs)[-2:]:
        artifact, event = check_ref(ref, path)
        (theirs,) = gto_api.check_ref(path, ref)
        assert event_view(event, label_of(artifact, event)) == plain(
            theirs.dict_state(exclude={"priority", "addition"})
        )


def _compare_registry(path: Path, registry: Registry) -> None:
    from gto.constants import VersionSort

    sorts = {False: VersionSort.Timestamp, True: VersionSort.SemVer}
    assert registry.show() == plain(gto_api.show(path))
    annotations, stages = registry.annotations(registry.config()), registry.stages()
    for deprecated, only, av, vs, by_version in itertools.product(
        (False, True), (False, True), (-1, 1), (1, -1, 2), sorts
    ):
        theirs = gto_api.show(
            path, deprecated=deprecated, registered_only=only, assignments_per_version=av, versions_per_stage=vs, sort=sorts[by_version]
        )  # fmt: skip
        chosen = Selection(only, deprecated, av, vs, by_version)
        assert registry_view(registry.artifacts, stages, annotations, chosen) == plain(theirs), chosen


def _compare_artifact(path: Path, registry: Registry, name: str) -> None:
    artifact = registry.artifacts[name]
    annotations = registry.full_annotations(registry.config(), artifact)
    assert registry.history(name) == plain(gto_api.history(path, name))
    for deprecated, only, vs in itertools.product((False, True), (False, True), (1, -1)):
        theirs = gto_api.show(path, name=name, deprecated=deprecated, registered_only=only, versions_per_stage=vs)
        chosen = Selection(only, deprecated, versions_per_stage=vs)
        assert artifact_view(artifact, annotations, chosen) == _once(plain(theirs)), chosen
    labels = [v.label for v in artifact.versions.values() if v.registered]
    for text in (*[f"{name}@latest"] * bool(artifact.active_versions()), *(f"{name}@{label}" for label in labels[-1:])):
        assert registry.show_artifact(text) == plain(gto_api.show(path, name=text)), text
    shown = gto_api.show(path, deprecated=True)[name]["stage"]
    for stage in STAGES:
        everything = gto_api.find_versions_in_stage(path, name, stage, versions_per_stage=-1) or []
        assert sorted(a.version.label for a in artifact.standing(stage)) == sorted(v.version for v in everything)
        holder = artifact.holder(stage)
        assert (holder and holder.version.label) == shown.get(stage)
    assert registry.show_artifact(f"{name}#prod") == _once(plain(gto_api.show(path, name=f"{name}#prod")))
    assert _which(path, name, "prod") == shown.get("prod")
    latest = gto_api.find_latest_version(path, name)
    greatest = artifact.greatest()
    assert (greatest and greatest.label) == (latest and latest.version)


def _once(views: list[dict[str, Any]]) -> list[dict[str, Any]]:
    tagged = {view["version"] for view in views if view["ref"] != view["commit_hexsha"]}
    return [view for view in views if view["ref"] != view["commit_hexsha"] or view["version"] not in tagged]


def _which(path: Path, name: str, stage: str) -> str | None:
    try:
        return which(name, stage, path).version.label
    except NotFound:
        return None


def test_the_scripts_reach_every_kind_of_event() -> None:
    script = [(op, 0, n, n) for n in range(3) for op in OPERATIONS]
    kinds = {ref.rpartition("#")[0] if ref[-1].isdigit() and "#" in ref else ref for ref in build(script).refs}
    for wanted in ("m@v0.0.1", "m@v0.0.1!", "m@deprecated", "m#prod", "m#prod!"):
        assert wanted in kinds, wanted


def test_stages_of_the_configuration_are_the_columns_as_in_gto(tmp_path: Path) -> None:
    history = build(MAIN)
    history.write(tmp_path / "r")
    (tmp_path / "r" / ".gto").write_text("stages: [dev, prod, staging]\n")
    assert Registry(tmp_path / "r").show() == plain(gto_api.show(tmp_path / "r"))
    assert Registry(tmp_path / "r").stages() == gto_api.get_stages(tmp_path / "r") == ["dev", "prod", "staging"]
    assert Registry(tmp_path / "r").stages(used=True) == gto_api.get_stages(tmp_path / "r", used=True)


def test_a_message_of_a_person_that_looks_like_our_trailer_changes_nothing(tmp_path: Path) -> None:
    history = build(MAIN[:1])
    history.tag("m#prod#1", history.commits[0], "Release\n\nVersion: 3\n")
    history.write(tmp_path / "r")
    assert Registry(tmp_path / "r").show() == plain(gto_api.show(tmp_path / "r"))
