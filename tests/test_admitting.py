"""What a process may use: its allowed stages, what the caller requires, and the audit line of each load."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from inprocess import registry_here
from lab import Lab, Repo
from linked import add, edit_link, link_of, make_promoted, make_registry, make_source, served, slope

import registry
from registry.api.auditing import KEYS
from registry.errors import NotFound, Refused, RegistryError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def reg(lab: Lab) -> Repo:
    """`m`: v1.0.0 (slope 1) in prod, v1.1.0 (slope 2) in staging."""
    return make_promoted(lab)


def refused(call: Callable[[], object], reason: str) -> Refused:
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.reason == reason
    assert caught.value.fix
    assert isinstance(caught.value.resolved, registry.Resolved)
    return caught.value


@pytest.mark.parametrize(
    "asked", [{"version": "v1.1.0"}, {"stage": "staging"}, {"rev": "m@v1.1.0"}, {"rev": "HEAD"}, {}]
)
def test_a_process_uses_only_what_is_in_its_stages_however_it_asks(
    reg: Repo, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str]
) -> None:
    monkeypatch.setenv("REGISTRY_ALLOWED_STAGES", "prod")
    for call in (registry.load, registry.fetch, registry.resolve):
        error = refused(lambda call=call: call("m", project=reg.path, **asked), "stage-allowed")
        assert "is in stage 'staging'" in error.what
        assert "only what is in 'prod'" in error.what
    flags = [word for key, value in asked.items() for word in (f"--{key}", value)]
    for command in (("load",), ("fetch", "-o", "out"), ("predict", "--data", "/dev/null")):
        ran = registry_here(reg.path, *command, "m", *flags)
        assert (ran.code, ran.stdout) == (1, "")
        assert "refused (stage-allowed)" in ran.stderr
    monkeypatch.setenv("REGISTRY_ALLOWED_STAGES", " prod , staging ")
    assert slope(registry.load("m", project=reg.path, **asked)) == 2.0


def test_what_is_in_the_stage_is_loaded_however_it_is_asked_for(reg: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_ALLOWED_STAGES", "prod")
    for asked in ({"stage": "prod"}, {"version": "v1.0.0"}, {"version": "~1.0"}, {"rev": "m@v1.0.0"}):
        assert slope(registry.load("m", project=reg.path, **asked)) == 1.0


def test_a_stage_that_moved_on_closes_the_version_it_held_for_a_lock_too(
    reg: Repo, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.root)
    monkeypatch.setenv("REGISTRY_ALLOWED_STAGES", "prod")
    refused(lambda: registry.lock("m", version="v1.1.0", project=reg.path), "stage-allowed")
    registry.lock("m", stage="prod", project=reg.path)
    assert slope(registry.load("m", stage="prod", project=reg.path, locked=True)) == 1.0
    reg.tag("m#prod#9", "m@v1.1.0^{commit}")
    assert (
        "is in no stage"
        in refused(lambda: registry.load("m", stage="prod", project=reg.path, locked=True), "stage-allowed").what
    )
    assert "stage-allowed: " in registry_here(lab.root, "lock", "--check").stdout


def test_a_variable_that_names_no_stage_opens_nothing(reg: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", " ", ",", "pr od", "prod,#x", "prod\n;x"):
        monkeypatch.setenv("REGISTRY_ALLOWED_STAGES", value)
        with pytest.raises(RegistryError, match=r"names no stage|not a stage name"):
            registry.load("m", stage="prod", project=reg.path)


def test_a_caller_requires_a_stage_or_asks_for_itself(reg: Repo) -> None:
    load = registry.load
    assert slope(load("m", version="v1.0.0", project=reg.path, require="prod")) == 1.0
    assert slope(load("m", version="v1.0.0", project=reg.path, require=["canary", "prod"])) == 1.0
    assert slope(load("m", project=reg.path, require=lambda found: found.version == "v1.1.0")) == 2.0
    for require in ("prod", ["prod", "canary"], lambda found: found.link.rev == "v1", lambda _: None, lambda _: []):
        refused(lambda require=require: load("m", project=reg.path, require=require), "required")
        refused(lambda require=require: registry.fetch("m", project=reg.path, require=require), "required")


def test_what_require_does_not_understand_it_does_not_admit(reg: Repo) -> None:
    unknown: list[Any] = [{"signed": True}, [], ["prod", 3], 3, "", "a#b", {"stage": "prod"}]
    for require in unknown:
        with pytest.raises(RegistryError, match=r"require is|not a stage name"):
            registry.load("m", project=reg.path, require=require)


def test_what_a_caller_s_function_raises_reaches_the_caller(reg: Repo) -> None:
    def never(found: registry.Resolved) -> bool:
        raise Refused("our-rule", f"not {found.version}", "here", "ask us")

    assert refused(lambda: registry.load("m", project=reg.path, require=never), "our-rule").what == "not v1.1.0"


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    records = [record for record in caplog.records if record.name == "registry.audit"]
    for record in records:
        assert record.levelno == logging.INFO
        assert json.loads(record.getMessage()) == record.registry
        assert "\n" not in record.getMessage()
    caplog.clear()
    return [record.registry for record in records]


@pytest.fixture
def audit(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "registry.audit")
    return caplog


def test_each_load_and_fetch_is_one_line_with_every_id(
    reg: Repo, audit: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_ALLOWED_STAGES", "prod")
    monkeypatch.setenv("LOGNAME", "dana")
    registry.load("m", stage="prod", project=reg.path)
    registry.fetch("m", version="v1.0.0", project=reg.path, offline=True)
    told, fetched = lines(audit)
    link = link_of(reg)
    first = registry.resolve("m", version="v1.0.0", project=reg.path)
    assert set(told) == set(KEYS)
    assert datetime.fromisoformat(told["time"]).tzinfo is not None
    digests = {"metafile": first.metafile.sha256, "artifacts.data": first.artifacts["data"].sha256}
    assert told["digests"] == digests
    assert link.commit != told["source_commit"]
    expected = {
        "schema": 1, "event": "load", "reason": None, "message": None, "name": "m", "project": str(reg.path), "version": "v1.0.0",
        "stage": "prod", "rev": None, "tag": "m#prod#1", "tag_id": reg.rev("refs/tags/m#prod#1"), "commit": first.commit,
        "link": ".mlem/links/m.mlem", "link_id": first.link_blob, "source": str(first.source), "source_rev": "v1",
        "source_commit": first.source_commit, "offline": False, "user": "dana",
        "allowed": {"stages": ["prod"], "allowed_stages": "prod", "locked": None, "policy_version": 0},
    }  # fmt: skip
    assert {key: told[key] for key in expected} == expected
    assert (fetched["event"], fetched["stage"], fetched["tag"], fetched["offline"]) == ("fetch", None, "m@v1.0.0", True)
    assert lines(audit) == [], "a question loads nothing"


def test_a_refusal_is_one_line_with_its_reason_wherever_it_happens(
    reg: Repo, lab: Lab, audit: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.root)
    with pytest.raises(Refused):
        registry.load("m", project=reg.path, require="prod")  # after it was resolved
    registry.lock("m", stage="prod", project=reg.path)
    with pytest.raises(Refused):
        registry.load("m", rev="HEAD", project=reg.path, locked=True)  # before
    edit_link(reg, link_of(reg).artifacts["data"].sha256, "0" * 64)
    with pytest.raises(Refused):
        registry.load("m", version="v9.0.0", project=reg.path)  # when its bytes came
    with pytest.raises(NotFound):
        registry.load("m", stage="canary", project=reg.path)  # nothing was there to be refused
    found = lines(audit)
    assert [(each["event"], each["reason"], each["version"]) for each in found] == [
        ("refused", "required", "v1.1.0"), ("refused", "locked", None), ("refused", "digest-matches", "v9.0.0"),
    ]  # fmt: skip
    assert all(set(each) == set(KEYS) for each in found)
    assert "a revision was asked for" in found[1]["message"]
    assert found[1]["rev"] == "HEAD"


def test_a_locked_load_says_which_lock_allowed_it(
    reg: Repo, lab: Lab, audit: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.root)
    registry.lock("m", stage="prod", project=reg.path)
    registry.load("m", stage="prod", project=reg.path, locked=True)
    (told,) = lines(audit)
    assert told["allowed"]["locked"] == str(lab.root / "registry.lock")
    assert told["stage"] == "prod"


def test_no_credentials_are_written(lab: Lab, http: Any, audit: pytest.LogCaptureFixture) -> None:
    source = make_source(lab)
    server = http(served(lab, source))
    made = make_registry(lab, "web")
    add(made, f"{server.url}/source.git")
    served(lab, made)
    url = f"{server.url}/web.git".replace("://", "://dana:secret@")
    registry.load("m", project=url)
    with pytest.raises(Refused):
        registry.load("m", project=url, require="prod")
    found = lines(audit)
    assert [each["event"] for each in found] == ["load", "refused"]
    assert "secret" not in json.dumps(found)
    assert "***@" in found[0]["project"]


def test_a_line_that_cannot_be_written_fails_no_load(reg: Repo, audit: pytest.LogCaptureFixture) -> None:
    class Broken(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            raise OSError(record.name)

    broken, logger = Broken(), logging.getLogger("registry.audit")
    logger.addFilter(broken)
    try:
        assert slope(registry.load("m", stage="prod", project=reg.path)) == 1.0
    finally:
        logger.removeFilter(broken)


def test_the_guide_lists_every_key_of_the_line() -> None:
    text = (ROOT / "docs" / "lockfile.md").read_text(encoding="utf-8")
    for key in KEYS:
        assert f"`{key}`" in text, f"docs/lockfile.md does not explain {key}"
