"""Sixteen clones at once, as processes of their own, against one server over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from git_http import GitServer
from lab import Lab, Ran, Repo

WRITERS = 16
Http = Callable[..., GitServer]


@pytest.fixture
def origin(lab: Lab, http: Http) -> tuple[Repo, str]:
    """A served repository with as many commits as writers, and its URL."""
    seed = lab.repo("seed")
    for n in range(WRITERS):
        seed.commit({"train.py": f"seed = {n}\n"})
    (lab.root / "served").mkdir()
    bare = seed.bare_clone("served/models.git")
    return bare, f"{http(bare.path.parent).url}/models.git"


def clones(lab: Lab, bare: Repo, url: str) -> list[Repo]:
    """One clone for each writer, without the cost of sixteen transfers."""
    made = [lab.clone(bare, f"clone-{n}", "--no-checkout") for n in range(WRITERS)]
    for clone in made:
        clone.git("remote", "set-url", "origin", url)
    return made


def at_once(lab: Lab, commands: list[tuple[Path, list[str]]]) -> list[Ran]:
    """Run our command line in each folder, all at the same time; real clocks."""
    real = dict.fromkeys(("GIT_COMMITTER_DATE", "GIT_AUTHOR_DATE", "LAB_CLOCK"))
    ready = threading.Barrier(len(commands))

    def run(cwd: Path, args: list[str]) -> Ran:
        ready.wait()
        return replace(lab.registry(*args, cwd=cwd, env=real, check=False), argv=tuple(args))

    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(run, *zip(*commands, strict=True)))


def test_sixteen_clones_assign_sixteen_stages_and_all_succeed(lab: Lab, origin: tuple[Repo, str]) -> None:
    bare, url = origin
    made = clones(lab, bare, url)
    made[0].registry("register", "m", "--push")
    commands = [
        (clone.path, ["assign", "m", "--version", "v0.0.1", "--stage", f"stage{n}", "--push"])
        for n, clone in enumerate(made)
    ]
    for ran in at_once(lab, commands):
        assert (ran.code, ran.stderr) == (0, ""), ran
    truth = bare.tags()
    assert len(truth) == WRITERS + 1
    for clone in made:
        assert clone.tags().items() <= truth.items()
    (asked,) = at_once(lab, [(lab.root, ["show", "--json", "-r", url])])
    shown = asked.json["m"]["stage"]
    assert shown == {f"stage{n}": "v0.0.1" for n in range(WRITERS)}


def test_sixteen_clones_assign_one_stage_and_every_loser_knows_who_was_first(
    lab: Lab, origin: tuple[Repo, str]
) -> None:
    bare, url = origin
    made = clones(lab, bare, url)
    for n in range(WRITERS):
        bare.tag(f"m@v0.0.{n + 1}", f"main~{n}")
    commands = [
        (
            clone.path,
            ["assign", "m", "--version", f"v0.0.{n + 1}", "--stage", "prod", "--push", "--author", f"Writer {n}"],
        )
        for n, clone in enumerate(made)
    ]
    ended = at_once(lab, commands)
    truth = bare.tags()
    winners = [ran for ran in ended if ran.code == 0]
    numbers = [ran.stdout.split("'")[1] for ran in winners]
    assert winners
    assert sorted(numbers) == sorted(ref for ref in truth if ref.startswith("m#")) == sorted(set(numbers))
    for ran in ended:
        if ran.code:
            assert (ran.code, ran.stdout) == (1, ""), ran
            assert "<dana@example.org> was first: assignment of version v0.0." in ran.stderr, ran
    for clone in made:
        assert clone.tags().items() <= truth.items()
    last = winners[max(range(len(numbers)), key=lambda at: int(numbers[at].rpartition("#")[2]))]
    (asked,) = at_once(lab, [(lab.root, ["which", "m", "prod", "-r", url])])
    assert asked.stdout.strip() == last.argv[3]


@pytest.mark.thorough
def test_sixteen_clones_register_different_commits_and_all_get_a_number_of_their_own(
    lab: Lab, origin: tuple[Repo, str]
) -> None:
    bare, url = origin
    made = clones(lab, bare, url)
    commands = [(clone.path, ["register", "m", f"HEAD~{n}", "--push"]) for n, clone in enumerate(made)]
    for ran in at_once(lab, commands):
        assert (ran.code, ran.stderr) == (0, ""), ran
    truth = bare.tags()
    assert sorted(truth) == sorted(f"m@v0.0.{n + 1}" for n in range(WRITERS))
    assert len({bare.rev(f"{tag}^{{commit}}") for tag in truth}) == WRITERS
    for clone in made:
        assert clone.tags().items() <= truth.items()


def test_six_processes_register_on_one_url_through_one_cache(lab: Lab, origin: tuple[Repo, str]) -> None:
    bare, url = origin
    for n in range(6):
        bare.git("branch", f"run{n}", f"main~{n}")
    for ran in at_once(lab, [(lab.root, ["register", "m", f"run{n}", "-r", url]) for n in range(6)]):
        assert (ran.code, ran.stderr) == (0, ""), ran
    truth = bare.tags()
    assert sorted(truth) == [f"m@v0.0.{n + 1}" for n in range(6)]
    assert len({bare.rev(f"{tag}^{{commit}}") for tag in truth}) == 6


@pytest.mark.thorough
def test_sixteen_processes_in_one_clone_register_and_all_get_a_number_of_their_own(
    lab: Lab, origin: tuple[Repo, str]
) -> None:
    clone = clones(lab, *origin)[0]
    for ran in at_once(lab, [(clone.path, ["register", "m", f"HEAD~{n}"]) for n in range(WRITERS)]):
        assert (ran.code, ran.stderr) == (0, ""), ran
    assert sorted(clone.tags()) == sorted(f"m@v0.0.{n + 1}" for n in range(WRITERS))
