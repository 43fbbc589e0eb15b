"""Findings as annotations, Markdown and SARIF: nothing that a repository says becomes a command or markup."""

from __future__ import annotations

import html
import json
import os
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import ROOT, Lab
from linked import make_registry
from pydantic import BaseModel, ValidationError
from sarif_pydantic import Sarif

from registry.findings import ERROR, SKIP, WARNING, Finding
from registry.render.findings import as_text
from registry.render.github import as_github
from registry.render.markdown import LONGEST, as_markdown
from registry.render.sarif import as_sarif

HOSTILE = "a%0A::error::b\r\n::set-env name=x::y,z:|<img src=x>`@team #1 [x](https://evil.example)\u2028##[warning]"
FOUND = [
    Finding("size-limit", WARNING, "large", "shrink", "m", ".mlem/links/m.mlem", 3),
    Finding("secrets", ERROR, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1),
    Finding("tag-moved", SKIP, "not judged: no source"),
]
texts = st.text(max_size=30) | st.sampled_from([HOSTILE, "\udcff", ""])
findings = st.lists(
    st.builds(
        Finding,
        st.sampled_from(["link-valid", "secrets"]),
        st.sampled_from([ERROR, WARNING, SKIP]),
        texts,
        texts,
        st.none() | texts,
        st.none() | texts,
        st.none() | st.integers(1, 9),
    ),
    max_size=4,
)


def test_annotations_have_file_line_title_and_remedy() -> None:
    lines = as_github(FOUND, "nothing").split("\n")
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::warning", "::notice"]
    assert lines[1] == "::warning file=.mlem/links/m.mlem,line=3,title=size-limit%3A m::large%0Afix: shrink"
    assert as_github([], "1 link checked") == "1 link checked"


def unescaped(text: str) -> str:
    return re.sub("%(25|0D|0A|3A|2C)", lambda found: chr(int(found[1], 16)), text)


@given(findings)
def test_an_annotation_is_one_command_that_reads_back(found: list[Finding]) -> None:
    lines = as_github(found, "").split("\n") if found else []
    assert len(lines) == len(found)
    for line in lines:
        assert "\r" not in line
        match = re.fullmatch(r"(?s)::(error|warning|notice) ([^:]*)::(.*)", line)
        assert match is not None
        properties = dict(each.partition("=")[::2] for each in match[2].split(","))
        assert set(properties) <= {"file", "line", "title"}
    told = sorted(unescaped(line.split("::", 2)[2]) for line in lines)
    said = (f"{f.message}\nfix: {f.fix}" if f.fix else f.message for f in found)
    assert told == sorted(each.encode("utf-8", "replace").decode() for each in said)


def test_markdown_shows_hostile_text_as_text() -> None:
    text = as_markdown(FOUND, "nothing")
    assert text.startswith("### ❌ 1 error, 1 warning, 1 skip\n")
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 3
    assert all(row.count("|") == 6 for row in rows)
    assert not re.search(r"<|`|\]\(|@team|(?<!&)#1|https://", "\n".join(rows))
    shown = html.unescape(rows[0]).replace("\u200b", "")
    assert "<img src=x>`@team #1 [x](https://evil.example)" in shown
    assert as_markdown([], "1 link checked") == "### ✅ 1 link checked\n"


@given(findings)
def test_markdown_is_one_row_a_finding_and_can_be_written(found: list[Finding]) -> None:
    text = as_markdown(found, "nothing")
    text.encode()
    assert len([line for line in text.split("\n") if line.startswith("| ")]) == (len(found) + 2 if found else 0)
    assert all(line.count("|") == 6 for line in text.split("\n") if line.startswith("| ")) or not found


def test_a_long_list_is_cut_to_what_a_comment_may_hold() -> None:
    text = as_markdown([FOUND[1]] * 1000, "nothing")
    assert len(text) < LONGEST + 1000
    assert "more: `registry check`" in text


@given(findings)
def test_text_has_no_line_that_a_repository_began(found: list[Finding]) -> None:
    text = as_text(found, "nothing")
    assert all(re.match(r"(error|warning|skip)\[|  \S?|\d+ |nothing$", line) for line in text.split("\n"))


def sarif(found: list[Finding], docs: str = "") -> Any:
    return json.loads(as_sarif(found, {"secrets": ("No secrets.", "remove them")}, "1.0", docs))


def alien(model: Any) -> list[str]:
    """Keys of a SARIF log that the format does not have, wherever they stand."""
    if isinstance(model, list):
        return [key for each in model for key in alien(each)]
    if not isinstance(model, BaseModel):
        return []
    found = list(model.model_extra or {})
    return found + [key for name in type(model).model_fields for key in alien(getattr(model, name))]


