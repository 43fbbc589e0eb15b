"""`policy.yaml`: what a registry asks for beyond pins. Pure.

Rules: an unknown `format` is refused, since it may mean something that this version cannot hold; a wrong value is
refused, and so is a role or stage that is named and not defined: guessing would open what was meant to be closed; an
unknown key is kept aside and told as a finding. Stages, gates and times have modules of their own; `DOCUMENT` is the
shape of the whole file, and with `schema` what editors are told of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from registry import channels, strictyaml
from registry.document import Place
from registry.policygates import CARD, FORMATS, NAME, SIZE, CardRules, Formats
from registry.policystages import ROLE, ROLES, STAGES, Roles, Stage
from registry.policytimes import DURATION, MOMENT, Window, windows
from registry.shape import Flag, Key, Keyed, Listed, OneOf, Record, Schema, Text, Unknown, Whole, read
from registry.urlpattern import matches

PATH = "policy.yaml"
FORMAT = 1
OFF = "off"
CARD_CHECK = "model-card"
"""The check that is an error where `card` stands and `checks` says nothing of it: who asks for a card means it."""
SIZE_LIMIT = 100_000_000
"""Bytes of a model above which `size-limit` speaks, where the policy says nothing."""

_FIX = "correct policy.yaml; docs/policy.md lists its keys"
_NONE: Mapping[str, Any] = MappingProxyType({})

Level = Literal["off", "warning", "error"]


class Root(NamedTuple):
    """Whose signatures a change of the policy needs, and how many of them."""

    threshold: int = 1
    principals: tuple[str, ...] = ()


class Ledger(NamedTuple):
    """What is asked of the ledger as a client has it."""

    max_age: int | None = None
    """Seconds after which a client's copy is too old to be believed."""


class Workflow(NamedTuple):
    """A workflow on GitHub whose environment's approval counts as one."""

    repository: str
    """OWNER/NAME."""
    workflow: str
    """Its file."""
    ref: str = "refs/heads/main"
    environment: str | None = None
    """Any environment, where it names none."""


@dataclass(frozen=True)
class Policy:
    """What `policy.yaml` says; without arguments what holds where there is none."""

    version: int = 0
    """Raised by every change of the file; 0 where there is no file."""
    trusted_sources: tuple[str, ...] | None = None
    """Patterns of URLs; none admits every address that a link may name."""
    formats: Formats = field(default_factory=Formats)
    checks: Mapping[str, Level] = field(default_factory=lambda: _NONE)
    """Severity by id of a check."""
    size_limit: int = SIZE_LIMIT
    """Bytes of a model above which `size-limit` speaks."""
    card: CardRules = field(default_factory=CardRules)
    """What `model-card` asks for."""
    root: Root = field(default_factory=Root)
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NONE)
    """Principals by role."""
    register: Roles = None
    """Who may register, deregister and deprecate."""
    archive: Roles = None
    revoke: Roles = None
    signed: bool | None = None
    """Whether these must be signed; where the policy says nothing, if roles are asked for."""
    stages: Mapping[str, Stage] | None = None
    """In order; none where any stage may be used, and by everyone."""
    freeze: tuple[Window, ...] = ()
    """Windows of all stages, or of those they name."""
    ledger: Ledger = field(default_factory=Ledger)
    recorder: tuple[str, ...] = ()
    """Principals who may record events in the ledger for others."""
    rejected: Literal["keep", "remove"] = "keep"
    """What becomes of a tag that the tag workflow rejects."""
    compromised: Mapping[str, int] = field(default_factory=lambda: _NONE)
    """Fingerprints of keys, and since when (seconds since 1970) nothing signed with them counts."""
    workflows: tuple[Workflow, ...] = ()
    notify: tuple[channels.Channel, ...] = ()
    """Who is told of events."""
    unknown: tuple[Unknown, ...] = field(default=(), compare=False)

    def trusts(self, *names: str) -> bool:
        """Whether a source may be used; `names` are all spellings of its one address."""
        if self.trusted_sources is None:
            return True
        return any(matches(pattern, name) for pattern in self.trusted_sources for name in names)

    def admits_plain(self, address: str) -> bool:
        """Whether a source may be asked over plain http: only where a pattern that says `http://` itself means it."""
        plain = (each for each in self.trusted_sources or () if each.lower().startswith("http://"))
        return any(matches(pattern, address) for pattern in plain)

    def stage(self, name: str) -> Stage | None:
        """What holds for a stage; none where the policy has stages and this is none of them."""
        return Stage(name) if self.stages is None else self.stages.get(name)

    def members(self, roles: Roles) -> frozenset[str] | None:
        """The principals of roles; none where everyone may."""
        return None if roles is None else frozenset(each for role in roles for each in self.roles.get(role, ()))


