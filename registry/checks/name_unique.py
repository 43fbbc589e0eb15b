"""`name-unique`."""

from __future__ import annotations

from collections.abc import Iterator

from registry.checks.files import File
from registry.checks.listing import Listing, artifact_of
from registry.findings import ERROR, Finding


class NameUnique:
    """A reader that knows one layout, or a file system that ignores case, would see another link."""

    id = "name-unique"
    sentence = "No artifact is linked twice: not in two layouts, not under names that differ only in case."
    severity = ERROR
    remedy = "remove one of the two files; the layout of today is .mlem/links/NAME.mlem"

    def run(self, listing: Listing) -> Iterator[Finding]:
        """One finding for each link beyond the first of its name."""
        first: dict[str, tuple[str, File]] = {}
        for file in sorted(listing.links, key=_today_first):
            name = artifact_of(file.path)
            if name is None:
                continue
            other, there = first.setdefault(name.lower(), (name, file))
            if there is file:
                continue
            how = f"is linked at {there.path} too" if other == name else f"differs from {other!r} only in case"
            yield Finding(self.id, self.severity, f"artifact {name!r} {how}", self.remedy, name, file.path)


def _today_first(file: File) -> tuple[bool, str]:
    return (not file.path.startswith(".mlem/links/"), file.path)
