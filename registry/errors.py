"""Errors a user can act on: what went wrong, where, and how to fix it.

Every failure that input can cause is a `RegistryError`; the command line prints it and exits with 1. Anything
else that escapes is a bug. A subclass stands only where a caller branches on it.
"""

from __future__ import annotations


class RegistryError(Exception):
    """An expected failure, told as what (expected and actual), where, and how to fix it."""

    def __init__(self, what: str, where: str = "", fix: str = "") -> None:
        super().__init__(what, where, fix)
        self.what = what
        """What went wrong, with the expected and the actual value."""
        self.where = where
        """The repository, ref, file or line it is about; may be empty."""
        self.fix = fix
        """What to do; may be empty where nothing can be done."""

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)


class NotFound(RegistryError):
    """The artifact, version, stage, revision or file that was asked for does not exist."""


class Refused(RegistryError):
    """Something exists but must not be used. `reason` is the id of the check that refused it."""

    def __init__(self, reason: str, what: str, where: str = "", fix: str = "") -> None:
        super().__init__(what, where, fix)
        self.args = (reason, what, where, fix)
        self.reason = reason
        """Kebab-case id of the check that refused, as in `docs/checks.md`."""
        self.resolved: object = None
        """The `Resolved` that was refused, where it came that far."""

    def __str__(self) -> str:
        return f"refused ({self.reason}): {super().__str__()}"


class GitError(RegistryError):
    """A git command failed; `stderr` keeps what it said."""

    def __init__(self, what: str, where: str = "", fix: str = "", stderr: str = "") -> None:
        super().__init__(what, where, fix)
        self.args = (what, where, fix, stderr)
        self.stderr = stderr
        """The end of git's own message, decoded."""


class Unreachable(GitError):
    """The remote gave no answer, gave it up, or broke off: another way of asking it would not help."""
