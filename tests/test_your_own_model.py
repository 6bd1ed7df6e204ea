"""docs/your-own-model.md, followed word by word: what it says to paste is pasted, and prints what the page says.

Two lines are not run, `git clone` and `make setup`: this checkout, with the environment that runs the tests, is what
they bring. `evergreen up` gets a free port, and Ctrl-C once its server knows the deployments.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import typer

import learning.spec
from cli.main import app
from learning.built import build
from learning.catalog import load_spec

PROJECT = Path(__file__).parent.parent
PAGE = (PROJECT / "docs/your-own-model.md").read_text()
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
NAMED = re.compile(r'"""(\S+\.py): ')  # a Python block that is a file says so in its first words
COMMANDS = [line.split(" #")[0] for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]
INLINE = [" ".join(found.split()) for found in re.findall(r"`(evergreen\s[^`]+)`", PAGE)]
MOST_COMMANDS = 10  # from the clone to the first retrain of an adopted model

STAND_INS = r"""
git() { mkdir -p "$3/.venv" && ln -s "$ENVIRONMENT/bin" "$3/.venv/bin"; }
make() { test "$*" = "-C evergreen setup"; }
evergreen() {
    if [ "$*" != up ]; then command evergreen "$@"; return; fi
    command evergreen up --port "$PORT" & up=$!
    until grep -q "^Ready" "$OUTPUT"; do kill -0 $up; sleep 0.5; done
    python -c "$ASK"
    kill -INT $up
    wait $up
}
"""
ASK = """
import os, urllib.request
url = f"http://127.0.0.1:{os.environ['PORT']}/api/deployments/filter"
request = urllib.request.Request(url, b"{}", {"content-type": "application/json"})
print(urllib.request.urlopen(request).read().decode(), file=open(os.environ["ANSWER"], "w"))
"""


def script(outputs: Path) -> str:
    """All blocks of the page, one after the other, in one shell: each writes its output to a file of its own."""
    lines = ["set -e", STAND_INS]
    for place, (kind, text) in enumerate(BLOCKS):
        if kind == "sh":
            lines += [f"OUTPUT={outputs}/{place}.txt", 'exec >"$OUTPUT" 2>&1', text]
        elif kind == "python" and (name := NAMED.match(text)):
            lines.append(f"cat >{name[1]} <<'END OF FILE'\n{text}END OF FILE")
    return "\n".join(lines)


def environment(folder: Path) -> dict[str, str]:
    """Of a person who has set nothing yet, in a home of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("EVERGREEN_", "PREFECT_"))}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (folder / "home").mkdir()
    return kept | {
        "ANSWER": str(folder / "deployments.json"),
        "ASK": ASK,
        "ENVIRONMENT": sys.prefix,
        "HOME": str(folder / "home"),
        "PORT": port,
        "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'client'}",
    }


def pasted(text: str, folder: Path, variables: dict[str, str]) -> int:
    """Exit code of a script; whatever ends the test ends its server, too."""
    shell = subprocess.Popen(["bash", "-c", text], cwd=folder, env=variables, start_new_session=True)
    try:
        return shell.wait()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)


def missing(expected: str, output: str) -> list[str]:
    """Lines that the page shows and that were not printed, in this order; `...` stands for anything."""
    printed = iter(output.splitlines())
    lines = [line for line in expected.splitlines() if line != "..."]
    return [
        line
        for line in lines
        if not any(one.endswith(line[3:]) if line.startswith("...") else one.rstrip() == line for one in printed)
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_can_be_pasted_from_its_first_line_to_its_last(tmp_path: Path) -> None:
    """A model of plain Keras is adopted, retrained and scheduled, a draft is made, and the output is the page's."""
    work, outputs = tmp_path / "work", tmp_path / "outputs"
    work.mkdir()
    outputs.mkdir()
    code = pasted(script(outputs), work, environment(tmp_path))
    printed = {int(path.stem): path.read_text() for path in sorted(outputs.iterdir())}
    assert code == 0, printed[max(printed)]
    for place, (kind, text) in enumerate(BLOCKS):
        if kind == "text":
            assert missing(text, printed[place - 1]) == [], printed[place - 1]
    (versions,) = (printed[place] for place in printed if "registry versions" in BLOCKS[place][1])
    assert re.search(r"^\* +3 +1 .*passed, refit of 2", versions, re.MULTILINE), versions
    deployments: list[dict[str, Any]] = json.loads((tmp_path / "deployments.json").read_text())
    (retrains,) = (one for one in deployments if one["name"] == "retrain-orders")
    crons = [one["schedule"]["cron"] for one in retrains["schedules"]]
    assert crons == ["0 5 * * 1"]


def test_it_takes_few_commands_to_the_first_retrain() -> None:
    """From the clone on, all that a person types is counted."""
    assert COMMANDS[0].startswith("git clone")
    assert "evergreen retrain orders" in COMMANDS
    before = list(takewhile(lambda line: line != "evergreen retrain orders", COMMANDS))
    assert any(line.startswith("evergreen adopt orders") for line in before)
    assert len(before) + 1 <= MOST_COMMANDS
    assert re.search(r"^setup:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


def test_the_model_file_on_the_page_is_whole(tmp_path: Path) -> None:
    """Saved as it stands, it is a model that a bootstrap would take."""
    (text,) = (text for _, text in BLOCKS if text.startswith('"""models/'))
    (tmp_path / "late.py").write_text(text)
    spec = load_spec("late", [tmp_path])
    rows = {name: np.linspace(-1, 1, 8, dtype="float32").reshape(-1, 1) for name in spec.schema.numeric}
    assert build(spec, rows, tmp_path).base.exists()


class Asked:
    """A champion that is asked for predictions of windows of eight rows."""

    def predict(self, rows: dict[str, Any]) -> None:
        """Take them as the example's model would."""
        assert {name: values.shape for name, values in rows.items()} == dict.fromkeys(
            ("heat", "load", "mode", "mask"), (1, 8)
        )


def test_every_other_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the names that a model's file imports; what is served stands in for a champion."""
    monkeypatch.setattr("evergreen_client.load_champion", lambda _model: Asked())
    examples = [text for kind, text in BLOCKS if kind == "python" and not NAMED.match(text)]
    assert examples
    for text in examples:
        exec(text, dict(vars(learning.spec)))  # noqa: S102 - the page's own lines


@pytest.mark.parametrize("line", [line for line in INLINE if "..." not in line])
def test_commands_in_sentences_parse(line: str) -> None:
    """Each names a verb that exists, with options and arguments that it takes; some leave out what must be said."""
    words = shlex.split(line)[1:]
    command: click.Command = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context("evergreen", words, resilient_parsing=True)


def test_every_block_is_checked() -> None:
    """A block in another language would be shown to nobody but the reader."""
    assert {kind for kind, _ in BLOCKS} == {"sh", "text", "python"}
