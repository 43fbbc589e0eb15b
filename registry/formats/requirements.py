"""What a model needs, as MLEM writes it down: one entry for each package, with the version that is installed here.

`package_name` stands where the package is named otherwise than its module (`mlem.core.requirements`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from registry.datatypes import Array as ArrayType
from registry.datatypes import DataType, Dict, Items, Table, Tensor
from registry.datatypes import Number as NumberType
from registry.interface import Interface
from registry.metafile import Requirement

_PACKAGES = {"sklearn": "scikit-learn"}
_LIBRARIES = {"ndarray": "numpy", "number": "numpy", "dataframe": "pandas", "series": "pandas", "csr_matrix": "scipy"}


def collect(modules: Iterable[str]) -> tuple[tuple[Requirement, ...], tuple[str, ...]]:
    """The requirements for these top-level modules, and those of them that no installed package provides."""
    found, local = [], []
    for module in sorted(set(modules)):
        if module in sys.stdlib_module_names and module != "__main__":
            continue
        package = _PACKAGES.get(module) or _provider(module)
        version = _version(package) if package else None
        if package is None or version is None:
            local.append(module)
            continue
        found.append(Requirement(module=module, version=version, package_name=package if package != module else None))
    return tuple(found), tuple(local)


def of_interface(interface: Interface) -> set[str]:
    """The modules whose values the methods take or give."""
    found: set[str] = set()
    for method in interface.methods.values():
        for type_ in (method.returns, *(argument.type_ for argument in method.args)):
            found |= _libraries(type_)
    return found


def _libraries(type_: DataType) -> set[str]:
    match type_:
        case Tensor() | Table() | NumberType():
            return {_LIBRARIES[type_.type]} if type_.type in _LIBRARIES else {type_.type}
        case ArrayType():
            return _libraries(type_.dtype)
        case Items():
            return {library for item in type_.items for library in _libraries(item)}
        case Dict():
            return {library for item in type_.item_types.values() for library in _libraries(item)}
        case _:
            return set()


def _provider(module: str) -> str | None:
    """The package that provides a module: mostly of the same name, else looked up among all that are installed."""
    from importlib.metadata import packages_distributions

    if _version(module) is not None:
        return module
    return next(iter(packages_distributions().get(module, ())), None)


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None
