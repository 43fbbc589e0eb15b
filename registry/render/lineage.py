"""A birth certificate as a tree: text for a terminal, Mermaid and DOT for documents. Takes values, returns text.

Grammars: Mermaid's `flowchart` (https://mermaid.js.org/syntax/flowchart.html), Graphviz's `digraph`
(https://graphviz.org/doc/info/lang.html). What the source says is quoted, so that none of it is read as markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from registry.lineage import DATA, SECTIONS, TRAINING, Certificate, Fact, place, shown
from registry.render.line import one_line
from registry.render.trail import time_of

if TYPE_CHECKING:
    from registry.trail import Row

_ENTITIES = str.maketrans({"#": "#35;", "&": "#amp;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"})


def as_text(title: str, certificate: Certificate, decisions: Iterable[Row] = ()) -> str:
    """Every fact under its section with where it was read; under `decisions` who registered, approved, promoted."""
    parts = [
        (section, [f"{name}: {_line(fact)}" for name, fact in certificate.section(section).items()])
        for section in SECTIONS
    ]
    parts.append(("decisions", [_decision(row) for row in decisions]))
    parts = [(section, told) for section, told in parts if told]
    lines = [title]
    for number, (section, told) in enumerate(parts):
        last = number == len(parts) - 1 and not certificate.breaks
        lines.append(f"{'└── ' if last else '├── '}{section}")
        begin = "    " if last else "│   "
        lines += [f"{begin}{'└── ' if at == len(told) - 1 else '├── '}{line}" for at, line in enumerate(told)]
    lines += [
        f"{'└── ' if at == len(certificate.breaks) - 1 else '├── '}BROKEN: {each}"
        for at, each in enumerate(certificate.breaks)
    ]
    return "\n".join(map(one_line, lines))


def _line(fact: Fact) -> str:
    return f"{shown(fact.value)}  ({place(fact)})"


def _decision(row: Row) -> str:
    """Who did what, whose signature says so, who approved it, and where it stands."""
    who = f"{row.principal} (signed)" if row.principal else f"{row.actor} ({row.signature or 'not verified'})"
    what = f"{row.kind} {row.stage}" if row.stage else row.kind
    approved = f", approved by {', '.join(row.approvers)}" if row.approvers else ""
    reason = f": {row.reason}" if row.reason else ""
    place = f"entry {row.sequence} of the ledger" if row.sequence is not None else f"tag {row.tag}"
    return f"{time_of(row.time) or '-'} {what} by {who}{approved}{reason}  ({place})"


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
