"""Rows that a person has in a file, put where a model's source looks for them; and taken back if it was in vain."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec
import polars as pl

from arrivals.json_lines import open_lines
from arrivals.listing import HINT, ListedFile
from arrivals.local_copies import LocalCopy, local_copy
from arrivals.readers import read_header
from arrivals.times import parse_times
from errors import CannotAdopt, UnreadableFile
from evergreen_client.shown import gist

LEARNED, NEW = "learned", "new"  # in the names of two files that were one


def in_folder(data: Path, folder: str) -> bool:
    """Whether a file lies in a landing folder already."""
    return "://" not in folder and Path(folder).resolve() in data.resolve().parents


@contextmanager
def landed(files: Sequence[Path], folder: str) -> Iterator[None]:
    """Copy files into a landing folder, or URL, which is made; an exception takes them away again.

    Raises:
        CannotAdopt: a file of such a name, with other rows, is there.
    """
    store, root = fsspec.core.url_to_fs(folder)
    copied: list[str] = []
    made = not store.exists(root)
    try:
        store.makedirs(root, exist_ok=True)
        for file in files:
            place = f"{root}/{file.name}"
            if store.exists(place):
                _refuse_another(store.cat_file(place), file, folder)
            else:
                copied.append(place)
                store.put_file(str(file), place)
        yield
    except BaseException:
        for place in copied:
            with suppress(FileNotFoundError):
                store.rm_file(place)
        if made:
            with suppress(OSError):
                store.rmdir(root)
        raise


def _refuse_another(there: bytes, file: Path, folder: str) -> None:
    """See that a file which has landed is this one."""
    if there != file.read_bytes():
        why = "another file of this name has landed there"
        raise CannotAdopt(f"file '{file.name}' for {folder}", why, "rename yours, or land it yourself")


@contextmanager
def divided(data: Path, time: str | None, before: datetime | None, written: str = "iso") -> Iterator[list[Path]]:
    """A file of rows as two, those before a time and the others; as it is where all are on one side.

    A row whose time is not legible stays with the older ones, where it will be refused and listed.

    Args:
        data: the file, in any form that may land.
        time: the column of the time.
        before: where it is divided; None leaves it whole.
        written: how the times are written, as parse_times has it.
    """
    if before is None:
        yield [data]
        return
    if time is None:
        fix = "name the column of the time with --time, or leave --trained-until out: then all rows count as learned"
        raise CannotAdopt("--trained-until", f"no column of {data.name} holds times", fix)
    file = ListedFile(str(data), "", data.stat().st_size)
    with TemporaryDirectory() as folder, local_copy(file, Path(folder) / "copy") as copy:
        try:
            is_new = partial(_is_new, before=before, written=written)
            yield _parts(copy, time, is_new, data, Path(folder)) or [data]
        except (pl.exceptions.PolarsError, json.JSONDecodeError) as error:
            raise UnreadableFile(data.name, f"it cannot be parsed ({gist(error)})", HINT) from error


def _parts(
    copy: LocalCopy, time: str, is_new: Callable[[pl.Series], pl.Series], data: Path, folder: Path
) -> list[Path]:
    """The two files; none where all rows are on one side."""
    stem = data.name.partition(".")[0]
    suffix = {"csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet"}[copy.format]
    paths = [folder / f"{stem}-{which}{suffix}" for which in (LEARNED, NEW)]
    if copy.format == "jsonl":
        with open_lines(copy.path) as stream:
            lines = [line for line in stream.read().splitlines() if line.strip()]
        new = is_new(pl.Series([json.loads(line).get(time) for line in lines]))
        if new.any() and not new.all():
            for path, wanted in zip(paths, (False, True), strict=True):
                path.write_bytes(
                    b"".join(line + b"\n" for line, late in zip(lines, new, strict=True) if late == wanted)
                )
        return paths if paths[0].exists() else []
    separator = read_header(copy.path)[1] if copy.format == "csv" else ","
    frame = (
        pl.read_csv(
            copy.path, separator=separator, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True
        )
        if copy.format == "csv"
        else pl.read_parquet(copy.path)
    )
    new = is_new(frame[time])
    if not new.any() or new.all():
        return []
    for path, rows in zip(paths, (frame.filter(~new), frame.filter(new)), strict=True):
        if copy.format == "csv":
            rows.write_csv(path, separator=separator)
        else:
            rows.write_parquet(path)
    return paths


def _is_new(times: pl.Series, before: datetime, written: str) -> pl.Series:
    return (parse_times(times, written=written) >= before).fill_null(False)