def parse_policy(data: bytes, where: str = PATH) -> Policy:
    """Read `policy.yaml`. Raises `RegistryError` that names `where` and the line."""
    root = Place(strictyaml.parse(data, where), where, (), _FIX)
    found = root.need("format")
    if found.integer() != FORMAT:
        found.fail(f"policy format {found.integer()} is not known here; known is {FORMAT}; install a newer version")
    policy: Policy
    policy, unknown = read(DOCUMENT, root)
    _require_defined(root, policy)
    return replace(policy, unknown=unknown)


def schema() -> Schema:
    """JSON Schema of `policy.yaml`, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "policy.yaml of git-model-registry",
        **DOCUMENT.schema(),
    }


def _require_defined(root: Place, policy: Policy) -> None:
    """Raise `RegistryError` for what is named and not defined, and for what can mean nothing."""
    _require_roles(root, ("register", "archive", "revoke"), policy)
    principals = policy.root.principals
    if principals and policy.root.threshold > len(principals):
        root.need("root").fail(f"threshold {policy.root.threshold} is more than its {len(principals)} principals")
    known = policy.stages
    for name, place in _entries(root, "stages"):
        _require_roles(place, ("assign", "unassign", "rollback", "approve", "override"), policy)
        for each in _elements(place, "after"):
            _require_stage(each, known)
            if each.text() == name:
                each.fail("a stage cannot come after itself")
        for gate in _elements(place, "gates"):
            held = gate.find("held") if isinstance(gate.value, Mapping) else None
            if held is not None:
                _require_stage(held.need("stage"), known)
        if place.find("minimum") is not None and not list(_elements(place, "after")):
            place.need("minimum").fail("says how long the stage before was held, and `after` names none")
        _require_windows(place, known)
    _require_windows(root, known)


def _require_windows(place: Place, known: Mapping[str, Stage] | None) -> None:
    for window in _elements(place, "freeze"):
        for each in _elements(window, "stages"):
            _require_stage(each, known)
        dated = window.find("days") is None
        if dated and window.need("until").text() <= window.need("from").text():  # moments sort as text
            window.need("until").fail("is not after `from`")


def _require_roles(place: Place, keys: Iterable[str], policy: Policy) -> None:
    for key in keys:
        for each in _elements(place, key):
            if each.text() not in policy.roles:
                each.fail(f"no role {each.text()!r}; known are {', '.join(sorted(policy.roles)) or 'none'}")


def _require_stage(place: Place, known: Mapping[str, Stage] | None) -> None:
    if known is not None and place.text() not in known:
        place.fail(f"no stage {place.text()!r}; known are {', '.join(known) or 'none'}")


def _entries(place: Place, key: str) -> Iterator[tuple[str, Place]]:
    found = place.find(key)
    yield from () if found is None else found.items()


def _elements(place: Place, key: str) -> Iterator[Place]:
    found = place.find(key)
    yield from () if found is None else found.elements()


class _Channels:
    """The list of channels, which a module of its own reads."""

    def read(self, place: Place, unknown: list[Unknown]) -> tuple[channels.Channel, ...]:  # noqa: ARG002 - one shape
        return channels.parse_channels(place)

    def schema(self) -> Schema:
        return channels.schema()


def _policy(**found: Any) -> Policy:
    found.pop("format")
    if "card" in found:
        found["checks"] = {CARD_CHECK: "error", **found.get("checks", {})}
    return Policy(**found)


PRINCIPAL = Text(r"[A-Za-z0-9][A-Za-z0-9._%+@=:/-]{0,199}", "a principal, as allowed_signers names it")
_FINGERPRINT = Text(r"SHA256:[A-Za-z0-9+/]{43}", "a key's fingerprint, as `ssh-keygen -l` prints it")
_REPOSITORY = Text(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}", "a repository OWNER/NAME")
_FILE = Text(r"\.github/workflows/[A-Za-z0-9._-]{1,100}\.ya?ml", "a file .github/workflows/….yml")
_REF = Text(r"refs/(?:heads|tags)/[A-Za-z0-9._/*-]{1,200}", "a ref such as refs/heads/main")
_LINE = Text(r"[^\n]{1,2000}", "a line of text")

DOCUMENT = Record(
    _policy,
    {
        "format": Key(Whole(FORMAT, FORMAT), "The format of this file.", required=True),
        "version": Key(Whole(1), "A whole number that every change of this file raises.", required=True),
        "trusted_sources": Key(Listed(_LINE), "Patterns of source URLs; all https and ssh sources without the key."),
        "formats": Key(FORMATS, "Which bytes may become a model."),
        "checks": Key(
            Keyed(_LINE, OneOf(("off", "warning", "error"))), "Severity by the id of a check: off, warning or error."
        ),
        "size_limit": Key(SIZE, "Bytes of a model, or such as 250 MB, above which size-limit speaks."),
        "card": Key(CARD, "What model-card asks of every card."),
        "root": Key(
            Record(
                Root,
                {
                    "threshold": Key(Whole(1, 100), "How many of them must sign."),
                    "principals": Key(Listed(PRINCIPAL), "Who signs changes of this file and of allowed_signers."),
                },
            ),
            "Whose signatures a change of this file needs.",
        ),
        "roles": Key(Keyed(ROLE, Listed(PRINCIPAL)), "Principals of allowed_signers by role."),
        "register": Key(ROLES, "Roles that may register, deregister and deprecate; everyone without the key."),
        "archive": Key(ROLES, "Roles that may archive; everyone without the key."),
        "revoke": Key(ROLES, "Roles that may revoke a version everywhere; everyone without the key."),
        "signed": Key(Flag(), "Whether these events must be signed; without the key where roles are asked for."),
        "stages": Key(STAGES, "The stages, in order. Other stages do not exist then."),
        "freeze": Key(windows(NAME), "When nothing is promoted."),
        "ledger": Key(
            Record(Ledger, {"max_age": Key(DURATION, "When a client's copy of the ledger is too old.")}), "The ledger."
        ),
        "recorder": Key(Listed(PRINCIPAL), "Principals that may record events of others in the ledger."),
        "rejected": Key(
            OneOf(("keep", "remove")), "What becomes of a tag that the tag workflow rejects; keep without the key."
        ),
        "compromised": Key(
            Keyed(_FINGERPRINT, MOMENT), "Fingerprints of keys, and since when nothing signed with them counts."
        ),
        "workflows": Key(
            Listed(
                Record(
                    Workflow,
                    {
                        "repository": Key(_REPOSITORY, "OWNER/NAME on GitHub.", required=True),
                        "workflow": Key(_FILE, "The workflow's file.", required=True),
                        "ref": Key(_REF, "The ref it runs from; refs/heads/main without."),
                        "environment": Key(_LINE, "The environment; any without."),
                    },
                )
            ),
            "Workflows whose environment's approval counts.",
        ),
        channels.KEY: Key(_Channels(), "Who is told."),
    },
)
