"""`registry.lock`: what is locked is what is loaded, wherever stages go; what was altered is refused."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inprocess import registry_here
from lab import Lab, Repo
from linked import add, make_promoted, make_registry, make_source, served, slope

import registry
from registry.errors import NotFound, Refused, RegistryError

Http = Callable[..., Any]


@pytest.fixture
def app(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a consumer's code, in which the test stands."""
    folder = lab.root / "app" / "src"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder.parent)
    return folder.parent


@pytest.fixture
def reg(lab: Lab) -> Repo:
    """A registry in a folder: `m` v1.0.0 (slope 1) in prod, v1.1.0 (slope 2) in staging."""
    return make_promoted(lab)


def promote(reg: Repo, version: str = "v1.1.0", number: int = 9) -> None:
    reg.tag(f"m#prod#{number}", f"m@{version}^{{commit}}")


def refused(call: Callable[[], object], reason: str = "locked") -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.reason == reason
    assert caught.value.fix
    return caught.value


def lock_lines(app: Path) -> str:
    return (app / "registry.lock").read_text()


def alter(app: Path, old: str, new: str) -> None:
    text = lock_lines(app)
    assert old in text
    (app / "registry.lock").write_text(text.replace(old, new))


def test_a_locked_load_stays_where_it_is_when_the_stage_moves_on(
    app: Path, reg: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.lock("m", stage="prod", project=reg.path)
    promote(reg)
    assert slope(registry.load("m", stage="prod", project=reg.path)) == 2.0
    assert slope(registry.load("m", stage="prod", project=reg.path, locked=True)) == 1.0
    assert slope(registry.load("m", version="v1.0.0", project=reg.path, locked=True)) == 1.0
    assert slope(registry.load("m", project=reg.path, locked=True)) == 1.0, "its only entry"
    monkeypatch.setenv("REGISTRY_LOCKED", "1")
    monkeypatch.chdir(app / "src")  # found in a folder above
    assert slope(registry.load("m", stage="prod", project=reg.path)) == 1.0
    found = registry.resolve("m", stage="prod", project=reg.path)
    assert (found.version, found.stage, found.locked) == ("v1.0.0", "prod", str(app / "registry.lock"))
    assert registry_here(reg.path, "predict", "m", "--stage", "prod", "--data", "-", input=b"x,y\n1,0\n").code == 1, (
        "no lock file is found from there"
    )
    monkeypatch.setenv("REGISTRY_LOCK", str(app / "registry.lock"))
    assert (
        registry_here(reg.path, "predict", "m", "--stage", "prod", "--data", "-", input=b"x,y\n1,0\n").stdout == "1.0\n"
    )


def test_what_is_not_locked_is_refused(app: Path, reg: Repo, lab: Lab) -> None:
    other = make_registry(lab, "other")
    with pytest.raises(NotFound, match="no lock file"):
        registry.load("m", stage="prod", project=reg.path, locked=True)
    registry.lock("m", stage="prod", project=reg.path)
    for options, said in (
        ({"stage": "staging"}, "m in stage prod: v1.0.0"),
        ({"version": "v1.1.0"}, "m in stage prod: v1.0.0"),
        ({"rev": "HEAD"}, "a revision was asked for"),
    ):
        assert (
            said in refused(lambda options=options: registry.load("m", project=reg.path, locked=True, **options)).what
        )
    assert "'n' of" in refused(lambda: registry.load("n", project=reg.path, locked=True)).what
    assert "it is of ../reg" in refused(lambda: registry.load("m", project=other.path, locked=True)).what
    registry.lock("m", stage="staging", project=reg.path)
    assert "by name alone is not locked" in refused(lambda: registry.load("m", project=reg.path, locked=True)).what
    with pytest.raises(NotFound, match=r"no lock file '/nowhere"):
        registry.load("m", project=reg.path, locked=True, lock="/nowhere/registry.lock")


def test_a_version_tag_that_moved_is_refused_with_both_ids(app: Path, reg: Repo) -> None:
    registry.lock("m", stage="prod", project=reg.path)
    before, old = reg.rev("refs/tags/m@v1.0.0"), reg.rev("m@v1.0.0^{commit}")
    reg.git("tag", "--force", "--annotate", "--message", "moved", "m@v1.0.0", "m@v1.1.0^{commit}")
    error = refused(lambda: registry.load("m", stage="prod", project=reg.path, locked=True))
    for each in (before, reg.rev("refs/tags/m@v1.0.0"), old, reg.rev("m@v1.1.0^{commit}")):
        assert each in error.what
    checked = registry_here(app, "lock", "--check")
    assert checked.code == 1
    assert f"moved: tag_id is {reg.rev('refs/tags/m@v1.0.0')}, locked is {before}" in checked.stdout
    reg.git("tag", "--delete", "m@v1.0.0")
    assert "is not registered" in refused(lambda: registry.load("m", stage="prod", project=reg.path, locked=True)).what
    assert "gone: " in registry_here(app, "lock", "--check").stdout


def test_a_deregistered_version_is_refused_and_the_same_one_registered_again_is_not(app: Path, reg: Repo) -> None:
    registry.lock("m", version="v1.0.0", project=reg.path)
    reg.tag("m@v1.0.0!", "m@v1.0.0^{commit}")
    assert (
        "was deregistered" in refused(lambda: registry.load("m", version="v1.0.0", project=reg.path, locked=True)).what
    )
    reg.tag("m@v1.0.0#2", "m@v1.0.0^{commit}")
    assert slope(registry.load("m", version="v1.0.0", project=reg.path, locked=True)) == 1.0
    assert registry_here(app, "lock", "--check").code == 0


@pytest.mark.parametrize("key", ["tag_id", "commit", "link_id", "sha256", "blob", "source", "url", "path", "rev"])
def test_an_edited_lock_is_refused_with_both_values(app: Path, reg: Repo, key: str) -> None:
    entry = registry.lock("m", stage="prod", project=reg.path).after
    assert entry is not None
    value = {
        "sha256": entry.artifacts["data"].sha256, "blob": entry.artifacts["data"].blob, "source": entry.source_commit,
    }.get(key) or getattr(entry, key)  # fmt: skip
    other = "0" * len(value)
    alter(app, f'"{value}"', f'"{other}"')
    error = refused(lambda: registry.load("m", stage="prod", project=reg.path, locked=True))
    assert other in error.what
    assert value in error.what
    assert "registry.lock" in error.where


def test_a_hostile_lock_is_one_error_with_its_line(app: Path, reg: Repo) -> None:
    registry.lock("m", stage="prod", project=reg.path)
    before = lock_lines(app)
    for old, new, line in (("format = 1", "format = 7", 2), ('name = "m"', "name = 1", 5), ("[[artifact]]", "[[x", 4)):
        (app / "registry.lock").write_text(before.replace(old, new))
        for words in (("lock",), ("lock", "--check"), ("lock", "--upgrade"), ("lock", "n", "-r", str(reg.path))):
            ran = registry_here(app, *words)
            assert (ran.code, ran.stdout) == (1, "")
            assert f"registry.lock, line {line}" in ran.stderr, ran.stderr
        assert lock_lines(app) == before.replace(old, new), "nothing was overwritten"


def test_locking_again_changes_nothing_until_it_is_upgraded(app: Path, reg: Repo) -> None:
    first = registry_here(app, "lock", "m", "--stage", "prod", "-r", str(reg.path))
    assert first.stdout.startswith("m in stage prod: locked v1.0.0 (m@v1.0.0, source v1 at ")
    registry_here(app, "lock", "m", "--version", ">=1.0,<2", "-r", "../reg")
    before = lock_lines(app)
    promote(reg)
    registry_here(app, "lock", "m", "--stage", "prod", "-r", str(reg.path))
    assert registry_here(app, "lock").stdout.splitlines()[0].startswith("m >=1.0,<2: v1.1.0, source v2 at ")
    assert lock_lines(app) == before
    told = registry_here(app, "lock", "--upgrade").stdout
    assert "m in stage prod: v1.0.0 -> v1.1.0" in told
    assert registry_here(app, "lock", "--upgrade", "m", "--json").json[0]["changed"] is False
    assert registry_here(app, "lock", "--remove", "m").stdout.splitlines()[1] == "m in stage prod: removed"
    assert registry_here(app, "lock", "--check").stderr.startswith("error: nothing is locked")


def test_an_upgrade_is_all_or_nothing(app: Path, reg: Repo) -> None:
    registry.lock("m", stage="prod", project=reg.path)
    registry.lock("m", stage="staging", project=reg.path)
    before = lock_lines(app)
    promote(reg)
    reg.tag("m#staging!#10", "m@v1.1.0^{commit}")
    with pytest.raises(NotFound, match="staging"):
        registry.upgrade_lock()
    assert lock_lines(app) == before


def test_check_tells_what_a_stage_holds_now_and_who_put_it_there(app: Path, reg: Repo) -> None:
    registry.lock("m", stage="prod", project=reg.path)
    assert registry_here(app, "lock", "--check").stdout == "m in stage prod: v1.0.0, as locked\n"
    promote(reg)
    ran = registry_here(app, "lock", "--check")
    assert ran.code == 1
    assert (
        "outdated: stage 'prod' holds v1.1.0, locked is v1.0.0: Dana <dana@example.org> assigned it on 2025-"
        in ran.stdout
    )
    assert "m#prod#9" in ran.stdout
    told = registry_here(app, "lock", "--check", "--json")
    assert told.code == 1
    assert [(each["ok"], each["problems"][0]["kind"]) for each in told.json] == [(False, "outdated")]
    assert registry_here(app, "lock", "--check", "n").code == 1


def test_the_gate_of_a_deployment_asks_the_stage_whatever_was_locked(app: Path, reg: Repo) -> None:
    registry.lock("m", version="^1", project=reg.path)
    assert registry_here(app, "lock", "--check").code == 0
    assert registry_here(app, "lock", "--check", "--stage", "staging").code == 0
    gate = registry_here(app, "lock", "--check", "--stage", "prod")
    assert gate.code == 1
    assert "stage 'prod' holds v1.0.0, locked is v1.1.0" in gate.stdout
    registry.lock("m", stage="prod", project=reg.path)
    assert registry_here(app, "lock", "--check", "--stage", "prod").code == 0, (
        "the entry for prod is the one that is meant"
    )
    assert "nothing of 'm' is in stage 'canary'" in registry_here(app, "lock", "--check", "--stage", "canary").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--check", "--upgrade"), ("--stage", "prod"), ("--remove",), ("--check", "-r", "."), ("--upgrade", "--stage", "prod"),
        ("--check", "--version", "v1.0.0"),
    ],
)  # fmt: skip
def test_options_that_contradict_each_other_are_wrong_usage(app: Path, words: tuple[str, ...]) -> None:
    ran = registry_here(app, "lock", *words)
    assert (ran.code, ran.stdout) == (2, "")


