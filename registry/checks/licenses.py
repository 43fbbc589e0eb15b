"""Which licences a model card may name: SPDX expressions, and the identifiers that Hugging Face has beyond SPDX's.

Sources: https://spdx.org/licenses/ as the package `packaging` holds it, https://huggingface.co/docs/hub/repositories-licenses
"""

from __future__ import annotations

OTHER = "other"
"""A licence that has no identifier: `license_name` and `license_link` say which."""
UNKNOWN = "unknown"
"""Hugging Face's word for a licence that nobody told."""
LONGEST = 200
"""Longest expression that is judged, in characters."""

_HUGGING_FACE = frozenset(
    {
        "apple-amlr", "apple-ascl", "bigcode-openrail-m", "bigscience-bloom-rail-1.0", "bigscience-openrail-m", "bsd",
        "c-uda", "cc", "creativeml-openrail-m", "deepfloyd-if-license", "fair-noncommercial-research-license", "gemma",
        "gfdl", "gpl", "grok2-community", "h-research", "intel-research", "lgpl", "lgpl-lr", "llama2", "llama3",
        "llama3.1", "llama3.2", "llama3.3", "llama4", "odc-by", "openmdw-1.0", "openmdw-1.1", "openrail", "openrail++",
        OTHER,
    }
)  # fmt: skip


def is_license(text: str) -> bool:
    """Whether a text names a licence, in any case: an SPDX expression or an identifier of Hugging Face."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if text.lower() in _HUGGING_FACE:
        return True
    if len(text) > LONGEST or not text.isascii():
        return False
    try:
        canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return False
    return True
