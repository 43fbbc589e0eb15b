"""From a model back to raw data, through the stages of its DVC pipeline, and where that chain does not hold.

Rules: what a stage read must have the hash of what the stage before wrote, of what its `.dvc` file tracks, or of the
file that git holds at the commit; what git holds of a stage's outputs must have the hash that the lock says; parameters
and command must be those of the commit. An MD5 of DVC before 3 and the list of a folder in git are not compared.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from registry.annotations import load
from registry.errors import RegistryError
from registry.lineage import Fact, Scalar, scalar
from registry.provenance.reading import Digest, Files
from registry.provenance.stages import Pipelines, Stage, Tracked, command

CODE = (".py", ".ipynb", ".r", ".rmd", ".jl", ".sh", ".bash", ".sql", ".scala", ".java", ".cpp", ".c", ".rs", ".go")
"""Endings of the dependencies that are code rather than data."""
PARAMS = (".yaml", ".yml", ".json")


class Chain(NamedTuple):
    """The stages that made a model, the one that wrote it first."""

    stages: tuple[Stage, ...]
    beside: tuple[Stage, ...]
    """Further stages of the same pipelines, such as the evaluation."""

    @property
    def producer(self) -> Stage | None:
        """The stage that wrote the model; none where DVC does not say."""
        return self.stages[0] if self.stages else None


def holds(outer: str, inner: str) -> bool:
    """Whether a path is another, or lies in it."""
    return outer == inner or inner.startswith(f"{outer}/")


def chain(said: Pipelines, paths: Sequence[str]) -> Chain:
    """The stages that made the files at `paths`."""
    first = [stage for stage in said.stages if any(holds(out.path, path) for out in stage.outs for path in paths)]
    found = dict.fromkeys((each.lock.path, each.name) for each in first)
    ordered = list(first)
    for stage in ordered:  # grows while it is walked
        for before in said.stages:
            key = (before.lock.path, before.name)
            if key not in found and _feeds(before, stage):
                found[key] = None
                ordered.append(before)
    locks = {stage.lock.path for stage in ordered}
    beside = [each for each in said.stages if each.lock.path in locks and (each.lock.path, each.name) not in found]
    return Chain(tuple(ordered), tuple(beside))


def _feeds(before: Stage, after: Stage) -> bool:
    return any(holds(out.path, dep.path) or holds(dep.path, out.path) for out in before.outs for dep in after.deps)


def named(said: Pipelines, found: Chain) -> set[str]:
    """The files whose bytes must be looked at: what the stages read and wrote, as far as git holds it."""
    return {each.path for stage in (*found.stages, *found.beside) for each in (*stage.deps, *stage.outs)} | {
        each.path for each in said.tracked
    }


def is_code(path: str) -> bool:
    """Whether a dependency is a program by its name."""
    return posixpath.splitext(path)[1].lower() in CODE


def inputs(said: Pipelines, found: Chain, held: Mapping[str, Digest]) -> tuple[dict[str, Fact], dict[str, Fact]]:
    """The code and the data of the chain, as facts by path."""
    code: dict[str, Fact] = {}
    data: dict[str, Fact] = {}
    for stage in found.stages:
        for dep in stage.deps:
            known = held.get(dep.path)
            facts = code if is_code(dep.path) else data
            value: dict[str, Scalar] = {"md5": dep.md5 or (known.md5 if known else None), "read_by": stage.name}
            value["size"] = dep.size if dep.size is not None else (known.size if known else None)
            value["sha256"] = known.sha256 if known and known.md5 == dep.md5 else None
            if facts is data:
                value |= _made(said, dep.path)
            kept = {key: scalar(item) for key, item in value.items() if item is not None}
            facts.setdefault(scalar_text(dep.path), Fact(kept, dep.text.path, dep.key, dep.text.blob))
    return code, data


def _made(said: Pipelines, path: str) -> dict[str, Scalar]:
    stage = next((each.name for each in said.stages if any(holds(out.path, path) for out in each.outs)), None)
    origin = next((each.origin for each in said.tracked if holds(each.path, path)), None)
    return {"made_by": stage, "origin": origin, "raw": stage is None}


def scalar_text(text: str) -> str:
    """Text as a certificate can hold it."""
    return str(scalar(text))


def breaks(said: Pipelines, found: Chain, held: Mapping[str, Digest], known: Mapping[str, str]) -> Iterator[str]:
    """Where hashes of the chain differ, a sentence each; `known` is the MD5 of the model's own files by path."""
    yield from _twice(found, known)
    stages = (*found.stages, *found.beside)
    written = {out.path: (out, stage.name) for stage in said.stages for out in stage.outs}
    tracked = {each.path: each for each in said.tracked}
    for stage in stages:
        for dep in stage.deps:
            if dep.path in written:
                out, maker = written[dep.path]
                yield from _unlike(stage, dep, out, f"stage {maker} wrote one of MD5 {out.md5}")
            elif dep.path in tracked:
                out = tracked[dep.path]
                yield from _unlike(stage, dep, out, f"{out.text.path} tracks MD5 {out.md5}")
            elif dep.plain and dep.md5 and (now := held.get(dep.path)) is not None and now.md5 != dep.md5:
                yield f"stage {stage.name} read {dep.path} of MD5 {dep.md5}, the commit holds one of MD5 {now.md5}"
        for out in stage.outs:
            md5 = known.get(out.path) or (held[out.path].md5 if out.path in held else None)
            if out.plain and out.md5 and md5 is not None and md5 != out.md5:
                what = "the model has" if out.path in known else "the commit holds one of"
                says = f"{stage.lock.path} says that stage {stage.name} wrote {out.path} of MD5 {out.md5}"
                yield f"{says}, {what} MD5 {md5}"


