"""What a check of one link looks at: the link file, the link in it, its source, the model there, and its contract.

Each part is either there or was turned away by one check, which reports it; to every other check that needs the part it
says so with `Unjudged`, so that one defect gives one error and nothing passes that was not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property

from registry import strictyaml
from registry.checks.files import FILE, File
from registry.checks.offer import Offer
from registry.checks.past import Past
from registry.checks.pins import Pinned, pinned
from registry.checks.rule import Rule, Unjudged
from registry.errors import Refused, RegistryError
from registry.findings import SKIP, Finding
from registry.linkfile import Link, parse_link
from registry.policy import Policy
from registry.stores.model import Model

MODEL = "model"
"""The only type of link that the registry knows."""


class Subject:
    """One link file."""

    def __init__(
        self,
        file: File,
        name: str | None,
        contract: File | None = None,
        *,
        policy: Policy | None = None,
        changed: bool = True,
        proposed: File | None = None,
        card: File | None = None,
        lineage: File | None = None,
    ) -> None:
        self.file = file
        self.name = name
        """The artifact; none where no link can stand at this path."""
        self.contract = contract
        """The contract's file, or what stands in its place; of a change, that of its base where there is one."""
        self.policy = policy or Policy()
        """The policy it is judged by; of a change, that of its base."""
        self.changed = changed
        """Whether the link itself is new or another: always, where the whole registry is judged."""
        self.proposed = proposed
        """The contract that the change would put in place of `contract`."""
        self.card = card
        """The artifact's card, or what stands in its place."""
        self.lineage = lineage
        """The birth certificate's file, or what stands in its place."""
        self.parsed: Link | RegistryError = _parsed(file)
        """The link, or why the file is none."""
        self.pinned: Pinned | None = None if isinstance(self.parsed, RegistryError) else pinned(self.parsed)
        """The link's pins; none where one is missing."""
        self.opened: Offer | RegistryError | None = None
        """The source, or why it may not be opened; none where the link names none or no commit."""
        self.settled = False
        """Whether it was judged before, nothing was found, and nothing of all that decided it is different."""
        self.recall: Callable[[Subject], Past] | None = None
        """Reads what the registry's tags say of the artifact. Raises `RegistryError`."""

    @cached_property
    def link(self) -> Link:
        """The link. Raises `Unjudged`."""
        if not self.file.plain:
            raise Unjudged(f"the link file is {self.file.kind}: see path-contained")
        if isinstance(self.parsed, RegistryError):
            raise Unjudged("the link is not valid: see link-valid")
        return self.parsed

    @cached_property
    def pins(self) -> Pinned:
        """The link's pins. Raises `Unjudged`."""
        _ = self.link
        if self.pinned is None:
            raise Unjudged("the link is not pinned: see revision-pinned")
        return self.pinned

    @property
    def address(self) -> str:
        """What the link says of where its source is. Raises `Unjudged`."""
        if self.link.project is None:
            raise Unjudged("the link names no source: see revision-pinned")
        return self.link.project

    @property
    def source(self) -> Offer:
        """The source, asked for the pinned commit. Raises `Unjudged`."""
        _ = self.pins
        if isinstance(self.opened, Refused):
            raise Unjudged(f"the source was not opened: see {self.opened.reason}")
        if not isinstance(self.opened, Offer) or self.opened.error:
            raise Unjudged("the source cannot be reached: see source-unreachable")
        return self.opened

    @property
    def offered(self) -> Model | RegistryError:
        """The model at the pinned commit, or why there is none. Raises `Unjudged` where the commit is absent."""
        if self.source.absent(self.pins.commit):
            raise Unjudged("the source does not have the pinned commit: see commit-reachable")
        return self.source.model(self.pins.commit, self.link.path)

    @property
    def model(self) -> Model:
        """The model at the pinned commit. Raises `Unjudged`."""
        found = self.offered
        if isinstance(found, RegistryError):
            contained = isinstance(found, Refused) and found.reason == "path-contained"
            raise Unjudged(f"the model cannot be read: see {'path-contained' if contained else 'model-readable'}")
        return found

    @property
    def past(self) -> Past:
        """The versions that the artifact has. Raises `Unjudged`, and `RegistryError` where the tags cannot be read."""
        if self.name is None:
            raise Unjudged("no artifact has its link at this path: see name-valid")
        if self.recall is None:
            raise Unjudged("the registry's tags were not read")
        return self.recall(self)

    def unjudged(self, rule: Rule, reason: str) -> Finding:
        """The finding that a check could not run, or not in full."""
        return self.finding(rule, f"not judged: {reason}")._replace(severity=SKIP, fix="")

    def finding(self, rule: Rule, message: str, fix: str = "", key: str = "") -> Finding:
        """A finding about this link; `key` (dots between) is the part of the file it concerns."""
        line = self.line(key) if key else None
        return Finding(rule.id, rule.severity, message, fix or rule.remedy, self.name, self.file.path, line)

    def failure(self, rule: Rule, error: RegistryError, key: str = "") -> Finding:
        """A finding that says what an error says."""
        found = self.finding(rule, said(error), error.fix, key)
        return found._replace(line=found.line or line_of(error))

    def line(self, key: str) -> int | None:
        """The line on which a key of the link stands; of `params.a.b` the part after the first dot is one key."""
        try:
            place = strictyaml.parse(self.file.data, self.file.path)
        except RegistryError:
            return None
        found = None
        for part in key.split(".", 1):
            if not isinstance(place, Mapping):
                break
            known = next((each for each in place if each == part), None)
            if known is None:
                break
            found, place = known.line, place[known]
        return found


def said(error: RegistryError) -> str:
    """What an error says, in one line, with the remote place it is about."""
    what = " ".join(error.what.split())
    place = re.sub(r", line \d+$", "", error.where)
    return f"{what} ({place})" if "://" in place or "@" in place else what


def line_of(error: RegistryError) -> int | None:
    """The line of a file that an error names."""
    found = re.search(r", line (\d+)$", error.where)
    return int(found[1]) if found and "://" not in error.where else None


def _parsed(file: File) -> Link | RegistryError:
    if file.kind != FILE:
        return RegistryError(f"the link is {file.kind}", file.path, "write the link again with `registry link`")
    try:
        link = parse_link(file.data, file.path)
    except RegistryError as error:
        return error
    if link.link_type != MODEL:
        return RegistryError(
            f"link_type is {link.link_type[:80]!r}, expected 'model'", file.path, "link a model: nothing else is loaded"
        )
    return link
