"""Where rows may land: folders, globs, compressed files, other formats, object stores, databases."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import polars as pl
import pytest
import zstandard
from arriving import HEADER, Port, line
from sqlalchemy import create_engine, text

from arrivals.ingest import ingest
from errors import UnreachableSource


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """An empty landing folder."""
    return Port(tmp_path)


def content(*numbers: int) -> bytes:
    """A CSV file."""
    return "\n".join([HEADER, *map(line, numbers), ""]).encode()


def test_every_format_gives_the_same_rows(port: Port) -> None:
    """CSV, Parquet and JSON Lines, plain or compressed: one row is one row."""
    rows = pl.DataFrame({"at": ["2024-01-01T00:00:01Z"], "id": [1], "speed": [10.0], "city": ["Oslo"], "late": [1]})
    typed = rows.with_columns(pl.col("at").str.to_datetime(time_zone="UTC"), pl.col("city").cast(pl.Categorical))
    typed.write_parquet(port.folder / "a.parquet")
    rows.write_ndjson(port.folder / "b.jsonl")
    rows.write_csv(port.folder / "c.tsv", separator="\t")
    (port.folder / "d.csv").write_bytes(content(1))
    (port.folder / "e.csv.gz").write_bytes(gzip.compress(content(1, 2)))
    (port.folder / "f.csv.bz2").write_bytes(bz2.compress(content(1, 3)))
    (port.folder / "g.csv.xz").write_bytes(lzma.compress(content(1, 4)))
    (port.folder / "i.csv.zst").write_bytes(zstandard.compress(content(1, 6)))
    with zipfile.ZipFile(port.folder / "h.csv.zip", "w") as archive:
        archive.writestr("h.csv", content(1, 5))
    arrived = port.ingest()
    assert (arrived.refused_files, arrived.refused, arrived.duplicates) == (0, 0, 8)
    assert sorted(port.every_row()["id"]) == ["1", "2", "3", "4", "5", "6"]


def test_a_glob_takes_what_matches(port: Port) -> None:
    """Folders below are looked into; unfinished and hidden files are not."""
    for name in ("in/a.csv", "in/b.csv.tmp", "in/.c.csv", "in/_d.csv", "in/deep/e.csv", "in/_tmp/f.csv", "in/g.txt"):
        port.land(name, line(len(name)))
    assert [Path(p.source_uri).name for p in port.with_source(path="small/in/*.csv").ingest().partitions] == ["a.csv"]
    assert port.ingest().files == 2


def test_a_file_that_is_being_written_is_left_for_the_next_run(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """A young file is listed twice; if it has changed, it is not taken yet."""
    port.land("old.csv", line(1))
    os.utime(port.folder / "old.csv", (1, 1))
    young = port.land("young.csv", line(2))
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("arrivals.listing.time.sleep", lambda _: young.write_bytes(content(2, 3)))
        arrived = port.with_source(settle=60.0).ingest()
    assert [Path(p.source_uri).name for p in arrived.partitions] == ["old.csv"]
    assert "still being written" in arrived.reasons[0]
    assert port.ingest().rows == 2


def test_a_file_that_changes_while_it_is_read_is_not_recorded(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read may be half of each content; the next run reads the new one."""
    port.land("a.csv", line(1))
    monkeypatch.setattr("arrivals.sources.still_same", lambda _file: False)
    arrived = port.ingest()
    assert "changed while it was read" in arrived.reasons[0]
    assert (port.partitions(), port.landed()) == ((), ())
    monkeypatch.undo()
    assert port.ingest().rows == 1


def test_links_out_of_the_folder_are_not_followed(port: Port) -> None:
    """A landed link cannot make us read, and then keep, a file of the machine's own."""
    secret = port.home / "secret.csv"
    secret.write_bytes(content(1))
    (port.folder / "a.csv").symlink_to(secret)
    (port.folder / "b.csv").symlink_to("nowhere")
    os.mkfifo(port.folder / "c.csv")
    arrived = port.ingest()
    assert (arrived.rows, arrived.refused_files) == (0, 3)
    assert "leads out of the landing folder" in arrived.reasons[0]


