"""Save a model with its metafile, in MLEM's layout: `<path>.mlem` beside the artifact `<path>`.

Each file is written under a temporary name and renamed, the artifact first and the metafile, which names its digest,
last: a crash leaves a pair that verification refuses, never one that looks right. The metafile depends only on the
artifact's bytes, the sample data, the parameters and the installed versions.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from registry import metafile
from registry.document import freeze
from registry.errors import RegistryError
from registry.formats import Saved, chains
from registry.formats.chains import Chain
from registry.layout import artifact_paths
from registry.metafile import ArtifactRef, Metafile, Requirement

_RESERVED = "artifact."
_DEPTH = 32


@dataclass(frozen=True)
class SavedModel:
    """What `save` wrote."""

    metafile: Path
    artifacts: Mapping[str, Path]
    """Files by artifact name."""
    untrusted: tuple[str, ...] = ()
    """Types in the skops file that a loader refuses unless its policy lists them in `formats.skops_trusted`."""
    local: tuple[str, ...] = ()
    """Modules the model needs that no installed package provides: the loader's machine must have them."""


def save(
    model: object,
    path: str | os.PathLike[str],
    *,
    sample_data: object = None,
    format: str | None = None,  # noqa: A002 - the public word, as in the design
    params: Mapping[str, Any] | None = None,
    preprocess: object = None,
    postprocess: object = None,
) -> SavedModel:
    """Write the artifact `<path>` and its metafile `<path>.mlem`; folders are made, existing files replaced.

    `sample_data` is what the methods take, so that their data types are known: each is called once on it. `format` is
    the framework's safest where it is left out. `params` are kept in the metafile; names that
    begin with `artifact.` are reserved. `preprocess` and `postprocess` are applied by `registry.load_model`: a function
    of an importable module or a transformer for all methods, or a dict of them by method; then `<path>` is a folder
    with one file for each, and `sample_data` is what the first of them takes. Raises `RegistryError`; warns where a
    loader would refuse the model's types.
    """
    target = _target(path)
    given = _params(params or {})
    chain = chains.build(model, sample_data, format, preprocess, postprocess)
    data = {prefix + name: data for prefix, part in _prefixed(chain) for name, data in part.artifacts.items()}
    names = _names(chain, target.name)
    written = _metafile(chain, data, names, given)
    artifact_paths(written, f"{target.name}.mlem")
    _require_free(target, folder=target.name not in names.values())
    for name, content in data.items():
        _replace(target.parent / names[name], content)
    described = target.with_name(f"{target.name}.mlem")
    _replace(described, metafile.dump(written).encode("utf-8"))
    untrusted = _union(part.untrusted for part in chain.parts.values())
    local = _union(part.local for part in chain.parts.values())
    _warn(untrusted, local)
    places = MappingProxyType({name: target.parent / names[name] for name in names})
    return SavedModel(described, places, untrusted, local)


def _prefixed(chain: Chain) -> list[tuple[str, Saved]]:
    """The parts with what MLEM puts before the names of their artifacts: nothing where the model stands alone."""
    alone = set(chain.parts) == {metafile.MAIN}
    return [("" if alone else f"{name}/", part) for name, part in chain.parts.items()]


def _names(chain: Chain, target: str) -> dict[str, str]:
    """Where each artifact lies beside the metafile, as in MLEM: one file is `<path>`, for several it is a folder."""
    found: dict[str, str] = {}
    for prefix, part in _prefixed(chain):
        home = f"{target}/{prefix}".rstrip("/")
        single = len(part.artifacts) == 1 and part.processor.type != "files"
        found |= {f"{prefix}{name}": home if single else f"{home}/{name}" for name in part.artifacts}
    return found


def _union(found: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted({each for one in found for each in one}))


def _metafile(chain: Chain, data: Mapping[str, bytes], names: Mapping[str, str], params: Mapping[str, Any]) -> Metafile:
    digests = {f"{_RESERVED}{name}.sha256": hashlib.sha256(content).hexdigest() for name, content in data.items()}
    return Metafile(
        artifacts=MappingProxyType({name: _reference(names[name], content) for name, content in data.items()}),
        processors=MappingProxyType({name: part.processor for name, part in chain.parts.items()}),
        call_orders=MappingProxyType(dict(chain.call_orders)),
        requirements=_requirements(chain),
        params=MappingProxyType({**params, **digests}),
    )


def _requirements(chain: Chain) -> tuple[Requirement, ...]:
    """What all parts need, each once, by name."""
    found = {(need.type, need.package or ""): need for part in chain.parts.values() for need in part.requirements}
    return tuple(found[key] for key in sorted(found))


def _reference(uri: str, data: bytes) -> ArtifactRef:
    md5 = hashlib.md5(data, usedforsecurity=False)  # MLEM's readers know this one; ours verify the SHA-256
    return ArtifactRef(uri, len(data), md5.hexdigest())


def _target(path: str | os.PathLike[str]) -> Path:
    given = Path(path)
    name = given.name.removesuffix(".mlem")
    if name in {"", ".."}:
        raise RegistryError(f"{os.fspath(path)!r} names no file", "", "pass a path such as models/linear_regression")
    return given.with_name(name)


def _require_free(target: Path, *, folder: bool) -> None:
    """Refuse to write over what is not a file where a file goes, or over a file where a folder goes."""
    described = target.with_name(f"{target.name}.mlem")
    if described.is_dir() or (target.is_dir() and not folder):
        where = described if described.is_dir() else target
        raise RegistryError("a folder stands where the model would be written", str(where), "choose another path")
    if folder and target.exists() and not target.is_dir():
        raise RegistryError(
            "a file stands where the folder of the model's parts would be made", str(target), "choose another path"
        )


def _params(params: Mapping[str, Any]) -> Mapping[str, Any]:
    for key, value in params.items():
        if not isinstance(key, str) or key.startswith(_RESERVED):
            raise RegistryError(
                f"parameter name {key!r} cannot be used",
                "",
                f"name it by text that does not begin with {_RESERVED!r}: those names hold the artifacts' digests",
            )
        if not _is_plain(value, _DEPTH):
            raise RegistryError(
                f"parameter {key!r} is a {type(value).__qualname__}",
                "",
                "pass text, numbers, booleans, lists and dicts only",
            )
    return MappingProxyType({key: freeze(value) for key, value in params.items()})


def _is_plain(value: object, depth: int) -> bool:
    if depth == 0:
        return False
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item, depth - 1) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item, depth - 1) for item in value)
    return type(value) in {str, int, float, bool, type(None)}


def _replace(path: Path, data: bytes) -> None:
    """Write all of a file or nothing of it."""
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RegistryError(
            f"cannot write: {error.strerror or error}", str(path), "check the folder and its rights"
        ) from error


def _warn(untrusted: tuple[str, ...], local: tuple[str, ...]) -> None:
    """One warning for whatever would keep the model from loading elsewhere."""
    said = []
    if untrusted:
        said.append(
            "loading will be refused unless formats.skops_trusted in the registry's policy.yaml lists "
            + ", ".join(untrusted)
        )
    if local:
        said.append(
            "the machine that loads it must have these modules, which no installed package provides: "
            + ", ".join(local)
        )
    if said:
        warnings.warn("; ".join(said), stacklevel=3)
