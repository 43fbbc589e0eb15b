"""Whether a value is of the data type that an interface records, and the value in exactly that type.

Rule: what `registry.substitution` lets an input widen to is taken and converted, so that the model sees what its
interface says; nothing is taken that would lose a value (`registry.formats.conversion`). A `csr_matrix` carries its
sample's row count, which is no promise. Results are never converted, and the length of a list of results is no promise
either: MLEM records that of the sample's. Types of other frameworks (DMatrix, Dataset, TensorFlow) and types that are
not recorded are passed on unseen. A library is asked only where it is already imported: a value of it cannot exist
otherwise.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

from registry.datatypes import (
    Array,
    Binary,
    DataType,
    Dict,
    DMatrix,
    DynamicDict,
    Items,
    LightGBM,
    Number,
    Opaque,
    Primitive,
    Table,
    Tensor,
    Unspecified,
    describe,
)
from registry.formats.conversion import converted, narrower
from registry.formats.frames import table
from registry.formats.unfit import PRIMITIVES, Fit, Unfit, fail, seen

_TEXT = re.compile(r"(str|bytes)[0-9]*")
_ENOUGH = 32
"""After so many faults the rest of a list is not looked at."""
_STRICT = Fit()


def fit(type_: DataType, value: Any, how: Fit = _STRICT) -> Any:
    """The value in exactly the type `type_`, the very object where it is already; raises `Unfit`."""
    return _BY_TYPE[type(type_)](type_, value, how)


def _as_it_is(_type: DataType, value: Any, _how: Fit) -> Any:
    return value


def _primitive(type_: Primitive, value: Any, _how: Fit) -> Any:
    kind = PRIMITIVES.get(type_.ptype)
    if kind is None or type(value) is kind or (isinstance(value, kind) and kind is not int):
        return value
    if type(value).__name__ in PRIMITIVES and narrower(Primitive(type(value).__name__), type_):
        return value
    return fail("", type_.ptype, seen(value))


def _binary(_type: Binary, value: Any, _how: Fit) -> Any:
    return value if isinstance(value, (bytes, bytearray, memoryview)) else fail("", "bytes", seen(value))


def _number(type_: Number, value: Any, how: Fit) -> Any:
    """A numpy scalar; Python's own numbers are numbers too."""
    own = type(value) in {int, float, bool, complex}
    if not own and "numpy" not in sys.modules:
        fail("", describe(type_), seen(value))
    import numpy as np

    if not own and not isinstance(value, (np.number, np.bool_)):
        fail("", describe(type_), seen(value))
    found = np.asarray(value)
    if found.dtype.name == type_.dtype:
        return found[()] if own and not how.result else value
    if how.result:
        fail("", describe(type_), seen(value))
    return converted(found, found.dtype.name, type_.dtype, "")[()]


def _array(type_: Array, value: Any, how: Fit) -> Any:
    if not isinstance(value, list):
        fail("", describe(type_), seen(value))
    if type_.size not in {None, len(value)} and how.rows:
        fail("length", str(type_.size), str(len(value)))
    kind = PRIMITIVES.get(type_.dtype.ptype) if isinstance(type_.dtype, Primitive) else None
    if kind is not None and set(map(type, value)) <= {kind}:
        return value
    found = _each(((f"item {number}", type_.dtype, item) for number, item in enumerate(value)), how.inside())
    return _same_or(value, found)


def _items(type_: Items, value: Any, how: Fit) -> Any:
    made = tuple if type_.type == "tuple" else list
    if not isinstance(value, made):
        fail("", describe(type_), seen(value))
    if not how.rows and made is list and type_.items and all(item == type_.items[0] for item in type_.items):
        return _array(Array(type_.items[0]), value, how)  # a list of one row is recorded item by item
    if len(value) != len(type_.items):
        fail("length", str(len(type_.items)), str(len(value)))
    pairs = zip(type_.items, value, strict=True)
    found = _each(
        ((f"item {number}", *pair) for number, pair in enumerate(pairs)), how if made is tuple else how.inside()
    )
    return _same_or(value, found if made is list else tuple(found))