def test_bad_questions_are_one_error_and_write_nothing(app: Path, reg: Repo) -> None:
    for words in (
        ("m", "--version", "^2"), ("m", "--version", "^x"), ("m", "--version", "1.0.0"), ("m", "--stage", "canary"),
        ("m", "--stage", "a#b"), ("../m",), ("n",), ("m", "--stage", "prod", "--version", "v1.0.0"), ("m", "-f", "/dev/null/x"),
    ):  # fmt: skip
        ran = registry_here(app, "lock", *words, "-r", str(reg.path))
        assert (ran.code, ran.stdout) == (1, ""), words
        assert "Traceback" not in ran.stderr
    assert [path.name for path in app.iterdir()] == ["src"]


@pytest.mark.parametrize("name", ["a\tb", "a\nb", "a\udcffb"])
def test_a_folder_that_no_lock_can_name_is_one_error(app: Path, reg: Repo, lab: Lab, name: str) -> None:
    moved = lab.root / name
    reg.path.rename(moved)
    with pytest.raises(RegistryError):
        registry.lock("m", stage="prod", project=moved)
    assert not (app / "registry.lock").exists()


def test_a_range_is_loaded_and_locked_alike(app: Path, reg: Repo) -> None:
    assert slope(registry.load("m", version=">=1.0,<1.1", project=reg.path)) == 1.0
    registry.lock("m", version="~1.0", project=reg.path)
    registry.lock("m", version="^1", project=reg.path)
    assert slope(registry.load("m", version="~1.0", project=reg.path, locked=True)) == 1.0
    assert slope(registry.load("m", version="^1", project=reg.path, locked=True)) == 2.0


