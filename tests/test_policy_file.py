"""policy.yaml in full: every key, every wrong value with its line, and the schema that says the same to editors."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import ROOT

from registry import strictyaml
from registry.document import Place
from registry.errors import RegistryError
from registry.policy import DOCUMENT, Ledger, Policy, Root, Workflow, parse_policy, schema
from registry.policygates import (
    CardRules,
    Custom,
    Evaluation,
    Formats,
    Held,
    Interface,
    License,
    Metric,
    Size,
)
from registry.policystages import Stage
from registry.policytimes import Window, duration, moment
from registry.shape import read

HEAD = "format: 1\nversion: 1\n"
FULL = """\
format: 1
version: 3
root: {threshold: 1, principals: [dana@example.org, bo@example.org]}
roles:
  release: [dana@example.org]
  owners: [bo@example.org, eve@example.org]
register: [release]
archive: [release]
revoke: [owners]
signed: true
recorder: [ci@example.org]
compromised: {"SHA256:0123456789abcdefghijABCDEFGHIJ0123456789+/+": 2026-03-01T00:00:00Z}
ledger: {max_age: 1d}
workflows: [{repository: mycompany/models, workflow: .github/workflows/promote.yml, environment: prod}]
notify: [{slack: SLACK_WEBHOOK_URL}]
freeze:
- {from: 2026-12-20T00:00:00Z, until: 2027-01-04T00:00:00Z, why: holidays, stages: [prod]}
- {days: [fri, sat], from: "16:00", until: "08:00"}
stages:
  staging: {}
  eu/prod:
    after: [staging]
    minimum: 7d
    assign: [release]
    unassign: []
    rollback: [release, owners]
    approve: [owners]
    approvals: 2
    distinct: true
    signed: true
    ledger: true
    confirm: [kpi, cost]
    reference: JIRA-#
    waive: [{name: roc_auc, at_least: 0.95}]
    override: [owners]
    contract: true
    card: {required: [owner]}
    formats: {pickle: never}
    evaluation: {suites: [holdout]}
    freeze: [{days: [sun]}]
    gates:
    - metric: {name: roc_auc, suite: holdout, slice: region=eu, at_least: 0.8, tolerance: 0.01}
    - metric: {name: error, at_most: 0.01, better: smaller}
    - interface
    - interface: {against: stage}
    - card
    - size: {limit: 250 MB}
    - format: {skops_trusted: [mycompany.Model]}
    - license: {allowed: [MIT, Apache-2.0]}
    - evaluation
    - held: {stage: staging, minimum: 12h}
    - custom: {check: rev-is-version}
  prod: {after: [eu/prod, staging]}
"""


def plain(text: str) -> Any:
    """A document as an editor's YAML 1.2 has it: moments stay text."""
    return untyped(strictyaml.parse(text.encode(), "policy.yaml"))


def untyped(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): untyped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [untyped(item) for item in value]
    typed = strictyaml.typed(value)
    return str(value) if isinstance(typed, bool) and str(value) not in {"true", "false"} else typed


def test_every_key_is_read() -> None:
    found = parse_policy(FULL.encode())
    assert found.unknown == ()
    assert found.root == Root(1, ("dana@example.org", "bo@example.org"))
    assert dict(found.roles) == {"release": ("dana@example.org",), "owners": ("bo@example.org", "eve@example.org")}
    assert (found.register, found.archive, found.revoke, found.signed) == (
        ("release",),
        ("release",),
        ("owners",),
        True,
    )
    assert found.recorder == ("ci@example.org",)
    assert [moment(each) for each in found.compromised.values()] == ["2026-03-01T00:00:00Z"]
    assert found.ledger == Ledger(86_400)
    assert found.workflows == (Workflow("mycompany/models", ".github/workflows/promote.yml", environment="prod"),)
    assert [(each.kind, each.address) for each in found.notify] == [("slack", "SLACK_WEBHOOK_URL")]
    dated, weekly = found.freeze
    assert (moment(dated.begin), moment(dated.end)) == ("2026-12-20T00:00:00Z", "2027-01-04T00:00:00Z")
    assert (dated.stages, dated.why) == (("prod",), "holidays")
    assert weekly == Window(16 * 3600, 8 * 3600, ("fri", "sat"))
    assert list(found.stages or ()) == ["staging", "eu/prod", "prod"], "in order"


