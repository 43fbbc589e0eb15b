"""Metrics of a model's answers, on any of the rows.

A model answers all rows once. scikit-learn's scorers then ask a stand-in, which takes numbers of rows and gives the
answers that are there, so that a slice or a resample costs no call of the model. Class labels are those of the target,
sorted, as scikit-learn's own classifiers sort them; probabilities must have as many columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from registry.errors import RegistryError
from registry.measures.rows import array
from registry.suite import CLASSIFICATION, Metric

Score = Callable[[Any], float]
"""A metric on the rows of these numbers; nan where it is not defined there."""
_FURTHER = ("predict_proba", "decision_function")


class Answers:
    """What one model says of all rows."""

    def __init__(self, model: Any, given: Any, method: str, task: str, target: Any, where: str) -> None:
        self.main = _asked(model, method, given, where)
        """The answers of the suite's method."""
        if len(self.main) != len(target) or self.main.ndim != 1:
            raise RegistryError(
                f"{method} gave {self.main.shape} for {len(target)} rows, expected one answer a row", where
            )
        if task != CLASSIFICATION and self.main.dtype.kind not in "iuf":
            raise RegistryError(f"{method} gives no numbers", where, "correct `task` of the suite")
        self._further: dict[str, Any] = {}
        if task == CLASSIFICATION:
            names = [name for name in _FURTHER if method == "predict" and name in dir(model)]
            self._further = {name: _asked(model, name, given, where) for name in names}
        self._task, self._target, self._where = task, target, where

    def score(self, metric: Metric, functions: Mapping[str, str]) -> Score:
        """The metric as a function of row numbers; `functions` holds the sources of the registry's own files."""
        scorer = _scorer(metric) if metric.file is None else _function(metric, functions[metric.file])
        return lambda numbers: scorer(self, numbers)

    def stand_in(self) -> Any:
        """What a scorer of scikit-learn takes for a model."""
        import numpy as np
        from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

        kind = ClassifierMixin if self._task == CLASSIFICATION else RegressorMixin
        made: Any = type("StandIn", (kind, BaseEstimator), {"__sklearn_is_fitted__": lambda _: True})()
        made.predict = _looked_up("predict", self.main)
        if self._task == CLASSIFICATION:
            made.classes_ = np.unique(self._target)
            for name, answers in self._further.items():
                self._require_width(name, answers, len(made.classes_))
                setattr(made, name, _looked_up(name, answers))
        return made

    @property
    def target(self) -> Any:
        """The true answers."""
        return self._target

    def _require_width(self, name: str, answers: Any, classes: int) -> None:
        width = answers.shape[1] if answers.ndim > 1 else 2
        if width != classes:
            raise RegistryError(
                f"{name} gives {width} columns, and the target has {classes} labels",
                self._where,
                "use data in which every label of the model occurs, and no other",
            )


def _looked_up(name: str, answers: Any) -> Callable[[Any], Any]:
    """A method of the stand-in; scorers ask for its name."""

    def method(numbers: Any) -> Any:
        return answers[numbers]

    method.__name__ = name
    return method


def overall(score: Score, rows: int, metric: Metric) -> float:
    """A metric on all rows. Raises `RegistryError` where it cannot be computed."""
    import numpy as np

    try:
        return _quiet(score, np.arange(rows))
    except (RegistryError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - a metric, the registry's own too, may raise anything
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise RegistryError(
            f"metric {metric.name!r} cannot be computed: {said}", "", "choose metrics that fit the task and the data"
        ) from None


def partly(score: Score, numbers: Any) -> float:
    """A metric on some rows; nan where they do not define it."""
    try:
        return _quiet(score, numbers)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - one class only, one row only: what a metric says then is its own affair
        return float("nan")


def _quiet(score: Score, numbers: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(score(numbers))


def _asked(model: Any, method: str, given: Any, where: str) -> Any:
    if method not in dir(model):
        raise RegistryError(f"the model has no method {method!r}", where, f"it has {', '.join(dir(model)) or 'none'}")
    try:
        return array(getattr(model, method)(given))
    except (RegistryError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - the model's code may raise anything
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise RegistryError(f"the model does not take these rows: {said}", where, "see its interface") from None


def _scorer(metric: Metric) -> Callable[[Answers, Any], float]:
    try:
        from sklearn.metrics import get_scorer, get_scorer_names
    except ImportError:
        raise RegistryError("scikit-learn is not installed", fix="pip install 'git-model-registry[evaluate]'") from None
    if metric.name not in get_scorer_names():
        from difflib import get_close_matches

        near = get_close_matches(metric.name, get_scorer_names(), 1)
        raise RegistryError(
            f"scikit-learn has no scorer {metric.name!r}", "", f"did you mean {near[0]}?" if near else "see its list"
        )
    scorer = get_scorer(metric.name)
    known: dict[int, Any] = {}

    def score(answers: Answers, numbers: Any) -> float:
        model = known.get(id(answers))
        if model is None:
            model = known[id(answers)] = answers.stand_in()
        return float(scorer(model, numbers, answers.target[numbers]))

    return score


def _function(metric: Metric, source: str) -> Callable[[Answers, Any], float]:
    """A function of the registry: `function(y_true, y_pred)` gives a number. It was asked for by the caller."""
    namespace: dict[str, Any] = {"__name__": "registry_metric", "__file__": metric.file}
    try:
        exec(compile(source, str(metric.file), "exec", dont_inherit=True), namespace)  # noqa: S102 - asked for
        function = namespace[metric.function]
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever that program does
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        raise RegistryError(f"{metric.name} cannot be used: {said}", "", "correct the function") from None
    return lambda answers, numbers: float(function(answers.target[numbers], answers.main[numbers]))


def scores(answers: Answers, metrics: Sequence[Metric], functions: Mapping[str, str]) -> dict[str, Score]:
    """All metrics of a model by name."""
    return {metric.name: answers.score(metric, functions) for metric in metrics}