def invalid(log: dict[str, Any]) -> list[str]:
    """What is wrong with a SARIF log by the models of sarif-pydantic, which let unknown keys pass: those are added."""
    try:
        return alien(Sarif.model_validate(log))
    except ValidationError as error:
        return [".".join(map(str, each["loc"])) for each in error.errors()]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("version",), 2.1),
        (("runs",), {}),
        (("runs", 0, "rules"), []),
        (("runs", 0, "tool", "driver", "name"), None),
        (("runs", 0, "tool", "driver", "rules", 0, "helpURI"), "https://example.org"),
        (("runs", 0, "results", 0, "level"), "fatal"),
        (("runs", 0, "results", 0, "message"), "large"),
        (("runs", 0, "results", 0, "rule_id_"), "size-limit"),
        (("runs", 0, "results", 0, "locations", 0, "path"), "a"),
        (("runs", 0, "results", 0, "locations", 0, "physicalLocation", "region", "startLine"), "three"),
        (("runs", 0, "results", 0, "partialFingerprints", "registry/v1"), {}),
    ],
)
def test_the_judge_of_sarif_sees_what_is_wrong(path: tuple[str | int, ...], value: object) -> None:
    log = sarif(FOUND)
    assert invalid(log) == []
    place = log
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert invalid(log)


def test_sarif_has_rules_levels_places_and_fingerprints() -> None:
    log = sarif(FOUND, "https://docs.example.org/checks.md")
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    rules = run["tool"]["driver"]["rules"]
    assert rules[0] == {
        "id": "secrets",
        "shortDescription": {"text": "No secrets."},
        "help": {"text": "remove them"},
        "helpUri": "https://docs.example.org/checks.md#secrets",
    }
    assert [each["level"] for each in run["results"]] == ["warning", "error", "note"]
    for each in run["results"]:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == ".mlem/links/m.mlem"
    assert place["region"] == {"startLine": 3}
    assert "helpUri" not in sarif(FOUND)["runs"][0]["tool"]["driver"]["rules"][0]


@given(findings)
def test_sarif_is_always_well_formed(found: list[Finding]) -> None:
    log = sarif(found)
    json.dumps(log, ensure_ascii=False).encode()
    assert invalid(log) == []
    for each in log["runs"][0]["results"]:
        (place,) = each["locations"]
        uri = place["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+", uri)
        assert each["level"] in {"error", "warning", "note"}
        assert set(each) == {"ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"}


@pytest.mark.parametrize("form", ["text", "json", "github", "markdown", "sarif"])
def test_every_format_is_printed_by_the_command(lab: Lab, form: str) -> None:
    reg = make_registry(lab)
    assert reg.registry("check", "--format", form).code == 0
    reg.write({".mlem/links/m.mlem": "broken"})
    done = reg.registry("check", "--format", form, check=False)
    assert (done.code, done.stderr) == (1, "")
    assert "link-valid" in done.stdout
    if form == "json":
        assert done.json == reg.registry("check", "--json", check=False).json
    if form == "sarif":
        assert {each["ruleId"] for each in done.json["runs"][0]["results"]} >= {"link-valid"}
        assert invalid(done.json) == []


@pytest.mark.parametrize(
    ("urls", "page"),
    [
        (["Documentation, https://git.example.org/x/docs/"], "https://git.example.org/x/docs/checks.md"),
        (["Homepage, https://git.example.org/x"], None),
        ([], None),
    ],
)
def test_a_rule_points_at_its_heading_where_the_package_says_where_its_documents_are(
    lab: Lab, urls: list[str], page: str | None
) -> None:
    reg = make_registry(lab)
    reg.write({".mlem/links/m.mlem": "broken"})
    info = lab.root / "installed" / "git_model_registry-0.1.0.dist-info"
    info.mkdir(parents=True)
    lines = [
        "Metadata-Version: 2.1",
        "Name: git-model-registry",
        "Version: 9.8.7",
        *(f"Project-URL: {x}" for x in urls),
    ]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    path = os.pathsep.join([str(info.parent), lab.env["PYTHONPATH"]])
    log = reg.registry("check", "--format", "sarif", check=False, env={"PYTHONPATH": path}).json
    driver = log["runs"][0]["tool"]["driver"]
    assert driver["version"] == "9.8.7"
    headings = set(re.findall("^### (.+)$", (ROOT / "docs" / "checks.md").read_text(), re.MULTILINE))
    for rule in driver["rules"]:
        assert rule.get("helpUri") == (f"{page}#{rule['id']}" if page else None)
        assert rule["id"] in headings
    assert invalid(log) == []