def test_every_key_of_a_stage_is_read() -> None:
    stages = parse_policy(FULL.encode()).stages
    assert stages is not None
    assert stages["staging"] == Stage("staging")
    found = stages["eu/prod"]
    assert (found.after, found.minimum, found.approvals) == (("staging",), 7 * 86_400, 2)
    assert (found.distinct, found.signed, found.ledger, found.contract) == (True, True, True, True)
    assert (found.confirm, found.reference) == (("kpi", "cost"), "JIRA-#")
    assert found.roles_for("unassign") == ()
    assert found.roles_for("override") == ("owners",)
    assert found.waive == (Metric("roc_auc", at_least=0.95),)
    assert found.freeze == (Window(days=("sun",)),)
    assert found.gates == (
        Metric("roc_auc", "holdout", "region=eu", 0.8, None, 0.01),
        Metric("error", at_most=0.01, better="smaller"),
        Interface(),
        Interface("stage"),
        CardRules(),
        Size(250_000_000),
        Formats(skops_trusted=("mycompany.Model",)),
        License(("MIT", "Apache-2.0")),
        Evaluation(),
        Held("staging", 12 * 3600),
        Custom("rev-is-version"),
    )
    implied = (Interface("contract"), CardRules(("owner",)), Formats("never"), Evaluation(("holdout",)))
    assert found.required_gates == (*found.gates, *implied)
    assert len({each.key for each in found.required_gates}) == len(found.required_gates)


def test_roles_of_a_stage_follow_from_assign_where_nothing_is_said() -> None:
    stage = Stage("prod", assign=("release",))
    assert [stage.roles_for(kind) for kind in ("assign", "unassign", "rollback")] == [("release",)] * 3
    assert (stage.roles_for("approve"), stage.roles_for("override")) == (None, ())


