"""A birth certificate as a tree: text for a terminal, Mermaid and DOT for documents. Takes values, returns text.

Grammars: Mermaid's `flowchart` (https://mermaid.js.org/syntax/flowchart.html), Graphviz's `digraph`
(https://graphviz.org/doc/info/lang.html). What the source says is quoted, so that none of it is read as markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from registry.lineage import DATA, SECTIONS, TRAINING, Certificate, Fact, place, shown

_ENTITIES = str.maketrans({"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"})


def as_text(title: str, certificate: Certificate) -> str:
    """Every fact under its section, with where it was read."""
    parts = [(section, list(certificate.section(section).items())) for section in SECTIONS]
    parts = [(section, facts) for section, facts in parts if facts]
    lines = [title]
    for number, (section, facts) in enumerate(parts):
        last = number == len(parts) - 1 and not certificate.breaks
        lines.append(f"{'└── ' if last else '├── '}{section}")
        lines += [
            f"{'    ' if last else '│   '}{'└── ' if at == len(facts) - 1 else '├── '}{name}: {_line(fact)}"
            for at, (name, fact) in enumerate(facts)
        ]
    lines += [
        f"{'└── ' if at == len(certificate.breaks) - 1 else '├── '}BROKEN: {each}"
        for at, each in enumerate(certificate.breaks)
    ]
    return "\n".join(lines)


def _line(fact: Fact) -> str:
    return f"{shown(fact.value)}  ({place(fact)})"


def as_json(certificate: Certificate) -> dict[str, Any]:
    """The certificate as its file has it."""
    from registry.lineage import dump

    found: dict[str, Any] = json.loads(dump(certificate))
    return found


def as_mermaid(title: str, certificate: Certificate) -> str:
    """The chain from raw data to the model, as Mermaid draws it."""
    nodes, edges = _graph(title, certificate)
    lines = ["flowchart LR"]
    lines += [f'    n{number}["{_mermaid(label)}"]' for number, label in enumerate(nodes)]
    lines += [f"    n{one} --> n{other}" for one, other in edges]
    return "\n".join(lines)


def as_dot(title: str, certificate: Certificate) -> str:
    """The chain from raw data to the model, as Graphviz draws it."""
    nodes, edges = _graph(title, certificate)
    lines = ["digraph lineage {", "    rankdir=LR;", "    node [shape=box];"]
    lines += [f"    n{number} [label={json.dumps(label, ensure_ascii=False)}];" for number, label in enumerate(nodes)]
    lines += [f"    n{one} -> n{other};" for one, other in edges]
    return "\n".join([*lines, "}"])


def _mermaid(label: str) -> str:
    """Text in Mermaid's quotes, whose entities begin with `#`."""
    return label.translate(_ENTITIES)


def _graph(title: str, certificate: Certificate) -> tuple[list[str], list[tuple[int, int]]]:
    """Labels of the nodes, and edges between them: data and code into the stage that read them, stages into data."""
    nodes: dict[tuple[str, str], int] = {}
    labels: list[str] = []
    edges: dict[tuple[int, int], None] = {}

    def node(kind: str, name: str, label: str) -> int:
        if (kind, name) not in nodes:
            nodes[kind, name] = len(labels)
            labels.append(label)
        return nodes[kind, name]

    model = node("model", "", title)
    producer = certificate.section(TRAINING).get("stage")
    if producer is not None:
        edges[node("stage", str(producer.value), f"stage {producer.value}"), model] = None
    for kind, name, value in _read(certificate):
        short = str(value.get("sha256") or value.get("md5") or "")[:12]
        item = node(kind, name, f"{name} {short}".strip())
        reader, maker = value.get("read_by"), value.get("made_by")
        if reader:
            edges[item, node("stage", str(reader), f"stage {reader}")] = None
        elif "context" in value:  # a data set of an MLflow run, which knows no stages
            edges[item, model] = None
        if maker:
            edges[node("stage", str(maker), f"stage {maker}"), item] = None
        if value.get("origin"):
            edges[node("origin", str(value["origin"]), str(value["origin"])), item] = None
    return labels, list(edges)


def _read(certificate: Certificate) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for section in (DATA, TRAINING):
        for name, fact in certificate.section(section).items():
            if isinstance(fact.value, Mapping):
                yield section, name.removeprefix("code:"), fact.value
