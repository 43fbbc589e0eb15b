"""Checks of a team's own: `scripts/checks/*.py` of a registry, entry points `registry.checks` of installed packages.

Both follow the `Check` protocol. A file `scripts/checks/my_check.py` defines a class `Check` whose id is `my-check`;
an entry point is named as the id and names the class. A file is run from the base revision only, in a namespace of its
own, and only where the caller asked for it: it is a program of the registry, with the rights of whoever runs the
check. What goes wrong in one is told as not judged, and never passes where the check is required.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import PurePosixPath
from typing import Any

from registry.checks import Check
from registry.checks.files import FILE, File
from registry.checks.rule import Unjudged
from registry.checks.subject import Subject
from registry.errors import RegistryError
from registry.findings import ERROR, WARNING, Finding

GROUP = "registry.checks"
FOLDER = "scripts/checks"
CLASS = "Check"


class Guarded:
    """A check from outside: what it raises or returns beside findings is not judged."""

    def __init__(self, id: str, check: Any, place: str) -> None:  # noqa: A002 - as in `Rule`
        self.id = id
        self.sentence = str(check.sentence)
        self.severity = str(check.severity)
        self.remedy = str(check.remedy)
        self._check = check
        said = getattr(check, "id", None)
        if said != id or self.severity not in {ERROR, WARNING, "off"}:
            raise RegistryError(
                f"the check says id {said!r} and severity {self.severity!r}, expected {id!r} and error, warning or off",
                place,
                "give it the id of its name",
            )

    def run(self, subject: Subject) -> Iterator[Finding]:
        """Its findings. Raises `Unjudged`."""
        try:
            found = list(self._check.run(subject))
        except (Unjudged, RegistryError):
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a foreign program does
            raise Unjudged(_said(error)) from None
        for each in found:
            if not isinstance(each, Finding):
                raise Unjudged(f"the check gave a {type(each).__name__}, expected findings")
            yield each._replace(id=self.id)


class Broken:
    """A check that is there and cannot be used: it judges nothing, and says why."""

    sentence = "A check that cannot be used."
    remedy = "correct the check"

    def __init__(self, id: str, reason: str, severity: str = ERROR) -> None:  # noqa: A002 - as in `Rule`
        self.id = id
        self.severity = severity
        self._reason = reason

    def run(self, subject: Subject) -> Iterator[Finding]:  # noqa: ARG002 - one shape for all checks
        """Raise `Unjudged`."""
        raise Unjudged(self._reason)


def id_of(path: str) -> str:
    """The id of the check in a file: `my-check` of `scripts/checks/my_check.py`."""
    return PurePosixPath(path).stem.replace("_", "-")


def from_files(files: Iterable[File], *, run: bool) -> list[Check]:
    """The checks in files of the base revision; where they are not to be run, checks that say so."""
    return [_from_file(file) if run else Broken(id_of(file.path), _NOT_RUN, WARNING) for file in files]


_NOT_RUN = "it is a program of this registry and was not run; ask for it with --custom-checks"


def _from_file(file: File) -> Check:
    name = id_of(file.path)
    if file.kind != FILE:
        return Broken(name, f"{file.path} is {file.kind}")
    namespace: dict[str, Any] = {"__name__": f"registry_custom.{name}", "__file__": file.path}
    try:
        exec(compile(file.data, file.path, "exec", dont_inherit=True), namespace)  # noqa: S102 - asked for; base only
        return Guarded(name, namespace[CLASS](), file.path)
    except RegistryError as error:
        return Broken(name, error.what)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a foreign program does
        return Broken(name, f"{file.path} cannot be used: {_said(error)}")


def from_packages() -> list[Check]:
    """The checks that installed packages bring."""
    return [_from_entry(each.name, each) for each in sorted(entry_points(group=GROUP), key=lambda each: each.name)]


def _from_entry(name: str, entry: Any) -> Check:
    try:
        return Guarded(name, entry.load()(), f"entry point {GROUP}:{name}")
    except RegistryError as error:
        return Broken(name, error.what)
    except Exception as error:  # noqa: BLE001 - whatever a foreign package does
        return Broken(name, f"entry point {GROUP}:{name} cannot be used: {_said(error)}")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
