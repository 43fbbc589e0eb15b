from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import Lab

from registry.annotations import LIMIT, Config, parse_config, parse_index
from registry.api.questions import Registry
from registry.errors import RegistryError

DEFAULTS = {"type": None, "path": None, "virtual": True, "labels": [], "description": "", "custom": None}


def bomb(levels: int, entry: str) -> bytes:
    """Aliases of aliases, ten at a time."""
    lines = ["a0: &a0 {k: 1}"]
    for n in range(1, levels):
        lines.append(f"a{n}: &a{n} {entry.format(', '.join([f'*a{n - 1}'] * 10))}")
    return "\n".join(lines).encode()


def test_fields_and_defaults_are_those_of_gto() -> None:
    data = b"m: {}\nn: {type: model, path: a/b, virtual: 'no', labels: [x], description: text, custom: {k: [1, 2.5, null, true]}}\n"
    from gto import index

    theirs = index.Index.read_state(__import__("io").BytesIO(data))
    ours = parse_index(data, "f")
    assert ours == {name: fields.model_dump() for name, fields in theirs.items()}
    assert ours["m"] == DEFAULTS


def test_dates_are_text_as_in_the_json_of_gto() -> None:
    found = parse_index(b"m: {custom: {on: 2020-01-02, at: 2020-01-02T03:04:05Z}}", "f")["m"]["custom"]
    assert json.loads(json.dumps(found)) == {"on": "2020-01-02", "at": "2020-01-02T03:04:05+00:00"}


@pytest.mark.parametrize(
    "data",
    [
        b"[m]",
        b"text",
        b"m: text",
        b"m: [x]",
        b"1: {}",
        b"../m: {}",
        b"'m#prod': {}",
        b"'a:b': {}",
        b"'m\\n': {}",
        b'"m\\n": {}',
        b"m: {labels: x}",
        b"m: {labels: [1]}",
        b"m: {path: 1}",
        b"m: {type: [x]}",
        b"m: {virtual: maybe}",
        b"m: {virtual: []}",
        b"m: {custom: !!binary aGVsbG8=}",
        b"m: {custom: !!set {a, b}}",
        b"m: {custom: 0x" + b"f" * 6000 + b"}",
        b"m: {custom: " + b"9" * 6000 + b"}",
        b"m: !!python/object/apply:os.system [x]",
        b"m: {}\nm: {}",
        b"m: {}\n---\nn: {}",
        b"m: *x",
        b"m: &a {custom: *a}",
        b"m: &a\n  <<: *a",
        b"m: \xff",
        b"m: \x00",
        b"{" * 5000,
        b"[" * 70_000,
        b"- " * 70_000,
        b"#" * (LIMIT + 1),
        b"a: [" + b"1," * 500_000 + b"]",
        bomb(9, "[{}]"),
        bomb(9, "{{<<: [{}]}}"),
    ],
    ids=lambda data: repr(data[:24]),
)
def test_a_hostile_index_is_one_expected_error(data: bytes) -> None:
    with pytest.raises(RegistryError) as error:
        parse_index(data, "artifacts.yaml")
    assert error.value.where.startswith("artifacts.yaml")


def test_a_few_aliases_and_merges_are_read_as_gto_reads_them() -> None:
    data = b"m: &m {type: model, labels: &l [x]}\nn:\n  <<: *m\n  labels: *l\n  path: p\n"
    assert parse_index(data, "f")["n"] == {**DEFAULTS, "type": "model", "labels": ["x"], "path": "p"}


@given(st.binary(max_size=50) | st.text(alphabet="mn:-[]{}&*!<|'\"# \n,?~1", max_size=50).map(str.encode))
def test_any_bytes_are_an_index_and_a_configuration_or_an_expected_error(data: bytes) -> None:
    for parse in (parse_index, parse_config):
        try:
            found = parse(data, "f")
        except RegistryError:
            continue
        json.dumps(found)


def test_a_configuration_names_stages_and_the_index() -> None:
    assert parse_config(b"", "f") == Config() == Config(None, "artifacts.yaml")
    assert parse_config(b"stages: [dev, prod]\nINDEX: index/a.yaml\ntypes: [model]\n", "f") == Config(
        ["dev", "prod"], "index/a.yaml"
    )
    assert parse_config(b"stages: []", "f").stages == []


@pytest.mark.parametrize(
    "data",
    [
        b"[prod]",
        b"stages: prod",
        b"stages: [1]",
        b"stages: ['pr od']",
        b"stages: ['../prod']",
        b"stages: ['prod\\n', \"prod\\n\"]",
        b"INDEX: 1",
        b"INDEX: ''",
        b"INDEX: /etc/passwd",
        b"INDEX: ../outside.yaml",
        b"INDEX: a/../../outside.yaml",
        b"INDEX: --output=x",
        b'INDEX: "a\\nb"',
        b'INDEX: "a\\0b"',
        b"stages: *x",
        bomb(9, "[{}]"),
    ],
)
def test_a_hostile_configuration_is_one_expected_error(data: bytes) -> None:
    with pytest.raises(RegistryError) as error:
        parse_config(data, ".gto")
    assert error.value.where.startswith(".gto")


def test_a_broken_index_hides_no_artifact(lab: Lab) -> None:
    repo = lab.repo("r")
    repo.commit({"artifacts.yaml": "m: {}\nn: {}\n"})
    repo.tag("m@v1.0.0")
    assert set(Registry(repo.path).show()) == {"m", "n"}
    repo.commit({"artifacts.yaml": "m: ["})
    registry = Registry(repo.path)
    assert set(registry.show()) == {"m"}
    assert "artifacts.yaml" in registry.warnings[0]


@pytest.mark.parametrize(
    "headers",
    [
        "author nobody\ncommitter nobody",
        "author D <d@e> 999999999999 +9999\ncommitter D <d@e> 999999999999 +9999",
    ],
)
def test_a_damaged_commit_at_head_hides_no_artifact(lab: Lab, headers: str) -> None:
    repo = lab.repo("r")
    repo.commit({"artifacts.yaml": "m: {}\nlisted: {}\n"})
    repo.tag("m@v1.0.0")
    body = f"tree {repo.rev('HEAD^{tree}')}\n{headers}\n\nmessage\n"
    repo.git("update-ref", "HEAD", repo.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", input=body))
    registry = Registry(repo.path)
    assert registry.show()["m"]["version"] == "v1.0.0"
    assert registry.show_artifact("m")[0]["version"] == "v1.0.0"
