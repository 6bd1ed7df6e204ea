"""Where events come from: pipes, files that grow and are rotated, partitions; each says where a reader is in it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from arriving import SPEC, Port, line

from arrivals.event_sources import GrowingFile, Pipe, Source
from arrivals.events import Event, EventReader, LateLabel, Refused
from arrivals.newest import NewestRows
from arrivals.partition_events import PartitionEvents
from learning.objectives import Regression

GOOD = '{"at": "2024-01-01T00:00:00Z", "id": "%s", "speed": 1, "city": "Oslo", "late": 1}\n'


def ids(source: Source, position: str, most: int = 99) -> tuple[list[str], str]:
    """The ids of the next events, and the position behind them."""
    portion = source.read(position, most)
    found = [one.row["id"] if isinstance(one, Event) else "refused" for one, _ in portion]
    return found, portion[-1][1] if portion else position


def test_a_file_is_followed_line_by_line(tmp_path: Path) -> None:
    """A line that somebody is still writing is waited for; a reader goes on anywhere, and is told how much is left."""
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD % 1 + GOOD % 2 + (GOOD % 3)[:20])
    source = GrowingFile(path, EventReader(SPEC))
    first, position = ids(source, source.begin(), most=1)
    assert (first, source.behind(position)) == (["1"], 1)
    assert ids(source, position)[0] == ["2"]
    with path.open("a") as file:
        file.write((GOOD % 3)[20:])
    found, last = ids(GrowingFile(path, EventReader(SPEC)), position)
    assert found == ["2", "3"]
    assert ids(source, last) == ([], last)
    assert source.told == []


def test_a_byte_order_mark_costs_no_event(tmp_path: Path) -> None:
    """As programs on Windows begin a file."""
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD % 1 + GOOD % 2, encoding="utf-8-sig")
    source = GrowingFile(path, EventReader(SPEC))
    assert ids(source, source.begin())[0] == ["1", "2"]


def test_a_rotated_file_is_read_to_its_end_first(tmp_path: Path) -> None:
    """It was renamed, and a new one is there; that is told. If the old one is gone, it is told what was lost."""
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD % 1 + GOOD % 2)
    source = GrowingFile(path, EventReader(SPEC))
    _, position = ids(source, source.begin(), most=1)
    path.rename(tmp_path / "events.jsonl.1")
    path.write_text(GOOD % 3)
    found, after = ids(source, position)
    assert (found, source.told) == (["2"], [])
    found, _ = ids(source, after)
    assert (found, source.told) == (["3"], ["events.jsonl was rotated: the new file is read now"])
    (tmp_path / "events.jsonl.1").unlink()
    assert ids(source, position)[0] == ["3"]
    assert source.told[-1].endswith("what was left of the old one is not there any more, and was not read")


def test_a_rotated_files_last_line_needs_no_end(tmp_path: Path) -> None:
    """Nobody writes it on, once the new file has a line; until then it may be half of one."""
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD % 1 + (GOOD % 2).strip())
    source = GrowingFile(path, EventReader(SPEC))
    _, position = ids(source, source.begin())
    path.rename(tmp_path / "events.jsonl.1")
    path.touch()
    assert ids(source, position) == ([], position)
    path.write_text(GOOD % 3)
    found, position = ids(source, position)
    assert found == ["2"]
    assert ids(source, position)[0] == ["3"]


def test_a_truncated_file_is_read_anew_and_told(tmp_path: Path) -> None:
    """Also if it has grown beyond its old length by now: the bytes before the position are others."""
    path = tmp_path / "events.jsonl"
    path.write_text(GOOD % 1)
    source = GrowingFile(path, EventReader(SPEC))
    _, position = ids(source, source.begin())
    path.write_text(GOOD % 7 + GOOD % 8 + GOOD % 9)
    assert ids(source, position)[0] == ["7", "8", "9"]
    assert source.told == ["events.jsonl was truncated or written anew: it is read from its beginning"]


def test_a_pipe_is_read_as_it_comes_and_ends(tmp_path: Path) -> None:
    """What is there is read, nothing is waited for, and a last line needs no end."""
    reading, writing = os.pipe()
    source = Pipe(EventReader(SPEC), reading)
    assert ids(source, "") == ([], "")
    os.write(writing, (GOOD % 1 + GOOD % 2 + (GOOD % 3).strip()).encode())
    assert ids(source, "", most=1)[0] == ["1"]
    assert (source.behind(""), source.ended) == (1, False)
    os.close(writing)
    assert (ids(source, "")[0], source.ended) == (["2", "3"], True)
    os.close(reading)


def test_a_batch_with_bad_lines_gives_each_its_own_verdict() -> None:
    """Whatever stands beside a good line, it is read; a line of a million characters is refused as a whole."""
    reader = EventReader(SPEC)
    lines: list[Any] = [GOOD % 1, "nonsense", GOOD % 2, '{"speed": 1e999}', GOOD.replace("Oslo", "Paris") % 3, GOOD % 4]
    found = reader.judge([one.encode() for one in lines])
    assert [isinstance(one, Event) for one in found] == [True, False, True, False, False, True]
    reasons = [one.reason for one in found if isinstance(one, Refused)]
    assert reasons[0] == "the line is no JSON"
    assert reasons[2] == "city is none of the allowed values Oslo, Rome"


GERMAN = replace(SPEC.source, decimal=",", thousands=".", time_format="%d.%m.%Y %H:%M")
FOREIGN = {
    "json": ('"2024-01-01T05:00:00Z"', "1.234"),
    "text": ('"1.1.2024 05:00"', '"1,234"'),
    "whole": ('"1.1.2024 05:00"', "12"),
}


def test_jsons_own_numbers_and_iso_times_are_read_whatever_text_looks_like(tmp_path: Path) -> None:
    """A model whose CSV has decimal commas learns 1.234 of JSON as 1.234, from events and from a file; text as CSV."""
    german = replace(SPEC, source=GERMAN)
    rows = [
        f'{{"at": {at}, "id": "{name}", "speed": {speed}, "city": "Oslo", "late": 1}}'
        for name, (at, speed) in FOREIGN.items()
    ]
    found = [one for one in EventReader(german).judge([row.encode() for row in rows]) if isinstance(one, Event)]
    assert [one.row["speed"] for one in found] == [1.234, 1.234, 12]
    assert {one.at for one in found} == {1_704_085_200.0}
    port = Port(tmp_path, german)
    port.land("rows.jsonl", *rows, header="")
    port.land(
        "rows.csv", "1.1.2024 05:00;csv;1,5;Oslo;1", "2024-01-01T05:00Z;iso;1;Oslo;1", header="at;id;speed;city;late"
    )
    result = port.ingest()
    assert (result.rows, result.refused) == (5, 1)
    assert sorted(port.every_row()["speed"]) == [1.234, 1.234, 1.5, 12]


def test_a_late_label_is_read_as_json_has_it() -> None:
    """Of a model for numbers: 61.5 is no text with a decimal comma, and neither refused nor 615."""
    schema = replace(SPEC.schema, time=None, key=("id",), target="rent", ranges={})
    reader = EventReader(replace(SPEC, schema=schema, objective=Regression(), source=GERMAN))
    lines = [b'{"key": "a", "label": 61.5}', b'{"key": "a", "label": "61,5"}', b'{"key": "a", "label": 1.234}']
    assert [one.label for one in reader.judge(lines) if isinstance(one, LateLabel)] == [61.5, 61.5, 1.234]


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """Where the small model's rows arrive."""
    place = Port(tmp_path)
    place.registry.add_model(SPEC.name)
    return place


