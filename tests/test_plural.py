"""Counts are told as people say them."""

from __future__ import annotations

import pytest

from registry.plural import plural


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("link",), "0 links"),
        (1, ("link",), "1 link"),
        (2, ("link",), "2 links"),
        (1, ("entry", "entries"), "1 entry"),
        (3, ("entry", "entries"), "3 entries"),
    ],
)
def test_one_is_told_otherwise_than_none_and_many(count: int, words: tuple[str, ...], said: str) -> None:
    assert plural(count, *words) == said
