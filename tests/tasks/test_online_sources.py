"""What a person calls a source of events: no name that holds a secret is kept."""

from __future__ import annotations

import pytest

from errors import UnreachableSource
from tasks.online_sources import refuse_secret


@pytest.mark.parametrize(
    "address",
    ["redis://host/stream?password=s3cret", "REDIS://me:s3cret@host/s", "redis://h/s?x=s3cret", "redis://[h/s3cret"],
)
def test_an_address_that_may_hold_a_password_is_refused(address: str) -> None:
    """In whatever part of it, and however it is written; it is not told."""
    with pytest.raises(UnreachableSource, match="EVERGREEN_REDIS_PASSWORD") as refused:
        refuse_secret(address)
    assert "?" not in str(refused.value)
