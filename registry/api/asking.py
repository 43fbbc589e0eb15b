"""Asking the sources of links: each once for all links that name it, while further links are still read.

Beyond its branches and tags a source is asked for nothing before it is known which of its links are to be judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from threading import Event
from typing import TYPE_CHECKING

from registry.api.links import link_source
from registry.api.project import Project
from registry.checks.offer import Collect, Expected, Offer
from registry.checks.subject import Subject
from registry.checks.tracked import TrackedOffer
from registry.errors import RegistryError
from registry.git.source import Source
from registry.policy import OFF
from registry.stores import source_of
from registry.stores.model import Model
from registry.urls import Address

if TYPE_CHECKING:
    from registry.lineage import Certificate

Settles = Callable[[Subject, Source], bool]
"""Whether a link needs not be judged, by what it is and what the refs of its source are."""


class Asking:
    """The sources of one registry's links, asked side by side."""

    def __init__(self, project: Project, pool: Executor) -> None:
        self._project = project
        self._pool = pool
        self._offers: dict[str, Offer] = {}
        self._addresses: dict[str, Address] = {}
        self._asked: dict[Offer, Future[None]] = {}
        self._settles: Settles = _never
        self._complete = Event()

    def begin(self, subjects: Iterable[Subject]) -> list[Subject]:
        """Open the sources of all pinned links, and have each tell its refs; the links."""
        kept = []
        for subject in subjects:
            kept.append(subject)
            offer = self._offer(subject)
            if offer is not None and offer not in self._asked:
                self._asked[offer] = self._pool.submit(offer.ask, self._complete)
        return kept

    def go_on(self, settles: Settles) -> None:
        """Have them asked for all the rest, but for what only links need that `settles` says are settled."""
        self._settles = settles
        self._complete.set()

    def wait(self) -> None:
        """Return once all were asked."""
        for each in self._asked.values():
            each.result()

    def waited(self, subject: Subject) -> Subject:
        """The link, once its source was asked."""
        if isinstance(subject.opened, Offer):
            self._asked[subject.opened].result()
        return subject

    def stop(self) -> None:
        """Leave it: what was not begun is not asked any more."""
        self._complete.set()
        self._pool.shutdown(cancel_futures=True)

    def _offer(self, subject: Subject) -> Offer | None:
        return offer_of(self._project, subject, self._offers, self._settled, self._addresses)

    def _settled(self, subject: Subject, source: Source) -> bool:
        subject.settled = self._settles(subject, source)
        return subject.settled


def open_source(project: Project, subject: Subject) -> None:
    """Ask the source of one link, which its policy trusts, now. Raises nothing: what fails stands in `opened`."""
    offer = offer_of(project, subject, {}, _never, {})
    if offer is not None:
        complete = Event()
        complete.set()
        offer.ask(complete)


def _never(_subject: Subject, _source: Source) -> bool:
    return False


def offer_of(
    project: Project, subject: Subject, known: dict[str, Offer], settled: Settles, addresses: dict[str, Address]
) -> Offer | None:
    """The source of a pinned link, opened where it is not `known` yet, and told what the link needs."""
    link, pins = subject.parsed, subject.pinned
    if isinstance(link, RegistryError) or link.project is None:
        return None
    address = addresses.get(link.project)
    if address is None:
        try:
            address = link_source(link, project, subject.file.path, subject.policy)
        except RegistryError as error:
            subject.opened = error
            return None
        addresses[link.project] = address
    if pins is None:
        return None
    key = f"{address.text} {link.path}" if address.tracked else address.text
    if key not in known:
        made = TrackedOffer if address.tracked else Offer
        known[key] = made(source_of(address, link.path), _read)
    subject.opened = offer = known[key]
    source = offer.source
    offer.expect(
        subject.file.path,
        Expected(
            (pins.commit, link.path),
            pins,
            lambda: _beside(subject, pins.commit),
            _collector(subject, source),
            lambda: settled(subject, source),
        ),
    )
    return offer


def _collector(subject: Subject, source: Source) -> Collect | None:
    """Makes the birth certificate anew while the source's objects are at hand, where there is one to compare."""
    file, pins, said = subject.lineage, subject.pins, subject.address
    if file is None or not file.plain or subject.policy.checks.get("lineage-complete") == OFF:
        return None

    def collected(model: Model) -> Certificate:
        from registry.provenance import collect

        return collect(source, pins.commit, model, project=said, revision=pins.rev, policy=subject.policy)

    return collected


def _beside(subject: Subject, commit: str) -> set[str]:
    """The files that a link's birth certificate was read from, so that they come with the first request."""
    if subject.lineage is None or subject.policy.checks.get("lineage-complete") == OFF:
        return set()
    from registry.lineage import parse as parse_certificate

    try:
        found = parse_certificate(subject.lineage.data, subject.lineage.path)
    except RegistryError:
        return set()  # told by lineage-complete
    blobs = {fact.blob for facts in found.facts.values() for fact in facts.values()}
    return blobs - {"", commit} if found.commit == commit else set()


def _read(source: Source, commit: str, path: str) -> Model:
    from registry.api.modelreading import read_model  # what reads models is imported while their sources are asked

    return read_model(source, commit, path)
