"""Whether a drafted model is good on its first day: each draft against scikit-learn's boosted trees on the same rows.

`python -m benchmarks.drafts` drafts a model file from the older four fifths of each set, a Parquet file, exactly as
`evergreen new` does, trains version 1 on these rows as a bootstrap does, and scores it on the newest fifth, beside
scikit-learn's HistGradientBoosting with its defaults, fitted on the same rows. Sets without a time of their own get an
hour a row, in the order in which they come; scikit-learn's, which are sorted by class or know no order, are shuffled.
Sets of fewer than 10,000 rows are learned five times, each time from other first weights and shuffled anew, and the
mean of both sides counts: of wine, a fifth is 36 rows, of which chance makes much. All are drafted by the same rules.
`--set wine digits` measures some of them, `--seed 5` begins with other weights. Where `make bench-data` was not run,
name the others: "employment" is in what it fetches.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from benchmarks.claims import Claims
from benchmarks.drafted import drafted
from benchmarks.employment import people
from learning.data import PartitionFile
from learning.objectives import Regression
from learning.prediction import predict
from learning.pretraining import pretrain

START = datetime(2024, 1, 1, tzinfo=UTC)
NEWEST = 0.2  # held out
RIGHT, LOSS = 0.97, 1.03  # of what the trees reach
TIMES, FEW = 5, 10_000  # so often a set of fewer rows is learned
MADE = ("at", "id", "target")


@dataclass(frozen=True)
class Figures:
    """Accuracy, or R² of a quantity, and the mean log loss, or squared error."""

    right: float
    loss: float


def main() -> int:
    """Print the claims; 1 if one does not hold."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--set", nargs="*", default=sorted(SETS), choices=sorted(SETS))
    arguments.add_argument("--seed", type=int, default=0)
    asked = arguments.parse_args()
    claims = Claims()
    print("claim | measured | goal | holds\n--- | --- | --- | ---")
    sets = {name: SETS[name]() for name in asked.set}  # what is not there is said now, and not after an hour
    for name, orders in sets.items():
        drafts = []
        for place, rows in enumerate(orders):
            with TemporaryDirectory() as folder:
                drafts.append(learned(name, rows, Path(folder), asked.seed + place))
        compare(claims, name, mean(drafts), mean([trees(rows) for rows in orders]))
    return claims.exit_code


def mean(figures: list[Figures]) -> Figures:
    """The mean of a set that was learned several times."""
    return Figures(*np.mean([astuple(one) for one in figures], axis=0).tolist())


def compare(claims: Claims, name: str, draft: Figures, known: Figures) -> None:
    """A set's two claims; where the trees are worse than the mean, their R² is nothing to reach a share of."""
    claims.at_least(f"{name}: accuracy or R², the trees' is {known.right:.3f}", draft.right, RIGHT * known.right, "")
    claims.at_most(f"{name}: loss, the trees' is {known.loss:.4g}", draft.loss, LOSS * known.loss, "")


def learned(name: str, rows: pl.DataFrame, folder: Path, seed: int = 0) -> Figures:
    """What a draft reaches on the newest fifth of the rows, after a bootstrap on the others."""
    older, newest = split(rows)
    older.write_parquet(folder / "rows.parquet")
    spec = drafted(name, folder / "rows.parquet", "target")
    text = [pl.col(column).cast(pl.String) for column in spec.schema.categorical]
    parts = []
    for part, frame in (("older", older), ("newest", newest)):
        frame.with_columns(*text, pl.lit(part == "newest").alias("holdout")).write_parquet(folder / part)
        parts.append(PartitionFile(part, folder / part))
    trained = pretrain(spec, parts[:1], work=folder / "work", seed=seed)
    print(f"{name}: {trained.reason}", file=sys.stderr)
    told = predict(spec, trained.files, parts[1:], split="holdout", cache=folder / "cache")
    right = right_share(told.target, told.prediction, quantity=isinstance(spec.objective, Regression))
    return Figures(right, float(np.mean(spec.objective.row_loss(told.target, told.prediction))))


