"""What a model's metafile and its commit say: author and time, framework and packages, features."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone

from registry import datatypes
from registry.commit import parse_commit
from registry.datatypes import Dict, Table
from registry.interface import Argument, Interface
from registry.lineage import Fact, scalar
from registry.metafile import Metafile
from registry.provenance.chain import scalar_text

_FRAMEWORKS = {"sklearn": "scikit-learn", "tf_keras": "tensorflow"}
_PARENT = re.compile(rb"^parent ([0-9a-f]{40,64})$", re.MULTILINE)


def identity(commit: str, body: bytes, source: str, revision: str) -> dict[str, Fact]:
    """Who made the commit and when, and how the link names it."""
    found = {"commit": Fact(commit, "", "commit", commit)}
    parsed = parse_commit(commit, body)
    if parsed is not None:
        when = datetime.fromtimestamp(parsed.time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        found["author"] = Fact(scalar(f"{parsed.author} <{parsed.author_email}>"), "", "author", commit)
        found["time"] = Fact(when, "", "committer", commit)
    found["source"] = Fact(scalar(source), "", "project", "")
    found["revision"] = Fact(scalar(revision), "", "rev", "")
    return found


def parents(body: bytes) -> list[str]:
    """The commits before a commit."""
    return [each.decode() for each in _PARENT.findall(body.partition(b"\n\n")[0])]


def framework(metafile: Metafile, path: str, blob: str) -> dict[str, Fact]:
    """The type of the model, how it is stored, and the version of the framework it was saved with."""
    kind = metafile.model_type
    package = _FRAMEWORKS.get(kind.partition("_")[0], _FRAMEWORKS.get(kind, kind))
    found = {"type": Fact(scalar(kind), path, "processors.model.type", blob)}
    found["format"] = Fact(scalar(metafile.io), path, "processors.model.io", blob)
    for number, need in enumerate(metafile.requirements):
        if need.package == package and need.version:
            found["package"] = Fact(scalar(package), path, f"requirements.{number}.module", blob)
            found["version"] = Fact(scalar(need.version), path, f"requirements.{number}.version", blob)
    return found


def packages(metafile: Metafile, path: str, blob: str) -> dict[str, Fact]:
    """The packages that the model was saved with, in PyPI's spelling, by `package:NAME`."""
    found = {}
    for number, need in enumerate(metafile.requirements):
        if need.package and need.version:
            name = re.sub(r"[-_.]+", "-", need.package).lower()
            found[scalar_text(f"package:{name}")] = Fact(
                scalar(need.version), path, f"requirements.{number}.version", blob
            )
    return found


def features(interface: Interface, path: str, blob: str) -> dict[str, Fact]:
    """What the model takes, by `METHOD.ARGUMENT`, and of a table by `METHOD.ARGUMENT.COLUMN`."""
    found = {}
    for name, method in sorted(interface.methods.items()):
        for argument in method.args:
            for key, said in _parts(argument):
                found[scalar_text(f"{name}.{key}")] = Fact(
                    scalar(said), path, scalar_text(f"methods.{name}.args"), blob
                )
    return found


def _parts(argument: Argument) -> Iterator[tuple[str, str]]:
    type_ = argument.type_
    if isinstance(type_, Table):
        for column, dtype in zip(type_.columns, type_.dtypes, strict=True):
            yield f"{argument.name}.{column}", dtype
    elif isinstance(type_, Dict):
        for key, inner in type_.item_types.items():
            yield f"{argument.name}.{key}", datatypes.describe(inner)
    else:
        yield argument.name, datatypes.describe(type_)
