"""A model registry that is only a git repository, and refuses what was not pinned, verified and approved.

`load`, `resolve` and `fetch` are for applications, `save` and `link` for data scientists, the rest for those who keep a
registry. Nothing is imported before it is used: `import registry` costs a few milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.api.bundling import export, import_bundle
    from registry.api.candidates import candidates
    from registry.api.checkenv import checkenv
    from registry.api.checking import check
    from registry.api.comparing import compare
    from registry.api.doctor import doctor
    from registry.api.evaluating import evaluate
    from registry.api.firstsight import forget
    from registry.api.gating import Gated, check_gates
    from registry.api.gto_import import import_gto
    from registry.api.holding import latest, which
    from registry.api.lineages import impact, lineage_of
    from registry.api.linking import link
    from registry.api.loading import fetch, load
    from registry.api.lockcheck import check_lock
    from registry.api.locking import lock, unlock, upgrade_lock
    from registry.api.mlem_import import import_mlem
    from registry.api.mlflow_export import export_mlflow
    from registry.api.mlflow_import import import_mlflow
    from registry.api.planning import Options, Terms
    from registry.api.proposing import Proposed, propose
    from registry.api.questions import Registry, check_ref
    from registry.api.registering import deprecate, deregister, register
    from registry.api.reporting import report
    from registry.api.resolving import Resolved, resolve
    from registry.api.save import SavedModel, save
    from registry.api.scaffold import init
    from registry.api.serving import load_model, resolved_of
    from registry.api.staging import assign, assign_all, rollback, unassign
    from registry.api.targeting import Target
    from registry.api.trails import audit, audit_at
    from registry.api.unregistered import unregistered
    from registry.api.verifying import verify
    from registry.api.watching import Watch, watch
    from registry.api.withdrawing import archive, revoke
    from registry.errors import GitError, NotFound, Refused, RegistryError, Unreachable
    from registry.findings import Finding
    from registry.formats import PartialModel
    from registry.formats.calling import InvalidArguments, InvalidResult
    from registry.formats.environment import OtherVersion
    from registry.notice import Notice
    from registry.notifying.telling import notify
    from registry.offline import Offline

_HOMES = {
    "api.bundling": ("export", "import_bundle"),
    "api.candidates": ("candidates",),
    "api.checkenv": ("checkenv",),
    "api.checking": ("check",),
    "api.comparing": ("compare",),
    "api.doctor": ("doctor",),
    "api.evaluating": ("evaluate",),
    "api.firstsight": ("forget",),
    "api.gto_import": ("import_gto",),
    "api.gating": ("Gated", "check_gates"),
    "api.lineages": ("impact", "lineage_of"),
    "api.linking": ("link",),
    "api.loading": ("fetch", "load"),
    "api.lockcheck": ("check_lock",),
    "api.locking": ("lock", "unlock", "upgrade_lock"),
    "api.mlem_import": ("import_mlem",),
    "api.mlflow_export": ("export_mlflow",),
    "api.mlflow_import": ("import_mlflow",),
    "api.holding": ("latest", "which"),
    "api.proposing": ("Proposed", "propose"),
    "api.questions": ("Registry", "check_ref"),
    "api.planning": ("Options", "Terms"),
    "api.registering": ("deprecate", "deregister", "register"),
    "api.reporting": ("report",),
    "api.resolving": ("Resolved", "resolve"),
    "api.save": ("SavedModel", "save"),
    "api.scaffold": ("init",),
    "api.serving": ("load_model", "resolved_of"),
    "api.staging": ("assign", "assign_all", "rollback", "unassign"),
    "api.targeting": ("Target",),
    "api.withdrawing": ("archive", "revoke"),
    "api.trails": ("audit", "audit_at"),
    "api.unregistered": ("unregistered",),
    "api.verifying": ("verify",),
    "api.watching": ("Watch", "watch"),
    "notice": ("Notice",),
    "notifying.telling": ("notify",),
    "offline": ("Offline",),
    "errors": ("GitError", "NotFound", "Refused", "RegistryError", "Unreachable"),
    "findings": ("Finding",),
    "formats": ("PartialModel",),
    "formats.calling": ("InvalidArguments", "InvalidResult"),
    "formats.environment": ("OtherVersion",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Finding",
    "Gated",
    "GitError",
    "InvalidArguments",
    "InvalidResult",
    "NotFound",
    "Notice",
    "Offline",
    "Options",
    "OtherVersion",
    "PartialModel",
    "Proposed",
    "Refused",
    "Registry",
    "RegistryError",
    "Resolved",
    "SavedModel",
    "Target",
    "Terms",
    "Unreachable",
    "Watch",
    "archive",
    "assign",
    "assign_all",
    "audit",
    "audit_at",
    "candidates",
    "check",
    "check_gates",
    "check_lock",
    "check_ref",
    "checkenv",
    "compare",
    "deprecate",
    "deregister",
    "doctor",
    "evaluate",
    "export",
    "export_mlflow",
    "fetch",
    "forget",
    "impact",
    "import_bundle",
    "import_gto",
    "import_mlem",
    "import_mlflow",
    "init",
    "latest",
    "lineage_of",
    "link",
    "load",
    "load_model",
    "lock",
    "notify",
    "propose",
    "register",
    "report",
    "resolve",
    "resolved_of",
    "revoke",
    "rollback",
    "save",
    "unassign",
    "unlock",
    "unregistered",
    "upgrade_lock",
    "verify",
    "watch",
    "which",
]


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
