"""What commands tell by themselves: requests, approvals and refusals, to whom asks for them, and never at a cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from governed import POLICY, REPORT, acts, governed, report
from inprocess import registry_here
from jsonschema import Draft202012Validator
from lab import Lab, Ran, Repo
from receivers import Receiver, receiver

from registry.notice import schema

ABOUT = ("m", "--version", "v1.0.0", "--stage", "prod", "-m", "Reviewed <!channel>")
SECRET = "a-secret-of-the-hook"


@contextmanager
def told(lab: Lab, monkeypatch: pytest.MonkeyPatch, on: str) -> Iterator[tuple[Repo, Receiver]]:
    """A person's clone of a governed registry with one channel, and who listens there."""
    channel = f"{{webhook: HOOK_URL, secret: HOOK_SECRET, name: hook{on}}}"
    everything = "{webhook: NOT_SET, secret: NOT_SET, name: all}"
    origin = governed(lab, f"{POLICY}notify: [{channel}, {everything}]\n")
    origin.commit({REPORT: report()})
    with receiver() as hook:
        monkeypatch.setenv("HOOK_URL", f"{hook.url}/registry")
        monkeypatch.setenv("HOOK_SECRET", SECRET)
        yield origin.bare_clone().clone("mine"), hook


def run(repo: Repo, who: str, *args: str, code: int = 0) -> Ran:
    ran = registry_here(acts(repo, who).path, *args)
    assert ran.code == code, ran.stdout + ran.stderr
    return ran


def bodies(hook: Receiver) -> list[dict[str, Any]]:
    found = [json.loads(post.body) for post in hook.posts]
    for each in found:
        Draft202012Validator(schema()).validate(each)
    return found


def test_a_request_and_an_approval_are_told_once_they_are_pushed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with told(lab, monkeypatch, ", on: [request, approve]") as (mine, hook):
        assert "hook" not in run(mine, "dana", "request", *ABOUT).stderr
        assert hook.posts == [], "nobody else can see the tag yet"
        mine.git("tag", "--delete", *[ref for ref in mine.tags() if ref.startswith("request/")])
        asked = run(mine, "dana", "request", *ABOUT, "--push", "--json")
        assert asked.json["pushed"]
        assert asked.stderr.splitlines()[-1] == "sent to hook: m v1.0.0: approval requested in prod"
        made = run(mine, "eve", "approve", *ABOUT, "--confirm", "kpi", "--reference", "JIRA-7", "--push", "--json")
    first, second = bodies(hook)
    assert (first["event"], first["id"], first["actor_email"]) == ("request", asked.json["tag_oid"], "dana@example.org")
    assert (first["principal"], first["message"]) == (None, "Reviewed <!channel>")
    assert first["metrics"] == {"weekly/accuracy": {"before": None, "after": 0.9}}
    assert (second["event"], second["tag"]) == ("approve", made.json["tag"])
    assert second["principal"] == "eve@example.org"
    assert second["reasons"] == ["Confirms: kpi", "Reference: JIRA-7"]


def test_what_the_policy_refuses_is_told_with_every_reason(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with told(lab, monkeypatch, ", on: [refused]") as (mine, hook):
        ran = run(mine, "mallory", "register", "m", "--force", "--json", code=1)
        run(mine, "mallory", "approve", *ABOUT, code=1)
        run(mine, "mallory", "register", "none", code=1)
        run(mine, "dana", "request", *ABOUT, "--push")
    first, second = bodies(hook)
    assert (first["event"], first["model"], first["message"]) == ("refused", "m", "register")
    assert first["actor"] == "mallory@example.org"
    assert first["reasons"] == [f"{each['id']}: {each['message']}" for each in ran.json["reasons"]]
    assert (second["version"], second["stage"], second["message"]) == ("v1.0.0", "prod", "approve")
    assert "role-needed" in second["reasons"][0]
    assert first["id"] != second["id"]


def test_nobody_is_told_who_did_not_ask_by_name_and_a_server_that_is_down_costs_a_warning(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_TIMEOUT", "1")
    with told(lab, monkeypatch, ", on: [approve, refused]") as (mine, hook):
        monkeypatch.setenv("REGISTRY_NOTIFY", "off")
        run(mine, "mallory", "register", "m", "--force", code=1)
        monkeypatch.delenv("REGISTRY_NOTIFY")
        assert "hook" not in run(mine, "dana", "request", *ABOUT, "--push").stderr
        assert hook.posts == []
        monkeypatch.delenv("HOOK_SECRET")
        ran = run(mine, "eve", "approve", *ABOUT, "--push")
        (warning,) = [line for line in ran.stderr.splitlines() if line.startswith("warning:")]
        assert warning.startswith("warning: not sent to hook: m v1.0.0: approved in prod: ")
        assert "HOOK_SECRET is not set" in warning
        mine.commit({"policy.yaml": "notify: 7\n"})
        assert "Traceback" not in registry_here(mine.path, "register", "m", "--force").stderr
    assert hook.posts == []


def test_a_workflow_hands_over_what_was_printed_of_a_refusal(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with told(lab, monkeypatch, "") as (mine, hook):
        monkeypatch.setenv("REGISTRY_NOTIFY", "off")
        printed = run(mine, "mallory", "register", "m", "--force", "--json", code=1)
        kept = mine.path / "refused.json"
        kept.write_text(printed.stdout)
        assert hook.posts == []
        ran = run(mine, "mallory", "notify", "--tag", "m@v1.0.0", "--refused", "refused.json", code=1)
        assert ran.stdout.splitlines() == [
            "sent to hook: m v1.0.0: registered", "sent to hook: m v1.0.1: refused",
        ]  # fmt: skip
        assert "NOT_SET is not set" in ran.stderr, "of `notify` itself every channel hears"
        for text in ("[]", json.dumps([{"tag": "m@v1.0.0"}])):
            kept.write_text(text)
            assert run(mine, "mallory", "notify", "--refused", "refused.json").stdout == "nothing to tell\n"
        assert run(mine, "mallory", "notify", "--refused", "none.json").stdout == "nothing to tell\n"
        wrong: list[Any] = [{}, {"reasons": []}, {"reasons": 7}, {"reasons": [{"artifact": "../x"}]}]
        good = printed.json["reasons"][0]
        wrong += [
            {"reasons": [{**good, **odd}]}
            for odd in ({"artifact": 7}, {"artifact": "a\nb"}, {"by": [7]}, {"stage": {"a": 1}})
        ]
        for each in wrong:
            kept.write_text(json.dumps({"refused": "x", **each}))
            assert "this is no refusal" in run(mine, "mallory", "notify", "--refused", "refused.json", code=1).stderr
        kept.write_bytes(b"\xff{")
        assert "cannot be read" in run(mine, "mallory", "notify", "--refused", "refused.json", code=1).stderr
    assert len(hook.posts) == 2
