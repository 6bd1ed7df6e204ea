"""What a version says about rows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from evergreen_client.model_files import load_model
from learning.data import PartitionFile, read_inputs
from learning.environment import environment
from learning.features import FrozenBase
from learning.files import Trained
from learning.prediction import predict
from learning.spec import ModelSpec

Partition = Callable[..., PartitionFile]


def test_predictions_are_head_of_base_for_labelled_rows_in_order(
    spec: ModelSpec, champion: Trained, partition: Partition, tmp_path: Path
) -> None:
    """Targets, predictions, partitions and slices stand side by side."""
    parts = [partition("one", unlabelled=1), partition("two", seed=1)]
    predicted = predict(spec, champion.files, parts, split="holdout", cache=tmp_path / "cache", columns=("c", "a"))
    base, head = load_model(champion.files.base), load_model(champion.files.head)
    rows = [read_inputs(spec.schema, part, np.array([3, 7])) for part in parts]
    expected = np.concatenate([head(base(part, training=False), training=False) for part in rows])
    np.testing.assert_allclose(predicted.prediction, expected, rtol=1e-5)
    assert predicted.partition.tolist() == [0, 0, 1, 1]
    assert np.array_equal(predicted.target, (predicted.columns["a"] > 0).astype(float))
    assert predicted.columns["c"].tolist() == [value for part in rows for value in part["c"].ravel()]


def test_what_was_predicted_before_needs_no_head(
    spec: ModelSpec, champion: Trained, partition: Partition, tmp_path: Path
) -> None:
    """Whoever has kept it gives it back; targets and places are read all the same."""
    new, cache, none = partition("new"), tmp_path / "cache", replace(champion.files, head=tmp_path / "none.keras")
    made = predict(spec, champion.files, [new], split="all", cache=cache)
    found = predict(spec, none, [new], split="all", cache=cache, kept=lambda _: made.prediction)
    assert np.array_equal(found.prediction, made.prediction)
    assert np.array_equal(found.target, made.target)


def test_without_a_cache_only_the_rows_that_are_asked_for_pass_the_base(
    spec: ModelSpec, champion: Trained, partition: Partition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of the challenger of a fold, whose base nobody asks again; what it says is the same."""
    new, since, passed = partition("new", number=400), datetime(2024, 1, 1, 6, 30, tzinfo=UTC), list[int]()
    cached = predict(spec, champion.files, [new], split="all", cache=tmp_path / "cache", since=since)
    original = FrozenBase.features

    def counted(self: FrozenBase, inputs: dict[str, np.ndarray]) -> np.ndarray:
        passed.append(len(inputs["a"]))
        return original(self, inputs)

    monkeypatch.setattr(FrozenBase, "features", counted)
    found = predict(spec, champion.files, [new], split="all", cache=None, since=since)
    np.testing.assert_allclose(found.prediction, cached.prediction, rtol=1e-5)
    assert len(cached.target) == 10
    assert sum(passed) <= 2 * 10  # the first ones also say how large a row is


def test_rows_are_predicted_from_a_moment_on_with_their_blocks(
    spec: ModelSpec, champion: Trained, partition: Partition, tmp_path: Path
) -> None:
    """A proving window is what both splits hold from its beginning on; whatever else is asked, a row says the same."""
    schema = replace(spec.schema, block="3m")
    parts, since = [partition("one"), partition("two", seed=1)], datetime(2024, 1, 1, 0, 3, tzinfo=UTC)
    ask = partial(predict, replace(spec, schema=schema), champion.files, parts, split="all", cache=tmp_path / "cache")
    later, all_rows, earlier = ask(since=since), ask(), ask(before=since)
    assert later.rows.tolist() == [3, 4, 5, 6, 7] * 2
    assert earlier.rows.tolist() == [0, 1, 2] * 2
    assert np.array_equal(later.prediction, all_rows.prediction[all_rows.rows >= 3])
    assert later.block is not None
    assert later.block.astype("datetime64[m]").astype(str).tolist() == [
        *["2024-01-01T00:03"] * 3, *["2024-01-01T00:06"] * 2,
        *["2024-01-01T00:03"] * 3, *["2024-01-01T00:06"] * 2,
    ]  # fmt: skip


def test_no_labelled_row_gives_empty_predictions(
    spec: ModelSpec, champion: Trained, partition: Partition, tmp_path: Path
) -> None:
    """Whoever scores a version sees that there was nothing to score."""
    predicted = predict(
        spec, champion.files, [partition("new", unlabelled=8)], split="all", cache=tmp_path, columns=("c",)
    )
    assert (
        len(predicted.target)
        == len(predicted.prediction)
        == len(predicted.partition)
        == len(predicted.columns["c"])
        == 0
    )


def test_the_environment_names_what_numbers_depend_on() -> None:
    """A version recorded today can be explained by the packages it was made with."""
    assert {"python", "keras", "tensorflow", "numpy"} <= set(environment())
