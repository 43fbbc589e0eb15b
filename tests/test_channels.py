"""`notify` in policy.yaml: what it may say, what is refused, and that a secret in it is told to nobody."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from registry import strictyaml
from registry.channels import Channel, named, schema
from registry.document import thaw
from registry.errors import RegistryError
from registry.notice import KINDS, Notice
from registry.policy import parse_policy

SLACK = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
HEAD = "format: 1\nversion: 1\n"


def parsed(text: str) -> tuple[Channel, ...]:
    return parse_policy(f"{HEAD}notify:\n{text}".encode()).notify


def one(text: str) -> Channel:
    (found,) = parsed(f"  - {text}\n")
    return found


def admitted(text: str) -> bool:
    """Whether the schema for editors takes a list."""
    return Draft202012Validator(schema()).is_valid(thaw(strictyaml.parse(text.encode(), "x")))


def refused(text: str) -> str:
    with pytest.raises(RegistryError) as told:
        parsed(text)
    assert "policy.yaml" in told.value.where
    return str(told.value)


def notice(kind: str = "assign", model: str = "team/cost", stage: str | None = "prod", **more: object) -> Notice:
    return Notice(id="1", kind=kind, model=model, time="", project="", stage=stage, **more)


def test_the_three_kinds_are_read_and_named_after_what_they_name() -> None:
    text = (
        "  - {slack: SLACK_WEBHOOK_URL, on: [assign, rollback], stages: [prod], models: ['team/*']}\n"
        "  - {webhook: 'https://hooks.example.org/registry', secret: HOOK_SECRET}\n"
        "  - {webhook: HOOK_URL, secret: HOOK_SECRET, name: data warehouse}\n"
        "  - {email: [ml@example.org, b@example.org], server: SMTP_URL, from: registry@example.org}\n"
    )
    slack, hook, hidden, mail = parsed(text)
    assert admitted(text)
    assert (slack.name, slack.kind, slack.address) == ("SLACK_WEBHOOK_URL", "slack", "SLACK_WEBHOOK_URL")
    assert (slack.on, slack.stages, slack.models) == ({"assign", "rollback"}, {"prod"}, ("team/*",))
    assert (hook.name, hook.credential) == ("hooks.example.org", "HOOK_SECRET")
    assert (hidden.name, hidden.address) == ("data warehouse", "HOOK_URL")
    assert (mail.name, mail.address, mail.credential) == ("ml@example.org", "registry@example.org", "SMTP_URL")
    assert mail.to == ("ml@example.org", "b@example.org")


def test_without_the_key_and_with_an_empty_list_nobody_is_told() -> None:
    assert parse_policy(HEAD.encode()).notify == ()
    assert parse_policy(f"{HEAD}notify: []\n".encode()).notify == ()


@pytest.mark.parametrize(
    "text",
    [
        f"  - slack: {SLACK}\n",
        f"  - {SLACK}\n",
        f"  {SLACK}\n",
        f"  - {{email: [a@b.org], from: a@b.org, server: '{SLACK}'}}\n",
        f"  - {{webhook: 'https://h.example.org', secret: '{SLACK}'}}\n",
        f"  - {{slack: A, name: '{SLACK}?'}}\n",
        f"  - {{slack: A, '{SLACK}': B}}\n",
        "  - {webhook: 'https://user:XXXXXXXXXXXXXXXXXXXXXXXX@h.example.org', secret: A}\n",
        "  - {webhook: 'https://h.example.org/?token=XXXXXXXXXXXXXXXXXXXXXXXX', secret: A}\n",
        "  - {webhook: 'https://h.example.org:XXXXXXXXXXXXXXXXXXXXXXXX/', secret: A}\n",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(text: str) -> None:
    assert "XXXXXXXX" not in refused(text)
    assert not admitted(text) or "XXXX/" in text  # a port is beyond the schema


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{slack: A, on: [asign]}", "'asign' is none of register"),
        ("{slack: A, on: []}", "leave the key out for all"),
        ("{slack: A, on: }", "'on' is missing"),
        ("{slack: A, stages: [prod prod]}", "no stage's name"),
        ("{slack: A, models: ['../x']}", "no pattern"),
        ("{slack: A, onn: [assign]}", "unknown key 'onn'"),
        ("{slack: A, webhook: B, secret: C}", "this one has 2"),
        ("{on: [assign]}", "this one has 0"),
        ("{webhook: 'https://h.example.org/'}", "'secret' is missing"),
        ("{webhook: 'ftp://h.example.org/', secret: A}", "neither an https URL nor"),
        ('{webhook: "https://h.example.org/a\\nb", secret: A}', "neither an https URL nor"),
        ("{email: [a@b.org], server: A}", "'from' is missing"),
        ("{email: [], server: A, from: a@b.org}", "0 recipients"),
        ('{email: ["a@b.org\\nBcc: c@d.org"], server: A, from: a@b.org}', "no address"),
        ("{email: ['a@b.org, c@d.org'], server: A, from: a@b.org}", "no address"),
        ("{email: [a@b.org], server: A, from: 'X <a@b.org>'}", "no address"),
    ],
)
def test_what_is_wrong_is_refused_and_says_what(text: str, said: str) -> None:
    assert said in refused(f"  - {text}\n")


def test_two_channels_of_one_name_are_refused() -> None:
    assert "tell them apart" in refused("  - {slack: A}\n  - {slack: A, on: [revoke]}\n")
    assert len(parsed("  - {slack: A}\n  - {slack: A, on: [revoke], name: b}\n")) == 2


def test_a_channel_is_told_of_the_kinds_stages_and_models_it_asks_for() -> None:
    assert all(one("{slack: A}").wants(notice(kind)) for kind in KINDS)
    chosen = one("{slack: A, on: [assign, revoke], stages: [prod], models: ['team/*']}")
    assert chosen.wants(notice())
    assert not chosen.wants(notice("rollback"))
    assert not chosen.wants(notice(stage="staging"))
    assert not chosen.wants(notice(model="other"))
    assert chosen.wants(notice("revoke", stage=None, stages=("prod", "staging")))
    assert not chosen.wants(notice("revoke", stage=None))


@pytest.mark.parametrize(
    ("pattern", "model", "holds"),
    [
        ("team/*", "team/cost", True),
        ("team/*", "team/a/b", False),
        ("team/**", "team/a/b", True),
        ("*", "cost", True),
        ("*", "team/cost", False),
        ("cost-*", "cost-eu", True),
        ("c.st", "cost", False),
    ],
)
def test_a_star_is_part_of_one_segment(pattern: str, model: str, holds: bool) -> None:
    assert named(pattern, model) is holds
