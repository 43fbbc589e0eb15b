"""Whether what was resolved may be used here: by the process's environment, this machine's memory and the caller.

The one gate behind every question of a consumer (`registry.resolve`, and so `load`, `fetch`, `predict` and whatever
else resolves):

1. What this machine saw first still stands (`registry.api.firstsight`).
2. `REGISTRY_ALLOWED_STAGES=prod,staging`: it is in one of these stages now, however it was asked for; else
   `stage-allowed`. A version is in a stage while the stage holds it; a revision while the stage holds a version at its
   commit.
3. `require=`: a stage's name (or several, of which one suffices) that must hold it now, or a function that is given the
   `Resolved` and answers whether it may be used; else `required`. An answer that is not true refuses, none at all too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from registry.api.firstsight import require_unmoved
from registry.errors import Refused, RegistryError
from registry.names import require_stage

if TYPE_CHECKING:
    from registry.api.resolving import Resolved

ALLOWED = "REGISTRY_ALLOWED_STAGES"
Require = str | Collection[str] | Callable[[Any], object] | None
"""What a caller may ask for beyond the registry's own rules."""


def is_locked() -> bool:
    """Whether `REGISTRY_LOCKED` makes every question one to the lock file."""
    return os.environ.get("REGISTRY_LOCKED", "") not in {"", "0"}


def allowed_stages() -> tuple[str, ...] | None:
    """The stages that this process may use, or none where it may use all.

    Raises `RegistryError` where the variable is set and names none: a lost value must not open what was closed.
    """
    text = os.environ.get(ALLOWED)
    if text is None:
        return None
    named = tuple(part.strip() for part in text.split(",") if part.strip())
    if not named:
        raise RegistryError(f"{ALLOWED} is set and names no stage", fix="name stages, as in prod,staging, or unset it")
    for stage in named:
        require_stage(stage)
    return named


def admit(found: Resolved, require: Require = None) -> Resolved:
    """Give what was resolved back where it may be used. Raises `Refused`, which carries it as `resolved`."""
    try:
        require_unmoved(found)
        _require_allowed(found)
        _require_wanted(found, require)
    except Refused as error:
        error.resolved = found
        raise
    return replace(found, groups=_groups(found, require)) if found.owed else found


def _groups(found: Resolved, require: Require) -> tuple[tuple[str, ...], ...]:
    """Stages by which it is admitted: the one asked for, those the process may use, those the caller wants."""
    asked = [() if found.stage is None else (found.stage,), allowed_stages() or ()]
    if require is not None and not callable(require):
        asked.append((require,) if isinstance(require, str) else tuple(require))
    held = {*found.stages, found.stage}
    return tuple(group for each in asked if (group := tuple(stage for stage in each if stage in held)))


def _require_allowed(found: Resolved) -> None:
    allowed = allowed_stages()
    if allowed is not None and not set(allowed) & set(found.stages):
        raise Refused(
            "stage-allowed",
            f"{_called(found)} is in {_stages(found.stages)}; this process may use only what is in "
            f"{' or '.join(map(repr, allowed))}",
            f"{found.project} ({ALLOWED})",
            f"have it assigned: registry assign {found.name} --stage {allowed[0]} --version …",
        )


def _require_wanted(found: Resolved, require: Require) -> None:
    if require is None:
        return
    if callable(require):
        answer = require(found)
        if not answer:
            raise Refused(
                "required",
                f"{_called(found)} does not satisfy the caller: {_label(require)} answered {answer!r}",
                found.project,
                "use a version that satisfies it; a function that only raises must also return True",
            )
        return
    stages = [require] if isinstance(require, str) else _texts(require)
    for stage in stages:
        require_stage(stage)
    if not set(stages) & set(found.stages):
        raise Refused(
            "required",
            f"{_called(found)} is in {_stages(found.stages)}, required is {' or '.join(map(repr, stages))}",
            found.project,
            f"have it assigned: registry assign {found.name} --stage {stages[0]} --version …",
        )


def _texts(require: object) -> list[str]:
    """Stages of a collection. Raises `RegistryError` for anything else: what is not understood must not admit."""
    known = isinstance(require, (list, tuple, set, frozenset)) and all(isinstance(each, str) for each in require)
    if not known or not require:
        raise RegistryError(
            f"require is {require!r}"[:120], fix="give a stage, several stages, or a function of what was resolved"
        )
    return sorted(require) if isinstance(require, (list, tuple, set, frozenset)) else []


def _called(found: Resolved) -> str:
    which = f"version {found.version}" if found.version else f"commit {found.commit[:7]}"
    return f"{which} of {found.name!r}"


def _stages(stages: Collection[str]) -> str:
    return f"stage {', '.join(map(repr, stages))}" if stages else "no stage"


def _label(require: Callable[[Any], object]) -> str:
    return str(getattr(require, "__qualname__", type(require).__name__))
