"""What is imported when: a serving process and a shell prompt pay for nothing they did not ask for."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import pytest
from lab import Lab, Repo

import registry

HEAVY = {
    "click",
    "cryptography",
    "dulwich",
    "fsspec",
    "git",
    "gto",
    "joblib",
    "numpy",
    "pandas",
    "pydantic",
    "requests",
    "ruamel",
    "scmrepo",
    "skops",
    "sklearn",
    "sshsig",
    "urllib3",
    "yaml",
}
LOOK = "import sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), file=sys.stderr)"


def loaded(lab: Lab, program: str) -> set[str]:
    """The first parts of the names of all modules that a program has loaded at its end."""
    ran = lab.run(sys.executable, "-c", f"{program}\n{LOOK}")
    return set(json.loads(ran.stderr.splitlines()[-1]))


def command(*words: str) -> str:
    return f"from registry.cli import main; assert main({list(words)!r}) == 0"


@pytest.fixture
def recorded(lab: Lab) -> Repo:
    """A registry with one version in one stage."""
    repo = lab.repo("reg")
    repo.commit()
    repo.tag("m@v1.0.0")
    repo.tag("m#prod#1")
    return repo


def test_looking_sees_what_a_program_imports(lab: Lab) -> None:
    assert {"pydantic", "click"} <= loaded(lab, "import pydantic, click")


def test_importing_the_package_imports_no_dependency_at_all(lab: Lab) -> None:
    assert not loaded(lab, "import registry; dir(registry)") & (HEAVY | {"asyncio", "subprocess", "http", "email"})


def test_using_the_loader_imports_no_framework_no_gto_and_no_command_line(lab: Lab) -> None:
    needed = {"yaml", "ruamel"}  # strict files; the state's annotations
    assert not loaded(lab, "import registry; registry.load; registry.resolve; registry.fetch") & (HEAVY - needed)


@pytest.mark.parametrize("words", [("which", "m", "prod"), ("latest", "m"), ("which", "m", "prod", "--json")])
def test_which_and_latest_import_click_and_nothing_else_that_costs(
    lab: Lab, recorded: Repo, words: Sequence[str]
) -> None:
    assert loaded(lab, command(*words, "-r", str(recorded.path))) & HEAVY == {"click"}


def test_show_imports_no_framework_and_no_gto(lab: Lab, recorded: Repo) -> None:
    program = command("show", "-r", str(recorded.path))
    assert not loaded(lab, program) & {"git", "gto", "numpy", "pandas", "sklearn", "skops", "dulwich"}


def test_every_public_name_can_be_had_and_no_other(lab: Lab) -> None:
    for name in registry.__all__:
        assert getattr(registry, name) is not None
    assert set(registry.__all__) <= set(dir(registry))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        registry.nothing  # noqa: B018 - to ask is what raises
