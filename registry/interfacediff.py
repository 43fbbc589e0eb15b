"""What changed between two interfaces of a model, and the least version that semver lets the newer one have.

Rules. A change is breaking where the new interface is no substitute for the old one, as `registry.substitution` judges
(inputs may only widen, outputs may only narrow: Liskov & Wing, "A Behavioral Notion of Subtyping", 1994). It is an
addition where the old one is no substitute for the new one: callers may rely on more than before. What differs in the
text alone (a default of a required argument, the row count of a `csr_matrix` sample, unknown keys) is neutral.

A type that is not recorded promises nothing: recording one is an addition, no longer recording it is breaking.

From that the least bump (https://semver.org/spec/v2.0.0.html, sections 6 to 8): breaking raises the major number, an
addition the minor one, anything else the patch. Section 4 promises nothing for 0.y.z; the rule in use there is one
place lower, breaking raises the minor number and an addition the patch (https://doc.rust-lang.org/cargo/reference/semver.html,
https://github.com/npm/node-semver#caret-ranges-123-025-004). No I/O; nothing is executed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from registry import versions as semver
from registry.datatypes import describe, to_dict
from registry.document import same
from registry.interface import Interface, Method, describe_argument, signature
from registry.substitution import UNRECORDED, Difference, differences

BREAKING, ADDITION, NEUTRAL = "breaking", "addition", "neutral"
KINDS = (BREAKING, ADDITION, NEUTRAL)
"""The gravest first."""
NONE = "none"
"""Before or after of what did not exist or is gone."""


class Change(NamedTuple):
    """One change of an interface."""

    method: str
    place: str
    """Argument, column or item, such as `argument X, column 'age'`; empty for the method as a whole."""
    before: str
    after: str
    kind: str
    """`breaking`, `addition` or `neutral`."""

    def __str__(self) -> str:
        place = f", {self.place}" if self.place else ""
        return f"method {self.method}{place}: before {self.before}, after {self.after}"


@dataclass(frozen=True)
class Diff:
    """All changes from one interface to another, by method; in each the gravest first."""

    changes: tuple[Change, ...] = ()

    def of(self, kind: str) -> tuple[Change, ...]:
        """The changes of one kind."""
        return tuple(change for change in self.changes if change.kind == kind)

    @property
    def breaking(self) -> bool:
        """Whether a call that worked, or a result that was relied on, may fail now."""
        return bool(self.of(BREAKING))

    @property
    def bump(self) -> str:
        """The least part to raise from version 1.0.0 on: `major`, `minor` or `patch`."""
        return semver.PARTS[next((n for n, kind in enumerate(KINDS) if self.of(kind)), -1)]


def diff(old: Interface, new: Interface) -> Diff:
    """Every change from `old` to `new`; none where both say the same."""
    lost, gained = differences(old, new), differences(new, old)
    found: list[Change] = []
    for name in dict.fromkeys((*old.methods, *new.methods)):
        before, after = old.methods.get(name), new.methods.get(name)
        broken = [each for each in lost if each.method == name]
        places = {each.place for each in broken}
        added = [each for each in gained if each.method == name and each.place not in places]
        found.extend(_change(each, before, after, BREAKING) for each in broken)
        found.extend(_change(_turned(each), before, after, ADDITION) for each in added)
        if before is not None and after is not None:
            told = places | {each.place for each in added}
            found.extend(Change(name, *each, NEUTRAL) for each in _neutral(before, after, told))
    return Diff(tuple(found))


def least_bump(found: Diff, base: str) -> str:
    """The least part of the version `base` that these changes raise; below 1.0.0 one place lower."""
    place = semver.PARTS.index(found.bump)
    if semver.key(base)[0] == 0:
        place = min(place + 1, len(semver.PARTS) - 1)
    return semver.PARTS[place]


def least_version(found: Diff, base: str) -> str:
    """The least version that these changes may have after the release `base`."""
    return semver.bump(base, least_bump(found, base))


def allows(found: Diff, base: str, version: str) -> bool:
    """Whether `version` may follow `base` with these changes; a prerelease counts as the release it leads to."""
    if not found.of(BREAKING) and not found.of(ADDITION):
        return True
    return semver.key(version)[:3] >= semver.key(least_version(found, base))[:3]


@dataclass(frozen=True)
class Demand:
    """What the changes since a release ask of the next number."""

    base: str
    """The release."""
    changes: Diff

    @property
    def bump(self) -> str:
        """The least part to raise."""
        return least_bump(self.changes, self.base)

    @property
    def grave(self) -> tuple[Change, ...]:
        """The changes for whose sake it is no mere patch: the breaking ones, else the additions."""
        return self.changes.of(BREAKING) or self.changes.of(ADDITION)

    def told(self, most: int) -> list[str]:
        """Those changes as a person reads them: at most so many, then how many more there are."""
        lines = [f"{change.kind}: {change}" for change in self.grave[:most]]
        more = len(self.grave) - len(lines)
        return [*lines, f"and {more} more"] if more else lines

    def after(self, top: str) -> tuple[str, str]:
        """The least version above `top`, the greatest number given out, that may follow; and the part it raises."""
        parts = ((semver.bump(top, part), part) for part in reversed(semver.PARTS))
        return next((label, part) for label, part in parts if allows(self.changes, self.base, label))

    def json(self) -> dict[str, Any]:
        """The demand with keys as `interface diff --json` has them."""
        return {
            "since": self.base,
            "bump": self.bump,
            "least_version": least_version(self.changes, self.base),
            "changes": [change._asdict() for change in self.changes.changes],
        }


def _turned(found: Difference) -> Difference:
    """A reason why the old interface is no substitute for the new one, told from old to new."""
    return found._replace(expected=found.actual.replace(UNRECORDED, "unspecified"), actual=found.expected)


def _change(found: Difference, old: Method | None, new: Method | None, kind: str) -> Change:
    """The change of a difference whose `expected` is what was before; what is whole on one side only is described."""
    before, after = _whole(old, found.place), _whole(new, found.place)
    if NONE not in {before, after}:
        before, after = found.expected, found.actual
    return Change(found.method, found.place, before, after, kind)


def _whole(method: Method | None, place: str) -> str:
    """A whole method or argument; empty for a part of one."""
    if method is None:
        return NONE
    if not place:
        return signature(method)
    arguments = {f"argument {each.name}": each for each in method.args}
    if place in arguments:
        argument = arguments[place]
        return f"{'required' if argument.required else 'optional'} {describe_argument(argument)}"
    return NONE if place.startswith("argument ") and "," not in place else ""


def _neutral(old: Method, new: Method, told: set[str]) -> Iterator[tuple[str, str, str]]:
    """Parts that differ where nothing was told yet: place, before, after."""
    one, two = dict(_parts(old)), dict(_parts(new))
    for place in dict.fromkeys((*one, *two)):
        (raw, before), (other, after) = one.get(place, ({}, NONE)), two.get(place, ({}, NONE))
        known = any(each == place or (place and each.startswith(f"{place}, ")) for each in told)
        if not known and not same(raw, other):
            yield place, before, after if before != after else "the same with other fields"


def _parts(method: Method) -> Iterator[tuple[str, tuple[dict[str, Any], str]]]:
    """The parts of a method by place: as MLEM lays them out, and as a person reads them."""
    whole = Interface({"": method}).to_dict()[""]
    for raw, argument in zip(whole.pop("args"), method.args, strict=True):
        yield f"argument {argument.name}", (raw, describe_argument(argument))
    yield "returns", (whole.pop("returns"), describe(method.returns))
    for name in ("varargs", "varkw"):
        type_ = getattr(method, f"{name}_type")
        raw = {"name": whole.pop(name, None), "type": to_dict(type_) if type_ is not None else None}
        whole.pop(f"{name}_type", None)
        yield name, (raw, f"{getattr(method, name)}: {describe(type_) if type_ is not None else 'any'}")
    yield "", (whole, str(whole.get("name")))
