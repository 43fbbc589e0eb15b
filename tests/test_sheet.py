"""Tables of what others wrote: no spreadsheet computes them, no document renders them, no page obeys them."""

from __future__ import annotations

import csv
import io
import re
from contextlib import suppress
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from registry.errors import RegistryError
from registry.moments import parse_days, parse_moment
from registry.render.sheet import Sheet, as_csv, as_html, as_markdown, as_text, inert

HOSTILE = (
    "=1+1",
    '=HYPERLINK("https://evil.example","x")',
    "+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "a;=1+1",
    'a",=1+1,"',
    "a\n=1",
    " =1",
    "\uff1d1",
    "x,@y",
    "<script>alert(1)</script>",
    "[x](https://evil.example)",
    "a|b",
    "`x`",
    "\x1b[2J",
    "\udcff",
)
texts = st.text(max_size=40) | st.sampled_from(HOSTILE) | st.text("=+-@,;|\t\n\r \"'a1\uff1d", max_size=12)
rows = st.lists(st.lists(texts, min_size=3, max_size=3), max_size=5)
COLUMNS = ("one", "two", "three")
ELEMENTS = ("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "th", "td")


@given(rows)
def test_no_cell_of_a_csv_begins_a_formula_wherever_a_locale_ends_cells(found: list[list[str]]) -> None:
    text = as_csv(COLUMNS, found)
    read = list(csv.reader(io.StringIO(text)))
    assert [len(row) for row in read] == [3] * (len(found) + 1), "what was written is one row, and three cells of it"
    assert all(cell.isprintable() for row in read for cell in row)
    for end in ",;|\t\n":
        for part in text.replace("\r\n", "\n").split(end):
            bare = part.strip().strip('"').strip()
            assert bare[:1] not in set("=+-@\uff1d\uff0b\uff0d\uff20"), f"with {end!r} between cells"


@given(st.text("abc =+-@1,;", max_size=20))
def test_a_cell_reads_back_but_for_the_apostrophes_that_were_put_in(text: str) -> None:
    assert inert(text).replace("'", "") == text


def test_honest_cells_are_left_alone() -> None:
    for text in ("2026-03-01T12:00:00Z", "Dana <dana@example.org>", "m#prod#1", "v1.0.0-rc.1", "kpi, cost", "0" * 40):
        assert inert(text) == text


class _Tags(HTMLParser):
    """Collects every element of a page, and the text of its cells."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.cells: list[str] = []
        self._in = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert tag in {"meta", "html"} or not attrs, f"<{tag} {attrs}> was smuggled in"
        if tag == "td":
            self.cells.append("")
            self._in = True

    def handle_endtag(self, tag: str) -> None:
        self._in = self._in and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._in:
            self.cells[-1] += data


@given(rows, texts)
def test_a_page_has_the_elements_it_was_made_with_and_no_other(found: list[list[str]], title: str) -> None:
    page = as_html(title, [Sheet(title, COLUMNS, found, [title])])
    tags = _Tags()
    tags.feed(page)
    assert set(tags.seen) <= set(ELEMENTS)
    assert len(tags.cells) == 3 * len(found)
    for cell, meant in zip(tags.cells, (each for row in found for each in row), strict=True):
        assert not meant.isprintable() or cell == meant
    page.encode()


@given(rows, texts)
def test_markdown_renders_as_the_same_table_and_nothing_else(found: list[list[str]], title: str) -> None:
    text = as_markdown(title, [Sheet("s", COLUMNS, found)])
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    kinds = {child.type for token in tokens for child in token.children or ()} | {token.type for token in tokens}
    allowed = "heading_open heading_close inline text text_special softbreak paragraph_open paragraph_close"
    assert {kind for kind in kinds if not re.match("table|t[rdh]_|t(head|body)_", kind)} <= set(allowed.split())
    assert sum(token.type == "td_open" for token in tokens) == 3 * len(found)


@given(rows)
def test_a_terminal_gets_one_line_a_row_and_no_control_characters(found: list[list[str]]) -> None:
    text = as_text([Sheet("", COLUMNS, found, empty="none")])
    assert all(line.isprintable() for line in text.split("\n"))
    assert len(text.split("\n")) == (len(found) + 2 if found else 1)


NOW = 1_772_366_400  # 2026-03-01T12:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-03-01T12:00Z", NOW),
        ("2026-03-01T12:00", NOW),
        ("2026-03-01 12:00:00", NOW),
        ("2026-03-01T12:00:00.123Z", NOW),
        ("2026-03-01T13:00+01:00", NOW),
        ("2026-03-01T08:30-0330", NOW),
        ("2026-03-01t12:00z", NOW),
        ("2026-03-01", NOW - 43_200),
        ("7d", NOW - 7 * 86_400),
        ("90m", NOW - 5_400),
        ("0d", NOW),
        ("0001-01-01", -62_135_596_800),
        ("9999-12-31T23:59:59-23:59", 253_402_300_799 + 86_340),
    ],
)
def test_moments_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert parse_moment(text, NOW) == seconds


def test_a_date_that_ends_something_includes_its_whole_day() -> None:
    assert parse_moment("2026-03-01", NOW, end=True) == NOW + 43_199
    assert parse_moment("2026-03-01T12:00Z", NOW, end=True) == NOW
    assert parse_moment("7d", NOW, end=True) == NOW - 7 * 86_400


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-02-30", "2026-3-1", "2026-03-01T25:00", "2026-03-01T12:00+24:00", "2026-03-01T12:00+01:75",
     "2026-W09", "20260301", "-7d", "7y", "\u0667d", "1e3", "2026-03-01T12:00Z\n", "0000-01-01", "2026-03-01Z"],
)  # fmt: skip
def test_whatever_else_is_typed_is_named_with_an_example(text: str) -> None:
    with pytest.raises(RegistryError, match="not a moment"):
        parse_moment(text, NOW)
    with pytest.raises(RegistryError, match="not a length of time"):
        parse_days(text)


@given(
    st.text(max_size=20)
    | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}([+-][0-9]{2}:[0-9]{2})?)?", fullmatch=True)
)
def test_no_text_makes_a_moment_fail_otherwise(text: str) -> None:
    with suppress(RegistryError):
        assert isinstance(parse_moment(text, NOW), int)
