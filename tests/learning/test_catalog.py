"""The catalog: which models there are."""

import subprocess
import sys
from pathlib import Path

import pytest

from errors import InvalidSpec, UnknownModel
from learning.catalog import known_models, load_spec

MODELS = Path(__file__).parents[2] / "models"


def test_a_file_that_assigns_spec_is_a_model_and_any_other_file_is_none(tmp_path: Path) -> None:
    """Only files with `spec = …` count; a file that does not parse defines nothing, and breaks nothing."""
    (tmp_path / "birds.py").write_text("spec: object = 1\n")
    (tmp_path / "notes.py").write_text("other = 1\n")
    (tmp_path / "broken.py").write_text("spec = (\n")
    assert known_models([tmp_path]) == ("birds",)


def test_the_demo_models_are_known_and_bear_their_files_names() -> None:
    """Both models that the project ships can be loaded by name."""
    assert [load_spec(name, [MODELS]).name for name in ("flights", "digits")] == ["flights", "digits"]


def test_a_misspelt_model_is_answered_with_the_nearest_name() -> None:
    """Whoever mistypes a name is told the one that was meant."""
    with pytest.raises(UnknownModel, match="did you mean 'flights'"):
        load_spec("flihgts", [MODELS])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\nfrom learning.spec import Spec\nspec = Spec()", r"birds\.py, line 2: .*ImportError: cannot import name"),
        ("import elsewhere_as_well\nspec = 1", r"line 1: .*ModuleNotFoundError"),
        (
            "from learning.spec import Pretrain\n\nspec = Pretrain(\n    epoch=3,\n)",
            r"line 3: .*TypeError.*unexpected keyword",
        ),
        ("from learning.spec import Stage\nspec = Stage('head', epochs=-1)", r"^(?!.*cannot be run).*epochs"),
    ],
)
def test_a_file_that_fails_while_it_runs_is_named_with_the_line(text: str, why: str, tmp_path: Path) -> None:
    """As after a mistyped name; what our own classes say of a value stays as they say it."""
    (tmp_path / "birds.py").write_text(text)
    with pytest.raises(InvalidSpec, match=why):
        load_spec("birds", [tmp_path])


def test_loading_specs_imports_no_keras() -> None:
    """Quick commands stay quick: a spec costs nothing to import."""
    code = "import sys; from pathlib import Path; from learning.catalog import load_spec;"
    code += "[load_spec(name, [Path('models')]) for name in ('flights', 'digits')];"
    code += "sys.exit(any(m in sys.modules for m in ('keras', 'tensorflow', 'polars')))"
    subprocess.run([sys.executable, "-c", code], cwd=MODELS.parent, check=True)
