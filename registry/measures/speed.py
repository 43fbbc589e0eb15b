"""How fast a model answers: calls with batches of the data's own rows, after two that are not counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from registry.evaluation import Timing
from registry.suite import Latency

_WARM = 2


def measure(call: Callable[[Any], object], batch: Callable[[Any], Any], rows: int, wanted: Latency) -> list[Timing]:
    """One measurement for each batch size; `batch` gives the argument with the rows of these numbers."""
    import numpy as np

    found = []
    for size in wanted.batches:
        given = batch(np.arange(size) % rows)
        taken = []
        for _ in range(_WARM + wanted.repeats):
            began = time.perf_counter()
            call(given)
            taken.append(time.perf_counter() - began)
        p50, p95, p99 = (float(each) * 1000 for each in np.percentile(taken[_WARM:], [50, 95, 99]))
        per_second = size * 1000 / p50 if p50 else 0.0
        found.append(
            Timing(batch=size, repeats=wanted.repeats, p50_ms=p50, p95_ms=p95, p99_ms=p99, rows_per_s=per_second)
        )
    return found
