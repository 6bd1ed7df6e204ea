"""What a backtest says on a terminal, and the model file that a person lets it change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.exceptions import Abort
from replayed import drifting, replay, steady, usual

from cli.advised import changed_values, offer, tell
from cli.spec_edits import edited
from errors import InvalidBacktest, InvalidSpec
from evaluation.backtests import Backtest
from learning.catalog import load_spec
from learning.overrides import Policy
from settings import get_settings

HEAD = """from learning.spec import {imports}


def build_base(sample):
    raise NotImplementedError


def build_head(features):
    raise NotImplementedError


"""
IMPORTS = "Binary, ModelSpec, Schema, Source"
COMMON = 'name="shop", schema=Schema(time="at", key=("id",), target="y", numeric=("x",)), objective=Binary(), '
COMMON += 'source=Source("shop"), build_base=build_base, build_head=build_head'
MONTHLY = {"retrain.every": "30d", "retrain.when": ("performance",)}
BY_HAND = 'retrain=RetrainPolicy(every="30d", when=("performance",))'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A models folder that the settings name."""
    monkeypatch.setenv("EVERGREEN_MODELS", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def written(folder: Path, body: str, imports: str = IMPORTS) -> Path:
    """A model file with some text."""
    path = folder / "shop.py"
    path.write_bytes((HEAD.format(imports=imports) + body).encode())
    return path


def changed(folder: Path, body: str, imports: str = IMPORTS, changes: dict[str, object] | None = None) -> list[str]:
    """The lines that an edit takes away and adds, and it is a file that gives a spec with the new values."""
    before = written(folder, body, imports).read_bytes().decode()
    after = edited(before, changes or dict(MONTHLY), load_spec("shop", [folder]))
    (folder / "new").mkdir()
    (folder / "new" / "shop.py").write_bytes(after.encode())
    spec = load_spec("shop", [folder / "new"])
    assert changes or (spec.retrain.every, spec.retrain.when) == ("30d", ("performance",))
    old, new = before.splitlines(), after.splitlines()
    return [f"-{line}" for line in old if line not in new] + [f"+{line}" for line in new if line not in old]


def test_a_policy_that_the_file_does_not_name_is_added(folder: Path) -> None:
    """One line in the call, one name in the import; comments and lines of the user's stay."""
    body = f"spec = ModelSpec(  # ours\n    {COMMON},  # all of it\n    # the end\n)\n"
    added = "from learning.spec import Binary, ModelSpec, RetrainPolicy, Schema, Source"
    assert changed(folder, body) == [f"-from learning.spec import {IMPORTS}", f"+{added}", f"+    {BY_HAND},"]


def test_a_call_on_one_line_stays_on_it(folder: Path) -> None:
    """Nothing is reformatted, and the file's line ends stay."""
    found = changed(folder, f"spec = ModelSpec({COMMON})\r\n# the end\r\n")
    assert found[-1] == f"+spec = ModelSpec({COMMON}, {BY_HAND})"
    assert (folder / "new" / "shop.py").read_bytes().endswith(b")\r\n# the end\r\n")


def test_a_value_that_is_there_is_replaced_at_its_place(folder: Path) -> None:
    """Also behind letters that take several bytes, by position, and in a policy that has a name of its own."""
    body = (
        'weekly = RetrainPolicy(("rows",), every="90d", min_rows=7)  # Größe: „7“\n'
        f"spec: ModelSpec = ModelSpec({COMMON}, retrain=weekly)\n"
    )
    assert changed(folder, body, IMPORTS + ", RetrainPolicy") == [
        '-weekly = RetrainPolicy(("rows",), every="90d", min_rows=7)  # Größe: „7“',
        '+weekly = RetrainPolicy(("performance",), every="30d", min_rows=7)  # Größe: „7“',
    ]


def test_values_within_values_and_whole_plans(folder: Path) -> None:
    """A part of a plan goes where the plan is; another plan takes its place as a whole."""
    body = f"spec = ModelSpec({COMMON},\n    finetune=FineTune(replay=Replay(share=1.0)),\n)\n"
    found = changed(folder, body, IMPORTS + ", FineTune, Replay", {"finetune.replay.share": 3.0, "gate.rule": "proven"})
    assert found[2:] == [
        "+from learning.spec import Binary, Gate, ModelSpec, Schema, Source, FineTune, Replay",
        "+    finetune=FineTune(replay=Replay(share=3.0)),",
        '+    gate=Gate(rule="proven"),',
    ]
    spec = load_spec("shop", [folder])
    whole = changed_values(spec, Policy("scratch", {"finetune": "from scratch"}))
    text = edited((folder / "shop.py").read_text(), whole, spec)
    assert "    finetune=FromScratch(),\n" in text
    assert "import Binary, FromScratch, ModelSpec" in text


def test_a_stage_is_replaced_by_what_it_would_be() -> None:
    """A value of a stage, by the stage's name, is written with all stages, of which only what is not usual is said."""
    from models.flights import spec

    path = Path("models/flights.py")
    both = changed_values(spec, Policy("both", {"finetune": "thaw", "finetune.head.epochs": "3"}))
    assert list(both) == ["finetune"], "what lies within it is in it already"
    text = edited(path.read_text(), changed_values(spec, Policy("mine", {"finetune.head.epochs": "3"})), spec)
    assert "stages=(Stage(learning_rate_scale=0.3, epochs=3, batch_size=512),)," in text


@pytest.mark.parametrize(
    "body",
    [
        f"made = dict(retrain=RetrainPolicy())\nspec = ModelSpec({COMMON}, **made)\n",
        f"def make():\n    return ModelSpec({COMMON})\n\n\nspec = make()\n",
        f"spec = ModelSpec({COMMON})\nspec = spec\n",
        f"spec = ModelSpec({COMMON}, retrain=(RetrainPolicy if True else None)())\n",
        f"if True:\n    spec = ModelSpec({COMMON})\n",
    ],
)
def test_what_is_not_plainly_there_is_for_a_person(folder: Path, body: str) -> None:
    """Nothing is guessed: the error has the very words to paste."""
    path = written(folder, body, IMPORTS + ", RetrainPolicy")
    with pytest.raises(InvalidSpec) as refused:
        edited(path.read_text(), MONTHLY, load_spec("shop", [folder]))
    assert BY_HAND in str(refused.value)


def advised(overrides: dict[str, str]) -> Backtest:
    """A backtest that advises a policy with these values at a price of 30."""
    backtest = replay(drifting, usual(), present="weekly")
    policies = tuple(replace(p, overrides=overrides if p.policy == "four-weekly" else {}) for p in backtest.policies)
    return replace(backtest, policies=policies)


def test_a_person_says_yes(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The diff is shown first; "no" leaves the file as it is, "yes" writes it, and so does --yes without a question."""
    path = written(folder, f"spec = ModelSpec({COMMON})\n")
    before, backtest = path.read_bytes(), advised({"retrain.every": "28d", "retrain.when": ""})
    for answer, asked in ((False, True), (True, True), (True, False)):
        path.write_bytes(before)
        monkeypatch.setattr("typer.confirm", lambda *_, said=answer, may=asked, **__: said if may else pytest.fail("?"))
        offer(backtest, 30.0, yes=not asked)
        assert (path.read_bytes() != before) == answer
        assert "+spec = ModelSpec(" in capsys.readouterr().err
    assert load_spec("shop", [folder]).retrain.every == "28d"


def test_what_no_file_can_hold_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Never retraining is a schedule taken away, not a value; and what the model has already is nothing to write."""
    path = written(folder, f"spec = ModelSpec({COMMON})\n")
    before = path.read_bytes()
    with pytest.raises(InvalidBacktest, match="retrain-shop"):
        offer(replay(steady, usual()), None, yes=True)
    offer(replay(drifting, usual()), None, yes=True)
    assert "nothing to write: weekly" in capsys.readouterr().out
    with pytest.raises(InvalidSpec, match="Gate"):  # the file would not load
        offer(advised({"gate.rule": "proven", "gate.metric": "brier"}), 30.0, yes=True)
    assert path.read_bytes() == before


def test_no_answer_is_no(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can be asked, nothing is written."""
    path = written(folder, f"spec = ModelSpec({COMMON})\n")
    before = path.read_bytes()

    def nobody(*_: object, **__: object) -> bool:
        raise Abort

    monkeypatch.setattr("typer.confirm", nobody)
    with pytest.raises(Abort):
        offer(advised({"retrain.every": "28d"}), 30.0, yes=False)
    assert path.read_bytes() == before


def test_a_terminal_has_table_oracle_and_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The advice stands last, where a reader's eye is; programs get it as JSON, and a page is written if wanted."""
    backtest = replay(drifting, usual())
    tell(backtest, 30.0, None, json=False)
    out = capsys.readouterr().out
    assert "weekly (present)" in out
    assert "constant (no model)" in out
    assert out.index("retrains of the exact plan") < out.index("Retrain less often, by four-weekly")
    tell(backtest, None, tmp_path / "page.html", json=True)
    assert '"word": "keep"' in capsys.readouterr().out
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
