"""What the columns of somebody's rows seem to be: guesses from a sample, for a person to correct."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import polars as pl

from cli.drafting.roles import MOST_CLASSES, Roles, has_gaps, looks_like_id, roles, words_of
from cli.drafting.written import PLAINLY, Written, as_typed
from errors import InvalidSpec, listed
from evergreen_client.shown import UNSEEN
from learning.spec import Schema

FEW = 6  # different values, of a column whose values may all be known
MOST_CATEGORIES = 2_000
MOST_CODES = 30

FAR, MANY = 5, 0.01  # usual deviations; share of targets beyond: of a bell curve, one in a million
ENOUGH = 100  # targets, of which one in a hundred says something
RARE = 0.1  # of an even share (of two classes, 5 %), as where rows are held back (learning/held_back.py)
HELD_OUT_IF_RARE = 0.1  # in place of a fifth: of a few hundred events, each that is learned from makes a difference
MOST_WORDS_APART = 0.5  # share of different values from which a column of sentences is free text
SENTENCE = 3  # words, on average

Inputs = tuple[tuple[str, ...], tuple[str, ...], dict[str, tuple[int, ...]], tuple[str, ...]]


@dataclass(frozen=True)
class Guess:
    """What a table's columns seem to be.

    Args:
        schema: what the model needs of them.
        objective: what is predicted of the target, as Python.
        ignored: all other columns.
        rows: how many the guess is from.
        class_weight: how much rows of rare classes should count, as Python; "" where no class is rare.
        rare_event: whether the rare class is the event of two.
        doubts: what a person should look at, in sentences.
        written: how the file writes numbers and times.
    """

    schema: Schema
    objective: str
    ignored: tuple[str, ...]
    rows: int = 0
    class_weight: str = ""
    rare_event: bool = False
    doubts: tuple[str, ...] = ()
    written: Written = PLAINLY


def guess(rows: pl.DataFrame, *, time: str = "", target: str = "", key: Iterable[str] = ()) -> Guess:
    """What the columns of some rows seem to be.

    Args:
        rows: the more, the better; text that holds times or numbers counts as these.
        time: column of the event time; by default the first that holds times.
        target: column of the label; by default one called target, label, y, class or outcome, else the last that is
            no time, list or identifier.
        key: columns that name one row; by default the fewest that do, identifiers first. Rows that are alike in
            all columns count as one.

    Raises:
        InvalidSpec: a named column is not there, or none can be the time, the target, the key or an input.
    """
    rows, written = as_typed(rows)
    key = tuple(key)
    barred = tuple(column for column in rows.columns if "/" in column and column not in {time, target, *key})
    rows = rows.drop(barred)
    found_roles = roles(rows, time=time, target=target, key=key)
    keys, label, plain = found_roles.key, found_roles.target, found_roles.plain
    words = words_of(rows[label])
    numbers = pl.Series(label, [0.0, 1.0]) if words else _numbers(rows[label])
    inputs = [column for column in plain if column != label and column not in written.unread]
    numeric, categorical, tensors, text = _inputs(rows, inputs, () if found_roles.by_content else keys)
    nullable = tuple(column for column in (*numeric, *categorical, *text) if has_gaps(rows[column]))
    objective = named(words, binary=len(words) == 2) if words else _objective(numbers)
    weights = "" if objective.startswith("Regression") else class_weights(rows[label] if words else numbers)
    schema = Schema(found_roles.time, keys, label, numeric, categorical, tensors, nullable=nullable, text=text)
    found = Guess(
        # Rows that bring no time come in one block, of which the held-out ones are all that judges.
        replace(schema, holdout=HELD_OUT_IF_RARE) if weights and schema.time else schema,
        objective,
        ignored=(*(column for column in rows.columns if column not in schema.columns), *barred),
        rows=rows.height,
        class_weight=weights,
        written=written,
    )
    event = _literal(words[1]) if len(words) == 2 else "1"
    rare = found.objective.startswith("Binary") and found.class_weight.startswith(f"{{{event}: ")
    found = replace(found, rare_event=rare)
    return replace(found, doubts=tuple(_doubts(rows, found, found_roles, sure={*key, found_roles.named})))


def _inputs(rows: pl.DataFrame, plain: list[str], key: tuple[str, ...]) -> Inputs:
    """The numeric, categorical, tensor and text inputs; what only says which row it is, is none."""
    inputs = [column for column in plain if column not in key or (len(key) > 1 and not looks_like_id(column))]
    numeric = tuple(column for column in inputs if column not in key and _is_measure(rows[column]))
    categorical = tuple(column for column in inputs if _is_category(rows[column]))
    tensors = {column: shape for column in rows.columns if (shape := shape_of(rows[column]))}
    text = tuple(column for column in inputs if column not in key and _is_text(rows[column]))
    categorical = tuple(column for column in categorical if column not in text)
    if not (numeric or categorical or tensors or text):
        raise InvalidSpec(f"columns {listed(rows.columns)}", "none can be an input", "add columns to learn from")
    return numeric, categorical, tensors, text


def _doubts(rows: pl.DataFrame, found: Guess, parts: Roles, sure: Collection[str]) -> Iterator[str]:
    """What a person should look at, in sentences; the columns that are `sure` were named by one."""
    schema = found.schema
    yield from found.written.doubts
    yield from _objective_doubts(found)
    if schema.target not in sure:
        yield f"target: '{schema.target}' is a guess; say --target COLUMN"
    if parts.by_content:
        yield (
            f"key: no column says which row it is, so {listed(schema.key)} do together: of rows that are alike in them "
            "one is taken; say --key COLUMN if one does"
        )
    elif not (set(schema.key) <= set(sure) or (len(schema.key) == 1 and looks_like_id(schema.key[0]))):
        alone = "together are" if len(schema.key) > 1 else "is"
        yield f"key: {', '.join(schema.key)} {alone} unique in the first {rows.height:,} rows; is that so by nature?"
    if schema.time is None and not found.written.unread:
        yield "time: no column holds times that are read, so a row's is that of its file; say --time COLUMN if one does"
    if others := [column for column in parts.times if column != schema.time]:
        yield f"time: {', '.join(others)} hold times too"
    if codes := [column for column in schema.numeric if _may_be_codes(rows[column])]:
        more = f" and {len(codes) - FEW} more" if len(codes) > FEW else ""
        yield f"numeric: {', '.join(codes[:FEW])}{more} of few different whole numbers; codes of a list are categorical"
    yield from _left_out_doubts(found.ignored)
    for column in schema.categorical:
        values = rows[column].drop_nulls().unique()
        if len(values) <= FEW < rows.height:
            yield f"allowed={{{column!r}: {tuple(values.sort())}}} if no other value can be right"


def _left_out_doubts(ignored: tuple[str, ...]) -> Iterator[str]:
    """What a person should look at in the columns that nothing learns from."""
    if barred := [column for column in ignored if "/" in column]:
        yield f"names: {listed(barred)} cannot be inputs, as Keras takes no '/' in a name; rename them, or lose them"
    if ignored:
        yield f"left out: {listed(ignored)}; say so with Source(ignore=(...))"


def _objective_doubts(found: Guess) -> Iterator[str]:
    """What a person should look at in the objective."""
    if found.objective.startswith("Binary(classes"):
        yield f"objective: {found.objective}; the second is the event"
    if found.class_weight:
        yield f"class_weight={found.class_weight}: a class is rare; chances stay true (docs/learning.md)"
    if found.schema.holdout != Schema.holdout:
        yield f"holdout={found.schema.holdout}: a class is rare, so fewer rows are held out; it cannot be changed later"
    if found.rare_event:
        yield 'Gate(metric="pr_auc"): events are rare, so how they rank decides; name what alarms cost with Cost(...)'
    if "huber" in found.objective:
        yield f"objective: {found.objective}, as many targets lie far out; Regression() asks for their mean, with them"


def _numbers(target: pl.Series) -> pl.Series:
    """The target's values, as numbers."""
    numbers = target.cast(pl.Int8) if target.dtype == pl.Boolean else target
    if not numbers.dtype.is_numeric() and len(target.drop_nulls()):
        raise InvalidSpec(
            f"target '{target.name}' of type {target.dtype}",
            f"a target is a number, or one of 2 to {MOST_CLASSES} words that come again",
            "name another column with --target",
        )
    known = numbers.drop_nulls()
    known = known.filter(known.is_finite()) if known.dtype.is_float() else known
    if not len(known):
        raise InvalidSpec(f"target '{target.name}'", "no row has a value of it", "name another column with --target")
    return known


