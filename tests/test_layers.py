"""The house: importing does nothing. That imports run one way is seen by import-linter, in `make lint`."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent


def test_evidently_is_known_to_one_file() -> None:
    """Whoever replaces the drift library replaces one file."""
    rooms = ("arrivals", "cli", "db", "demo", "evaluation", "flows", "learning", "monitoring", "tasks")
    files = [path for room in rooms for path in (PROJECT / room).rglob("*.py") if "evidently" in imports(path)]
    assert [str(path.relative_to(PROJECT)) for path in files] == ["monitoring/evidently_report.py"]


def test_start_up_tricks_stay_in_commands_and_steps() -> None:
    """What learns and predicts leaves the process it lives in as it is: other programs use it too."""
    rooms = ("arrivals", "client", "db", "demo", "evaluation", "learning", "monitoring")
    tricks = PROJECT / "learning" / "startup.py"
    files = [path for room in rooms for path in (PROJECT / room).rglob("*.py") if path != tricks]
    words = ("learning.startup", "gc.freeze", "dup2")
    assert not [(str(path), word) for path in files for word in words if word in path.read_text()]


def imports(path: Path) -> set[str]:
    """Top-level names of the packages that a file imports, anywhere in it."""
    import ast

    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("flows.retrain, flows.watch, flows.bootstrap", {"tensorflow", "keras", "evidently"}),
        ("learning.spec", {"tensorflow", "keras"}),
        ("evergreen_client", {"tensorflow", "keras", "numpy", "sqlalchemy", "fsspec"}),
        ("cli.main", {"tensorflow", "keras", "evidently", "prefect", "polars", "alembic"}),
    ],
)
def test_importing_stays_cheap(module: str, unwanted: set[str]) -> None:
    """Deploying imports every flow, and a registry query must not wait for TensorFlow."""
    code = f"import sys, {module}; print(sorted(set(sys.modules) & {unwanted}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "room", ["arrivals", "cli", "cli/drafting", "db", "demo", "evaluation", "flows", "learning", "monitoring", "tasks"]
)
def test_a_package_file_holds_a_docstring_only(room: str) -> None:
    """What a room offers is in its modules, by name."""
    lines = (PROJECT / room / "__init__.py").read_text().strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith('"""')