@pytest.fixture(params=["memory", "s3"])
def landing(request: pytest.FixtureRequest) -> Iterator[str]:
    """A landing URL in an object store: in memory, and in a loopback S3."""
    if request.param == "s3":
        yield f"s3://{request.getfixturevalue('bucket')}/landing"
        return
    yield "memory://landing"
    fsspec.filesystem("memory").rm("/landing", recursive=True)


def test_rows_arrive_in_an_object_store(port: Port, landing: str) -> None:
    """A landing setting that is a URL works like a folder."""
    with fsspec.open(f"{landing}/small/a.csv", "wb") as target:
        target.write(content(1, 2))
    with fsspec.open(f"{landing}/small/b.csv.gz", "wb") as target:
        target.write(gzip.compress(content(2, 3)))
    arrived = [
        ingest(port.spec, port.registry, port.store, landing=landing, cache=port.home / "cache") for _ in range(2)
    ]
    assert (arrived[0].rows, arrived[0].duplicates, arrived[1].files) == (4, 1, 0)
    assert port.partitions()[0].source_uri.endswith("landing/small/a.csv")


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(port: Port, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Port:
    """A database whose table `trips` has two rows."""
    on_postgres = request.param == "postgresql"
    url = str(request.getfixturevalue("empty_postgres") if on_postgres else f"sqlite:///{port.home / 'shop.db'}")
    monkeypatch.setenv("SHOP_URL", url)
    run("CREATE TABLE trips (at TEXT, id INTEGER, speed REAL, city TEXT, late INTEGER, seq INTEGER)")
    run("INSERT INTO trips VALUES ('2024-01-01T00:00:01Z', 1, 10, 'Oslo', 1, 1)")
    run("INSERT INTO trips VALUES ('2024-01-01T00:00:02Z', 2, 10, 'Oslo', 0, 2)")
    return port.with_source(path="$SHOP_URL", query="trips", cursor="seq")


def run(statement: str) -> None:
    """Write to the shop's database."""
    engine = create_engine(os.environ["SHOP_URL"])
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def test_rows_arrive_in_a_database(shop: Port) -> None:
    """A run takes the rows past the last cursor value, and such as bear the same value but came later."""
    assert [p.rows for p in shop.ingest().partitions] == [2]
    for _ in range(3):
        assert shop.ingest().partitions == ()
    run("INSERT INTO trips VALUES ('2024-01-01T00:00:03Z', 3, 10, 'Rome', 1, 2)")
    assert [p.rows for p in shop.ingest().partitions] == [1]
    run("INSERT INTO trips VALUES ('2024-01-01T00:00:04Z', 4, 10, 'Rome', 1, 3)")
    run("INSERT INTO trips VALUES ('2024-01-01T00:00:05Z', 5, -1, 'Rome', 1, 4)")
    arrived = shop.ingest()
    assert [p.rows for p in arrived.partitions] == [1]
    assert arrived.refused == 1
    assert sorted(shop.every_row()["id"]) == ["1", "2", "3", "4"]


def test_a_query_gives_rows_like_a_table(shop: Port) -> None:
    """A SELECT statement may rename and filter."""
    query = "SELECT at, id, speed, city, late, seq AS step FROM trips WHERE id > 1;"
    assert [p.rows for p in shop.with_source(query=query, cursor="step").ingest().partitions] == [1]


def test_a_database_that_does_not_answer_is_named_without_its_password(port: Port) -> None:
    """The error says which database and query, and what it answered."""
    source = {"path": f"sqlite:////nowhere{port.home}/x.db", "query": "trips", "cursor": "seq"}
    with pytest.raises(UnreachableSource, match="there is no file"):
        port.with_source(**source).ingest()
    from db.query_source import QuerySource

    assert QuerySource("postgresql://me:secret@host/shop", "trips", "seq").uri == "postgresql://me:***@host/shop#trips"
