"""Links to models in MLflow: pinned to the run and to every digest, whatever the server says later."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from git_http import GitServer
from lab import Lab, Repo
from linked import commit_version, edit_link, link_of, link_text, make_registry, saved, served
from tracking_http import COMMIT, OTHER_RUN, RUN, Tracking, serve_tracking

import registry
from registry.api.loading import bring
from registry.api.resolving import resolve
from registry.cache import transfer
from registry.errors import NotFound, Refused, RegistryError
from registry.offline import Offline
from registry.urls import parse

MLMODEL = b"""flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.skops, predict_fn: predict}
  sklearn: {code: null, pickled_model: model.skops, serialization_format: skops, sklearn_version: 1.9.1}
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}, {"type": "double", "name": "y", "required": true}]'
"""
FILES = {
    "MLmodel": MLMODEL,
    "model.skops": saved()["lr"],
    "requirements.txt": b"scikit-learn==0.1\n",
    "data/example.json": b"{}",
}
OTHER = b"x" * len(saved()["lr"])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE_S", 0.001)
    for name in ("URI", "TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


@pytest.fixture
def server() -> Iterator[Tracking]:
    with serve_tracking() as made:
        yield made


@pytest.fixture
def reg(lab: Lab, server: Tracking) -> Repo:
    """A registry with `m` linked to version 1 of `cost`, in MLflow 3's way."""
    model = server.log_model("model", FILES)
    server.register("cost", "1", f"models:/{model}")
    made = make_registry(lab)
    link(made, server, "models/cost/1")
    commit_version(made, "v1.0.0", "prod")
    return made


def link(reg: Repo, server: Tracking, path: str, name: str = "m", rev: str | None = None) -> None:
    registry.link(path, name, source_project=server.source, rev=rev, project=reg.path)


def emptied(lab: Lab, server: Tracking) -> None:
    """A machine that has nothing of the model."""
    shutil.rmtree(Path(os.environ["REGISTRY_CACHE_DIR"]) / "sha256", ignore_errors=True)
    server.asked.clear()


def blocking(reg: Repo) -> set[str]:
    return {each.id for each in registry.check(reg.path).findings if each.severity == "error"}


def test_a_version_is_linked_with_its_run_its_commit_and_every_digest(reg: Repo, server: Tracking) -> None:
    found = link_of(reg)
    assert (found.project, found.path, found.rev, found.commit) == (server.source, "models/cost/1", RUN, COMMIT)
    assert set(found.artifacts) == FILES.keys() - {"MLmodel"}
    pin = found.artifacts["data/example.json"]
    assert (pin.store, pin.key, pin.size) == (
        "mlflow",
        f"mlflow-artifacts:/0/models/m-{0:032x}/artifacts/data/example.json",
        2,
    )
    assert found.metafile is not None
    assert found.metafile.size == len(MLMODEL)


