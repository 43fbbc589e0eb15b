"""Whether the bytes of an xgboost model are whole, before xgboost's own reader sees them.

That reader trusts what it reads: nesting without end overflows its stack, an index beyond a tree reads foreign memory,
and either ends the process. Here the document is decoded in Python, and every tree must be one: arrays of one length,
children inside it, each with one parent, features that the model has. Format:
https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html, UBJSON Draft 12 (https://ubjson.org) as xgboost
writes it. Raises `ValueError` (or what `json`, `struct` and Python raise for bytes that are no document).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_NUMBERS = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_SCALARS: dict[bytes, Any] = {b"Z": None, b"N": None, b"T": True, b"F": False}
_DEPTH = 64
_NO_PARENT = 2**31 - 1
_NODES = ("parents", "split_indices", "split_conditions", "default_left")


def require_sound(data: bytes) -> None:
    """Raise `ValueError` unless the bytes are a model whose trees hold together."""
    if data[:1] != b"{":
        raise ValueError("neither JSON nor UBJSON")
    document = decode(data) if data[1:2] in _NUMBERS or data[1:2] == b"}" else _json(data)
    learner = _part(document, "learner")
    booster = _part(learner, "gradient_booster")
    features = int(_part(learner, "learner_model_param")["num_feature"])
    if booster.get("name") == "gblinear":
        return
    model = _part(booster["gbtree"] if booster.get("name") == "dart" else booster, "model")
    trees = model["trees"]
    if len(trees) != len(model["tree_info"]) or len(trees) != int(_part(model, "gbtree_model_param")["num_trees"]):
        raise ValueError("the number of trees is not the one it names")
    says = _part(learner, "learner_model_param")
    groups = max(1, int(says.get("num_class", 0)), int(says.get("num_target", 1)))
    _within(model["tree_info"], 0, groups, "tree_info")
    for tree in trees:
        _require_tree(tree, features)


def decode(data: bytes) -> Any:
    """A UBJSON document as Python values, typed arrays as numpy's."""
    reader = _Reader(data)
    found = reader.value(reader.take(1), 0)
    if reader.at != len(data):
        raise ValueError("bytes follow the document")
    return found


class _Reader:
    """A place in the bytes; `take` never gives less than was asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)
        self.at = 0

    def take(self, count: int) -> bytes:
        if count < 0 or count > len(self.data) - self.at:
            raise ValueError(f"cut off: {count} bytes are named, {len(self.data) - self.at} are left")
        self.at += count
        return bytes(self.data[self.at - count : self.at])

    def number(self, mark: bytes) -> Any:
        size = int(_NUMBERS[mark][2:])
        form = _NUMBERS[mark][1]
        if form == "f":
            return struct.unpack(">f" if size == 4 else ">d", self.take(size))[0]  # noqa: PLR2004 - bytes of a float
        return int.from_bytes(self.take(size), "big", signed=form == "i")

    def text(self) -> str:
        mark = self.take(1)
        if mark not in _NUMBERS or mark in {b"d", b"D"}:
            raise ValueError(f"expected a length, found {mark!r}")
        return self.take(self.number(mark)).decode("utf-8")

    def value(self, mark: bytes, depth: int) -> Any:
        if depth > _DEPTH:
            raise ValueError(f"nested more than {_DEPTH} deep")
        if mark in _NUMBERS:
            return self.number(mark)
        if mark in _SCALARS:
            return _SCALARS[mark]
        match mark:
            case b"S":
                return self.text()
            case b"{":
                return self.mapping(depth)
            case b"[":
                return self.array(depth)
            case _:
                raise ValueError(f"unknown mark {mark!r}")

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while bytes(self.data[self.at : self.at + 1]) != b"}":
            key = self.text()
            if key in found:
                raise ValueError(f"{key[:80]!r} stands there twice")
            found[key] = self.value(self.take(1), depth + 1)
        self.take(1)
        return found

    def array(self, depth: int) -> Sequence[Any]:
        mark = self.take(1)
        if mark == b"$":
            return self.typed()
        if mark == b"#":
            count = self.number(self.take(1))
            if count > len(self.data) - self.at:
                raise ValueError(f"cut off: an array of {count} elements")
            return [self.value(self.take(1), depth + 1) for _ in range(count)]
        found = []
        while mark != b"]":
            found.append(self.value(mark, depth + 1))
            mark = self.take(1)
        return found

    def typed(self) -> Sequence[Any]:
        import numpy as np

        mark = self.take(1)
        if mark not in _NUMBERS or self.take(1) != b"#":
            raise ValueError("an array of unknown type")
        dtype = np.dtype(_NUMBERS[mark])
        return np.frombuffer(self.take(self.number(self.take(1)) * dtype.itemsize), dtype)  # type: ignore[return-value] # the type of the numbers is known to the file alone


def _json(data: bytes) -> Any:
    return json.loads(data, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _part(document: Any, key: str) -> dict[str, Any]:
    found = document[key]
    if not isinstance(found, dict):
        raise ValueError(f"{key} is no object")  # noqa: TRY004 - what is wrong are the bytes, not an argument
    return found


def _require_tree(tree: Mapping[str, Any], features: int) -> None:
    import numpy as np

    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    count = len(left)
    if count == 0 or int(tree["tree_param"]["num_nodes"]) != count:
        raise ValueError(f"a tree of {count} nodes names another number")
    if any(len(tree[name]) != count for name in ("right_children", *_NODES)):
        raise ValueError("the parts of a tree have several lengths")
    targets = max(1, int(tree["tree_param"].get("size_leaf_vector", 1)))
    if len(tree["base_weights"]) not in {count, count * targets}:
        raise ValueError("the weights of a tree are not as many as its nodes")
    if targets > 1 and "leaf_weights" in tree:  # a leaf of several numbers names its place among them on the right
        places = right[left == -1]
        _within(places[places != -1], 0, len(tree["leaf_weights"]) // targets, "a leaf")
        right = np.where(left == -1, -1, right)
    if bool(((left == -1) != (right == -1)).any()):
        raise ValueError("a node has one child")
    children = np.concatenate([left[left != -1], right[right != -1]])
    _within(children, 1, count, "a child")
    if len(np.unique(children)) != len(children):
        raise ValueError("a node has two parents")
    nodes, parents = np.arange(count), np.asarray(tree["parents"])
    if any(bool((parents[side[side != -1]] != nodes[side != -1]).any()) for side in (left, right)):
        raise ValueError("a child names another parent")
    lone = np.delete(parents, children)
    _within(lone[(lone != _NO_PARENT) & (lone != -1)], 0, count, "a parent")
    _within(np.asarray(tree["split_indices"])[left != -1], 0, features, "a feature")
    _require_categories(tree, count)


def _require_categories(tree: Mapping[str, Any], count: int) -> None:
    import numpy as np

    nodes, starts, sizes = (
        np.asarray(tree.get(name, ()), dtype="int64")
        for name in ("categories_nodes", "categories_segments", "categories_sizes")
    )
    kept = len(tree.get("categories", ()))
    if len(nodes) != len(starts) or len(nodes) != len(sizes):
        raise ValueError("the categories of a tree have several lengths")
    _within(nodes, 0, count, "a node of categories")
    _within(starts, 0, kept + 1, "categories")
    _within(sizes, 0, kept + 1, "categories")
    _within(starts + sizes, 0, kept + 1, "categories")


def _within(values: Iterable[Any], least: int, beyond: int, what: str) -> None:
    import numpy as np

    found = np.asarray(values)
    if len(found) and (int(found.min()) < least or int(found.max()) >= beyond):
        raise ValueError(f"{what} is out of range")
