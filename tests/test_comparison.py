"""The pure comparison: exchanging the sides exchanges before and after, and equal sides give nothing."""

from __future__ import annotations

from typing import Any

import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.card import parse_card
from registry.comparison import Change, Comparison, Measure, Side, compare
from registry.direction import GREATER, LESS, LOSSES, SCORERS, SCORES, UNKNOWN, direction, verdict
from registry.evaluation import Evaluation
from registry.interface import Argument, Interface, Method
from registry.lineage import SECTIONS, Certificate, Fact
from registry.linkfile import Link
from registry.reportdiff import Judgement, Score

COMMIT = "a" * 40
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-1e300, 1e300) | st.sampled_from("ab")
FACTS = st.builds(
    Fact, SCALARS | st.dictionaries(st.sampled_from(["md5", "size"]), SCALARS), st.just("f"), st.just("k"), st.just("")
)
NAMES = st.sampled_from(["r2", "x", "package:numpy", "mean_squared_error"])
DIGEST = st.sampled_from(["1" * 64, "2" * 64])
METRICS = st.dictionaries(st.sampled_from(["r2", "f1"]), st.none() | st.floats(-10, 10), max_size=2)


@st.composite
def cards(draw: st.DrawFn) -> Any:
    sections = draw(st.lists(st.sampled_from(["# Owner\nAnn", "# Owner\nBen", "## Uses\nx y"]), max_size=3))
    return parse_card(
        f"---\nlicense: {draw(st.sampled_from(['mit', '[a, b]']))}\n---\n{chr(10).join(sections)}\n".encode(), "c"
    )


@st.composite
def judged(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "name": "m", "version": None, "registry_commit": COMMIT, "source": ".", "source_commit": COMMIT,
        "metafile": draw(DIGEST), "artifacts": {"data": draw(DIGEST)}, "size": 1,
    }  # fmt: skip


@st.composite
def reports(draw: st.DrawFn) -> Evaluation:
    paired = draw(st.booleans())
    numbers = {name: draw(st.floats(-5, 5)) for name in ("difference", "low", "high")}
    comparison = {
        "metrics": draw(METRICS), "confidence": 0.9, "resamples": 5, "test": "wilcoxon", "p_value": 0.1, "better": draw(st.integers(0, 9)),
        "worse": 2, "misses": (), "differences": {"r2": {**numbers, "undefined": 0}},
    }  # fmt: skip
    part = {
        "column": "c",
        "value": draw(st.sampled_from("fg")),
        "rows": 3,
        "candidate": draw(METRICS),
        "current": draw(METRICS),
        "differences": draw(st.none() | st.just({"r2": {**numbers, "undefined": 0}})),
    }
    return Evaluation.model_validate({
        "format": 1, "suite": draw(st.sampled_from("st")), "task": "regression", "candidate": draw(judged()), "against": None,
        "current": draw(judged()) if paired else None,
        "inputs": {"suite": "s", "suite_sha256": draw(DIGEST), "data": "d", "data_sha256": "1" * 64, "functions": {}, "packages": {}},
        "results": {"rows": 3, "metrics": draw(METRICS), "slices": (part,), "worst": (), "fairness": (),
                    "comparison": comparison if paired else None},
        "timings": {"seconds": 1.0, "peak_memory_mb": 1.0, "latency": ()},
    })  # fmt: skip


@st.composite
def sides(draw: st.DrawFn) -> Side:
    facts = draw(st.dictionaries(st.sampled_from(SECTIONS), st.dictionaries(NAMES, FACTS, max_size=3), max_size=4))
    certificate = Certificate(COMMIT, "m", facts, tuple(draw(st.lists(st.sampled_from("xy"), unique=True))))
    params = {"metafile.sha256": draw(DIGEST), "artifact.data.sha256": draw(DIGEST)}
    return Side(
        "v",
        version=draw(st.none() | st.sampled_from(["v0.1.0", "v1.0.0", "v2.0.0-rc.1"])),
        link=draw(st.none() | st.builds(Link, path=st.just("m"), rev=st.sampled_from([None, "v1"]), params=st.just(params))),
        certificate=draw(st.none() | st.just(certificate)),
        derived=draw(st.just({}) | st.just({each: facts.get(each, {}) for each in ("framework", "features", "environment")})),
        interface=draw(st.none() | st.sampled_from([Interface({"f": Method("f", (Argument(each),))}) for each in "xy"])),
        size=draw(st.none() | st.integers(0, 3)),
        card=draw(st.none() | cards()),
        reports=tuple(draw(st.lists(reports(), max_size=2))),
    )  # fmt: skip