ROLE = "roles: {release: [dana@example.org]}\n"


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("root: {threshold: 2, principals: [dana@example.org]}\n", "more than its 1", 3),
        ("root: {threshold: 0}\n", "not from 1 to 100", 3),
        ("roles: {Release: []}\n", "not the name of a role", 3),
        ("roles:\n  release: [dana at example]\n", "not a principal", 4),
        ("roles: [release]\n", "expected a mapping", 3),
        ("roles: {release: }\n", "no value", 3),
        ("register: [release]\n", "no role 'release'; known are none", 3),
        (ROLE + "revoke: release\n", "expected a list", 4),
        (ROLE + "stages:\n  prod:\n    assign: [relase]\n", "no role 'relase'; known are release", 6),
        (ROLE + "stages:\n  prod:\n    override: [x]\n", "no role 'x'", 6),
        ("stages: [prod]\n", "expected a mapping", 3),
        ("stages:\n  prod:\n", "no value", 4),
        ("stages: {a//b: {}}\n", "not a stage's name", 3),
        ("stages: {prod: {after: [staging]}}\n", "no stage 'staging'; known are prod", 3),
        ("stages: {prod: {after: [prod]}}\n", "after itself", 3),
        ("stages: {prod: {minimum: 7d}}\n", "`after` names none", 3),
        ("stages: {prod: {approvals: two}}\n", "whole number", 3),
        ("stages: {prod: {approvals: 101}}\n", "not from 0 to 100", 3),
        ("stages: {prod: {distinct: maybe}}\n", "true or false", 3),
        ("stages: {a: {}, prod: {after: [a], minimum: 7 days}}\n", "not a duration", 3),
        ("stages: {prod: {reference: '#-#-*-*'}}\n", "at most three", 3),
        ("stages:\n  prod:\n    gates:\n    - metrics: {name: x}\n", "none of metric, interface", 6),
        ("stages: {prod: {gates: [metric]}}\n", "needs its parameters: name", 3),
        ("stages: {prod: {gates: [metric: {name: x}]}}\n", "one of at_least, at_most, tolerance is missing", 3),
        ("stages: {prod: {gates: [metric: {name: x, at_least: high}]}}\n", "not a number", 3),
        ("stages: {prod: {gates: [metric: {name: x, at_least: .inf}]}}\n", "not a number", 3),
        ("stages: {prod: {gates: [metric: {name: x, tolerance: -1}]}}\n", "not a number", 3),
        ("stages: {prod: {gates: [{card: {}, size: {limit: 1}}]}}\n", "expected one of", 3),
        ("stages: {prod: {gates: [card: ]}}\n", "no value", 3),
        ("stages: {prod: {gates: [size: {limit: none}]}}\n", "not a size", 3),
        ("stages: {prod: {gates: [held: {stage: dev}]}}\n", "no stage 'dev'", 3),
        ("stages: {prod: {gates: [~]}}\n", "expected one of", 3),
        ("stages: {prod: {waive: []}}\n", "0 entries", 3),
        ("stages: {prod: {card: {required: [ovner]}}}\n", "none of", 3),
        ("stages: {prod: {formats: {pickle: sometimes}}}\n", "none of pinned", 3),
        ("freeze: [{days: [frei]}]\n", "none of mon", 3),
        ("freeze: [{days: [fri], from: 4pm}]\n", "not a time of day", 3),
        ("freeze: [{from: 2026-01-01T00:00:00Z}]\n", "'until' is missing", 3),
        ("freeze: [{from: 2026-01-02T00:00:00Z, until: 2026-01-01T00:00:00Z}]\n", "not after `from`", 3),
        ("freeze: [{from: 2026-02-30T00:00:00Z, until: 2026-03-01T00:00:00Z}]\n", "not a moment", 3),
        ("stages: {prod: {}}\nfreeze: [{days: [fri], stages: [prdo]}]\n", "no stage 'prdo'", 4),
        ("freeze: [~]\n", "found nothing", 3),
        ("ledger: {max_age: soon}\n", "not a duration", 3),
        ("recorder: ['*@example.org']\n", "not a principal", 3),
        ("compromised: {'MD5:1': 2026-01-01T00:00:00Z}\n", "not a key's fingerprint", 3),
        ("workflows: [{repository: x, workflow: .github/workflows/a.yml}]\n", "not a repository", 3),
        ("workflows: [{repository: a/b, workflow: a.yml}]\n", "not a file .github", 3),
        ("notify: [slack]\n", "expected a mapping", 3),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(text: str, said: str, line: int) -> None:
    with pytest.raises(RegistryError) as raised:
        parse_policy((HEAD + text).encode())
    assert said in raised.value.what
    assert raised.value.where == f"policy.yaml, line {line}"


