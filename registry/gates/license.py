"""`license`: every licence that the card of the version's commit names is one of those allowed, letter case aside.

An expression such as `MIT OR Apache-2.0` is one of them only as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator

from registry.card import LICENSE, parse_card
from registry.cardfields import texts
from registry.checks.files import FILE
from registry.checks.listing import about
from registry.findings import Finding
from registry.gates import Case, failed, passed
from registry.policygates import License

_FIX = "name an allowed licence in the card, where it is true, and register a version with it"


def run(gate: License, case: Case) -> Iterator[Finding]:
    """One finding for each licence that is not allowed, or for a card that names none. Raises `RegistryError`."""
    path, file = about(case.name)[0], case.subject.card
    if file is None or file.kind != FILE:
        message = f"there is no card {path}" if file is None else f"{file.path} is {file.kind}"
        yield failed(gate, case, message, f"write one: registry card init {case.name}", path)
        return
    named = [each.text() for each in texts(parse_card(file.data, path).fields.find(LICENSE))]
    allowed = {_plain(each) for each in gate.allowed}
    bad = [each for each in named if _plain(each) not in allowed]
    for each in bad:
        yield failed(gate, case, f"{each[:80]!r} is none of {', '.join(gate.allowed)}", _FIX, path)
    if not named:
        yield failed(gate, case, "the card names no license", _FIX, path)
    elif not bad:
        yield passed(gate, case, ", ".join(named))


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()