def turned(found: Comparison) -> tuple[Any, ...]:
    """What the comparison of the exchanged sides must say."""
    return (
        tuple(Measure(each.name, each.after, each.before, each.direction) for each in found.metrics),
        {
            key: tuple(Change(each.name, each.after, each.before) for each in changes)
            for key, changes in found.sections.items()
        },
        found.size and Measure("size", found.size.after, found.size.before, found.size.direction),
        tuple(map(turned_judgement, found.evaluations)),
        found.interface is None,
    )


def turned_judgement(each: Judgement) -> tuple[Any, ...]:
    def negative(value: float | None) -> float | None:
        return None if value is None else -value

    scores = tuple(
        Score(
            one.name, one.after, one.before, comparable=one.comparable, low=negative(one.high), high=negative(one.low)
        )
        for one in each.scores
    )
    slices = tuple(
        one._replace(
            before=one.after,
            after=one.before,
            intervals={name: (negative(high), negative(low)) for name, (low, high) in one.intervals.items()},
        )
        for one in each.slices
    )
    trial = each.trial and each.trial._replace(better=each.trial.worse, worse=each.trial.better)
    return each.suite, each.kind, each.rows, scores, slices, trial


def plain(found: Comparison) -> tuple[Any, ...]:
    evaluations = tuple((e.suite, e.kind, e.rows, e.scores, e.slices, e.trial) for e in found.evaluations)
    return found.metrics, dict(found.sections), found.size, evaluations, found.interface is None


OPPOSITE = {"better": "worse", "worse": "better"}


@settings(max_examples=60)
@given(sides(), sides())
def test_exchanging_the_sides_exchanges_before_and_after(one: Side, other: Side) -> None:
    there, back = compare("m", one, other), compare("m", other, one)
    assert plain(back) == turned(there)
    for each, mirrored in zip((*there.metrics,), (*back.metrics,), strict=True):
        assert mirrored.verdict == OPPOSITE.get(each.verdict, each.verdict)
        assert mirrored.difference == (None if each.difference is None else -each.difference)


@settings(max_examples=30)
@given(sides())
def test_equal_sides_give_nothing(side: Side) -> None:
    found = compare("m", side, side)
    assert found.empty
    assert plain(found) == ((), {}, None, (), True)


def test_facts_of_a_side_without_a_certificate_are_neither_added_nor_removed() -> None:
    def facts(**values: Any) -> dict[str, Fact]:
        return {name.replace("_", ":"): Fact(value, "f", "k", "") for name, value in values.items()}

    known = Certificate(COMMIT, "m", {"parameters": facts(a=1), "environment": facts(package_x="1", lock="2")})
    derived = {"environment": facts(package_x="2"), "features": {}, "framework": {}}
    found = compare("m", Side("a", certificate=known), Side("b", derived=derived))
    assert found.sections == {"environment": (Change("package:x", "1", "2"),)}


def test_a_number_that_becomes_text_is_shown_and_not_judged() -> None:
    one, other = (Certificate(COMMIT, "m", {"metrics": {"r2": Fact(value, "f", "k", "")}}) for value in (0.5, "nan"))
    found = compare("m", Side("a", certificate=one), Side("b", certificate=other))
    assert found.metrics == ()
    assert found.sections == {"metrics": (Change("r2", "0.5", "nan"),)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("r2", GREATER),
        ("test.accuracy", GREATER),
        ("metrics/x.json:f1_macro", GREATER),
        ("neg_log_loss", GREATER),
        ("log_loss", LESS),
        ("mean_squared_error", LESS),
        ("rmse", LESS),
        ("mlflow:val/mae", LESS),
        ("roc.auc", GREATER),
        ("error", UNKNOWN),
        ("loss", UNKNOWN),
        ("profit_score", UNKNOWN),
        ("davies_bouldin_score", UNKNOWN),
    ],
)
def test_a_direction_is_known_by_name_and_never_guessed(name: str, expected: str) -> None:
    assert direction(name) == expected
    assert direction(name, {name}) == GREATER, "a suite measured it"


def test_the_tables_name_what_scikit_learn_has() -> None:
    assert set(sklearn.metrics.get_scorer_names()) >= SCORERS
    assert set(sklearn.metrics.__all__) >= SCORES | LOSSES
    assert not (SCORES | SCORERS) & LOSSES


def test_a_difference_without_a_direction_is_no_verdict() -> None:
    assert [verdict(0.0, UNKNOWN), verdict(1.0, UNKNOWN), verdict(None, GREATER)] == ["same", UNKNOWN, UNKNOWN]
    assert Score("r2", 0.1, 0.2, comparable=True, low=-0.1, high=0.3).verdict == "undecided"
