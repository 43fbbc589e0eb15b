"""The built-in checks, in the order in which their findings are told."""

from __future__ import annotations

from registry.checks import ChangeCheck, Check, ListingCheck
from registry.checks.commit_reachable import CommitReachable
from registry.checks.contract_linked import ContractLinked
from registry.checks.digest_matches import DigestMatches
from registry.checks.evaluation_present import EvaluationPresent
from registry.checks.format_allowed import FormatAllowed
from registry.checks.governance_files import GovernanceFiles
from registry.checks.interface_compatible import InterfaceCompatible
from registry.checks.interface_matches import InterfaceMatches
from registry.checks.lineage_complete import LineageComplete
from registry.checks.link_valid import LinkValid
from registry.checks.model_card import ModelCard
from registry.checks.model_readable import ModelReadable
from registry.checks.model_type_known import ModelTypeKnown
from registry.checks.name_unique import NameUnique
from registry.checks.name_valid import NameValid
from registry.checks.one_model_per_change import OneModelPerChange
from registry.checks.path_contained import PathContained
from registry.checks.policy_sound import PolicySound
from registry.checks.policy_valid import PolicyGrows, PolicyValid
from registry.checks.requirements_resolvable import RequirementsResolvable
from registry.checks.revision_is_tag import RevisionIsTag
from registry.checks.revision_pinned import RevisionPinned
from registry.checks.secrets import Secrets, SecretsBeside
from registry.checks.size_limit import SizeLimit
from registry.checks.source_trusted import SourceTrusted
from registry.checks.source_unreachable import SourceUnreachable
from registry.checks.source_url import SourceUrl
from registry.checks.stages_agree import StagesAgree
from registry.checks.stages_keep import StagesKeep
from registry.checks.tag_moved import TagMoved
from registry.checks.version_bump import VersionBump

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
LINK_CHECKS: tuple[Check, ...] = (
    LinkValid(),
    NameValid(),
    RevisionPinned(),
    SourceUrl(),
    SourceTrusted(),
    Secrets(),
    SourceUnreachable(),
    CommitReachable(),
    TagMoved(),
    RevisionIsTag(),
    PathContained(),
    ModelReadable(),
    DigestMatches(),
    SizeLimit(),
    ModelTypeKnown(),
    FormatAllowed(),
    RequirementsResolvable(),
    InterfaceMatches(),
    InterfaceCompatible(),
    VersionBump(),
    ModelCard(),
    LineageComplete(),
)
