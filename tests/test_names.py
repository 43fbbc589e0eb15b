from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import names
from registry.errors import RegistryError

GTO = re.compile(r"(?:[a-zA-Z0-9-_./]+:)?[a-zA-Z0-9](?:[a-zA-Z0-9-/_]*[a-zA-Z0-9])?", re.ASCII)
"""gto's own pattern (`constants.py`), here without its acceptance of a trailing newline."""

artifacts = st.from_regex(GTO, fullmatch=True).filter(names.is_artifact)

HOSTILE = (
    "", " ", "m ", "m\n", "\nm", "-m", "--upload-pack=x", "m-", "_m", "m_", "/m", "m/", "a//b", "../m", "a/../b", "..", ".", "m.",
    ".git:m", "a/.git:m", "dir:", ":m", "a:b:c", "dir:/m", "dir/:m", "/etc:m", "a..b:m", "x.lock:m", "a.lock/b:m", "m@v1.0.0",
    "m#prod", "m!", "m=x", "m\\x", "m*", "m?", "m[a]", "m~1", "m^", "m\0", "m\x7f", "mä", "м", "m\u202e", "m" * 201, "é:m", "٣",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hostile_text_is_an_artifact(text: str) -> None:
    assert not names.is_artifact(text)
    with pytest.raises(RegistryError) as error:
        names.require_artifact(text)
    assert error.value.fix


@pytest.mark.parametrize("text", [*HOSTILE, "a:b"])
def test_no_hostile_text_is_a_stage(text: str) -> None:
    with pytest.raises(RegistryError):
        names.require_stage(text)


@pytest.mark.parametrize(
    "text", ["m", "M", "1", "a/b", "a_b-c/d", "models:m", "a.b/c-d:x/y", "deprecated", "v1", "x" * 200]
)
def test_names_that_gto_uses_are_artifacts(text: str) -> None:
    assert names.require_artifact(text) == text


@given(st.text(max_size=12) | st.text(alphabet="aA0-_./:=@#! \n", max_size=12))
def test_no_artifact_is_outside_of_gto_s_grammar(text: str) -> None:
    if names.is_artifact(text):
        assert GTO.fullmatch(text)


@given(artifacts)
def test_an_artifact_comes_back_from_its_form_in_tags(name: str) -> None:
    assert names.from_tag(names.in_tag(name)) == name
    assert ":" not in names.in_tag(name)


@given(artifacts)
def test_link_paths_stay_in_the_repository(name: str) -> None:
    for path in names.link_paths(name):
        parts = path.split("/")
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(parts)
        assert not path.startswith(".git/")


@given(st.lists(artifacts, min_size=20, max_size=20, unique=True))
def test_git_accepts_the_refs_of_every_artifact(found: list[str]) -> None:
    for name in found[:2]:
        ref = f"refs/tags/{names.in_tag(name)}@v1.0.0"
        assert subprocess.run(["git", "check-ref-format", ref], check=False).returncode == 0, ref