def trees(rows: pl.DataFrame) -> Figures:
    """What scikit-learn's boosted trees reach on the newest fifth, fitted once on the others."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.metrics import log_loss

    columns = [
        pl.col(name).cast(pl.Float64) if kind.is_numeric() else pl.col(name).cast(pl.Categorical).to_physical()
        for name, kind in rows.drop(MADE).schema.items()
    ]
    text = [not kind.is_numeric() for kind in rows.drop(MADE).schema.values()]
    older, newest = split(rows.select(*columns, "target"))
    x, y = older.drop("target").to_numpy(), older["target"].to_numpy()
    new, truth = newest.drop("target").to_numpy(), newest["target"].to_numpy()
    if rows["target"].dtype.is_float():
        told = HistGradientBoostingRegressor(random_state=0, categorical_features=text).fit(x, y).predict(new)
        return Figures(right_share(truth, told, quantity=True), float(np.mean((told - truth) ** 2)))
    model = HistGradientBoostingClassifier(random_state=0, categorical_features=text).fit(x, y)
    chances = model.predict_proba(new)
    loss = log_loss(truth, np.clip(chances, 1e-7, 1), labels=model.classes_)
    return Figures(float(np.mean(model.classes_[chances.argmax(1)] == truth)), float(loss))


def right_share(target: Any, told: Any, *, quantity: bool) -> float:
    """The share of classes that are right; of a quantity, R²."""
    if quantity:
        return float(1 - np.mean((told.reshape(len(target)) - target) ** 2) / np.var(target))
    classes = told.argmax(1) if told.shape[1] > 1 else told[:, 0] > 0.5
    return float(np.mean(classes == target))


def split(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The older rows and the newest fifth."""
    newest = round(NEWEST * len(rows))
    return rows.head(len(rows) - newest), rows.tail(newest)


def timed(columns: pl.DataFrame, target: Iterable[Any], *, quantity: bool = False) -> pl.DataFrame:
    """Rows an hour apart; what is text as target becomes the number of its class."""
    values = pl.Series("target", list(target))
    if not values.dtype.is_numeric() and values.dtype != pl.Boolean:
        values = values.rank("dense").cast(pl.Int64) - 1
    return columns.with_columns(
        pl.Series("at", [START + timedelta(hours=row) for row in range(len(values))]),
        pl.Series("id", [f"r{row}" for row in range(len(values))]),
        values.cast(pl.Float64 if quantity else pl.Int64),
    )


def river_set(name: str, *, quantity: bool = False) -> list[pl.DataFrame]:
    """One of River's sets, of those whose files come with it, in its own order every time."""
    from river import datasets

    drawn = list(getattr(datasets, name)())
    rows = pl.DataFrame(
        [{f"x_{column}": value for column, value in x.items()} for x, _ in drawn], infer_schema_length=None
    )
    return [timed(rows, [y for _, y in drawn], quantity=quantity)] * (TIMES if len(rows) < FEW else 1)


def sklearn_set(name: str, *, quantity: bool = False) -> list[pl.DataFrame]:
    """One of scikit-learn's sets, in another order every time."""
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    names = [f"x_{place}" for place in range(found.data.shape[1])]
    orders = [np.random.default_rng(seed).permutation(len(found.target)) for seed in range(TIMES)]
    return [
        timed(pl.DataFrame(found.data[order], schema=names), found.target[order], quantity=quantity) for order in orders
    ]


def employment() -> list[pl.DataFrame]:
    """Census rows with times of their own; all but the age is codes, which look like numbers and are text."""
    return [people().with_columns(pl.col("label").cast(pl.Int64).alias("target")).drop("label")]


SETS: dict[str, Callable[[], list[pl.DataFrame]]] = {
    "phishing": partial(river_set, "Phishing"),
    "segments": partial(river_set, "ImageSegments"),
    "bananas": partial(river_set, "Bananas"),
    "trump": partial(river_set, "TrumpApproval", quantity=True),
    "shuttle": partial(river_set, "Shuttle"),
    "wine": partial(sklearn_set, "wine"),
    "digits": partial(sklearn_set, "digits"),
    "diabetes": partial(sklearn_set, "diabetes", quantity=True),
    "employment": employment,
}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
