"""A landing: odd files cost themselves only, and one that is not there, or gives no answer, is no silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from arriving import Port, line
from corpus.files import CASES
from fsspec.implementations.memory import MemoryFileSystem

from arrivals.ingest import ingest
from arrivals.ingest_result import IngestResult
from arrivals.local_copies import local_copy
from arrivals.validation import Validator
from db.arrival_tables import LandedFile
from db.engine import session_scope
from errors import FileNotReady, UnreachableSource


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """An empty landing folder."""
    return Port(tmp_path)


def test_all_odd_files_together_cost_themselves_only(port: Port) -> None:
    """None of them stops another, and of many refused files three are named."""
    for place, case in enumerate(CASES):
        case.write(port.folder)
        port.land(f"good-{place}.csv", line(place))
    arrived = port.ingest()
    assert sum(p.rows for p in arrived.partitions) == sum(case.taken for case in CASES) + len(CASES)
    refused = sum(bool(case.says) for case in CASES)
    assert arrived.refused_files == refused
    assert len(arrived.attention) == 4
    assert f"{refused - 3} more files" in arrived.attention[-1]


class Vanishing:
    """Deletes a file when it is opened, or when it was opened."""

    def __init__(self, *, late: bool) -> None:
        self.late = late

    def __call__(self, file: Any, work: Path) -> Any:
        """Stand in for `local_copy`."""
        if not self.late:
            Path(file.uri).unlink()
            return local_copy(file, work)
        copy = local_copy(file, work)
        enter = copy.__enter__

        class Opened:
            def __enter__(self) -> Any:
                opened = enter()
                Path(file.uri).unlink()
                return opened

            def __exit__(self, *error: object) -> Any:
                return copy.__exit__(*error)

        return Opened()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("late", [False, True])
def test_a_file_that_is_deleted_before_it_was_read_is_refused(
    port: Port, monkeypatch: pytest.MonkeyPatch, name: str, late: bool
) -> None:
    """It is not lost without a word; landed again, it is taken."""
    good = {Path(case.file).suffix: case.content for case in CASES if case.taken and isinstance(case.content, bytes)}
    path = port.folder / name
    path.write_bytes(good[path.suffix])
    monkeypatch.setattr("arrivals.sources.local_copy", Vanishing(late=late))
    arrived = port.ingest()
    assert (arrived.rows, arrived.refused_files) == (0, 1)
    assert "it was deleted before all of it was read" in arrived.attention[0]
    monkeypatch.undo()
    path.write_bytes(good[path.suffix])
    assert port.ingest().rows == 1


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_a_file_that_cannot_be_read_is_refused_or_left_with_a_word(
    port: Port, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """Permissions are changed by people, so the file is recorded; a disk may recover, so the next run looks again."""

    def fails(*_: Any) -> Any:
        raise error

    port.land("a.csv", line(1))
    monkeypatch.setattr("arrivals.local_copies.hashlib.file_digest", fails)
    arrived = port.ingest()
    assert str(error.strerror) in arrived.attention[0]
    assert len(port.landed()) == isinstance(error, PermissionError)


def test_an_error_that_nobody_foresaw_costs_the_file_only(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its class is named, and not its message, which may hold a row's values."""
    check = Validator.validate

    def surprised(self: Validator, rows: Any, columns: Any) -> Any:
        if "13" in rows["id"].to_list():
            raise ZeroDivisionError("secret")
        return check(self, rows, columns)

    monkeypatch.setattr(Validator, "validate", surprised)
    port.land("a.csv", line(13))
    port.land("b.csv", line(14))
    arrived = port.ingest()
    assert (sum(p.rows for p in arrived.partitions), arrived.refused_files) == (1, 1)
    assert "ZeroDivisionError" in arrived.attention[0]
    assert "secret" not in arrived.attention[0]


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), MemoryError(), OSError(28, "No space left on device"), SystemExit(1)]
)
def test_what_is_no_fault_of_a_file_is_not_recorded_as_one(
    port: Port, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """A full disk or a person's Ctrl-C ends the run, and the file is as new as before."""

    def fails(*_: Any, **__: Any) -> Any:
        if isinstance(error, OSError):
            raise FileNotReady("a", "b", "c") from error
        raise error

    port.land("a.csv", line(1))
    monkeypatch.setattr("arrivals.sources.read_file", fails)
    with pytest.raises((type(error), FileNotReady)):
        port.ingest()
    monkeypatch.undo()
    assert port.landed() == ()
    assert port.ingest().rows == 1


MISSING = {
    "landing": ("small", "there is no such folder"),
    "folder": ("smal", "did you mean 'small'"),
    "file": ("small/a.csv", "there is no such folder or file"),
    "glob": ("smal/*.csv", "did you mean 'small'"),
    "in-file": ("small/good.csv/x", "there is no such folder or file"),
    "variable": ("$NO_SUCH_VARIABLE/small", "NO_SUCH_VARIABLE is not set"),
    "braces": ("${NO_SUCH_VARIABLE}", "NO_SUCH_VARIABLE is not set"),
    "stars": ("small/a**.csv/**b", "cannot be listed"),
    "nul": ("small\0", "cannot be listed"),
    "protocol": ("nope://there/small", "Protocol not known"),
    "driver": ("gs://there/small", "gcsfs"),
    "ftp": ("ftp://me:secret@127.0.0.1:1/small", "refused"),
    "ftp-port": ("ftp://127.0.0.1:x/small", "cannot be listed"),
    "http": ("http://127.0.0.1:1/small/", "onnect"),
    "http-file": ("http://127.0.0.1:1/a.csv", "onnect"),
    "http-glob": ("http://127.0.0.1:1/small/*.csv", "onnect"),
    "http-port": ("http://127.0.0.1:x/small", "port"),
    "file-url": ("file:///nowhere/small", "there is no such folder"),
    "memory": ("memory://nowhere/small", "there is no such folder"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_source_that_cannot_be_listed_is_no_silence(port: Port, name: str) -> None:
    """The run fails with one sentence, which says what to do; no password stands in it."""
    path, says = MISSING[name]
    port.land("good.csv", line(1))
    landing = str(port.home / ("landnig" if name == "landing" else "landing"))
    spec = port.with_source(path=path).spec
    with pytest.raises(UnreachableSource) as raised:
        ingest(spec, port.registry, port.store, landing=landing, cache=port.home / "cache")
    assert says in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_bucket_that_is_not_there_is_no_silence(port: Port, bucket: str) -> None:
    """Neither is a misspelt prefix of one that is there."""
    for landing in ("s3://no-such-bucket/landing", f"s3://{bucket}/no-such-prefix"):
        with pytest.raises(UnreachableSource, match="there is no such folder"):
            ingest(port.spec, port.registry, port.store, landing=landing, cache=port.home / "cache")


def test_labels_that_have_no_folder_are_no_silence(port: Port) -> None:
    """The rows are taken all the same."""
    port.land("a.csv", line(1))
    misspelt = port.with_source(labels="lables")
    (port.home / "landing" / "lables").rmdir()
    with pytest.raises(UnreachableSource, match="lables"):
        misspelt.ingest()
    assert len(port.partitions()) == 1


def test_where_nothing_has_landed_yet_there_is_no_new_data(port: Port) -> None:
    """An empty folder, and a glob in it that matches nothing."""
    assert port.ingest().files == 0
    assert port.with_source(path="small/2026-*/*.csv").ingest().files == 0


@pytest.mark.parametrize("name", ["in[1]", "in*", "in?", "[in]"])
def test_the_landing_setting_is_taken_literally(port: Port, name: str) -> None:
    """Only Source.path is a glob; and what is there under its very name is no glob either."""
    places = ((f"{name}/small", "small"), (f"{name}/small", "small/*.csv"), ("in/small[1]", "small[1]"))
    for place, (folder, path) in enumerate(places):
        (port.home / folder).mkdir(parents=True, exist_ok=True)
        (port.home / folder / "a.csv").write_text(port.land("a.csv", line(1)).read_text())
        spec = port.with_source(path=path).spec
        landing = str((port.home / folder).parent)
        fresh = Port(port.home / f"fresh-{place}")
        arrived = ingest(spec, fresh.registry, fresh.store, landing=landing, cache=fresh.home / "cache")
        assert arrived.rows == 1


@pytest.fixture
def attic() -> Iterator[str]:
    """A store that keeps only the path of a URL, as FTP does: its files are nowhere without their host."""

    class Attic(MemoryFileSystem):
        protocol = "attic"

        def __init__(self, host: str = "", **options: Any) -> None:
            super().__init__(**options)
            if host != "house":
                raise OSError(f"there is no host {host}")

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return "/" + fsspec.utils.infer_storage_options(path)["path"].strip("/")

        @staticmethod
        def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
            return {"host": fsspec.utils.infer_storage_options(path).get("host", "")}

    fsspec.register_implementation("attic", Attic, clobber=True)
    yield "attic://me:secret@house/attic"
    fsspec.filesystem("memory").rm("/attic", recursive=True)


@pytest.mark.parametrize("path", ["small", "small/*.csv", "small/a*", "**/a[[]1].csv"])
def test_files_of_a_host_keep_it_and_lose_its_password(port: Port, attic: str, path: str) -> None:
    """A store that knows only paths is asked again by the connection that listed the file."""
    with fsspec.filesystem("memory").open("/attic/small/a[1].csv", "wb") as target:
        target.write(port.land("a.csv", line(1)).read_bytes())
    spec = port.with_source(path=path).spec
    arrived = [ingest(spec, port.registry, port.store, landing=attic, cache=port.home / "cache") for _ in range(2)]
    assert [one.rows for one in arrived] == [1, 0]
    assert port.landed()[0].uri == "attic://me:***@house/attic/small/a[1].csv"


def test_a_new_file_in_a_store_is_seen_by_the_same_process(port: Port, bucket: str) -> None:
    """A worker lives for months, and a store's listing is kept in memory by some of their clients."""

    def once() -> IngestResult:
        landing = f"s3://{bucket}/landing"
        return ingest(port.spec, port.registry, port.store, landing=landing, cache=port.home / "cache")

    for number in (1, 2):
        with fsspec.open(f"s3://{bucket}/landing/small/{number}.csv", "wb") as target:
            target.write(port.land("a.csv", line(number)).read_bytes())
        assert once().rows == 1
    assert once().files == 0


def test_silence_for_longer_than_expected_needs_attention(port: Port) -> None:
    """Counted from the last rows that were taken, or from when the model became known."""
    weekly = port.with_source(expect_every=timedelta(days=7))
    assert weekly.ingest().attention == []
    age(weekly, LandedFile, days=8)
    port.land("a.csv", line(1))
    assert weekly.ingest().attention == []
    age(weekly, LandedFile, days=8)
    (port.folder / "b.csv").write_text((port.folder / "a.csv").read_text())  # nothing new
    (said,) = weekly.ingest().attention
    assert "8 days" in said
    assert port.ingest().attention == []


def test_a_silence_is_told_once(port: Port) -> None:
    """An hourly watch does not need attention every hour: the first run of a silence says it, and no other one."""
    weekly = port.with_source(expect_every=timedelta(days=7))
    port.land("a.csv", line(1))
    weekly.ingest()
    age(weekly, LandedFile, days=8)
    first = weekly.registry.start_run(weekly.spec.name, trigger="schedule").id
    assert len(weekly.ingest(first).attention) == 1
    assert weekly.ingest(weekly.registry.start_run(weekly.spec.name, trigger="schedule").id).attention == []


def age(port: Port, table: Any, days: int) -> None:
    """Move what the registry has recorded into the past."""
    with session_scope(port.registry.engine) as session:
        for row in session.query(table):
            row.at -= timedelta(days=days)
