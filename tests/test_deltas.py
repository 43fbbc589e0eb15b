"""What a message tells of metrics: those of the version beside those of the version before, read from the registry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lab import Lab, Repo
from test_comparing import keep, make_two, report

import registry

HOOK = "format: 1\nversion: 1\nnotify: [{webhook: HOOK_URL, secret: HOOK_SECRET, name: hook}]\n"


@pytest.fixture
def reg(lab: Lab) -> Repo:
    made = make_two(lab)[1]
    made.commit({"policy.yaml": HOOK})
    return made


def told(reg: Repo, tag: str) -> dict[str, Any] | None:
    (found,) = registry.notify(reg.path, tags=[tag], dry_run=True)
    metrics = found.notice.body()["metrics"]
    return metrics and {name: (each["before"], each["after"]) for name, each in metrics.items()}


def test_metrics_come_from_the_reports_and_certificates_of_both_versions(reg: Repo) -> None:
    certified = {"kept": (1, 1), "mean_absolute_error": (0.5, 0.7), "profit": (10, 12), "r2": (0.8, 0.9)}
    assert told(reg, "m@v1.1.0") == certified
    keep(reg, report(reg, "m@v1.1.0", "m@v1.0.0"))
    assert told(reg, "m@v1.1.0") == {"quality/r2": (0.8, 0.9), **certified}
    assert told(reg, "m@v1.0.0") == {name: (None, before) for name, (before, _) in certified.items()}
    (sent,) = registry.notify(reg.path, tags=["m@v1.1.0"], dry_run=True)
    assert "r2: 0.8 → 0.9 (+0.1)" in sent.notice.deltas()
    (mine,) = registry.notify(reg.path, tags=["m@v1.1.0"], dry_run=True, metrics=lambda *_: None)
    assert mine.notice.metrics is None


def test_numbers_of_other_data_are_told_alone_and_of_a_lone_report_too(reg: Repo) -> None:
    keep(reg, report(reg, "m@v1.0.0", r2=0.7), report(reg, "m@v1.1.0", data="9" * 64))
    found = told(reg, "m@v1.1.0")
    assert found is not None
    assert found["quality/r2"] == (None, 0.9)
    first = told(reg, "m@v1.0.0")
    assert first is not None
    assert first["quality/r2"] == (None, 0.7)


def test_what_cannot_be_read_is_left_out_and_the_message_is_sent(reg: Repo) -> None:
    certificate = json.loads((reg.path / ".mlem/lineage/m.json").read_text())
    place = {"path": "x", "key": "k", "blob": ""}
    certificate["facts"]["metrics"] = {f"metric{at:03}": {"value": at, "from": place} for at in range(900)}
    reg.commit({".mlem/lineage/m.json": json.dumps(certificate)})
    reg.tag("m@v1.2.0")
    found = told(reg, "m@v1.2.0")
    assert found is not None
    assert list(found) == [f"metric{at:03}" for at in range(20)]
    reg.commit({".mlem/lineage/m.json": "{", ".mlem/links/m.mlem": "no: [link"})
    reg.tag("m@v1.3.0")
    assert told(reg, "m@v1.3.0") is None
