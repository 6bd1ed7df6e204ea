"""A partition's file as a schema has it: files that arrived under an older schema are read beside newer ones.

A column that was added later is null in older files, and so is one that was of another kind there; a column that was
dropped is not read.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from errors import SchemaMismatch
from learning.window import kept_window

if TYPE_CHECKING:
    import polars as pl

    from learning.data import PartitionFile
    from learning.schema import Schema


def rows_of(schema: Schema, partition: PartitionFile) -> pl.LazyFrame:
    """The rows of a partition's file, with every input of the schema and its target.

    Raises:
        SchemaMismatch: the file has no such column, and the schema does not let it be null.
    """
    for name in lacking(schema, partition):
        raise SchemaMismatch(
            f"column '{name}' of partition {partition.digest[:12]}",
            "it arrived under another schema, without such a column, and this one does not let it be null",
            f"name '{name}' in Schema.nullable, and impute it in build_base",
        )
    return filled(schema, partition)


def filled(schema: Schema, partition: PartitionFile) -> pl.LazyFrame:
    """The same rows, null in every column that the file does not have as the schema does, their weight among them."""
    return _with_columns(partition, wanted(schema) | _weighed(schema))


def labels_of(schema: Schema, partition: PartitionFile) -> pl.LazyFrame:
    """The same rows where no input is asked for: only the target, and how much a row counts, may be added."""
    return _with_columns(partition, {name: wanted(schema)[name] for name in schema.targets} | _weighed(schema))


def lacking(schema: Schema, partition: PartitionFile) -> tuple[str, ...]:
    """The inputs that a partition's file does not have, or has as another kind, and that may not be null."""
    import polars as pl

    found = _absent(wanted(schema), pl.read_parquet_schema(partition.path))
    kept = {schema.kept(name): name for name in schema.files} | {kept_window(name): name for name in schema.inputs}
    names = dict.fromkeys(kept.get(name, name) for name in found)
    return tuple(name for name in names if name not in schema.targets and name not in schema.nullable)


def wanted(schema: Schema) -> dict[str, pl.DataType]:
    """The type of each input, and of each target, in a partition's file."""
    import polars as pl

    tensors = {name: pl.Array(pl.Float32, prod(shape)) for name, shape in schema.tensors.items()}
    words = dict([(schema.target, schema.classes), *schema.other_targets])
    targets = {name: pl.String() if classes else pl.Float64() for name, classes in words.items()}
    numbers, strings = dict.fromkeys(schema.numeric, pl.Float64()), dict.fromkeys(schema.strings, pl.String())
    return {**numbers, **strings, **tensors, **schema.kept_kinds(), **targets}


def _with_columns(partition: PartitionFile, kinds: dict[str, pl.DataType]) -> pl.LazyFrame:
    import polars as pl

    table = pl.scan_parquet(partition.path)
    absent = _absent(kinds, table.collect_schema())
    return table.with_columns(pl.lit(None, kinds[name]).alias(name) for name in absent) if absent else table


def _weighed(schema: Schema) -> dict[str, pl.DataType]:
    import polars as pl

    return {} if schema.weight is None else {schema.weight: pl.Float64()}


def _absent(kinds: dict[str, pl.DataType], there: pl.Schema | dict[str, pl.DataType]) -> list[str]:
    """Columns that are not there as the schema has them; a list of any kind may hold a tensor, and any number one."""
    return [name for name, kind in kinds.items() if name not in there or not _fits(kind, there[name])]


def _fits(kind: pl.DataType, found: pl.DataType) -> bool:
    import polars as pl

    if isinstance(kind, pl.Array):
        if (kind.inner == pl.String) != (getattr(found, "inner", None) == pl.String):
            return False  # a window of words is none of numbers
        return isinstance(found, pl.List) or (isinstance(found, pl.Array) and found.size == kind.size)
    return found == pl.String if kind == pl.String else found.is_numeric() or found in {pl.Boolean, pl.Null}
