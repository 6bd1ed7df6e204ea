"""Rows stay where they are: no value of one stands in a message, a reason or the registry."""

from __future__ import annotations

import sqlite3
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from arriving import HEADER, Port, line

ODD = pl.DataFrame({"speed": [b"Anna Berg"]} | {name: ["Anna Berg"] for name in ("at", "id", "city", "late")})
NAMES = [f"Anna Berg {number}" for number in range(20_000)]


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A model whose files arrive in a folder."""
    return Port(tmp_path)


def told(port: Port) -> str:
    """All that an ingest says, and all that the registry keeps of it but the rows' own files."""
    result = port.ingest()
    tables = ("landed_file", "refused_rows")
    with sqlite3.connect(port.home / "registry.db") as registry:
        rows = [row for table in tables for row in registry.execute(f"SELECT * FROM {table}")]
    return repr((result, rows))


def parquet(frame: pl.DataFrame) -> bytes:
    """A frame as a Parquet file."""
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("no-header.csv", "".join(f"{line(number, city='Anna Berg')}\n" for number in range(3)).encode()),
        ("names.csv", (",".join(NAMES) + "\n").encode()),
        ("values.jsonl", b'{"Anna Berg": 1, "at": "2024-01-01T00:00:00Z"}\n' * 3),
        ("odd.parquet", parquet(ODD)),
        ("torn.parquet", parquet(pl.DataFrame({"city": NAMES}))[:-20] + b"Anna Berg\x1b[31m" + b"PAR1"),
        ("cells.csv", f"{HEADER}\nAnna Berg,Anna Berg,Anna Berg,Anna Berg,Anna Berg\n".encode()),
        ("open.jsonl", b'{"at": "Anna Berg\n{"at": Anna Berg}\n'),
    ],
)  # fmt: skip
def test_no_value_is_told(port: Port, name: str, content: bytes) -> None:
    """Columns, counts and types say what is wrong."""
    (port.folder / name).write_bytes(content)
    said = told(port)
    assert len(said) < 5_000
    if name in {"names.csv", "values.jsonl"}:  # such a header cannot be told from names: some of it is shown
        assert said.count("Anna Berg") <= 64  # sixteen a sentence, of twenty thousand
    else:
        assert "Anna" not in said


def test_a_strange_name_is_told_in_plain_signs(port: Port) -> None:
    """A file's name may hold what steers a terminal; a column's too."""
    (port.folder / "odd\x1b[31m\nname.csv").write_text(f"{HEADER},\x1b[2Jcolumn\n{line(1)},1\n")
    result = port.ingest()
    with sqlite3.connect(port.home / "registry.db") as registry:
        (uri, reason) = registry.execute("SELECT uri, reason FROM landed_file").fetchone()
    assert "\x1b" not in uri + reason
    assert "\n" not in uri + reason
    assert result.refused_files == 1
