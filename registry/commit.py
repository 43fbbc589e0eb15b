"""A commit's own data, parsed from the object git stores (gitformat: headers, blank line, message)."""

from __future__ import annotations

import re
from typing import NamedTuple

_PERSON = re.compile(r"(.*?) ?<([^<>]*)> ([0-9]{1,12}) ([+-][0-9]{4})")


class Commit(NamedTuple):
    """One commit."""

    oid: str
    tree: str
    author: str
    author_email: str
    committer: str
    committer_email: str
    time: int
    """Committer's time, in seconds since 1970-01-01 UTC."""
    zone: str
    """Committer's time zone as git writes it."""
    message: str


def parse_commit(oid: str, body: bytes) -> Commit | None:
    """Parse a commit object; none where its headers are damaged."""
    head, _, message = body.partition(b"\n\n")
    lines = dict(line.partition(" ")[::2] for line in reversed(head.decode("utf-8", "replace").splitlines()))
    author, committer = (_PERSON.fullmatch(lines.get(key, "")) for key in ("author", "committer"))
    if author is None or committer is None:
        return None
    return Commit(
        oid, lines.get("tree", ""), author[1], author[2], committer[1], committer[2], int(committer[3]), committer[4],
        message.decode("utf-8", "replace"),
    )  # fmt: skip
