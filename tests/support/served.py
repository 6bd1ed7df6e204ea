"""A registry and files with rows, labels and versions, and steps that predict without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from filled import MODEL, START, add_version, promote

from db.arrival_records import NewArrival, NewLandedFile, NewPartition, PartitionKind, PartitionRecord
from db.registry import ModelRegistry
from learning.data import PartitionFile, concatenate, select, weights_of
from learning.prediction import Predictions
from tasks.run import Context
from tiny import TINY

SPEC = replace(TINY, name=MODEL)


class Place:
    """A model's registry and files; version n says that every row is late with a chance of n tenths."""

    def __init__(self, folder: Path, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.registry, self.files = folder, registry, 0
        registry.add_model(MODEL)
        self.run = registry.start_run(MODEL, trigger="test").id
        for module in ("predictions", "estimate_performance"):
            monkeypatch.setattr(f"tasks.{module}.predict", self.predict)
        for step in ("score_champion", "estimate_performance"):
            monkeypatch.setattr(f"tasks.{step}.start_tensorflow", lambda: None)
        self.spec, self.predicted = SPEC, list[int]()

    @property
    def context(self) -> Context:
        """What steps are given."""
        given: dict[str, Any] = {"model_files": lambda version: version.number, "partition_files": self.partition_files}
        given |= {"spec_of": lambda _: self.spec, "readable": lambda _, partitions: tuple(partitions)}
        settings = SimpleNamespace(cache=self.folder)
        return cast(
            "Context", SimpleNamespace(spec=self.spec, registry=self.registry, settings=settings, past=None, **given)
        )

    def arrive(
        self, day: int, late: Sequence[float | None], kind: PartitionKind = "rows", days: int = 1
    ) -> PartitionRecord:
        """Let rows of a day arrive, or of some, each with these labels."""
        each, digest = len(late) // days, f"p{self.files}"
        times = [START + timedelta(days=day + n // each, minutes=n % each) for n in range(len(late))]
        ids = [f"{time:%j-%M}" for time in times]
        held = [n % 5 == 0 for n in range(len(late))]
        frame = pl.DataFrame(
            {"at": times, "id": ids, "late": late, "holdout": held}, schema_overrides={"late": pl.Float64}
        )
        frame.write_parquet(self.folder / f"{digest}.parquet")
        uri, labelled = f"landing/{self.files}", len(late) - frame["late"].null_count()
        facts: dict[str, Any] = {"rows": len(late), "labelled_rows": labelled, "holdout_rows": sum(held), "kind": kind}
        new = NewPartition(
            MODEL, digest, uri, f"partition/{digest}", "0" * 64, 9, time_from=times[0], time_to=times[-1], **facts
        )
        landed = NewLandedFile(uri, uri, "rules", "ingest", rows=len(late), taken=len(late))
        self.files += 1
        return self.registry.record_arrival(NewArrival(MODEL, self.files - 1, landed, (new,)))[0]

    def promote(self, number: int, trained: Sequence[str] = ()) -> None:
        """Register a version and promote it."""
        add_version(self.registry, parent=number - 1 or None, trained=trained, metrics={"n": float(number)})
        promote(self.registry, number)

    def partition_files(self, partitions: Sequence[PartitionRecord]) -> tuple[PartitionFile, ...]:
        """Their local files."""
        return tuple(PartitionFile(p.digest, self.folder / f"{p.digest}.parquet") for p in partitions)

    def predict(  # noqa: PLR0913 - as what it stands for
        self,
        spec: Any,
        number: int,
        files: Sequence[PartitionFile],
        *,
        split: Any,
        unlabelled: bool = False,
        since: datetime | None = None,
        **_: object,
    ) -> Predictions:
        """What a version says: the same of all rows."""
        self.predicted.append(number)
        chosen = select(spec.schema, files, split, unlabelled=unlabelled, since=since)
        if not chosen:
            none = np.empty(0, "int64")
            return Predictions(np.empty(0), np.empty((0, 1), "float32"), none, none, {})
        target = concatenate([part.target for part in chosen])
        return Predictions(
            target,
            np.full((len(target), 1), number / 10, "float32"),
            np.repeat(np.arange(len(chosen)), [len(part.rows) for part in chosen]),
            concatenate([part.rows for part in chosen]),
            {},
            concatenate([part.block for part in chosen]) if spec.schema.block else None,
            weights_of(chosen),
        )
