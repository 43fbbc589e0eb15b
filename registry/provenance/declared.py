"""What files beside the pipeline say: `lineage.yaml`, requirements and lock files, a Dockerfile's base, metrics.

`lineage.yaml` stands in the source's root and is read strictly. Each key is optional:

    delta: {sales: {uri: s3://lake/sales, version: 12}}     # a Delta table and its version
    feast: {customer: {view: customer_features, project: prod}}
    sql: {orders: {uri: postgresql://dwh/shop, snapshot: 2024-05-01, sha256: …}}
    container: registry.example.org/train@sha256:…
    mlflow: {tracking_uri: https://mlflow.example.org, run_id: …, commit: …}
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from registry.annotations import load
from registry.document import Place
from registry.errors import RegistryError
from registry.lineage import DECLARED, ENVIRONMENT, TRACKING, Fact, Scalar, scalar
from registry.provenance.chain import Chain, leaves, scalar_text
from registry.provenance.reading import Files, Text
from registry.provenance.stages import Pipelines
from registry.stores.dvc_outputs import mapping
from registry.strictyaml import parse
from registry.urls import redacted

PATH = "lineage.yaml"
ENVIRONMENTS = (
    "requirements.txt", "requirements.lock", "requirements-lock.txt", "pyproject.toml", "poetry.lock", "uv.lock",
    "pdm.lock", "Pipfile.lock", "conda-lock.yml", "environment.yml", "environment.yaml", "conda.yaml",
)  # fmt: skip
"""Files of the source's root, or beside the model, that say what was installed."""
DOCKERFILE = "Dockerfile"
METRICS_FILE = "metrics.json"

_KINDS = ("delta", "feast", "sql")
_MLFLOW = ("tracking_uri", "run_id", "commit")
_IMAGE = re.compile(r"\S+@sha256:[0-9a-f]{64}")
_FROM = re.compile(rb"^FROM\s+(?:--\S+\s+)*(\S+@sha256:[0-9a-f]{64})(?:\s|$)", re.MULTILINE | re.IGNORECASE)
_EXACT = re.compile(
    rb"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;#\\,]+)\s*(?:[;#\\].*)?\r?$", re.MULTILINE
)
_FIX = "see docs/lineage.md for its keys"

Named = dict[str, dict[str, Fact]]
"""Facts by section, then by name."""


def declared(text: Text) -> Named:
    """The facts of `lineage.yaml`. Raises `RegistryError` with the line."""
    root = Place(parse(text.data, text.path), text.path, (), _FIX)
    root.rest((*_KINDS, "container", "mlflow"), strict=True)
    found: Named = {DECLARED: {}, ENVIRONMENT: {}, TRACKING: {}}
    for kind in _KINDS:
        for name, place in (root.find(kind) or Place({}, text.path)).items():
            value: dict[str, Scalar] = {key: scalar(redacted(each.text())) for key, each in place.items()}
            found[DECLARED][scalar_text(f"{kind}:{name}")] = _fact(value, text, f"{kind}.{name}")
    image = root.find("container")
    if image is not None:
        if not _IMAGE.fullmatch(image.text()):
            image.fail("expected an image with its digest: NAME@sha256:…")
        found[ENVIRONMENT]["container"] = _fact(image.text(), text, "container")
    run = root.find("mlflow")
    if run is not None:
        run.rest(_MLFLOW, strict=True)
        for key, place in run.items():
            found[TRACKING][f"mlflow.{key}"] = _fact(without_user(place.text()), text, f"mlflow.{key}")
    return found


def without_user(url: str) -> str:
    """A URL without whoever is named before its host: the user's own credentials are used."""
    return redacted(url).replace("://***@", "://")


def environment(files: Files, folder: str = "") -> dict[str, Fact]:
    """The files that say what was installed, with their digests, and the packages that they pin exactly.

    They are looked for in the source's root and in the model's own folder, whose pins come first.
    """
    found: dict[str, Fact] = {}
    folders = dict.fromkeys(["", f"{folder}/" if folder else ""])
    paths = [f"{each}{name}" for each in folders for name in ENVIRONMENTS]
    texts = files.read((*paths, DOCKERFILE))
    for path, digest in files.digests(paths).items():
        found[scalar_text(path)] = Fact(
            {"sha256": digest.sha256, "size": digest.size}, scalar_text(path), "", digest.blob
        )
    for path, text in texts.items():
        if path.rpartition("/")[2].startswith("requirements"):
            for name, version in _EXACT.findall(text.data):
                package = re.sub(r"[-_.]+", "-", name.decode()).lower()
                found[f"package:{package}"] = _fact(version.decode("utf-8", "replace"), text, package)
    image = _FROM.search(texts[DOCKERFILE].data) if DOCKERFILE in texts else None
    if image is not None:
        found["container"] = _fact(image[1].decode("utf-8", "replace"), texts[DOCKERFILE], "FROM")
    return found


def metrics(said: Pipelines, found: Chain, files: Files) -> tuple[dict[str, Fact], list[str]]:
    """The numbers of the pipeline's metric files that git holds, of others their MD5; and what could not be read."""
    wanted = {METRICS_FILE: None} | dict.fromkeys(_metric_paths(said, found))
    texts, facts, faults = files.read(wanted), dict[str, Fact](), list[str]()
    outs = {out.path: out for stage in (*found.stages, *found.beside) for out in stage.outs}
    for path in wanted:
        if path not in texts:
            if (out := outs.get(path)) is not None and out.md5:
                facts[scalar_text(path)] = Fact({"md5": out.md5}, out.text.path, out.key, out.text.blob)
            continue
        try:
            values = load(texts[path].data, path)
        except RegistryError as error:
            faults.append(f"{path} cannot be read: {' '.join(error.what.split())}")
            continue
        for key, value in leaves(values):
            if isinstance(value, (int, float, str)) and key:
                name = key if path == METRICS_FILE else f"{path}:{key}"
                facts[scalar_text(name)] = _fact(scalar(value), texts[path], key)
    return facts, faults


def _metric_paths(said: Pipelines, found: Chain) -> Iterator[str]:
    for stage in (*found.stages, *found.beside):
        yield from _listed(stage.written.get("metrics"), stage.folder)
    locks = {stage.lock.path for stage in found.stages}
    for path, (_, written) in said.yamls.items():
        if f"{path[:-4]}lock" in locks:
            yield from _listed(written.get("metrics"), path.rpartition("/")[0])


def _listed(value: object, folder: str) -> Iterator[str]:
    for each in value if isinstance(value, list) else ():
        for path in mapping(each) or ([each] if isinstance(each, str) else []):
            if isinstance(path, str) and "${" not in path and path.isprintable():
                yield f"{folder}/{path}" if folder not in {"", "."} else path


def parameter_files(files: Files, folders: list[str]) -> tuple[dict[str, Fact], list[str]]:
    """Every value of `params.yaml` in these folders, by `FILE:KEY`; and what could not be read."""
    facts, faults = dict[str, Fact](), list[str]()
    for path, text in files.read(f"{each}/params.yaml".removeprefix("/") for each in folders).items():
        try:
            for key, value in leaves(load(text.data, path)):
                if key:
                    facts[scalar_text(f"{path}:{key}")] = _fact(scalar(value), text, key)
        except RegistryError as error:
            faults.append(f"{path} cannot be read: {' '.join(error.what.split())}")
    return facts, faults


def _fact(value: object, text: Text, key: str) -> Fact:
    said = value if isinstance(value, dict) else scalar(value)
    return Fact(said, scalar_text(text.path), scalar_text(key), text.blob)
