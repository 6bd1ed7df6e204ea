"""`evergreen deploy`: when a model is retrained, as prefect.yaml says it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.deploy import add_deployments, refuse_bad_cron, rescheduled
from cli.init import TEMPLATES
from cli.main import app
from errors import InvalidSchedule, UnknownModel

MODEL = 'from types import SimpleNamespace\nspec = SimpleNamespace(name="{}")\n'


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with three models, of which none is deployed yet; the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVERGREEN_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    for name in ("shop", "shop-2", "my-shop"):
        (tmp_path / f"models/{name}.py").write_text(MODEL.format(name))
    (tmp_path / "prefect.yaml").write_text((TEMPLATES / "prefect.yaml").read_text())
    return tmp_path / "prefect.yaml"


def deploy(*words: str) -> str:
    """Run `evergreen deploy`; errors come through."""
    return CliRunner().invoke(app, ["deploy", *words], catch_exceptions=False).output


def cron(file: Path, name: str) -> str:
    """When a model is retrained, as Prefect will read it."""
    deployments = {one["name"]: one for one in yaml.safe_load(file.read_text())["deployments"]}
    (schedule,) = deployments[f"retrain-{name}"]["schedules"]
    return str(schedule["cron"])


def test_a_schedule_is_set_and_changed(home: object, shop: Path) -> None:
    """The deployments are added where they are not there yet; then one line changes, of one model only."""
    assert "added" in deploy("shop")
    assert "nothing to add" in deploy("shop")
    assert "added" in deploy("shop-2", "--cron", "30 5 * * *")
    before = shop.read_text().splitlines()
    assert "retrain-shop runs at 0 4 * * 2" in deploy("shop", "--cron", "0 4 * * 2")
    after = shop.read_text().splitlines()
    assert (cron(shop, "shop"), cron(shop, "shop-2")) == ("0 4 * * 2", "30 5 * * *")
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1


def test_a_name_that_another_one_ends_with_is_another_model(home: object, shop: Path) -> None:
    """The deployments of my-shop are none of shop's."""
    assert "added" in deploy("my-shop")
    assert "added" in deploy("shop", "--cron", "0 4 * * 2")
    assert (cron(shop, "shop"), cron(shop, "my-shop")) == ("0 4 * * 2", "0 6 * * 1")


def test_comments_stay(tmp_path: Path) -> None:
    """Whatever a person wrote beside and between the lines is still there, byte for byte."""
    file = tmp_path / "prefect.yaml"
    file.write_text((TEMPLATES / "prefect.yaml").read_text())
    assert add_deployments(file, "shop")
    text = file.read_text().replace('"0 6 * * 1"', "'0 6 * * 1'   # when the shop is empty\n      # - cron: 1 1 1 1 1")
    changed = rescheduled(text, "shop", "0 4 * * *")
    assert changed == text.replace("'0 6 * * 1'", '"0 4 * * *"')


@pytest.mark.parametrize("bad", ["tomorrow", "0 6 * *", "61 6 * * 1", "0 0 6 * * 1", '0 6 * * "1"'])
def test_a_cron_that_is_none_is_refused(bad: str) -> None:
    """Before anything is written; the sentence shows a good one."""
    with pytest.raises(InvalidSchedule, match="Mondays at six"):
        refuse_bad_cron(bad)


def test_what_cannot_be_changed_safely_is_left_alone(home: object, shop: Path) -> None:
    """No such model, no deployment of it in a file that a person rewrote, or two crons: a sentence each."""
    with pytest.raises(UnknownModel):
        deploy("shup", "--cron", "0 4 * * *")
    shop.write_text(shop.read_text() + "pull: []\n")
    with pytest.raises(InvalidSchedule, match="no deployment retrain-shop"):
        deploy("shop", "--cron", "0 4 * * *")
    two = "deployments:\n  - name: retrain-shop\n    schedules:\n      - cron: 0 4 * * *\n      - cron: 0 5 * * *\n"
    with pytest.raises(InvalidSchedule, match="2 crons"):
        rescheduled(two, "shop", "0 6 * * *")