def named(words: tuple[str, ...], *, binary: bool) -> str:
    """The objective of a target of words, as Python: of one chance, or of one for each word."""
    quoted = ", ".join(map(_literal, words))
    return f"{'Binary' if binary else 'Multiclass'}(classes=({quoted}))"


def _literal(name: str | float) -> str:
    """A class as Python: its word, or its number."""
    if not isinstance(name, str):
        return str(int(name))
    return UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(name, ensure_ascii=False))


def _objective(numbers: pl.Series) -> str:
    """Binary for 0 and 1, Multiclass for few whole numbers from 0 on, else Regression."""
    values = sorted(numbers.unique().to_list())
    if values in ([0, 1], [0], [1]):
        return "Binary()"
    if values == list(range(len(values))) and len(values) <= MOST_CLASSES:
        return f"Multiclass({len(values)})"
    return _of_quantity(numbers)


def _of_quantity(numbers: pl.Series) -> str:
    """Squared errors; where many targets lie far out, Huber's, by which these do not decide alone.

    Example:
        >>> _of_quantity(pl.Series([10.0, 12.0, 14.0] * 100))
        'Regression()'
        >>> _of_quantity(pl.Series([10.0, 12.0, 14.0] * 100 + [5000.0] * 4))
        'Regression(loss="huber", delta=3.99)'
    """
    away = (numbers - numbers.median()).abs()
    usual = 1.4826 * float(away.median() or 0.0)  # type: ignore[arg-type]
    if len(numbers) < ENOUGH or not usual or float((away > FAR * usual).mean() or 0.0) <= MANY:  # type: ignore[arg-type]
        return "Regression()"
    return f'Regression(loss="huber", delta={1.345 * usual:.3g})'


