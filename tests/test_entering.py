"""Gates that every reader judges: a version that fails them is tagged into `prod` by plain git, by who has the role."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import governed
import pytest
from attacked import PEOPLE, entry_of, key_of, record, sign_tag, signers
from inprocess import registry_here
from lab import Lab, Repo
from linked import ROWS, Made, _files, link_of, saved, served, slope
from sklearn.linear_model import LinearRegression
from test_attacks import held, refusal, rejected
from test_unchanged import git_processes

import registry
from registry.api import remembering, unchanged
from registry.api.holding import which
from registry.api.questions import Registry
from registry.errors import Refused

Http = Callable[..., Any]
SUITE = "evaluations/quality.yaml"
EXTRA = "evaluations/extra.yaml"
CARD = "---\nlicense: {}\n---\n{}"
OWNER = "## Owner\n\nteam@example.org\n"
GOOD, BAD, LIAR = "v1.0.0", "v2.0.0", "v3.0.0"
AT_LEAST = {"metric": {"name": "accuracy", "at_least": 0.8}}
CERTIFIED = {"metric": {"name": "r2", "at_least": 0.8}}


def policy(*gates: Any, version: int = 2, more: Any = None, **stage: Any) -> str:
    """A policy under which Bo assigns, with these gates."""
    roles = {"science": [PEOPLE["dana"]], "release": [PEOPLE["bo"]], "owners": [PEOPLE["eve"]]}
    stages = {
        "staging": {"assign": ["science", "release"]},
        "prod": {"assign": ["release"], "rollback": ["release"], "override": ["owners"], "gates": list(gates), **stage},
    }
    said = {"register": ["science"], "recorder": [PEOPLE["robot"]]}
    return json.dumps({"format": 1, "version": version, "roles": roles, **said, "stages": stages, **(more or {})})


def suite(*metrics: str) -> str:
    data = {"path": "d.csv", "sha256": "4" * 64, "format": "csv", "target": "t"}
    return json.dumps({"format": 1, "task": "classification", "data": data, "metrics": list(metrics)})


def report(repo: Repo, name: str, text: str, version: str, **metrics: float) -> dict[str, str]:
    """A report on the model that is linked in the work tree."""
    link = link_of(repo)
    assert link.metafile is not None
    pins = {each: pin.sha256 for each, pin in link.artifacts.items()}
    made = json.loads(governed.report(metafile=link.metafile.sha256, artifacts=pins, version=version))
    made["suite"] = name
    made["inputs"]["suite_sha256"] = hashlib.sha256(text.encode()).hexdigest()
    made["results"]["metrics"] = metrics
    return {f"evaluations/reports/m/{version}/{name}.json": json.dumps(made)}


@functools.cache
def large() -> dict[str, bytes]:
    """A model that is stored as a pickle, takes another column, and is larger."""
    rows = ROWS.assign(z=0.0)
    model = LinearRegression(fit_intercept=False).fit(rows, ROWS["x"] * 2)
    model.padding_ = "x" * 40_000
    return _files(model, sample_data=rows, format="pickle")


@functools.cache
def _built() -> Made:
    """v1.0.0, which passes all gates, in prod; v2.0.0, which fails each, and v3.0.0, whose certificate lies."""
    source, made = Made(), Made()
    repo = made.repo
    source.repo.commit({"metrics.json": '{"r2": 0.9}', **saved(1.0)})
    source.repo.tag("v1")
    source.repo.commit({"metrics.json": '{"r2": 0.5}', **large()})
    source.repo.tag("v2")
    text, extra = suite("accuracy", "roc_auc"), suite("log_loss")
    repo.commit({"policy.yaml": policy(version=1), "allowed_signers": signers(), SUITE: text, EXTRA: extra})
    registry.init(repo.path)
    reports: dict[str, str] = {}
    for version, rev, card, value in ((GOOD, "v1", CARD.format("mit", OWNER), 0.9), (BAD, "v2", "---\n{}\n---\n", 0.5)):
        registry.link("lr", "m", source_project=str(source.repo.path), rev=rev, project=repo.path)
        repo.write({"cards/m.md": card if version == GOOD else CARD.format("gpl-3.0", "")})
        repo.git("add", "--all")
        repo.commit(message=f"link {version}")
        sign_tag(repo, f"m@{version}", "dana")
        reports |= report(repo, "quality", text, version, accuracy=value, roc_auc=0.7)
        reports |= report(repo, "extra", extra, version, log_loss=0.1) if version == GOOD else {}
    certificate = repo.path / ".mlem/lineage/m.json"
    repo.commit({".mlem/lineage/m.json": certificate.read_text().replace("0.5", "0.9")})
    sign_tag(repo, f"m@{LIAR}", "dana")
    sign_tag(repo, "m#staging#1", "dana", f"m@{GOOD}^{{commit}}", f"Version: {GOOD}")
    repo.lab.now += 7200
    sign_tag(repo, "m#staging#2", "dana", f"m@{BAD}^{{commit}}", f"Version: {BAD}")
    sign_tag(repo, "m#prod#3", "bo", f"m@{GOOD}^{{commit}}", f"Version: {GOOD}")
    done = registry_here(repo.path, "interface", "export", f"m@{GOOD}")
    assert done.code == 0, done.stderr
    repo.git("add", "--all")
    repo.commit(dict(reports))
    return made


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return _built().copy(lab, "reg")


def govern(repo: Repo, *gates: Any, **more: Any) -> None:
    repo.commit({"policy.yaml": policy(*gates, **more)})


def promote(repo: Repo, version: str = BAD, number: int = 9, *lines: str, who: str = "bo") -> str:
    """An assignment by plain git, signed by who has the role."""
    ref = f"m#prod#{number}"
    sign_tag(repo, ref, who, f"m@{version}^{{commit}}", f"Version: {version}", *lines)
    return ref


COMMITTED = {
    "metric": (AT_LEAST, "0.5, expected at least 0.8", "choose a version that keeps the limit"),
    "certificate": (CERTIFIED, "0.5, expected at least 0.8", "choose a version that keeps the limit"),
    "card": ({"card": {"required": ["owner"]}}, "no section 'Owner'", "card"),
    "license": ({"license": {"allowed": ["mit"]}}, "'gpl-3.0' is none of mit", "name an allowed licence"),
    "evaluation": ({"evaluation": {"suites": ["extra"]}}, "no report of suite extra counts", "registry evaluate m@v2"),
    "held": ({"held": {"stage": "staging", "minimum": "1h"}}, "held for", "hold it there for longer"),
}


@pytest.mark.parametrize("kind", COMMITTED)
def test_a_version_that_fails_a_gate_is_not_what_a_stage_answers(reg: Repo, kind: str) -> None:
    gate, why, fix = COMMITTED[kind]
    govern(reg, gate)
    ref = promote(reg)
    assert held(reg) == GOOD
    assert slope(registry.load("m", stage="prod", project=reg.path)) == 1.0
    found = rejected(reg, ref)
    assert f"gate-failed: {kind.replace('certificate', 'metric')}: " in found.message
    assert why in found.message
    assert fix in found.fix
    reg.git("tag", "--delete", "m#prod#3")
    assert refusal(reg).reason == "event-rejected"


BROUGHT = {
    "format": ({"format": {"pickle": "never"}}, "stored as"),
    "size": ({"size": {"limit": "20 KB"}}, "the limit is 20,000"),
    "interface": ("interface", "(contract interfaces/m.yaml)"),
}


@pytest.mark.parametrize("kind", BROUGHT)
def test_bytes_that_fail_a_gate_are_not_loaded(reg: Repo, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, why = BROUGHT[kind]
    govern(reg, gate)
    assert slope(registry.load("m", stage="prod", project=reg.path)) == 1.0
    ref = promote(reg)
    for use in (registry.load, registry.fetch, registry.load_model):
        with pytest.raises(Refused, match="event-rejected") as caught:
            use("m", stage="prod", project=reg.path)
        assert ref in caught.value.what
        assert f"gate-failed: {kind}: " in caught.value.what
        assert why in caught.value.what
        assert caught.value.fix
    for options in ({"version": BAD, "require": "prod"}, {"rev": BAD_COMMIT, "require": ["prod"]}):
        given = {
            key: reg.rev(f"m@{BAD}^{{commit}}") if value is BAD_COMMIT else value for key, value in options.items()
        }
        with pytest.raises(Refused, match="event-rejected"):
            registry.load("m", project=reg.path, **given)
    monkeypatch.setenv("REGISTRY_ALLOWED_STAGES", "prod,none")
    with pytest.raises(Refused, match="event-rejected"):
        registry.load("m", version=BAD, project=reg.path)
    monkeypatch.setenv("REGISTRY_ALLOWED_STAGES", "prod,staging")
    assert registry.load("m", version=BAD, project=reg.path) is not None, (
        "staging, which holds it too, asks for nothing"
    )


BAD_COMMIT = object()


def test_a_version_that_passes_every_gate_is_loaded(reg: Repo) -> None:
    gates = [gate for gate, *_ in COMMITTED.values()] + [gate for gate, *_ in BROUGHT.values()]
    govern(reg, *gates)
    assert held(reg) == GOOD
    assert slope(registry.load("m", stage="prod", project=reg.path)) == 1.0
    assert not [each for each in registry.doctor(reg.path) if each.id == "event-rejected"]


def test_a_report_that_was_altered_after_the_promotion(reg: Repo) -> None:
    govern(reg, AT_LEAST, {"evaluation": {"suites": ["quality"]}})
    assert held(reg) == GOOD
    path = f"evaluations/reports/m/{GOOD}/quality.json"
    said = json.loads((reg.path / path).read_text())
    said["results"]["metrics"]["accuracy"] = 0.1
    reg.commit({path: json.dumps(said)})
    assert "accuracy (quality) is 0.1" in refusal(reg).what
    reg.commit({path: None})
    assert "no report of suite quality counts" in refusal(reg).what


def test_a_raised_threshold_counts_at_once_and_a_lowered_one_too(reg: Repo) -> None:
    govern(reg, AT_LEAST)
    promote(reg)
    assert held(reg) == GOOD
    govern(reg, {"metric": {"name": "accuracy", "at_least": 0.95}}, version=3)
    assert "expected at least 0.95" in refusal(reg).what
    govern(reg, {"metric": {"name": "accuracy", "at_least": 0.4}}, version=4)
    assert held(reg) == BAD


def test_what_a_recorder_answers_for_was_judged_when_it_was_recorded(reg: Repo) -> None:
    govern(reg, AT_LEAST, {"size": {"limit": "20 KB"}}, {"custom": {"check": "ours"}}, ledger=True)
    ref = promote(reg)
    record(reg, entry_of(reg, ref, version=BAD, principal=PEOPLE["bo"]))
    assert held(reg) == BAD
    assert registry.load("m", stage="prod", project=reg.path) is not None


def test_an_entry_that_no_recorder_signed_answers_for_nothing(reg: Repo) -> None:
    govern(reg, AT_LEAST, ledger=True)
    ref = promote(reg)
    record(reg, entry_of(reg, ref, version=BAD, principal=PEOPLE["bo"]), who="bo")
    assert "gate-failed: metric" in refusal(reg).what


def test_a_certificate_says_what_its_source_says_or_nothing_is_loaded(reg: Repo) -> None:
    govern(reg, CERTIFIED)
    assert slope(registry.load("m", stage="prod", project=reg.path)) == 1.0
    promote(reg, LIAR)
    assert held(reg) == LIAR
    with pytest.raises(Refused, match=r"the birth certificate says r2 0\.9, the pinned commit does not"):
        registry.load("m", stage="prod", project=reg.path)


def test_a_rollback_that_the_ledger_alone_answers_with_owes_the_same(reg: Repo) -> None:
    govern(reg, CERTIFIED, ledger=True)
    for number, more in ((8, []), (9, ["Rollback-of: m#prod#8"])):
        ref = promote(reg, LIAR, number, *more)
        kind = {"kind": "rollback"} if more else {}
        record(reg, entry_of(reg, ref, version=LIAR, principal=PEOPLE["bo"], **kind), who="bo")
    assert held(reg) == LIAR
    with pytest.raises(Refused, match="the birth certificate says"):
        registry.load("m", stage="prod", project=reg.path)


def test_a_lock_file_lets_nothing_in_that_its_stage_does_not(reg: Repo, lab: Lab) -> None:
    govern(reg, {"size": {"limit": "20 KB"}})
    promote(reg)
    lock = lab.root / "registry.lock"
    registry.lock("m", stage="prod", project=reg.path, lock=lock)
    with pytest.raises(Refused, match="the limit is 20,000"):
        registry.load("m", stage="prod", project=reg.path, locked=True, lock=lock)


def test_a_stage_before_holds_only_what_passed_its_own_gates(reg: Repo) -> None:
    text = json.loads(policy(after=["staging"]))
    text["stages"]["staging"]["gates"] = [AT_LEAST]
    reg.commit({"policy.yaml": json.dumps(text)})
    assert held(reg) == GOOD
    ref = promote(reg)
    assert held(reg) == GOOD
    assert "stage-skipped" in rejected(reg, ref).message
    assert "gate-failed" in rejected(reg, "m#staging#2").message


def test_a_rollback_goes_back_to_what_passed_and_an_override_past_it(reg: Repo) -> None:
    govern(reg, AT_LEAST, {"size": {"limit": "20 KB"}})
    first = promote(reg, BAD, 8)
    ref = promote(reg, BAD, 9, "Rollback-of: m#prod#8")
    assert held(reg) == GOOD
    assert "not-held-before" in rejected(reg, ref).message
    assert "gate-failed" in rejected(reg, first).message
    promote(reg, BAD, 10, "Override: prod is down", who="eve")
    assert held(reg) == BAD
    assert registry.load("m", stage="prod", project=reg.path) is not None
    promote(reg, GOOD, 11)
    promote(reg, BAD, 12, "Rollback-of: m#prod#11")
    assert held(reg) == BAD, "an override had brought it"
    assert registry.load("m", stage="prod", project=reg.path) is not None


def test_the_command_that_promotes_goes_by_what_readers_accept(reg: Repo) -> None:
    text = json.loads(policy(after=["staging"]))
    text["stages"]["staging"]["gates"] = [AT_LEAST]
    reg.commit({"policy.yaml": json.dumps(text)})
    reg.git("config", "user.name", "Bo")
    reg.git("config", "user.email", PEOPLE["bo"])
    reg.git("config", "gpg.format", "ssh")
    reg.git("config", "user.signingkey", str(key_of("bo").private))
    done = registry_here(reg.path, "assign", "m", "--version", BAD, "--stage", "prod")
    assert done.code == 1
    assert "stage-skipped" in done.stderr
    govern(reg, AT_LEAST, version=3)
    promote(reg, BAD, 8)
    promote(reg, GOOD, 9)
    sign_tag(reg, "m#staging#10", "dana", f"m@{GOOD}^{{commit}}", f"Version: {GOOD}")
    assert "m#prod#8" not in {each.ref for each in registry.doctor(reg.path)}, "history, on which nothing rests"
    done = registry_here(reg.path, "rollback", "m", "--stage", "prod", "--to", BAD)
    assert done.code == 1
    assert "not-held-before" in done.stderr


def test_approvals_are_waived_by_the_reports_and_not_by_what_a_tag_says(reg: Repo) -> None:
    stage = {"approve": ["owners"], "approvals": 1}
    govern(reg, waive=[AT_LEAST["metric"]], **stage)
    promote(reg, BAD, 9, "Waived: approvals")
    assert held(reg) == GOOD
    assert "approvals-missing" in rejected(reg, "m#prod#9").message
    compared = {"name": "accuracy", "at_least": 0.1, "tolerance": 1.0}
    govern(reg, waive=[compared], version=3, **stage)
    assert "approvals-missing" in refusal(reg).what, "nobody answers for what it was compared with"


def test_a_program_is_not_run_and_somebody_else_must_answer_for_it(reg: Repo) -> None:
    custom = {"custom": {"check": "ours"}}
    govern(reg, custom)
    said = refusal(reg)
    assert "gate-failed: custom: check ours: readers run no programs" in said.what
    assert "give the stage approvals" in said.fix
    report = registry.check(reg.path)
    assert any(each.id == "policy-sound" and "custom" in each.message for each in report.findings)
    govern(reg, custom, version=3, approvals=1)
    assert "gate-failed" not in refusal(reg).what
    assert "approvals-missing" in refusal(reg).what


def test_verify_tells_of_an_event_whose_gates_fail(reg: Repo) -> None:
    govern(reg, AT_LEAST)
    ref = promote(reg)
    found = [each for each in registry.verify(reg.path).findings if each.id == "event-rejected"]
    assert [each.ref for each in found] == [ref]


def test_a_registry_behind_a_url_says_the_same(reg: Repo, lab: Lab, http: Http) -> None:
    govern(reg, *(gate for gate, *_ in COMMITTED.values()))
    ref = promote(reg)
    url = f"{http(served(lab, reg)).url}/reg.git"
    assert which("m", "prod", url).version.label == GOOD
    asked = Registry(url)
    assert asked.show()["m"]["stage"]["prod"] == GOOD
    assert any(ref in each for each in asked.warnings)


def test_a_load_by_url_asks_the_registry_once_more_at_most(lab: Lab, http: Http) -> None:
    source, repo = lab.repo("source"), lab.repo("reg")
    source.commit({"README.md": "a model", **saved(1.0)})
    source.tag("v1")
    server = http(served(lab, source))
    text = suite("accuracy")
    repo.commit({"policy.yaml": policy(version=1), "allowed_signers": signers(), SUITE: text})
    registry.init(repo.path)
    registry.link("lr", "m", source_project=f"{server.url}/source.git", rev="v1", project=repo.path)
    repo.write({"cards/m.md": CARD.format("mit", OWNER)})
    repo.git("add", "--all")
    repo.commit(message="link m")
    sign_tag(repo, f"m@{GOOD}", "dana")
    sign_tag(repo, "m#staging#1", "dana", "HEAD", f"Version: {GOOD}")
    lab.now += 7200
    promote(repo, GOOD)
    repo.commit(report(repo, "quality", text, GOOD, accuracy=0.9))
    served(lab, repo)
    gates = ("metric", "card", "license", "held")
    govern(repo, *(COMMITTED[kind][0] for kind in gates), *(gate for gate, _ in BROUGHT.values()))
    repo.bare_clone("served/gated.git")

    def asked(name: str) -> int:
        """Packs that the registry was asked for by a load."""
        assert slope(registry.load("m", stage="prod", project=f"{server.url}/{name}.git")) == 1.0
        return sum(each.method == "POST" and f"/{name}.git/" in each.path for each in server.requests)

    assert asked("gated") <= asked("reg") + 1
    before = len(server.requests)
    asked("gated")
    warm, before = len(server.requests) - before, len(server.requests)
    asked("reg")
    assert warm == len(server.requests) - before, "what was found out asks for nothing"


def counted(monkeypatch: pytest.MonkeyPatch, folder: Path, project: object) -> int:
    """Git processes of one question, asked by a process that knows nothing but what is on disk."""
    unchanged._answers.clear()
    remembering._answers.clear()
    return git_processes(monkeypatch, folder, lambda: which("m", "prod", str(project)))


def test_what_was_found_out_once_costs_no_further_process(reg: Repo, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    govern(reg)
    which("m", "prod", reg.path)
    plain = counted(monkeypatch, lab.root / "plain", reg.path)
    govern(reg, *(gate for gate, *_ in COMMITTED.values()), *(gate for gate, *_ in BROUGHT.values()), version=3)
    first = counted(monkeypatch, lab.root / "first", reg.path)
    again = counted(monkeypatch, lab.root / "again", reg.path)
    assert plain == again < first

    def loads() -> None:
        registry.load("m", stage="prod", project=reg.path)

    loads()
    gated = git_processes(monkeypatch, lab.root / "gated", loads)
    govern(reg, version=4)
    loads()
    assert gated == git_processes(monkeypatch, lab.root / "ungated", loads)
