"""Odd CSV, JSON Lines, arrays of JSON and compressed files: what their standards say of them, and what is damage."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from corpus import Case, csv

NOTED = "at,id,speed,city,late,note"
NOTES = {"ignore": ("note",)}
QUOTE_INSIDE = "a quote inside a field without quotes"
CLOSES_EARLY = "closes before its field ends"
UNCLOSED = "a quote that nothing closes"
LIKE_ROWS = "lines that look like rows"


def row(name: str, number: int, *, speed: str = "10", city: str = "Oslo", late: str = "1") -> str:
    """A good row whose id is its file's own."""
    return f"2024-01-01T00:00:{number:02}Z,{name}-{number},{speed},{city},{late}"


def good(name: str, *numbers: int) -> list[str]:
    """Good rows of a file."""
    return [row(name, number) for number in numbers]


def noted(name: str, number: int, note: str) -> str:
    """A good row with a quoted note behind it."""
    return f'{row(name, number)},"{note}"'


def json_row(name: str, number: int, **changes: object) -> str:
    """A good row as JSON."""
    at = f"2024-01-01T00:00:{number:02}Z"
    return json.dumps({"at": at, "id": f"{name}-{number}", "speed": 10, "city": "Oslo", "late": 1} | changes)


def json_rows(name: str, *numbers: int) -> list[str]:
    """Good rows of a file as JSON."""
    return [json_row(name, number) for number in numbers]


def lines(*parts: str, end: str = "\n") -> bytes:
    """A JSON Lines file."""
    return "".join(f"{part}{end}" for part in parts).encode()


def zipped(**files: bytes) -> Callable[[Path], object]:
    """Write a zip archive of these files, "_" standing for ".", at a path."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name.replace("_", "."), content)

    return write


def mac_zip(content: bytes) -> bytes:
    """A zip archive as macOS makes it: with a folder, and a shadow of each file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__MACOSX/._rows.csv", b"\0\5\x16\7")
        archive.writestr("rows/", b"")
        archive.writestr("rows/rows.csv", content)
    return buffer.getvalue()


MAIL = "\n".join(["Dear all,", *(row("forged", number) + ",x" for number in range(25)), "", "see you"])
FORGED = "\n".join(row("forged", number) + ",x" for number in range(3))

