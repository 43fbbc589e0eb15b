"""Birth certificates in formats of others: CycloneDX, held against its schema, and Hugging Face, read by its library."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import Lab, Repo
from linked import commit_version, make_registry, make_source

import registry
from registry.api.cards import init_card
from registry.card import REQUIRED, lacking, parse_card
from registry.cardfields import faults
from registry.lineage import SECTIONS, Certificate, Fact, scalar
from registry.render.cyclonedx import as_cyclonedx
from registry.render.huggingface import as_huggingface

MADE = {
    "metrics.json": '{"r2": 0.91, "by": {"north": 0.9}, "note": "fine"}\n',
    "params.yaml": "train: {alpha: 0.5}\n",
    "requirements.txt": "numpy==1.26.4\nrequests>=2\n",
    "lineage.yaml": (
        "delta: {sales: {uri: s3://lake/sales, version: 12}}\n"
        f"container: ghcr.io/acme/train@sha256:{'a' * 64}\n"
        "mlflow: {tracking_uri: https://mlflow.example.org, run_id: 1234abcd}\n"
    ),
}
CARD = """\
---
license: Apache-2.0 OR MIT
language: en
pipeline_tag: tabular-regression
---
# m

## Intended use

Planning.

## Limitations

[More Information Needed]
"""


@pytest.fixture
def reg(lab: Lab) -> Repo:
    """A registry whose `m` has a certificate and, from v1.1.0 on, a card."""
    reg, source = make_registry(lab), make_source(lab)
    source.commit(dict(MADE))
    source.tag("v2")
    registry.link("lr", "m", source_project=source.url, rev="v2", project=reg.path)
    commit_version(reg, "v1.0.0")
    reg.write({"cards/m.md": CARD})
    commit_version(reg, "v1.1.0")
    return reg


def exported(reg: Repo, form: str, which: str = "m") -> str:
    return reg.registry("lineage", which, "--format", form).stdout


@functools.cache
def validator() -> Any:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6)


def require_valid(text: str) -> dict[str, Any]:
    """The document, where CycloneDX's own validator has nothing against it."""
    error = validator().validate_str(text)
    assert error is None, str(error)[:2000]
    made: dict[str, Any] = json.loads(text)
    return made


# --- CycloneDX ------------------------------------------------------------------------------------------------------


def test_the_bill_of_materials_is_valid_and_says_what_the_certificate_says(reg: Repo) -> None:
    said = require_valid(exported(reg, "cyclonedx"))
    model = said["metadata"]["component"]
    assert (model["type"], model["name"], model["version"]) == ("machine-learning-model", "m", "v1.1.0")
    link = registry.resolve("m", project=reg.path)
    assert model["hashes"] == [{"alg": "SHA-256", "content": link.artifacts["data"].sha256}]
    assert model["licenses"] == [{"expression": "Apache-2.0 OR MIT"}]
    assert model["modelCard"]["considerations"] == {"useCases": ["Planning."]}
    measured = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert sorted((each["type"], each["value"]) for each in measured) == [("by.north", "0.9"), ("r2", "0.91")]
    assert {"name": "parameter:params.yaml:train.alpha", "value": "0.5"} in model["modelCard"]["properties"]
    parts = {each["bom-ref"]: each for each in said["components"]}
    assert parts["environment:package:numpy"]["purl"].startswith("pkg:pypi/numpy@")
    assert parts["environment:container"]["version"] == f"sha256:{'a' * 64}"
    assert parts["declared:delta:sales"]["type"] == "data"
    assert parts["environment:requirements.txt"]["hashes"][0]["alg"] == "SHA-256"
    assert said["dependencies"] == [{"ref": "model", "dependsOn": list(parts)}]


