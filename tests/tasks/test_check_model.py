"""What a run says of a spec that its champion was not made for, before anything is taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from arriving import new_registry
from filled import stored

from db.artifacts import ArtifactStore
from db.records import NewVersion
from learning.changes import MADE_FOR, made_for
from learning.spec import FromScratch, ModelSpec, Regression
from settings import Settings
from tasks.check_model import Asked, edited_builders, objection, retired
from tasks.run import Context
from tiny import TINY

Say = Callable[..., str]
WAYS: tuple[Asked, ...] = ("again", "from scratch")


def other_base(sample: Any) -> Any:
    """Another text than the base in production was built by."""
    return sample


@pytest.fixture
def context(home: Settings, tmp_path: Path) -> Iterator[Context]:
    """A model with a champion of which only its row is there."""
    with new_registry(tmp_path / "registry.db") as registry:
        registry.add_model("tiny")
        plan = json.loads(json.dumps({MADE_FOR: made_for(TINY)}))
        registry.register(NewVersion("tiny", None, None, stored("base", "b"), stored("head", "h"), plan))
        registry.promote("tiny", 1, seen=0, kind="bootstrap", actor="test", reason="the first")
        yield Context(TINY, registry, ArtifactStore(str(tmp_path / "files"), home.cache), home)


@pytest.fixture
def say(context: Context) -> Say:
    """A function (asked, schema, **spec) that gives the objection to an edited spec."""

    def objected(asked: Asked = "", schema: dict[str, Any] | None = None, **spec: Any) -> str:
        return objection(replace(context, spec=edited(schema, **spec)), asked)

    return objected


def edited(schema: dict[str, Any] | None = None, **spec: Any) -> ModelSpec:
    """The tiny model, after somebody worked on its file."""
    return replace(TINY, schema=replace(TINY.schema, **(schema or {})), **spec)


def test_the_same_spec_goes_on(say: Say) -> None:
    """Neither the order of columns nor what may arrive in them concerns a version."""
    assert say() == ""
    assert say(schema={"ranges": {"speed": (-9, 9)}, "allowed": {"city": ("A", "B")}, "block": "6h"}) == ""


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"numeric": ("speed", "wind")}, "'wind' was added"),
        ({"categorical": ()}, "'city' was removed"),
        ({"numeric": (), "categorical": ("speed", "city")}, "'speed' was numeric and is categorical"),
        (
            {"numeric": (), "tensors": {"speed": (2, 2)}},
            "'speed' was numeric and is a tensor of shape (2, 2)",
        ),
    ],
)
def test_other_inputs_are_named_with_the_ways(say: Say, schema: dict[str, Any], told: str) -> None:
    """One sentence for a person: what is other, and both commands."""
    for words in (told, "evergreen bootstrap tiny --again", "evergreen retrain tiny --from-scratch", "version 1"):
        assert words in say(schema=schema)


def test_what_older_rows_lack_must_be_nullable(say: Say) -> None:
    """Both ways are refused until it is, and go on once it is; a column that was removed is in nobody's way."""
    for asked in WAYS:
        wider = {"numeric": ("speed", "wind")}
        assert "no value in 'wind'" in say(asked, schema=wider)
        assert say(asked, schema={**wider, "nullable": ("wind",)}) == ""
        assert say(asked, schema={"categorical": ()}) == ""


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"holdout": 0.3}, "holdout was 0.2 and is 0.3"),
        ({"entity": ("city",)}, "entity was not given and is ('city')"),
        ({"key": ("id", "at")}, "key was ('id') and is ('id', 'at')"),
        ({"time": "then"}, "time was 'at' and is 'then'"),
    ],
)
def test_who_is_held_out_never_changes(say: Say, schema: dict[str, Any], told: str) -> None:
    """Rows that a version learned from would prove it: no way leads there but another name."""
    for asked in ("", *WAYS):
        assert told in say(asked, schema=schema)
        assert "another name" in say(asked, schema=schema)


def test_another_answer_needs_a_new_beginning(say: Say) -> None:
    """A champion cannot be challenged in what it does not predict."""
    for edits in ({"schema": {"target": "cancelled"}}, {"objective": Regression()}):
        for asked in ("", "from scratch"):
            assert "evergreen bootstrap tiny --again" in say(asked, **edits)
        assert say("again", **edits) == ""


def test_an_edited_builder_is_told_of_where_it_would_be_ignored(context: Context) -> None:
    """With FromScratch() every challenger is built by the text of now."""
    assert edited_builders(context) == ""
    newer = replace(context, spec=edited(build_base=other_base))
    assert "build_base of tiny was edited since version 1 was built" in edited_builders(newer)
    assert edited_builders(replace(context, spec=edited(build_base=other_base, finetune=FromScratch()))) == ""


def test_a_version_of_before_is_believed(context: Context, say: Say) -> None:
    """Of an older registry nothing is known of this, and nothing is refused for it."""
    registry = context.registry
    registry.register(NewVersion("tiny", None, None, stored("base", "b"), stored("head", "h2"), {}))
    registry.promote("tiny", 2, seen=1, kind="promote", actor="test", reason="older")
    assert say(schema={"numeric": ("speed", "wind")}) == ""


def test_a_retired_model_does_nothing_and_says_so(context: Context) -> None:
    """Its schedule may go on: each run ends with who retired it, why, and the way back."""
    assert retired(context) is None
    context.registry.retire("tiny", reason="nobody asks it", actor="me")
    ending = retired(context)
    assert ending is not None
    assert (ending.outcome, ending.decision) == ("retired", "skip")
    assert "by me: nobody asks it; `evergreen models resume tiny" in ending.reason
    context.registry.rename("tiny", "small", reason="a better word", actor="me")
    assert retired(replace(context, spec=replace(TINY, name="small"))) is not None