CSV = [
    # Quoted fields as the standard has them
    Case("mail.csv", csv(*(noted("mail", n, f"{MAIL} {n}") for n in range(1, 6)), header=NOTED), 5, source=NOTES),
    Case("long.csv", csv(noted("long", 1, "a\n" * 400_000), noted("long", 2, "b"), header=NOTED), 2, source=NOTES),
    Case("crlf.csv", csv(noted("crlf", 1, "a\r\nb"), noted("crlf", 2, "c"), header=NOTED, end="\r\n"), 2, source=NOTES),
    Case("mixed-ends.csv", csv(row("mixed", 1) + "\r", row("mixed", 2)), 2),
    Case("twice.csv", csv(noted("twice", 1, 'say ""so"",\nor not'), header=NOTED), 1, source=NOTES),
    Case("only-quotes.csv", csv(noted("quotes", 1, '""""'), header=NOTED), 1, source=NOTES),
    Case("commas.csv", csv(noted("commas", 1, ",,,,,,,"), header=NOTED), 1, source=NOTES),
    Case(
        "blank-inside.csv",
        csv(noted("inside", 1, "\n\n\n\n"), "", row("inside", 2) + ",", header=NOTED),
        2,
        source=NOTES,
    ),
    Case(
        "all-quoted.csv",
        csv(
            *(",".join(f'"{f}"' for f in r.split(",")) for r in good("all", 1, 2)),
            header='"at","id","speed","city","late"',
        ),
        2,
    ),
    Case(
        "quoted-header.csv",
        csv(row("head", 1) + ",x", header='at,id,speed,city,late,"no\nte"'),
        1,
        source={"ignore": ("no\nte",)},
    ),
    Case("empty-quoted.csv", csv(row("empty", 1, speed='""', late='""')), 1),
    Case("empty-city.csv", csv(row("no-city", 1, city='""'), row("no-city", 2)), 1, refused=1, says="city is missing"),
    Case("tabs.tsv", csv(*good("tabs", 1, 2)).replace(b",", b"\t"), 2),
    Case("bars.txt", csv(*good("bars", 1, 2)).replace(b",", b"|"), 2),
    Case("bom-quoted.csv", b"\xef\xbb\xbf" + csv(row("bom", 1), header='"at",id,speed,city,late'), 1),
    Case("open-end.csv", csv(noted("end", 1, "a\nb"), header=NOTED)[:-1], 1, source=NOTES),
    # Damage
    Case("stray.csv", csv(row("stray", 1, city='Os"lo'), *good("stray", 2, 3)), 2, refused=1, says=QUOTE_INSIDE),
    Case(
        "two-strays.csv",
        csv(row("strays", 1, city='Os"lo'), *good("strays", *range(2, 7)), row("strays", 7, city='Ro"me')),
        5,
        refused=2,
        says=QUOTE_INSIDE,
    ),
    Case(
        "opens.csv",
        csv(*good("opens", 1, 2), row("opens", 3, city='"Oslo'), *good("opens", *range(4, 9))),
        7,
        refused=1,
        says=UNCLOSED,
    ),
    Case(
        "opens-twice.csv",
        csv(row("again", 1, city='"Oslo'), *good("again", 2, 3), row("again", 4, city='"Oslo'), *good("again", 5, 6)),
        4,
        refused=2,
        says=CLOSES_EARLY,
    ),
    Case("opens-last.csv", csv(*good("last", 1, 2), row("last", 3, city='"Oslo')), 2, refused=1, says=UNCLOSED),
    Case("closes.csv", csv(row("closes", 1, city='Oslo"'), *good("closes", 2, 3)), 2, refused=1, says=QUOTE_INSIDE),
    Case("early.csv", csv(row("early", 1, city='"Os"lo'), *good("early", 2, 3)), 2, refused=1, says=CLOSES_EARLY),
    Case("blank-after.csv", csv(row("after", 1, city='"Oslo" '), *good("after", 2)), 1, refused=1, says=CLOSES_EARLY),
    Case(
        "before-quoted.csv",
        csv(row("before", 1, city='"Oslo'), *good("before", 2, 3), row("before", 4, city='"Oslo"'), *good("before", 5)),
        4,
        refused=1,
        says=CLOSES_EARLY,
    ),
    Case(
        "lost-close.csv",
        csv(f'{row("lost", 1)},"a\nb\nc', *(noted("lost", n, "d\ne") for n in (2, 3)), header=NOTED),
        2,
        refused=1,
        says=CLOSES_EARLY,
        source=NOTES,
    ),
    Case(
        "lost-open.csv",
        csv(noted("no-open", 1, "a\nb"), f'{row("no-open", 2)},c"', noted("no-open", 3, "d\ne"), header=NOTED),
        2,
        refused=1,
        says=QUOTE_INSIDE,
        source=NOTES,
    ),
    Case(
        "not-twice.csv",
        csv(noted("naive", 1, f'He said "hi" to\n{FORGED}\nbye'), noted("naive", 2, "x"), header=NOTED),
        1,
        refused=1,
        says=CLOSES_EARLY,
        source=NOTES,
    ),
    Case(
        "cut-mail.csv",
        csv(noted("cut", 1, "a"), f'{row("cut", 2)},"Dear all,\n{row("forged", 1)},x\nand the', header=NOTED),
        1,
        refused=1,
        says=UNCLOSED,
        source=NOTES,
    ),
    Case(
        "either.csv",
        csv(row("either", 1, city='"Oslo'), *good("either", *range(2, 7)), row("either", 7, city='Rome"')),
        0,
        refused=1,
        says=LIKE_ROWS,
    ),
    Case(
        "narrow.csv",
        csv("2024-01-01T00:00:09Z,narrow-9", *good("narrow", 1, 2)),
        2,
        refused=1,
        says="fewer fields than the header (2 beside 5)",
    ),
    Case("wide.csv", csv(noted("wide", 9, f"a\n{FORGED}\nb"), *good("wide", 1, 2)), 2, refused=1, says="(6 beside 5)"),
    Case("nul-inside.csv", csv(row("nul", 1, city="Os\0lo"), *good("nul", 2)), 1, refused=1, says="NUL bytes"),
    Case(
        "latin.csv",
        csv(row("latin", 1), row("latin", 2, city="X")).replace(b"X", b"\xd8"),
        1,
        refused=1,
        says="no UTF-8",
    ),
    Case(
        "bad-note.csv",
        csv(noted("bad", 1, f"a\n{FORGED}\nX"), noted("bad", 2, "b"), header=NOTED).replace(b"\nX", b"\n\xff"),
        1,
        refused=1,
        says="no UTF-8",
        source=NOTES,
    ),
    Case(
        "giant.csv",
        csv(noted("giant", 1, "x\n" * 600_000), noted("giant", 2, "x"), header=NOTED),
        1,
        refused=1,
        says="longer than a million",
        source=NOTES,
    ),
    Case(
        "giant-line.csv",
        csv(row("line", 1, city="x" * 9_000_000), *good("line", 2)),
        1,
        refused=1,
        says="longer than a million",
    ),
    Case("glued.csv", csv(*good("glued", 1, 2))[:-1] + csv(*good("glued", 3, 4)), 3, refused=1, says="more fields"),
    Case("cut.csv", csv(*good("cut-off", 1, 2, 3))[:-8], 2, refused=1, says="fewer fields"),
    Case("separators.csv", csv(*good("sep", 1), ",,,,", *good("sep", 2), ",,,,"), 2),
    Case("blanks.csv", csv(*good("blank", 1), *[""] * 100_000, *good("blank", 2)), 2),
    # Headers
    Case("header-of-50-mb.csv", b"x," * 25_000_000, says="longer than 1,048,576 bytes, which is no header"),
    Case("same-names.csv", csv(header="at," * 80_000 + "id"), says="'at' stands there twice"),
    Case("mac.csv", csv(*good("mac", 1, 2), end="\r"), says="it has no"),
    Case("utf-16.csv", csv(*good("utf", 1, 2)).decode().encode("utf-16-le"), says="UTF-16"),
    Case("open-header.csv", csv(*good("open", 1), header='at,id,speed,"city,late'), says="it has no"),
]

