"""What a question needs once the tags are here, in one import that may run beside a fetch."""

from registry.api.accepting import accept
from registry.git.tagscan import scan
from registry.state import fold_artifact
from registry.tags import SKEW

__all__ = ["SKEW", "accept", "fold_artifact", "scan"]
