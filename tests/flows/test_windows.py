"""The example of a window, docs/examples/pumps.py, from landing to a champion that is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from db.registry import open_registry
from evergreen_client import load_champion
from evergreen_client.windows import last_rows
from flows.bootstrap import bootstrap
from flows.retrain import retrain
from settings import Settings, get_settings

FIRST = datetime(2024, 3, 1, tzinfo=UTC)
OVER = 4  # hours


def measured(pumps: int, hours: int) -> pl.DataFrame:
    """Heat of pumps hour by hour: one fails where its mean over four hours is above 0."""
    draw = np.random.default_rng(3)
    heat = draw.normal(0, 1, (pumps, hours))
    sums = np.cumsum(heat, axis=1)
    sums[:, OVER:] -= np.cumsum(heat, axis=1)[:, :-OVER]
    hot = (sums > 0).astype(float)
    at = [FIRST + timedelta(hours=hour) for hour in range(hours)]
    return pl.DataFrame(
        {
            "at": [when for when in at for _ in range(pumps)],
            "pump": [f"p{pump}" for _ in range(hours) for pump in range(pumps)],
            "heat": heat.T.ravel(),
            "load": draw.normal(0, 1, pumps * hours),
            "mode": draw.choice(["idle", "on"], pumps * hours),
            "failed": hot.T.ravel(),
        }
    )


@pytest.mark.slow
def test_what_a_pump_did_before_is_learned_and_kept_fresh(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far better than its newest hour says, also where its past is in another file; and a retrain goes on with it."""
    monkeypatch.setenv("EVERGREEN_MODELS", str(Path(__file__).parents[2] / "docs" / "examples"))
    get_settings.cache_clear()
    rows, folder = measured(40, 84), Path(home.landing) / "pumps"
    folder.mkdir(parents=True)
    learned, new, asked = (rows.slice(40 * start, 40 * count) for start, count in ((0, 48), (48, 24), (72, 12)))
    learned.write_parquet(folder / "a.parquet")
    assert bootstrap("pumps") == "promoted"
    new.write_parquet(folder / "b.parquet")
    outcome = retrain("pumps")

    registry = open_registry(home.database_url)
    ending = registry.runs("pumps", 1)[0]
    assert outcome in ("promoted", "rejected"), ending.reason
    assert len(registry.versions("pumps")) > 1
    pumps = pl.concat([new, asked]).partition_by("pump", maintain_order=True)
    histories = [
        pump.head(24 + hour).select("heat", "load", "mode").to_dict(as_series=False)
        for hour in range(1, 13)
        for pump in pumps
    ]
    with load_champion("pumps", database_url=home.database_url, artifact_root=home.artifact_root) as champion:
        chances = champion.predict(last_rows(histories, 8))[:, 0]
    right = np.mean((chances > 0.5) == asked["failed"].to_numpy())
    assert right > np.mean((asked["heat"].to_numpy() > 0) == asked["failed"].to_numpy()) + 0.1
