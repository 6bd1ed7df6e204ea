"""Windows over the last rows of an entity: what a row's window holds, whatever arrives in which order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from arriving import SPEC, Port
from pumping import HEADER, SCHEMA, heats, hour, land, name_of, seen

from arrivals import earlier_rows, history, intake
from db.registry import ModelRegistry
from errors import ArrivalConflict
from evergreen_client.windows import last_rows
from learning.data import PartitionFile, read_inputs, row_count, select
from learning.window import MASK, Window


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A model of pumps and their last three hours."""
    return Port(tmp_path, replace(SPEC, schema=SCHEMA))


def test_a_window_holds_the_last_rows_of_its_entity(port: Port) -> None:
    """Itself the last, oldest first; of numbers and words; fewer where there were no more, and no other pump's."""
    land(port, "a.csv", hour(1), hour(0), hour(0, "b"), hour(2), hour(3), hour(2, "b"))
    assert seen(port) == {
        "a0": ([0], ["s0"]),
        "a1": ([0, 1], ["s0", "s1"]),
        "a2": ([0, 1, 2], ["s0", "s1", "s2"]),
        "a3": ([1, 2, 3], ["s1", "s2", "s3"]),
        "b0": ([0], ["s0"]),
        "b2": ([0, 2], ["s0", "s2"]),
    }


def test_a_base_gets_arrays_with_a_mask(port: Port) -> None:
    """Of shape (rows, length), float32 and strings; some rows of a partition as all of them."""
    land(port, "a.csv", *map(hour, range(4)))
    (partition,) = port.partitions()
    file = PartitionFile(partition.digest, Path(port.store.fetch(partition.artifact)))
    inputs = read_inputs(SCHEMA, file)
    assert list(inputs) == ["heat", "state", MASK] == list(SCHEMA.taken)
    assert inputs["heat"].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    assert inputs["state"][0].tolist() == ["", "", "s0"]
    assert inputs[MASK].tolist() == [[False, False, True], [False, True, True], [True] * 3, [True] * 3]
    assert (inputs["heat"].dtype, inputs["state"].dtype, inputs[MASK].dtype) == ("float32", object, bool)
    served = last_rows([{"heat": [0, 1], "state": ["s0", "s1"]}], 3)  # what a service gives is what was trained on
    assert all(np.array_equal(served[name], inputs[name][1:2]) for name in inputs)
    some = read_inputs(SCHEMA, file, np.array([1, 3]))
    assert all(np.array_equal(some[name], inputs[name][[1, 3]]) for name in inputs)


def test_earlier_rows_lie_in_earlier_files(port: Port) -> None:
    """However many files there were, and whether or not an ingest left its notes in the cache."""
    for place in range(6):
        land(port, f"{place}.csv", hour(place))
    assert heats(port)["a5"] == [3, 4, 5]
    for path in (port.home / "cache" / "earlier rows").iterdir():
        path.write_bytes(b"torn")
    land(port, "7.csv", hour(6))
    assert heats(port)["a6"] == [4, 5, 6]


def test_what_comes_later_does_not_change_a_window(port: Port) -> None:
    """A late row is in the windows of rows that come after it, and its own holds nothing of its future."""
    land(port, "a.csv", hour(0), hour(2), hour(4))
    land(port, "b.csv", hour(1), hour(5))
    assert heats(port) == {"a0": [0], "a2": [0, 2], "a4": [0, 2, 4], "a1": [0, 1], "a5": [2, 4, 5]}
    land(port, "c.csv", hour(3))
    assert heats(port)["a3"] == [1, 2, 3]


def test_rows_of_one_moment_have_an_order(tmp_path: Path) -> None:
    """Those that came before are before; of one file, the smaller hash of the key, wherever it stood."""
    schema = replace(SCHEMA, key=("pump", "at", "state"), nullable=())
    windows = []
    for name, turn in (("one", 1), ("two", -1)):
        port = Port(tmp_path / name, replace(SPEC, schema=schema))
        lines = [f"2024-01-01T00:00:00Z,a,{n},s{n},1" for n in range(3)]
        land(port, "a.csv", *lines[::turn])
        land(port, "b.csv", "2024-01-01T00:00:00Z,a,9,s9,1")
        (partition, last) = (port.rows(partition) for partition in port.partitions())
        windows.append(partition["heat/window"].to_list() + last["heat/window"].to_list())
    assert windows[0] == windows[1]
    assert windows[0][0][:2] == [0, 0]
    assert sorted(windows[0][2]) == [0, 1, 2]
    assert windows[0][3] == [*windows[0][2][1:], 9]


