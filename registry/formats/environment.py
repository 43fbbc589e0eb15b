"""Whether what is installed here can load a model, told before a byte of it is read.

A metafile pins the exact versions that a model was trained with. Rule (`compatible`, the default), as frameworks
promise it (https://semver.org/spec/v2.0.0.html, items 4 and 8; scikit-learn and MLflow warn where versions differ): a
missing package or another major version, below 1.0 another minor one, is an error; any other difference is one warning
a process. `strict` takes the exact versions only, `ignore` looks at nothing. skops, xgboost, LightGBM, CatBoost, ONNX
and safetensors read what older ones of them wrote: only an older one than the model's is an error.

Nothing that the metafile names is imported: versions come from the metadata of installed packages. `custom` modules,
whose source MLEM puts into the metafile, are looked for by name and never unpacked. System packages are not checked.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from registry.errors import RegistryError
from registry.metafile import Metafile, Requirement

STRICT, COMPATIBLE, IGNORE = MODES = ("strict", "compatible", "ignore")
VARIABLE = "REGISTRY_REQUIREMENTS"
"""The environment variable that says which of `MODES` holds where a call does not."""
OK, OTHER, INCOMPATIBLE, MISSING, UNCHECKED = "ok", "other-version", "incompatible", "missing", "not-checked"
"""Verdicts: as asked for; another version that should do; one that should not; not installed; of no kind known here."""
_READERS = {
    "skops", "xgboost", "xgboost-cpu", "lightgbm", "catboost", "onnx", "onnxruntime", "protobuf", "safetensors",
}  # fmt: skip
"""Packages whose newer versions read what older ones wrote, as they promise, whatever their number says; an older one
may misread what a newer one wrote."""
_NEEDED_BY_IO = {"skops": "skops", "pickle": "dill", "joblib": "joblib"}
"""The module that reads an `io`; MLEM does not write it down."""
_PINNED = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(==[A-Za-z0-9._+!]+)?")


class OtherVersion(UserWarning):
    """A package has another version than the model was trained with, one that should do."""


@dataclass(frozen=True)
class Need:
    """One thing a model needs, and what is here."""

    package: str
    wanted: str | None
    """The version it was trained with, where that is known."""
    installed: str | None
    """The version that is installed; none where it is missing or has no version."""
    verdict: str
    """`ok`, `other-version`, `incompatible`, `missing` or `not-checked`."""
    installable: bool = True
    """Whether pip can install it: false for the author's own modules."""

    def __str__(self) -> str:
        wanted = self.wanted or "any version"
        if self.verdict == MISSING:
            kind = "" if self.installable else "module "
            return f"{kind}{self.package} is missing" + (f" (wanted {wanted})" if self.wanted else "")
        return f"{self.package} is {self.installed or 'of unknown version'}, the model was trained with {wanted}"


_satisfied: set[tuple[object, ...]] = set()
_warned: set[str] = set()
_lock = threading.Lock()


def mode(asked: str | None = None) -> str:
    """The rule that holds: what was asked for, else the environment's, else `compatible`. Raises `RegistryError`."""
    found = asked or os.environ.get(VARIABLE) or COMPATIBLE
    if found not in MODES:
        raise RegistryError(
            f"requirements={found!r} is no rule for installed versions",
            "" if asked else f"environment variable {VARIABLE}",
            f"use one of {', '.join(MODES)}",
        )
    return found


def require(metafile: Metafile, asked: str | None = None) -> None:
    """Raise one `RegistryError` with the `pip install` line where this model would not load here; warn once else."""
    rule = mode(asked)
    key = (rule, *((each.type, each.package, each.version) for each in metafile.requirements), *_ios(metafile))
    if rule == IGNORE or key in _satisfied:  # only a good answer is kept: what is missing may be installed meanwhile
        return
    found = needs(metafile)
    wrong = blocking(found, rule)
    if wrong:
        raise RegistryError(
            f"the model does not load with what is installed: {'; '.join(map(str, wrong))[:1000]}",
            "",
            f"{install(wrong)}; or choose another rule with requirements= or {VARIABLE}",
        )
    for need in found:
        if need.verdict == OTHER:
            _warn(need)
    _satisfied.add(key)


