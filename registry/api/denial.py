"""What the policy says no to: the acts, and every reason of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from registry.errors import Refused
from registry.governance import Act, Reason


class Denial(NamedTuple):
    """An act that the policy does not allow."""

    act: Act
    reasons: tuple[Reason, ...]

    @property
    def title(self) -> str:
        """The act in words."""
        stage = f" in {self.act.stage}" if self.act.stage else ""
        who = " or ".join(self.act.principals) or "nobody known"
        return f"{self.act.kind} {' '.join(filter(None, (self.act.name, self.act.version)))}{stage} by {who}"


class Denied(Refused):
    """The policy does not allow what was asked for. `reason` is the first of all reasons in `denials`."""

    def __init__(self, denials: Sequence[Denial], where: str) -> None:
        lines = ["the policy does not allow this; nothing was recorded"]
        for each in denials:
            lines.append(f"{each.title}:")
            for reason in each.reasons:
                lines += [f"  {reason.id}: {reason.message}", f"    fix: {reason.fix}"]
        super().__init__(denials[0].reasons[0].id, "\n".join(lines), where, "do what stands beside each reason")
        self.args = (tuple(denials), where)
        self.denials = tuple(denials)

    def json(self) -> dict[str, object]:
        """As `--json` prints it."""
        told = [
            {"artifact": each.act.name, "version": each.act.version, "stage": each.act.stage, "act": each.act.kind}
            | {"by": list(each.act.principals), **reason._asdict()}
            for each in self.denials
            for reason in each.reasons
        ]
        return {"refused": self.reason, "where": self.where, "reasons": told}
