"""`evergreen partitions` and `evergreen schema`, as people and programs call them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from arriving import SPEC, line, new_registry
from typer.testing import CliRunner

from arrivals.ingest import ingest
from cli.main import app
from db.artifacts import ArtifactStore
from db.registry import open_registry
from errors import UnknownPartition
from settings import Settings

RUNNER = CliRunner()


@pytest.fixture
def arrived(home: Settings) -> Settings:
    """A file with a bad row, and one with another header."""
    folder = Path(home.landing) / "small"
    folder.mkdir(parents=True)
    folder.joinpath("a.csv").write_text("\n".join(["at,id,speed,city,late", line(1), line(2), line(3, speed="fast")]))
    folder.joinpath("b.csv").write_text("a,b\n1,2\n")
    with new_registry(home.home / "registry.db") as registry:
        store = ArtifactStore(home.artifact_root, home.cache)
        ingest(SPEC, registry, store, landing=home.landing, cache=home.cache)
    return home


def printed(*arguments: str) -> str:
    """What the command prints."""
    result = RUNNER.invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_partitions_are_listed_and_shown(arrived: Settings) -> None:
    """A list with short digests, any of which shows its partition."""
    [listed] = json.loads(printed("partitions", "list", "small", "--json"))
    digest = listed["digest"][:12]
    assert digest in printed("partitions", "list", "small")
    shown = printed("partitions", "show", "small", digest[:6])
    assert "2, 2 labelled" in shown
    assert "Oslo" in shown
    assert json.loads(printed("partitions", "show", "small", digest, "--json"))["partition"] == listed


def test_what_was_refused_says_why(arrived: Settings) -> None:
    """Rows with their reason and where they are kept; files with theirs."""
    shown = printed("partitions", "refused", "small")
    assert "1 rows, speed is no number" in shown
    assert "it has no 'at'" in shown
    listed = json.loads(printed("partitions", "refused", "small", "--json"))
    assert (Path(arrived.artifact_root) / listed["rows"][0]["uri"]).is_file()


def test_a_recalled_partition_counts_no_more(arrived: Settings) -> None:
    """It is gone from the list, and may still be looked at."""
    [listed] = json.loads(printed("partitions", "list", "small", "--json"))
    shown = printed("partitions", "recall", "small", listed["digest"][:8], "--reason", "half of it is broken")
    assert "recalled 2 rows" in shown
    assert "nothing has arrived" in printed("partitions", "list", "small")
    assert "2, 2 labelled" in printed("partitions", "show", "small", listed["digest"][:8])
    with pytest.raises(UnknownPartition, match="no partition has that digest"):
        printed("partitions", "show", "small", "0123")


def test_a_first_schema_is_inferred(tmp_path: Path) -> None:
    """What is printed is Python that makes a Schema."""
    from learning.spec import Schema

    path = tmp_path / "rides.csv"
    rows = [f"{n},2024-01-01T00:{n:02}:00Z,{n * 1.5},{'Oslo' if n % 2 else 'Rome'},{n % 2}" for n in range(60)]
    path.write_text("\n".join(["ride_id,at,km,city,late", *rows]))
    shown = printed("schema", "infer", str(path), "--target", "late")
    names: dict[str, Schema] = {}
    exec(shown, {"Schema": Schema}, names)  # noqa: S102 - what a newcomer would paste
    assert names["schema"] == Schema(time="at", key=("ride_id",), target="late", numeric=("km",), categorical=("city",))
    assert "allowed={'city': ('Oslo', 'Rome')}" in shown


def test_rows_without_times_have_that_of_their_file(tmp_path: Path) -> None:
    """It is said, so that whoever has a column of times that was not seen can name it."""
    path = tmp_path / "rides.csv"
    path.write_text("id,km,late\n" + "".join(f"{n},{n}.5,{n % 2}\n" for n in range(9)))
    said = printed("schema", "infer", str(path))
    assert "time=None" in said
    assert "say --time COLUMN" in said


def test_conflicts_and_corrections_are_shown(home: Settings) -> None:
    """Conflicts stand beside refused rows; a corrected partition says by which one."""
    folder = Path(home.landing) / "small"
    folder.mkdir(parents=True)
    for name, speed in (("a", "10"), ("b", "20")):
        folder.joinpath(f"{name}.csv").write_text("\n".join(["at,id,speed,city,late", line(1, speed=speed)]))
    replacing = replace(SPEC, source=replace(SPEC.source, corrections="replace"))
    store = ArtifactStore(home.artifact_root, home.cache)
    with open_registry(home.database_url) as registry:
        ingest(SPEC, registry, store, landing=home.landing, cache=home.cache)
        assert "conflict  " in printed("partitions", "refused", "small")
        assert "speed (1 rows)" in printed("partitions", "refused", "small")
        assert "0 rows refused, 1 conflicts" in printed("partitions", "list", "small")
        ingest(replacing, registry, store, landing=home.landing, cache=home.cache)
        older, newer = sorted(registry.partitions("small"), key=lambda partition: partition.kind != "rows")
        shown = printed("partitions", "show", "small", older.digest)
        assert f"corrected by {newer.digest[:12]}" in shown
        assert json.loads(printed("partitions", "show", "small", older.digest, "--json"))["superseded"] == [
            {"partition": older.digest, "by": newer.digest, "rows": 1}
        ]
