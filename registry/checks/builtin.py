"""The built-in checks, in the order in which their findings are told."""

from __future__ import annotations

from registry.checks import Check
from registry.checks.commit_reachable import CommitReachable
from registry.checks.digest_matches import DigestMatches
from registry.checks.format_allowed import FormatAllowed
from registry.checks.interface_compatible import InterfaceCompatible
from registry.checks.interface_matches import InterfaceMatches
from registry.checks.lineage_complete import LineageComplete
from registry.checks.link_valid import LinkValid
from registry.checks.model_card import ModelCard
from registry.checks.model_readable import ModelReadable
from registry.checks.model_type_known import ModelTypeKnown
from registry.checks.name_valid import NameValid
from registry.checks.overall import CHANGE_CHECKS, LISTING_CHECKS
from registry.checks.path_contained import PathContained
from registry.checks.requirements_resolvable import RequirementsResolvable
from registry.checks.revision_is_tag import RevisionIsTag
from registry.checks.revision_pinned import RevisionPinned
from registry.checks.secrets import Secrets
from registry.checks.size_limit import SizeLimit
from registry.checks.source_trusted import SourceTrusted
from registry.checks.source_unreachable import SourceUnreachable
from registry.checks.source_url import SourceUrl
from registry.checks.tag_moved import TagMoved
from registry.checks.version_bump import VersionBump

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

__all__ = ["CHANGE_CHECKS", "LINK_CHECKS", "LISTING_CHECKS"]
