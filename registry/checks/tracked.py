"""What an MLflow tracking server offers to one link: a run, or a version, that is still there and still the same."""

from __future__ import annotations

from threading import Event

from registry.checks.offer import Offer
from registry.errors import NotFound, Refused, RegistryError


class TrackedOffer(Offer):
    """One run's or version's artifacts. The server is asked for the run first, then for the list of files."""

    def ask(self, complete: Event) -> None:
        """Ask for all that the checks will look at. Raises nothing."""
        complete.wait()
        self._gather()
        for place in self._places:
            commit, _ = place
            try:
                self.source.bring(commit)
            except (NotFound, Refused) as error:
                self._absent[commit] = error
                continue
            except RegistryError as error:
                self.error = error
                return
            try:
                self._models[place] = self._read(self.source, *place)
            except RegistryError as error:
                self._models[place] = error
        self._certify()

    def reaches(self, commit: str) -> bool:  # noqa: ARG002 - what is not absent is of this run
        """Whether the run is there; a commit that it names is for people to read."""
        return True
