"""Signs webhooks' messages as Standard Webhooks describe (standardwebhooks.com, specification 1.0.0)."""

import base64
import hmac
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any


def body_of(event_type: str, at: datetime, data: dict[str, Any]) -> bytes:
    """The payload of an event; the same bytes on every try."""
    payload = {"type": event_type, "timestamp": at.isoformat().replace("+00:00", "Z"), "data": data}
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(message_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The request's headers. The id is the same on every try and the timestamp is the try's own, so that a receiver can
    tell a replay. While a secret is being changed there is a signature by each."""
    timestamp = str(int(now.timestamp()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def sentence_of(text: str) -> bytes:
    """The body for a chat: Slack, Mattermost, Rocket.Chat, Google Chat and Discord's Slack endpoint all take `text`,
    and some refuse any other field. An @ in it calls nobody, and no < begins a chat's markup."""
    return json.dumps({"text": text.translate(_HARMLESS)}, ensure_ascii=False).encode()


_HARMLESS = str.maketrans({"@": "@\u200b", "<": "‹", ">": "›"})