def test_entries_of_others_are_never_lost(app: Path, reg: Repo) -> None:
    wanted = [{"stage": "prod"}, {"stage": "staging"}, {"version": "^1"}, {"version": "v1.0.0"}, {}]
    jobs = [
        threading.Thread(target=registry.lock, args=("m",), kwargs={**each, "project": reg.path}) for each in wanted
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert "m (latest): v1.1.0" in registry_here(app, "lock").stdout
    assert len(registry_here(app, "lock").stdout.splitlines()) == len(wanted)
    assert sorted(path.name for path in app.iterdir()) == ["registry.lock", "src"], "no litter beside the code"


@pytest.fixture
def web(lab: Lab, http: Http, app: Path) -> tuple[Any, str]:
    """The same registry on a server, v1.0.0 only, in prod."""
    source = make_source(lab)
    server = http(served(lab, source))
    made = make_registry(lab, "web")
    add(made, f"{server.url}/source.git", stage="prod")
    served(lab, made)
    return server, f"{server.url}/web.git"


def test_over_http_a_locked_load_is_one_question_a_process_and_offline_none(
    web: tuple[Any, str], app: Path, lab: Lab
) -> None:
    server, url = web
    registry.lock("m", stage="prod", project=url)
    assert slope(registry.load("m", stage="prod", project=url, locked=True)) == 1.0
    server.requests.clear()
    registry.load("m", stage="prod", project=url)
    plain = len(server.requests)
    server.requests.clear()
    registry.load("m", stage="prod", project=url, locked=True, require="prod")
    assert len(server.requests) == plain <= 2
    server.requests.clear()
    registry.load("m", stage="prod", project=url, locked=True)
    assert slope(registry.load("m", stage="prod", project=url, locked=True, offline=True)) == 1.0
    assert server.requests == []


def test_a_lock_made_elsewhere_loads_on_an_empty_machine_and_holds_no_credentials(
    web: tuple[Any, str], app: Path, lab: Lab
) -> None:
    _, url = web
    registry.lock("m", stage="prod", project=url.replace("://", "://dana:secret@"))
    assert "secret" not in lock_lines(app)
    assert f'project = "{url}"' in lock_lines(app)
    shutil.rmtree(lab.cache)
    shutil.rmtree(lab.home / ".local")
    assert slope(registry.load("m", stage="prod", project=url, locked=True)) == 1.0
    assert registry_here(app, "lock", "--check", "--stage", "prod").code == 0


def test_a_registry_that_cannot_be_asked_is_an_error_not_a_pass(web: tuple[Any, str], app: Path, lab: Lab) -> None:
    _, url = web
    registry.lock("m", stage="prod", project=url)
    shutil.rmtree(lab.root / "served" / "web.git")
    ran = registry_here(app, "lock", "--check")
    assert (ran.code, ran.stdout) == (1, "")
    with pytest.raises(RegistryError):
        registry.load("m", stage="prod", project=url, locked=True)


def test_a_lock_that_cannot_be_written_is_one_error(app: Path, reg: Repo) -> None:
    if os.geteuid() == 0:
        (app / "registry.lock").mkdir()
    else:
        app.chmod(0o555)
    try:
        with pytest.raises(RegistryError):
            registry.lock("m", stage="prod", project=reg.path)
    finally:
        app.chmod(0o755)