JSON = [
    Case(
        "late-column.jsonl",
        lines(
            *(json_row("late", n, at=f"2024-01-02T{n // 60:02}:{n % 60:02}:00Z") for n in range(1_200)),
            json_row("late", 1_200, wind=3),
        ),
        says="nobody expects 'wind'",
    ),
    Case(
        "late-wanted.jsonl",
        lines(*['{"id": "x"}'] * 1_100, json_row("wanted", 1)),
        1,
        refused=1_100,
        says="at is missing",
    ),
    Case("floats.jsonl", lines(json_row("float", 1, speed=1e1), json_row("float", 2, late=1.0)), 2),
    Case("spaced.jsonl", lines(*(part.replace(":", " : ", 1) for part in json_rows("spaced", 1, 2))), 2),
    Case("windows.jsonl", lines(*json_rows("crlf-json", 1, 2), end="\r\n"), 2),
    Case(
        "left-out.jsonl",
        lines(json_row("left", 1), '{"at": "2024-01-01T00:00:02Z", "id": "left-2", "city": "Rome"}'),
        2,
    ),
    Case(
        "half-sign.jsonl",
        lines(json_row("half", 1, city="\ud800"), json_row("half", 2)),
        1,
        refused=1,
        says="half a character",
    ),
    Case("whole-sign.jsonl", lines(json_row("sign", 1, note="\U0001f600")), 1, source=NOTES),
    Case(
        "no-number.jsonl",
        lines(json_row("nan", 1, speed=float("inf")), json_row("nan", 2, speed=float("nan"))),
        1,
        refused=1,
        says="Infinity is no number",
    ),
    Case(
        "two-on-a-line.jsonl",
        lines(" ".join(json_rows("two", 1, 2)), json_row("two", 3)),
        1,
        refused=1,
        says="Extra data",
    ),
    Case(
        "broken-lines.jsonl",
        lines(*json_rows("broken", 1), '{"at": "2024', "x", *json_rows("broken", 2)),
        2,
        refused=2,
        says="the line is no JSON",
    ),
    Case(
        "latin.jsonl",
        lines(json_row("latin-json", 1, city="X"), json_row("latin-json", 2)).replace(b"X", b"\xd8"),
        1,
        refused=1,
        says="no UTF-8",
    ),
    Case(
        "giant-line.jsonl",
        lines(json_row("long-json", 1, city="x" * 5_000_000), json_row("long-json", 2)),
        1,
        refused=1,
        says="longer than a million",
    ),
    Case("csv-inside.jsonl", csv(*good("inside-json", 1, 2)), says="not one of its lines is a JSON object", refused=0),
    Case("blank.jsonl", b"\n" * 100_000, 0),
    # Arrays
    Case("array.json", lines("[", ",".join(json_rows("array", 1, 2, 3)), "]"), 3),
    Case("pretty.json", json.dumps([json.loads(part) for part in json_rows("pretty", 1, 2)], indent=2).encode(), 2),
    Case("empty-array.json", b" [ ] \n", 0),
    Case("bom-array.json", b"\xef\xbb\xbf[" + ",".join(json_rows("bom-array", 1, 2)).encode() + b"]", 2),
    Case(
        "broken-array.json",
        f"[{json_row('hole', 1)}, {{'at': 1}}, {json_row('hole', 2)}]".encode(),
        2,
        refused=1,
        says="the line is no JSON",
    ),
    Case(
        "cut-array.json",
        f"[{','.join(json_rows('cut-array', 1, 2))}, {json_row('cut-array', 3)[:40]}".encode(),
        2,
        refused=1,
        says="the line is no JSON",
    ),
    Case(
        "line-end-array.json",
        f"[{json_row('end-array', 1, city='X')}, {json_row('end-array', 2)}]".replace("X", "Os\nlo").encode(),
        1,
        refused=1,
        says="Invalid control character",
    ),
    Case("numbers.json", b"[1, 2, 3]", says="not one of its lines is a JSON object"),
    Case(
        "nested-array.json",
        f"[[{json_row('forged', 9)}], {json_row('nested', 1)}]".encode(),
        1,
        refused=1,
        says="no JSON object",
    ),
    Case("arrays.json", f"[{json_row('arrays', 1)}]\n[{json_row('arrays', 2)}]".encode(), 2),
    Case("new-in-array.json", f"[{json_row('new', 1, wind=1)}]".encode(), says="nobody expects 'wind'"),
]

