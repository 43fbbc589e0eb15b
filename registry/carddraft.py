"""The first text of a model card: what link and metafile say of a model, and a place for what only people know. Pure.

Names of methods and columns come from the model, data and metrics from its source: they stand in indented code, one
line each, so that none of them becomes Markdown, and in front matter as a YAML writer quotes them. They fill no section
that a policy may require.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from registry import strictyaml
from registry.card import PLACEHOLDER
from registry.cardfacts import LIBRARIES, TAG, details, front
from registry.cardupdate import DETAILS, INTERFACE
from registry.interface import Interface, signature
from registry.lineage import Certificate
from registry.linkfile import Link
from registry.metafile import Metafile

_FRONT = """\
---
# What may stand here: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
# An SPDX identifier such as apache-2.0; or other, with license_name and license_link:
license: unknown
{facts}# language: en
{missing}---
"""
_ASKED = (
    ("Intended use", "Who may use it, for what, with which data? What must it not be used for?"),
    ("Limitations", "Where does it fail? Which data was it never shown?"),
    ("Ethical considerations", "Whom do its mistakes concern? Which groups were looked at? What about personal data?"),
    ("Training data", "Which data, from when, how chosen? Where is it described?"),
    ("Evaluation", "On which data, by which metrics, with which result, compared with what?"),
    ("Owner", "Which team answers questions, and where?"),
)


def draft(name: str, link: Link, metafile: Metafile, certificate: Certificate | None = None) -> str:
    """The text of a new card, with the facts of the birth certificate where there is one."""
    facts = known_of(name, metafile, certificate)
    parted = blocks(link, metafile, certificate)
    missing = "".join(f"# {key}:\n" for key in ("datasets", "metrics") if key not in facts)
    parts = [
        _FRONT.format(facts=strictyaml.dump(facts), missing=missing),
        f"# {name}\n",
        *(part for title, text in parted.items() for part in (f"## {title}\n", text)),
        *(f"## {title}\n\n<!-- {asked} -->\n\n{PLACEHOLDER}\n" for title, asked in _ASKED),
    ]
    return "\n".join(parts)


def known_of(
    name: str, metafile: Metafile, certificate: Certificate | None, said: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The front matter that metafile and certificate know of; `said` is what a card says already."""
    library = LIBRARIES.get(metafile.model_type)
    facts = ({"library_name": library} if library else {}) | {"tags": [TAG]}
    return facts | (front(name, certificate, said) if certificate is not None else {})


def blocks(link: Link, metafile: Metafile, certificate: Certificate | None) -> dict[str, str]:
    """The indented lines of the sections that link, metafile and certificate fill, by title."""
    facts = chain(_details(link, metafile), details(certificate) if certificate is not None else ())
    return {DETAILS: _code(facts), INTERFACE: _code(_methods(metafile.interface))}


def _details(link: Link, metafile: Metafile) -> Iterator[str]:
    yield f"type: {metafile.model_type}, stored as {metafile.io}"
    if link.project is not None:
        yield f"source: {link.project}"
    yield f"path: {link.path}"
    if link.rev is not None:
        yield f"revision: {link.rev}"
    yield f"commit: {link.commit}"
    packages = (f"{each.package}=={each.version}" if each.version else each.package for each in metafile.requirements)
    yield f"requirements: {', '.join(filter(None, packages)) or 'none recorded'}"


def _methods(interface: Interface) -> Iterator[str]:
    for name, method in interface.methods.items():
        yield f"{name}{signature(method)}"
        for argument in method.args:
            columns, dtypes = getattr(argument.type_, "columns", ()), getattr(argument.type_, "dtypes", ())
            yield from (f"  {argument.name}[{c!r}]: {d}" for c, d in zip(columns, dtypes, strict=True))


def _code(lines: Iterable[str]) -> str:
    shown = ["".join(char if char.isprintable() else repr(char)[1:-1] for char in line) for line in lines]
    return "".join(f"    {line}\n" for line in shown or ["nothing is recorded"])
