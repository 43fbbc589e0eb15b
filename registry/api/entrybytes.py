"""Gates that look at the model itself, judged by a loader on the files that it brought and verified.

What a stage holds may be asked without its source; its bytes are seen only when they are brought. So a stage does not
fall back to the version before where these fail: what it holds is refused. The source is asked nothing more, but where
a number is only a birth certificate's, which the pinned commit must say too: once on this machine.

Judged is the stage that was asked for, and where a process or a caller admits only what is in certain stages
(`registry.api.admitting`) those that hold it: one of them must have let it in.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from registry.api.accepting import EVENT_REJECTED
from registry.errors import Refused, RegistryError

if TYPE_CHECKING:
    from registry.api.bringing import Fetched
    from registry.api.entering import Owed
    from registry.api.gatecase import Asked
    from registry.findings import Finding
    from registry.gates.case import Case

_PASSED = ("passed",)


def require_entered(fetched: Fetched) -> None:
    """Raise `Refused` (`event-rejected`) where the bytes fail a gate of the stage that they were asked for by."""
    resolved = fetched.resolved
    for group in resolved.groups:
        refused: Refused | None = None
        for stage in group:
            owed = resolved.owed.get(stage)
            refused = None if owed is None else _refusal(fetched, owed)
            if refused is None:
                break
        if refused is not None:
            raise refused


def _refusal(fetched: Fetched, owed: Owed) -> Refused | None:
    key = f"{owed.key}-{fetched.metafile_file.sha256}"
    if owed.journal is not None and owed.journal.get(key) == _PASSED:
        return None
    failed = _failed(fetched, owed)
    if failed:
        told = "; ".join(f"gate-failed: {gate}: {found.message}" for gate, found in failed)
        what = f"tag {owed.tag!r} put into stage {owed.stage!r} what its gates do not let in ({told})"
        return Refused(EVENT_REJECTED, what, fetched.where, failed[0][1].fix)
    if owed.journal is not None:
        owed.journal.add(key, _PASSED)
        owed.journal.save()
    return None


def _failed(fetched: Fetched, owed: Owed) -> list[tuple[str, Finding]]:
    """The first reason of each gate that fails, with the gate. Raises `GitError` where git cannot read something."""
    from registry.api.entrycase import Look, cases
    from registry.api.gating import Bench
    from registry.gates.case import Case
    from registry.gates.table import BROUGHT
    from registry.governance import Act

    asked = _asked(fetched, owed)
    found: Case | RegistryError = cases(owed.project, [Look(asked, owed.gates)])[0]
    told = []
    for gate in owed.gates:
        case = found
        if isinstance(found, Case) and gate.id != "metric":  # that one asks the source
            case = _brought(found, fetched)
        result, findings = Bench(case, Act("assign", asked.name), None, 0).judge(gate, BROUGHT.get(gate.id))
        if not result.passed:
            told.append((gate.key, findings[0]))
    return told


def _asked(fetched: Fetched, owed: Owed) -> Asked:
    from registry.api.gatecase import Asked
    from registry.state import Version

    resolved = fetched.resolved
    version = Version(resolved.version or resolved.commit, resolved.commit, registered=True)
    return Asked(resolved.name, version, owed.stage, None, resolved.policy, owed.head, custom=False)


def _brought(case: Case, fetched: Fetched) -> Case:
    """The case with the verified files in place of the source."""
    from registry.api.modelreading import Model
    from registry.checks.subject import Subject

    class Brought(Subject):
        """A link whose model is here."""

        @cached_property
        def model(self) -> Model:  # as it was brought, not as the source offers it
            link, file = fetched.resolved.link, fetched.metafile_file
            return Model(link.metafile_path, "", file.read(), fetched.metafile, {})

    was = case.subject
    subject = Brought(was.file, was.name, was.contract, policy=was.policy)
    return replace(case, subject=subject, ask=lambda _: None, files=lambda: fetched.files)
