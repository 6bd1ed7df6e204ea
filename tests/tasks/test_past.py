"""What two policies of a backtest do alike is done once, and what can change no decision is not done at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from learning.blocks import block_of
from learning.data import PartitionFile
from learning.metrics import Cost
from learning.spec import Gate, RetrainPolicy
from monitoring.decision import Pending
from monitoring.references import Reference
from monitoring.samples import Layout, Rows
from monitoring.windows import compare_rows
from tasks.check_drift import Comparison, broken_inputs
from tasks.drift_windows import WindowFiles, compared_columns
from tasks.past import PROCESSOR, Past
from tasks.predictions import predict_with
from tiny import TINY

VERDICT = "the whole check's verdict"


def window(path: Path) -> WindowFiles:
    """All rows of a file, as another registry's context would open them."""
    layout = Layout("at", block_of(pl.col("at"), "1d"))
    return WindowFiles(Rows((path,), layout), (PartitionFile(path.stem, path),))


def rows(path: Path, seed: int, times: float = 1.0) -> Path:
    """Ten days of rows of the tiny model, whose numbers may be so many times as large."""
    draw = np.random.default_rng(seed)
    at = np.datetime64("2026-01-01", "us") + np.arange(240) * np.timedelta64(1, "h")
    schema = TINY.schema
    found: dict[str, Any] = {name: times * draw.normal(1.0, 1.0, 240) for name in schema.numeric}
    found |= {name: draw.choice(["A", "B"], 240) for name in schema.categorical}
    found |= {schema.target: draw.integers(0, 2, 240).astype(float), "at": at}
    pl.DataFrame(found).with_columns(pl.col("at").dt.replace_time_zone("UTC")).write_parquet(path)
    return path


@pytest.mark.parametrize("other", [False, True])
def test_what_a_run_asks_for_twice_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: bool
) -> None:
    """Also where another policy has made it: the run would have taken as long."""
    now = [0.0]
    monkeypatch.setattr("tasks.past.time", SimpleNamespace(process_time=lambda: now[0]))

    def made() -> None:
        now[0] += 5.0

    if other:
        Past((), tmp_path).kept_of("a training", 1, made)
    past = Past((), tmp_path)
    for _ in range(2):
        past.kept_of("a training", 1, made)
    assert past.tally()[PROCESSOR] == 5.0


def test_what_is_made_of_the_same_rows_is_made_once_for_all_registries(tmp_path: Path) -> None:
    """Their windows are other objects, opened at other times, of the same rows."""
    here, there = rows(tmp_path / "here.parquet", 1), rows(tmp_path / "there.parquet", 2)
    made = list[str]()
    for name in ("one policy", "another"):
        past = Past((), tmp_path / "shared")
        past.kept_of_rows("drift", TINY, [window(here), window(there)], lambda name=name: made.append(name))
    assert made == ["one policy"]
    Past((), tmp_path / "shared").kept_of_rows(
        "drift", TINY, [window(there), window(here)], lambda: made.append("other")
    )
    assert made == ["one policy", "other"]


@pytest.mark.slow
@pytest.mark.parametrize("times", [1.0, 1e6])
def test_a_column_is_broken_to_the_short_look_where_it_is_to_the_whole_check(tmp_path: Path, times: float) -> None:
    """So whatever is said of one that is, the whole check says."""
    known, new = rows(tmp_path / "known.parquet", 1), rows(tmp_path / "new.parquet", 2, times)
    comparison = Comparison(Reference("champion", ()), (window(known), window(new)))
    sides = [one.rows for one in comparison.windows]
    how: dict[str, Any] = {"report": None, "importance": {}, "reference_name": "champion"}
    whole = compare_rows(*sides, compared_columns(TINY), TINY.drift, **how)
    context: Any = SimpleNamespace(spec=TINY)
    assert broken_inputs(context, comparison) == whole.broken == (times > 1)


