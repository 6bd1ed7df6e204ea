"""What a version was made for, as it is recorded and read again, and the text of builders."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from learning.builders import builder_texts
from learning.catalog import load_spec
from learning.changes import changes, made_for, schema_of, spec_for
from learning.spec import DriftPolicy, Gate, ModelSpec, Regression

TEXT = '''"""A model."""

from learning.spec import Binary, ModelSpec, Schema, Source

WIDTH = 4


def layer(width):
    return width


def build_base(sample):
    """Base."""
    return layer(WIDTH)


def build_head(features):
    return features


spec = ModelSpec("told", Schema("at", ("id",), "y", ("a",)), Binary(), Source("told"), build_base, build_head)
'''


@pytest.mark.parametrize(
    ("was", "now", "edited"),
    [
        ('    """Base."""\n', "    # a comment\n", False),
        ('Source("told")', 'Source("elsewhere")', False),
        ("WIDTH = 4", "WIDTH = 8", True),
        ("    return width\n", "    return 2 * width\n", True),
        ("return layer(WIDTH)", "return WIDTH", True),
    ],
)
def test_a_builder_is_what_it_says_and_uses(tmp_path: Path, was: str, now: str, edited: bool) -> None:
    """Its own lines and what of its file it needs; not comments, docstrings, or the rest of the file."""
    texts = []
    for place, text in enumerate((TEXT, TEXT.replace(was, now))):
        folder = tmp_path / str(place)
        folder.mkdir()
        (folder / "told.py").write_text(text)
        texts.append(builder_texts(load_spec("told", [folder])))
    assert (texts[0]["build_base"] != texts[1]["build_base"]) == edited
    assert texts[0]["build_head"] == texts[1]["build_head"]


def test_a_builders_file_is_parsed_once(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps of a run ask."""
    first = builder_texts(spec)
    monkeypatch.setattr("learning.builders.ast.parse", lambda _: pytest.fail("parsed again"))
    assert builder_texts(spec) == first


def test_what_is_recorded_can_be_read_again(spec: ModelSpec) -> None:
    """As JSON, which knows no tuples."""
    tensors = replace(spec, schema=replace(spec.schema, tensors={"image": (2, 2)}, nullable=("a",), entity=("c",)))
    read = json.loads(json.dumps(made_for(tensors)))
    assert schema_of(read) == tensors.schema
    assert changes(read, tensors) == changes(None, tensors)


def test_a_logarithm_is_another_objective(spec: ModelSpec) -> None:
    """Both ways: a head of the one says nothing of use for the other."""
    plain, log = (replace(spec, objective=Regression(log=log)) for log in (False, True))
    for was, now in ((plain, log), (log, plain)):
        assert changes(json.loads(json.dumps(made_for(was))), now).answers
        assert not changes(json.loads(json.dumps(made_for(was))), was).answers


def test_an_older_version_is_asked_by_its_own_columns(spec: ModelSpec) -> None:
    """Policies about columns that it does not have are left out; the same spec is the very same."""
    record = made_for(spec)
    assert spec_for(spec, record) is spec
    schema = replace(spec.schema, numeric=("a", "d"), categorical=("e",))
    edited = replace(spec, schema=schema, drift=DriftPolicy(columns=("d",)), gate=Gate(slices=("e",)))
    own = spec_for(edited, record)
    assert (own.schema, own.gate.slices) == (spec.schema, ())


def test_builders_are_inherited_with_the_base(spec: ModelSpec) -> None:
    """A fine-tuned version stands on the text that built its base, whatever the file says since."""
    record = {**made_for(spec), "builders": {"build_base": "older", "build_head": "older"}}
    newer = made_for(spec, record)
    assert newer["builders"] == record["builders"]
    assert changes(newer, spec).builders == ("build_base", "build_head")
