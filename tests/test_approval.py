"""The grammar of approvals and evidence: what is written is read back, and nothing else is."""

from __future__ import annotations

import json
import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import START, tag_body

from registry.approval import (
    Note,
    Run,
    Said,
    format_message,
    format_ref,
    parse_message,
    parse_note,
    parse_ref,
    require_said,
)
from registry.errors import RegistryError
from registry.evidence import Evidence, differences, format_evidence, parse_evidence, section_digest
from registry.policy import parse_policy
from registry.policystages import Stage
from registry.tags import BadTag, trailers

hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
texts = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30)
names = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)
evidences = st.builds(
    Evidence,
    name=st.sampled_from(["m", "team/m", "dir:m"]),
    version=st.sampled_from(["v1.0.0", "v2.3.4-rc.1"]),
    stage=st.sampled_from(["prod", "eu/prod"]),
    commit=st.sampled_from(["1" * 40, "2" * 64]),
    link=hexes,
    metafile=hexes,
    artifacts=st.dictionaries(texts, hexes, max_size=3),
    lineage=st.none() | hexes,
    card=st.none() | hexes,
    reports=st.dictionaries(texts, hexes, max_size=3),
    policy=hexes,
)
runs = st.builds(
    Run,
    workflow=st.just("acme/reg.istry/.github/workflows/promote.yml@refs/heads/main"),
    environment=texts,
    number=st.integers(1, 10**18 - 1),
    reviewers=st.lists(names, min_size=1, max_size=3, unique=True).map(tuple).filter(lambda all_: not any(each[-1] in "-_" for each in all_)),
)  # fmt: skip
said = st.builds(
    Said,
    kind=st.just("approval"),
    text=st.lists(texts, min_size=1, max_size=3).map("\n\n".join),
    evidence=evidences,
    policy=st.integers(0, 10**17),
    nonce=st.text("0123456789abcdef", min_size=16, max_size=16),
    confirms=st.lists(names, max_size=3, unique=True).map(tuple),
    reference=st.none() | texts,
    run=st.none() | runs,
)
ONE = Evidence("m", "v1.0.0", "prod", "1" * 40, "a" * 64, "b" * 64, {"data": "c" * 64}, policy="d" * 64)
APPROVED = Said("approval", "Reviewed", ONE, 3, "0" * 16, ("kpi",), "JIRA-7")


@settings(max_examples=40)
@given(said)
def test_what_is_written_is_read_back_with_its_signature_or_without(one: Said) -> None:
    message = format_message(require_said(one))
    signature = "-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----\n"
    assert parse_message("approval", message) == one
    assert parse_message("approval", message + signature) == one
    assert trailers(message)["Evidence"] == one.evidence.digest


@given(said, st.data())
def test_a_message_with_one_character_more_less_or_other_is_read_as_itself_or_not_at_all(
    one: Said, data: st.DataObject
) -> None:
    message = format_message(one)
    at = data.draw(st.integers(0, len(message) - 1))
    new = data.draw(st.sampled_from(["", "\n", " ", ":", ",", "x", "\x1b", "\u202e"]))
    altered = message[:at] + new + message[at + data.draw(st.integers(0, 1)) :]
    try:
        found = parse_message("approval", altered)
    except RegistryError:
        return
    assert format_message(found) == altered


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
def test_anything_else_is_an_error_and_nothing_worse(text: str) -> None:
    with pytest.raises(RegistryError):
        parse_message("approval", text)
    with pytest.raises(RegistryError):
        parse_evidence(text)


@given(evidences, evidences)
def test_evidence_is_named_by_its_digest_and_differs_where_it_is_another(one: Evidence, two: Evidence) -> None:
    assert parse_evidence(format_evidence(one)) == one
    assert (one.digest == two.digest) == (one == two) == (not list(differences(one, two)))


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(json.loads(format_evidence(ONE))),
        format_evidence(ONE).replace('"format":1', '"format":2'),
        format_evidence(ONE).replace('"stage":"prod"', '"stage":"prod","stage":"prod"'),
        format_evidence(ONE).replace('"name":"m"', '"name":"../m"'),
        format_evidence(ONE).replace("a" * 64, "A" * 64),
        format_evidence(ONE).replace('"card":null', '"card":1'),
        format_evidence(ONE).replace('"reports":{}', '"reports":[]'),
        format_evidence(ONE).replace('"reports":{}', '"reports":{"x":null}'),
        format_evidence(replace(ONE, commit="1")),
        "[" * 100_000,
        "null",
    ],
)
def test_evidence_has_one_form(line: str) -> None:
    with pytest.raises(RegistryError):
        parse_evidence(line)


