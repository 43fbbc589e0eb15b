"""Text from a repository or a server for a terminal. Takes text, returns text."""

from __future__ import annotations


def one_line(text: str) -> str:
    """One line that steers no terminal and no spreadsheet: what cannot be printed is escaped, as Python writes it."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def lines(text: str) -> str:
    """The same of a text of several lines, which stay so."""
    return "\n".join(map(one_line, text.split("\n")))