def test_it_is_checked_resolved_fetched_locked_and_examined_and_asked_for_once(
    reg: Repo, lab: Lab, server: Tracking, tmp_path: Path
) -> None:
    (told,) = registry.check(reg.path).findings
    assert (told.id, told.severity) == ("revision-is-tag", "skip")
    assert resolve("m", stage="prod", project=reg.path).source_commit == RUN
    emptied(lab, server)
    folder = registry.fetch("m", project=reg.path, to=tmp_path / "out")
    found = {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    assert found == FILES
    asked = len(server.asked)
    environment = registry.checkenv("m", project=reg.path)
    assert [need.package for need in environment.blocking] == ["scikit-learn"], "what requirements.txt says"
    change = registry.lock("m", project=reg.path, lock=tmp_path / "registry.lock")
    assert change.after is not None
    assert registry.resolve("m", project=reg.path, locked=True, lock=tmp_path / "registry.lock").locked
    registry.fetch("m", project=reg.path, to=tmp_path / "again", offline=True)
    assert len(server.asked) == asked, "all of it was in the cache"


def test_runs_are_linked_by_the_name_or_id_of_a_logged_model_and_by_an_artifact_path(
    lab: Lab, server: Tracking
) -> None:
    reg = make_registry(lab)
    model = server.log_model("model", FILES)
    server.log_artifacts("old/model", FILES)
    for name, path in (("a", f"runs/{RUN}/model"), ("b", f"runs/{RUN}/{model}"), ("c", f"runs:/{RUN}/old/model")):
        link(reg, server, path, name, RUN)
        commit_version(reg, "v1.0.0", name=name)
        assert link_of(reg, name).path == path.replace("runs:", "runs")
    assert blocking(reg) == set()
    server.log_model("model", FILES)
    with pytest.raises(Refused, match=f"several models 'model'(.|\n)*runs/{RUN}/{model}"):
        link(reg, server, f"runs/{RUN}/model", "d")


def test_a_version_registered_from_a_run_s_artifacts(lab: Lab, server: Tracking) -> None:
    reg = make_registry(lab)
    server.register("cost", "1", server.log_artifacts("model", FILES))
    server.register("cost", "2", f"runs:/{RUN}/model")
    server.register("cost", "3", "s3://elsewhere/model")
    server.register("cost", "4", "", run_id="")
    for version in "12":
        link(reg, server, f"models/cost/{version}", f"m{version}")
    with pytest.raises(Refused, match="not lie among the artifacts of its run"):
        link(reg, server, "models/cost/3")
    with pytest.raises(Refused, match="is of no run"):
        link(reg, server, "models/cost/4")


def test_an_alias_is_looked_up_once_and_no_pin(reg: Repo, lab: Lab, server: Tracking) -> None:
    server.run(OTHER_RUN, commit=None)
    server.register("cost", "2", f"models:/{server.log_model('model', FILES, OTHER_RUN)}", OTHER_RUN)
    server.aliases["cost", "champion"] = "1"
    link(reg, server, "models/cost@champion")
    server.aliases["cost", "champion"] = "2"
    assert (link_of(reg).path, link_of(reg).rev) == ("models/cost/1", RUN)
    commit_version(reg, "v1.1.0")
    emptied(lab, server)
    bring(resolve("m", project=reg.path))
    assert not any("alias" in path for path, _ in server.asked)
    edit_link(reg, "models/cost/1", "models/cost@champion")
    with pytest.raises(Refused, match="no run id"):
        resolve("m", project=reg.path)
    assert "revision-pinned" in blocking(reg)


def test_only_the_server_s_own_store_is_asked_for_its_files(reg: Repo, lab: Lab, server: Tracking) -> None:
    key = link_of(reg).artifacts["model.skops"].key or ""
    text = link_text(reg)
    line = next(each for each in text.splitlines() if each.strip() == f"artifact.model.skops.key: {key}")
    edit_link(reg, line, f"  artifact.model.skops.blob: {'a' * 40}\n{line}")
    emptied(lab, server)
    bring(resolve("m", project=reg.path))
    edit_link(reg, "model.skops.store: mlflow", "model.skops.store: dvc", version="v9.1.0")
    emptied(lab, server)
    bring(resolve("m", project=reg.path))
    assert "digest-matches" in blocking(reg)


def test_swapped_bytes_are_refused_and_found(reg: Repo, lab: Lab, server: Tracking) -> None:
    (swapped,) = [name for name in server.files if name.endswith("model.skops")]
    for bytes_ in (OTHER, OTHER + b"x"):
        server.files[swapped] = bytes_
        emptied(lab, server)
        with pytest.raises(Refused) as refused:
            bring(resolve("m", project=reg.path))
        assert refused.value.reason == "digest-matches"
        assert blocking(reg) == {"digest-matches"}


def test_a_number_given_out_again_is_refused_and_found(reg: Repo, lab: Lab, server: Tracking) -> None:
    server.run(OTHER_RUN)
    server.register("cost", "1", f"models:/{server.log_model('model', FILES, OTHER_RUN)}", OTHER_RUN)
    emptied(lab, server)
    with pytest.raises(Refused, match=f"is of run {OTHER_RUN} now, not of {RUN}") as refused:
        bring(resolve("m", project=reg.path))
    assert refused.value.reason == "tag-moved"
    assert "commit-reachable" in blocking(reg)


def test_deleted_runs_and_versions_are_refused_and_found(reg: Repo, lab: Lab, server: Tracking) -> None:
    server.runs[RUN]["info"]["lifecycle_stage"] = "deleted"
    emptied(lab, server)
    with pytest.raises(Refused, match="is deleted") as refused:
        bring(resolve("m", project=reg.path))
    assert refused.value.reason == "commit-reachable"
    assert blocking(reg) == {"commit-reachable"}
    server.runs[RUN]["info"]["lifecycle_stage"] = "active"
    server.versions.clear()
    with pytest.raises(Refused):
        bring(resolve("m", project=reg.path))
    assert blocking(reg) == {"commit-reachable"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "../../etc/passwd", "is_dir": False}, "leaves"),
        ({"path": "/etc/passwd", "is_dir": False}, "absolute"),
        ({"path": "sub/deep", "is_dir": False}, "lists"),
        ({"path": "a\nb", "is_dir": False}, "control"),
        ({"path": ["x"], "is_dir": False}, "empty"),
        ({"path": ".git", "is_dir": True}, ".git"),
        ({"path": "same", "is_dir": True}, "lists"),
    ],
)
def test_a_hostile_listing_is_refused(lab: Lab, server: Tracking, entry: dict[str, object], message: str) -> None:
    reg = make_registry(lab)
    server.log_model("model", FILES)
    server.extra = [entry]
    with pytest.raises(Refused, match=message) as refused:
        link(reg, server, f"runs/{RUN}/{'m-' + '0' * 32}")
    assert refused.value.reason == "path-contained"
    assert not (reg.path / ".mlem/links/m.mlem").exists()