def _twice(found: Chain, known: Mapping[str, str]) -> Iterator[str]:
    for path in known:
        makers = [each.name for each in found.stages if any(holds(out.path, path) for out in each.outs)]
        if len(makers) > 1:
            yield f"{path} is written by more than one stage: {', '.join(makers)}"


def _unlike(stage: Stage, dep: Tracked, out: Tracked, says: str) -> Iterator[str]:
    if dep.md5 and out.md5 and dep.plain == out.plain and dep.md5 != out.md5:
        yield f"stage {stage.name} read {dep.path} of MD5 {dep.md5}, {says}"


def unlike_written(found: Chain) -> Iterator[str]:
    """Stages that ran another command than their `dvc.yaml` has; one with a template is not compared."""
    for stage in (*found.stages, *found.beside):
        said = stage.written.get("cmd")
        if said is not None and "${" not in command(said) and command(said) != stage.command:
            yield f"stage {stage.name} ran {stage.command[:200]!r}, the pipeline says {command(said)[:200]!r}"


def parameters(stage: Stage) -> dict[str, Fact]:
    """What a stage was run with, as facts by `FILE:KEY`."""
    found = {}
    for file, values in sorted(stage.params.items()):
        for key, value in values.items():
            for name, leaf in leaves(value, key):
                place = f"{stage.key}.params.{file}.{name}"
                found[scalar_text(f"{file}:{name}")] = Fact(
                    scalar(leaf), stage.lock.path, scalar_text(place), stage.lock.blob
                )
    return found


def altered_parameters(found: Chain, files: Files) -> Iterator[str]:
    """Parameters whose values at the commit are not those that a stage ran with."""
    wanted = {file for stage in (*found.stages, *found.beside) for file in stage.params if file.endswith(PARAMS)}
    texts = files.read(sorted(wanted))
    loaded: dict[str, Any] = {}
    for path, text in texts.items():
        try:
            loaded[path] = load(text.data, path)
        except RegistryError as error:
            yield f"{path} cannot be read: {' '.join(error.what.split())}"
    for stage in (*found.stages, *found.beside):
        for file, values in stage.params.items():
            for key, value in values.items() if file in loaded else ():
                now = _at(loaded[file], key)
                if dict(leaves(value, key)) != dict(leaves(now, key)):
                    said = str(scalar(now))[:80] if now is not _NOTHING else "nothing"
                    yield f"stage {stage.name} ran with {file}:{key} {str(scalar(value))[:80]}, the commit says {said}"


_NOTHING = object()


def _at(value: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return _NOTHING
        value = value[part]
    return value


def leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The scalars of nested mappings and lists, each with its dotted name."""
    pairs: Iterable[tuple[object, Any]]
    if isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, (list, tuple)):
        pairs = enumerate(value)
    else:
        yield name, value
        return
    for key, item in pairs:
        yield from leaves(item, f"{name}.{key}" if name else str(key))
