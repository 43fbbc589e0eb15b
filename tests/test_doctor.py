from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import ROOT, Lab
from tagsmith import START, History, event, oid
from test_state import histories

from registry import tagrules as rules
from registry.api.doctor import doctor
from registry.errors import RegistryError
from registry.findings import ERROR, WARNING, Finding
from registry.state import fold_artifact
from registry.tagrules import (
    LOOSE,
    RULES,
    TAG_RULES,
    artifact_findings,
    loose_findings,
    name_findings,
    quoted,
    shown,
    tag_findings,
)
from registry.tags import BadTag, Event

DOCS = (ROOT / "docs" / "tags.md").read_text()


def test_each_rule_has_one_heading_in_the_documentation_and_each_heading_a_rule() -> None:
    assert re.findall(r"^### (.*)$", DOCS, re.MULTILINE) == list(RULES)
    assert len(set(RULES)) == len(RULES)


def test_each_rule_that_reading_names_is_known() -> None:
    sources = "".join((ROOT / "registry" / path).read_text() for path in ("tags.py", "git/tagscan.py"))
    assert set(re.findall(r'"(tag-[a-z]+)"', sources)) == set(TAG_RULES)
    found = (ROOT / "registry/tagrules.py").read_text() + (ROOT / "registry/api/doctor.py").read_text()
    assert set(re.findall(r'"((?:tag|version|assignment|name|many|gto)-[a-z-]+)",', found)) >= set(RULES) - set(
        TAG_RULES
    )


@pytest.mark.parametrize("rule", TAG_RULES)
def test_a_skipped_tag_is_named_with_its_reason_and_remedy(rule: str) -> None:
    (finding,) = tag_findings([BadTag("m#prod#3", "m", rule, "expected and actual")])
    assert (finding.id, finding.artifact, finding.ref) == (rule, "m", "m#prod#3")
    assert finding.severity in {ERROR, WARNING}
    assert finding.message == "tag 'm#prod#3' is skipped: expected and actual"
    assert "`git tag -d -- 'm#prod#3'`" in finding.fix
    assert "`git push origin --delete 'm#prod#3'`" in finding.fix


def test_what_hides_an_event_is_an_error_and_what_gto_skips_too_is_a_warning() -> None:
    warnings = {rule for rule in TAG_RULES if tag_findings([BadTag("m#x", None, rule, "")])[0].severity == WARNING}
    assert warnings == {"tag-grammar", "tag-created", "tag-lightweight"}


names_of_refs = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters=" ~^:?*[\\"),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25)
@given(st.lists(names_of_refs, min_size=8, max_size=8))
def test_a_shell_reads_a_quoted_name_as_the_name(names: list[str]) -> None:
    line = "printf '%s\\n' " + " ".join(quoted(name) for name in names)
    assert (
        subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout.decode().split("\n")[:-1] == names
    )


def test_a_name_that_is_not_utf8_is_quoted_byte_by_byte() -> None:
    assert (
        subprocess.run(["bash", "-c", f"printf %s {quoted(chr(92) + 'xff#a')}"], capture_output=True, check=True).stdout
        == b"\xff#a"
    )


@given(st.text(min_size=1, max_size=12), st.sampled_from(sorted(TAG_RULES)))
def test_a_message_holds_nothing_that_drives_a_terminal(ref: str, rule: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in ref):
        return
    (finding,) = tag_findings([BadTag(ref, None, rule, "reason")])
    assert finding.message.isascii()
    assert finding.message.isprintable()
    assert all(c.isprintable() for c in shown(ref))


def of(*events: Event) -> list[Finding]:
    return artifact_findings(fold_artifact(events[0].artifact, list(events)))


def ids(*events: Event) -> list[tuple[str, str | None]]:
    return [(finding.id, finding.ref) for finding in of(*events)]


V1 = event("m@v1.0.0", "c1", START)
V2 = event("m@v2.0.0", "c2", START + 1)


def test_an_honest_history_has_no_findings() -> None:
    assert (
        ids(
            V1,
            V2,
            event("m#prod#1", "c1", START + 2),
            event("m#prod!#2", "c1", START + 3),
            event("m@v1.0.0!", "c1", START + 4),
        )
        == []
    )


def test_tag_order_names_both_tags_and_their_relation() -> None:
    (finding,) = of(V1, V2, event("m#prod#1", "c1", START + 9), event("m#prod#2", "c2", START + 5))
    assert (finding.id, finding.severity, finding.artifact) == ("tag-order", WARNING, "m")
    assert "'m#prod#2' is dated before 'm#prod#1'" in finding.message
    assert "registry history m" in finding.fix


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (event("m#prod#1", "c1", START + 9), event("m#prod#2", "c2", START + 9)),
        (event("m#prod", "c1", START + 9), event("m#prod#2", "c2", START + 9)),
        (event("m#prod", "c1", START + 9), event("m#prod!", "c1", START + 9)),
        (event("m@v3.0.0", "c1", START + 9), event("m@v3.0.0!", "c1", START + 9)),
        (event("m@v3.0.0", "c3", START + 9), event("m@deprecated", "c1", START + 9)),
    ],
)
def test_tag_order_names_two_events_of_one_second_about_the_same_thing(one: Event, other: Event) -> None:
    found = [
        finding
        for finding in of(V1._replace(ref="m@v0.1.0", version="v0.1.0", commit=oid("c9")), one, other)
        if finding.id == "tag-order"
    ]
    assert len(found) == 1
    assert "in the same second as" in found[0].message
    assert {one.ref, other.ref} == set(re.findall(r"'([^']*)'", found[0].message))