COMPRESSED = [
    Case("rows.csv.gz", gzip.compress(csv(*good("gz", 1, 2))), 2),
    Case("members.csv.gz", gzip.compress(csv(*good("members", 1))) + gzip.compress(row("members", 2).encode()), 2),
    Case("rows.csv.bz2", bz2.compress(csv(*good("bz2", 1, 2))), 2),
    Case("array.json.xz", lzma.compress(f"[{json_row('xz', 1)}]".encode()), 1),
    Case("mail.csv.zip", zipped(mail_csv=csv(noted("zip", 1, MAIL), header=NOTED)), 1, source=NOTES),
    Case("mac.csv.zip", mac_zip(csv(*good("mac-zip", 1, 2))), 2),
    Case(
        "two.csv.zip",
        zipped(a_csv=csv(*good("zip-a", 1)), b_csv=csv(*good("zip-b", 1))),
        says="holds 2 files, where one",
    ),
    Case("none.csv.zip", zipped(), says="holds 0 files, where one"),
    Case("no-zip.csv.zip", csv(*good("no-zip", 1)), says="it cannot be unpacked"),
    Case("cut.csv.gz", gzip.compress(csv(*good("cut-gz", 1, 2)))[:-9], says="it cannot be unpacked"),
    Case("cut.csv.xz", lzma.compress(csv(*good("cut-xz", 1, 2)))[:-9], says="it cannot be unpacked"),
    Case("junk.csv.gz", gzip.compress(csv(*good("junk", 1))) + b"junk", says="it cannot be unpacked"),
    Case("nothing.csv.gz", gzip.compress(b""), says="it is empty"),
    Case("twice-packed.csv.gz", gzip.compress(gzip.compress(csv(*good("twice", 1)))), says="it holds gzip, not csv"),
    Case("bomb.csv.xz", lzma.compress(bytes(300_000_000), preset=0), says="that is no data, but a bomb"),
]

CASES = [replace(case, file=f"text/{case.file}") for case in (*CSV, *JSON, *COMPRESSED)]
