"""Fairness between groups, by fairlearn: demographic parity and equalized odds, as difference and as ratio.

Definitions: https://fairlearn.org/main/user_guide/assessment/common_fairness_metrics.html. The label that counts as the
good outcome is the suite's `positive`; every other one is the other outcome.
"""

from __future__ import annotations

import warnings
from typing import Any

from registry.errors import RegistryError
from registry.evaluation import Unfairness, finite
from registry.measures.slicing import labels
from registry.suite import Fairness, Slice


def between(frame: Any, target: Any, answers: Any, wanted: Fairness, where: str) -> tuple[Unfairness, ...]:
    """The measures of each sensitive column. Raises `RegistryError`."""
    try:
        from fairlearn import metrics
    except ImportError:
        raise RegistryError("fairlearn is not installed", "", "pip install 'git-model-registry[fairness]'") from None
    truth, said = target == wanted.positive, answers == wanted.positive
    if not hasattr(truth, "any") or not truth.any():
        raise RegistryError(f"no row has the label {wanted.positive!r}", where, "correct `fairness.positive`")
    functions = {
        "demographic_parity_difference": metrics.demographic_parity_difference,
        "demographic_parity_ratio": metrics.demographic_parity_ratio,
        "equalized_odds_difference": metrics.equalized_odds_difference,
        "equalized_odds_ratio": metrics.equalized_odds_ratio,
    }
    found = []
    for column in wanted.columns:
        groups = labels(frame, Slice(column), where)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            measures = {
                name: finite(float(function(truth.astype(int), said.astype(int), sensitive_features=groups)))
                for name, function in functions.items()
            }
        found.append(Unfairness(column=column, groups=len(set(groups)), measures=measures))
    return tuple(found)
