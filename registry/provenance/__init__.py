"""The birth certificate of a model, collected from its source's objects at the pinned commit. Nothing is executed.

`registry link` writes what `collect` gives, `registry check` (`lineage-complete`) collects it anew and compares. A file
of the source that cannot be read is a sentence among the certificate's breaks, never an error: the model itself is
sound. MLflow is asked over REST (`registry.provenance.runs`), for a link to it and where `lineage.yaml` names a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from registry import lineage
from registry.errors import RegistryError
from registry.git.source import Source
from registry.lineage import MOST, Certificate, Fact
from registry.plural import plural
from registry.policy import Policy
from registry.provenance import chain as chains
from registry.provenance import declared, runs
from registry.provenance.chain import Chain, scalar_text
from registry.provenance.described import features, framework, identity, packages, parents
from registry.provenance.reading import Files
from registry.provenance.stages import Pipelines, pipelines
from registry.stores.mlflow import TrackedSource
from registry.stores.model import Model

Sections = dict[str, dict[str, Fact]]


def collect(
    source: Source, commit: str, model: Model, *, project: str, revision: str, policy: Policy | None = None
) -> Certificate:
    """The certificate of a model at a commit that was brought; `project` and `revision` as the link says them.

    The policy says which tracking servers may be asked for a run that `lineage.yaml` names. Raises `RegistryError`,
    `GitError` where the source's objects cannot be had.
    """
    if isinstance(source, TrackedSource):
        tracked, doubts = runs.of_model(source, model, project, revision)
        return _bounded(commit, scalar_text(model.path), tracked, doubts)
    with source.batch() as batch:
        files = Files(source, commit, batch)
        body = batch.read(commit, "commit") or b""
        path, meta = scalar_text(model.path), model.metafile
        said = pipelines(files)
        made = [held.path for held in model.files.values()]
        found = chains.chain(said, [*made, model.path])
        sections: Sections = {
            lineage.IDENTITY: identity(commit, body, project, revision),
            lineage.FRAMEWORK: framework(meta, path, model.blob),
            lineage.FEATURES: features(meta.interface, path, model.blob),
            lineage.ENVIRONMENT: declared.environment(files, model.path.rpartition("/")[0])
            | packages(meta, path, model.blob),
        }
        faults = [*said.faults, *_pipeline(sections, files, said, found, _md5s(model))]
        near = [commit, *parents(body)]
        faults += _declared(sections, files, near)
    faults += runs.declared_run(sections, near, policy or Policy())
    return _bounded(commit, path, sections, faults)


def _md5s(model: Model) -> dict[str, str]:
    """The MD5 that the metafile says of each artifact: link and check hold the bytes against it."""
    said = {held.path: model.metafile.artifacts[name].hash for name, held in model.files.items()}
    return {path: md5 for path, md5 in said.items() if md5}


def _pipeline(
    sections: Sections, files: Files, said: Pipelines, found: Chain, md5s: Mapping[str, str]
) -> Iterator[str]:
    """Fill in what DVC says; yields what is broken."""
    held = files.digests(sorted(chains.named(said, found)))
    code, data = chains.inputs(said, found, held)
    training = {f"code:{path}": fact for path, fact in code.items()}
    producer = found.producer
    for stage in found.stages:
        name = "command" if stage is producer else f"command:{scalar_text(stage.name)}"
        key = scalar_text(f"{stage.key}.cmd")
        training[name] = Fact(lineage.scalar(stage.command), stage.lock.path, key, stage.lock.blob)
    folders = ["", producer.lock.path.rpartition("/")[0]] if producer else [""]
    params, unread = declared.parameter_files(files, list(dict.fromkeys(folders)))
    if producer is not None:
        training["stage"] = Fact(
            scalar_text(producer.name), producer.lock.path, scalar_text(producer.key), producer.lock.blob
        )
        params |= chains.parameters(producer)
    numbers, unread_metrics = declared.metrics(said, found, files)
    sections |= {
        lineage.TRAINING: training, lineage.DATA: data, lineage.PARAMETERS: params, lineage.METRICS: numbers,
    }  # fmt: skip
    yield from (*unread, *unread_metrics)
    yield from chains.breaks(said, found, held, md5s)
    yield from chains.unlike_written(found)
    yield from chains.altered_parameters(found, files)


def _declared(sections: Sections, files: Files, near: Sequence[str]) -> Iterator[str]:
    """Fill in what `lineage.yaml` says; yields what is broken. A run is made at the commit, or the one it goes into."""
    text = files.read([declared.PATH]).get(declared.PATH)
    if text is None:
        return
    try:
        found = declared.declared(text)
    except RegistryError as error:
        yield f"{declared.PATH} cannot be read: {' '.join(error.what.split())}"
        return
    for section, facts in found.items():
        sections[section] = sections.get(section, {}) | facts
    run = found[lineage.TRACKING].get("mlflow.commit")
    if run is not None and run.value not in near:
        yield f"the MLflow run was made at commit {run.value}, which is neither {near[0]} nor the one before it"


def _bounded(commit: str, path: str, sections: Sections, faults: list[str]) -> Certificate:
    kept, left, gone = dict[str, dict[str, Fact]](), MOST, 0
    for section in lineage.SECTIONS:
        facts = sections.get(section, {})
        names = sorted(facts)[:left]
        gone += len(facts) - len(names)
        left -= len(names)
        if names:
            kept[section] = {name: _told(facts[name]) for name in names}
    if gone:
        faults = [f"{plural(gone, f'fact beyond {MOST} is', f'facts beyond {MOST} are')} left out", *faults]
    return Certificate(commit, path, kept, tuple(scalar_text(each) for each in dict.fromkeys(faults))[:MOST])


def _told(fact: Fact) -> Fact:
    """The fact with text as a certificate can hold it."""
    value = fact.value
    if isinstance(value, Mapping):
        value = {scalar_text(key): lineage.scalar(item) for key, item in value.items()}
    return Fact(value, scalar_text(fact.path), scalar_text(fact.key), fact.blob)
