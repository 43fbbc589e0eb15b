"""A birth certificate as the metadata of a Hugging Face model card. Takes values, returns text.

What the registry's own card says comes first: the certificate fills in what people left out.
"""

from __future__ import annotations

from registry import strictyaml
from registry.card import Card
from registry.cardfacts import front
from registry.lineage import Certificate


def as_huggingface(name: str, certificate: Certificate, card: Card | None = None) -> str:
    """The front matter, between its two lines."""
    said = strictyaml.typed(card.fields.value) if card is not None else None
    return f"---\n{strictyaml.dump(front(name, certificate, said))}---"
