"""Suites and reports as files: strict, and told with file, line and key."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.evaluation import Evaluation, finite, format_report, parse_report
from registry.render.evaluation import as_markdown, as_text
from registry.suite import PATH, parse_suite

WHERE = "evaluations/quality.yaml"
TEXT = f"""\
format: 1
models: [cost]
task: classification
data:
  url: https://example.org/test.csv
  sha256: {"a" * 64}
  format: csv
  target: bought
  features: [x, y]
metrics: [accuracy, 'scripts/metrics/cost.py:kept']
slices:
  - column: sex
  - {{column: age, bins: [18, 65.5]}}
fairness: {{columns: [sex], positive: yes}}
latency: {{batches: [1, 100], repeats: 3}}
bootstrap: {{resamples: 100, confidence: 0.9}}
limits: {{seconds: 30, memory_mb: 512}}
against: prod
"""


def test_a_suite_is_read_whole() -> None:
    found = parse_suite(TEXT.encode(), WHERE)
    assert (found.name, found.task, found.method, found.against) == ("quality", "classification", "predict", "prod")
    assert (found.data.remote, found.data.features) == (True, ("x", "y"))
    assert [(each.file, each.function) for each in found.metrics] == [
        (None, "accuracy"), ("scripts/metrics/cost.py", "kept")
    ]  # fmt: skip
    assert [each.bins for each in found.slices] == [(), (18.0, 65.5)]
    assert found.fairness is not None
    assert found.fairness.positive is True
    assert (found.resamples, found.confidence, found.seconds, found.memory_mb) == (100, 0.9, 30, 512)
    assert found.concerns("cost")
    assert not found.concerns("other")


@pytest.mark.parametrize(
    ("old", "new", "said", "line"),
    [
        ("limits:", "limit:", "unknown key 'limit'", 17),
        ("seconds: 30", "second: 30", "unknown key 'second'", 17),
        ("format: 1", "format: 2", "knows format 1 only", 1),
        ("a" * 64, "A" * 64, "64 hexadecimal digits", 6),
        ("a" * 64, "12e4", "64 hexadecimal digits", 6),
        ("format: csv", "format: pickle", "expected one of csv, parquet, json", 7),
        ("classification", "ranking", "expected one of classification, regression", 3),
        ("[accuracy, ", "['os:system', ", "expected a scorer", 10),
        ("[accuracy, ", "['scripts/metrics/../x.py:f', ", "expected a scorer", 10),
        ("[18, 65.5]", "[65.5, 18]", "ascending order", 13),
        ("[18, 65.5]", "[nan]", "expected a number", 13),
        ("[1, 100]", "[]", "at least one batch size", 0),
        ("0.9", "1.5", "between 0 and 1", 16),
        ("seconds: 30", "seconds: 0", "from 1 to", 17),
        ("  target: bought\n", "", "'target' is missing", 5),
        ("  url:", "  path: x.csv\n  url:", "either 'path' or 'url'", 5),
        ("url: https://example.org/test.csv", "path: ../test.csv", "leaves the", 0),
        ("url: https://example.org/test.csv", "path: /etc/passwd", "is absolute", 0),
        ("https://example.org", "http://example.org", "plain http", 0),
        ("https://example.org", "https://me:secret@example.org", "credentials", 0),
        ("https://example.org", "file:///etc", "URL", 0),
    ],
)
def test_what_is_wrong_in_a_suite_is_told_with_its_line(old: str, new: str, said: str, line: int) -> None:
    assert old in TEXT
    with pytest.raises(RegistryError) as caught:
        parse_suite(TEXT.replace(old, new, 1).encode(), WHERE)
    assert said in caught.value.what
    assert caught.value.where == (f"{WHERE}, line {line}" if line else caught.value.where)


@pytest.mark.parametrize(
    "path",
    ["quality.yaml", "evaluations/../quality.yaml", "evaluations/a/b.yaml", "evaluations/.yaml", "evaluations/x.json"],
)
def test_a_suite_stands_in_one_folder(path: str) -> None:
    assert PATH.fullmatch(path) is None
    with pytest.raises(RegistryError, match="a suite stands at"):
        parse_suite(TEXT.encode(), path)


@given(st.binary(max_size=200))
def test_no_bytes_in_place_of_a_suite_or_a_report_are_more_than_one_error(data: bytes) -> None:
    for read in (parse_suite, parse_report):
        with pytest.raises(RegistryError):
            read(data, WHERE)


MODEL: dict[str, Any] = {
    "name": "m", "version": None, "registry_commit": "a" * 40, "source": "s", "source_commit": "b" * 40,
    "metafile": "c" * 64, "artifacts": {"data": "d" * 64}, "size": 3,
}  # fmt: skip
REPORT: dict[str, Any] = {
    "format": 1, "suite": "quality", "task": "classification", "candidate": MODEL, "against": "prod", "current": None,
    "inputs": {
        "suite": WHERE, "suite_sha256": "e" * 64, "data": "x.csv", "data_sha256": "f" * 64, "functions": {},
        "packages": {"python": "3.11"},
    },
    "results": {
        "rows": 2, "metrics": {"accuracy": None}, "worst": [], "fairness": [], "comparison": None,
        "slices": [{"column": "<b>@dana</b>", "value": "|", "rows": 1, "candidate": {"accuracy": 1.0}, "current": None}],
    },
    "timings": {"seconds": 1.0, "peak_memory_mb": 2.0, "latency": []},
}  # fmt: skip


def report(**changed: Any) -> Evaluation:
    return parse_report(json.dumps({**REPORT, **changed}).encode(), "r.json")


def test_a_report_is_written_with_sorted_keys_and_read_back() -> None:
    text = format_report(report())
    assert json.loads(text) == REPORT
    assert list(json.loads(text)) == sorted(REPORT)
    assert parse_report(text.encode(), "") == report()
    assert report().judges("c" * 64, {"data": "d" * 64}, "e" * 64)
    for other in (
        ("0" * 64, {"data": "d" * 64}, "e" * 64),
        ("c" * 64, {}, "e" * 64),
        ("c" * 64, {"data": "d" * 64}, "0" * 64),
    ):
        assert not report().judges(*other)


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"extra": 1},
        {"candidate": {**MODEL, "metafile": "c"}},
        {"candidate": {**MODEL, "size": "3"}},
        {"timings": {"seconds": float("nan"), "peak_memory_mb": 2.0, "latency": []}},
        {"results": None},
    ],
)
def test_a_report_that_is_not_exactly_one_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(RegistryError, match="report"):
        report(**changed)


def test_a_key_that_stands_twice_in_a_report_is_refused() -> None:
    with pytest.raises(RegistryError, match="twice"):
        parse_report(format_report(report()).replace('"format": 1', '"format": 1, "format": 1').encode(), "")


def test_a_report_is_text_in_markdown_never_markup() -> None:
    shown = as_markdown(report())
    assert "<b>" not in shown
    assert "@dana" not in shown
    assert "| &#124; |" not in shown
    assert "prod is empty" in as_text(report())


@given(st.floats())
def test_a_number_of_a_report_is_finite_and_read_back_as_it_is(value: float) -> None:
    found = finite(value)
    assert (found is None) != math.isfinite(value)
    assert found is None or (json.loads(json.dumps(found)) == found and finite(found) == found)
