"""A finding: one defect, with the place it stands and its remedy.

`check`, `doctor` and `verify` return findings; renderers turn them into text or JSON and know no check.
"""

from __future__ import annotations

from typing import NamedTuple

ERROR = "error"
WARNING = "warning"
SKIP = "skip"
NOTE = "note"
"""What a person should know and nothing is wrong with: told beside the findings, and no finding itself."""


class Finding(NamedTuple):
    """One defect, or (severity `skip`) one check that could not run and why."""

    id: str
    """Kebab-case id of the check or tag rule; a heading in `docs/checks.md`, `docs/tags.md` or `docs/signatures.md`."""
    severity: str
    """`error`, `warning` or `skip`."""
    message: str
    """What is wrong, with expected and actual."""
    fix: str = ""
    """What to do about it."""
    artifact: str | None = None
    """The artifact it concerns, where there is one."""
    path: str | None = None
    """The file it concerns, from the repository's root."""
    line: int | None = None
    """Line in `path`, counted from 1."""
    ref: str | None = None
    """The tag it concerns, without `refs/tags/`."""

    def json(self) -> dict[str, str | int | None]:
        """The finding as the object that `--json` prints: `{id, severity, artifact, path, line, ref, message, fix}`."""
        return {
            "id": self.id,
            "severity": self.severity,
            "artifact": self.artifact,
            "path": self.path,
            "line": self.line,
            "ref": self.ref,
            "message": self.message,
            "fix": self.fix,
        }