def test_a_listing_without_an_end_is_refused(lab: Lab, server: Tracking) -> None:
    server.log_model("model", {**FILES, **{f"f{number}": b"" for number in range(1001)}})
    with pytest.raises(Refused, match="more than 1000 files"):
        link(make_registry(lab), server, f"runs/{RUN}/model")


@pytest.mark.parametrize(
    "root", ["file:///srv/art", "/srv/art", "mlflow-artifacts://evil.example/0", "dbfs:/x", "s3://"]
)
def test_places_that_are_not_for_everybody_are_refused(lab: Lab, server: Tracking, root: str) -> None:
    server.log_model("model", FILES)
    server.models[f"m-{0:032x}"]["info"]["artifact_uri"] = root + "/m"
    server.put(root + "/m", FILES)
    with pytest.raises(Refused, match=r"only the server's own machine|is no URL"):
        link(make_registry(lab), server, f"runs/{RUN}/model")


def test_artifacts_behind_a_url_are_read_by_the_store_of_urls(lab: Lab, server: Tracking) -> None:
    root = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/web"
    server.log_model("model", FILES)
    server.models[f"m-{0:032x}"]["info"]["artifact_uri"] = root
    server.files |= {f"{root}/{name}": data for name, data in FILES.items()}
    server.files |= {f"web/{name}": data for name, data in FILES.items()}
    reg = make_registry(lab)
    link(reg, server, f"runs/{RUN}/model")
    assert link_of(reg).artifacts["model.skops"].key == f"{root}/model.skops"
    commit_version(reg, "v1.0.0")
    bring(resolve("m", project=reg.path))


def test_credentials_go_to_the_server_that_the_user_named_and_to_no_other(
    lab: Lab, server: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    reg = make_registry(lab)
    server.log_model("model", FILES)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "geheim")
    for uri in (
        None,
        "https://tracking.example.org",
        server.url.replace("http:", "https:"),
        server.url + "0",
        "http://[",
    ):
        if uri is not None:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        link(reg, server, f"runs/{RUN}/model")
        assert not any("Authorization" in headers for _, headers in server.asked)
    server.password = "Bearer geheim"
    with pytest.raises(RegistryError, match=r"answered 401(.|\n)*MLFLOW_TRACKING_URI"):
        link(reg, server, f"runs/{RUN}/model")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    link(reg, server, f"runs/{RUN}/model")
    assert "geheim" not in link_text(reg)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "dana")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "pw")
    server.password = "Basic ZGFuYTpwdw=="
    link(reg, server, f"runs/{RUN}/model")


