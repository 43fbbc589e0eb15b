"""Whether of a metric greater or less is better. Pure.

Rules: what a suite measured is better where it is greater (see `registry.suite`). A number of a certificate has only
its name: it is known where its last part is the name of one of scikit-learn's scorers, of all of which greater is
better (https://scikit-learn.org/stable/modules/model_evaluation.html#scoring-string-names), or of one of its metric
functions, whose direction its documentation states, or one of the abbreviations that xgboost
(https://xgboost.readthedocs.io/en/stable/parameter.html, `eval_metric`), LightGBM and Keras write for these. Of every
other name nothing is known, and nothing is guessed: `loss` or `error` may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Container

GREATER, LESS, UNKNOWN = "greater", "less", "unknown"

_AVERAGED = tuple(
    f"{name}{average}"
    for name in ("f1", "jaccard", "precision", "recall")
    for average in ("", "_macro", "_micro", "_samples", "_weighted")
)
_ERRORS = frozenset({
    "max_error", "mean_absolute_error", "mean_absolute_percentage_error", "mean_gamma_deviance",
    "mean_poisson_deviance", "mean_squared_error", "mean_squared_log_error", "median_absolute_error",
    "root_mean_squared_error", "root_mean_squared_log_error", "log_loss",
})  # fmt: skip
SCORERS = frozenset({
    "accuracy", "adjusted_mutual_info_score", "adjusted_rand_score", "average_precision", "balanced_accuracy",
    "completeness_score", "d2_absolute_error_score", "d2_brier_score", "d2_log_loss_score", "explained_variance",
    "fowlkes_mallows_score", "homogeneity_score", "matthews_corrcoef", "mutual_info_score", "neg_brier_score",
    "neg_negative_likelihood_ratio", "normalized_mutual_info_score", "positive_likelihood_ratio", "r2", "rand_score",
    "roc_auc", "roc_auc_ovo", "roc_auc_ovo_weighted", "roc_auc_ovr", "roc_auc_ovr_weighted", "top_k_accuracy",
    "v_measure_score", *_AVERAGED, *(f"neg_{each}" for each in _ERRORS),
})  # fmt: skip
"""Names of scorers: greater is better."""
SCORES = frozenset({
    "accuracy_score", "average_precision_score", "balanced_accuracy_score", "cohen_kappa_score", "d2_pinball_score",
    "d2_tweedie_score", "dcg_score", "explained_variance_score", "f1_score", "fbeta_score", "jaccard_score",
    "label_ranking_average_precision_score", "ndcg_score", "precision_score", "r2_score", "recall_score",
    "roc_auc_score", "silhouette_score", "top_k_accuracy_score",
})  # fmt: skip
"""Names of functions of `sklearn.metrics` of which greater is better."""
LOSSES = _ERRORS | frozenset({
    "brier_score_loss", "coverage_error", "hamming_loss", "hinge_loss", "label_ranking_loss", "mean_pinball_loss",
    "mean_tweedie_deviance", "zero_one_loss",
})  # fmt: skip
"""Names of functions of `sklearn.metrics` of which less is better."""
SHORT_SCORES = frozenset({"auc", "aucpr", "auprc", "auroc", "mcc", "ndcg", "pr_auc"})
SHORT_LOSSES = frozenset({"logloss", "mae", "mape", "mlogloss", "mse", "msle", "rmse", "rmsle", "smape", "wape"})


def direction(name: str, measured: Container[str] = ()) -> str:
    """`greater`, `less` or `unknown`; `measured` are names that a suite measured for the model."""
    last = re.split(r"[.:/]", name)[-1]
    if name in measured or last in SCORERS or last in SCORES or last in SHORT_SCORES:
        return GREATER
    return LESS if last in LOSSES or last in SHORT_LOSSES else UNKNOWN


def verdict(difference: float | None, towards: str) -> str:
    """What a difference means: `better`, `worse`, `same`, or `unknown`."""
    if difference is None or (difference and towards == UNKNOWN):
        return UNKNOWN
    if not difference:
        return "same"
    return "better" if (difference > 0) == (towards == GREATER) else "worse"