@pytest.mark.parametrize(
    ("when", "decided", "broken", "found"),
    [
        (("drift",), "wait", False, VERDICT),
        (("rows",), "retrain", False, None),
        (("rows",), "retrain", True, VERDICT),
        (("rows",), "wait", True, None),
    ],
    ids=["a reason to retrain", "no reason", "it forbids", "it waits anyway"],
)
def test_a_whole_check_is_made_only_where_it_can_change_what_is_decided(  # noqa: PLR0913, PLR0917 - a table's columns
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: Any, decided: str, broken: bool, found: str | None
) -> None:
    """Of a policy for which drift is no reason, that is where a column is broken."""
    monkeypatch.setattr("tasks.past.decision", lambda *_: SimpleNamespace(decision=decided))
    monkeypatch.setattr("tasks.past.performance_of", lambda _: None)
    monkeypatch.setattr("tasks.past.broken_inputs", lambda *_: broken)
    monkeypatch.setattr("tasks.past.broken_outputs", lambda *_: False)
    monkeypatch.setattr("tasks.past.verdict_of", lambda *_: VERDICT)
    path = rows(tmp_path / "rows.parquet", 1)
    version = SimpleNamespace(base=SimpleNamespace(digest="base"), head=SimpleNamespace(digest="head"))
    spec = replace(TINY, retrain=RetrainPolicy(when=when))
    registry = SimpleNamespace(version=lambda *_: version)
    run: Any = SimpleNamespace(context=SimpleNamespace(spec=spec, registry=registry), model="tiny", started_at=None)
    comparison = Comparison(Reference("champion", ()), (window(path), window(path)))
    assert Past((), tmp_path / "shared").drift_verdict(run, Pending(1, (), "key"), comparison) == found


def test_two_policies_ask_the_same_weights_about_the_same_rows_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other rows, another split or other weights are another question; one in the present asks each time."""
    made = list[str]()

    def predict(*_: object, kept: Any, **__: object) -> Any:
        return kept(lambda: made.append("made") or len(made)) if kept else "asked"

    monkeypatch.setattr("tasks.predictions.predict", predict)
    read = list[Any]()
    monkeypatch.setattr("tasks.predictions.code_digest", lambda spec: read.append(spec) or "code")

    def ask(head: str, rows: str, split: Any, past: Past | None) -> Any:
        context: Any = SimpleNamespace(
            past=past,
            settings=SimpleNamespace(cache=tmp_path),
            spec_of=lambda _: TINY,
            model_files=lambda _: SimpleNamespace(base_digest="base", head_digest=head),
            partition_files=lambda _: [PartitionFile(rows, tmp_path / rows)],
        )
        version: Any = None
        return predict_with(context, version, (), split=split)

    def policy() -> Past:
        return Past((), tmp_path / "shared")

    first = ask("head", "p1", "all", policy())
    assert ask("head", "p1", "all", policy()) == first
    others = [("other", "p1", "all"), ("head", "p2", "all"), ("head", "p1", "holdout")]
    assert len({first, *(ask(*asked, policy()) for asked in others)}) == 4
    assert len(made) == 4
    read.clear()
    assert ask("head", "p1", "all", None) == "asked"
    assert not read  # of the model's code nothing is read where nothing is kept


def test_a_training_for_other_costs_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version's threshold is chosen for them; what two policies of the same costs train is trained in one folder."""
    works = list[Path]()
    fake = SimpleNamespace(rows=1)
    monkeypatch.setattr("tasks.past.finetune", lambda *_, work, **__: works.append(work) or fake)
    champion: Any = SimpleNamespace(base_digest="base", head_digest="head")
    for miss in (9, 9, 5):
        spec = replace(TINY, gate=Gate(metric=Cost(((0, 1), (miss, 0)))))
        Past((), tmp_path / "shared").finetune(spec, champion, [], [], plan=None, work=tmp_path / "work")
    assert works[0] == works[1] != works[2]
