"""Which types of scikit-learn, numpy and scipy are trusted in a pinned skops file.

skops names the types a file needs beyond its own short list (trees, boosting, neighbours, networks among them). Loading
a skops file creates instances, restores their state and may call a named type or function with arguments from the
file, so a name is trusted only when none of that can do more than hold numbers:

- its module is in a part of the three packages that holds estimators or containers of numbers. Left out: tests, I/O and
  downloads (`sklearn.datasets`, `numpy.lib`, `scipy.io`), compilers (`numpy.f2py`), bundled foreign code (`externals`,
  `_lib`), and `scipy.stats`, whose distributions run a source text from their state (`exec` in `rv_generic`);
- it is a class defined there without a `__del__` (`numpy.DataSource` deletes a folder) that opens no file
  (`numpy.memmap`), or a numpy ufunc, or a function of scikit-learn's that scores, scales
  or clusters, or a plain reduction such as `numpy.mean`.

Everything else needs `formats.skops_trusted` in the policy. Source: https://skops.readthedocs.io/en/stable/persistence.html
"""

from __future__ import annotations

from collections.abc import Iterable

POLICY_KEY = "formats.skops_trusted"
_PARTS = {
    "numpy": {"", "core", "_core", "dtypes", "ma", "matrixlib", "polynomial", "random", "rec"},
    "scipy": {"interpolate", "optimize", "sparse", "spatial", "special"},
}
_NEVER = {"datasets", "externals", "tests", "conftest", "_build_utils", "_distributor_init"}
_NEVER_INNER = {"tests", "testing", "_testing", "_mocking", "estimator_checks", "__main__", "conftest", "externals"}
_FUNCTIONS = {"cluster", "feature_selection", "gaussian_process", "metrics", "preprocessing"}

_REDUCTIONS = {f"numpy.{name}" for name in ("mean", "median", "max", "min", "sum", "amax", "amin")}
_ALONE = _REDUCTIONS | {"scipy._lib.array_api_compat.numpy._aliases.asarray"}
"""Functions that scikit-learn's own estimators hold by default: FeatureAgglomeration, SplineTransformer."""


def untrusted(names: Iterable[str], admitted: Iterable[str]) -> tuple[str, ...]:
    """Those of the types a skops file names that neither the rules above nor the policy's list trust."""
    listed = set(admitted)
    return tuple(sorted(name for name in names if name not in listed and not is_trusted(name)))


def is_trusted(name: str) -> bool:
    """Whether a dotted name is a trusted type; modules are imported only inside the allowed parts."""
    if name in _ALONE:
        return True
    module, _, attribute = name.rpartition(".")
    package, *inner = module.split(".")
    part = inner[0] if inner else ""
    allowed = part not in {"", *_NEVER} if package == "sklearn" else part in _PARTS.get(package, ())
    if not allowed or not _NEVER_INNER.isdisjoint(inner) or not all(step.isidentifier() for step in inner):
        return False
    return _is_harmless(module, attribute, package, part)


def _is_harmless(module: str, attribute: str, package: str, part: str) -> bool:
    from importlib import import_module

    import numpy as np

    try:
        found = getattr(import_module(module), attribute)
    except Exception:  # noqa: BLE001 - whatever a module of another version does at import, its name is not trusted
        return False
    if isinstance(found, np.ufunc):
        return package in {"numpy", "scipy"}
    if str(getattr(found, "__module__", "")).partition(".")[0] != package:
        return False
    if isinstance(found, type):
        return not hasattr(found, "__del__") and not issubclass(found, np.memmap)
    return callable(found) and package == "sklearn" and part in _FUNCTIONS
