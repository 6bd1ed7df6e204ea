"""Files beside a table of paths: what their rows become, and what costs a row."""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from arriving import SPEC, Port

from errors import InvalidSpec
from learning.data import PartitionFile, read_inputs
from learning.schema import Schema
from learning.source import Source
from learning.spec import audio, image

SCHEMA = Schema(time=None, key=("id",), target="late", files={"photo": image(4, 4, 1, max_bytes=5_000)})
HEADER = "id,photo,late"
GREY = np.arange(16, dtype="uint8").reshape(4, 4) * 16


@pytest.fixture
def port(tmp_path: Path) -> Port:
    """A model whose only input is a photo."""
    return Port(tmp_path, replace(SPEC, schema=SCHEMA))


def draw(path: Path, pixels: np.ndarray = GREY) -> Path:
    """A grey picture as a file."""
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_png(pixels[..., None]).numpy())
    return path


def photos(port: Port) -> dict[str, list[float]]:
    """What the base gets of every row, by its key."""
    found = {}
    for partition in port.partitions():
        file = PartitionFile(partition.digest, Path(port.store.fetch(partition.artifact)))
        pixels = read_inputs(port.spec.schema, file)
        ids = port.rows(partition)["id"]
        found |= {name: values.ravel().tolist() for name, values in zip(ids, pixels["photo"], strict=True)}
    return found


def reasons(port: Port) -> Sequence[str]:
    """Why rows were refused."""
    return [refusal.reason for refusal in port.registry.refusals("small")]


def test_a_picture_is_an_input_for_ever(port: Port) -> None:
    """Its pixels are in the partition: they stay when the file goes, and a late label finds them again."""
    labelled = port.with_source(labels="labels")
    path = draw(labelled.folder / "photos" / "a.png")
    labelled.land("a.csv", "1,photos/a.png,", header=HEADER)
    assert labelled.ingest().refused == 0
    assert photos(labelled) == {"1": GREY.ravel().tolist()}
    path.unlink()
    (labelled.home / "landing" / "labels" / "l.csv").write_text("id,late\n1,1\n")
    labelled.ingest()
    assert [p.kind for p in labelled.partitions()] == ["rows", "labels"]
    assert photos(labelled) == {"1": GREY.ravel().tolist()}


def test_a_row_that_was_taken_needs_its_file_no_more(port: Port) -> None:
    """A table that grows is taken on, also where old photos were cleared away."""
    old = draw(port.folder / "a.png")
    port.land("a.csv", "1,a.png,0", header=HEADER)
    port.ingest()
    old.unlink()
    draw(port.folder / "b.png")
    port.land("a.csv", "1,a.png,0", "2,b.png,1", header=HEADER)
    result = port.ingest()
    assert (result.duplicates, result.refused, set(photos(port))) == (1, 0, {"1", "2"})


def test_each_bad_file_costs_its_row_and_is_not_named(port: Port, tmp_path: Path) -> None:
    """Missing, outside, a link that leads out, of another kind, damaged, too large: the others are taken."""
    secret = draw(tmp_path / "secret" / "anna.png")
    draw(port.folder / "good.png")
    (port.folder / "link.png").symlink_to(secret)
    (port.folder / "text.png").write_text("no picture")
    cut = draw(port.folder / "cut.png").read_bytes()[:60]
    (port.folder / "cut.png").write_bytes(cut)
    (port.folder / "large.png").write_bytes(b"\x89PNG" + bytes(6_000))
    (port.folder / "folder.png").mkdir()
    names = ("anna.png", "../secret/anna.png", str(secret), "link.png", "a.csv", "text.png", "cut.png", "large.png")
    names = (*names, "folder.png", "x" * 300 + ".png", "file:///etc/passwd.png", "good.png")
    port.land("a.csv", *(f"{place},{name},0" for place, name in enumerate(names)), header=HEADER)
    result = port.ingest()
    assert (result.rows, result.refused, list(photos(port))) == (12, 11, ["11"])
    assert sum(refusal.rows for refusal in port.registry.refusals("small")) == 11
    told = " ".join(reasons(port))
    assert "is not there" in told
    assert "leads out of the source's folder" in told
    assert "is none of .png" in told
    assert "has more than 5,000 bytes" in told
    assert "it is no PNG" in told
    assert not any(part in told for part in ("anna", "secret", "good", "cut.png"))
    assert port.landed()[0].reason is None  # and no photo is a landed file
    assert len(port.landed()) == 1


def test_a_picture_that_says_it_is_huge_is_not_opened(port: Port) -> None:
    """A file of a few bytes may ask for gigabytes."""
    small = bytearray(draw(port.folder / "bomb.png").read_bytes())
    small[16:24] = struct.pack(">II", 100_000, 100_000)
    (port.folder / "bomb.png").write_bytes(bytes(small))
    port.land("a.csv", "1,bomb.png,0", header=HEADER)
    assert port.ingest().refused == 1
    assert "10,000,000,000 pixels" in reasons(port)[0]


