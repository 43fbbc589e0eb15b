"""What a policy asks of a model itself: formats, card, evaluation, and the gates of a stage. Pure.

A gate is an id with parameters: `card`, `metric: {name: roc_auc, at_least: 0.8}`. This module says what they are; each
is run elsewhere and its result handed to `registry.governance.judge`, but for `held`, which the history answers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal

from registry.card import PARTS, REQUIRED
from registry.policytimes import DURATION, duration
from registry.shape import Flag, Key, Listed, Number, OneOf, Record, Text
from registry.shapechoice import Tagged

_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9}


class Gate:
    """What a model must satisfy to enter a stage."""

    id: ClassVar[str]

    @property
    def key(self) -> str:
        """The gate with its parameters, as results name it: equal gates have equal keys."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]  # dataclasses all
        told = ", ".join(f"{name} {_shown(name, value)}" for name, value in given.items() if value not in {None, ()})
        return f"{self.id}: {told}" if told else self.id


@dataclass(frozen=True)
class Formats(Gate):
    """Which bytes may become a model; as a gate, which may enter a stage."""

    id: ClassVar[str] = "format"
    pickle: Literal["pinned", "signed", "never"] = "pinned"
    """The pickle family: every pinned one, those whose chain is signed (none, until signatures are verified), none."""
    skops_trusted: tuple[str, ...] = ()
    """Types in skops files that are trusted beyond those of scikit-learn, numpy and scipy."""
    torch_weights_only: bool = True
    """Whether torch's admitted pickles may hold tensors and plain containers only."""


@dataclass(frozen=True)
class CardRules(Gate):
    """What a model card must have."""

    id: ClassVar[str] = "card"
    required: tuple[str, ...] = REQUIRED
    """Parts that must be filled, of `registry.card.PARTS`."""


@dataclass(frozen=True)
class Evaluation(Gate):
    """Which suites a model must have a report of, on exactly its bytes and the locked data."""

    id: ClassVar[str] = "evaluation"
    suites: tuple[str, ...] = ()
    """All suites that concern the model, where it names none."""


@dataclass(frozen=True)
class Metric(Gate):
    """A limit on one number of an evaluation's report."""

    id: ClassVar[str] = "metric"
    name: str = ""
    """As the suite names it."""
    suite: str | None = None
    """Every suite whose report has it, where it names none."""
    slice: str | None = None
    """`column=value`; the whole data without."""
    at_least: float | None = None
    at_most: float | None = None
    tolerance: float | None = None
    """By how much it may be worse than what the stage holds now."""
    better: Literal["greater", "smaller"] = "greater"
    """Which way is better, for `tolerance`."""


@dataclass(frozen=True)
class Interface(Gate):
    """The model serves the callers of the contract, and of what the stage holds now."""

    id: ClassVar[str] = "interface"
    against: Literal["contract", "stage", "both"] = "both"


@dataclass(frozen=True)
class Size(Gate):
    """A limit on all artifacts of a model together."""

    id: ClassVar[str] = "size"
    limit: int = 0
    """Bytes."""


@dataclass(frozen=True)
class License(Gate):
    """The licences that its card may name."""

    id: ClassVar[str] = "license"
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held(Gate):
    """The version was in another stage for a time, altogether."""

    id: ClassVar[str] = "held"
    stage: str = ""
    minimum: int = 0
    """Seconds."""


@dataclass(frozen=True)
class Custom(Gate):
    """A check of the registry's own, in `scripts/checks`, or of a package: no finding of it is an error."""

    id: ClassVar[str] = "custom"
    check: str = ""


def _shown(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(value) + "]"
    return duration(value) if name == "minimum" else f"{value}"


def size_of(text: str) -> int:
    """Bytes of a size as a policy writes it."""
    digits = text.rstrip("kKmMgGbB ")
    return int(digits) * _UNITS[text[len(digits) :].strip().lower()]


NAME = Text(r"(?!.*//)[a-zA-Z0-9](?:[a-zA-Z0-9/_-]{0,198}[a-zA-Z0-9])?", "a stage's name")
SIZE = Text(
    r"[1-9][0-9]{0,11} ?(?:[kK][bB]|[mM][bB]|[gG][bB]|)",
    "a size; write bytes, or such as 250 MB",
    size_of,
    numbers=True,
)
_WORD = Text(r"[^\x00-\x20\x7f]{1,200}", "a word of at most 200 characters")
_TYPE = Text(r"[^\n]{1,500}", "the name of a type")

FORMATS = Record(
    Formats,
    {
        "pickle": Key(
            OneOf(("pinned", "signed", "never")),
            "Which pickles may become a model: every pinned one, those whose events are signed, or none.",
        ),
        "skops_trusted": Key(
            Listed(_TYPE), "Types in skops files that are trusted beyond those of scikit-learn, numpy and scipy."
        ),
        "torch_weights_only": Key(
            Flag(), "Whether torch's admitted pickles may hold tensors and plain containers only."
        ),
    },
)
CARD = Record(CardRules, {"required": Key(Listed(OneOf(tuple(PARTS))), "The parts that must be filled.")})
EVALUATION = Record(Evaluation, {"suites": Key(Listed(_WORD, 1), "The suites; all that concern the model without.")})
METRIC = Record(
    Metric,
    {
        "name": Key(_WORD, "The metric, as the suite names it.", required=True),
        "suite": Key(_WORD, "The suite; every one whose report has the metric without."),
        "slice": Key(
            Text(r"[^\x00-\x1f\x7f=]{1,200}=[^\x00-\x1f\x7f]{0,200}", "a slice COLUMN=VALUE"), "Rows it is about."
        ),
        "at_least": Key(Number(), "The least value."),
        "at_most": Key(Number(), "The greatest value."),
        "tolerance": Key(Number(0), "By how much it may be worse than what the stage holds now."),
        "better": Key(OneOf(("greater", "smaller")), "Which way is better; greater without."),
    },
    some_of=("at_least", "at_most", "tolerance"),
)
HELD = Record(
    Held,
    {
        "stage": Key(NAME, "The stage in which the version was.", required=True),
        "minimum": Key(DURATION, "For how long, altogether."),
    },
)
GATES = Tagged(
    {
        "metric": METRIC,
        "interface": Record(
            Interface, {"against": Key(OneOf(("contract", "stage", "both")), "Whose callers it must serve; both.")}
        ),
        "card": CARD,
        "size": Record(Size, {"limit": Key(SIZE, "Bytes of all artifacts.", required=True)}),
        "format": FORMATS,
        "license": Record(License, {"allowed": Key(Listed(_WORD, 1), "Licences its card may name.", required=True)}),
        "evaluation": EVALUATION,
        "held": HELD,
        "custom": Record(
            Custom, {"check": Key(Text(r"[a-z0-9][a-z0-9-]{0,99}", "the id of a check"), "Its id.", required=True)}
        ),
    }
)
