"""What commands print: whatever data hold, the terminal shows it and does nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli.printing import print_facts, print_json, print_table, say

HOSTILE = "[red]a[/red] \x1b[31m\x9b2J\u202e|<b>\nftp://me:s/e@cret@host/x?token=abcd"
SECRETS = ("cret", "abcd", "s/e")
STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> str:
    """The same hostile text, printed in each way there is."""
    print_table([HOSTILE, ">rows"], [[HOSTILE, 1]], empty="none")
    print_table(["rows"], [], empty=HOSTILE)
    print_facts(HOSTILE, {"reason": HOSTILE})
    say(HOSTILE)
    say(HOSTILE, err=True)
    print_json({"reason": HOSTILE, "rows": [HOSTILE]})
    out, err = capsys.readouterr()
    return out + err


def test_nothing_steers_the_terminal(printed: str) -> None:
    """No escape sequence, no reversed writing, no markup that is taken for a colour."""
    assert not STEERS.search(printed)
    assert printed.count("[red]a[/red]") >= 6


def test_no_secret_is_printed(printed: str) -> None:
    """Also of what was recorded before anything was masked."""
    assert not [secret for secret in SECRETS if secret in printed]


def test_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads the very signs."""
    print_json({"reason": "a\x1b\x9b\u202e\nü", "figure": float("nan")})
    assert json.loads(capsys.readouterr().out) == {"reason": "a\x1b\x9b\u202e\nü", "figure": None}


def test_every_command_prints_through_here() -> None:
    """Or one of them would forget."""
    room = Path(__file__).parents[2] / "cli"
    rooms = {path.name for path in room.rglob("*.py") if "typer.echo" in path.read_text()}
    assert rooms == {"printing.py"}
