"""Any program: JSON by POST, signed as GitHub signs (https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries).

Headers: `X-Registry-Event` the kind, `X-Registry-Delivery` the event's id, `X-Registry-Signature-256` `sha256=` and the
HMAC-SHA256 of the body's bytes in hex. The time of sending stands in the body (`sent_at`), where the signature holds
it: whoever receives refuses what is old, and takes an id once. Each try is signed anew.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time

from registry.channels import Channel
from registry.notice import Notice
from registry.notifying.posting import Body, Target


def target(channel: Channel, address: str, secret: str) -> Target:
    """Where its messages go."""
    setting = f"correct its address, and see that the receiver holds the secret of {channel.credential}"
    return Target(address, channel.label, setting, (secret,))


def body(notice: Notice, secret: str) -> Body:
    """What is posted, signed now."""
    data = json.dumps({**notice.body(), "sent_at": int(time.time())}, sort_keys=True).encode()
    return Body(
        data,
        {
            "User-Agent": "git-model-registry",
            "X-Registry-Event": notice.kind,
            "X-Registry-Delivery": notice.id,
            "X-Registry-Signature-256": signature(data, secret),
        },
    )


def signature(data: bytes, secret: str) -> str:
    """What the header holds."""
    return f"sha256={hmac.new(secret.encode(), data, hashlib.sha256).hexdigest()}"
