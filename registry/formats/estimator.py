"""The methods of a scikit-learn estimator, as MLEM describes them.

Source: `mlem.contrib.sklearn` and `mlem.core.model.Signature`. `predict` and, where there is one, `predict_proba`;
`transform` for what only transforms. With sample data each method is called once on it, and argument, defaults and
result get their data types; without, they stay unspecified.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from registry.datatypes import UNSPECIFIED, DataType
from registry.errors import RegistryError
from registry.formats.samples import infer
from registry.interface import Argument, Interface, Method


def model_type(model: object) -> str:
    """MLEM's name for the kind of estimator: `sklearn`, `sklearn_pipeline` or `sklearn_transformer`."""
    from sklearn.pipeline import Pipeline

    if isinstance(model, Pipeline):
        return "sklearn_pipeline" if hasattr(model, "predict") else "sklearn_transformer"
    return "sklearn" if _predicts(model) else "sklearn_transformer"


def interface(model: object, sample_data: object = None) -> Interface:
    """The methods callers may use, with data types where there is sample data."""
    if hasattr(model, "predict") and model_type(model) != "sklearn_transformer":
        names = ["predict", *(["predict_proba"] if hasattr(model, "predict_proba") else [])]
    else:
        names = ["transform"]
    return described({name: getattr(model, name) for name in names}, sample_data)


def described(methods: Mapping[str, Callable[..., object]], sample_data: object = None) -> Interface:
    """The interface of methods by name, of whatever framework; each is called once on sample data that is not None."""
    try:
        found = {name: describe(name, called, sample_data) for name, called in methods.items()}
    except TypeError as error:
        raise RegistryError(f"the model does not say what it takes: {error}", "", "wrap it in a function") from None
    return Interface(MappingProxyType(found))


def _predicts(model: object) -> bool:
    """As MLEM: regressors, classifiers and outlier detectors; others predict only where they cannot transform."""
    from sklearn.base import ClassifierMixin, OutlierMixin, RegressorMixin

    if isinstance(model, (RegressorMixin, ClassifierMixin, OutlierMixin)):
        return True
    return hasattr(model, "predict") and not hasattr(model, "transform")


def describe(name: str, method: Callable[..., object], sample: object) -> Method:
    """A method, or any callable under a name: its arguments, and with a sample the types of the first and the result.

    Raises `TypeError` for a callable that does not tell its arguments.
    """
    inner = getattr(method, "__wrapped__", method)
    spec = inspect.getfullargspec(inner if name != "transform" else method)
    names = [each for each in spec.args if each != "self"]
    defaults = dict(zip(reversed(spec.args), reversed(spec.defaults or ()), strict=False)) | (spec.kwonlydefaults or {})
    known = sample is not None
    args = [
        _argument(each, defaults, infer(sample) if number == 0 and known else None, known=known)
        for number, each in enumerate(names)
    ]
    args += [_argument(each, defaults, None, known=known, kw_only=True) for each in spec.kwonlyargs]
    returns = _result(name, method, sample) if known else UNSPECIFIED
    return Method(name, tuple(args), returns, spec.varargs, spec.varkw)


def _argument(
    name: str, defaults: dict[str, Any], sample: DataType | None, *, known: bool, kw_only: bool = False
) -> Argument:
    required = name not in defaults
    default = defaults.get(name)
    plain = default if isinstance(default, (bool, int, float, str)) else None
    type_ = sample if sample is not None else _inferred(default) if known and not required else UNSPECIFIED
    return Argument(name, type_, required=required, default=plain, kw_only=kw_only)


def _result(name: str, method: Callable[..., object], sample: object) -> DataType:
    try:
        found = method(sample)
    except Exception as error:
        raise RegistryError(
            f"{name} failed on the sample data: {type(error).__name__}: {str(error)[:300]}",
            "",
            "pass sample data as the model gets it, such as the first rows of the training data",
        ) from error
    return _inferred(found)


def _inferred(value: object) -> DataType:
    """The data type, unspecified where MLEM's vocabulary has none."""
    try:
        return infer(value)
    except RegistryError:
        return UNSPECIFIED
