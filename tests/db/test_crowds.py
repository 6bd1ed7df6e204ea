"""Many processes at once: nothing is lost, doubled or forked."""

from __future__ import annotations

import pytest
from crowd import SIZE, Crowd
from filled import MODEL, add_version, model_names, stored

from db.records import NewVersion
from db.registry import ModelRegistry, open_registry
from errors import PromotionConflict

REGISTRATIONS = 25
PROMOTIONS = 5


def register_many(place: int, url: str) -> list[int]:
    """Register versions of one model, as fast as one process can."""
    with open_registry(url) as registry:
        return [
            registry.register(
                NewVersion(
                    MODEL,
                    run_id=None,
                    parent=None,
                    base=stored("base", "shared"),
                    head=stored("head", f"{place}-{turn}"),
                    metrics={"log_loss": turn / 100, "auc": place / 10},
                )
            ).number
            for turn in range(REGISTRATIONS)
        ]


def promote_until_done(place: int, url: str) -> tuple[list[int], int]:
    """Promote a version of one's own several times, looking again after every conflict."""
    won: list[int] = []
    conflicts = 0
    with open_registry(url) as registry:
        while len(won) < PROMOTIONS:
            seen = registry.sequence(MODEL)
            try:
                done = registry.promote(
                    MODEL, place + 1, seen=seen, kind="promote", actor=f"process {place}", reason=f"saw {seen}"
                )
            except PromotionConflict:
                conflicts += 1
            else:
                won.append(done.sequence)
    return won, conflicts


def promote_once(place: int, url: str) -> str:
    """Promote on top of nothing, as everybody else does."""
    with open_registry(url) as registry:
        try:
            registry.promote(MODEL, place + 1, seen=0, kind="bootstrap", actor="test", reason="first")
        except PromotionConflict:
            return "conflict"
        return "won"


def roll_back(_place: int, url: str) -> int:
    """Roll back by one."""
    with open_registry(url) as registry:
        while True:
            try:
                return registry.rollback(MODEL, actor="test", reason="back").number
            except PromotionConflict:
                continue


def add_again(_place: int, url: str) -> None:
    """Add the same models as everybody else."""
    with open_registry(url) as registry:
        for number in range(20):
            registry.add_model(f"model-{number}")


@pytest.mark.slow
def test_two_hundred_registrations(registry: ModelRegistry, url: str, crowd: Crowd) -> None:
    """8 processes x 25 versions: numbers 1 to 200, none missing, none doubled, no error."""
    numbers = [number for some in crowd.at_once(register_many, url) for number in some]
    assert sorted(numbers) == list(range(1, SIZE * REGISTRATIONS + 1))
    assert [v.number for v in registry.versions(MODEL)] == sorted(numbers, reverse=True)
    assert registry.version(MODEL, 200).metrics.keys() == {"log_loss", "auc"}


def test_one_promoter_wins(registry: ModelRegistry, url: str, crowd: Crowd) -> None:
    """Of 8 that decided on the same champion, one takes its place and seven are told."""
    for _ in range(SIZE):
        add_version(registry)
    assert sorted(crowd.at_once(promote_once, url)) == ["conflict"] * 7 + ["won"]
    assert len(registry.promotions(MODEL)) == 1


def test_promotions_have_no_gap_and_no_fork(registry: ModelRegistry, url: str, crowd: Crowd) -> None:
    """Losers look again and win later; every sequence is won once, by somebody who saw the one before it."""
    for _ in range(SIZE):
        add_version(registry)
    results = crowd.at_once(promote_until_done, url)
    won = sorted(sequence for some, _ in results for sequence in some)
    assert won == list(range(1, SIZE * PROMOTIONS + 1))
    history = registry.promotions(MODEL)
    assert [p.sequence for p in history] == won
    assert [p.reason for p in history] == [f"saw {sequence - 1}" for sequence in won]
    assert [p.at for p in history] == sorted(p.at for p in history)


def test_rollbacks_at_once_go_back_one_each(registry: ModelRegistry, url: str, crowd: Crowd) -> None:
    """Nobody rolls back to where another one has just been."""
    for number in range(1, 11):
        add_version(registry)
        registry.promote(MODEL, number, seen=number - 1, kind="promote", actor="test", reason="better")
    assert sorted(crowd.at_once(roll_back, url, processes=4)) == [6, 7, 8, 9]
    assert registry.champion(MODEL).number == 6


def test_adding_the_same_models(registry: ModelRegistry, url: str, crowd: Crowd) -> None:
    """Eight first runs of the same models make each of them known once."""
    crowd.at_once(add_again, url)
    assert len(model_names(registry)) == 21
