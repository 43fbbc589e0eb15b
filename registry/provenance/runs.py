"""What a run of MLflow says, as facts: asked over REST, each with the resource and the key where it was read.

Source: https://mlflow.org/docs/latest/rest-api.html, `runs/get` and `model-versions/get`. Metrics are the last value of
each. Of the tags only those that MLflow itself sets when a run begins are read: people change the others later. A run
that `lineage.yaml` names is asked where the policy trusts `mlflow+URI`, over https (or this machine's http), with the
user's own credentials for that server; who was not asked, or did not answer, is told as `UNASKED`, never passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol

from registry import lineage
from registry.errors import NotFound, RegistryError
from registry.lineage import RUN, RUNS, UNASKED, Fact, Scalar, scalar
from registry.metafile import Metafile
from registry.mlmodel import DOCUMENT, NAME, PYFUNC, REQUIREMENTS
from registry.policy import Policy
from registry.provenance.chain import scalar_text
from registry.provenance.declared import without_user
from registry.provenance.described import features, framework, packages
from registry.stores.mlflow import RUN_ID, TrackedSource
from registry.stores.mlflow_server import Server, explained, text, texts
from registry.urls import TRACKED, Address, parse_source

Sections = dict[str, dict[str, Fact]]

_COMMIT = "mlflow.source.git.commit"
_TRAINING = {
    "script": "mlflow.source.name",
    "repository": "mlflow.source.git.repoURL",
    "entry_point": "mlflow.project.entryPoint",
}
"""Facts of `training` by the tag that says them."""
_DONE = frozenset({"FINISHED", ""})


class Tracked(Protocol):
    """A model that a run logged."""

    @property
    def path(self) -> str:
        """As the link names it."""
        ...

    @property
    def metafile(self) -> Metafile:
        """The file `MLmodel`."""
        ...


class Told(NamedTuple):
    """What `runs/get` answered."""

    run_id: str
    run: dict[str, Any]

    def fact(self, value: object, key: str) -> Fact:
        """A fact of the answer."""
        return Fact(scalar(value), f"{RUNS}run_id={self.run_id}", scalar_text(key), "")

    def pairs(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Keys and values of its `params`, `metrics` or `tags`."""
        for each in texts(self.run, "run", "data", kind):
            if isinstance(each.get("key"), str):
                yield each["key"], each.get("value")

    def values(self, kind: str, prefix: str = "") -> dict[str, Fact]:
        """Its `params` or `metrics` as facts."""
        return {
            scalar_text(f"{prefix}{key}"): self.fact(value, f"data.{kind}.{key}") for key, value in self.pairs(kind)
        }

    @property
    def tags(self) -> dict[str, str]:
        """Its tags."""
        return {key: str(value) for key, value in self.pairs("tags")}

    @property
    def commit(self) -> str | None:
        """The git commit that it was made at."""
        return self.tags.get(_COMMIT)

    def info(self, key: str) -> str:
        """A text of its `info`; empty where there is none."""
        return text(self.run, "run", "info", key)


def of_model(source: TrackedSource, model: Tracked, project: str, revision: str) -> tuple[Sections, list[str]]:
    """The facts of a model that is linked at a tracking server, and what is broken. Raises as `TrackedSource`."""
    told = Told(source.run_id, source.run)
    sections: Sections = {
        lineage.IDENTITY: _identity(told, project, revision),
        lineage.FRAMEWORK: _framework(model),
        lineage.PARAMETERS: told.values("params"),
        lineage.FEATURES: _features(model),
        lineage.METRICS: told.values("metrics"),
        lineage.TRAINING: _training(told),
        lineage.DATA: _datasets(told),
        lineage.ENVIRONMENT: _packages(model),
        lineage.TRACKING: _tracking(told) | _version(source),
    }
    return sections, list(_unfinished(told))


