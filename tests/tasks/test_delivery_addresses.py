"""What stands in the webhook's settings is never the reason for which a run fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from filled import MODEL, three_champions
from pydantic import SecretStr

from db.deliveries import Undelivered
from db.registry import open_registry
from settings import Settings
from tasks.deliver import deliver_promotions, delivery_id


@pytest.mark.parametrize(
    "address",
    ["https://[bad", "https://me:s3cret@a..b/", f"http://{'s3cret' * 20}.example/", "https://s3cret.example/\udcff"],
)
def test_an_address_that_is_none_costs_a_sentence(home: Settings, address: str) -> None:
    """It names the setting, and not the address, which may hold a secret."""
    settings = home.model_copy(update={"webhook_url": SecretStr(address), "webhook_secret": SecretStr("of the two")})
    with open_registry(home.database_url) as registry:
        registry.add_model(MODEL)
        three_champions(registry)
        complaint = deliver_promotions(registry, settings)
    assert "EVERGREEN_WEBHOOK_URL is no address" in complaint
    assert "https://host/path" in complaint
    assert "s3cret" not in complaint


def test_no_two_registries_send_the_same_id() -> None:
    """Nor one that was restored and has promoted another version since: rows begin at the same number again."""
    at = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    one = Undelivered(7, MODEL, 3, 4, "promote", "gate", "better", at)
    assert delivery_id(one) == delivery_id(replace(one)) == "promotion-7-20260102T030405000006"
    assert delivery_id(replace(one, at=at.replace(microsecond=7))) != delivery_id(one)
