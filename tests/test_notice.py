"""What is told: its JSON, its Slack blocks and its e-mail. Whatever people write, it stays text."""

from __future__ import annotations

import json
import re
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from lab import ROOT

from registry.channels import Channel
from registry.notice import KINDS, Change, Notice, identified, plain, schema
from registry.notifying import mail, slack

MAIL = Channel("m", "email", "registry@example.org", "SMTP_URL", ("ml@example.org", "b@example.org"))
OWN_LINK = re.compile(r"<https://[^<>|\s]+\|[a-z ]+>")
HOSTILE = "<!channel> <@U123> @here & <https://evil.example|ok>\r\nBcc: x@evil.example\r\n\r\n.\r\n\u202e\u2028\ud800"
texts = st.one_of(
    st.text(max_size=60), st.sampled_from([HOSTILE, "<", "&lt;!channel&gt;", "\n\n", "@channel", "`*_~", ""])
)


@st.composite
def notices(draw: st.DrawFn) -> Notice:
    """Any event that anybody could make, and some that nobody could."""
    return Notice(
        id=draw(st.from_regex(r"[0-9a-f]{40}", fullmatch=True)),
        kind=draw(st.sampled_from([*KINDS, "test"])),
        model=draw(texts),
        time=draw(texts),
        project=draw(texts),
        version=draw(st.none() | texts),
        stage=draw(st.none() | texts),
        stages=tuple(draw(st.lists(texts, max_size=2))),
        previous=draw(st.none() | texts),
        holds=draw(st.none() | texts),
        actor=draw(texts),
        actor_email=draw(texts),
        principal=draw(st.none() | texts),
        tag=draw(st.none() | texts),
        message=draw(texts),
        metrics=draw(st.none() | st.dictionaries(texts, st.builds(Change, numbers, numbers), max_size=3)),
        links=draw(st.dictionaries(texts, texts | st.just("https://example.org/a|b>c"), max_size=2)),
        reasons=tuple(draw(st.lists(texts, max_size=2))),
    )


numbers = st.none() | st.floats()


def promotion(**more: Any) -> Notice:
    return Notice(
        **{
            "id": "a" * 40,
            "kind": "assign",
            "model": "cost_predictor",
            "time": "2026-03-01T12:00:00+00:00",
            "project": "https://github.com/mycompany/model-registry",
            "version": "v1.1.0",
            "stage": "prod",
            "previous": "v1.0.0",
            "actor": "Dana",
            "metrics": {"f1": Change(0.81, 0.84)},
            **more,
        }
    )


def text_objects(found: Any) -> list[dict[str, Any]]:
    """Every text object of a payload."""
    if isinstance(found, list):
        return [each for item in found for each in text_objects(item)]
    if not isinstance(found, dict):
        return []
    here = [found] if found.get("type") in {"mrkdwn", "plain_text"} else []
    return [*here, *(each for value in found.values() for each in text_objects(value))]


def test_a_promotion_says_model_version_stage_actor_metrics_and_where_to_look() -> None:
    found = json.dumps(slack.payload(promotion(links={"compare": "https://github.com/x/y/compare/a...b"})))
    assert promotion().title() == "cost_predictor v1.1.0: assigned in prod (was v1.0.0)"
    for part in ("cost_predictor", "v1.1.0", "prod", "Dana", "<https://github.com/x/y/compare/a...b|compare>"):
        assert part in found
    assert promotion().deltas() == ["f1: 0.81 → 0.84 (+0.03)"]
    assert "f1: 0.81 \\u2192 0.84 (+0.03)" in found


@given(notices())
@example(
    promotion(model=HOSTILE, message=HOSTILE, actor=HOSTILE, reasons=(HOSTILE,), links={"run": f"https://{HOSTILE}"})
)
def test_no_text_is_ever_an_active_mention_or_link_in_slack(notice: Notice) -> None:
    payload = slack.payload(notice)
    assert (payload["parse"], payload["link_names"]) == ("none", False)
    for text in [payload["text"], *(each["text"] for each in text_objects(payload))]:
        assert not re.search(r"[<>]", OWN_LINK.sub("", text))
        assert not re.search(r"&(?!amp;|lt;|gt;)", re.sub(OWN_LINK, "", text))
    assert all(each.get("verbatim", each["type"] == "plain_text") for each in text_objects(payload))


@given(notices(), st.integers(1, 4000))
def test_no_text_is_longer_than_slack_takes(notice: Notice, length: int) -> None:
    from dataclasses import replace

    long = replace(notice, message="&" * length, reasons=("<x " * length,) * 5, actor="😀" * length)
    long = replace(long, metrics={f"{n}{'>' * length}": Change(1.0, 2.0) for n in range(20)})
    payload = slack.payload(long)
    assert 0 < len(payload["blocks"]) <= 50
    for block in payload["blocks"]:
        if block["type"] == "header":
            assert 0 < len(block["text"]["text"]) <= 150
        elif "fields" in block:
            assert 0 < len(block["fields"]) <= 10
            assert all(0 < len(field["text"]) <= 2000 for field in block["fields"])
        else:
            assert all(0 < len(each["text"]) <= 3000 for each in text_objects(block))
    assert 0 < len(payload["text"]) <= 3000


@given(notices())
@example(promotion(model=HOSTILE, kind="test", project=HOSTILE))
def test_no_text_ever_makes_a_header_of_an_e_mail(notice: Notice) -> None:
    raw = mail.message(notice, MAIL).as_bytes(policy=policy.SMTP)
    head, _, _ = raw.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0].decode() for line in re.split(rb"\r\n(?![ \t])", head)]
    assert sorted(names) == sorted([
        "Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted", "X-Registry-Event", "X-Registry-Delivery",
        "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    ])  # fmt: skip
    read: Any = message_from_bytes(raw, policy=policy.default)
    assert read["To"].addresses[0].addr_spec == "ml@example.org"
    assert len(read["To"].addresses) == 2
    assert read["Message-ID"] == f"<{notice.id}@example.org>"
    assert not read.defects


@given(notices())
def test_every_body_is_in_the_published_schema(notice: Notice) -> None:
    body = {**notice.body(), "sent_at": 1}
    Draft202012Validator(schema()).validate(json.loads(json.dumps(body, allow_nan=False)))


def test_the_published_schema_is_the_one_that_is_printed_and_a_sound_one() -> None:
    published = (ROOT / "registry" / "schemas" / "event.schema.json").read_text()
    assert published == json.dumps(schema(), indent=4) + "\n", "write it: registry notify --schema > that file"
    Draft202012Validator.check_schema(schema())
    lacking = {**promotion().body()}
    assert not Draft202012Validator(schema()).is_valid(lacking), "sent_at must be there"
    assert not Draft202012Validator(schema()).is_valid({**lacking, "sent_at": 1, "more": 1})


@given(st.text())
def test_a_plain_text_is_one_printable_line(text: str) -> None:
    assert plain(text) == "" or plain(text).isprintable()
    assert len(plain(text, 10)) <= 10


def test_an_event_without_a_tag_has_an_id_that_follows_from_it() -> None:
    one, two = identified(promotion(kind="refused")), identified(promotion(kind="refused", model="other"))
    assert one.id == identified(promotion(kind="refused", id="b")).id
    assert one.id != two.id


@pytest.mark.parametrize("wrong", [{"id": "a\r\nX: y"}, {"id": ""}, {"kind": "asigned"}])
def test_what_is_no_event_is_not_told(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="no event"):
        promotion(**wrong)
