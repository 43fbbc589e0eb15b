"""`model-card`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.card import LICENSE, Card, lacking, parse_card
from registry.cardfields import faults, texts
from registry.checks.files import FILE
from registry.checks.licenses import OTHER, UNKNOWN, is_license
from registry.checks.listing import about
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject, line_of, said
from registry.document import Place
from registry.errors import RegistryError
from registry.findings import Finding
from registry.policy import OFF


class ModelCard:
    """Numbers do not say what a model is for; people do, and a reviewer reads it beside the link."""

    id = "model-card"
    sentence = "Every artifact has a card cards/NAME.md that says what the policy requires."
    severity = OFF
    remedy = "write it into the card, in the same pull request"

    def run(self, subject: Subject) -> Iterator[Finding]:
        """One finding for each thing that the card lacks. Raises `Unjudged`."""
        if subject.name is None:
            raise Unjudged("no artifact has its link at this path: see name-valid")
        path, file = about(subject.name)[0], subject.card
        if file is None:
            fix = f"write one: registry card init {subject.name}"
            yield subject.finding(self, f"the artifact has no card {path}", fix)
            return
        if file.kind != FILE:
            message = f"{file.path} is {file.kind}, expected the card {path}"
            yield self._told(subject, file.path, message, "make it a plain file")
            return
        try:
            card = parse_card(file.data, path)
        except RegistryError as error:
            yield self._told(subject, path, said(error), error.fix, line_of(error))
            return
        required = subject.policy.card.required
        for fault in faults(card.fields):
            yield self._told(subject, path, f"front matter: {said(fault)}", fault.fix, line_of(fault))
        for message, line in _licenses(card, required=LICENSE in required):
            fix = "name it by its identifier at https://spdx.org/licenses/, such as apache-2.0"
            yield self._told(subject, path, message, fix, line)
        for lack in lacking(card, required):
            yield self._told(subject, path, lack.message, self.remedy, lack.line)

    def _told(self, subject: Subject, path: str, message: str, fix: str, line: int | None = None) -> Finding:
        return Finding(self.id, self.severity, message, fix, subject.name, path, line)


def _licenses(card: Card, *, required: bool) -> Iterator[tuple[str, int | None]]:
    """What is wrong with the licence, beyond its type, with the line."""
    place = card.fields.find(LICENSE)
    try:
        named = texts(place)
    except RegistryError:
        return  # a fault of the front matter, told as one
    if required and all(each.text() == UNKNOWN for each in named):
        yield "the card names no license", _line(named[0]) if named else None
    for each in named:
        text = each.text()
        if text == OTHER and not all(card.fields.find(key) for key in ("license_name", "license_link")):
            yield "license: other needs license_name and license_link", _line(each)
        elif text != UNKNOWN and not is_license(text):
            yield f"{text[:80]!r} is no license that SPDX or Hugging Face knows", _line(each)


def _line(place: Place) -> int | None:
    return getattr(place.value, "line", None)