def _identity(told: Told, project: str, revision: str) -> dict[str, Fact]:
    found = {"source": Fact(scalar(project), "", "project", ""), "revision": Fact(scalar(revision), "", "rev", "")}
    if user := told.tags.get("mlflow.user"):
        found["author"] = told.fact(user, "data.tags.mlflow.user")
    for key in ("end_time", "start_time"):
        when = (told.run.get("run") or {}).get("info", {}).get(key)
        if isinstance(when, int) and 0 < when < 1 << 43:
            said = datetime.fromtimestamp(when // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            found["time"] = told.fact(said, f"info.{key}")
            break
    return found


def _framework(model: Tracked) -> dict[str, Fact]:
    path = f"{model.path}/{NAME}"
    document = model.metafile.main.io_options.get(DOCUMENT)
    flavors = document.get("flavors") if isinstance(document, Mapping) else None
    found = {key: fact._replace(key="flavors") for key, fact in framework(model.metafile, path, "").items()}
    found = {key: found[key] for key in ("type", "format")}
    for flavor, conf in (flavors or {}).items():
        for key, value in conf.items() if flavor != PYFUNC and isinstance(conf, Mapping) else ():
            if key.endswith("_version"):
                found["package"] = Fact(scalar(flavor), path, f"flavors.{scalar_text(flavor)}", "")
                found["version"] = Fact(scalar(value), path, scalar_text(f"flavors.{flavor}.{key}"), "")
    return found


def _features(model: Tracked) -> dict[str, Fact]:
    found = features(model.metafile.interface, f"{model.path}/{NAME}", "")
    return {key: fact._replace(key="signature.inputs") for key, fact in found.items()}


def _packages(model: Tracked) -> dict[str, Fact]:
    found = packages(model.metafile, f"{model.path}/{REQUIREMENTS}", "")
    return {key: fact._replace(key=key.partition(":")[2]) for key, fact in found.items()}


def _training(told: Told) -> dict[str, Fact]:
    tags = told.tags
    return {
        name: told.fact(without_user(tags[tag]), f"data.tags.{tag}") for name, tag in _TRAINING.items() if tags.get(tag)
    }


def _datasets(told: Told) -> dict[str, Fact]:
    """The data sets that the run says it read; `context` is what for, such as training."""
    found: dict[str, Fact] = {}
    for number, each in enumerate(texts(told.run, "run", "inputs", "dataset_inputs")):
        value: dict[str, Scalar] = {
            key: scalar(without_user(said))
            for key in ("digest", "source_type", "source")
            if (said := text(each, "dataset", key))
        }
        tags = {text(tag, "key"): text(tag, "value") for tag in texts(each, "tags")}
        value["context"] = scalar(tags.get("mlflow.data.context", ""))
        name = scalar_text(text(each, "dataset", "name") or "dataset")
        name = name if name not in found else scalar_text(f"{name} {value.get('digest', '')} {number}")
        found[name] = Fact(value, f"{RUNS}run_id={told.run_id}", f"inputs.dataset_inputs.{number}", "")
    return found


def _tracking(told: Told) -> dict[str, Fact]:
    found = {"mlflow.run_id": told.fact(told.run_id, "info.run_id")}
    for key in ("run_name", "experiment_id", "status"):
        if said := told.info(key):
            found[f"mlflow.{key}"] = told.fact(said, f"info.{key}")
    if told.commit:
        found["mlflow.commit"] = told.fact(told.commit, f"data.tags.{_COMMIT}")
    return found


def _version(source: TrackedSource) -> dict[str, Fact]:
    if source.version is None:
        return {}
    name, number, said = (text(source.version, "model_version", key) for key in ("name", "version", "source"))
    value: dict[str, Scalar] = {"name": scalar(name), "version": number, "source": scalar(without_user(said))}
    path = f"model-versions/get?name={name}&version={number}"
    return {"mlflow.model_version": Fact(value, path, "model_version.source", "")}


def _unfinished(told: Told) -> Iterator[str]:
    if told.info("status") not in _DONE:
        yield f"{RUN}{told.run_id} is {told.info('status')[:40]}, not FINISHED: what it says may still change"


def declared_run(sections: Sections, near: Sequence[str], policy: Policy) -> list[str]:
    """Ask the run that `lineage.yaml` names, fill in what it says, and tell what is broken, or was not asked."""
    said = sections.get(lineage.TRACKING, {})
    uri, run = said.get("mlflow.tracking_uri"), said.get("mlflow.run_id")
    if run is None:
        return []
    if uri is None:
        return [f"{UNASKED}lineage.yaml names no tracking_uri of run {run.value}"]
    try:
        told = _asked(str(uri.value), str(run.value), policy)
    except NotFound:
        return [f"{RUN}{run.value} is not known to {uri.value}"]
    except RegistryError as error:
        return [f"{UNASKED}{' '.join(error.what.split())} ({uri.value})"]
    faults = [*_unfinished(told), *_elsewhere(told, near, said.get("mlflow.commit"))]
    faults += [
        *_unlike(told, "metrics", sections, lineage.METRICS),
        *_unlike(told, "params", sections, lineage.PARAMETERS),
    ]
    for section, kind in ((lineage.METRICS, "metrics"), (lineage.PARAMETERS, "params")):
        sections[section] = told.values(kind, "mlflow:") | sections.get(section, {})
    sections[lineage.TRACKING] = _tracking(told) | said
    return faults


def _asked(uri: str, run_id: str, policy: Policy) -> Told:
    if not RUN_ID.fullmatch(run_id):
        raise RegistryError(f"{run_id[:80]!r} is no run id of MLflow")
    address = _admitted(uri, policy)
    try:
        found = Server(address.text).ask("runs/get", run_id=run_id)
    except RegistryError as error:
        raise explained(error) from None
    told = Told(run_id, found)
    if told.info("run_id") != run_id:
        raise RegistryError("the server answered with another run")
    if told.info("lifecycle_stage") != "active":
        raise NotFound("the run is deleted")
    return told


def _admitted(uri: str, policy: Policy) -> Address:
    """The server's address. Raises `RegistryError` for one that may not be asked."""
    if "://" not in uri:
        raise RegistryError("its address is no URL")
    address = parse_source(f"{TRACKED}{uri}", plain=policy.admits_plain)
    if not address.tracked or not policy.trusts(address.text):
        raise RegistryError("its server is none of the policy's trusted_sources")
    return address


def _elsewhere(told: Told, near: Sequence[str], declared: Fact | None) -> Iterator[str]:
    if told.commit and told.commit not in near:
        yield f"{RUN}was made at commit {told.commit[:64]}, which is neither {near[0]} nor the one before it"
    if declared is not None and told.commit and declared.value != told.commit:
        yield f"{RUN}says commit {told.commit[:64]}, lineage.yaml says {declared.value}"


def _unlike(told: Told, kind: str, sections: Sections, section: str) -> Iterator[str]:
    """Numbers and parameters of the same name that the commit's files say otherwise."""
    known = {name.rpartition(":")[2]: fact for name, fact in sections.get(section, {}).items()}
    for key, value in told.pairs(kind):
        fact = known.get(key)
        if fact is not None and not isinstance(fact.value, Mapping) and not _equal(value, fact.value):
            here = f"{lineage.place(fact)} says {lineage.shown(fact.value)[:80]}"
            yield f"{RUN}says {section} {key[:80]} {str(scalar(value))[:80]}, {here}"


def _equal(one: object, other: object) -> bool:
    """Whether two values are the same; MLflow keeps parameters as text."""
    try:
        return math.isclose(float(str(one)), float(str(other)), rel_tol=1e-9) or str(one) == str(other)
    except ValueError:
        return re.sub(r"\s", "", str(one)).lower() == re.sub(r"\s", "", str(other)).lower()
