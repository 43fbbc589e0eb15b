"""Findings as workflow commands and Markdown: nothing a finding quotes is read as a command or as markup."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from registry.findings import Finding
from registry.render.github import as_github, fenced

words = st.text(alphabet=st.one_of(st.sampled_from("\r\n%:,~`"), st.characters()), max_size=20)
findings = st.builds(
    Finding,
    id=st.just("revision-pinned"),
    severity=st.sampled_from(["error", "warning", "skip"]),
    message=words,
    fix=words,
    artifact=st.none() | words,
    path=st.none() | words,
    line=st.none() | st.integers(1, 99),
    ref=st.none() | words,
)


def unescaped(text: str) -> str:
    """As GitHub's runner reads it."""
    for code, each in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, each)
    return text


@given(findings)
def test_a_finding_is_one_command_that_is_read_back_as_it_was(finding: Finding) -> None:
    text = as_github([finding], "")
    assert not re.search(r"[\r\n]", text)
    level, _, rest = text.removeprefix("::").partition(" ")
    properties, _, data = rest.partition("::")
    assert level == {"error": "error", "warning": "warning", "skip": "notice"}[finding.severity]
    given = dict(each.split("=", 1) for each in properties.split(","))
    assert unescaped(given.get("file", "")) == (finding.path or "")
    assert unescaped(data).removesuffix(f"\nfix: {finding.fix}").endswith(finding.message)


@given(words)
def test_no_text_ends_its_fence(text: str) -> None:
    lines = fenced("Title", text).split("\n")
    fence = lines[-2]
    assert lines[2] == f"{fence}text"
    assert not any(line.strip().startswith(fence) for line in lines[3:-2])