@pytest.mark.parametrize(
    "path", ["models/cost", "models/cost/latest", "models/cost/Production", "model", f"runs/{RUN}", f"runs/{RUN}/../x"]
)
def test_what_names_no_run_and_no_version_is_refused(lab: Lab, server: Tracking, path: str) -> None:
    with pytest.raises(Refused):
        link(make_registry(lab), server, path)


def test_another_rev_than_the_run_is_refused(reg: Repo, server: Tracking) -> None:
    for rev in (OTHER_RUN, "main"):
        with pytest.raises(Refused):
            link(reg, server, "models/cost/1", rev=rev)
    with pytest.raises(NotFound):
        link(reg, server, "models/cost/9")


def test_the_policy_s_trusted_sources_hold_for_tracking_servers(reg: Repo, lab: Lab, server: Tracking) -> None:
    reg.commit({"policy.yaml": "format: 1\nversion: 1\ntrusted_sources: ['mlflow+https://tracking.example.org/**']\n"})
    for ask in (lambda: link(reg, server, "models/cost/1"), lambda: resolve("m", project=reg.path)):
        with pytest.raises(Refused) as refused:
            ask()
        assert refused.value.reason == "source-trusted"
    reg.commit({"policy.yaml": f"format: 1\nversion: 2\ntrusted_sources: ['{server.source}']\n"})
    bring(resolve("m", project=reg.path))


def test_without_the_network_it_says_what_is_missing_and_asks_nobody(reg: Repo, lab: Lab, server: Tracking) -> None:
    emptied(lab, server)
    with pytest.raises(Offline):
        registry.fetch("m", project=reg.path, offline=True)
    assert server.asked == []


def test_a_bundle_carries_it_to_where_no_tracking_server_is(
    reg: Repo,
    lab: Lab,
    server: Tracking,
    http: Callable[..., GitServer],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with http(served(lab, reg)) as git:
        url = f"{git.url}/reg.git"
        assert registry.export(["m"], lab.root / "bundle", project=url).files == len(FILES)
    shutil.rmtree(lab.cache)
    registry.import_bundle(lab.root / "bundle")
    server.asked.clear()
    monkeypatch.setenv("REGISTRY_OFFLINE", "1")
    registry.fetch("m", stage="prod", project=url, to=tmp_path / "out")
    assert (tmp_path / "out/MLmodel").read_bytes() == MLMODEL
    assert server.asked == []


def test_a_server_that_is_away_is_told_and_passes_nothing(reg: Repo, lab: Lab, server: Tracking) -> None:
    emptied(lab, server)
    edit_link(reg, server.source, "mlflow+http://127.0.0.1:9")
    assert "source-unreachable" in blocking(reg)


@pytest.mark.parametrize(
    "url",
    [
        "mlflow+http://tracking.example.org",
        "mlflow+ssh://host/x",
        "mlflow+file:///x",
        "mlflow+https://h/?a=b",
        "mlflow+https://u:p@h",
        "mlflow+https://t@h",
        "mlflow+x::y://z",
    ],
)
def test_addresses_that_are_no_tracking_server_are_refused(lab: Lab, url: str) -> None:
    with pytest.raises(Refused) as refused:
        registry.link("models/cost/1", "m", source_project=url, project=make_registry(lab).path)
    assert refused.value.reason in {"source-url", "secrets"}
    assert "p@h" not in str(refused.value)


def test_a_registry_is_no_tracking_server() -> None:
    with pytest.raises(Refused, match="scheme 'mlflow\\+https'"):
        parse("mlflow+https://tracking.example.org")


def test_a_repository_still_needs_a_revision(lab: Lab) -> None:
    with pytest.raises(RegistryError, match="--rev"):
        registry.link("lr", "m", source_project=str(make_registry(lab, "source").path), project=make_registry(lab).path)
