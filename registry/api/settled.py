"""Links that this machine judged before and found nothing about: they are not judged again while nothing is different.

Rules: a verdict is remembered as the SHA-256 of everything that led to it, and only where there is no finding at all,
no note, and nothing that was not judged. Read anew for that each time are the link, its contract, card and certificate,
the policy, the artifact's tags, and what the source says of `rev` and of the pinned commit: that a ref names it, else
all of its refs. All else that the checks look at is named by that commit's id, and cannot become another; the program
itself (`registry.cache.program`) is part of the sum.

Never remembered is what somebody else may answer otherwise tomorrow: a source on this machine, a tracking server, a run
that a certificate names, a file that neither git nor an LFS pointer in it holds. A registry with checks of its own is
judged anew, and so is every change (`--base`), and all that `registry verify` looks at: what guards a merge takes
nobody's word.

One file for each program lies in the cache, under `verdicts/`, a line for each verdict; a damaged line is none. Whoever
can write there can write that a link was found sound: it belongs to the user alone, like the rest of the cache.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from registry import cache
from registry.cache import appended
from registry.cache.program import fingerprint
from registry.checks.subject import Subject
from registry.errors import RegistryError
from registry.git.source import Source
from registry.lineage import RUN, TRACKING
from registry.stores.model import Model

if TYPE_CHECKING:
    from registry.api.changing import Scope
    from registry.api.project import Project
    from registry.findings import Finding

FOLDER: Final = "verdicts"
_STORES: Final = frozenset({"git", "lfs"})

Past = Callable[[Subject], object]
"""Everything that the registry's tags say of the artifact of a link. Raises `RegistryError`."""


class Settled:
    """What is remembered of the links of one registry, as the policy is now; `save` writes what is new."""

    def __init__(self, project: Project, judged: Scope, past: Past, *, believed: bool) -> None:
        """Not `believed`, nothing is read and nothing learnt."""
        program = fingerprint() if believed else ""
        self._path = cache.root() / FOLDER / program
        self._all = sha256(repr((program, project.address.text, judged.found.policy)).encode())
        self._past = past
        self._believed = believed
        self._known = frozenset(appended.read(self._path).split(b"\n") if believed else ())
        self._sums: dict[str, bytes] = {}
        self._new: list[bytes] = []

    @property
    def empty(self) -> bool:
        """Whether nothing is remembered, of any registry."""
        return self._known <= {b""}

    def holds(self, subject: Subject, source: Source) -> bool:
        """Whether a link was found sound before; its source's refs were read. Raises nothing."""
        found = self._sum(subject, source) if self._believed else None
        if found is not None:
            self._sums[subject.file.path] = found
        return found in self._known

    def learn(self, subject: Subject, found: Sequence[Finding]) -> None:
        """Remember the verdict on a link that `holds` was asked about, where it is one that lasts."""
        verdict = self._sums.get(subject.file.path)
        if verdict is not None and not subject.settled and not found and _lasts(subject):
            self._new.append(verdict)

    def save(self) -> None:
        """Write what was learnt."""
        if self._new and appended.append(self._path, b"\n".join([b"", *self._new, b""])):
            self._new.clear()

    def _sum(self, subject: Subject, source: Source) -> bytes | None:
        """Everything that decides about a link, as one line; none where that is not all there is to it."""
        pins = subject.pinned
        if pins is None or subject.name is None or source.mirror is None:
            return None
        try:
            named, past = source.resolve(pins.rev), self._past(subject)
        except RegistryError:
            return None
        held = "" if source.is_tip(pins.commit) else source.listed
        whole = self._all.copy()
        beside = (subject.contract, subject.proposed, subject.card, subject.lineage, subject.changed)
        about = (subject.file, subject.name, *beside, source.address.text, named, held, past)
        whole.update(repr(about).encode("utf-8", "surrogatepass"))
        return whole.hexdigest().encode()


def _lasts(subject: Subject) -> bool:
    """Whether all that was looked at is named by the pinned commit."""
    model: Model = subject.model
    if model.held is not None or any(each.store not in _STORES for each in model.files.values()):
        return False
    made = subject.source.certificate(subject.file.path)
    return made is None or not (made.section(TRACKING) or any(each.startswith(RUN) for each in made.breaks))