def class_weights(target: pl.Series) -> str:
    """How much rows of rare classes should count, as Python: by the root of how many times fewer they are.

    To count as much as the others in all, each of a few hundred rows would weigh as much as hundreds of others. Of four
    made sets with 0.5 % the root was better than that, and than no weights, on three (docs/learning.md).

    Example:
        >>> class_weights(pl.Series([0] * 990 + [1] * 10))
        '{1: 9.95}'
    """
    known = target.drop_nulls()
    known = known.filter(known.str.strip_chars() != "") if known.dtype == pl.String else known
    counts = dict(known.rename("class").value_counts(sort=True, name="rows").iter_rows())
    few = RARE * len(known) / max(len(counts), 1)
    most = max(counts.values(), default=0)
    pairs = [f"{_literal(name)}: {(most / count) ** 0.5:.3g}" for name, count in counts.items() if count < few]
    return f"{{{', '.join(pairs)}}}" if pairs else ""


def _is_measure(column: pl.Series) -> bool:
    """Whether values are numbers that vary, and no identifiers; yes and no are 1 and 0."""
    identifies = column.dtype.is_integer() and looks_like_id(column.name)
    measures = column.dtype.is_numeric() or column.dtype == pl.Boolean
    return measures and column.drop_nulls().n_unique() > 1 and not identifies


def _may_be_codes(column: pl.Series) -> bool:
    """Whether numbers are few different whole ones, as those that a code book gives to kinds."""
    values = column.drop_nulls().unique()
    whole = values.dtype.is_integer() or (values.dtype.is_float() and bool((values == values.round()).all()))
    return whole and 2 < len(values) <= MOST_CODES and 3 * len(values) <= len(column)


def _is_category(column: pl.Series) -> bool:
    """Whether values are text, and come again."""
    most = min(MOST_CATEGORIES, max(2, len(column) // 2))
    return column.dtype == pl.String and 1 < column.drop_nulls().n_unique() <= most


def _is_text(column: pl.Series) -> bool:
    """Whether values are sentences that hardly ever come again."""
    if column.dtype != pl.String or not len(known := column.drop_nulls()):
        return False
    words = known.str.count_matches(r"\S+").mean()
    return known.n_unique() > MOST_WORDS_APART * len(known) and float(words or 0.0) >= SENTENCE  # type: ignore[arg-type]


def shape_of(column: pl.Series) -> tuple[int, ...]:
    """The one shape of a column's lists of numbers; () where there is none."""
    if not isinstance(column.dtype, pl.List | pl.Array):
        return ()
    values = column.drop_nulls()
    lists = values.arr.to_list() if isinstance(values.dtype, pl.Array) else values
    lengths = lists.list.len().unique().to_list()
    if len(lengths) != 1 or not lengths[0]:
        return ()
    inner = lists.explode()
    if inner.dtype.is_numeric():
        return (int(lengths[0]),)
    shape = shape_of(inner)
    return (int(lengths[0]), *shape) if shape else ()
