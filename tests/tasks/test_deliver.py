"""A receiver hears of every promotion, signed, in order, and again until it says that it has it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest
from filled import MODEL, add_version, promote, three_champions
from pydantic import SecretStr
from receiver import Receiver, receiving

from db.registry import ModelRegistry, open_registry
from settings import Settings
from tasks.deliver import deliver_promotions

SECRET = "a secret of the two"  # noqa: S105 - the test's own


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """One that takes everything."""
    with receiving() as found:
        yield found


@pytest.fixture
def registry(home: Settings) -> Iterator[ModelRegistry]:
    """Three versions that were champions one after the other."""
    with open_registry(home.database_url) as registry:
        registry.add_model(MODEL)
        three_champions(registry)
        yield registry


def to(receiver: Receiver, home: Settings, secret: str = SECRET) -> Settings:
    """Settings that name the receiver."""
    return home.model_copy(update={"webhook_url": SecretStr(receiver.url), "webhook_secret": SecretStr(secret)})


def test_a_new_receiver_hears_of_the_champion_and_then_of_each_promotion_once(
    registry: ModelRegistry, receiver: Receiver, home: Settings
) -> None:
    """Not of the whole history: what is in production is what it needs to begin with."""
    settings = to(receiver, home)
    assert (deliver_promotions(registry, settings), deliver_promotions(registry, settings)) == ("", "")
    assert [(one["version"], one["kind"], one["by"]) for one in receiver.bodies] == [(3, "promote", "test")]
    add_version(registry, parent=3)
    promote(registry, 4)
    registry.rollback(MODEL, actor="Ada", reason="complaints")
    deliver_promotions(registry, settings)
    assert [(one["version"], one["kind"]) for one in receiver.bodies[1:]] == [(4, "promote"), (3, "rollback")]


def test_who_has_the_secret_knows_who_sent_it(registry: ModelRegistry, receiver: Receiver, home: Settings) -> None:
    """The signature covers id, time and body, so that none of it can be changed, nor sent again later unnoticed."""
    deliver_promotions(registry, to(receiver, home))
    ((headers, body),) = receiver.got
    signed = f"{headers['x-evergreen-delivery']}.{headers['x-evergreen-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["x-evergreen-signature"] == f"v1,{expected}"
    assert json.loads(body)["id"] == headers["x-evergreen-delivery"]


@pytest.mark.parametrize("answer", [500, 302])
def test_what_was_not_taken_comes_again_under_the_same_id(
    registry: ModelRegistry, receiver: Receiver, home: Settings, answer: int
) -> None:
    """In order: a later promotion waits for it. A redirect is no confirmation, and is not followed."""
    settings = to(receiver, home)
    deliver_promotions(registry, settings)
    receiver.answer = answer
    for _ in range(2):
        registry.rollback(MODEL, actor="Ada", reason="complaints")
        complaint = deliver_promotions(registry, settings)
        assert f"it answered {answer}; the next run tries again" in complaint
        assert "abcdefgh" not in complaint, "an address may hold a token"
    receiver.answer = 200
    deliver_promotions(registry, settings)
    assert [one["version"] for one in receiver.bodies] == [3, 2, 2, 2, 1]
    assert receiver.bodies[1] == receiver.bodies[2] == receiver.bodies[3]


def test_nothing_is_sent_unsigned(registry: ModelRegistry, receiver: Receiver, home: Settings) -> None:
    """Without a secret anybody could send the same; without an address nobody is to be told."""
    assert "EVERGREEN_WEBHOOK_SECRET" in deliver_promotions(registry, to(receiver, home, secret=""))
    assert deliver_promotions(registry, home) == ""
    assert receiver.got == []


def test_a_receiver_that_is_not_there_costs_a_sentence(registry: ModelRegistry, home: Settings) -> None:
    """Whatever it is that listens there, or does not: the promotion has happened."""
    with receiving() as gone:
        pass
    assert deliver_promotions(registry, to(gone, home)).startswith("127.0.0.1 was not told of promotion 3 of flights: ")