def test_unknown_keys_are_kept_wherever_they_stand() -> None:
    found = parse_policy(
        f"{HEAD}stages:\n  prod:\n    aprovals: 2\n    gates:\n    - card: {{requires: []}}\n".encode()
    )
    keys = [each.key for each in found.unknown]
    assert keys == ["stages.prod.aprovals", "stages.prod.gates.0.card.requires"]
    assert [each.line for each in found.unknown] == [5, 7]


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("7d", 604_800 // 1), ("2w", 1_209_600)])
def test_a_duration_is_written_as_it_is_read(text: str, seconds: int) -> None:
    stages = parse_policy(f"{HEAD}stages: {{a: {{}}, b: {{after: [a], minimum: {text}}}}}\n".encode()).stages
    assert stages is not None
    assert stages["b"].minimum == seconds
    assert duration(seconds) in {text, "1w"}


# --- the schema -----------------------------------------------------------------------------------------------------

SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def accepts(document: Any) -> bool:
    return bool(VALIDATOR.is_valid(document))


def reads(document: Any) -> bool:
    """Whether the parser takes it, without a key that means nothing; what it names need not be defined."""
    text = json.dumps(document)
    try:
        _, unknown = read(DOCUMENT, Place(strictyaml.parse(text.encode(), "policy.yaml"), "policy.yaml"))
    except RegistryError:
        return False
    return not unknown


def test_the_published_schema_is_what_the_parser_is_made_of() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    text = (ROOT / "registry/schemas/policy.schema.json").read_text()
    assert json.loads(text) == SCHEMA, "write it anew: registry policy schema > registry/schemas/policy.schema.json"
    assert (ROOT / ".mlem/policy.schema.json").read_text() == text


def guide_examples() -> list[str]:
    text = (ROOT / "docs/policy.md").read_text()
    return [each for each in re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if "format: 1" in each]


def test_schema_and_parser_accept_every_example() -> None:
    examples = guide_examples()
    assert examples
    design = (
        f"{HEAD}roles: {{release: [a@x], oncall: [b@x]}}\nroot: {{threshold: 1, principals: []}}\n"
        "stages:\n  staging: {}\n  prod: {after: [staging], assign: [release], rollback: [oncall], approvals: 1,"
        " signed: true, ledger: true, gates: []}\nnotify: []\n"
    )
    template = (ROOT / "registry/templates/policy.yaml").read_text()
    for text in (FULL, HEAD, design, template, *examples, "\n".join(uncommented(template))):
        assert parse_policy(text.encode()).unknown == ()
        assert list(VALIDATOR.iter_errors(plain(text))) == []


def uncommented(text: str) -> list[str]:
    """The template with its commented keys, which must be right as well."""
    return [re.sub(r"^# (?=(trusted_sources|card|roles|register|stages)\b|  )", "", line) for line in text.splitlines()]


def test_the_template_names_its_schema_for_editors() -> None:
    first = (ROOT / "registry/templates/policy.yaml").read_text().partition("\n")[0]
    assert first == "# yaml-language-server: $schema=.mlem/policy.schema.json"


BASE = plain(FULL)
ODD = (
    None, True, 0, -1, 1, 2, 101, 0.5, 1e16, "", " ", "x", "a/b", "a//b", "release", "required", "JIRA-#", "7d", "0d", "250 MB", "16:00",
    "24:00", "2026-03-01T00:00:00Z", "2026-13-01T00:00:00Z", "dana@example.org", "card", "metric", "never", "error", "fri", [], {}, ["x"],
    ["owners"], [{}], {"card": {}}, {"size": {"limit": 5}}, {"size": {}}, {"metric": {"name": "x", "at_most": 1}}, [["x"]], {"x": {}},
    {"x": ["a@b"]}, "*#*", "*#*#", "é", "a\tb", "a=b", "=", "x" * 201, "\u00a0",
)  # fmt: skip


def places(value: Any, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [trail, *(each for key, item in inner for each in places(item, (*trail, key)))]


def changed(document: Any, trail: tuple[Any, ...], way: str, odd: Any) -> Any:
    made = copy.deepcopy(document)
    if not trail:
        return odd if way == "replace" else made
    holder = made
    for key in trail[:-1]:
        holder = holder[key]
    if way == "replace":
        holder[trail[-1]] = copy.deepcopy(odd)
    elif way == "drop":
        del holder[trail[-1]]
    elif isinstance(holder, dict):
        holder[str(odd)[:20]] = holder.pop(trail[-1])
    return made


@settings(max_examples=150)
@given(st.sampled_from(places(BASE)), st.sampled_from(["replace", "replace", "drop", "rename"]), st.sampled_from(ODD))
def test_whatever_the_schema_accepts_the_parser_accepts_and_only_that(trail: Any, way: str, odd: Any) -> None:
    document = changed(BASE, trail, way, odd)
    if accepts(document):
        assert reads(document)
    elif reads(document):
        wrong = [each.validator for each in VALIDATOR.iter_errors(document)]
        assert not isinstance(odd, str | list | dict | None), (wrong, "only a number or a boolean may count as text")


def test_every_example_of_the_test_is_itself_accepted() -> None:
    assert accepts(BASE)
    assert reads(BASE)
    assert isinstance(parse_policy(json.dumps(BASE).encode()), Policy)
