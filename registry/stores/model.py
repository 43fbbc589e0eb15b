"""A model of a source, as links, checks and birth certificates take it: its metafile, and where its files are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from registry.stores import Held

if TYPE_CHECKING:
    from registry.metafile import Metafile


class Model(Protocol):
    """A model as it stands at one commit of its source."""

    @property
    def path(self) -> str:
        """Its metafile, from the source's root."""
        ...

    @property
    def blob(self) -> str:
        """The metafile's git object id."""
        ...

    @property
    def data(self) -> bytes:
        """The metafile's bytes."""
        ...

    @property
    def metafile(self) -> Metafile:
        """The metafile, parsed."""
        ...

    @property
    def held(self) -> Held | None:
        """Where the metafile is, if not in git."""
        ...

    @property
    def files(self) -> Mapping[str, Held]:
        """Its artifacts by the name the metafile gives them."""
        ...
