"""`import mlflow` and `export mlflow` against the stand-in; `test_migrate_slow.py` holds the same against a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import Lab, Repo
from linked import link_of, make_registry
from test_mlflow_store import MLMODEL
from tracking_http import OTHER_RUN, RUN, Tracking, serve_tracking

import registry
from registry.api import mlflow_stages
from registry.api.adoption import Adopted, Placed
from registry.api.mlflow_export import export_mlflow
from registry.api.mlflow_import import import_mlflow
from registry.api.project import open_project, read_artifact
from registry.cache import transfer
from registry.errors import NotFound, Refused, RegistryError
from registry.findings import ERROR
from registry.state import fold_artifact
from registry.tags import Event, trailers

FILES = {"MLmodel": MLMODEL, "requirements.txt": b"scikit-learn==1.9.1\n"}
PICKLED = MLMODEL.replace(b"serialization_format: skops", b"serialization_format: cloudpickle")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PAUSE_S", 0.001)
    for name in ("URI", "TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


@pytest.fixture
def server() -> Iterator[Tracking]:
    """A server with three versions of `cost`: one in Production, one an alias, and a version of another run."""
    with serve_tracking() as made:
        made.run(OTHER_RUN, r2=0.9)
        add(made, "1", 1.0)
        add(made, "2", 2.0, OTHER_RUN)
        add(made, "3", 3.0)
        made.place("cost", "1", "Production", 1_700_000_002_000)
        made.place("cost", "2", "Production", 1_700_000_001_000)
        made.aliases["cost", "champion"] = "2"
        yield made


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_registry(lab)


def bytes_of(slope: float) -> bytes:
    """Stands for a model of this slope: `test_migrate_slow.py` loads real ones."""
    return f"model {slope}".encode()


def fetched(reg: Repo, version: str | None = None, stage: str | None = None) -> bytes:
    """The verified bytes of what is loaded."""
    folder = registry.fetch("cost", version=version, stage=stage, project=reg.path)
    return (folder / "model.skops").read_bytes()


def add(server: Tracking, number: str, slope: float, run: str = RUN, model: str = "cost") -> None:
    files = FILES | {"model.skops": bytes_of(slope)}
    server.register(model, number, f"models:/{server.log_model(f'model{number}', files, run)}", run)


def take(reg: Repo, server: Tracking, **options: object) -> Adopted:
    return import_mlflow(server.url, project=reg.path, **{"commit": True, **options})


def which(reg: Repo, stage: str, name: str = "cost") -> str:
    return registry.which(name, stage, reg.path).version.label


def test_versions_stages_and_aliases_are_taken_over_and_load(reg: Repo, server: Tracking) -> None:
    done = take(reg, server)
    assert [(each.source, each.version) for each in done.registered] == [
        ("models/cost/1", "v1.0.0"), ("models/cost/2", "v2.0.0"), ("models/cost/3", "v3.0.0"),
    ]  # fmt: skip
    assert done.left_out == []
    assert done.assigned == [
        Placed("stage Production", "cost", "production", "v2.0.0"),
        Placed("stage Production", "cost", "production", "v1.0.0"),
        Placed("alias champion", "cost", "champion", "v2.0.0"),
    ], "the one that MLflow changed last comes last"
    for version, slope in (("v1.0.0", 1.0), ("v2.0.0", 2.0), ("v3.0.0", 3.0)):
        assert fetched(reg, version=version) == bytes_of(slope)
    assert fetched(reg, stage="production") == bytes_of(1.0)
    assert reg.git("status", "--porcelain") == ""
    assert {each.severity for each in registry.check(reg.path).findings} <= {"skip"}
    assert registry.lineage_of("cost@v2.0.0", reg.path).certificate.section("metrics")["r2"].value == 0.9
    assert link_of(reg, "cost").path == "models/cost/3"


def test_tags_say_who_and_when_mlflow_knows_and_gto_reads_them_alike(reg: Repo, server: Tracking) -> None:
    take(reg, server)
    artifact = read_artifact(open_project(reg.path), "cost").artifact
    said = trailers(artifact.versions["v2.0.0"].events[0].message)
    assert said.pop("Nonce")
    assert said.pop("Link")
    assert said == {
        "Version": "v2.0.0", "Mlflow-Model": "models/cost/2", "Mlflow-User": "dana",
        "Mlflow-Time": "2023-11-14T22:13:20Z", "Mlflow-Run": OTHER_RUN,
    }  # fmt: skip
    event = artifact.stages["production"]["v1.0.0"].event
    assert trailers(event.message)["Mlflow-Stage"] == "Production"
    assert trailers(event.message)["Mlflow-Time"] == "2023-11-14T22:13:22Z"
    assert artifact.out_of_order == []
    times = [event.time for event in artifact.events]
    assert times == sorted(set(times)), "each a second after the one before"
    assert "v1.0.0" in reg.gto("show", "cost#production", env={"LAB_CLOCK": None}).stdout
    assert registry.doctor(reg.path) == []


def test_done_again_it_adds_only_what_is_new(reg: Repo, server: Tracking) -> None:
    take(reg, server)
    before = reg.tags()
    again = take(reg, server)
    assert (again.registered, again.assigned, again.known, again.left_out) == ([], [], 3, [])
    assert reg.tags() == before
    add(server, "4", 4.0)
    server.aliases["cost", "champion"] = "4"
    done = take(reg, server)
    assert [each.version for each in done.registered] == ["v4.0.0"]
    assert done.assigned == [Placed("alias champion", "cost", "champion", "v4.0.0")]
    server.aliases["cost", "champion"] = "2"
    assert [each.version for each in take(reg, server).assigned] == ["v2.0.0"], "back to one that it held before"
    assert take(reg, server).assigned == []


def test_what_people_decided_here_stays_until_mlflow_says_something_new(reg: Repo, server: Tracking) -> None:
    take(reg, server)
    registry.assign("cost", "champion", version="v3.0.0", project=reg.path)
    registry.deregister("cost", version="v1.0.0", project=reg.path)
    done = take(reg, server)
    assert (done.registered, done.assigned) == ([], [])
    assert which(reg, "champion") == "v3.0.0"
    assert which(reg, "production") == "v2.0.0"


def test_commits_go_to_a_branch_of_their_own_by_default(reg: Repo, server: Tracking) -> None:
    head, files = reg.rev("HEAD"), reg.git("ls-files")
    ran = reg.registry("import", "mlflow", "--tracking-uri", server.url)
    assert "registered cost@v3.0.0: models/cost/3" in ran.stdout
    assert "git push --follow-tags origin import/mlflow" in ran.stdout
    assert (reg.rev("HEAD"), reg.git("ls-files"), reg.git("status", "--porcelain")) == (head, files, "")
    assert reg.git("log", "--format=%s", "HEAD..import/mlflow").splitlines() == [
        f"Import cost v{number}.0.0 from MLflow" for number in (3, 2, 1)
    ]
    assert reg.git("worktree", "list").count("\n") == 0
    assert fetched(reg, stage="champion") == bytes_of(2.0)
    assert take(reg, server, commit=False).known == 3
    reg.git("merge", "--quiet", "import/mlflow")
    reg.commit({"README.md": "more\n"})
    add(server, "4", 4.0)
    take(reg, server, commit=False)
    assert reg.git("log", "--format=%s", "HEAD..import/mlflow") == "Import cost v4.0.0 from MLflow"


@pytest.mark.thorough
def test_a_dry_run_says_all_of_it_and_writes_nothing(reg: Repo, server: Tracking) -> None:
    refs = reg.git("for-each-ref")
    dry = take(reg, server, commit=False, dry_run=True)
    assert (reg.git("for-each-ref"), reg.git("status", "--porcelain")) == (refs, "")
    done = take(reg, server)
    assert [each.version for each in dry.registered] == [each.version for each in done.registered]
    assert dry.assigned == done.assigned


def test_what_cannot_be_taken_over_is_told_and_the_rest_is_whole(reg: Repo, server: Tracking) -> None:
    reg.commit({"policy.yaml": "format: 1\nversion: 1\nformats: {pickle: never}\n"})
    add(server, "1", 1.0, model="cost model")
    server.register(
        "cost", "4", f"models:/{server.log_model('pickled', FILES | {'MLmodel': PICKLED, 'model.skops': b'x'})}"
    )
    server.register("cost", "5", "s3://elsewhere/model")
    server.register("cost", "6", "", run_id="")
    server.register("cost", "7", f"models:/m-{0:032x}")
    server.versions["cost", "7"]["status"] = "PENDING_REGISTRATION"
    server.register("cost", "8", server.log_artifacts("gone", {"MLmodel": MLMODEL, "model.skops": b""}))
    server.files = {name: data for name, data in server.files.items() if not name.endswith("gone/model.skops")}
    add(server, "9", 9.0)
    server.aliases["cost", "bad.name"] = "9"
    server.aliases["cost", "lost"] = "5"
    ran = reg.registry("import", "mlflow", "--tracking-uri", server.url, "--commit", "--json", check=False)
    assert ran.code == 1
    left = {each["what"]: each["reason"] for each in ran.json["left_out"]}
    assert left.keys() == {
        "cost model",
        *(f"models/cost/{n}" for n in (4, 5, 6, 7, 8)),
        "cost alias bad.name",
        "cost alias lost",
    }
    assert "not an artifact name" in left["cost model"]
    assert "formats.pickle is 'never'" in left["models/cost/4"]
    assert "of no run" in left["models/cost/6"]
    assert "PENDING_REGISTRATION" in left["models/cost/7"]
    assert "which is not here" in left["cost alias lost"]
    assert [each["version"] for each in ran.json["registered"]] == ["v1.0.0", "v2.0.0", "v3.0.0", "v9.0.0"]
    assert not [each for each in registry.check(reg.path).findings if each.severity == ERROR]
    assert fetched(reg, version="v9.0.0") == bytes_of(9.0)


@pytest.mark.thorough
def test_a_version_that_could_be_taken_over_only_later_leaves_the_newest_link(reg: Repo, server: Tracking) -> None:
    server.versions["cost", "2"]["status"] = "PENDING_REGISTRATION"
    assert [each.version for each in take(reg, server).registered] == ["v1.0.0", "v3.0.0"]
    server.versions["cost", "2"]["status"] = "READY"
    assert [each.version for each in take(reg, server).registered] == ["v2.0.0"]
    assert link_of(reg, "cost").path == "models/cost/3"
    assert fetched(reg, version="v2.0.0") == bytes_of(2.0)
    assert which(reg, "champion") == "v2.0.0"


def test_a_number_that_mlflow_gave_out_again_is_left_out(reg: Repo, server: Tracking) -> None:
    take(reg, server)
    add(server, "3", 7.0, OTHER_RUN)
    server.aliases["cost", "champion"] = "3"
    (left, alias) = take(reg, server).left_out
    assert left.what == "models/cost/3"
    assert f"v3.0.0 of 'cost' is registered already, of {server.source} models/cost/3, run {RUN}" in left.reason
    assert alias.what == "cost alias champion"
    assert which(reg, "champion") == "v2.0.0"


def test_an_artifact_that_is_linked_elsewhere_is_not_overwritten(reg: Repo, server: Tracking) -> None:
    text = "object_type: link\nlink_type: model\npath: lr.mlem\nproject: https://example.org/a\nrev: v1\n"
    reg.commit({".mlem/links/cost.mlem": text})
    (left,) = take(reg, server).left_out
    assert "linked to something else" in left.reason
    assert (reg.path / ".mlem/links/cost.mlem").read_text() == text
    named = take(reg, server, models={"cost": "price"})
    assert [each.artifact for each in named.registered] == ["price"] * 3
    assert which(reg, "champion", "price") == "v2.0.0"


def test_work_that_is_not_committed_is_left_alone(reg: Repo, server: Tracking) -> None:
    reg.write({".mlem/links/cost.mlem": "mine\n", "other": "mine\n"})
    reg.git("add", "other")
    (left,) = take(reg, server).left_out
    assert "not committed: .mlem/links/cost.mlem" in left.reason
    reg.write({".mlem/links/cost.mlem": None})
    take(reg, server)
    assert reg.git("status", "--porcelain") == "A  other", "what was staged stays staged"


@pytest.mark.thorough
def test_models_are_chosen_by_name_and_an_unknown_one_is_an_error(reg: Repo, server: Tracking) -> None:
    add(server, "1", 1.0, model="cost model")
    ran = reg.registry(
        "import", "mlflow", "--tracking-uri", server.url, "--models", "cost model=other/cost", "--commit"
    )
    assert "registered other/cost@v1.0.0: models/cost model/1" in ran.stdout
    with pytest.raises(NotFound, match="no registered model 'gone'"):
        take(reg, server, models=["gone"])


@pytest.mark.thorough
def test_stages_that_gto_does_not_allow_are_left_out(reg: Repo, server: Tracking) -> None:
    reg.commit({".gto": "stages: [champion]\n"})
    done = take(reg, server)
    assert [each.stage for each in done.assigned] == ["champion"]
    assert {each.what for each in done.left_out} == {"cost stage Production"}


def test_a_server_that_is_lost_on_the_way_leaves_what_is_whole(
    reg: Repo, server: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = mlflow_stages.Run.artifact
    seen: list[int] = []

    def lost(self: mlflow_stages.Run, name: str) -> object:
        seen.append(1)
        if len(seen) == 3:
            monkeypatch.setenv("REGISTRY_OFFLINE", "1")
        return real(self, name)

    monkeypatch.setattr(mlflow_stages.Run, "artifact", lost)
    done = take(reg, server)
    assert [each.version for each in done.registered] == ["v1.0.0"]
    assert done.left_out[-1].what == "cost and what follows"
    monkeypatch.delenv("REGISTRY_OFFLINE")
    assert [each.version for each in take(reg, server).registered] == ["v2.0.0", "v3.0.0"]


def test_what_a_hostile_server_says_is_data(reg: Repo, server: Tracking) -> None:
    add(server, "1", 1.0, model="\x1b[31mred\ntag")
    add(server, "1", 1.0, model="evil")
    server.versions["cost", "0"] = server.versions["cost", "1"] | {"version": "0"}
    server.versions["cost", "x"] = server.versions["cost", "1"] | {"version": "9" * 30}
    server.versions["cost", "1"]["user_id"] = "dana\nVersion: v9.9.9"
    server.versions["cost", "1"]["creation_timestamp"] = 10**30
    server.aliases["cost", "--force"] = "1"
    server.aliases["cost", "dangling"] = "77"
    names = "\x1b[31mred\ntag=red"
    ran = reg.registry(
        "import", "mlflow", "--tracking-uri", server.url, "--models", names, "--models", "cost", "--commit", check=False
    )
    assert ran.code == 1
    assert "\x1b" not in ran.stdout + ran.stderr
    assert "cannot be printed" in ran.stderr
    assert "alias --force: not a stage name" in ran.stderr
    assert {each for each in reg.tags() if "@" in each} == {f"cost@v{number}.0.0" for number in (1, 2, 3)}
    assert "Version: v9.9.9" not in reg.git("cat-file", "tag", "cost@v1.0.0").splitlines()


def test_many_tags_of_a_moment_wait_for_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(mlflow_stages.time, "sleep", slept.append)
    monkeypatch.setattr(mlflow_stages.time, "time", lambda: 1000.0)
    for ahead in (0, 49, 55, 5000):
        event = Event(
            "m@v1.0.0",
            "m",
            "registration",
            "v1.0.0",
            None,
            None,
            "a" * 40,
            "b" * 40,
            1000 + ahead,
            "+0000",
            "",
            "",
            "x",
        )
        mlflow_stages.catch_up(fold_artifact("m", [event]))
    assert slept == [5.0], "within a minute of the clock, where the next second would be out of reach"


def test_an_untrusted_server_and_wrong_addresses_are_refused(reg: Repo, server: Tracking) -> None:
    with pytest.raises(Refused, match="plain http"):
        import_mlflow("http://tracking.example.org", project=reg.path)
    with pytest.raises(RegistryError):
        import_mlflow("databricks", project=reg.path)
    reg.commit({"policy.yaml": "format: 1\nversion: 1\ntrusted_sources: ['https://example.org/*']\n"})
    for ask in (import_mlflow, export_mlflow):
        with pytest.raises(Refused) as refused:
            ask(server.url, project=reg.path)
        assert refused.value.reason == "source-trusted"
    assert server.asked == []


# --- export ---------------------------------------------------------------------------------------------------------


def test_stages_are_mirrored_as_aliases_and_nothing_is_created(reg: Repo, server: Tracking) -> None:
    take(reg, server)
    registry.assign("cost", "prod", version="v3.0.0", project=reg.path)
    registry.assign("cost", "dev/eu", version="v3.0.0", project=reg.path)
    dry = export_mlflow(server.url, ["cost"], project=reg.path, dry_run=True)
    assert ("cost", "prod") not in server.aliases
    done = export_mlflow(server.url, ["cost"], project=reg.path)
    assert [(each.stage, each.number, each.before) for each in done.set] == [("prod", 3, None), ("production", 1, None)]
    assert dry.set == done.set
    assert [each.stage for each in done.unchanged] == ["champion"]
    assert [each.what for each in done.left_out] == ["cost#dev/eu"]
    assert server.aliases == {("cost", "champion"): "2", ("cost", "prod"): "3", ("cost", "production"): "1"}
    registry.assign("cost", "prod", version="v1.0.0", project=reg.path)
    ran = reg.registry(
        "export", "mlflow", "cost", check=False, env={"MLFLOW_TRACKING_URI": server.url, "LAB_CLOCK": None}
    )
    assert ran.code == 1
    assert "set cost@prod: 1, before 3 (cost v1.0.0)" in ran.stdout
    assert "left out: cost#dev/eu: MLflow takes no alias" in ran.stderr


def test_an_assignment_that_nobody_accepts_moves_no_alias(reg: Repo, server: Tracking) -> None:
    take(reg, server)
    stages = "{prod: {assign: [release]}, production: {}, champion: {}}"
    reg.commit({"policy.yaml": f"format: 1\nversion: 1\nroles: {{release: [bo@example.org]}}\nstages: {stages}\n"})
    reg.tag("cost#prod#99", "cost@v3.0.0^{commit}", "promote\n\nVersion: v3.0.0")
    done = export_mlflow(server.url, ["cost"], project=reg.path)
    assert [each.stage for each in (*done.set, *done.unchanged)] == ["production", "champion"]
    assert ("cost", "prod") not in server.aliases


def test_versions_that_the_server_has_no_more_or_otherwise_are_not_mirrored(reg: Repo, server: Tracking) -> None:
    take(reg, server)
    server.aliases.clear()
    del server.versions["cost", "2"]
    add(server, "1", 1.0, OTHER_RUN)
    done = export_mlflow(server.url, project=reg.path)
    assert (done.set, server.aliases) == ([], {})
    reasons = {each.what: each.reason for each in done.left_out}
    assert reasons.keys() == {"cost#champion", "cost#production"}
    assert f"is of run {OTHER_RUN} now" in reasons["cost#production"]


def test_models_of_other_servers_and_sources_are_not_mirrored(reg: Repo, server: Tracking) -> None:
    registry.link(f"runs/{RUN}/model1", "by-run", source_project=server.source, project=reg.path)
    reg.git("add", "--all")
    reg.commit()
    registry.register("by-run", project=reg.path)
    registry.assign("by-run", "prod", project=reg.path)
    (left,) = export_mlflow(server.url, project=reg.path).left_out
    assert "linked by its run" in left.reason
    with serve_tracking() as other:
        (left,) = export_mlflow(other.url, project=reg.path).left_out
        assert "not from this server" in left.reason
    with pytest.raises(NotFound):
        export_mlflow(server.url, ["gone"], project=reg.path)


def test_credentials_of_the_environment_go_to_that_server_only(
    reg: Repo, server: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(reg, server)
    server.password = "Bearer token"
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "token")
    with pytest.raises(RegistryError, match="401"):
        take(reg, server)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    assert take(reg, server).known == 3
    assert export_mlflow(server.url, project=reg.path).set