@given(st.text(string.ascii_letters + string.digits + "/-", max_size=90))
def test_few_names_are_names_of_approvals(text: str) -> None:
    found = parse_ref(text)
    assert found is None or format_ref(*found) == text


@pytest.mark.parametrize("ref", ["approval/" + "0" * 64, f"approval/{'0' * 64}/0", f"approval/{'0' * 64}/1\n", f"x/approval/{'0' * 64}/1", f"approval/{'0' * 64}/1/2", f"approval/{'0' * 64}/{'9' * 9}0"])  # fmt: skip
def test_these_are_not(ref: str) -> None:
    assert parse_ref(ref) is None
    assert format_ref("request", "0" * 64, 12) == f"request/{'0' * 64}/12"


def test_a_tag_is_read_where_name_object_commit_and_message_say_the_same() -> None:
    ref, message = format_ref("approval", ONE.digest, 1), format_message(APPROVED)
    found = parse_note(ref, "f" * 40, "tag", tag_body(ref, "1" * 40, message=message), START)
    assert isinstance(found, Note)
    assert (found.said, found.event.artifact, found.event.version, found.event.stage) == (
        APPROVED,
        "m",
        "v1.0.0",
        "prod",
    )
    bad = {
        "tag-lightweight": (ref, "commit", b""),
        "tag-name": (ref, "tag", tag_body(ref[:-1] + "2", "1" * 40, message=message)),
        "tag-target": (ref, "tag", tag_body(ref, "2" * 40, message=message)),
        "tag-time": (ref, "tag", tag_body(ref, "1" * 40, message=message, time=START + 1)),
        "tag-message": (ref, "tag", tag_body(ref, "1" * 40, message=f"{message}more\n")),
        "tag-grammar": ("approval/x/1", "tag", tag_body("approval/x/1", "1" * 40, message=message)),
    }
    for rule, (name, kind, body) in bad.items():
        judged = parse_note(name, "f" * 40, kind, body, START)
        assert isinstance(judged, BadTag), rule
        assert judged.rule == rule
    asked = format_ref("request", ONE.digest, 1)
    judged = parse_note(asked, "f" * 40, "tag", tag_body(asked, "1" * 40, message=message), START)
    assert isinstance(judged, BadTag), "a request confirms nothing"


@pytest.mark.parametrize(
    "changes",
    [
        {"text": ""}, {"text": " x"}, {"text": "x" * 8001}, {"text": "a\tb"}, {"text": "a\rb"}, {"text": "\u202eabc"},
        {"text": "-----BEGIN PGP SIGNATURE-----"}, {"confirms": ("kpi", "kpi")}, {"confirms": ("KPI",)}, {"confirms": ("",)},
        {"reference": ""}, {"reference": "a\nb"}, {"reference": "x" * 201}, {"kind": "request"},
        {"run": Run("x", "prod", 1, ("eve",))}, {"run": Run("a/b/.github/workflows/p.yml@refs/heads/main", "prod", 1, ("eve", "Eve"))},
    ],
)  # fmt: skip
def test_what_may_not_be_said_is_not_written(changes: dict[str, object]) -> None:
    with pytest.raises(RegistryError, match="cannot be written"):
        require_said(replace(APPROVED, **changes))


def test_the_digest_of_a_stage_is_of_what_it_asks_not_of_how_it_is_written() -> None:
    def digest(stage: str) -> str:
        found = parse_policy(
            f"format: 1\nversion: 1\nroles: {{a: [x@y]}}\nstages:\n  prod: {stage}\n  dev: {{}}\n".encode()
        )
        return section_digest(found.stage("prod") or Stage())

    assert digest("{}") == digest("{approvals: 0, distinct: true, gates: []}")
    different = [
        "{}", "{approvals: 1}", "{distinct: false}", "{signed: true}", "{signed: false}", "{assign: []}", "{assign: [a]}",
        "{gates: [card]}", "{card: {}}", "{gates: [{card: {required: []}}]}", "{gates: [{size: {limit: 1 MB}}]}", "{gates: [{size: {limit: 2 MB}}]}",
        "{gates: [{metric: {name: auc, at_least: 0.5}}]}", "{gates: [{metric: {name: auc, at_most: 0.5}}]}",
        "{waive: [{name: auc, at_least: 0.5}]}", "{confirm: [kpi]}", "{reference: required}",
        "{freeze: [{days: [fri]}]}", "{freeze: [{days: [sat]}]}",
    ]  # fmt: skip
    found = {digest(stage) for stage in different}
    assert len(found) == len(different)