def test_the_same_version_gives_the_same_document_and_another_one_another_serial_number(reg: Repo) -> None:
    one = exported(reg, "cyclonedx", "m@v1.0.0")
    assert exported(reg, "cyclonedx", "m@v1.0.0") == one
    old, new = (json.loads(exported(reg, "cyclonedx", f"m@{each}")) for each in ("v1.0.0", "v1.1.0"))
    assert old["serialNumber"] != new["serialNumber"]
    assert old["metadata"]["timestamp"] == new["metadata"]["timestamp"], "the time is that of the source's commit"
    assert "licenses" not in old["metadata"]["component"], "that version had no card yet"


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("https://github.com/acme/a b%20c", "https://github.com/acme/a%20b%20c"),
        ("git@github.com:acme/a.git", "ssh://git@github.com/acme/a.git"),
        ("../folder", None),
        ("javascript:alert(1)", None),
        ("https://x/#a#b", "https://x/#a%23b"),
    ],
)
def test_a_source_is_a_reference_where_it_is_a_url(source: str, url: str | None) -> None:
    made = Certificate("c" * 40, "m.mlem", {"identity": {"source": Fact(source, "", "project", "")}})
    said = require_valid(as_cyclonedx("m", "v1.0.0", made, {}))
    found = said["metadata"]["component"].get("externalReferences", [{"url": None}])
    assert found[0]["url"] == url


TEXT = st.text(max_size=30).map(lambda text: str(scalar(text)))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False), TEXT).map(
    scalar
)
VALUES = st.one_of(SCALARS, st.dictionaries(st.sampled_from(["md5", "sha256", "size", "raw", "origin"]), SCALARS))
NAMES = TEXT | st.sampled_from(["source", "time", "author", "type", "container", "package:a", "command", "code:a.py"])
FACTS = st.dictionaries(NAMES, VALUES.map(lambda value: Fact(value, "p", "k", "b" * 40)), max_size=3)
CERTIFICATES = st.builds(
    Certificate, st.just("c" * 40), TEXT, st.dictionaries(st.sampled_from(SECTIONS), FACTS), st.just(("a break",))
)


@settings(max_examples=25)
@given(CERTIFICATES)
def test_any_certificate_is_a_valid_bill_of_materials(made: Certificate) -> None:
    require_valid(as_cyclonedx("m", "v1.0.0", made, {"a": "a" * 64, "b": "b" * 64}))


# --- Hugging Face ---------------------------------------------------------------------------------------------------


def test_hugging_face_s_library_reads_the_metadata_and_the_card_comes_first(reg: Repo) -> None:
    from huggingface_hub import ModelCardData

    text = exported(reg, "huggingface").strip().removeprefix("---\n").removesuffix("---")
    data = ModelCardData(**yaml.safe_load(text))
    assert (data.license, data.language, data.library_name) == ("Apache-2.0 OR MIT", "en", "sklearn")
    assert data.eval_results is not None
    assert sorted((each.metric_type, each.metric_value) for each in data.eval_results) == [
        ("by.north", 0.9),
        ("r2", 0.91),
    ]
    assert {each.task_type for each in data.eval_results} == {"tabular-regression"}
    bare = exported(reg, "huggingface", "m@v1.0.0")
    assert "license" not in bare
    assert "type: other" in bare


@given(CERTIFICATES)
def test_any_certificate_is_metadata_that_hugging_face_and_we_read(made: Certificate) -> None:
    from huggingface_hub import ModelCardData

    text = as_huggingface("m", made)
    ModelCardData(**yaml.safe_load(text.strip().removeprefix("---\n").removesuffix("---")))
    assert list(faults(parse_card(f"{text}\n".encode(), "card").fields)) == []


# --- cards begun from it --------------------------------------------------------------------------------------------


def test_a_card_is_begun_with_the_facts_of_the_certificate_and_they_fill_no_section(reg: Repo) -> None:
    (reg.path / "cards/m.md").unlink()
    text = init_card("m", reg.path).read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["metrics"] == ["by.north", "r2"]
    assert front["model-index"][0]["results"][0]["metrics"][1] == {"type": "r2", "value": 0.91}
    assert "\n    metric r2: 0.91\n" in text
    assert "\n    parameter params.yaml:train.alpha: 0.5\n" in text
    card = parse_card(text.encode(), "card")
    assert list(faults(card.fields)) == []
    assert len(list(lacking(card, REQUIRED))) == len(REQUIRED) - 1, "all but the license, which is no section"


def test_a_certificate_of_another_commit_or_a_broken_one_is_left_out(reg: Repo) -> None:
    path = reg.path / ".mlem/lineage/m.json"
    said = json.loads(path.read_text())
    for text in (json.dumps(said | {"commit": "0" * 40}), "nonsense"):
        path.write_text(text)
        (reg.path / "cards/m.md").unlink()
        assert "metric r2" not in init_card("m", reg.path).read_text()