def test_a_very_late_row_finds_its_own_past(port: Port) -> None:
    """Also where so many newer rows came since that only partitions know it, and of several rows at once."""
    for place in range(6):
        land(port, f"a{place}.csv", *(hour(10 * place + n) for n in range(0, 10, 2)))
    land(port, "b.csv", hour(13), hour(21), hour(23), hour(59))
    found = heats(port)
    wanted = {"a13": [10, 12, 13], "a21": [18, 20, 21], "a23": [21, 22, 23], "a59": [56, 58, 59]}
    assert {name: found[name] for name in wanted} == wanted


def expected(files: list[list[tuple[int, str]]], length: int) -> dict[str, list[float]]:
    """Windows worked out one by one, from the rows that had arrived."""
    arrived, windows = list[tuple[int, str]](), {}
    for rows in files:
        arrived += rows
        for at, pump in rows:
            mine = sorted(when for when, other in arrived if other == pump and when <= at)
            windows[f"{pump}{at}"] = [float(when) for when in mine[-length:]]
    return windows


@pytest.mark.parametrize("seed", [2, 3])
def test_any_order_of_arrival_gives_what_had_arrived(port: Port, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Against a plain list: files taken one by one and together, by new processes, and with the cache lost between."""
    monkeypatch.setattr(earlier_rows, "MANY", 0)
    draw = np.random.default_rng(seed)
    rows = [(at, pump) for at in range(40) for pump in "abc" if draw.random() < 0.8]
    rows.sort(key=lambda row: row[0] + draw.choice([0, 0, 0, 5, 30]))
    files = [rows[start : start + 9] for start in range(0, len(rows), 9)]
    for place, file in enumerate(files):
        port.land(f"{place:02}.csv", *(hour(at, pump) for at, pump in file), header=HEADER)
        if draw.random() < 0.3:
            port.ingest()
        if draw.random() < 0.1:
            for path in (port.home / "cache").glob("earlier rows/*"):
                path.unlink()
    port.ingest()
    assert heats(port) == expected(files, 3)


def test_a_large_file_is_taken_in_batches(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """The windows of a batch reach back into those before it, which are not recorded yet."""
    monkeypatch.setattr(intake, "FEWEST", 4)
    monkeypatch.setattr(intake, "BATCH_BYTES", 0)
    land(port, "a.csv", *map(hour, range(10)))
    assert len(port.partitions()) > 1
    assert heats(port) == {f"a{at}": [float(n) for n in range(max(0, at - 2), at + 1)] for at in range(10)}


def test_who_comes_second_builds_its_windows_again(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that another process recorded in the meantime are earlier ones."""
    other, once = Port(port.home, port.spec), [True]
    port.land("b.csv", hour(2), header=HEADER)
    record = ModelRegistry.record_arrival

    def beaten(registry: ModelRegistry, arrival: object) -> object:
        if once and once.pop():
            other.land("a.csv", hour(1), header=HEADER)
            other.with_source(path="small/a.csv").ingest()
            with pytest.raises(ArrivalConflict):
                record(registry, arrival)  # type: ignore[arg-type]
        return record(registry, arrival)  # type: ignore[arg-type]

    monkeypatch.setattr(ModelRegistry, "record_arrival", beaten)
    port.ingest()
    assert heats(port) == {"a1": [1], "a2": [1, 2]}


def test_a_recalled_delivery_is_in_no_window(port: Port) -> None:
    """Rows behind it whose windows reach into it are read no more; those that come again, mended, are seen."""
    for place in range(5):
        land(port, f"{place}.csv", hour(place), hour(place, "b" if place != 1 else "c"))
    bad = next(p for p in port.partitions() if p.source_uri.endswith("1.csv"))
    port.registry.recall("small", bad.digest, actor="t", reason="wrong")
    assert heats(port) == {"a0": [0], "b0": [0], "b2": [0, 2], "b3": [0, 2, 3], "a4": [2, 3, 4], "b4": [2, 3, 4]}
    land(port, "5.csv", hour(1, heat="77"), hour(5))
    assert heats(port)["a1"] == [0, 77]
    assert heats(port)["a5"] == [3, 4, 5]


def test_what_is_recalled_meanwhile_is_in_no_later_window(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that was built on it is not read, and the next file of the same ingest is built without."""
    land(port, "a.csv", hour(0))
    (first,), once, record = port.partitions(), [True], ModelRegistry.record_arrival
    monkeypatch.setattr(history, "SECONDS_BETWEEN_QUESTIONS", -1)

    def recalled(registry: ModelRegistry, arrival: object) -> object:
        if once and once.pop():
            registry.recall("small", first.digest, actor="t", reason="wrong")
        return record(registry, arrival)  # type: ignore[arg-type]

    monkeypatch.setattr(ModelRegistry, "record_arrival", recalled)
    port.land("b.csv", hour(1), header=HEADER)
    land(port, "c.csv", hour(2))
    assert not once
    assert heats(port) == {"a2": [1, 2]}


def test_a_late_label_keeps_its_window(port: Port) -> None:
    """What was seen when the row arrived, and not once more in windows of rows that follow."""
    labelled = port.with_source(labels="labels")
    land(labelled, "a.csv", hour(0), hour(1, late=""), hour(2))
    (labelled.home / "landing" / "labels" / "l.csv").write_text("pump,at,late\na,2024-01-01T01:00:00Z,0\n")
    labelled.ingest()
    assert [partition.kind for partition in labelled.partitions()] == ["rows", "labels"]
    assert heats(labelled)["a1"] == [0, 1]
    land(labelled, "b.csv", hour(3))
    assert heats(labelled)["a3"] == [1, 2, 3]


def test_rows_kept_without_training_are_in_no_window(port: Port) -> None:
    """`late="keep"` says that nothing learns from them; their own windows are built all the same."""
    kept = port.with_source(late="keep")
    land(kept, "a.csv", hour(0), hour(2))
    land(kept, "b.csv", hour(1), hour(3))
    assert heats(kept) == {"a0": [0], "a2": [0, 2], "a1": [0, 1], "a3": [0, 2, 3]}


def test_every_so_manieth_row_of_an_entity_is_an_example(port: Port) -> None:
    """Counted as they arrive, across files, late ones too; the others are in windows, and count as no labelled rows."""
    schema = replace(SCHEMA, window=Window(by=("pump",), length=3, step=3))
    stepped = replace(port, spec=replace(port.spec, schema=schema))
    land(stepped, "a.csv", *map(hour, range(4)), hour(0, "b"))
    land(stepped, "b.csv", hour(7), hour(8), hour(1, "b"), hour(2, "b"))
    land(stepped, "c.csv", hour(5), hour(9))
    names, examples = [], []
    for partition in stepped.partitions():
        file = PartitionFile(partition.digest, Path(stepped.store.fetch(partition.artifact)))
        (chosen,) = select(schema, [file], "all")
        rows = stepped.rows(partition)[chosen.rows]
        names += [name_of(pump, at) for pump, at in rows.select("pump", "at").iter_rows()]
        examples.append((partition.labelled_rows, row_count(select(schema, [file], "all", unlabelled=True))))
    assert sorted(names) == ["a2", "a8", "b2"]
    assert examples == [(1, 1), (2, 2), (0, 0)]
    assert heats(stepped)["a8"] == [3, 7, 8]


def test_a_row_is_the_same_after_another_history(port: Port) -> None:
    """A delivery that was recalled does not come back because its windows would be other ones now."""
    land(port, "a.csv", hour(0))
    land(port, "b.csv", hour(1))
    for partition in port.partitions():
        port.registry.recall("small", partition.digest, actor="t", reason="wrong")
    land(port, "c.csv", hour(1))
    assert port.partitions() == ()


def test_a_missing_value_is_missing_in_each_window(port: Port) -> None:
    """NaN and the empty text, which padding is not; and so is a column that older rows did not have."""
    land(port, "a.csv", "2024-01-01T00:00:00Z,a,,,1", hour(1))
    wider = replace(port.spec, schema=replace(SCHEMA, numeric=("heat", "flow"), nullable=("heat", "state", "flow")))
    later = replace(port, spec=wider)
    later.land("b.csv", "2024-01-01T02:00:00Z,a,2,s2,1,5", header=f"{HEADER},flow")
    later.ingest()
    found = {}
    for partition in later.partitions():
        file = PartitionFile(partition.digest, Path(later.store.fetch(partition.artifact)))
        found[partition.rows] = read_inputs(wider.schema, file)
    nan = float("nan")
    assert np.array_equal(found[2]["heat"], [[0, 0, nan], [0, nan, 1]], equal_nan=True)
    assert np.array_equal(found[2]["flow"], [[0, 0, nan], [0, nan, nan]], equal_nan=True)
    assert np.array_equal(found[1]["flow"], [[nan, nan, 5]], equal_nan=True)
    assert found[1]["state"].tolist() == [["", "s1", "s2"]]