def needs(metafile: Metafile) -> tuple[Need, ...]:
    """Everything a model needs, each once, in the metafile's order, then what reads its files."""
    found = {need.package: need for each in metafile.requirements if (need := _need(each)) is not None}
    for module in _ios(metafile):
        if module not in found:
            found[module] = _installable(Requirement(module=module))
    return tuple(found.values())


def blocking(found: Iterable[Need], rule: str) -> tuple[Need, ...]:
    """Those that keep the model from being loaded under a rule."""
    bad = {STRICT: {MISSING, INCOMPATIBLE, OTHER}, COMPATIBLE: {MISSING, INCOMPATIBLE}, IGNORE: set[str]()}[rule]
    return tuple(need for need in found if need.verdict in bad)


def install(found: Iterable[Need]) -> str:
    """The command that installs these; odd names and versions never reach it."""
    lines = [f"{need.package}=={need.wanted}" if need.wanted else need.package for need in found if need.installable]
    plain = [line for line in lines if _PINNED.fullmatch(line)]
    own = [need.package for need in found if not need.installable]
    said = [f"pip install {' '.join(plain)}"] if plain else []
    if own:
        said.append(f"put the author's own {', '.join(own)[:200]} on the Python path")
    return "; ".join(said) or "install the packages that the model was trained with"


def _ios(metafile: Metafile) -> tuple[str, ...]:
    kinds = dict.fromkeys(each.io for each in metafile.processors.values())
    return tuple(_NEEDED_BY_IO[kind] for kind in kinds if kind in _NEEDED_BY_IO)


def _need(requirement: Requirement) -> Need | None:
    if requirement.type == "installable" and requirement.package:
        return _installable(requirement)
    if requirement.type == "custom":
        return _custom(requirement)
    return Need(
        str(requirement.package or requirement.type)[:80], requirement.version, None, UNCHECKED, installable=False
    )


def _installable(requirement: Requirement) -> Need:
    package = str(requirement.package)[:80]
    installed = _version(package)
    if installed is None and requirement.module and requirement.module != package:
        installed = _version(requirement.module)
    if installed is None:
        return _provided(package, requirement)
    return Need(package, requirement.version, installed, _verdict(package, requirement.version, installed))


def _provided(package: str, requirement: Requirement) -> Need:
    """A package that is not installed under its name: perhaps another one provides the module (`xgboost-cpu`)."""
    module = str(requirement.module or package)
    for other in _providers(tuple((path, _changed(path)) for path in sys.path)).get(module, ()):
        installed = _version(other)
        if installed is not None:
            return Need(package, requirement.version, installed, _verdict(package, requirement.version, installed))
    return Need(package, requirement.version, None, UNCHECKED if _importable(module) else MISSING)


@functools.lru_cache(maxsize=1)
def _providers(_: tuple[tuple[str, int], ...]) -> Mapping[str, Sequence[str]]:
    """Which packages provide a module: read once for many, and again when a folder of the Python path has changed."""
    from importlib.metadata import packages_distributions

    return packages_distributions()


def _changed(path: str) -> int:
    try:
        return os.stat(path or os.curdir).st_mtime_ns  # noqa: PTH116 - an entry need not be a path
    except OSError:
        return 0


def _custom(requirement: Requirement) -> Need | None:
    name = str(requirement.extra.get("name") or "")[:80]
    if name in {"", "__main__"}:
        return None
    return Need(name, None, None, OK if _importable(name) else MISSING, installable=False)


def _importable(module: str) -> bool:
    """Whether a top-level module can be found; it is not imported."""
    from importlib.util import find_spec

    if not module.isidentifier():
        return False
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # blocked, or half imported
        return False


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except (PackageNotFoundError, ValueError):  # ValueError: no name at all
        return None


def _verdict(package: str, wanted: str | None, installed: str) -> str:
    from packaging.version import InvalidVersion, Version

    if wanted is None or wanted == installed:
        return OK
    try:
        asked, have = Version(wanted), Version(installed)
    except InvalidVersion:
        return OTHER
    if asked == have:
        return OK
    if package in _READERS:
        return OK if have > asked else INCOMPATIBLE
    same = (asked.epoch, asked.major) == (have.epoch, have.major)
    return OTHER if same and (asked.major > 0 or asked.minor == have.minor) else INCOMPATIBLE


def _warn(need: Need) -> None:
    said = str(need)
    with _lock:
        if said in _warned:
            return
        _warned.add(said)
    warnings.warn(f"{said}; `registry checkenv` tells more", OtherVersion, stacklevel=6)
