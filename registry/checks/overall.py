"""The built-in checks of a registry or a change as a whole, and the ids of all, without what judges single links."""

from __future__ import annotations

from typing import Final

from registry.checks import ChangeCheck, ListingCheck
from registry.checks.contract_linked import ContractLinked
from registry.checks.evaluation_present import EvaluationPresent
from registry.checks.governance_files import GovernanceFiles
from registry.checks.name_unique import NameUnique
from registry.checks.one_model_per_change import OneModelPerChange
from registry.checks.policy_sound import PolicySound
from registry.checks.policy_valid import PolicyGrows, PolicyValid
from registry.checks.secrets import SecretsBeside
from registry.checks.stages_agree import StagesAgree
from registry.checks.stages_keep import StagesKeep

LISTING_CHECKS: tuple[ListingCheck, ...] = (
    NameUnique(),
    ContractLinked(),
    SecretsBeside(),
    PolicyValid(),
    PolicySound(),
    StagesAgree(),
    EvaluationPresent(),
)
CHANGE_CHECKS: tuple[ChangeCheck, ...] = (PolicyGrows(), GovernanceFiles(), StagesKeep(), OneModelPerChange())
LINK_IDS: Final = (
    "link-valid", "name-valid", "revision-pinned", "source-url", "source-trusted", "secrets", "source-unreachable",
    "commit-reachable", "tag-moved", "revision-is-tag", "path-contained", "model-readable", "digest-matches",
    "size-limit", "model-type-known", "format-allowed", "requirements-resolvable", "interface-matches",
    "interface-compatible", "version-bump", "model-card", "lineage-complete",
)  # fmt: skip
"""Of the checks in `registry.checks.builtin.LINK_CHECKS`, in their order."""
IDS: Final = tuple(dict.fromkeys((*LINK_IDS, *(each.id for each in (*LISTING_CHECKS, *CHANGE_CHECKS)))))
"""Of every built-in check, in the order in which findings are told."""