def test_a_larger_picture_is_made_smaller(port: Port) -> None:
    """Stretched to the size that the schema names, whatever its own."""
    draw(port.folder / "wide.png", np.full((40, 80), 200, "uint8"))
    port.land("a.csv", "1,wide.png,0", header=HEADER)
    port.ingest()
    assert photos(port) == {"1": [200.0] * 16}


def test_another_path_is_a_conflict_and_may_correct_the_row(port: Port) -> None:
    """A path names one file for ever; another one is another row of the same key."""
    mended = port.with_source(corrections="replace")
    draw(mended.folder / "a.png")
    draw(mended.folder / "b.png", GREY[::-1])
    mended.land("a.csv", "1,a.png,0", header=HEADER)
    mended.ingest()
    mended.land("b.csv", "1,b.png,0", header=HEADER)
    mended.ingest()
    assert mended.partitions()[-1].kind == "corrections"
    assert photos(mended)["1"] == GREY[::-1].ravel().tolist()


def test_a_store_is_read_like_a_folder(tmp_path: Path) -> None:
    """Tables and the files below them, of any fsspec URL."""
    import fsspec

    folder = "memory://shop-photos"
    with fsspec.open(f"{folder}/a.png", "wb") as file:
        file.write(draw(tmp_path / "a.png").read_bytes())
    with fsspec.open(f"{folder}/rows.csv", "w") as file:
        file.write(f"{HEADER}\n1,a.png,0\n2,gone.png,1\n")
    port = Port(tmp_path, replace(SPEC, schema=SCHEMA, source=Source(folder, max_bad_share=1.0)))
    assert port.ingest().refused == 1
    assert list(photos(port)) == ["1"]


def test_a_sound_is_as_long_as_the_schema_says(tmp_path: Path) -> None:
    """One channel from -1 to 1, cut or filled with silence; another rate costs its row."""
    schema = replace(SCHEMA, files={"photo": audio(6, rate=8_000)})
    port = Port(tmp_path, replace(SPEC, schema=schema))
    for name, rate, samples in (("a", 8_000, [1, -1, 0.5]), ("b", 8_000, [0.25] * 9), ("c", 44_100, [0.0])):
        with wave.open(str(port.folder / f"{name}.wav"), "wb") as file:
            file.setparams((2, 2, rate, 0, "NONE", ""))
            file.writeframes(b"".join(struct.pack("<hh", *[round(32_767 * value)] * 2) for value in samples))
    port.land("a.csv", "1,a.wav,0", "2,b.wav,0", "3,c.wav,0", header=HEADER)
    port.ingest()
    found = photos(port)
    assert np.allclose(found["1"], [1, -1, 0.5, 0, 0, 0], atol=1e-4)
    assert np.allclose(found["2"], [0.25] * 6, atol=1e-4)
    assert reasons(port) == [
        "photo names a file that cannot be decoded: it has 44,100 samples a second, not 8,000",
    ]


def test_many_pictures_are_taken_in_bounded_batches(port: Port) -> None:
    """The larger a picture is to the base, the fewer rows are held at once; all of them arrive."""
    from arrivals.intake import Intake
    from arrivals.partition_files import PartitionFiles

    large = replace(port.spec, schema=replace(SCHEMA, files={"photo": image(512, 512)}))
    port.registry.add_model("small")
    rows = Intake(large, port.registry, PartitionFiles(port.store, port.home), port.home, None).batch_rows
    assert rows == max(100, (1 << 26) // (24 * 4 + 4 * math.prod((512, 512, 3))))


@pytest.mark.parametrize("change", [{"nullable": ("photo",)}, {"key": ("photo",)}, {"numeric": ("photo",)}])
def test_a_file_is_an_input_and_nothing_else(change: dict[str, tuple[str, ...]]) -> None:
    """Neither missing, nor a key, nor of another kind; and no query has a folder for it."""
    with pytest.raises(InvalidSpec):
        replace(SCHEMA, **change)
    with pytest.raises(InvalidSpec, match="folder"):
        replace(SPEC, schema=SCHEMA, source=Source("sqlite://", query="rides", cursor="n"))


@pytest.mark.parametrize("shape", [(0, 4, 1), (4, 4, 2)])
def test_what_is_no_picture_is_refused(shape: tuple[int, int, int]) -> None:
    """Channels are 1 or 3."""
    with pytest.raises(InvalidSpec):
        image(*shape)


def test_a_partition_keeps_pixels_as_bytes(port: Port) -> None:
    """A byte a pixel, and the path beside it."""
    draw(port.folder / "a.png")
    port.land("a.csv", "1,a.png,0", header=HEADER)
    port.ingest()
    rows = port.rows(port.partitions()[0])
    assert rows.schema["photo/kept"] == pl.Array(pl.UInt8, 16)
    assert rows["photo"].to_list() == ["a.png"]
