"""Tell a receiver of promotions: signed, in order, at least once, and again by the next run until it has them.

The registry knows what was confirmed, so nothing is lost with a process, and no queue has to be kept.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

from db.deliveries import Undelivered
from db.registry import ModelRegistry
from errors import RegistryError
from evergreen_client.shown import gist
from settings import Settings

SECONDS = 5.0  # that a receiver may take
EVENT = "promotion"


def deliver_promotions(registry: ModelRegistry, settings: Settings) -> str:
    """Send what the receiver of the settings has not confirmed; returns why that did not succeed, or "".

    The first one that fails ends it: a receiver is never told of a promotion before the one that came earlier.
    """
    url, secret = settings.webhook_url.get_secret_value(), settings.webhook_secret.get_secret_value()
    if not url:
        return ""
    if not secret:
        return "promotions were not sent: set EVERGREEN_WEBHOOK_SECRET, by which the receiver knows them for yours"
    try:
        host, receiver = urlsplit(url).hostname or "the receiver", hashlib.sha256(url.encode()).hexdigest()
        for promotion in registry.undelivered(receiver):
            if refusal := send(url, secret, promotion):
                what = f"promotion {promotion.sequence} of {promotion.model}"
                return f"{host} was not told of {what}: {refusal}; the next run tries again"
            registry.record_delivery(promotion.id, receiver)
    except RegistryError as error:  # what a run ended as is said by then, and is not to be said otherwise for it
        return f"{host} was not told of promotions: {error}"
    except ValueError:  # of half a bracket, of a label that is empty or too long
        return "promotions were not sent: EVERGREEN_WEBHOOK_URL is no address; write it as https://host/path"
    return ""


def send(url: str, secret: str, promotion: Undelivered) -> str:
    """Send one promotion; returns why it was not taken, or "". Of what is no address, raises what libraries do."""
    import httpx

    body = message(promotion)
    at = str(int(datetime.now(UTC).timestamp()))
    headers = {
        "content-type": "application/json",
        "x-evergreen-delivery": delivery_id(promotion),
        "x-evergreen-timestamp": at,
        "x-evergreen-signature": signature(secret, delivery_id(promotion), at, body),
    }
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=SECONDS, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return gist(error)
    return "" if answer.is_success else f"it answered {answer.status_code}"


def message(promotion: Undelivered) -> bytes:
    """What is sent: the promotion's facts as JSON, and no row's values."""
    facts = {
        "event": EVENT,
        "id": delivery_id(promotion),
        "model": promotion.model,
        "version": promotion.number,
        "kind": promotion.kind,
        "sequence": promotion.sequence,
        "by": promotion.actor,
        "reason": promotion.reason,
        "at": promotion.at.isoformat(),
    }
    return json.dumps(facts, ensure_ascii=False).encode()


def delivery_id(promotion: Undelivered) -> str:
    """By what a receiver knows one that it has had: the same each time it is sent, and no other registry's.

    A row's number alone comes again where a registry was restored, and in every registry.
    """
    return f"promotion-{promotion.id}-{promotion.at:%Y%m%dT%H%M%S%f}"


def signature(secret: str, delivery: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over id, time and body: who has the secret knows that nobody else wrote them, or sends them anew.

    Example:
        >>> signature("secret", "promotion-1", "1732600000", b"{}")
        'v1,jYDYi3sBVURaEYan4ukD37Lzmmdl4tuQNy9KKul9LeU='
    """
    signed = f"{delivery}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()}"
