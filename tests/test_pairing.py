"""Intervals of slices: drawn from the slice's own rows, as often as the time that the whole data takes allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from registry.measures import pairing
from registry.measures.slicing import Rows
from registry.suite import REGRESSION, Data, Metric, Suite

GAIN = np.linspace(-1, 2, 3000)


def suite(resamples: int) -> Suite:
    data = Data("d.csv", "0" * 64, "csv", "y")
    return Suite("s", REGRESSION, data, (Metric("r2"),), resamples=resamples)


def slices(*sizes: int) -> list[Rows]:
    ends = np.cumsum(sizes)
    return [
        Rows("c", str(at), np.arange(end - size, end)) for at, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]


class Asked:
    """Metrics that are means, and how often they were asked."""

    def __init__(self) -> None:
        self.times = 0

    def by_slice(self, cut: list[Rows], resamples: int = 1000, seed: int = 1 << 200) -> Any:
        def candidate(numbers: Any) -> float:
            self.times += 1
            return float(GAIN[numbers].mean())

        both = {"r2": candidate}, {"r2": lambda _: 0.0}
        return pairing.by_slice(suite(resamples), both, cut, seed, lambda *_: None)


def test_an_interval_is_that_of_an_independent_bootstrap_and_follows_from_the_seed() -> None:
    cut = slices(400)
    found = Asked().by_slice(cut)
    assert Asked().by_slice(cut) == found
    assert Asked().by_slice(cut, seed=2) != found
    for rows, told in zip(cut, found, strict=True):
        gain = GAIN[rows.numbers]
        other = np.random.default_rng(7)
        means = [gain[other.integers(0, len(gain), len(gain))].mean() for _ in range(1000)]
        low, high = np.quantile(means, [0.025, 0.975])
        assert told["r2"].difference == pytest.approx(gain.mean())
        assert (told["r2"].low, told["r2"].high) == pytest.approx(
            (low, high), abs=3 * gain.std() / len(gain) ** 0.5 / 5
        )


def test_a_slice_that_is_added_leaves_the_draws_of_those_before_it() -> None:
    assert Asked().by_slice(slices(40, 50, 60), 100)[:2] == Asked().by_slice(slices(40, 50), 100)


def test_many_slices_are_drawn_less_often_and_small_or_late_ones_never() -> None:
    asked = Asked()
    found = asked.by_slice(slices(*[20] * 5))
    assert asked.times == 5 * (200 + 1), "as often as the whole data, and once for each slice's own numbers"
    assert all(found)
    few = Asked()
    assert few.by_slice(slices(9, 10))[0] is None
    assert few.times == 1001
    many = Asked()
    told = many.by_slice(slices(*[10] * 70))
    assert [each is None for each in told] == [False] * 50 + [True] * 20
    assert many.times == 50 * (100 + 1)
    assert pairing.slice_resamples(20, slices(*[10] * 3)) == 20
    assert pairing.slice_resamples(1000, []) == 1000
