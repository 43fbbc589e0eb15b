"""Whether a LightGBM model's text is whole, before LightGBM's own reader sees it.

That reader reads trees in threads of its own, where what is missing or wrong ends the process, and an index beyond a
tree reads foreign memory. Here every tree must be one: as many numbers as its leaves ask for, children inside it, each
with one parent, features that the model has. Format: `gbdt_model_text.cpp` and `tree.cpp` of LightGBM 3 and 4
(https://github.com/microsoft/LightGBM). Raises `ValueError`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import accumulate

_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_INNER = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "internal_value",
          "internal_weight", "internal_count")  # fmt: skip
_NEEDED = {"split_feature", "threshold", "left_child", "right_child", "leaf_value"}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:nan|inf)", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_OPTION = re.compile(r"\[[A-Za-z0-9_]+: .*\]")
_CATEGORICAL = 1


def require_sound(text: str) -> None:
    """Raise `ValueError` unless the text is a model whose trees hold together."""
    if not text.startswith("tree\n") or "\x00" in text:
        raise ValueError("it does not begin as a LightGBM model")
    head, mark, rest = text.partition("\nTree=0\n")
    header = _fields(head)
    sizes = _whole(header, "tree_sizes")
    body = (mark[1:] + rest).encode("utf-8")
    features = _one(header, "max_feature_idx") + 1
    if features < 1 or len(header["feature_names"].split(" ")) != features:
        raise ValueError("it does not name its features")
    classes, each = _one(header, "num_class"), _one(header, "num_tree_per_iteration")
    if classes < 1 or each < 1 or each > len(sizes) + 1 or len(sizes) % each or classes > max(each, len(sizes)):
        raise ValueError("the number of trees does not fit the classes")
    if any(size < 1 for size in sizes) or sum(sizes) > len(body):
        raise ValueError("it is cut off")
    for number, (end, size) in enumerate(zip(accumulate(sizes), sizes, strict=True)):
        tree = body[end - size : end].decode("utf-8")
        if not tree.startswith(f"Tree={number}\n"):
            raise ValueError(f"tree {number} is not where it is said to be")
        _require_tree(_fields(tree), features)
    tail = body[sum(sizes) :].decode("utf-8").lstrip("\n")
    options, closed, _ = tail.partition("\nparameters:\n")[2].partition("\nend of parameters\n")
    if not tail.startswith("end of trees\n") or not closed:
        raise ValueError("it is cut off")
    if not all(_OPTION.fullmatch(line) for line in options.splitlines() if line):
        raise ValueError("a parameter is no [name: value]")


def _fields(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, mark, value = line.partition("=")
        if mark and key in found:
            raise ValueError(f"{key[:80]!r} stands there twice")
        if mark:
            found[key] = value
    return found


def _require_tree(tree: Mapping[str, str], features: int) -> None:
    leaves, categories = _one(tree, "num_leaves"), _one(tree, "num_cat")
    if leaves < 1 or categories < 0:
        raise ValueError("a tree has no leaves")
    if leaves == 1:
        _numbers(tree, "leaf_value", 1)
        return
    for name in _LEAVES:
        _numbers(tree, name, leaves)
    for name in _INNER:
        _numbers(tree, name, leaves - 1)
    children = [*_whole(tree, "left_child"), *_whole(tree, "right_child")]
    if len(set(children)) != len(children) or not all(-leaves <= child <= leaves - 2 and child for child in children):
        raise ValueError("the nodes are no tree")
    if not all(0 <= feature < features for feature in _whole(tree, "split_feature")):
        raise ValueError("a feature is out of range")
    _require_categories(tree, leaves, categories)
    if tree.get("is_linear", "0") != "0":
        _require_linear(tree, leaves, features)


def _require_categories(tree: Mapping[str, str], leaves: int, categories: int) -> None:
    kinds = _whole(tree, "decision_type") if "decision_type" in tree else [0] * (leaves - 1)
    chosen = [float(place) for kind, place in zip(kinds, tree["threshold"].split(), strict=True) if kind & _CATEGORICAL]
    if not all(place.is_integer() and 0 <= place < categories for place in chosen):
        raise ValueError("a category is out of range")
    if categories:
        bounds = _whole(tree, "cat_boundaries")
        if len(bounds) != categories + 1 or bounds[0] or sorted(bounds) != bounds:
            raise ValueError("categories are out of range")
        _numbers(tree, "cat_threshold", bounds[-1], needed=True)


def _require_linear(tree: Mapping[str, str], leaves: int, features: int) -> None:
    _numbers(tree, "leaf_const", leaves, needed=True)
    counts = _whole(tree, "num_features")
    if len(counts) != leaves or min(counts) < 0:
        raise ValueError("a linear leaf has no number of features")
    _numbers(tree, "leaf_coeff", sum(counts), needed=True)
    _numbers(tree, "leaf_features", sum(counts), needed=True)
    if not all(0 <= feature < features for feature in _whole(tree, "leaf_features")):
        raise ValueError("a feature is out of range")


def _numbers(fields: Mapping[str, str], name: str, count: int, *, needed: bool = False) -> None:
    """Raise `ValueError` unless a field, where it is there or needed, holds so many numbers."""
    if name not in fields:
        if needed or name in _NEEDED:
            raise ValueError(f"{name} is missing")
        return
    found = fields[name].split()
    if len(found) != count or not all(_NUMBER.fullmatch(each) for each in found):
        raise ValueError(f"{name} does not hold {count} numbers")


def _whole(fields: Mapping[str, str], name: str) -> list[int]:
    if name not in fields:
        raise ValueError(f"{name} is missing")
    found = fields[name].split()
    if not all(_WHOLE.fullmatch(each) for each in found):
        raise ValueError(f"{name} holds no whole numbers")
    return [int(each) for each in found]


def _one(fields: Mapping[str, str], name: str) -> int:
    found = _whole(fields, name)
    if len(found) != 1:
        raise ValueError(f"{name} is no number")
    return found[0]