def test_partitions_are_read_oldest_first_and_once(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """A position says which are over, also where an older one arrives later; it says what lies between two of them."""
    monkeypatch.setattr(PartitionEvents, "_learned_by_champion", lambda _: set())
    newest = NewestRows(port.spec, port.registry, port.store, port.home / "cache")
    source = PartitionEvents(newest)
    begun = source.begin()
    assert ids(source, begun) == ([], begun)
    port.land("second.csv", *(line(n, day=2) for n in (3, 4)))
    port.ingest()
    found, position = ids(source, begun, most=1)
    assert (found, source.behind(position)) == (["3"], 1)
    port.land("first.csv", *(line(n, day=1) for n in (1, 2)))
    port.ingest()
    (second, first) = (p.digest for p in sorted(port.partitions(), key=lambda p: p.arrived_at))
    assert source.lineage(begun, position) == ((), (second,))
    found, position = ids(PartitionEvents(newest), position)  # the one that was begun is read to its end
    assert found == ["4"]
    assert source.lineage(begun, position) == ((second,), ())
    found, position = ids(source, position)
    assert (found, ids(source, position)[0]) == (["1", "2"], [])
    assert source.lineage(begun, position) == ((second, first), ())
    assert not source.spoiled(begun, position)
    port.registry.recall(SPEC.name, first, reason="wrong", actor="me")
    assert source.spoiled(begun, position)


def test_corrected_rows_are_left_out_and_keep_the_place_of_the_others(port: Port) -> None:
    """The correction itself comes as an event; whoever is inside of the partition misses none of its other rows."""
    place = port.with_source(corrections="replace")
    place.land("a.csv", *(line(n) for n in (1, 2, 3)))
    place.ingest()
    source = PartitionEvents(NewestRows(place.spec, place.registry, place.store, place.home / "cache"))
    begun = '{"done": "", "inside": "", "row": 0}'
    _, position = ids(source, begun, most=1)
    place.land("b.csv", line(1, speed="50"))
    place.ingest()
    found, position = ids(source, position)
    assert found == ["2", "3"]
    assert ids(source, position)[0] == ["1"]