def test_events_of_one_second_about_different_things_are_fine() -> None:
    assert (
        ids(V1, event("m#prod#1", "c1", START), event("m#staging#2", "c1", START), event("m@v2.0.0", "c2", START)) == []
    )


def test_tag_duplicate_number_is_by_stage() -> None:
    assert ids(V1, event("m#prod#1", "c1", START + 2), event("m#staging#1", "c1", START + 3)) == []
    assert ids(V1, event("m#prod#1", "c1", START + 2), event("m#prod!#1", "c1", START + 3)) == [
        ("tag-duplicate-number", "m#prod!#1")
    ]


def test_version_moved_tells_where_the_version_stands() -> None:
    (finding,) = of(V1, event("m@v1.0.0#1", "c2", START + 1))
    assert (finding.id, finding.severity, finding.ref) == ("version-moved", ERROR, "m@v1.0.0#1")
    assert oid("c1") in finding.message
    assert oid("c2") in finding.message


def test_version_moved_tells_how_to_bring_a_deleted_tag_back() -> None:
    (finding,) = of(event("d:m#prod#1".replace(":", "="), "c1", START, "m\n\nVersion: v1.0.0\n"))
    assert finding.id == "version-moved"
    assert "is not registered" in finding.message
    assert "git fetch origin +refs/tags/d=m@v1.0.0:refs/tags/d=m@v1.0.0" in finding.fix


def test_an_assignment_of_a_commit_without_a_version_is_a_warning_while_it_stands() -> None:
    (finding,) = of(V1, event("m#prod#1", "c2", START + 1))
    assert (finding.id, finding.severity, finding.ref) == ("assignment-unregistered", WARNING, "m#prod#1")
    assert ids(V1, event("m#prod#1", "c2", START + 1), event("m#prod!#2", "c2", START + 2)) == []


def test_version_shared_lists_the_versions_of_a_commit() -> None:
    (finding,) = of(event("m@v1.10.0", "c1", START), event("m@v1.9.0", "c1", START + 1))
    assert (finding.id, finding.severity) == ("version-shared", WARNING)
    assert "v1.9.0, v1.10.0" in finding.message


def test_name_case_groups_all_that_are_alike() -> None:
    assert name_findings(["m", "n", "a/b"]) == []
    (finding,) = name_findings(["model", "MODEL", "Model", "other"])
    assert all(name in finding.message for name in ("'model'", "'MODEL'", "'Model'"))


def test_loose_refs_are_many_from_a_limit_on() -> None:
    assert loose_findings(LOOSE - 1) == []
    assert [(f.id, f.fix) for f in loose_findings(LOOSE)] == [("many-loose-refs", "git pack-refs --all")]


@given(histories)
def test_any_history_is_looked_over_without_a_crash(events: list[Event]) -> None:
    for finding in artifact_findings(fold_artifact("m", events)):
        assert finding.id in rules.RULES
        assert finding.fix
        assert finding.ref in {e.ref for e in events}


@pytest.fixture
def path(lab: Lab) -> Path:
    history = History()
    history.commit({"artifacts.yaml": "listed: {}\n"})
    history.register("m", "v1.0.0", 1)
    history.write(lab.root / "r")
    return lab.root / "r"


def test_loose_refs_are_counted_and_packing_them_is_the_remedy(path: Path, lab: Lab) -> None:
    refs = path / ".git" / "refs" / "tags" / "many"
    refs.mkdir(parents=True)
    head = lab.run("git", "rev-parse", "HEAD", cwd=path).stdout
    for n in range(LOOSE):
        (refs / f"t{n}").write_text(head)
    (finding,) = doctor(path)
    assert finding.id == "many-loose-refs"
    lab.run(*finding.fix.split(), cwd=path)
    assert doctor(path) == []


@pytest.mark.parametrize("text", ["stages: [", "stages: prod", "[x]", "stages: ['a b']", "INDEX: ../x"])
def test_a_broken_configuration_is_a_finding(path: Path, text: str) -> None:
    (path / ".gto").write_text(text)
    (finding,) = doctor(path)
    assert (finding.id, finding.severity, finding.path) == ("gto-config", ERROR, ".gto")
    assert finding.fix


def test_a_broken_index_is_a_finding_that_does_not_hide_others(lab: Lab) -> None:
    history = History()
    history.commit({"artifacts.yaml": "listed: [\n"})
    history.register("m", "v1.0.0", 1)
    history.register("M", "v1.0.0", 1)
    history.write(lab.root / "r")
    assert [(f.id, f.path) for f in doctor(lab.root / "r")] == [("gto-index", "artifacts.yaml"), ("name-case", None)]


def test_an_empty_repository_has_no_findings_and_a_folder_without_one_is_an_error(lab: Lab) -> None:
    assert doctor(lab.repo("empty").path) == []
    (lab.root / "plain").mkdir()
    with pytest.raises(RegistryError):
        doctor(lab.root / "plain")


def test_a_remote_registry_is_looked_over_as_a_local_one(path: Path, lab: Lab, http: Callable[..., Any]) -> None:
    for ref in ("m@v9.9.9", "m#prod#1", "M@v1.0"):
        lab.run("git", "tag", ref, cwd=path)
    lab.run("git", "clone", "--quiet", "--bare", str(path), str(lab.root / "served" / "r.git"))
    lab.run("git", "tag", "-a", "-m", "x", "M@v1.0.0", cwd=path)
    lab.run("git", "push", "--quiet", str(lab.root / "served" / "r.git"), "--tags", cwd=path)
    here = doctor(path)
    assert {finding.id for finding in here} == {"tag-lightweight", "tag-grammar", "name-case"}
    assert doctor(f"{http(lab.root / 'served').url}/r.git") == here
