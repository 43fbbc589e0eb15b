"""Slack: an incoming webhook and blocks (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks).

Rules: what people wrote is text and nothing else. `&`, `<` and `>` are escaped, which is all that Slack's own syntax
for links and mentions (`<!channel>`, `<@U1>`) needs, and every text object is `verbatim`, so that a bare `@channel`,
`#name` or address is none either (https://docs.slack.dev/messaging/formatting-message-text). No text is longer than
Slack takes (https://docs.slack.dev/reference/block-kit/blocks), and none is cut within an escape.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from registry.channels import Channel
from registry.notice import Notice, plain
from registry.notifying.posting import Body, Target

WORDS: Final = frozenset({
    "action_prohibited", "channel_is_archived", "channel_not_found", "invalid_blocks", "invalid_payload",
    "invalid_token", "no_active_hooks", "no_service", "no_service_id", "no_team", "no_text",
    "posting_to_general_channel_denied", "team_disabled", "too_many_attachments", "user_not_found",
})  # fmt: skip
"""Errors of incoming webhooks, as Slack documents them."""
HEADER, FIELD, SECTION, FIELDS = 150, 2000, 3000, 10
"""Most characters of a header, a field and a section; most fields of a section."""
_LINK: Final = re.compile(r"https://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]{1,1000}")
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def target(channel: Channel, address: str) -> Target:
    """Where its messages go."""
    return Target(
        address,
        f"{channel.label} (${channel.address})",
        f"put the address of an incoming webhook into {channel.address}, and look at its channel and app in Slack",
        words=WORDS,
    )


def body(notice: Notice) -> Body:
    """What is posted."""
    return Body(json.dumps(payload(notice)).encode(), {})


def payload(notice: Notice) -> dict[str, Any]:
    """The message: a heading, what is known as fields, metrics, words and links."""
    title = notice.title()
    facts = [f"*{name}*\n{escaped(text, FIELD - 40)}" for name, text in notice.facts().items()]
    blocks: list[dict[str, Any]] = [{"type": "header", "text": _plain(title)}]
    blocks.append({"type": "section", "fields": [_text(fact) for fact in facts[:FIELDS]]})
    if deltas := notice.deltas():
        blocks.append({"type": "section", "text": _text(f"*Metrics*\n{_lines(deltas)}")})
    if words := notice.words():
        blocks.append({"type": "section", "text": _text(_lines(words))})
    if links := [f"<{escaped(url, 1200)}|{name}>" for name, url in sorted(notice.links.items()) if _shown(name, url)]:
        blocks.append({"type": "context", "elements": [_text(" · ".join(links[:FIELDS]))]})
    return {"text": escaped(title, SECTION), "blocks": blocks, "parse": "none", "link_names": False}


def escaped(text: str, longest: int) -> str:
    """A text that Slack shows as it is, at most so long once escaped."""
    pieces: list[str] = []
    left = longest - 1
    for char in plain(text, longest):
        piece = _ESCAPES.get(char, char)
        if len(piece) > left:
            return "".join([*pieces, "…"])
        pieces.append(piece)
        left -= len(piece)
    return "".join(pieces)


def _lines(lines: list[str]) -> str:
    """Lines, as many as a section takes."""
    found: list[str] = []
    left = SECTION - 40
    for line in lines:
        text = escaped(line, min(left, 1000))
        left -= len(text) + 1
        if left < len("…") + 1:
            return "\n".join([*found, "…"])
        found.append(text)
    return "\n".join(found)


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": escaped(text, HEADER), "emoji": False}


def _shown(name: str, url: str) -> bool:
    return re.fullmatch(r"[a-z ]{1,40}", name) is not None and _LINK.fullmatch(url) is not None