def _dict(type_: Dict, value: Any, how: Fit) -> Any:
    if not isinstance(value, dict):
        fail("", describe(type_), seen(value))
    types = type_.item_types
    steps = [(f"key {key!r}", describe(kind), "no such key") for key, kind in types.items() if key not in value]
    steps += [(f"key {str(key)[:80]!r}", "no such key", "this key") for key in value if key not in types]
    if steps:
        raise Unfit(*steps)
    found = _each(((f"key {key!r}", kind, value[key]) for key, kind in types.items()), how)
    changed = dict(zip(types, found, strict=True))
    return value if all(changed[key] is value[key] for key in types) else changed


def _dynamic(type_: DynamicDict, value: Any, how: Fit) -> Any:
    if not isinstance(value, dict):
        fail("", describe(type_), seen(value))
    keys = _each(((f"key {str(key)[:80]!r}", type_.key_type, key) for key in value), how)
    held = _each(((f"key {str(key)[:80]!r}", type_.value_type, item) for key, item in value.items()), how)
    return dict(zip(keys, held, strict=True))


def _each(parts: Iterable[tuple[str, DataType, Any]], how: Fit) -> list[Any]:
    """Each part in its type; raises one `Unfit` for all that are not."""
    found: list[Any] = []
    steps: list[tuple[str, str, str]] = []
    for place, kind, item in parts:
        try:
            found.append(fit(kind, item, how))
        except Unfit as unfit:
            steps.extend((", ".join(filter(None, (place, at))), one, two) for at, one, two in unfit.steps)
            if len(steps) > _ENOUGH:
                break
    if steps:
        raise Unfit(*steps)
    return found


def _same_or(value: Any, found: Any) -> Any:
    """The very object that was given where nothing had to be converted."""
    same = type(value) is type(found) and all(one is two for one, two in zip(value, found, strict=True))
    return value if same else found


def _tensor(type_: Tensor, value: Any, how: Fit) -> Any:
    if type_.type not in _LIBRARIES:
        return value
    if not _is_tensor(type_.type, value):
        fail("", describe(type_), seen(value))
    dtype = str(value.dtype).removeprefix("torch.") if type_.type == "torch" else value.dtype.name
    shape = tuple(value.shape)
    if type_.shape is not None and not _same_shape(type_, type_.shape, shape):
        fail("", describe(type_), describe(Tensor(type_.type, shape, dtype)))
    if dtype == type_.dtype:
        return value
    texts = _TEXT.fullmatch(dtype), _TEXT.fullmatch(type_.dtype)
    if texts[0] and texts[1] and texts[0][1] == texts[1][1]:  # the number is that of the longest text
        return value
    if how.result:
        fail("dtype", type_.dtype, dtype)
    return converted(value, dtype, type_.dtype, "dtype")


_LIBRARIES = {"ndarray": ("numpy", "ndarray"), "torch": ("torch", "Tensor"), "csr_matrix": ("scipy.sparse", "")}


def _is_tensor(kind: str, value: Any) -> bool:
    module, name = _LIBRARIES[kind]
    library = sys.modules.get(module)
    if library is None:
        return False
    return isinstance(value, getattr(library, name)) if name else bool(library.issparse(value))


def _same_shape(type_: Tensor, wanted: tuple[int | None, ...], have: tuple[int, ...]) -> bool:
    rows = type_.type == "csr_matrix"
    return len(wanted) == len(have) and all(
        one is None or one == two for one, two in zip(wanted[rows:], have[rows:], strict=True)
    )


_BY_TYPE: dict[type, Callable[[Any, Any, Fit], Any]] = {
    Unspecified: _as_it_is,
    Opaque: _as_it_is,
    DMatrix: _as_it_is,
    LightGBM: _as_it_is,
    Binary: _binary,
    Primitive: _primitive,
    Number: _number,
    Array: _array,
    Items: _items,
    Dict: _dict,
    DynamicDict: _dynamic,
    Tensor: _tensor,
    Table: table,
}
